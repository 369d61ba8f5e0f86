/* SPDX-License-Identifier: MIT */
/*
 * Every cell of the table in the README: Start, Stop and Reload in each state, and which signals
 * come before the reply. The calls that overlap in more ways than the table has: test-overlap.c.
 */
#include "fixture.h"

#define PATH server_path("www")

static guint32 send(Fixture *f, const char *method)
{
    return client_send(fixture_get_client(f), PATH, NULL, method, NULL);
}

static GVariant *receive(Fixture *f, guint32 serial)
{
    return client_receive(fixture_get_client(f), serial);
}

static char *receive_not_running(Fixture *f, guint32 serial)
{
    return client_receive_error(fixture_get_client(f), serial, SLUICE_ERROR("NotRunning"));
}

/* The transitions that came between `from` and the reply to `serial`. */
static void assert_transitions(Fixture *f, guint from, guint32 serial, const char *expected)
{
    Client *client = fixture_get_client(f);
    guint to = client_place_of_reply(client, serial);
    g_autofree char *found = client_get_transitions(client, PATH, from, to);

    g_assert_cmpstr(found, ==, expected);
}

static void assert_state(Fixture *f, const char *expected)
{
    g_autofree char *state = fixture_get_state(f, "www");

    g_assert_cmpstr(state, ==, expected);
}

static void assert_property(Fixture *f, const char *property, const char *expected)
{
    g_autoptr(GVariant) value = fixture_get_property(f, "www", property);

    assert_prints(value, expected);
}

/* A mark behind everything that has happened so far. */
static guint mark(Fixture *f)
{
    assert_state(f, "stopped");
    return client_mark(fixture_get_client(f));
}

static void fail(Fixture *f)
{
    g_autofree char *message = NULL;

    fixture_write_config(f, "www", "listen: 70000\n");
    message = client_call_error(fixture_get_client(f), PATH, NULL, "Start", NULL,
                                SLUICE_ERROR("InvalidConfig"));
    assert_state(f, "failed");
}

/* ---- Stopped and failed ---- */

static void test_stopped_start(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    g_autoptr(GVariant) reply = NULL, urls = NULL, details = NULL, listen = NULL, generation = NULL,
                        told = NULL;
    guint32 serial;
    guint from, to;

    fixture_write_static(f, "www", NULL);
    from = mark(f);
    serial = send(f, "Start");
    reply = receive(f, serial);
    assert_transitions(f, from, serial, "stopped>starting starting>running");

    /* What the signals told is what the reply says. */
    to = client_place_of_reply(client, serial);
    urls = g_variant_get_child_value(reply, 0);
    listen = client_get_changed(client, PATH, "Listen", from, to);
    g_assert_cmpvariant(listen, urls);
    generation = client_get_changed(client, PATH, "Generation", from, to);
    assert_prints(generation, "uint32 1");
    details = client_get_details(client, PATH, "running", from, to);
    told = g_variant_lookup_value(details, "urls", NULL);
    g_assert_cmpvariant(told, urls);
    g_assert_cmpuint(g_variant_n_children(details), ==, 2);
}

static void test_stopped_start_fails(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    g_autofree char *message = NULL;
    g_autoptr(GVariant) details = NULL, changed = NULL;
    const char *error, *reason;
    guint32 serial;
    guint from, to;

    fixture_write_config(f, "www", "listen: 70000\n");
    from = mark(f);
    serial = send(f, "Start");
    message = client_receive_error(client, serial, SLUICE_ERROR("InvalidConfig"));
    assert_transitions(f, from, serial, "stopped>starting starting>failed");
    to = client_place_of_reply(client, serial);
    details = client_get_details(client, PATH, "failed", from, to);
    g_assert_true(g_variant_lookup(details, "error", "&s", &error));
    g_assert_cmpstr(error, ==, message);
    g_assert_true(g_variant_lookup(details, "reason", "&s", &reason));
    g_assert_cmpstr(reason, ==, "error");
    changed = client_get_changed(client, PATH, "Result", from, to);
    assert_prints(changed, "'config'");
    assert_property(f, "Result", "'config'");
}

static void test_stopped_stop(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GVariant) reply = NULL;
    guint32 serial;
    guint from;

    fixture_write_static(f, "www", NULL);
    from = mark(f);
    serial = send(f, "Stop");
    reply = receive(f, serial);
    assert_prints(reply, "(uint32 0, uint32 0)");
    assert_transitions(f, from, serial, "");
}

static void test_stopped_reload(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *message = NULL;
    guint32 serial;
    guint from;

    fixture_write_static(f, "www", NULL);
    from = mark(f);
    serial = send(f, "Reload");
    message = receive_not_running(f, serial);
    assert_contains(message, "'www'");
    assert_transitions(f, from, serial, "");
    assert_state(f, "stopped");
}

static void test_failed_start(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *message = NULL;
    guint32 serial;
    guint from;

    fail(f);
    from = client_mark(fixture_get_client(f));
    serial = send(f, "Start");
    message = client_receive_error(fixture_get_client(f), serial, SLUICE_ERROR("InvalidConfig"));
    assert_transitions(f, from, serial, "failed>starting starting>failed");

    fixture_write_static(f, "www", NULL);
    from = client_mark(fixture_get_client(f));
    serial = send(f, "Start");
    g_variant_unref(receive(f, serial));
    assert_transitions(f, from, serial, "failed>starting starting>running");
}

static void test_failed_stop(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GVariant) reply = NULL;
    guint32 serial;
    guint from;

    fail(f);
    from = client_mark(fixture_get_client(f));
    serial = send(f, "Stop");
    reply = receive(f, serial);
    assert_prints(reply, "(uint32 0, uint32 0)");
    assert_transitions(f, from, serial, "");
    assert_property(f, "Result", "'config'");
}

static void test_failed_reload(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *message = NULL;

    fail(f);
    fixture_write_static(f, "www", NULL);
    message = receive_not_running(f, send(f, "Reload"));
    assert_state(f, "failed");
}

/* ---- Starting: sent right behind a Start, so that it comes while that is under way ---- */

static void test_starting_start(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GVariant) first = NULL, second = NULL;
    guint32 serials[2];
    guint from;

    fixture_write_static(f, "www", NULL);
    from = mark(f);
    serials[0] = send(f, "Start");
    serials[1] = send(f, "Start");
    first = receive(f, serials[0]);
    second = receive(f, serials[1]);
    g_assert_cmpvariant(first, second);
    assert_transitions(f, from, serials[1], "stopped>starting starting>running");
    assert_property(f, "Generation", "uint32 1");
}

/* Both learn why. */
static void test_starting_start_fails(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *first = NULL, *second = NULL;
    guint32 serials[2];

    fixture_write_config(f, "www", "listen: 70000\n");
    serials[0] = send(f, "Start");
    serials[1] = send(f, "Start");
    first = client_receive_error(fixture_get_client(f), serials[0], SLUICE_ERROR("InvalidConfig"));
    second = client_receive_error(fixture_get_client(f), serials[1], SLUICE_ERROR("InvalidConfig"));
    g_assert_cmpstr(first, ==, second);
}

/*
 * The Stop may find the start under way or just complete; it is tried until both have been seen or
 * the first often enough. Many workers that start one after the other, as they do for a proxy, make
 * the start take longer.
 */
static void test_starting_stop(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Upstream) upstream = upstream_new();
    Client *client = fixture_get_client(f);
    guint given_up = 0;

    fixture_set_arguments(f, "--exit-idle-time=0 --threads=32");
    fixture_write_proxy(f, "www", upstream, NULL);
    for (guint i = 0; i != 200 && given_up != 10; ++i) {
        g_autoptr(GVariant) reply = NULL, details = NULL;
        guint from = mark(f), to;
        guint32 start = send(f, "Start"), stop = send(f, "Stop");

        reply = receive(f, stop);
        assert_prints(reply, "(uint32 0, uint32 0)");
        if (g_dbus_message_get_error_name(client_receive_any(client, start)) != NULL) {
            g_autofree char *message = receive_not_running(f, start);

            ++given_up;
            assert_transitions(f, from, stop, "stopped>starting starting>stopped");
            assert_transitions(f, from, start, "stopped>starting starting>stopped");
        } else {
            assert_transitions(f, from, stop,
                               "stopped>starting starting>running running>stopping "
                               "stopping>stopped");
        }
        to = client_place_of_reply(client, stop);
        details = client_get_details(client, PATH, "stopped", from, to);
        assert_prints(details, "{'reason': <'request'>, 'drained': <uint32 0>, 'cut': <uint32 0>}");
        assert_state(f, "stopped");
    }
    g_assert_cmpuint(given_up, >, 0);
}

static void test_starting_reload(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GVariant) urls = NULL, listen = NULL, reply = NULL;
    guint32 start, reload;
    guint from;

    fixture_write_static(f, "www", NULL);
    from = mark(f);
    start = send(f, "Start");
    reload = send(f, "Reload");
    reply = receive(f, start);
    g_variant_unref(receive(f, reload));
    g_assert_cmpuint(client_place_of_reply(fixture_get_client(f), start), <,
                     client_place_of_reply(fixture_get_client(f), reload));
    assert_transitions(f, from, reload, "stopped>starting starting>running");
    assert_property(f, "Generation", "uint32 2");
    urls = g_variant_get_child_value(reply, 0);
    listen = fixture_get_property(f, "www", "Listen");
    g_assert_cmpvariant(urls, listen);
}

static void test_starting_reload_fails(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *first = NULL, *second = NULL;
    guint32 start, reload;

    fixture_write_config(f, "www", "listen: 70000\n");
    start = send(f, "Start");
    reload = send(f, "Reload");
    first = client_receive_error(fixture_get_client(f), start, SLUICE_ERROR("InvalidConfig"));
    second = receive_not_running(f, reload);
    assert_state(f, "failed");
}

/* ---- Running ---- */

static void test_running_start(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GVariant) reply = NULL, again = NULL;
    guint32 serial;
    guint from;

    fixture_write_static(f, "www", NULL);
    reply = receive(f, send(f, "Start"));
    from = client_mark(fixture_get_client(f));
    serial = send(f, "Start");
    again = receive(f, serial);
    g_assert_cmpvariant(reply, again);
    assert_transitions(f, from, serial, "");
    assert_property(f, "Generation", "uint32 1");
}

static void test_running_stop(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    g_autofree char *url = NULL;
    g_autoptr(GSocket) idle = NULL;
    g_autoptr(GVariant) reply = NULL, details = NULL, listen = NULL;
    guint32 serial;
    guint from, to;

    fixture_write_static(f, "www", NULL);
    url = fixture_start(f, "www");
    idle = web_connect(url);
    web_request(idle, "/");
    g_assert_cmpuint(web_receive(idle, NULL, NULL), ==, 200);
    from = client_mark(client);
    serial = send(f, "Stop");
    reply = receive(f, serial);
    assert_prints(reply, "(uint32 1, uint32 0)");
    assert_transitions(f, from, serial, "running>stopping stopping>stopped");
    to = client_place_of_reply(client, serial);
    details = client_get_details(client, PATH, "stopped", from, to);
    assert_prints(details, "{'reason': <'request'>, 'drained': <uint32 1>, 'cut': <uint32 0>}");
    listen = client_get_changed(client, PATH, "Listen", from, to);
    assert_prints(listen, "@as []");
    g_assert_true(web_is_refused(url));
    assert_property(f, "Result", "'success'");
}

static void test_running_reload(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    g_autofree char *url = NULL, *again = NULL;
    g_autoptr(GVariant) generation = NULL;
    guint32 serial;
    guint from, to;

    fixture_write_static(f, "www", NULL);
    url = fixture_start(f, "www");
    from = client_mark(client);
    serial = send(f, "Reload");
    g_variant_unref(receive(f, serial));
    assert_transitions(f, from, serial, "");
    to = client_place_of_reply(client, serial);
    generation = client_get_changed(client, PATH, "Generation", from, to);
    assert_prints(generation, "uint32 2");
    assert_property(f, "Generation", "uint32 2");
    again = fixture_start(f, "www");
    g_assert_cmpstr(again, ==, url);
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
}

/* ---- Stopping: a request that is under way holds it there ---- */

typedef struct Stopping {
    Upstream *upstream;
    Busy *busy;
    char *url;
    guint32 serial; /* of the Stop */
} Stopping;

static void stopping_clear(Stopping *stopping)
{
    busy_free(stopping->busy);
    upstream_free(stopping->upstream);
    g_free(stopping->url);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Stopping, stopping_clear)

static void stopping_init(Stopping *stopping, Fixture *f)
{
    Client *client = fixture_get_client(f);
    guint from;

    stopping->upstream = upstream_new();
    fixture_write_proxy(f, "www", stopping->upstream, "sluice.stop-timeout: 3600");
    stopping->url = fixture_start(f, "www");
    stopping->busy = busy_new(stopping->url, stopping->upstream);
    from = client_mark(client);
    stopping->serial = send(f, "Stop");
    client_place_of_signal(client, from, PATH, "PropertiesChanged");
    assert_state(f, "stopping");
}

static void test_stopping_start(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    g_auto(Stopping) stopping = {NULL};
    g_autoptr(GVariant) reply = NULL;
    g_autofree char *url = NULL;
    guint32 serial;
    guint from;

    stopping_init(&stopping, f);
    from = client_mark(client);
    serial = send(f, "Start");
    g_variant_unref(receive(f, serial));
    assert_transitions(f, from, serial, "stopping>starting starting>running");
    busy_finish(stopping.busy);
    reply = receive(f, stopping.serial);
    assert_prints(reply, "(uint32 1, uint32 0)");
    g_assert_cmpuint(client_place_of_reply(client, serial), <,
                     client_place_of_reply(client, stopping.serial));
    assert_transitions(f, from, stopping.serial, "stopping>starting starting>running");
    assert_state(f, "running");
    assert_property(f, "Generation", "uint32 2");
}

static void test_stopping_stop(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_auto(Stopping) stopping = {NULL};
    g_autoptr(GVariant) first = NULL, second = NULL;
    guint32 serial;
    guint from;

    stopping_init(&stopping, f);
    from = client_mark(fixture_get_client(f));
    serial = send(f, "Stop");
    assert_state(f, "stopping");
    busy_finish(stopping.busy);
    first = receive(f, stopping.serial);
    second = receive(f, serial);
    assert_prints(first, "(uint32 1, uint32 0)");
    assert_prints(second, "(uint32 1, uint32 0)");
    assert_transitions(f, from, stopping.serial, "stopping>stopped");
    assert_transitions(f, from, serial, "stopping>stopped");
}

static void test_stopping_reload(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_auto(Stopping) stopping = {NULL};
    g_autofree char *message = NULL;

    stopping_init(&stopping, f);
    message = receive_not_running(f, send(f, "Reload"));
    assert_state(f, "stopping");
    web_wait_refused(stopping.url);
    busy_finish(stopping.busy);
    g_variant_unref(receive(f, stopping.serial));
}

int main(int argc, char *argv[])
{
    fixture_init(&argc, &argv);
    g_test_add_func("/states/stopped/start", test_stopped_start);
    g_test_add_func("/states/stopped/start-fails", test_stopped_start_fails);
    g_test_add_func("/states/stopped/stop", test_stopped_stop);
    g_test_add_func("/states/stopped/reload", test_stopped_reload);
    g_test_add_func("/states/failed/start", test_failed_start);
    g_test_add_func("/states/failed/stop", test_failed_stop);
    g_test_add_func("/states/failed/reload", test_failed_reload);
    g_test_add_func("/states/starting/start", test_starting_start);
    g_test_add_func("/states/starting/start-fails", test_starting_start_fails);
    g_test_add_func("/states/starting/stop", test_starting_stop);
    g_test_add_func("/states/starting/reload", test_starting_reload);
    g_test_add_func("/states/starting/reload-fails", test_starting_reload_fails);
    g_test_add_func("/states/running/start", test_running_start);
    g_test_add_func("/states/running/stop", test_running_stop);
    g_test_add_func("/states/running/reload", test_running_reload);
    g_test_add_func("/states/stopping/start", test_stopping_start);
    g_test_add_func("/states/stopping/stop", test_stopping_stop);
    g_test_add_func("/states/stopping/reload", test_stopping_reload);
    return g_test_run();
}
