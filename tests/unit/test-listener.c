/* SPDX-License-Identifier: MIT */
/*
 * Sockets that the service manager passes: what is one that listens and what is not, how it refuses
 * and accepts again on the same port, and whose connections it takes.
 */
#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- What is passed ---- */

static void assert_taken(int fd, const char *text)
{
    char bound[ADDRESS_TEXT_MAX];
    Listener *listener = take_listener(fd, true);
    Address address = listener->bound;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (text != NULL)
        g_assert_cmpstr(address_format(&address, bound), ==, text);
    g_assert_true(address_equal(&listener->wanted, &listener->bound));
    g_assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    g_assert_true(is_listening(fd));
    assert_connects(&address);
    g_assert_null(listener_unref(listener));
    /* Whoever passed it goes on with it. */
    assert_connects(&address);
    close(copy);
}

static void test_tcp(void)
{
    assert_taken(listen_on("127.0.0.1:0"), NULL);
    assert_taken(listen_on("[::1]:0"), NULL);
}

/* As a daemon that was killed may have left it. */
static void test_bound(void)
{
    uint16_t port;

    assert_taken(bind_to("127.0.0.1:0"), NULL);
    assert_taken(bind_to("[::1]:0"), NULL);
    assert_taken(bind_fixed_port("127.0.0.1", false, &port), NULL);
}

static void test_unix(void)
{
    g_autofree char *dir = g_dir_make_tmp("sluice-unit-XXXXXX", NULL),
                    *text = g_strdup_printf("unix:%s/socket", dir);

    assert_taken(listen_on(text), text);
    g_assert_cmpint(unlink(text + strlen("unix:")), ==, 0);
    g_assert_cmpint(rmdir(dir), ==, 0);
}

/* Takes the descriptor, which must be closed then. */
static void assert_useless(int fd, const char *why)
{
    _cleanup_error_ Error error = ERROR_INIT;
    g_autofree char *message = g_strdup_printf("descriptor %d is of no use: %s", fd, why);
    Listener *listener = NULL;

    g_assert_cmpint(listener_from_fd(&listener, fd, true, &error), ==, -EADDRNOTAVAIL);
    g_assert_cmpint(error.code, ==, ERROR_LISTEN_FAILED);
    g_assert_cmpstr(error.message, ==, message);
    g_assert_null(listener);
    if (fd >= 0) {
        g_assert_cmpint(fcntl(fd, F_GETFD), ==, -1);
        g_assert_cmpint(errno, ==, EBADF);
    }
}

static void test_no_socket(void)
{
    int ends[2];

    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    assert_useless(ends[0], "it is not a socket");
    assert_useless(ends[1], "it is not a socket");
    assert_useless(open("/dev/null", O_RDWR | O_CLOEXEC), "it is not a socket");
    assert_useless(-1, "it is not a socket");
    assert_useless(ends[0], "it is not a socket");
}

static void test_no_stream(void)
{
    Address address = parse_address("127.0.0.1:0");
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(bind(fd, (struct sockaddr *)&address.sa, address.length), ==, 0);
    assert_useless(fd, "it is not a stream socket");
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_useless(fd, "it is not a stream socket");
    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
    assert_useless(fd, "it is not a stream socket");
}

static void test_not_bound(void)
{
    int ends[2];

    assert_useless(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "it does not listen");
    assert_useless(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), "it does not listen");
    assert_useless(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "it does not listen");
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    assert_useless(ends[0], "it does not listen");
    assert_useless(ends[1], "it does not listen");
}

static void test_connection(void)
{
    uint16_t port;
    int listener = web_listen(&port), client, accepted;
    Address address = address_at_port("127.0.0.1:0", port);

    client = connect_to(&address);
    accepted = web_accept(listener);
    /* Both ends are bound. */
    assert_useless(accepted, "it does not listen");
    assert_useless(client, "it does not listen");
    close(listener);
}

/* Clients could not be told its address. */
static void test_abstract(void)
{
    struct sockaddr un = {.sa_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    /* The kernel makes up a name (unix(7), autobind). */
    g_assert_cmpint(bind(fd, &un, sizeof(un.sa_family)), ==, 0);
    g_assert_cmpint(listen(fd, 64), ==, 0);
    assert_useless(fd, "it is a Unix socket without a path");
}

/* ---- Refusing ---- */

/* The connection is made, and ended from the other side. */
static void assert_drops(House *house, const Address *address)
{
    int fd = connect_to(address);

    g_assert_cmpint(fd, >=, 0);
    house_wait_closed(house, fd);
    close(fd);
}

/* Nobody closes what comes now: it waits to be accepted. */
static void assert_queues(House *house, Listener *listener)
{
    int client = connect_to(&listener->bound), accepted;
    struct pollfd poller = {.fd = listener->fd, .events = POLLIN};

    g_assert_cmpint(client, >=, 0);
    g_assert_cmpint(poll(&poller, 1, (int)(HOUSE_TIMEOUT / 1000)), ==, 1);
    house_turn(house, 5);
    g_assert_false(web_is_closed(client));
    accepted = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
    g_assert_cmpint(accepted, >=, 0);
    close(accepted);
    close(client);
}

static void test_shut(gconstpointer data)
{
    House *house = house_prepare_loop();
    uint16_t port;
    Listener *listener = take_listener(bind_fixed_port(data, true, &port), true);
    Address address = address_at_port(strcmp(data, "::") == 0 ? "[::1]:0" : "127.0.0.1:0", port);
    unsigned i;

    for (i = 0; i != 3; ++i) {
        listener_refuse(listener, house->event, true);
        g_assert_true(listener->refuses);
        g_assert_null(listener->refuser);
        assert_refuses(&address);
        /* Once more is nothing more. */
        listener_refuse(listener, house->event, true);
        assert_refuses(&address);
        g_assert_cmpint(listener_accept_again(listener, NULL), ==, 0);
        reap_keeper();
        g_assert_false(listener->refuses);
        assert_connects(&address);
        g_assert_cmpint(listener_accept_again(listener, NULL), ==, 0);
        assert_connects(&address);
    }
    g_assert_cmpuint(address_get_port(&listener->bound), ==, port);
    listener_unref(listener);
    assert_no_keeper();
    house_free_loop(house);
}

static void test_shut_with_connection(void)
{
    House *house = house_prepare_loop();
    uint16_t port;
    Listener *listener = take_listener(bind_fixed_port("127.0.0.1", true, &port), true);
    int client = connect_to(&listener->bound), accepted = web_accept(listener->fd);

    listener_refuse(listener, house->event, true);
    assert_refuses(&listener->bound);
    /* What was accepted goes on, and is not in the way of listening again. */
    web_send_raw(client, "x");
    g_assert_cmpint(listener_accept_again(listener, NULL), ==, 0);
    reap_keeper();
    assert_connects(&listener->bound);
    g_assert_false(web_is_closed(client));
    close(accepted);
    close(client);
    listener_unref(listener);
    house_free_loop(house);
}

/* As long as the service manager watches the socket, too. */
static void test_may_not_shut(void)
{
    House *house = house_prepare_loop();
    uint16_t port;
    Listener *listener = take_listener(bind_fixed_port("127.0.0.1", true, &port), true);

    listener_refuse(listener, house->event, false);
    g_assert_true(is_listening(listener->fd));
    g_assert_null(listener->keeper);
    assert_drops(house, &listener->bound);
    assert_drops(house, &listener->bound);
    g_assert_cmpint(listener_accept_again(listener, NULL), ==, 0);
    assert_queues(house, listener);
    listener_unref(listener);
    assert_no_keeper();
    house_free_loop(house);
}

/* These would not come back as they were. */
static void assert_is_not_shut(House *house, int fd)
{
    Listener *listener = take_listener(fd, true);
    unsigned i;

    for (i = 0; i != 2; ++i) {
        listener_refuse(listener, house->event, true);
        g_assert_true(is_listening(listener->fd));
        assert_drops(house, &listener->bound);
        g_assert_cmpint(listener_accept_again(listener, NULL), ==, 0);
        assert_queues(house, listener);
    }
    listener_unref(listener);
    assert_no_keeper();
}

static void test_not_shut(void)
{
    House *house = house_prepare_loop();
    g_autofree char *text = g_strdup_printf("unix:%s/socket", house->directory);

    assert_is_not_shut(house, listen_on(text));
    assert_is_not_shut(house, listen_on("127.0.0.1:0"));
    assert_is_not_shut(house, listen_on("[::1]:0"));
    house_free_loop(house);
}

/* Shut, it could not listen again before the connection ends (socket(7), SO_REUSEADDR). */
static void test_without_reuse(void)
{
    House *house = house_prepare_loop();
    uint16_t port;
    int fd = bind_fixed_port("127.0.0.1", false, &port), off = 0, client, accepted;
    Listener *listener;

    g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &off, sizeof(off)), ==, 0);
    g_assert_cmpint(listen(fd, 16), ==, 0);
    listener = take_listener(fd, true);
    client = connect_to(&listener->bound);
    accepted = web_accept(fd);
    listener_refuse(listener, house->event, true);
    assert_drops(house, &listener->bound);
    g_assert_cmpint(listener_accept_again(listener, NULL), ==, 0);
    g_assert_true(is_listening(fd));
    assert_queues(house, listener);
    g_assert_false(web_is_closed(client));
    close(accepted);
    close(client);
    listener_unref(listener);
    assert_no_keeper();
    house_free_loop(house);
}

/* Nobody may take the address of a shut socket, as SO_REUSEADDR lets them take a bound one's. */
static void test_no_thief(void)
{
    House *house = house_prepare_loop();
    uint16_t port;
    Listener *listener = take_listener(bind_fixed_port("127.0.0.1", true, &port), true);
    int thief = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    listener_refuse(listener, house->event, true);
    assert_refuses(&listener->bound);
    g_assert_cmpint(setsockopt(thief, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), ==, 0);
    g_assert_cmpint(bind(thief, (struct sockaddr *)&listener->bound.sa, listener->bound.length), ==,
                    -1);
    g_assert_cmpint(errno, ==, EADDRINUSE);
    close(thief);
    g_assert_cmpint(listener_accept_again(listener, NULL), ==, 0);
    assert_connects(&listener->bound);
    reap_keeper();
    listener_unref(listener);
    house_free_loop(house);
}

/* Many at once: the loop goes on with what else there is, and all are dropped in the end. */
static void test_drops_many(void)
{
    House *house = house_prepare_loop();
    Listener *listener = take_listener(listen_on("127.0.0.1:0"), true);
    int clients[40];
    unsigned i;

    listener_refuse(listener, house->event, true);
    for (i = 0; i != G_N_ELEMENTS(clients); ++i)
        g_assert_cmpint(clients[i] = connect_to(&listener->bound), >=, 0);
    for (i = 0; i != G_N_ELEMENTS(clients); ++i) {
        house_wait_closed(house, clients[i]);
        close(clients[i]);
    }
    listener_unref(listener);
    house_free_loop(house);
}

/* Without a keeper it must not be shut, for who would open it again? */
static void test_no_descriptors(void)
{
    House *house = house_prepare_loop();
    uint16_t port;
    Listener *listener = take_listener(bind_fixed_port("127.0.0.1", true, &port), true);
    struct rlimit limit, none;
    Keeper *keeper = NULL;

    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &none), ==, 0);
    g_assert_cmpint(keeper_new(&keeper, listener->fd), ==, -EMFILE);
    listener_refuse(listener, house->event, true);
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    g_assert_null(keeper);
    assert_no_keeper();
    g_assert_true(is_listening(listener->fd));
    assert_drops(house, &listener->bound);
    g_assert_cmpint(listener_accept_again(listener, NULL), ==, 0);
    assert_queues(house, listener);
    listener_unref(listener);
    house_free_loop(house);
}

/* ---- The end ---- */

/* Whoever passed it never gets a dead socket back. */
static void test_unref_shut(void)
{
    House *house = house_prepare_loop();
    uint16_t port;
    Listener *listener = take_listener(bind_fixed_port("127.0.0.1", true, &port), true);
    Address address = listener->bound;
    int copy = fcntl(listener->fd, F_DUPFD_CLOEXEC, 0);

    listener_refuse(listener, house->event, true);
    g_assert_true(listener_ref(listener) == listener);
    g_assert_null(listener_unref(listener));
    assert_refuses(&address);
    g_assert_null(listener_unref(listener));
    reap_keeper();
    assert_connects(&address);
    close(copy);
    g_assert_null(listener_ref(NULL));
    g_assert_null(listener_unref(NULL));
    house_free_loop(house);
}

/* Our own: whatever else has the descriptor, it listens no more, unless it is kept. */
static void test_unref_own(void)
{
    int fd = listen_on("127.0.0.1:0"), copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    Listener *listener = take_listener(fd, false);
    Address address = listener->bound;

    listener_unref(listener);
    assert_refuses(&address);
    close(copy);

    fd = listen_on("127.0.0.1:0");
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    listener = take_listener(fd, false);
    address = listener->bound;
    listener->kept = true;
    listener_unref(listener);
    assert_connects(&address);
    close(copy);
}

static bool exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

/* The path of a Unix socket goes with our own, and with nobody else's. */
static void test_unref_path(void)
{
    g_autofree char *dir = g_dir_make_tmp("sluice-unit-XXXXXX", NULL),
                    *text = g_strdup_printf("unix:%s/socket", dir);
    const char *path = text + strlen("unix:");
    Listener *listener;

    listener_unref(take_listener(listen_on(text), false));
    g_assert_false(exists(path));

    listener = take_listener(listen_on(text), false);
    listener->kept = true;
    listener_unref(listener);
    g_assert_true(exists(path));
    g_assert_cmpint(unlink(path), ==, 0);

    listener = take_listener(listen_on(text), false);
    g_assert_cmpint(unlink(path), ==, 0);
    g_assert_cmpint(mkdir(path, 0700), ==, 0);
    listener_unref(listener);
    g_assert_true(exists(path));
    g_assert_cmpint(rmdir(path), ==, 0);

    listener_unref(take_listener(listen_on(text), true));
    g_assert_true(exists(path));
    g_assert_cmpint(unlink(path), ==, 0);
    g_assert_cmpint(rmdir(dir), ==, 0);
}

/* ---- Whose connections it takes ---- */

static bool serves(const Listener *listener, const char *host, unsigned port)
{
    Address address = address_at_port(host, (uint16_t)port);

    return listener_serves(listener, &address);
}

static void test_dual_stack(void)
{
    uint16_t port;
    Listener *listener = take_listener(bind_fixed_port("::", true, &port), true);
    Address four = address_at_port("127.0.0.1:0", port);

    g_assert_true(listener->dual_stack);
    assert_connects(&four);
    g_assert_true(serves(listener, "[::]:0", port));
    g_assert_true(serves(listener, "0.0.0.0:0", port));
    g_assert_false(serves(listener, "127.0.0.1:0", port));
    g_assert_false(serves(listener, "[::1]:0", port));
    g_assert_false(serves(listener, "0.0.0.0:0", port + 1U));
    g_assert_false(serves(listener, "[::]:0", port + 1U));
    g_assert_false(serves(listener, "unix:/run/x", 0));
    listener_unref(listener);
}

static void test_single_stack(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    Address any = parse_address("[::]:0");
    Listener *listener;
    uint16_t port;

    g_assert_cmpint(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), ==, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&any.sa, any.length), ==, 0);
    listener = take_listener(fd, true);
    port = address_get_port(&listener->bound);
    g_assert_false(listener->dual_stack);
    g_assert_true(serves(listener, "[::]:0", port));
    g_assert_false(serves(listener, "0.0.0.0:0", port));
    listener_unref(listener);

    /* One address is one family. */
    listener = take_listener(listen_on("[::1]:0"), true);
    port = address_get_port(&listener->bound);
    g_assert_false(listener->dual_stack);
    g_assert_true(serves(listener, "[::1]:0", port));
    g_assert_false(serves(listener, "0.0.0.0:0", port));
    listener_unref(listener);

    listener = take_listener(listen_on("0.0.0.0:0"), true);
    port = address_get_port(&listener->bound);
    g_assert_true(serves(listener, "0.0.0.0:0", port));
    g_assert_false(serves(listener, "127.0.0.1:0", port));
    g_assert_false(serves(listener, "[::]:0", port));
    listener_unref(listener);
}

int main(int argc, char **argv)
{
    house_init(&argc, &argv);
    g_test_add_func("/listener/from-fd/tcp", test_tcp);
    g_test_add_func("/listener/from-fd/bound", test_bound);
    g_test_add_func("/listener/from-fd/unix", test_unix);
    g_test_add_func("/listener/from-fd/no-socket", test_no_socket);
    g_test_add_func("/listener/from-fd/no-stream", test_no_stream);
    g_test_add_func("/listener/from-fd/not-bound", test_not_bound);
    g_test_add_func("/listener/from-fd/connection", test_connection);
    g_test_add_func("/listener/from-fd/abstract", test_abstract);
    g_test_add_data_func("/listener/refuse/shut", "127.0.0.1", test_shut);
    g_test_add_data_func("/listener/refuse/shut-dual-stack", "::", test_shut);
    g_test_add_func("/listener/refuse/shut-with-connection", test_shut_with_connection);
    g_test_add_func("/listener/refuse/may-not-shut", test_may_not_shut);
    g_test_add_func("/listener/refuse/not-shut", test_not_shut);
    g_test_add_func("/listener/refuse/without-reuse", test_without_reuse);
    g_test_add_func("/listener/refuse/no-thief", test_no_thief);
    g_test_add_func("/listener/refuse/many", test_drops_many);
    g_test_add_func("/listener/refuse/no-descriptors", test_no_descriptors);
    g_test_add_func("/listener/unref/shut", test_unref_shut);
    g_test_add_func("/listener/unref/own", test_unref_own);
    g_test_add_func("/listener/unref/path", test_unref_path);
    g_test_add_func("/listener/serves/dual-stack", test_dual_stack);
    g_test_add_func("/listener/serves/single-stack", test_single_stack);
    return g_test_run();
}
