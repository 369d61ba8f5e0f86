/* SPDX-License-Identifier: MIT */
/*
 * What outlives a restart of sluiced: the sockets in the service manager's store, those of socket
 * units, and what somebody has stopped. What else passes between sluiced and the service manager:
 * test-supervised.c. How a real systemd takes part in this is what tests/system tests.
 */
#include "supervisor.h"

#include <signal.h>

#define STAY "--exit-idle-time=0"

static Client *client_of(Fixture *f)
{
    return fixture_get_client(f);
}

static void stop(Fixture *f, const char *name)
{
    guint drained, cut;

    fixture_stop(f, name, &drained, &cut);
}

static void assert_state(Fixture *f, const char *name, const char *state)
{
    g_autofree char *is = fixture_get_state(f, name);

    g_assert_cmpstr(is, ==, state);
}

static char *url_of(Fixture *f, const char *name)
{
    g_autoptr(GVariant) value = fixture_get_property(f, name, "Listen");
    g_autofree const char **urls = g_variant_get_strv(value, NULL);

    g_assert_nonnull(urls[0]);
    return g_strdup(urls[0]);
}

static void assert_serves(const char *url)
{
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
}

/* Not that anybody accepts. */
static void assert_listens(const char *url)
{
    g_object_unref(web_connect(url));
}

static int end(Supervisor *s, Child *child)
{
    return supervisor_end(s, child, SIGTERM);
}

/* ---- The store ---- */

static void test_store(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Supervisor) s = supervisor_new(f);
    g_autoptr(Child) child = NULL;
    g_autofree char *url = NULL;

    fixture_write_static(f, "www", NULL);
    fixture_write_static(f, "other", NULL);
    child = supervisor_start_ready(s, STAY);
    g_assert_cmpuint(supervisor_count_stored(s, NULL), ==, 0);
    /* Each time before the answer. */
    url = fixture_start(f, "www");
    g_assert_cmpuint(supervisor_count_stored(s, "stored+www"), ==, 1);
    g_free(fixture_start(f, "other"));
    g_assert_cmpuint(supervisor_count_stored(s, "stored+other"), ==, 1);
    fixture_write_static(f, "www", "sluice.description: other");
    fixture_reload(f, "www");
    g_assert_cmpuint(supervisor_count_stored(s, "stored+www"), ==, 1);
    stop(f, "www");
    g_assert_cmpuint(supervisor_count_stored(s, "stored+www"), ==, 0);
    g_assert_cmpuint(supervisor_count_stored(s, "stored+other"), ==, 1);
    g_assert_true(web_is_refused(url));
    g_assert_cmpint(end(s, child), ==, 0);
}

/* Kills or terminates a daemon; who connects in between is served by the next. */
static void test_restart(gconstpointer data)
{
    int signal = GPOINTER_TO_INT(data);
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Supervisor) s = supervisor_new(f);
    g_autofree char *url = NULL;

    fixture_write_static(f, "www", NULL);
    fixture_write_static(f, "other", NULL);
    for (guint i = 0; i != 3; ++i) {
        g_autoptr(Child) first = supervisor_start_ready(s, STAY), second = NULL;
        g_autoptr(GSocket) before = NULL;
        g_autofree char *again = NULL;
        if (url == NULL)
            url = fixture_start(f, "www");
        g_assert_cmpint(supervisor_end(s, first, signal), ==, signal == SIGKILL ? 128 + signal : 0);
        g_assert_cmpuint(supervisor_count_stored(s, "stored+www"), ==, 1);
        before = web_connect(url);
        web_request(before, "/");
        second = supervisor_start_ready(s, STAY);
        assert_state(f, "www", "running");
        assert_state(f, "other", "stopped");
        again = url_of(f, "www");
        g_assert_cmpstr(again, ==, url);
        g_assert_cmpuint(web_receive(before, NULL, NULL), ==, 200);
        assert_serves(url);
        g_assert_cmpint(supervisor_end(s, second, signal), ==,
                        signal == SIGKILL ? 128 + signal : 0);
        fixture_wait_name(f, FALSE);
    }
}

static gboolean take_name(Fixture *f, gboolean take)
{
    g_autoptr(GVariant) reply = client_receive(
        client_of(f),
        client_send_to(client_of(f), "org.freedesktop.DBus", "/org/freedesktop/DBus",
                       "org.freedesktop.DBus", take ? "RequestName" : "ReleaseName",
                       take ? g_variant_new("(su)", BUS_NAME, 0) : g_variant_new("(s)", BUS_NAME)));
    guint32 result;

    g_variant_get(reply, "(u)", &result);
    return result == 1;
}

/* Clients are served while the bus still knows the old daemon; the name is asked for once more. */
static void test_restart_name_taken(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Supervisor) s = supervisor_new(f);
    g_autoptr(Child) first = NULL, second = NULL;
    g_autofree char *url = NULL;

    fixture_write_static(f, "www", NULL);
    first = supervisor_start_ready(s, STAY);
    url = fixture_start(f, "www");
    supervisor_end(s, first, SIGKILL);
    fixture_wait_name(f, FALSE);
    g_assert_true(take_name(f, TRUE));
    supervisor_forget(s);
    second = supervisor_start(s, STAY);
    assert_serves(url);
    g_assert_false(supervisor_was_told(s, "READY=1"));
    g_assert_true(take_name(f, FALSE));
    supervisor_wait_told(s, "READY=1");
    assert_state(f, "www", "running");
    g_assert_cmpint(end(s, second), ==, 0);
}

/* One whose name stays somebody else's gives up, and leaves the sockets for another try. */
static void test_restart_name_kept(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Supervisor) s = supervisor_new(f);
    g_autoptr(Child) first = NULL, second = NULL, third = NULL;
    g_autofree char *url = NULL, *log = NULL;

    fixture_write_static(f, "www", NULL);
    first = supervisor_start_ready(s, STAY);
    url = fixture_start(f, "www");
    supervisor_end(s, first, SIGKILL);
    fixture_wait_name(f, FALSE);
    g_assert_true(take_name(f, TRUE));
    supervisor_forget(s);
    second = supervisor_start(s, STAY);
    g_assert_cmpint(child_wait(second), ==, 1);
    log = fixture_get_log(f);
    assert_contains(log, BUS_NAME " belongs to");
    g_assert_false(supervisor_was_told(s, "READY=1"));
    g_assert_cmpuint(supervisor_count_stored(s, "stored+www"), ==, 1);
    assert_listens(url);
    g_assert_true(take_name(f, FALSE));
    third = supervisor_start_ready(s, STAY);
    assert_serves(url);
    g_assert_cmpint(end(s, third), ==, 0);
}

/* SIGTERM while it waits to ask for the name once more. */
static void test_restart_name_sigterm(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Supervisor) s = supervisor_new(f);
    g_autoptr(Child) first = NULL, second = NULL;
    g_autofree char *url = NULL;

    fixture_write_static(f, "www", NULL);
    first = supervisor_start_ready(s, STAY);
    url = fixture_start(f, "www");
    supervisor_end(s, first, SIGKILL);
    fixture_wait_name(f, FALSE);
    g_assert_true(take_name(f, TRUE));
    second = supervisor_start(s, STAY);
    assert_serves(url);
    g_assert_cmpint(end(s, second), ==, 0);
    g_assert_cmpuint(supervisor_count_stored(s, "stored+www"), ==, 1);
    assert_listens(url);
}

/* ---- A call that comes as the daemon leaves ---- */

static pid_t get_bus_pid(Fixture *f)
{
    g_autoptr(GVariant) reply = client_receive(
        client_of(f), client_send_to(client_of(f), "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                     "org.freedesktop.DBus", "GetConnectionUnixProcessID",
                                     g_variant_new("(s)", "org.freedesktop.DBus")));
    guint32 pid;

    g_variant_get(reply, "(u)", &pid);
    return (pid_t)pid;
}

/*
 * The bus is held until it has a call for the daemon and, behind it, the daemon's word that it
 * gives up the name. True if that is how it read them.
 */
static gboolean start_during_exit(Fixture *f, Supervisor *s)
{
    pid_t bus = get_bus_pid(f);
    g_autoptr(Child) child = supervisor_start_ready(s, "--exit-idle-time=0.1"), next = NULL;
    g_autofree char *url = NULL, *again = NULL;
    g_autoptr(GVariant) reply = NULL;
    g_autofree const char **urls = NULL;
    guint32 serial;
    int status;

    g_assert_cmpint(kill(bus, SIGSTOP), ==, 0);
    if (supervisor_was_told(s, "STOPPING=1")) {
        g_assert_cmpint(kill(bus, SIGCONT), ==, 0);
        g_assert_cmpint(child_wait(child), ==, 0);
        return FALSE;
    }
    serial = client_send(client_of(f), server_path("www"), NULL, "Start", NULL);
    supervisor_wait_told(s, "STOPPING=1");
    g_assert_cmpint(kill(bus, SIGCONT), ==, 0);
    reply = client_receive(client_of(f), serial);
    g_variant_get(reply, "(^a&s)", &urls);
    url = g_strdup(urls[0]);
    status = child_wait(child);
    if (status == 0) {
        /* The other way round: it was the next daemon's call, which the bus has activated. */
        stop(f, "www");
        fixture_kill(f, SIGTERM);
        fixture_wait_name(f, FALSE);
        return FALSE;
    }
    g_assert_cmpint(status, ==, 75);
    g_assert_cmpuint(supervisor_count_stored(s, "stored+www"), ==, 1);
    assert_listens(url);
    next = supervisor_start_ready(s, STAY);
    assert_state(f, "www", "running");
    again = url_of(f, "www");
    g_assert_cmpstr(again, ==, url);
    assert_serves(url);
    stop(f, "www");
    g_assert_cmpint(end(s, next), ==, 0);
    return TRUE;
}

static void test_start_during_exit(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Supervisor) s = supervisor_new(f);
    guint seen = 0, i;

    fixture_write_static(f, "www", NULL);
    for (i = 0; seen != 2 && i != 20; ++i)
        seen += start_during_exit(f, s);
    g_test_message("%u of %u", seen, i);
    g_assert_cmpuint(seen, ==, 2);
}

/* ---- Sockets of socket units ---- */

/* A server that has its socket from a socket unit only; its URL. */
static char *add_inherited(Fixture *f, Supervisor *s)
{
    g_autofree char *dir = fixture_path(f, "www"),
                    *text =
                        g_strdup_printf("hosts: {default: {paths: {/: {file.dir: %s}}}}\n", dir);

    fixture_write_config(f, "www", text);
    return supervisor_add_port(s, "www");
}

static void test_inherited(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Supervisor) s = supervisor_new(f);
    g_autofree char *url = add_inherited(f, s), *is = NULL;
    g_autoptr(Child) child = supervisor_start_ready(s, STAY);

    assert_state(f, "www", "running");
    is = url_of(f, "www");
    g_assert_cmpstr(is, ==, url);
    assert_serves(url);
    for (guint i = 0; i != 3; ++i) {
        stop(f, "www");
        g_assert_true(web_is_refused(url));
        g_free(fixture_start(f, "www"));
        assert_serves(url);
    }
    /* Not the socket, but a mark that the server runs. */
    g_assert_cmpuint(supervisor_count_stored(s, NULL), ==, 1);
    g_assert_cmpint(end(s, child), ==, 0);
    assert_listens(url);
}

/* The daemon ends while the socket is shut: at once, and it listens. */
static void test_inherited_sigterm(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Supervisor) s = supervisor_new(f);
    g_autofree char *url = add_inherited(f, s);
    g_autoptr(Child) first = supervisor_start_ready(s, STAY), second = NULL;
    g_autoptr(GSocket) before = NULL;

    stop(f, "www");
    g_assert_true(web_is_refused(url));
    g_assert_cmpint(end(s, first), ==, 0);
    before = web_connect(url);
    web_request(before, "/");
    second = supervisor_start_ready(s, STAY);
    g_assert_cmpuint(web_receive(before, NULL, NULL), ==, 200);
    g_assert_cmpint(end(s, second), ==, 0);
}

static gboolean is_not_refused(gpointer url)
{
    return !web_is_refused(url);
}

static void test_inherited_killed(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Supervisor) s = supervisor_new(f);
    g_autofree char *url = add_inherited(f, s);
    g_autoptr(Child) first = supervisor_start_ready(s, STAY), second = NULL;

    stop(f, "www");
    g_assert_true(web_is_refused(url));
    supervisor_end(s, first, SIGKILL);
    wait_until(is_not_refused, url, "the socket to listen again");
    second = supervisor_start_ready(s, STAY);
    assert_serves(url);
    g_assert_cmpint(end(s, second), ==, 0);
}

/* ---- What somebody has stopped ---- */

static void test_stopped(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Supervisor) s = supervisor_new(f);
    g_autofree char *dir = fixture_path(f, "www");

    supervisor_set(s, "RUNTIME_DIRECTORY", dir);
    fixture_write_static(f, "www", "sluice.autostart: ON");
    for (guint i = 0; i != 2; ++i) {
        g_autoptr(Child) child = supervisor_start_ready(s, STAY);
        assert_state(f, "www", i == 0 ? "running" : "stopped");
        if (i == 0)
            stop(f, "www");
        g_assert_cmpint(end(s, child), ==, 0);
    }
}

static void test_stopped_nowhere(gconstpointer data)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Supervisor) s = supervisor_new(f);
    g_autoptr(Child) child = NULL;

    /* Not even root can write to /proc. */
    supervisor_set(s, "RUNTIME_DIRECTORY", data);
    fixture_write_static(f, "www", NULL);
    child = supervisor_start_ready(s, STAY);
    for (guint i = 0; i != 3; ++i) {
        g_free(fixture_start(f, "www"));
        stop(f, "www");
    }
    g_assert_cmpint(end(s, child), ==, 0);
    g_assert_cmpuint(fixture_count_in_log(f, "may start by itself after a restart of the daemon"),
                     ==, 1);
}

int main(int argc, char *argv[])
{
    fixture_init(&argc, &argv);
    g_test_add_func("/restart/store", test_store);
    g_test_add_data_func("/restart/sigkill", GINT_TO_POINTER(SIGKILL), test_restart);
    g_test_add_data_func("/restart/sigterm", GINT_TO_POINTER(SIGTERM), test_restart);
    g_test_add_func("/restart/name-taken", test_restart_name_taken);
    g_test_add_func("/restart/name-taken/kept", test_restart_name_kept);
    g_test_add_func("/restart/name-taken/sigterm", test_restart_name_sigterm);
    g_test_add_func("/restart/start-during-exit", test_start_during_exit);
    g_test_add_func("/restart/inherited", test_inherited);
    g_test_add_func("/restart/inherited/sigterm", test_inherited_sigterm);
    g_test_add_func("/restart/inherited/sigkill", test_inherited_killed);
    g_test_add_func("/restart/stopped", test_stopped);
    g_test_add_data_func("/restart/stopped/missing", "/nonexistent/sluice", test_stopped_nowhere);
    g_test_add_data_func("/restart/stopped/read-only", "/proc", test_stopped_nowhere);
    return g_test_run();
}
