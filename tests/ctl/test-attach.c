/* SPDX-License-Identifier: MIT */
/*
 * sluicectl attach, with the test for its service manager: the socket that it notifies, and a
 * systemd on the bus that says what is to become of sluiced.
 */
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fixture.h"

/* ---- $NOTIFY_SOCKET ---- */

typedef struct Notified {
    int fd;
    GString *text; /* everything so far */
} Notified;

static void notified_clear(Notified *notified)
{
    close(notified->fd);
    g_string_free(notified->text, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Notified, notified_clear)

static Notified notified_new(const Fixture *f)
{
    g_autofree char *path = fixture_path(f, "notify");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    Notified notified = {socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
                         g_string_new(NULL)};

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    g_assert_cmpint(bind(notified.fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    return notified;
}

typedef struct Told {
    Notified *notified;
    const char *text;
} Told;

static gboolean is_told(gpointer userdata)
{
    const Told *told = userdata;
    char buffer[4096];
    ssize_t n;

    while ((n = recv(told->notified->fd, buffer, sizeof(buffer), 0)) > 0) {
        g_string_append_len(told->notified->text, buffer, n);
        g_string_append_c(told->notified->text, '\n');
    }
    return strstr(told->notified->text->str, told->text) != NULL;
}

/* Waits until it has told this, and forgets everything before. */
static void wait_told(Notified *notified, const char *text)
{
    Told told = {notified, text};
    char *end;

    wait_until(is_told, &told, text);
    end = strstr(notified->text->str, text) + strlen(text);
    g_string_erase(notified->text, 0, end - notified->text->str);
}

static Child *spawn_attach(Fixture *f, const char *server)
{
    g_autofree char *path = fixture_path(f, "notify"),
                    *variable = g_strdup_printf("NOTIFY_SOCKET=%s", path),
                    *address = g_strdup_printf("--address=%s", fixture_get_address(f));
    const char *const arguments[] = {"env",  variable, g_getenv("SLUICECTL"), address, "attach",
                                     server, NULL};

    return fixture_spawn_program(f, arguments, (uid_t)-1);
}

/* ---- systemd ---- */

typedef struct Systemd {
    GDBusConnection *connection;
    guint filter;
    const char *state; /* ActiveState of sluiced; atomic, as are the others */
    int job;
    int n_asked;
} Systemd;

static GDBusMessage *on_systemd_message(GDBusConnection *connection, GDBusMessage *message,
                                        gboolean incoming, gpointer userdata)
{
    g_autoptr(GDBusMessage) reply = NULL;
    Systemd *systemd = userdata;
    GVariantBuilder builder;

    if (!incoming || g_strcmp0(g_dbus_message_get_member(message), "GetAll") != 0)
        return message;
    g_assert_cmpstr(g_dbus_message_get_path(message), ==,
                    "/org/freedesktop/systemd1/unit/"
                    "dbus_2dorg_2esluice_2eSluice1_2eservice");
    g_variant_builder_init(&builder, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add_parsed(&builder, "{'Id', <'sluiced.service'>}");
    g_variant_builder_add(&builder, "{sv}", "ActiveState",
                          g_variant_new_string(g_atomic_pointer_get(&systemd->state)));
    g_variant_builder_add(&builder, "{sv}", "Job",
                          g_variant_new("(uo)", g_atomic_int_get(&systemd->job), "/"));
    reply = g_dbus_message_new_method_reply(message);
    g_dbus_message_set_body(reply, g_variant_new("(a{sv})", &builder));
    g_dbus_connection_send_message(connection, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
    g_atomic_int_inc(&systemd->n_asked);
    g_object_unref(message);
    return NULL;
}

static Systemd *systemd_new(const Fixture *f, const char *state, int job)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = NULL;
    Systemd *systemd = g_new0(Systemd, 1);

    systemd->state = state;
    systemd->job = job;
    systemd->connection =
        g_dbus_connection_new_for_address_sync(fixture_get_address(f),
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);
    g_assert_no_error(error);
    systemd->filter =
        g_dbus_connection_add_filter(systemd->connection, on_systemd_message, systemd, NULL);
    reply = g_dbus_connection_call_sync(
        systemd->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
        "org.freedesktop.DBus", "RequestName", g_variant_new("(su)", "org.freedesktop.systemd1", 0),
        NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
    g_assert_no_error(error);
    return systemd;
}

static void systemd_free(Systemd *systemd)
{
    g_dbus_connection_close_sync(systemd->connection, NULL, NULL);
    g_dbus_connection_remove_filter(systemd->connection, systemd->filter);
    g_object_unref(systemd->connection);
    g_free(systemd);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Systemd, systemd_free)

static gboolean was_asked(gpointer userdata)
{
    return g_atomic_int_get(&((Systemd *)userdata)->n_asked) >= 2;
}

/* ---- Tests ---- */

static void assert_state(Fixture *f, const char *expected)
{
    g_autofree char *state = fixture_get_state(f, "www");

    g_assert_cmpstr(state, ==, expected);
}

static Fixture *www_fixture_new(void)
{
    Fixture *f = fixture_new();

    fixture_write_static(f, "www", NULL);
    return f;
}

static void test_life(void)
{
    g_autoptr(Fixture) f = www_fixture_new();
    g_auto(Notified) notified = notified_new(f);
    g_autoptr(Child) attach = spawn_attach(f, "www");

    wait_told(&notified, "READY=1\nSTATUS=www runs on http://127.0.0.1:");
    assert_state(f, "running");
    child_kill(attach, SIGTERM);
    g_assert_cmpint(child_wait(attach), ==, 0);
    wait_told(&notified, "STOPPING=1\nSTATUS=Stopping www");
    assert_state(f, "stopped");
    g_assert_cmpstr(child_get_stderr(attach), ==, "");
}

/* It joins a server that runs. */
static void test_running(void)
{
    g_autoptr(Fixture) f = www_fixture_new();
    g_auto(Notified) notified = notified_new(f);
    g_autoptr(Child) attach = NULL;

    g_free(fixture_start(f, "www"));
    attach = spawn_attach(f, "www");
    wait_told(&notified, "READY=1");
    child_kill(attach, SIGINT);
    g_assert_cmpint(child_wait(attach), ==, 0);
    assert_state(f, "stopped");
}

static void test_stopped_by_other(void)
{
    g_autoptr(Fixture) f = www_fixture_new();
    g_auto(Notified) notified = notified_new(f);
    g_autoptr(Child) attach = spawn_attach(f, "www");

    wait_told(&notified, "READY=1");
    fixture_stop(f, "www", NULL, NULL);
    g_assert_cmpint(child_wait(attach), ==, 0);
    g_assert_cmpstr(child_get_stderr(attach), ==, "");
}

static void test_removed(void)
{
    g_autoptr(Fixture) f = www_fixture_new();
    g_auto(Notified) notified = notified_new(f);
    g_autoptr(Child) attach = spawn_attach(f, "www");

    wait_told(&notified, "READY=1");
    fixture_remove_config(f, "www");
    g_variant_unref(client_call(fixture_get_client(f), MANAGER_PATH, NULL, "Reload", NULL));
    g_assert_cmpint(child_wait(attach), ==, 0);
}

static void test_cannot_start(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_auto(Notified) notified = notified_new(f);
    g_autoptr(Child) attach = NULL, nowhere = NULL;
    Told ready = {&notified, "READY"};

    fixture_write_config(f, "www", "listen: nonsense\n");
    attach = spawn_attach(f, "www");
    g_assert_cmpint(child_wait(attach), ==, 1);
    assert_contains(child_get_stderr(attach), "cannot start www: ");
    assert_contains(child_get_stderr(attach), "www.conf:1:");
    nowhere = spawn_attach(f, "nowhere");
    g_assert_cmpint(child_wait(nowhere), ==, 1);
    assert_contains(child_get_stderr(nowhere),
                    "there is no server 'nowhere': no servers/nowhere.conf");
    g_assert_false(is_told(&ready));
}

/* A second signal does not wait for the connections. */
static void test_impatient(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_auto(Notified) notified = notified_new(f);
    g_autoptr(Upstream) upstream = upstream_new();
    g_autoptr(Child) attach = NULL;
    g_autoptr(Busy) busy = NULL;
    g_autofree char *url = NULL;
    guint place;

    fixture_write_proxy(f, "www", upstream, "sluice.stop-timeout: 1000");
    attach = spawn_attach(f, "www");
    wait_told(&notified, "READY=1");
    url = fixture_start(f, "www");
    busy = busy_new(url, upstream);
    place = client_mark(fixture_get_client(f));
    child_kill(attach, SIGTERM);
    client_place_of_signal(fixture_get_client(f), place, server_path("www"), "StateChanged");
    assert_state(f, "stopping");
    child_kill(attach, SIGTERM);
    g_assert_cmpint(child_wait(attach), ==, 0);
    assert_state(f, "stopped");
}

/* sluiced crashes, systemd starts it again, and the server is back. */
static void test_crash(void)
{
    g_autoptr(Fixture) f = www_fixture_new();
    g_auto(Notified) notified = notified_new(f);
    g_autoptr(Systemd) systemd = systemd_new(f, "activating", 0);
    g_autoptr(Child) attach = spawn_attach(f, "www");

    wait_told(&notified, "READY=1");
    fixture_allow_status(f, 128 + SIGKILL);
    fixture_kill(f, SIGKILL);
    wait_told(&notified, "STATUS=sluiced has left");
    wait_until(was_asked, systemd, "systemd to be asked");
    fixture_write_static(f, "www", "sluice.autostart: ON");
    g_free(fixture_start(f, "www"));
    wait_told(&notified, "STATUS=www runs on http://");
    g_assert_false(child_has_ended(attach));

    child_kill(attach, SIGTERM);
    g_assert_cmpint(child_wait(attach), ==, 0);
    assert_state(f, "stopped");
}

/* sluiced is restarted: the servers stop because it exits, which is not the end of them. */
static void test_restart(void)
{
    g_autoptr(Fixture) f = www_fixture_new();
    g_auto(Notified) notified = notified_new(f);
    g_autoptr(Systemd) systemd = systemd_new(f, "inactive", 17);
    g_autoptr(Child) attach = spawn_attach(f, "www");

    wait_told(&notified, "READY=1");
    fixture_write_static(f, "www", "sluice.autostart: ON");
    fixture_kill(f, SIGTERM);
    fixture_wait_ended(f, 1);
    wait_told(&notified, "STATUS=sluiced has left");
    wait_until(was_asked, systemd, "systemd to be asked");
    g_free(fixture_start(f, "www"));
    wait_told(&notified, "STATUS=www runs on http://");
    g_assert_false(child_has_ended(attach));
    fixture_stop(f, "www", NULL, NULL);
    g_assert_cmpint(child_wait(attach), ==, 0);
}

/* It comes back without the server. */
static void test_not_restored(void)
{
    g_autoptr(Fixture) f = www_fixture_new();
    g_auto(Notified) notified = notified_new(f);
    g_autoptr(Systemd) systemd = systemd_new(f, "activating", 0);
    g_autoptr(Child) attach = spawn_attach(f, "www");

    wait_told(&notified, "READY=1");
    fixture_kill(f, SIGTERM);
    fixture_wait_ended(f, 1);
    assert_state(f, "stopped");
    g_assert_cmpint(child_wait(attach), ==, 0);
}

/* Nobody starts it again. */
static void test_gone(void)
{
    static const struct {
        const char *state;
        int status;
    } cases[] = {{"inactive", 0}, {"failed", 1}};

    for (guint i = 0; i < G_N_ELEMENTS(cases); ++i) {
        g_autoptr(Fixture) f = www_fixture_new();
        g_auto(Notified) notified = notified_new(f);
        g_autoptr(Systemd) systemd = systemd_new(f, cases[i].state, 0);
        g_autoptr(Child) attach = spawn_attach(f, "www");

        wait_told(&notified, "READY=1");
        fixture_kill(f, SIGTERM);
        g_assert_cmpint(child_wait(attach), ==, cases[i].status);
        g_assert_cmpuint(fixture_count_started(f), ==, 1);
    }
}

/* A bus without systemd: one does not wait forever. */
static void test_gone_without_systemd(void)
{
    g_autoptr(Fixture) f = www_fixture_new();
    g_auto(Notified) notified = notified_new(f);
    g_autoptr(Child) attach = spawn_attach(f, "www");

    wait_told(&notified, "READY=1");
    fixture_kill(f, SIGTERM);
    g_assert_cmpint(child_wait(attach), ==, 1);
    assert_contains(child_get_stderr(attach), "does not come back");
}

/* To stop the server means that it stays stopped, also when sluiced would bring it back. */
static void test_stop_while_away(void)
{
    g_autoptr(Fixture) f = www_fixture_new();
    g_auto(Notified) notified = notified_new(f);
    g_autoptr(Systemd) systemd = systemd_new(f, "activating", 0);
    g_autoptr(Child) attach = spawn_attach(f, "www");

    wait_told(&notified, "READY=1");
    fixture_write_static(f, "www", "sluice.autostart: ON");
    fixture_kill(f, SIGTERM);
    wait_told(&notified, "STATUS=sluiced has left");
    fixture_wait_ended(f, 1);
    child_kill(attach, SIGTERM);
    g_assert_cmpint(child_wait(attach), ==, 0);
    assert_state(f, "stopped");
}

static void test_bus_lost(void)
{
    g_autoptr(Fixture) f = www_fixture_new();
    g_auto(Notified) notified = notified_new(f);
    g_autoptr(Child) attach = spawn_attach(f, "www");

    wait_told(&notified, "READY=1");
    fixture_allow_status(f, 1);
    fixture_kill_bus(f);
    g_assert_cmpint(child_wait(attach), ==, 1);
}

int main(int argc, char *argv[])
{
    fixture_init(&argc, &argv);
    g_test_add_func("/attach/life", test_life);
    g_test_add_func("/attach/running", test_running);
    g_test_add_func("/attach/stopped-by-other", test_stopped_by_other);
    g_test_add_func("/attach/removed", test_removed);
    g_test_add_func("/attach/cannot-start", test_cannot_start);
    g_test_add_func("/attach/impatient", test_impatient);
    g_test_add_func("/attach/crash", test_crash);
    g_test_add_func("/attach/restart", test_restart);
    g_test_add_func("/attach/not-restored", test_not_restored);
    g_test_add_func("/attach/gone", test_gone);
    g_test_add_func("/attach/gone-without-systemd", test_gone_without_systemd);
    g_test_add_func("/attach/stop-while-away", test_stop_while_away);
    g_test_add_func("/attach/bus-lost", test_bus_lost);
    return g_test_run();
}
