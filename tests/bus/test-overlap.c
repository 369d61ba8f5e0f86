/* SPDX-License-Identifier: MIT */
/*
 * Calls that overlap: of one client, sent right behind each other, and of several. Whatever becomes
 * of a call, it is answered, and the answer fits what the signals told. A request that an upstream
 * does not answer yet holds a server in the state stopping for as long as the test likes.
 */
#include "fixture.h"

#define PATH server_path("www")

static void assert_state(Fixture *f, const char *expected)
{
    g_autofree char *state = fixture_get_state(f, "www");

    g_assert_cmpstr(state, ==, expected);
}

static guint32 get_number(Fixture *f, const char *property)
{
    g_autoptr(GVariant) value = fixture_get_property(f, "www", property);

    return g_variant_get_uint32(value);
}

static guint32 send(Client *client, const char *method)
{
    return client_send(client, PATH, NULL, method, NULL);
}

static guint32 send_stop(Client *client, guint64 timeout_usec)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "timeout-usec", "t", timeout_usec);
    return client_send(client, PATH, NULL, "StopWithOptions",
                       g_variant_new("(@a{sv})", g_variant_dict_end(&dict)));
}

static void assert_reply(Client *client, guint32 serial, const char *expected)
{
    g_autoptr(GVariant) reply = client_receive(client, serial);

    assert_prints(reply, expected);
}

/* Whether the call was answered with NotRunning; fails the test at any other error. */
static gboolean got_not_running(Client *client, guint32 serial)
{
    const char *name = g_dbus_message_get_error_name(client_receive_any(client, serial));

    if (name != NULL)
        g_assert_cmpstr(name, ==, SLUICE_ERROR("NotRunning"));
    return name != NULL;
}

/* www is a proxy with a request under way. */
typedef struct Held {
    Upstream *upstream;
    Busy *busy;
    char *url;
} Held;

static void held_clear(Held *held)
{
    busy_free(held->busy);
    upstream_free(held->upstream);
    g_free(held->url);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Held, held_clear)

static void held_init(Held *held, Fixture *f)
{
    held->upstream = upstream_new();
    fixture_write_proxy(f, "www", held->upstream, "sluice.stop-timeout: 3600");
    held->url = fixture_start(f, "www");
    held->busy = busy_new(held->url, held->upstream);
}

/* Sends Stop and waits until the server is stopping. */
static guint32 begin_stop(Fixture *f, Client *client)
{
    guint from = client_mark(client);
    guint32 serial = send(client, "Stop");

    client_place_of_signal(client, from, PATH, "PropertiesChanged");
    assert_state(f, "stopping");
    return serial;
}

/* ---- Start while it stops ---- */

/* A fixed port: the new generation listens where the old one's connection still goes on. */
static void test_start_during_stop(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    g_autoptr(Upstream) upstream = upstream_new();
    g_autofree char *text = NULL, *url = NULL, *again = NULL;
    g_autoptr(Busy) old = NULL, new = NULL;
    guint32 stop;

    text = g_strdup_printf("listen: {host: 127.0.0.1, port: %u}\nsluice.stop-timeout: 3600\n"
                           "hosts: {default: {paths: {/: {proxy.reverse.url: "
                           "\"http://127.0.0.1:%u/\"}}}}\n",
                           free_port(), upstream_get_port(upstream));
    fixture_write_config(f, "www", text);
    url = fixture_start(f, "www");
    old = busy_new(url, upstream);
    stop = begin_stop(f, client);
    again = fixture_start(f, "www");
    g_assert_cmpstr(again, ==, url);
    new = busy_new(url, upstream);
    g_assert_cmpuint(get_number(f, "Connections"), ==, 2);
    g_assert_cmpuint(get_number(f, "Draining"), ==, 1);

    busy_finish(old);
    assert_reply(client, stop, "(uint32 1, uint32 0)");
    assert_state(f, "running");
    g_assert_cmpuint(get_number(f, "Draining"), ==, 0);
    upstream_free(g_steal_pointer(&upstream));
    g_variant_unref(client_receive(client, send_stop(client, 0)));
    busy_expect_cut(new);
}

/* The start fails; the old connection drains on, and the Stop is answered all the same. */
static void test_start_fails_during_stop(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    g_auto(Held) held = {NULL};
    g_autofree char *message = NULL;
    guint32 stop;

    held_init(&held, f);
    stop = begin_stop(f, client);
    fixture_write_config(f, "www", "listen: 70000\n");
    message = client_receive_error(client, send(client, "Start"), SLUICE_ERROR("InvalidConfig"));
    assert_state(f, "failed");
    busy_finish(held.busy);
    assert_reply(client, stop, "(uint32 1, uint32 0)");
    assert_state(f, "failed");
}

/* Stop, Start, Stop: the second Stop waits for both generations. */
static void test_stop_start_stop(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    g_auto(Held) held = {NULL};
    g_autofree char *url = NULL, *transitions = NULL;
    g_autoptr(Busy) second = NULL;
    guint32 stops[2];
    guint from;

    held_init(&held, f);
    stops[0] = begin_stop(f, client);
    from = client_mark(client);
    url = fixture_start(f, "www");
    second = busy_new(url, held.upstream);
    stops[1] = begin_stop(f, client);
    busy_finish(second);
    assert_state(f, "stopping");
    busy_finish(held.busy);
    assert_reply(client, stops[0], "(uint32 1, uint32 0)");
    assert_reply(client, stops[1], "(uint32 2, uint32 0)");
    transitions =
        client_get_transitions(client, PATH, from, client_place_of_reply(client, stops[1]));
    g_assert_cmpstr(transitions, ==,
                    "stopping>starting starting>running running>stopping stopping>stopped");
}

/* ---- Two Stops ---- */

static void test_stop_shorter_second(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    g_auto(Held) held = {NULL};
    guint32 stops[2];

    held_init(&held, f);
    stops[0] = begin_stop(f, client); /* an hour */
    stops[1] = send_stop(client, 0);
    assert_reply(client, stops[0], "(uint32 0, uint32 1)");
    assert_reply(client, stops[1], "(uint32 0, uint32 1)");
    busy_expect_cut(held.busy);
}

static void test_stop_shorter_first(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    g_auto(Held) held = {NULL};
    guint32 stops[2];

    held_init(&held, f);
    stops[0] = send_stop(client, G_USEC_PER_SEC / 5);
    stops[1] = send(client, "Stop"); /* an hour */
    assert_reply(client, stops[0], "(uint32 0, uint32 1)");
    assert_reply(client, stops[1], "(uint32 0, uint32 1)");
    busy_expect_cut(held.busy);
}

static void test_stop_two_clients(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Client) other = client_new(fixture_get_address(f));
    Client *client = fixture_get_client(f);
    g_auto(Held) held = {NULL};
    guint32 stops[2];

    held_init(&held, f);
    stops[0] = begin_stop(f, client);
    stops[1] = send(other, "Stop");
    /* Behind it: when this has been answered, the Stop has been read. */
    g_variant_unref(client_call(other, MANAGER_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL));
    busy_finish(held.busy);
    assert_reply(client, stops[0], "(uint32 1, uint32 0)");
    assert_reply(other, stops[1], "(uint32 1, uint32 0)");
}

/* ---- Right behind each other ---- */

/* Stop behind Reload: the Reload may be complete or not, the Stop wins. */
static void test_stop_during_reload(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Upstream) upstream = upstream_new();
    Client *client = fixture_get_client(f);
    guint given_up = 0;

    fixture_set_arguments(f, "--exit-idle-time=0 --threads=32");
    fixture_write_proxy(f, "www", upstream, NULL);
    for (guint i = 0; i != 200 && given_up != 10; ++i) {
        g_autofree char *url = fixture_start(f, "www"), *transitions = NULL;
        guint from = client_mark(client);
        guint32 reload = send(client, "Reload"), stop = send(client, "Stop");

        assert_reply(client, stop, "(uint32 0, uint32 0)");
        given_up += got_not_running(client, reload);
        transitions =
            client_get_transitions(client, PATH, from, client_place_of_reply(client, stop));
        g_assert_cmpstr(transitions, ==, "running>stopping stopping>stopped");
        assert_state(f, "stopped");
        g_assert_true(web_is_refused(url));
    }
    g_assert_cmpuint(given_up, >, 0);
}

/* Each Reload reads the file as it is after the call, so the second cannot join the first. */
static void test_reload_twice(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    guint32 first, second, third;

    fixture_write_static(f, "www", NULL);
    g_free(fixture_start(f, "www"));
    first = send(client, "Reload");
    second = send(client, "Reload");
    third = send(client, "Reload");
    assert_reply(client, first, "()");
    assert_reply(client, second, "()");
    assert_reply(client, third, "()");
    g_assert_cmpuint(get_number(f, "Generation"), >=, 3);
    g_assert_cmpuint(get_number(f, "Generation"), <=, 4);
    g_assert_cmpint(client_place_of_reply(client, first), <, client_place_of_reply(client, second));
}

/* Everything at once, over and over: each call is answered, and the last word is Stop's. */
static void test_volley(void)
{
    static const char *const methods[] = {"Start", "Reload", "Stop",  "Start", "Start",
                                          "Stop",  "Stop",   "Start", "Reload"};
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Client) other = client_new(fixture_get_address(f));
    Client *clients[] = {fixture_get_client(f), other};
    guint from;

    fixture_write_static(f, "www", NULL);
    assert_state(f, "stopped");
    from = client_mark(clients[0]);
    for (guint round = 0; round != 20; ++round) {
        guint32 serials[G_N_ELEMENTS(methods)], last;
        g_autofree char *transitions = NULL;

        for (guint i = 0; i != G_N_ELEMENTS(methods); ++i)
            serials[i] = send(clients[i % 2], methods[i]);
        for (guint i = 0; i != G_N_ELEMENTS(methods); ++i)
            if (strcmp(methods[i], "Stop") == 0)
                assert_reply(clients[i % 2], serials[i], "(uint32 0, uint32 0)");
            else
                got_not_running(clients[i % 2], serials[i]);
        last = send(clients[0], "Stop");
        assert_reply(clients[0], last, "(uint32 0, uint32 0)");
        assert_state(f, "stopped");
        /* An unbroken chain, each link told by both signals. */
        transitions =
            client_get_transitions(clients[0], PATH, from, client_place_of_reply(clients[0], last));
        g_assert_true(g_str_has_prefix(transitions, "stopped>starting "));
        g_assert_true(g_str_has_suffix(transitions, ">stopped"));
    }
}

/* ---- Clients that do not wait ---- */

static void test_stopper_leaves(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Client) leaver = client_new(fixture_get_address(f));
    g_auto(Held) held = {NULL};

    held_init(&held, f);
    begin_stop(f, leaver);
    client_free(g_steal_pointer(&leaver));
    assert_state(f, "stopping");
    busy_finish(held.busy);
    fixture_wait_state(f, "www", "stopped");
}

static void test_starter_leaves(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL;

    fixture_write_static(f, "www", NULL);
    assert_state(f, "stopped");
    for (guint i = 0; i != 20; ++i) {
        Client *leaver = client_new(fixture_get_address(f));

        send(leaver, i % 2 == 0 ? "Start" : "Reload");
        client_sync(leaver);
        client_free(leaver);
    }
    fixture_wait_state(f, "www", "running");
    url = fixture_start(f, "www");
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
    g_assert_cmpuint(fixture_count_started(f), ==, 1);
}

/* ---- Callers of other servers ---- */

/* While one server drains, another starts, reloads and stops. */
static void test_other_server(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    g_auto(Held) held = {NULL};
    g_autofree char *url = NULL;
    guint drained, cut;
    guint32 stop;

    held_init(&held, f);
    fixture_write_static(f, "other", NULL);
    g_variant_unref(client_call(client, MANAGER_PATH, NULL, "Reload", NULL));
    stop = begin_stop(f, client);
    url = fixture_start(f, "other");
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
    fixture_reload(f, "other");
    fixture_stop(f, "other", &drained, &cut);
    assert_state(f, "stopping");
    busy_finish(held.busy);
    assert_reply(client, stop, "(uint32 1, uint32 0)");
}

/* The manager's Stop waits for the slowest, and a Start meanwhile holds for its server alone. */
static void test_manager_stop(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    g_auto(Held) held = {NULL};
    g_autofree char *url = NULL;
    guint32 stop;

    held_init(&held, f);
    fixture_write_static(f, "other", NULL);
    g_variant_unref(client_call(client, MANAGER_PATH, NULL, "Reload", NULL));
    g_free(fixture_start(f, "other"));
    stop = client_send(client, MANAGER_PATH, NULL, "Stop", NULL);
    fixture_wait_state(f, "other", "stopped");
    assert_state(f, "stopping");
    url = fixture_start(f, "other");
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
    busy_finish(held.busy);
    assert_reply(client, stop, "(uint32 1, uint32 0)");
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
}

int main(int argc, char *argv[])
{
    fixture_init(&argc, &argv);
    g_test_add_func("/overlap/start-during-stop", test_start_during_stop);
    g_test_add_func("/overlap/start-fails-during-stop", test_start_fails_during_stop);
    g_test_add_func("/overlap/stop-start-stop", test_stop_start_stop);
    g_test_add_func("/overlap/stop-shorter-second", test_stop_shorter_second);
    g_test_add_func("/overlap/stop-shorter-first", test_stop_shorter_first);
    g_test_add_func("/overlap/stop-two-clients", test_stop_two_clients);
    g_test_add_func("/overlap/stop-during-reload", test_stop_during_reload);
    g_test_add_func("/overlap/reload-twice", test_reload_twice);
    g_test_add_func("/overlap/volley", test_volley);
    g_test_add_func("/overlap/stopper-leaves", test_stopper_leaves);
    g_test_add_func("/overlap/starter-leaves", test_starter_leaves);
    g_test_add_func("/overlap/other-server", test_other_server);
    g_test_add_func("/overlap/manager-stop", test_manager_stop);
    return g_test_run();
}
