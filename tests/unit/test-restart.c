/* SPDX-License-Identifier: MIT */
/*
 * Managers that come one after the other: what one leaves in the service manager's store and in the
 * state file, and what the next makes of it. The sockets of socket units: test-inherited.c.
 */
#include "restart.h"

#include <glib/gstdio.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- The store ---- */

static void test_store_start_stop(void)
{
    House *house = restart_prepare();
    g_autofree char *url = NULL;

    house_write_static(house, "www", NULL);
    restart_open(house);
    house_run(house, "www");
    url = restart_get_url(house, "www");
    restart_assert_told("+www:1");
    house_end(house, "www");
    restart_assert_told("-www");
    g_assert_cmpuint(restart_count_stored(), ==, 0);
    assert_refused(url);
    /* What never listened is not talked about. */
    house_end(house, "www");
    restart_assert_told("");
    restart_end(house);
}

/* Before the answer: whoever has it counts on the server, also if the daemon dies right then. */
static void on_started(Server *server, const ServerReply *reply, void *userdata)
{
    g_assert_null(reply->error);
    restart_assert_told("+www:1");
    *(bool *)userdata = true;
}

static bool is_set(House *house, void *userdata)
{
    return *(bool *)userdata;
}

static void test_store_before_answer(void)
{
    House *house = restart_prepare();
    bool done = false;

    house_write_static(house, "www", NULL);
    restart_open(house);
    server_start(house_get(house, "www"), SERVER_REASON_REQUEST, on_started, &done);
    house_wait_until(house, is_set, &done);
    restart_end(house);
}

static void test_store_reload(void)
{
    House *house = restart_prepare();
    g_autofree char *url = NULL,
                    *listen = g_strdup_printf("{type: unix, port: %s/socket}", house->directory),
                    *other = g_strdup_printf("unix:%s/socket", house->directory);

    house_write_static(house, "www", NULL);
    restart_open(house);
    house_run(house, "www");
    url = restart_get_url(house, "www");
    restart_assert_told("+www:1");
    restart_write_www(house, "www", listen);
    house_wait(house, house_reload(house, "www", "reload"));
    restart_assert_told("-www +www:1");
    g_assert_cmpuint(restart_count_stored(), ==, 1);
    assert_refused(url);
    /* It is the new one that is there. */
    house_close(house);
    assert_listens(other);
    restart_end(house);
}

static void test_store_failed(void)
{
    House *house = restart_prepare();

    house_write(house, "www", "listen: 70000\n");
    restart_open(house);
    house_wait_error(house, house_start(house, "www", "start"), ERROR_INVALID_CONFIG);
    restart_assert_told("");
    g_assert_cmpuint(restart_count_stored(), ==, 0);
    restart_end(house);
}

static void test_store_exit(void)
{
    House *house = restart_prepare();
    g_autofree char *tcp = NULL, *path = g_strdup_printf("unix:%s/socket", house->directory),
                    *listen = g_strdup_printf("[{host: 127.0.0.1, port: 0},"
                                              " {type: unix, port: %s/socket}]",
                                              house->directory);

    restart_write_www(house, "www", listen);
    restart_open(house);
    house_run(house, "www");
    tcp = restart_get_url(house, "www");
    house_close(house);
    restart_assert_told("+www:2");
    assert_listens(tcp);
    assert_listens(path);
    restart_end(house);
}

/* Without a store nothing is left behind. */
static void test_no_store(void)
{
    House *house = restart_prepare();
    g_autofree char *url = NULL, *path = g_strdup_printf("%s/socket", house->directory),
                    *listen = g_strdup_printf("[{host: 127.0.0.1, port: 0},"
                                              " {type: unix, port: %s}]",
                                              path);

    restart_write_www(house, "www", listen);
    house_open(house, 1);
    url = g_strdup(house_run(house, "www"));
    house_close(house);
    assert_refused(url);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    restart_end(house);
}

/* ---- Stored sockets ---- */

static void test_restored(void)
{
    House *house = restart_prepare();
    g_autofree char *url = NULL, *again = NULL;
    int fd;

    house_write_static(house, "www", NULL);
    restart_open(house);
    house_run(house, "www");
    url = restart_get_url(house, "www");
    house_close(house);
    /* Connected in between, and served in the end. */
    g_assert_cmpint(fd = web_connect(url), >=, 0);
    web_send(fd, "/");
    restart_forget();
    restart_open(house);
    restart_autostart(house);
    restart_assert_states("www:starting/restored www:running/restored");
    again = restart_get_url(house, "www");
    g_assert_cmpstr(again, ==, url);
    g_assert_cmpuint(web_receive(fd, NULL), ==, 200);
    close(fd);
    assert_serves(url);
    /* It can be stopped as ever. */
    restart_forget();
    house_end(house, "www");
    restart_assert_told("-www");
    assert_refused(url);
    restart_end(house);
}

static void test_restored_thrice(void)
{
    House *house = restart_prepare();
    g_autofree char *url = NULL;

    house_write_static(house, "www", NULL);
    restart_open(house);
    house_run(house, "www");
    url = restart_get_url(house, "www");
    for (unsigned i = 0; i != 3; ++i) {
        g_autofree char *again = NULL;
        restart_again(house);
        again = restart_get_url(house, "www");
        g_assert_cmpstr(again, ==, url);
        assert_serves(url);
        g_assert_cmpuint(restart_count_stored(), ==, 1);
    }
    restart_end(house);
}

/* `listen: 0` is a port for IPv4 and one for IPv6, and each comes back. */
static void test_restored_both(void)
{
    House *house = restart_prepare();
    g_auto(GStrv) urls = NULL;

    restart_write_www(house, "www", "0");
    restart_open(house);
    house_run(house, "www");
    urls = g_strdupv((char **)server_get_urls(house_get(house, "www")));
    restart_again(house);
    g_assert_cmpuint(g_strv_length(urls), ==, restart_count_stored());
    for (unsigned i = 0; urls[i] != NULL; ++i) {
        g_assert_cmpstr(server_get_urls(house_get(house, "www"))[i], ==, urls[i]);
        assert_serves(urls[i]);
    }
    restart_end(house);
}

/* Two sockets with ports of the kernel's choice, one with a port of ours, and a path. */
static void test_restored_several(void)
{
    House *house = restart_prepare();
    uint16_t port;
    int fd = bind_fixed_port("127.0.0.1", false, &port);
    g_autofree char *listen =
        g_strdup_printf("[{host: 127.0.0.1, port: 0}, {host: 127.0.0.1, port: %u},"
                        " {host: 127.0.0.1, port: 0}, {type: unix, port: %s/socket}]",
                        port, house->directory);
    g_auto(GStrv) urls = NULL;

    close(fd);
    restart_write_www(house, "www", listen);
    restart_open(house);
    house_run(house, "www");
    urls = g_strdupv((char **)server_get_urls(house_get(house, "www")));
    g_assert_cmpuint(g_strv_length(urls), ==, 4);
    restart_again(house);
    for (unsigned i = 0; i != 4; ++i) {
        g_assert_cmpstr(server_get_urls(house_get(house, "www"))[i], ==, urls[i]);
        assert_serves(urls[i]);
    }
    restart_end(house);
}

/* The file has changed while nobody ran: what it does not want any more is closed. */
static void test_restored_elsewhere(void)
{
    House *house = restart_prepare();
    g_autofree char *url = NULL, *path = g_strdup_printf("unix:%s/socket", house->directory),
                    *listen = g_strdup_printf("{type: unix, port: %s/socket}", house->directory);

    house_write_static(house, "www", NULL);
    restart_open(house);
    house_run(house, "www");
    url = restart_get_url(house, "www");
    house_close(house);
    restart_write_www(house, "www", listen);
    restart_forget();
    restart_open(house);
    restart_autostart(house);
    restart_assert_told("-www +www:1");
    g_assert_cmpuint(restart_count_stored(), ==, 1);
    assert_refused(url);
    assert_serves(path);
    restart_end(house);
}

/* The same host with a port that is said now, where the kernel had chosen one. */
static void test_restored_fixed(void)
{
    House *house = restart_prepare();
    g_autofree char *url = NULL, *again = NULL, *listen = NULL;

    house_write_static(house, "www", NULL);
    restart_open(house);
    house_run(house, "www");
    url = restart_get_url(house, "www");
    house_close(house);
    listen = g_strdup_printf("[{host: 127.0.0.1, port: 0}, {host: 127.0.0.1, port: %s}]",
                             strrchr(url, ':') + 1);
    listen[strlen(listen) - strlen("/}]")] = ' ';
    restart_write_www(house, "www", listen);
    restart_open(house);
    restart_autostart(house);
    /* The entry that names the port gets it; the other one has a new one. */
    g_assert_cmpstr(server_get_urls(house_get(house, "www"))[1], ==, url);
    again = restart_get_url(house, "www");
    g_assert_cmpstr(again, !=, url);
    restart_end(house);
}

static void test_restored_broken(void)
{
    House *house = restart_prepare();
    g_autofree char *url = NULL;
    Answer *answer;

    house_write_static(house, "www", NULL);
    restart_open(house);
    house_run(house, "www");
    url = restart_get_url(house, "www");
    house_close(house);
    house_write(house, "www", "listen: 70000\n");
    restart_forget();
    restart_open(house);
    answer = house_manage(house, "autostart", manager_autostart);
    house_wait_error(house, answer, ERROR_INVALID_CONFIG);
    assert_state(house, "www", SERVER_FAILED);
    restart_assert_told("-www");
    g_assert_cmpuint(restart_count_stored(), ==, 0);
    assert_refused(url);
    restart_end(house);
}

/* Nobody's any more. */
static void test_forgotten(void)
{
    House *house = restart_prepare();
    g_autofree char *url = NULL, *other = NULL;

    house_write_static(house, "gone", NULL);
    house_write_static(house, "www", NULL);
    restart_open(house);
    house_run(house, "gone");
    house_run(house, "www");
    url = restart_get_url(house, "gone");
    other = restart_get_url(house, "www");
    house_close(house);
    house_remove(house, "gone");
    restart_forget();
    restart_open(house);
    restart_assert_told("-gone");
    restart_autostart(house);
    g_assert_cmpuint(restart_count_stored(), ==, 1);
    assert_refused(url);
    assert_serves(other);
    restart_end(house);
}

/* What is in the store may be anything: it leaves the store, and all else goes on. */
static void test_useless(void)
{
    House *house = restart_prepare();
    int ends[2];

    house_write_static(house, "www", NULL);
    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    restart_store("www", ends[0]);
    restart_open(house);
    restart_assert_told("-www");
    g_assert_cmpuint(restart_count_stored(), ==, 0);
    /* Of a socket unit, it is not in the store. */
    restart_pass(house, ends[1], "");
    restart_autostart(house);
    restart_assert_told("");
    /* It is no sign that the server ran. */
    restart_assert_states("");
    assert_state(house, "www", SERVER_STOPPED);
    house_run(house, "www");
    restart_assert_told("+www:1");
    close(ends[0]);
    close(ends[1]);
    restart_end(house);
}

/* ---- What somebody has stopped ---- */

static void test_stopped(void)
{
    House *house = restart_prepare();

    house_write_static(house, "auto", "sluice.autostart: ON");
    house_write_static(house, "other", "sluice.autostart: ON");
    restart_open(house);
    restart_autostart(house);
    assert_state(house, "auto", SERVER_RUNNING);
    restart_wait_state_file(house, "");
    house_end(house, "auto");
    restart_wait_state_file(house, "stopped auto\n");
    restart_again(house);
    assert_state(house, "auto", SERVER_STOPPED);
    assert_state(house, "other", SERVER_RUNNING);
    /* Still so the time after, and until it is started. */
    restart_again(house);
    assert_state(house, "auto", SERVER_STOPPED);
    house_run(house, "auto");
    restart_wait_state_file(house, "");
    house_close(house);
    /* As if it had not been in the store: it starts by itself again. */
    restart_empty_store();
    restart_forget();
    restart_open(house);
    restart_autostart(house);
    assert_state(house, "auto", SERVER_RUNNING);
    g_assert_true(restart_has_state("auto:running/autostart"));
    restart_end(house);
}

/* The end of the daemon is nobody's request. */
static void test_stopped_by_exit(void)
{
    House *house = restart_prepare();

    house_write_static(house, "www", "sluice.autostart: ON");
    restart_open(house);
    restart_autostart(house);
    restart_wait_state_file(house, "");
    house_close(house);
    restart_empty_store();
    restart_open(house);
    restart_autostart(house);
    restart_wait_state_file(house, "");
    assert_state(house, "www", SERVER_RUNNING);
    restart_end(house);
}

/* There was nothing to stop, but it shall not start by itself any more. */
static void test_stopped_failed(void)
{
    House *house = restart_prepare();

    house_write(house, "www", "sluice.autostart: ON\nlisten: 70000\n");
    restart_open(house);
    house_wait_error(house, house_manage(house, "autostart", manager_autostart),
                     ERROR_INVALID_CONFIG);
    assert_state(house, "www", SERVER_FAILED);
    house_end(house, "www");
    restart_wait_state_file(house, "stopped www\n");
    house_write_static(house, "www", "sluice.autostart: ON");
    restart_again(house);
    assert_state(house, "www", SERVER_STOPPED);
    house_run(house, "www");
    restart_wait_state_file(house, "");
    restart_end(house);
}

/* Its file vanishes, and is back while it drains: it has stopped, but nobody has stopped it. */
static void test_stopped_by_removal(void)
{
    House *house = restart_prepare();
    uint16_t port;
    int listener = web_listen(&port), fd, upstream;
    g_autofree char *text = g_strdup_printf(
        "sluice.autostart: ON\nlisten: {host: 127.0.0.1, port: 0}\nhosts: {default: "
        "{paths: {/: {proxy.reverse.url: 'http://127.0.0.1:%u/'}}}}\n",
        port);
    g_autofree char *url = NULL;
    Answer *gone;

    house_write(house, "www", "%s", text);
    restart_open(house);
    restart_autostart(house);
    url = restart_get_url(house, "www");
    g_assert_cmpint(fd = web_connect(url), >=, 0);
    web_send(fd, "/");
    upstream = web_accept(listener);
    house_remove(house, "www");
    gone = house_manage(house, "gone", manager_reload);
    house_write(house, "www", "%s", text);
    house_wait(house, house_manage(house, "back", manager_reload));
    web_send_raw(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    g_assert_cmpuint(web_receive(fd, NULL), ==, 200);
    house_wait(house, gone);
    assert_state(house, "www", SERVER_STOPPED);
    g_assert_true(restart_has_state("www:stopped/removed"));
    restart_again(house);
    assert_state(house, "www", SERVER_RUNNING);
    close(fd);
    close(upstream);
    close(listener);
    restart_end(house);
}

/* A socket in the store says more: it ran. */
static void test_stopped_and_stored(void)
{
    House *house = restart_prepare();

    house_write_static(house, "www", NULL);
    restart_open(house);
    house_run(house, "www");
    house_close(house);
    restart_write_state_file(house, "# Sluice state 1\nstopped www\n");
    restart_open(house);
    restart_autostart(house);
    assert_state(house, "www", SERVER_RUNNING);
    restart_wait_state_file(house, "");
    restart_end(house);
}

/* A file that is not one of ours, or names who is not there, whose file may come back. */
static void test_state_garbage(void)
{
    House *house = restart_prepare();

    house_write_static(house, "www", "sluice.autostart: ON");
    restart_write_state_file(house, "# Sluice state 2\nstopped www\n");
    restart_open(house);
    restart_autostart(house);
    assert_state(house, "www", SERVER_RUNNING);
    restart_wait_state_file(house, "");
    house_close(house);
    restart_write_state_file(house, "# Sluice state 1\nstopped nobody\n");
    restart_open(house);
    restart_autostart(house);
    house_end(house, "www");
    restart_wait_state_file(house, "stopped www\nstopped nobody\n");
    house_write_static(house, "nobody", "sluice.autostart: ON");
    restart_again(house);
    assert_state(house, "nobody", SERVER_STOPPED);
    restart_end(house);
}

/* The file of a server that ran cannot be read for a while: it comes back when it can. */
static void test_unreadable(void)
{
    House *house = restart_prepare();
    g_autofree char *servers = g_build_filename(house->directory, "servers", NULL),
                    *aside = g_build_filename(house->directory, "aside", NULL), *url = NULL;

    house_write_static(house, "www", NULL);
    restart_open(house);
    house_run(house, "www");
    url = restart_get_url(house, "www");
    house_close(house);
    /* Not a directory: what root, too, cannot read. */
    g_assert_cmpint(g_rename(servers, aside), ==, 0);
    g_assert_true(g_file_set_contents(servers, "", 0, NULL));
    restart_open(house);
    restart_autostart(house);
    g_assert_null(manager_find_server(house->manager, "www"));
    g_assert_cmpint(g_unlink(servers), ==, 0);
    g_assert_cmpint(g_rename(aside, servers), ==, 0);
    house_wait(house, house_manage(house, "reload", manager_reload));
    assert_state(house, "www", SERVER_RUNNING);
    assert_serves(url);
    restart_end(house);
}

/* It cannot be kept what was stopped, and that is all. */
static void test_state_nowhere(void)
{
    House *house = restart_prepare();
    g_autofree char *nowhere = g_build_filename(house->directory, "nowhere", NULL);
    ManagerOptions options = {.n_threads = 1, .state_dir = nowhere};

    house_write_static(house, "www", "sluice.autostart: ON");
    house_open_as(house, &options, NULL);
    restart_autostart(house);
    assert_state(house, "www", SERVER_RUNNING);
    house_end(house, "www");
    house_run(house, "www");
    house_turn(house, 10);
    g_assert_false(g_file_test(nowhere, G_FILE_TEST_EXISTS));
    restart_end(house);
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
    g_test_add_func("/restart/stopped/failed", test_stopped_failed);
    g_test_add_func("/restart/stopped/removed", test_stopped_by_removal);
    g_test_add_func("/restart/stopped/stored", test_stopped_and_stored);
    g_test_add_func("/restart/stopped/garbage", test_state_garbage);
    g_test_add_func("/restart/unreadable", test_unreadable);
    g_test_add_func("/restart/stopped/nowhere", test_state_nowhere);
    return g_test_run();
}
