/* SPDX-License-Identifier: MIT */
/*
 * The state machine of a server and the manager's operations, on an event loop and without a bus.
 * What is told, and in which order, is the log of house.h: each callback must come exactly once,
 * which the house checks, and after the transitions that its call has caused.
 */
#include "house.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file that was written a moment before counts as changed; see file_list_add(). */
static void let_files_age(void)
{
    g_usleep(50000);
}

static House *new_www(void)
{
    House *house = house_prepare();

    house_write_static(house, "www", NULL);
    let_files_age();
    house_open(house, 2);
    return house;
}

static void assert_log(House *house, const char *expected)
{
    g_assert_cmpstr(house_take_log(house), ==, expected);
}

static void assert_state(House *house, ServerState state)
{
    g_assert_cmpint(server_get_state(house_get(house, "www")), ==, state);
}

static bool is_idle(House *house, void *userdata)
{
    return manager_is_idle(house->manager);
}

/* Receives what a request for the page should give. */
static void assert_page(int fd)
{
    g_autofree char *text = NULL;

    g_assert_cmpint(fd, >=, 0);
    web_send(fd, "/index.html");
    g_assert_cmpuint(web_receive(fd, &text), ==, 200);
    g_assert_true(g_str_has_suffix(text, "hello\n"));
}

/* A request that the server has to wait for, as an upstream does not answer. */
typedef struct Request {
    House *house;
    int listener, upstream, fd;
} Request;

/* The server that it goes to, running. */
static Request begin_request(void)
{
    Request request = {.house = house_prepare()};
    uint16_t port;

    request.listener = web_listen(&port);
    house_write(request.house, "www",
                "listen: {host: 127.0.0.1, port: 0}\n"
                "hosts: {default: {paths: {/: {proxy.reverse.url: 'http://127.0.0.1:%u/'}}}}\n",
                port);
    let_files_age();
    house_open(request.house, 2);
    request.fd = web_connect(house_run(request.house, "www"));
    g_assert_cmpint(request.fd, >=, 0);
    web_send(request.fd, "/");
    request.upstream = web_accept(request.listener);
    return request;
}

static void finish_request(Request *request)
{
    web_send_raw(request->upstream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    g_assert_cmpuint(web_receive(request->fd, NULL), ==, 200);
}

static void end_request(Request *request)
{
    close(request->fd);
    close(request->upstream);
    close(request->listener);
    house_free(request->house);
}

/* ---- stopped ---- */

static void test_start(void)
{
    g_autoptr(House) house = new_www();
    Server *server = house_get(house, "www");
    Answer *start;

    assert_state(house, SERVER_STOPPED);
    g_assert_cmpuint(server_get_generation(server), ==, 0);
    start = house_start(house, "www", "start");
    house_wait(house, start);
    assert_log(house, "www:stopped>starting busy www:starting>running start=ok");
    g_assert_cmpuint(server_get_generation(server), ==, 1);
    g_assert_cmpstr(start->urls[0], ==, server_get_urls(server)[0]);
    g_assert_null(start->urls[1]);
    g_assert_cmpuint(web_get(start->urls[0], "/"), ==, 200);
}

static void test_stop_stopped(void)
{
    g_autoptr(House) house = new_www();
    Answer *stop = house_stop(house, "www", "stop", SERVER_TIMEOUT_DEFAULT);

    g_assert_cmpuint(stop->n, ==, 1);
    g_assert_cmpuint(stop->drained, ==, 0);
    g_assert_cmpuint(stop->cut, ==, 0);
    assert_log(house, "stop=ok");
}

static void test_reload_stopped(void)
{
    g_autoptr(House) house = new_www();

    house_wait_error(house, house_reload(house, "www", "reload"), ERROR_NOT_RUNNING);
    assert_log(house, "reload=NotRunning");
    assert_state(house, SERVER_STOPPED);
}

/* ---- starting ---- */

static void test_starting_start(void)
{
    g_autoptr(House) house = new_www();
    Answer *first = house_start(house, "www", "first"), *second;

    assert_state(house, SERVER_STARTING);
    second = house_start(house, "www", "second");
    g_assert_cmpuint(first->n + second->n, ==, 0);
    house_wait(house, second);
    house_wait(house, first);
    assert_log(house, "www:stopped>starting busy www:starting>running first=ok second=ok");
    g_assert_cmpuint(server_get_generation(house_get(house, "www")), ==, 1);
}

static void test_starting_stop(void)
{
    g_autoptr(House) house = new_www();
    Answer *start = house_start(house, "www", "start"),
           *reload = house_reload(house, "www", "reload"),
           *stop = house_stop(house, "www", "stop", SERVER_TIMEOUT_DEFAULT);

    house_wait_error(house, start, ERROR_NOT_RUNNING);
    house_wait_error(house, reload, ERROR_NOT_RUNNING);
    house_wait(house, stop);
    house_wait_until(house, is_idle, NULL);
    assert_log(house, "www:stopped>starting busy www:starting>stopped start=NotRunning "
                      "reload=NotRunning idle stop=ok");
    assert_state(house, SERVER_STOPPED);
    g_assert_cmpuint(stop->drained + stop->cut, ==, 0);
    house_run(house, "www");
    assert_state(house, SERVER_RUNNING);
}

/* A start after such a stop does not wait for what the first has left. */
static void test_starting_stop_start(void)
{
    g_autoptr(House) house = new_www();
    Answer *first = house_start(house, "www", "first"),
           *stop = house_stop(house, "www", "stop", SERVER_TIMEOUT_DEFAULT),
           *second = house_start(house, "www", "second");

    house_wait_error(house, first, ERROR_NOT_RUNNING);
    house_wait(house, stop);
    house_wait(house, second);
    assert_state(house, SERVER_RUNNING);
    g_assert_cmpuint(server_get_generation(house_get(house, "www")), ==, 2);
    g_assert_cmpuint(web_get(second->urls[0], "/"), ==, 200);
}

static void test_starting_reload(void)
{
    g_autoptr(House) house = new_www();
    Answer *start = house_start(house, "www", "start"),
           *reload = house_reload(house, "www", "reload");

    assert_state(house, SERVER_STARTING);
    g_assert_cmpuint(reload->n, ==, 0);
    house_wait(house, reload);
    g_assert_cmpuint(start->n, ==, 1);
    assert_log(house, "www:stopped>starting busy www:starting>running start=ok "
                      "www:Generation,Listen reload=ok");
    g_assert_cmpuint(server_get_generation(house_get(house, "www")), ==, 2);
}

/* ---- running ---- */

static void test_running_start(void)
{
    g_autoptr(House) house = new_www();
    const char *url = house_run(house, "www");
    Answer *start = house_start(house, "www", "start");

    g_assert_cmpuint(start->n, ==, 1);
    g_assert_cmpstr(start->urls[0], ==, url);
    assert_log(house, "start=ok");
}

static void test_running_stop(void)
{
    g_autoptr(House) house = new_www();
    int fd = web_connect(house_run(house, "www"));
    Answer *stop;

    assert_page(fd);
    stop = house_stop(house, "www", "stop", SERVER_TIMEOUT_DEFAULT);
    assert_state(house, SERVER_STOPPING);
    house_wait(house, stop);
    house_wait_until(house, is_idle, NULL);
    assert_log(house, "www:running>stopping www:stopping>stopped idle stop=ok");
    /* It was idle. */
    g_assert_cmpuint(stop->drained, ==, 1);
    g_assert_cmpuint(stop->cut, ==, 0);
    house_wait_closed(house, fd);
    close(fd);
    g_assert_cmpint(server_get_result(house_get(house, "www")), ==, SERVER_RESULT_SUCCESS);
}

static void test_running_reload(void)
{
    g_autoptr(House) house = new_www();
    g_autofree char *url = g_strdup(house_run(house, "www"));
    Server *server = house_get(house, "www");

    house_write_static(house, "www", "sluice.description: new");
    house_wait(house, house_reload(house, "www", "reload"));
    assert_log(house, "www:Description www:Generation,Listen reload=ok");
    g_assert_cmpstr(server_get_description(server), ==, "new");
    /* The same listener, port 0 or not. */
    g_assert_cmpstr(server_get_urls(server)[0], ==, url);
    g_assert_cmpuint(web_get(url, "/"), ==, 200);
}

static void test_reload_broken(void)
{
    g_autoptr(House) house = new_www();
    g_autofree char *url = g_strdup(house_run(house, "www"));
    Server *server = house_get(house, "www");
    const char *message;

    house_write(house, "www", "listen: [\n");
    message = house_wait_error(house, house_reload(house, "www", "reload"), ERROR_INVALID_CONFIG);
    assert_log(house, "reload=InvalidConfig");
    g_assert_cmpstr(server_get_error(server), ==, message);
    g_assert_cmpuint(server_get_generation(server), ==, 1);
    g_assert_cmpuint(web_get(url, "/"), ==, 200);
    house_write_static(house, "www", NULL);
    house_wait(house, house_reload(house, "www", "reload"));
    g_assert_cmpstr(server_get_error(server), ==, "");
    g_assert_cmpuint(server_get_generation(server), ==, 2);
}

/* Each of them sees what the file said when it was called, or later. */
static void test_reload_twice(void)
{
    g_autoptr(House) house = new_www();
    Answer *first, *second, *third;

    house_run(house, "www");
    first = house_reload(house, "www", "first");
    second = house_reload(house, "www", "second");
    house_write_static(house, "www", "sluice.description: late");
    third = house_reload(house, "www", "third");
    house_wait(house, third);
    house_wait(house, second);
    house_wait(house, first);
    g_assert_cmpstr(server_get_description(house_get(house, "www")), ==, "late");
    g_assert_cmpuint(server_get_generation(house_get(house, "www")), ==, 3);
}

static void test_reload_stop(void)
{
    g_autoptr(House) house = new_www();
    Answer *first, *second, *stop;

    house_run(house, "www");
    first = house_reload(house, "www", "first");
    second = house_reload(house, "www", "second");
    stop = house_stop(house, "www", "stop", SERVER_TIMEOUT_DEFAULT);
    house_wait_error(house, first, ERROR_NOT_RUNNING);
    house_wait_error(house, second, ERROR_NOT_RUNNING);
    house_wait(house, stop);
    assert_state(house, SERVER_STOPPED);
}

/* ---- stopping ---- */

static void test_stopping_stop(void)
{
    Request request = begin_request();
    House *house = request.house;
    Answer *first = house_stop(house, "www", "first", HOUSE_TIMEOUT), *second;

    assert_state(house, SERVER_STOPPING);
    /* The shorter deadline counts. */
    second = house_stop(house, "www", "second", 0);
    house_wait(house, second);
    house_wait(house, first);
    assert_log(house, "www:running>stopping www:stopping>stopped idle first=ok second=ok");
    g_assert_cmpuint(first->cut, ==, 1);
    g_assert_cmpuint(second->cut, ==, 1);
    g_assert_cmpint(server_get_result(house_get(house, "www")), ==, SERVER_RESULT_TIMEOUT);
    end_request(&request);
}

static void test_stopping_start(void)
{
    Request request = begin_request();
    House *house = request.house;
    Answer *stop = house_stop(house, "www", "stop", HOUSE_TIMEOUT),
           *start = house_start(house, "www", "start");
    ServerStatistics statistics;

    house_wait(house, start);
    g_assert_cmpuint(stop->n, ==, 0);
    assert_log(house, "www:running>stopping www:stopping>starting www:starting>running start=ok");
    server_get_statistics(house_get(house, "www"), &statistics);
    g_assert_cmpuint(statistics.draining, ==, 1);
    /* The old generation finishes what it has begun. */
    finish_request(&request);
    house_wait(house, stop);
    g_assert_cmpuint(stop->drained, ==, 1);
    g_assert_cmpuint(stop->cut, ==, 0);
    assert_state(house, SERVER_RUNNING);
    end_request(&request);
}

static void test_stopping_reload(void)
{
    Request request = begin_request();
    House *house = request.house;
    Answer *stop = house_stop(house, "www", "stop", HOUSE_TIMEOUT);

    house_wait_error(house, house_reload(house, "www", "reload"), ERROR_NOT_RUNNING);
    finish_request(&request);
    house_wait(house, stop);
    end_request(&request);
}

/* ---- failed ---- */

static void test_failed(void)
{
    g_autoptr(House) house = house_new(1);
    Server *server;
    const char *message;

    house_write(house, "www", "listen: x\n");
    house_wait(house, house_manage(house, "reload", manager_reload));
    assert_log(house, "+www reload=ok");
    message = house_wait_error(house, house_start(house, "www", "start"), ERROR_INVALID_CONFIG);
    assert_log(house, "www:stopped>starting busy www:starting>failed idle start=InvalidConfig");
    server = house_get(house, "www");
    g_assert_cmpstr(server_get_error(server), ==, message);
    g_assert_cmpint(server_get_result(server), ==, SERVER_RESULT_CONFIG);
    g_assert_cmpuint(server_get_generation(server), ==, 0);
    g_assert_true(manager_is_idle(house->manager));
    /* Nothing to stop or to reload; and a start tries anew. */
    house_wait(house, house_stop(house, "www", "stop", 0));
    house_wait_error(house, house_reload(house, "www", "reload"), ERROR_NOT_RUNNING);
    assert_state(house, SERVER_FAILED);
    assert_log(house, "stop=ok reload=NotRunning");
    house_write_static(house, "www", NULL);
    house_wait(house, house_start(house, "www", "start"));
    assert_log(house, "www:failed>starting busy www:starting>running start=ok");
    g_assert_cmpstr(server_get_error(server), ==, "");
}

static void test_address_in_use(void)
{
    g_autoptr(House) house = house_prepare();
    uint16_t port;
    int fd = web_listen(&port);

    house_write(house, "www",
                "listen: {host: 127.0.0.1, port: %u}\n"
                "hosts: {default: {paths: {/: {file.dir: %s/www}}}}\n",
                port, house->directory);
    house_open(house, 1);
    house_wait_error(house, house_start(house, "www", "start"), ERROR_ADDRESS_IN_USE);
    g_assert_cmpint(server_get_result(house_get(house, "www")), ==, SERVER_RESULT_LISTEN);
    close(fd);
    house_run(house, "www");
    assert_state(house, SERVER_RUNNING);
}

/* ---- Restart ---- */

static void test_same_port(void)
{
    g_autoptr(House) house = house_prepare();
    uint16_t port;
    unsigned i;

    close(web_listen(&port));
    house_write(house, "www",
                "listen: {host: 127.0.0.1, port: %u}\n"
                "hosts: {default: {paths: {/: {file.dir: %s/www}}}}\n",
                port, house->directory);
    house_open(house, 2);
    for (i = 0; i != 20; ++i) {
        int fd = web_connect(house_run(house, "www"));
        assert_page(fd);
        house_end(house, "www");
        close(fd);
    }
    g_assert_cmpuint(server_get_generation(house_get(house, "www")), ==, 20);
}

/* Writes in place, with the same size: only time stamps tell. */
static void overwrite(House *house, char c)
{
    g_autofree char *path = g_strdup_printf("%s/servers/www.conf", house->directory);
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pwrite(fd, &c, 1, (off_t)strlen("sluice.description: ")), ==, 1);
    close(fd);
}

/* A configuration is kept for the next start, but not if its file has changed within one tick. */
static void test_cache(void)
{
    g_autoptr(House) house = house_prepare();
    unsigned i;

    house_write_static(house, "www", "sluice.description: a");
    house_open(house, 1);
    for (i = 0; i != 20; ++i) {
        char c = (char)('a' + i), text[] = {c, '\0'};
        overwrite(house, c);
        house_run(house, "www");
        g_assert_cmpstr(server_get_description(house_get(house, "www")), ==, text);
        house_end(house, "www");
    }
}

static void test_cache_broken(void)
{
    g_autoptr(House) house = new_www();

    house_run(house, "www");
    house_end(house, "www");
    house_write(house, "www", "listen: [\n");
    house_wait_error(house, house_start(house, "www", "start"), ERROR_INVALID_CONFIG);
    house_remove(house, "www");
    house_wait_error(house, house_start(house, "www", "start"), ERROR_INVALID_CONFIG);
    house_write_static(house, "www", NULL);
    house_run(house, "www");
}

/* ---- The manager ---- */

static void test_load(void)
{
    g_autoptr(House) house = house_prepare();
    _cleanup_error_ Error error = ERROR_INIT;
    Server *server = NULL;

    house_write_static(house, "b", "sluice.description: second");
    house_write(house, "a", "listen: [\n");
    house_open(house, 1);
    g_assert_cmpuint(manager_count_servers(house->manager), ==, 2);
    server = manager_next_server(house->manager, NULL);
    g_assert_cmpstr(server_get_name(server), ==, "a");
    server = manager_next_server(house->manager, server);
    g_assert_cmpstr(server_get_description(server), ==, "second");
    g_assert_null(manager_next_server(house->manager, server));
    g_assert_cmpint(manager_get_server(house->manager, "c", &server, &error), ==, -ENOENT);
    g_assert_cmpint(manager_get_server(house->manager, "../c", &server, &error), ==, -EINVAL);
    g_assert_true(manager_is_idle(house->manager));
}

static void test_reload_added_removed(void)
{
    g_autoptr(House) house = new_www();

    house_run(house, "www");
    house_write_static(house, "api", NULL);
    house_wait(house, house_manage(house, "reload", manager_reload));
    assert_log(house, "+api reload=ok");
    house_remove(house, "www");
    house_remove(house, "api");
    house_wait(house, house_manage(house, "reload", manager_reload));
    assert_log(house, "-api www:running>stopping www:stopping>stopped idle -www reload=ok");
    g_assert_cmpuint(manager_count_servers(house->manager), ==, 0);
    house_write_static(house, "www", NULL);
    house_wait(house, house_manage(house, "reload", manager_reload));
    assert_log(house, "+www reload=ok");
    g_assert_cmpuint(server_get_generation(house_get(house, "www")), ==, 0);
}

/* Its file is back before it has stopped: it stays, and is stopped. */
static void test_reload_back(void)
{
    Request request = begin_request();
    House *house = request.house;
    Server *server = house_get(house, "www");
    Answer *gone, *back;

    house_remove(house, "www");
    gone = house_manage(house, "gone", manager_reload);
    assert_state(house, SERVER_STOPPING);
    house_write_static(house, "www", NULL);
    back = house_manage(house, "back", manager_reload);
    finish_request(&request);
    house_wait(house, gone);
    house_wait(house, back);
    assert_state(house, SERVER_STOPPED);
    g_assert_true(house_get(house, "www") == server);
    house_run(house, "www");
    end_request(&request);
}

/* Only those whose file has changed. */
static void test_reload_changed(void)
{
    g_autoptr(House) house = new_www();
    Answer *reload;

    house_write_static(house, "api", NULL);
    house_wait(house, house_manage(house, "reload", manager_reload));
    house_run(house, "www");
    house_run(house, "api");
    house_write_static(house, "api", "sluice.description: new");
    reload = house_manage(house, "reload", manager_reload);
    house_wait(house, reload);
    g_assert_cmpuint(server_get_generation(house_get(house, "www")), ==, 1);
    g_assert_cmpuint(server_get_generation(house_get(house, "api")), ==, 2);
    g_assert_cmpstr(server_get_description(house_get(house, "api")), ==, "new");
    /* One that is broken is named, and runs on. */
    house_write(house, "api", "listen: [\n");
    g_assert_nonnull(strstr(
        house_wait_error(house, house_manage(house, "bad", manager_reload), ERROR_INVALID_CONFIG),
        "server 'api': "));
    g_assert_cmpint(server_get_state(house_get(house, "api")), ==, SERVER_RUNNING);
}

static void test_all(void)
{
    g_autoptr(House) house = new_www();
    Answer *start;

    house_write_static(house, "auto", "sluice.autostart: ON");
    house_write(house, "bad", "listen: [\n");
    house_wait(house, house_manage(house, "reload", manager_reload));
    start = house_manage(house, "auto", manager_autostart);
    house_wait(house, start);
    g_assert_nonnull(start->urls[0]);
    g_assert_null(start->urls[1]);
    assert_state(house, SERVER_STOPPED);
    g_assert_cmpint(server_get_state(house_get(house, "auto")), ==, SERVER_RUNNING);
    start = house_manage(house, "all", manager_start_all);
    g_assert_nonnull(
        strstr(house_wait_error(house, start, ERROR_INVALID_CONFIG), "server 'bad': "));
    g_assert_nonnull(start->urls[1]);
    assert_state(house, SERVER_RUNNING);
}

static void test_idle(void)
{
    g_autoptr(House) house = new_www();

    house_write_static(house, "api", NULL);
    house_wait(house, house_manage(house, "reload", manager_reload));
    g_assert_true(manager_is_idle(house->manager));
    house_run(house, "www");
    house_run(house, "api");
    g_assert_false(manager_is_idle(house->manager));
    house_end(house, "www");
    g_assert_false(manager_is_idle(house->manager));
    house_wait(house, house_stop(house, "api", "stop", 0));
    house_wait_until(house, is_idle, NULL);
    g_assert_nonnull(strstr(house_take_log(house), " idle"));
}

static void test_check_config(void)
{
    g_autoptr(House) house = house_new(1);
    _cleanup_error_ Error error = ERROR_INIT;

    g_assert_cmpint(manager_check_config(house->manager, "listen: x\n", &error), ==, -EBADMSG);
    g_assert_true(g_str_has_prefix(error.message, "config:1:9: "));
    g_assert_cmpint(manager_check_config(house->manager,
                                         "listen: 0\nhosts: {x: {paths: {/: {file.dir: /}}}}\n",
                                         NULL),
                    ==, 0);
    assert_log(house, "");
}

/* ---- max-connections ---- */

static bool has_answered(House *house, void *userdata)
{
    ServerStatistics statistics;

    server_get_statistics(house_get(house, "www"), &statistics);
    return statistics.requests == *(uint64_t *)userdata;
}

static void test_max_connections(void)
{
    g_autoptr(House) house = house_prepare();
    const char *url;
    ServerStatistics statistics;
    int first, second, third;

    house_write_static(house, "www", "max-connections: 2");
    house_open(house, 2);
    url = house_run(house, "www");
    first = web_connect(url);
    second = web_connect(url);
    assert_page(first);
    assert_page(second);
    third = web_connect(url);
    web_send(third, "/");
    server_get_statistics(house_get(house, "www"), &statistics);
    g_assert_cmpuint(statistics.connections, ==, 2);
    g_assert_cmpuint(statistics.connections_total, ==, 2);
    close(first);
    g_assert_cmpuint(web_receive(third, NULL), ==, 200);
    assert_page(second);
    /* A request is counted once its response has been sent. */
    house_wait_until(house, has_answered, &(uint64_t){4});
    server_get_statistics(house_get(house, "www"), &statistics);
    g_assert_cmpuint(statistics.connections_total, ==, 3);
    g_assert_cmpuint(statistics.responses[2], ==, 4);
    close(second);
    close(third);
}

int main(int argc, char **argv)
{
    house_init(&argc, &argv);
    g_test_add_func("/server/stopped/start", test_start);
    g_test_add_func("/server/stopped/stop", test_stop_stopped);
    g_test_add_func("/server/stopped/reload", test_reload_stopped);
    g_test_add_func("/server/starting/start", test_starting_start);
    g_test_add_func("/server/starting/stop", test_starting_stop);
    g_test_add_func("/server/starting/stop-start", test_starting_stop_start);
    g_test_add_func("/server/starting/reload", test_starting_reload);
    g_test_add_func("/server/running/start", test_running_start);
    g_test_add_func("/server/running/stop", test_running_stop);
    g_test_add_func("/server/running/reload", test_running_reload);
    g_test_add_func("/server/running/reload-broken", test_reload_broken);
    g_test_add_func("/server/running/reload-twice", test_reload_twice);
    g_test_add_func("/server/running/reload-stop", test_reload_stop);
    g_test_add_func("/server/stopping/stop", test_stopping_stop);
    g_test_add_func("/server/stopping/start", test_stopping_start);
    g_test_add_func("/server/stopping/reload", test_stopping_reload);
    g_test_add_func("/server/failed/config", test_failed);
    g_test_add_func("/server/failed/address-in-use", test_address_in_use);
    g_test_add_func("/server/same-port", test_same_port);
    g_test_add_func("/server/cache/changed", test_cache);
    g_test_add_func("/server/cache/broken", test_cache_broken);
    g_test_add_func("/server/max-connections", test_max_connections);
    g_test_add_func("/manager/load", test_load);
    g_test_add_func("/manager/reload/added-removed", test_reload_added_removed);
    g_test_add_func("/manager/reload/back", test_reload_back);
    g_test_add_func("/manager/reload/changed", test_reload_changed);
    g_test_add_func("/manager/all", test_all);
    g_test_add_func("/manager/idle", test_idle);
    g_test_add_func("/manager/check-config", test_check_config);
    return g_test_run();
}
