/* SPDX-License-Identifier: MIT */
/*
 * Managers that come one after the other, as they do when the daemon is restarted: what one leaves
 * in the service manager's store and in the state file, and what the next makes of it and of the
 * sockets of socket units.
 *
 * The store is a fake one: it keeps duplicates of what it is given, as the service manager does.
 */
#include "house.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- The fake store ---- */

typedef struct Stored {
    char *server;
    int fd;
} Stored;

/* The callback has no userdata. */
static GPtrArray *store; /* of Stored */
static GString *told;    /* what the store was told, "+www:1 -www" */
static GString *states;  /* "www:starting/restored"; see on_state() */

static void stored_free(void *data)
{
    Stored *stored = data;

    close(stored->fd);
    g_free(stored->server);
    g_free(stored);
}

static void add_word(GString *words, const char *word)
{
    if (words->len != 0)
        g_string_append_c(words, ' ');
    g_string_append(words, word);
}

static void store_sockets(const char *server, const int *fds, size_t n)
{
    g_autofree char *word =
        n != 0 ? g_strdup_printf("+%s:%zu", server, n) : g_strdup_printf("-%s", server);

    add_word(told, word);
    for (guint i = store->len; n == 0 && i-- != 0;)
        if (strcmp(((Stored *)store->pdata[i])->server, server) == 0)
            g_ptr_array_remove_index(store, i);
    for (size_t i = 0; i != n; ++i) {
        Stored *stored = g_new(Stored, 1);
        *stored = (Stored){g_strdup(server), fcntl(fds[i], F_DUPFD_CLOEXEC, 0)};
        g_assert_cmpint(stored->fd, >=, 0);
        g_ptr_array_add(store, stored);
    }
}

static void assert_words(GString *words, const char *expected)
{
    g_assert_cmpstr(words->str, ==, expected);
    g_string_truncate(words, 0);
}

/* ---- Managers ---- */

static void on_state(Server *server, const ServerTransition *transition, void *userdata)
{
    g_autofree char *word = g_strdup_printf("%s:%s/%s", server_get_name(server),
                                            server_state_to_string(transition->new_state),
                                            server_reason_to_string(transition->reason));

    add_word(states, word);
}

static House *prepare(void)
{
    store = g_ptr_array_new_with_free_func(stored_free);
    told = g_string_new(NULL);
    states = g_string_new(NULL);
    return house_prepare();
}

/* A manager that has read its directories, and been passed what is in the store. */
static void open_again(House *house)
{
    ManagerOptions options = {
        .n_threads = 1, .state_dir = house->directory, .store_sockets = store_sockets};
    ManagerObserver observer = {.state_changed = on_state};

    house_open_as(house, &options, &observer);
    for (guint i = 0, n = store->len; i != n; ++i) {
        /* One that is for nobody leaves the store, and takes its place away. */
        const Stored *stored = store->pdata[i - (n - store->len)];
        g_autofree char *name = g_strdup(stored->server);
        manager_pass_socket(house->manager,
                            &(ManagerSocket){fcntl(stored->fd, F_DUPFD_CLOEXEC, 0), name, true});
    }
}

static void pass(House *house, int fd, const char *name)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    g_assert_cmpint(copy, >=, 0);
    manager_pass_socket(house->manager, &(ManagerSocket){copy, name, false});
}

/* What starts by itself does; none fails. */
static void autostart(House *house)
{
    house_wait(house, house_manage(house, "autostart", manager_autostart));
}

static void restart(House *house)
{
    house_close(house);
    open_again(house);
    autostart(house);
}

static void end(House *house)
{
    house_free(house);
    g_ptr_array_free(store, TRUE);
    g_string_free(told, TRUE);
    g_string_free(states, TRUE);
}

static char *url_of(House *house, const char *server)
{
    return g_strdup(server_get_urls(house_get(house, server))[0]);
}

static void assert_state(House *house, const char *server, ServerState state)
{
    g_assert_cmpstr(server_state_to_string(server_get_state(house_get(house, server))), ==,
                    server_state_to_string(state));
}

static void assert_serves(const char *url)
{
    g_assert_cmpuint(web_get(url, "/"), ==, 200);
}

static void assert_refused(const char *url)
{
    g_assert_cmpint(web_connect(url), ==, -ECONNREFUSED);
}

static void assert_listens(const char *url)
{
    int fd = web_connect(url);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
}

static void assert_drops(House *house, const char *url)
{
    int fd = web_connect(url);

    g_assert_cmpint(fd, >=, 0);
    house_wait_closed(house, fd);
    close(fd);
}

/* One server that serves www/, at `listen` if not NULL. */
static void write_www(House *house, const char *name, const char *listen)
{
    g_autofree char *line = listen != NULL ? g_strdup_printf("listen: %s\n", listen) : NULL;

    house_write(house, name, "%shosts: {default: {paths: {/: {file.dir: %s/www}}}}\n",
                line != NULL ? line : "", house->directory);
}

static bool state_file_is(House *house, void *userdata)
{
    g_autofree char *path = g_build_filename(house->directory, "state", NULL), *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) && strcmp(text, userdata) == 0;
}

/* It is written when the loop comes round. */
static void wait_state_file(House *house, const char *lines)
{
    g_autofree char *text = g_strconcat("# Sluice state 1\n", lines, NULL);

    house_wait_until(house, state_file_is, text);
}

/* ---- The store ---- */

static void test_store_start_stop(void)
{
    House *house = prepare();
    g_autofree char *url = NULL;

    house_write_static(house, "www", NULL);
    open_again(house);
    house_run(house, "www");
    url = url_of(house, "www");
    assert_words(told, "+www:1");
    house_end(house, "www");
    assert_words(told, "-www");
    g_assert_cmpuint(store->len, ==, 0);
    assert_refused(url);
    /* What never listened is not talked about. */
    house_end(house, "www");
    assert_words(told, "");
    end(house);
}

/* Before the answer: whoever has it counts on the server, also if the daemon dies right then. */
static void on_started(Server *server, const ServerReply *reply, void *userdata)
{
    g_assert_null(reply->error);
    assert_words(told, "+www:1");
    *(bool *)userdata = true;
}

static bool is_set(House *house, void *userdata)
{
    return *(bool *)userdata;
}

static void test_store_before_answer(void)
{
    House *house = prepare();
    bool done = false;

    house_write_static(house, "www", NULL);
    open_again(house);
    server_start(house_get(house, "www"), SERVER_REASON_REQUEST, on_started, &done);
    house_wait_until(house, is_set, &done);
    end(house);
}

static void test_store_reload(void)
{
    House *house = prepare();
    g_autofree char *url = NULL,
                    *listen = g_strdup_printf("{type: unix, port: %s/socket}", house->directory),
                    *other = g_strdup_printf("unix:%s/socket", house->directory);

    house_write_static(house, "www", NULL);
    open_again(house);
    house_run(house, "www");
    url = url_of(house, "www");
    assert_words(told, "+www:1");
    write_www(house, "www", listen);
    house_wait(house, house_reload(house, "www", "reload"));
    assert_words(told, "-www +www:1");
    g_assert_cmpuint(store->len, ==, 1);
    assert_refused(url);
    /* It is the new one that is there. */
    house_close(house);
    assert_listens(other);
    end(house);
}

static void test_store_failed(void)
{
    House *house = prepare();

    house_write(house, "www", "listen: 70000\n");
    open_again(house);
    house_wait_error(house, house_start(house, "www", "start"), ERROR_INVALID_CONFIG);
    assert_words(told, "");
    g_assert_cmpuint(store->len, ==, 0);
    end(house);
}

static void test_store_exit(void)
{
    House *house = prepare();
    g_autofree char *tcp = NULL, *path = g_strdup_printf("unix:%s/socket", house->directory),
                    *listen = g_strdup_printf("[{host: 127.0.0.1, port: 0},"
                                              " {type: unix, port: %s/socket}]",
                                              house->directory);

    write_www(house, "www", listen);
    open_again(house);
    house_run(house, "www");
    tcp = url_of(house, "www");
    house_close(house);
    assert_words(told, "+www:2");
    assert_listens(tcp);
    assert_listens(path);
    end(house);
}

/* Without a store nothing is left behind. */
static void test_no_store(void)
{
    House *house = prepare();
    g_autofree char *url = NULL, *path = g_strdup_printf("%s/socket", house->directory),
                    *listen = g_strdup_printf("[{host: 127.0.0.1, port: 0},"
                                              " {type: unix, port: %s}]",
                                              path);

    write_www(house, "www", listen);
    house_open(house, 1);
    url = g_strdup(house_run(house, "www"));
    house_close(house);
    assert_refused(url);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    end(house);
}

/* ---- Stored sockets ---- */

static void test_restored(void)
{
    House *house = prepare();
    g_autofree char *url = NULL, *again = NULL;
    int fd;

    house_write_static(house, "www", NULL);
    open_again(house);
    house_run(house, "www");
    url = url_of(house, "www");
    house_close(house);
    /* Connected in between, and served in the end. */
    g_assert_cmpint(fd = web_connect(url), >=, 0);
    web_send(fd, "/");
    g_string_truncate(states, 0);
    open_again(house);
    autostart(house);
    assert_words(states, "www:starting/restored www:running/restored");
    again = url_of(house, "www");
    g_assert_cmpstr(again, ==, url);
    g_assert_cmpuint(web_receive(fd, NULL), ==, 200);
    close(fd);
    assert_serves(url);
    /* It can be stopped as ever. */
    g_string_truncate(told, 0);
    house_end(house, "www");
    assert_words(told, "-www");
    assert_refused(url);
    end(house);
}

static void test_restored_thrice(void)
{
    House *house = prepare();
    g_autofree char *url = NULL;

    house_write_static(house, "www", NULL);
    open_again(house);
    house_run(house, "www");
    url = url_of(house, "www");
    for (unsigned i = 0; i != 3; ++i) {
        g_autofree char *again = NULL;
        restart(house);
        again = url_of(house, "www");
        g_assert_cmpstr(again, ==, url);
        assert_serves(url);
        g_assert_cmpuint(store->len, ==, 1);
    }
    end(house);
}

/* `listen: 0` is a port for IPv4 and one for IPv6, and each comes back. */
static void test_restored_both(void)
{
    House *house = prepare();
    g_auto(GStrv) urls = NULL;

    write_www(house, "www", "0");
    open_again(house);
    house_run(house, "www");
    urls = g_strdupv((char **)server_get_urls(house_get(house, "www")));
    restart(house);
    g_assert_cmpuint(g_strv_length(urls), ==, store->len);
    for (unsigned i = 0; urls[i] != NULL; ++i) {
        g_assert_cmpstr(server_get_urls(house_get(house, "www"))[i], ==, urls[i]);
        assert_serves(urls[i]);
    }
    end(house);
}

/* Two sockets with ports of the kernel's choice, one with a port of ours, and a path. */
static void test_restored_several(void)
{
    House *house = prepare();
    uint16_t port;
    int fd = web_bind_fixed("127.0.0.1", false, &port);
    g_autofree char *listen =
        g_strdup_printf("[{host: 127.0.0.1, port: 0}, {host: 127.0.0.1, port: %u},"
                        " {host: 127.0.0.1, port: 0}, {type: unix, port: %s/socket}]",
                        port, house->directory);
    g_auto(GStrv) urls = NULL;

    close(fd);
    write_www(house, "www", listen);
    open_again(house);
    house_run(house, "www");
    urls = g_strdupv((char **)server_get_urls(house_get(house, "www")));
    g_assert_cmpuint(g_strv_length(urls), ==, 4);
    restart(house);
    for (unsigned i = 0; i != 4; ++i) {
        g_assert_cmpstr(server_get_urls(house_get(house, "www"))[i], ==, urls[i]);
        assert_serves(urls[i]);
    }
    end(house);
}

/* The file has changed while nobody ran: what it does not want any more is closed. */
static void test_restored_elsewhere(void)
{
    House *house = prepare();
    g_autofree char *url = NULL, *path = g_strdup_printf("unix:%s/socket", house->directory),
                    *listen = g_strdup_printf("{type: unix, port: %s/socket}", house->directory);

    house_write_static(house, "www", NULL);
    open_again(house);
    house_run(house, "www");
    url = url_of(house, "www");
    house_close(house);
    write_www(house, "www", listen);
    g_string_truncate(told, 0);
    open_again(house);
    autostart(house);
    assert_words(told, "-www +www:1");
    g_assert_cmpuint(store->len, ==, 1);
    assert_refused(url);
    assert_serves(path);
    end(house);
}

/* The same host with a port that is said now, where the kernel had chosen one. */
static void test_restored_fixed(void)
{
    House *house = prepare();
    g_autofree char *url = NULL, *again = NULL, *listen = NULL;

    house_write_static(house, "www", NULL);
    open_again(house);
    house_run(house, "www");
    url = url_of(house, "www");
    house_close(house);
    listen = g_strdup_printf("[{host: 127.0.0.1, port: 0}, {host: 127.0.0.1, port: %s}]",
                             strrchr(url, ':') + 1);
    listen[strlen(listen) - strlen("/}]")] = ' ';
    write_www(house, "www", listen);
    open_again(house);
    autostart(house);
    /* The entry that names the port gets it; the other one has a new one. */
    g_assert_cmpstr(server_get_urls(house_get(house, "www"))[1], ==, url);
    again = url_of(house, "www");
    g_assert_cmpstr(again, !=, url);
    end(house);
}

static void test_restored_broken(void)
{
    House *house = prepare();
    g_autofree char *url = NULL;
    Answer *answer;

    house_write_static(house, "www", NULL);
    open_again(house);
    house_run(house, "www");
    url = url_of(house, "www");
    house_close(house);
    house_write(house, "www", "listen: 70000\n");
    g_string_truncate(told, 0);
    open_again(house);
    answer = house_manage(house, "autostart", manager_autostart);
    house_wait_error(house, answer, ERROR_INVALID_CONFIG);
    assert_state(house, "www", SERVER_FAILED);
    assert_words(told, "-www");
    g_assert_cmpuint(store->len, ==, 0);
    assert_refused(url);
    end(house);
}

/* Nobody's any more. */
static void test_forgotten(void)
{
    House *house = prepare();
    g_autofree char *url = NULL, *other = NULL;

    house_write_static(house, "gone", NULL);
    house_write_static(house, "www", NULL);
    open_again(house);
    house_run(house, "gone");
    house_run(house, "www");
    url = url_of(house, "gone");
    other = url_of(house, "www");
    house_close(house);
    house_remove(house, "gone");
    g_string_truncate(told, 0);
    open_again(house);
    assert_words(told, "-gone");
    autostart(house);
    g_assert_cmpuint(store->len, ==, 1);
    assert_refused(url);
    assert_serves(other);
    end(house);
}

/* What is in the store may be anything: a message, and all else goes on. */
static void test_useless(void)
{
    House *house = prepare();
    int ends[2];

    house_write_static(house, "www", NULL);
    open_again(house);
    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    manager_pass_socket(house->manager, &(ManagerSocket){ends[0], "www", true});
    manager_pass_socket(house->manager, &(ManagerSocket){ends[1], "", false});
    autostart(house);
    assert_state(house, "www", SERVER_STOPPED);
    house_run(house, "www");
    end(house);
}

/* ---- What somebody has stopped ---- */

static void test_stopped(void)
{
    House *house = prepare();

    house_write_static(house, "auto", "sluice.autostart: ON");
    house_write_static(house, "other", "sluice.autostart: ON");
    open_again(house);
    autostart(house);
    assert_state(house, "auto", SERVER_RUNNING);
    wait_state_file(house, "");
    house_end(house, "auto");
    wait_state_file(house, "stopped auto\n");
    restart(house);
    assert_state(house, "auto", SERVER_STOPPED);
    assert_state(house, "other", SERVER_RUNNING);
    /* Still so the time after, and until it is started. */
    restart(house);
    assert_state(house, "auto", SERVER_STOPPED);
    house_run(house, "auto");
    wait_state_file(house, "");
    house_close(house);
    /* As if it had not been in the store: it starts by itself again. */
    g_ptr_array_set_size(store, 0);
    g_string_truncate(states, 0);
    open_again(house);
    autostart(house);
    assert_state(house, "auto", SERVER_RUNNING);
    g_assert_nonnull(strstr(states->str, "auto:running/autostart"));
    end(house);
}

/* The end of the daemon is nobody's request. */
static void test_stopped_by_exit(void)
{
    House *house = prepare();

    house_write_static(house, "www", "sluice.autostart: ON");
    open_again(house);
    autostart(house);
    wait_state_file(house, "");
    house_close(house);
    g_ptr_array_set_size(store, 0);
    open_again(house);
    autostart(house);
    wait_state_file(house, "");
    assert_state(house, "www", SERVER_RUNNING);
    end(house);
}

/* A socket in the store says more: it ran. */
static void test_stopped_and_stored(void)
{
    House *house = prepare();
    g_autofree char *path = g_build_filename(house->directory, "state", NULL);

    house_write_static(house, "www", NULL);
    open_again(house);
    house_run(house, "www");
    house_close(house);
    g_assert_true(g_file_set_contents(path, "# Sluice state 1\nstopped www\n", -1, NULL));
    open_again(house);
    autostart(house);
    assert_state(house, "www", SERVER_RUNNING);
    wait_state_file(house, "");
    end(house);
}

/* A file that is not one of ours, or names who is not there. */
static void test_state_garbage(void)
{
    House *house = prepare();
    g_autofree char *path = g_build_filename(house->directory, "state", NULL);

    house_write_static(house, "www", "sluice.autostart: ON");
    g_assert_true(g_file_set_contents(path, "# Sluice state 2\nstopped www\n", -1, NULL));
    open_again(house);
    autostart(house);
    assert_state(house, "www", SERVER_RUNNING);
    wait_state_file(house, "");
    house_close(house);
    g_assert_true(g_file_set_contents(path, "# Sluice state 1\nstopped nobody\n", -1, NULL));
    open_again(house);
    autostart(house);
    house_end(house, "www");
    wait_state_file(house, "stopped www\n");
    end(house);
}

/* It cannot be kept what was stopped, and that is all. */
static void test_state_nowhere(void)
{
    House *house = prepare();
    g_autofree char *nowhere = g_build_filename(house->directory, "nowhere", NULL);
    ManagerOptions options = {.n_threads = 1, .state_dir = nowhere};

    house_write_static(house, "www", "sluice.autostart: ON");
    house_open_as(house, &options, NULL);
    autostart(house);
    assert_state(house, "www", SERVER_RUNNING);
    house_end(house, "www");
    house_run(house, "www");
    house_turn(house, 10);
    g_assert_false(g_file_test(nowhere, G_FILE_TEST_EXISTS));
    end(house);
}

/* ---- Inherited sockets ---- */

static void test_inherited_name(void)
{
    House *house = prepare();
    uint16_t port;
    int fd = web_bind_fixed("127.0.0.1", true, &port);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/", port), *is = NULL,
                    *listen = g_strdup_printf("{host: 127.0.0.1, port: %u}", port);

    write_www(house, "www", listen);
    open_again(house);
    pass(house, fd, "www");
    autostart(house);
    manager_may_now_shut_sockets(house->manager);
    assert_words(states, "www:starting/socket www:running/socket");
    is = url_of(house, "www");
    g_assert_cmpstr(is, ==, url);
    g_assert_cmpuint(g_strv_length((char **)server_get_urls(house_get(house, "www"))), ==, 1);
    assert_serves(url);
    /* The service manager has it anyway. */
    assert_words(told, "");
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
    end(house);
}

/* As long as the service manager looks at the socket, it is not shut. */
static void test_inherited_early(void)
{
    House *house = prepare();
    uint16_t port;
    int fd = web_bind_fixed("127.0.0.1", true, &port);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/", port),
                    *listen = g_strdup_printf("{host: 127.0.0.1, port: %u}", port);

    write_www(house, "www", listen);
    open_again(house);
    pass(house, fd, "www");
    autostart(house);
    house_end(house, "www");
    assert_drops(house, url);
    house_run(house, "www");
    assert_serves(url);
    close(fd);
    end(house);
}

/* One that somebody has stopped stays so, and its socket refuses. */
static void test_inherited_stopped(void)
{
    House *house = prepare();
    uint16_t port;
    int fd = web_bind_fixed("127.0.0.1", true, &port);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/", port),
                    *path = g_build_filename(house->directory, "state", NULL);

    write_www(house, "www", NULL);
    g_assert_true(g_file_set_contents(path, "# Sluice state 1\nstopped www\n", -1, NULL));
    open_again(house);
    pass(house, fd, "www");
    autostart(house);
    assert_state(house, "www", SERVER_STOPPED);
    assert_drops(house, url);
    g_assert_false(manager_is_idle(house->manager));
    house_run(house, "www");
    assert_serves(url);
    close(fd);
    end(house);
}

static void test_inherited_only(void)
{
    House *house = prepare();
    uint16_t port;
    int fd = web_bind_fixed("127.0.0.1", true, &port);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/", port), *is = NULL;

    write_www(house, "www", NULL);
    write_www(house, "without", NULL);
    open_again(house);
    pass(house, fd, "www");
    autostart(house);
    is = url_of(house, "www");
    g_assert_cmpstr(is, ==, url);
    assert_serves(url);
    /* A reload keeps it, too. */
    write_www(house, "www", NULL);
    house_wait(house, house_reload(house, "www", "reload"));
    assert_serves(url);
    /* Without a socket there is nothing to serve. */
    house_wait_error(house, house_start(house, "without", "start"), ERROR_INVALID_CONFIG);
    close(fd);
    end(house);
}

/* A socket unit's besides one that is the server's own. */
static void test_inherited_besides(void)
{
    House *house = prepare();
    uint16_t port;
    int fd = web_bind_fixed("127.0.0.1", true, &port);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/", port);
    char *const *urls;

    house_write_static(house, "www", NULL);
    open_again(house);
    pass(house, fd, "www");
    autostart(house);
    urls = server_get_urls(house_get(house, "www"));
    g_assert_cmpuint(g_strv_length((char **)urls), ==, 2);
    g_assert_cmpstr(urls[1], ==, url);
    assert_serves(urls[0]);
    assert_serves(urls[1]);
    /* Only its own goes into the store. */
    assert_words(told, "+www:1");
    close(fd);
    end(house);
}

/* The unit's name is no server's: whoever listens on the address gets it. */
static void test_inherited_claimed(void)
{
    House *house = prepare();
    uint16_t port;
    int fd = web_bind_fixed("127.0.0.1", true, &port);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/", port), *is = NULL,
                    *listen = g_strdup_printf("{host: 127.0.0.1, port: %u}", port);

    write_www(house, "www", listen);
    open_again(house);
    pass(house, fd, "sluiced.socket");
    autostart(house);
    assert_state(house, "www", SERVER_STOPPED);
    g_assert_false(manager_is_idle(house->manager));
    assert_drops(house, url);
    manager_may_now_shut_sockets(house->manager);
    house_run(house, "www");
    is = url_of(house, "www");
    g_assert_cmpstr(is, ==, url);
    assert_serves(url);
    /* From now on it is that server's. */
    house_end(house, "www");
    assert_refused(url);
    house_close(house);
    assert_listens(url);
    close(fd);
    end(house);
}

/* Nobody wants it: it refuses until the daemon ends. */
static void test_inherited_unclaimed(void)
{
    House *house = prepare();
    uint16_t ports[2];
    int fds[] = {web_bind_fixed("127.0.0.1", true, &ports[0]),
                 web_bind_fixed("127.0.0.1", true, &ports[1])};
    g_autofree char *first = g_strdup_printf("http://127.0.0.1:%u/", ports[0]),
                    *second = g_strdup_printf("http://127.0.0.1:%u/", ports[1]),
                    *listen = g_strdup_printf("{host: 127.0.0.1, port: %u}", ports[0]);

    write_www(house, "www", listen);
    open_again(house);
    pass(house, fds[0], "");
    pass(house, fds[1], "");
    autostart(house);
    house_run(house, "www");
    assert_serves(first);
    assert_drops(house, second);
    house_close(house);
    assert_listens(first);
    assert_listens(second);
    close(fds[0]);
    close(fds[1]);
    end(house);
}

/* `ListenStream=80` is one socket for what `listen: 80` has two for. */
static void test_inherited_dual_stack(gconstpointer name)
{
    House *house = prepare();
    uint16_t port;
    int fd = web_bind_fixed("[::]", true, &port);
    g_autofree char *four = g_strdup_printf("http://127.0.0.1:%u/", port),
                    *six = g_strdup_printf("http://[::1]:%u/", port),
                    *listen = g_strdup_printf("%u", port);

    write_www(house, "www", listen);
    open_again(house);
    pass(house, fd, name);
    autostart(house);
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
    end(house);
}

int main(int argc, char **argv)
{
    house_init(&argc, &argv);
    g_test_add_func("/restart/store/start-stop", test_store_start_stop);
    g_test_add_func("/restart/store/before-answer", test_store_before_answer);
    g_test_add_func("/restart/store/reload", test_store_reload);
    g_test_add_func("/restart/store/failed", test_store_failed);
    g_test_add_func("/restart/store/exit", test_store_exit);
    g_test_add_func("/restart/store/none", test_no_store);
    g_test_add_func("/restart/restored", test_restored);
    g_test_add_func("/restart/restored/thrice", test_restored_thrice);
    g_test_add_func("/restart/restored/both", test_restored_both);
    g_test_add_func("/restart/restored/several", test_restored_several);
    g_test_add_func("/restart/restored/elsewhere", test_restored_elsewhere);
    g_test_add_func("/restart/restored/fixed", test_restored_fixed);
    g_test_add_func("/restart/restored/broken", test_restored_broken);
    g_test_add_func("/restart/restored/forgotten", test_forgotten);
    g_test_add_func("/restart/restored/useless", test_useless);
    g_test_add_func("/restart/stopped", test_stopped);
    g_test_add_func("/restart/stopped/exit", test_stopped_by_exit);
    g_test_add_func("/restart/stopped/stored", test_stopped_and_stored);
    g_test_add_func("/restart/stopped/garbage", test_state_garbage);
    g_test_add_func("/restart/stopped/nowhere", test_state_nowhere);
    g_test_add_func("/restart/inherited/name", test_inherited_name);
    g_test_add_func("/restart/inherited/early", test_inherited_early);
    g_test_add_func("/restart/inherited/stopped", test_inherited_stopped);
    g_test_add_func("/restart/inherited/only", test_inherited_only);
    g_test_add_func("/restart/inherited/besides", test_inherited_besides);
    g_test_add_func("/restart/inherited/claimed", test_inherited_claimed);
    g_test_add_func("/restart/inherited/unclaimed", test_inherited_unclaimed);
    g_test_add_data_func("/restart/inherited/dual-stack", "www", test_inherited_dual_stack);
    g_test_add_data_func("/restart/inherited/dual-stack-claimed", "", test_inherited_dual_stack);
    return g_test_run();
}
