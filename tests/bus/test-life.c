/* SPDX-License-Identifier: MIT */
/*
 * How the daemon begins and ends: autostart, signals, a bus that is not there, goes away, or has
 * another sluiced. Its leaving when idle: test-idle.c.
 */
#include "fixture.h"

#include <signal.h>
#include <unistd.h>

static Client *client_of(Fixture *f)
{
    return fixture_get_client(f);
}

/* Sends a signal and waits until all instances have ended; the last one's exit status. */
static int end(Fixture *f, int signal)
{
    guint n = fixture_count_started(f);

    fixture_kill(f, signal);
    fixture_wait_ended(f, n);
    return fixture_get_status(f, n - 1);
}

/* ---- Autostart ---- */

static void test_autostart(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GVariant) reply = NULL;

    fixture_write_static(f, "auto", "sluice.autostart: ON");
    fixture_write_static(f, "not", "sluice.autostart: OFF");
    fixture_write_static(f, "unsaid", NULL);
    /* Whoever can call it finds it done. */
    reply = client_call(client_of(f), MANAGER_PATH, NULL, "ListServers", NULL);
    assert_prints(reply, "([('auto', objectpath '/org/sluice/Sluice1/server/auto', 'running'),"
                         " ('not', '/org/sluice/Sluice1/server/not', 'stopped'),"
                         " ('unsaid', '/org/sluice/Sluice1/server/unsaid', 'stopped')],)");
}

/* One that cannot start holds up neither the others nor the daemon. */
static void test_autostart_fails(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GVariant) reply = NULL;
    g_autofree char *log = NULL;

    fixture_write_static(f, "good", "sluice.autostart: ON");
    fixture_write_config(f, "bad", "sluice.autostart: ON\nlisten: 70000\n");
    reply = client_call(client_of(f), MANAGER_PATH, NULL, "ListServers", NULL);
    assert_prints(reply, "([('bad', objectpath '/org/sluice/Sluice1/server/bad', 'failed'),"
                         " ('good', '/org/sluice/Sluice1/server/good', 'running')],)");
    log = fixture_get_log(f);
    assert_contains(log, "/bad.conf:2:9: ");
}

/* ---- Signals ---- */

static void test_signal(gconstpointer data)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL, *path = fixture_path(f, "www.sock"), *text = NULL,
                    *dir = fixture_path(f, "www");

    text = g_strdup_printf("listen: {type: unix, port: \"%s\"}\n"
                           "hosts: {default: {paths: {/: {file.dir: \"%s\"}}}}\n",
                           path, dir);
    fixture_write_config(f, "www", text);
    url = fixture_start(f, "www");
    g_assert_cmpint(end(f, GPOINTER_TO_INT(data)), ==, 0);
    g_assert_true(web_is_refused(url));
    g_assert_cmpint(access(path, F_OK), ==, -1);
}

/* What is under way finishes first; clients of the bus see it stop, and why. */
static void test_drain(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Upstream) upstream = upstream_new();
    Client *client = client_of(f);
    g_autofree char *url = NULL, *transitions = NULL;
    g_autoptr(Busy) busy = NULL;
    g_autoptr(GVariant) details = NULL;
    const char *path = server_path("www");
    guint from, to;

    fixture_write_proxy(f, "www", upstream, "sluice.stop-timeout: 3600");
    url = fixture_start(f, "www");
    busy = busy_new(url, upstream);
    from = client_mark(client);
    fixture_kill(f, SIGTERM);
    client_place_of_signal(client, from, path, "StateChanged");
    busy_finish(busy);
    fixture_wait_ended(f, 1);
    g_assert_cmpint(fixture_get_status(f, 0), ==, 0);
    client_sync(client);
    to = client_mark(client);
    transitions = client_get_transitions(client, path, from, to);
    g_assert_cmpstr(transitions, ==, "running>stopping stopping>stopped");
    details = client_get_details(client, path, "stopped", from, to);
    assert_prints(details, "{'reason': <'exit'>, 'drained': <uint32 1>, 'cut': <uint32 0>}");
}

/* The second signal means it. */
static void test_second_signal(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Upstream) upstream = upstream_new();
    Client *client = client_of(f);
    g_autofree char *url = NULL;
    g_autoptr(Busy) busy = NULL;
    guint from;

    fixture_write_proxy(f, "www", upstream, "sluice.stop-timeout: 3600");
    url = fixture_start(f, "www");
    busy = busy_new(url, upstream);
    from = client_mark(client);
    fixture_kill(f, SIGTERM);
    client_place_of_signal(client, from, server_path("www"), "StateChanged");
    fixture_kill(f, SIGTERM);
    busy_expect_cut(busy);
    fixture_wait_ended(f, 1);
    g_assert_cmpint(fixture_get_status(f, 0), ==, 0);
}

/* A Stop that waits is answered before the daemon is gone. */
static void test_signal_during_stop(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Upstream) upstream = upstream_new();
    Client *client = client_of(f);
    g_autofree char *url = NULL;
    g_autoptr(Busy) busy = NULL;
    g_autoptr(GVariant) reply = NULL;
    guint32 stop;

    fixture_write_proxy(f, "www", upstream, "sluice.stop-timeout: 3600");
    url = fixture_start(f, "www");
    busy = busy_new(url, upstream);
    stop = client_send(client, server_path("www"), NULL, "Stop", NULL);
    fixture_wait_state(f, "www", "stopping");
    fixture_kill(f, SIGTERM);
    busy_finish(busy);
    reply = client_receive(client, stop);
    assert_prints(reply, "(uint32 1, uint32 0)");
    fixture_wait_ended(f, 1);
    g_assert_cmpint(fixture_get_status(f, 0), ==, 0);
}

/* Clients that never stop calling do not keep it from leaving; no call is lost over it. */
static void test_signal_under_calls(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = client_of(f);
    guint32 serials[64];
    guint calls = 0;

    fixture_write_static(f, "www", NULL);
    g_free(fixture_start(f, "www"));
    fixture_kill(f, SIGTERM);
    for (guint i = 0; i != G_N_ELEMENTS(serials); ++i)
        serials[i] = client_send(client, MANAGER_PATH, NULL, "Status", NULL);
    /* Until a second instance answers, so the first one has given up the name. */
    for (guint i = 0; fixture_count_started(f) == 1; i = (i + 1) % G_N_ELEMENTS(serials)) {
        g_variant_unref(client_receive(client, serials[i]));
        serials[i] = client_send(client, MANAGER_PATH, NULL, "Status", NULL);
        g_assert_cmpuint(++calls, <, 1000000);
    }
    for (guint i = 0; i != G_N_ELEMENTS(serials); ++i)
        g_variant_unref(client_receive(client, serials[i]));
    fixture_wait_ended(f, 1);
    g_assert_cmpint(fixture_get_status(f, 0), ==, 0);
}

/* ---- The bus ---- */

static void test_bus_gone(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Upstream) upstream = upstream_new();
    g_autofree char *url = NULL, *log = NULL;
    g_autoptr(Busy) busy = NULL;

    fixture_allow_status(f, 1);
    fixture_write_proxy(f, "www", upstream, "sluice.stop-timeout: 3600");
    url = fixture_start(f, "www");
    busy = busy_new(url, upstream);
    fixture_kill_bus(f);
    /* If it did not drain, this would fail. */
    g_usleep(G_USEC_PER_SEC / 5);
    busy_finish(busy);
    fixture_wait_ended(f, 1);
    g_assert_cmpint(fixture_get_status(f, 0), ==, 1);
    g_assert_true(web_is_refused(url));
    log = fixture_get_log(f);
    assert_contains(log, "bus is gone");
}

static void test_bus_gone_idle(void)
{
    g_autoptr(Fixture) f = fixture_new();

    fixture_allow_status(f, 1);
    fixture_write_static(f, "www", NULL);
    g_free(fixture_get_state(f, "www"));
    fixture_kill_bus(f);
    fixture_wait_ended(f, 1);
    g_assert_cmpint(fixture_get_status(f, 0), ==, 1);
}

/* A second sluiced on the same bus says who is there already, and harms nobody. */
static void test_name_taken(void)
{
    static const char *const arguments[] = {"--user", NULL};
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL, *pid = NULL;
    g_autoptr(Child) child = NULL;

    fixture_write_static(f, "www", NULL);
    url = fixture_start(f, "www");
    child = fixture_spawn(f, arguments);
    g_assert_cmpint(child_wait(child), ==, 1);
    assert_contains(child_get_stderr(child), BUS_NAME);
    pid = g_strdup_printf("process %d", (int)fixture_get_pid(f));
    assert_contains(child_get_stderr(child), pid);
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
}

static gboolean has_line(gpointer userdata)
{
    return strchr(child_get_stdout(userdata), '\n') != NULL;
}

/* A bus whose policy does not know sluiced. */
static void test_name_denied(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *dir = fixture_path(f, "."), *config = NULL, *file = NULL, *option = NULL,
                    *address = NULL;

    config = g_strdup_printf("<busconfig>\n"
                             "  <type>session</type>\n"
                             "  <listen>unix:path=%s/strict</listen>\n"
                             "  <policy context=\"default\">\n"
                             "    <allow send_destination=\"*\"/>\n"
                             "    <allow receive_sender=\"*\"/>\n"
                             "  </policy>\n"
                             "</busconfig>\n",
                             dir);
    fixture_write_file(f, "strict.conf", config);
    file = fixture_path(f, "strict.conf");
    option = g_strdup_printf("--config-file=%s", file);
    address = g_strdup_printf("--address=unix:path=%s/strict", dir);
    {
        const char *const bus[] = {"dbus-daemon", "--nofork", "--print-address=1", option, NULL};
        const char *const arguments[] = {"--user", address, NULL};
        g_autoptr(Child) strict = fixture_spawn_program(f, bus, (uid_t)-1);
        g_autoptr(Child) child = NULL;

        wait_until(has_line, strict, "dbus-daemon to listen");
        child = fixture_spawn(f, arguments);
        g_assert_cmpint(child_wait(child), ==, 1);
        assert_contains(child_get_stderr(child), BUS_NAME);
        assert_contains(child_get_stderr(child), "policy");
    }
}

static void test_no_bus(gconstpointer data)
{
    const char *const *arguments = data;
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Child) child = fixture_spawn(f, arguments);

    g_assert_cmpint(child_wait(child), ==, 1);
    assert_contains(child_get_stderr(child), "bus");
    assert_contains(child_get_stderr(child), "No such file or directory");
}

/* Neither variable that tells where it is. */
static void test_no_user_bus(void)
{
    const char *const arguments[] = {
        "env",    "-u", "DBUS_SESSION_BUS_ADDRESS", "-u", "XDG_RUNTIME_DIR", g_getenv("SLUICED"),
        "--user", NULL};
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Child) child = fixture_spawn_program(f, arguments, (uid_t)-1);

    g_assert_cmpint(child_wait(child), ==, 1);
    assert_contains(child_get_stderr(child), "XDG_RUNTIME_DIR");
}

int main(int argc, char *argv[])
{
    static const char *const nowhere[] = {"--user", "--address=unix:path=/nonexistent/bus", NULL};
    static const char *const system[] = {"--address=unix:path=/nonexistent/bus", NULL};

    fixture_init(&argc, &argv);
    g_test_add_func("/life/autostart", test_autostart);
    g_test_add_func("/life/autostart/fails", test_autostart_fails);
    g_test_add_data_func("/life/sigterm", GINT_TO_POINTER(SIGTERM), test_signal);
    g_test_add_data_func("/life/sigint", GINT_TO_POINTER(SIGINT), test_signal);
    g_test_add_func("/life/sigterm/drain", test_drain);
    g_test_add_func("/life/sigterm/twice", test_second_signal);
    g_test_add_func("/life/sigterm/during-stop", test_signal_during_stop);
    g_test_add_func("/life/sigterm/under-calls", test_signal_under_calls);
    g_test_add_func("/life/bus/gone", test_bus_gone);
    g_test_add_func("/life/bus/gone-idle", test_bus_gone_idle);
    g_test_add_func("/life/bus/name-taken", test_name_taken);
    g_test_add_func("/life/bus/name-denied", test_name_denied);
    g_test_add_data_func("/life/bus/none", nowhere, test_no_bus);
    g_test_add_data_func("/life/bus/none-system", system, test_no_bus);
    g_test_add_func("/life/bus/none-user", test_no_user_bus);
    return g_test_run();
}
