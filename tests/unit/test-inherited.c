/* SPDX-License-Identifier: MIT */
/*
 * Sockets of socket units: which server gets them, how they refuse while it is stopped, and that
 * they listen when it starts and when the daemon ends.
 */
#include "restart.h"

#include <dlfcn.h>
#include <unistd.h>

#include "slot.h"
#include "sockets.h"
#include "worker.h"

/* ---- A start ---- */

/* The main thread's, for workers send messages, too. */
static _Thread_local struct {
    int fd;        /* -1: nobody asks */
    int n;         /* starts of slots */
    int listening; /* of these, while the socket was in the state LISTEN */
} watch = {.fd = -1};

/*
 * Takes the library's function over, as worker.c does with another one: all that the main thread
 * tells a worker comes by here, before the worker can know of it.
 */
void h2o_multithread_send_message(h2o_multithread_receiver_t *receiver,
                                  h2o_multithread_message_t *message)
{
    static _Thread_local __typeof__(&h2o_multithread_send_message) library;

    if (watch.fd >= 0 && ((WorkerMessage *)message)->run == slot_start) {
        ++watch.n;
        watch.listening += is_listening(watch.fd);
    }
    if (library == NULL)
        library = (__typeof__(library))dlsym(RTLD_NEXT, "h2o_multithread_send_message");
    library(receiver, message);
}

/* A worker that finds the socket shut would look again only after a while. */
static void test_listens_first(void)
{
    House *house = restart_prepare();
    uint16_t port;
    int fd = bind_fixed_port("127.0.0.1", true, &port);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/", port);

    restart_write_www(house, "www", NULL);
    restart_open(house);
    restart_pass(house, fd, "www");
    restart_autostart(house);
    manager_may_now_shut_sockets(house->manager);
    house_end(house, "www");
    assert_refused(url);
    watch.fd = fd;
    house_run(house, "www");
    watch.fd = -1;
    g_assert_cmpint(watch.n, ==, 1);
    g_assert_cmpint(watch.listening, ==, 1);
    assert_serves(url);
    close(fd);
    restart_end(house);
}

/* ---- Whose they are ---- */

static void test_inherited_name(void)
{
    House *house = restart_prepare();
    uint16_t port;
    int fd = bind_fixed_port("127.0.0.1", true, &port);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/", port), *is = NULL,
                    *listen = g_strdup_printf("{host: 127.0.0.1, port: %u}", port);

    restart_write_www(house, "www", listen);
    restart_open(house);
    restart_pass(house, fd, "www");
    restart_autostart(house);
    manager_may_now_shut_sockets(house->manager);
    restart_assert_states("www:starting/socket www:running/socket");
    is = restart_get_url(house, "www");
    g_assert_cmpstr(is, ==, url);
    g_assert_cmpuint(g_strv_length((char **)server_get_urls(house_get(house, "www"))), ==, 1);
    assert_serves(url);
    /* The service manager has it anyway; what is stored is a mark that the server runs. */
    restart_assert_told("+www:1");
    house_end(house, "www");
    assert_refused(url);
    g_assert_false(manager_is_idle(house->manager));
    house_run(house, "www");
    assert_serves(url);
    house_end(house, "www");
    assert_refused(url);
    house_close(house);
    assert_listens(url);
    close(fd);
    restart_end(house);
}

/* As long as the service manager looks at the socket, it is not shut. */
static void test_inherited_early(void)
{
    House *house = restart_prepare();
    uint16_t port;
    int fd = bind_fixed_port("127.0.0.1", true, &port);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/", port),
                    *listen = g_strdup_printf("{host: 127.0.0.1, port: %u}", port);

    restart_write_www(house, "www", listen);
    restart_open(house);
    restart_pass(house, fd, "www");
    restart_autostart(house);
    house_end(house, "www");
    assert_drops(house, url);
    house_run(house, "www");
    assert_serves(url);
    close(fd);
    restart_end(house);
}

/* One that somebody has stopped stays so, and its socket refuses. */
static void test_inherited_stopped(void)
{
    House *house = restart_prepare();
    uint16_t port;
    int fd = bind_fixed_port("127.0.0.1", true, &port);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/", port);

    restart_write_www(house, "www", NULL);
    restart_write_state_file(house, "# Sluice state 1\nstopped www\n");
    restart_open(house);
    restart_pass(house, fd, "www");
    restart_autostart(house);
    assert_state(house, "www", SERVER_STOPPED);
    assert_drops(house, url);
    g_assert_false(manager_is_idle(house->manager));
    house_run(house, "www");
    assert_serves(url);
    close(fd);
    restart_end(house);
}

static void test_inherited_only(void)
{
    House *house = restart_prepare();
    uint16_t port;
    int fd = bind_fixed_port("127.0.0.1", true, &port);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/", port), *is = NULL;

    restart_write_www(house, "www", NULL);
    restart_write_www(house, "without", NULL);
    restart_open(house);
    restart_pass(house, fd, "www");
    restart_autostart(house);
    is = restart_get_url(house, "www");
    g_assert_cmpstr(is, ==, url);
    assert_serves(url);
    /* A reload keeps it, too. */
    restart_write_www(house, "www", NULL);
    house_wait(house, house_reload(house, "www", "reload"));
    assert_serves(url);
    /* Without a socket there is nothing to serve. */
    house_wait_error(house, house_start(house, "without", "start"), ERROR_INVALID_CONFIG);
    close(fd);
    restart_end(house);
}

/* A socket unit's besides one that is the server's own. */
static void test_inherited_besides(void)
{
    House *house = restart_prepare();
    uint16_t port;
    int fd = bind_fixed_port("127.0.0.1", true, &port);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/", port);
    char *const *urls;

    house_write_static(house, "www", NULL);
    restart_open(house);
    restart_pass(house, fd, "www");
    restart_autostart(house);
    urls = server_get_urls(house_get(house, "www"));
    g_assert_cmpuint(g_strv_length((char **)urls), ==, 2);
    g_assert_cmpstr(urls[1], ==, url);
    assert_serves(urls[0]);
    assert_serves(urls[1]);
    /* Only its own goes into the store. */
    restart_assert_told("+www:1");
    close(fd);
    restart_end(house);
}

/* The unit's name is no server's: whoever listens on the address gets it. */
static void test_inherited_claimed(void)
{
    House *house = restart_prepare();
    uint16_t port;
    int fd = bind_fixed_port("127.0.0.1", true, &port);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/", port), *is = NULL,
                    *listen = g_strdup_printf("{host: 127.0.0.1, port: %u}", port);

    restart_write_www(house, "www", listen);
    restart_open(house);
    restart_pass(house, fd, "sluiced.socket");
    restart_autostart(house);
    assert_state(house, "www", SERVER_STOPPED);
    g_assert_false(manager_is_idle(house->manager));
    assert_drops(house, url);
    manager_may_now_shut_sockets(house->manager);
    house_run(house, "www");
    is = restart_get_url(house, "www");
    g_assert_cmpstr(is, ==, url);
    assert_serves(url);
    /* From now on it is that server's. */
    house_end(house, "www");
    assert_refused(url);
    house_close(house);
    assert_listens(url);
    close(fd);
    restart_end(house);
}

/* Nobody wants it: it refuses until the daemon ends. */
static void test_inherited_unclaimed(void)
{
    House *house = restart_prepare();
    uint16_t ports[2];
    int fds[] = {bind_fixed_port("127.0.0.1", true, &ports[0]),
                 bind_fixed_port("127.0.0.1", true, &ports[1])};
    g_autofree char *first = g_strdup_printf("http://127.0.0.1:%u/", ports[0]),
                    *second = g_strdup_printf("http://127.0.0.1:%u/", ports[1]),
                    *listen = g_strdup_printf("{host: 127.0.0.1, port: %u}", ports[0]);

    restart_write_www(house, "www", listen);
    restart_open(house);
    restart_pass(house, fds[0], "");
    restart_pass(house, fds[1], "");
    restart_autostart(house);
    house_run(house, "www");
    assert_serves(first);
    assert_drops(house, second);
    house_close(house);
    assert_listens(first);
    assert_listens(second);
    close(fds[0]);
    close(fds[1]);
    restart_end(house);
}

/* `ListenStream=80` is one socket for what `listen: 80` has two for. */
static void test_inherited_dual_stack(gconstpointer name)
{
    House *house = restart_prepare();
    uint16_t port;
    int fd = bind_fixed_port("::", true, &port);
    g_autofree char *four = g_strdup_printf("http://127.0.0.1:%u/", port),
                    *six = g_strdup_printf("http://[::1]:%u/", port),
                    *listen = g_strdup_printf("%u", port);

    restart_write_www(house, "www", listen);
    restart_open(house);
    restart_pass(house, fd, name);
    restart_autostart(house);
    manager_may_now_shut_sockets(house->manager);
    house_run(house, "www");
    assert_serves(four);
    assert_serves(six);
    house_wait(house, house_reload(house, "www", "reload"));
    assert_serves(four);
    assert_serves(six);
    house_end(house, "www");
    assert_refused(four);
    assert_refused(six);
    house_run(house, "www");
    assert_serves(four);
    assert_serves(six);
    close(fd);
    restart_end(house);
}

int main(int argc, char **argv)
{
    house_init(&argc, &argv);
    g_test_add_func("/inherited/name", test_inherited_name);
    g_test_add_func("/inherited/early", test_inherited_early);
    g_test_add_func("/inherited/stopped", test_inherited_stopped);
    g_test_add_func("/inherited/only", test_inherited_only);
    g_test_add_func("/inherited/besides", test_inherited_besides);
    g_test_add_func("/inherited/claimed", test_inherited_claimed);
    g_test_add_func("/inherited/unclaimed", test_inherited_unclaimed);
    g_test_add_data_func("/inherited/dual-stack", "www", test_inherited_dual_stack);
    g_test_add_data_func("/inherited/dual-stack-claimed", "", test_inherited_dual_stack);
    g_test_add_func("/inherited/listens-first", test_listens_first);
    return g_test_run();
}
