/* SPDX-License-Identifier: MIT */
/*
 * Every error that this version can answer, by name, with what its message must tell. Mistakes in
 * configurations: test-config.c; NotRunning: test-states.c.
 */
#include "fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define PATH   server_path("www")
#define NOBODY 65534

static char *manager_error(Fixture *f, const char *method, GVariant *arguments, const char *name)
{
    return client_call_error(fixture_get_client(f), MANAGER_PATH, NULL, method, arguments, name);
}

static char *server_error(Fixture *f, const char *server, const char *method, GVariant *arguments,
                          const char *name)
{
    return client_call_error(fixture_get_client(f), server_path(server), NULL, method, arguments,
                             name);
}

static void assert_state(Fixture *f, const char *name, const char *expected)
{
    g_autofree char *state = fixture_get_state(f, name);

    g_assert_cmpstr(state, ==, expected);
}

/* www listens on this, and serves files. */
static void write_listen(Fixture *f, const char *name, const char *listen)
{
    g_autofree char *dir = fixture_path(f, "www");
    g_autofree char *text = g_strdup_printf(
        "listen: %s\nhosts: {default: {paths: {/: {file.dir: \"%s\"}}}}\n", listen, dir);

    fixture_write_config(f, name, text);
}

/* ---- Names ---- */

static void test_no_such_server(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *longest = g_strnfill(64, 'x');
    const char *const names[] = {"nothing", "a", "_", "-", "0.conf", longest};

    for (gsize i = 0; i != G_N_ELEMENTS(names); ++i) {
        g_autofree char *message = manager_error(f, "GetServer", g_variant_new("(s)", names[i]),
                                                 SLUICE_ERROR("NoSuchServer"));

        assert_contains(message, names[i]);
    }
}

static void test_invalid_name(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *too_long = g_strnfill(65, 'x'), *huge = g_strnfill(1000000, 'x');
    const char *const names[] = {"",      ".",    ".hidden", "a/b",    "../www", "a b",
                                 "größe", "a\nb", "*",       too_long, huge,     "www:80"};

    for (gsize i = 0; i != G_N_ELEMENTS(names); ++i) {
        g_autofree char *message = manager_error(f, "GetServer", g_variant_new("(s)", names[i]),
                                                 SLUICE_ERROR("InvalidName"));

        g_assert_true(g_utf8_validate(message, -1, NULL));
        g_assert_cmpuint(strlen(message), <, 1000);
    }
}

/* An object has one path; what could be read as another name of it is none. */
static void test_unknown_object(void)
{
    static const char *const paths[] = {
        SERVER_PREFIX "/nothing",
        SERVER_PREFIX "/_77ww",
        SERVER_PREFIX "/www/www",
        SERVER_PREFIX,
        "/org/sluice",
        "/",
    };
    g_autoptr(Fixture) f = fixture_new();

    fixture_write_static(f, "www", NULL);
    for (gsize i = 0; i != G_N_ELEMENTS(paths); ++i) {
        Client *client = fixture_get_client(f);
        guint32 serial = client_send(client, paths[i], SERVER_INTERFACE, "Start", NULL);
        const char *name = g_dbus_message_get_error_name(client_receive_any(client, serial));

        /* sd-bus knows the nodes above, which have no such interface. */
        if (g_strcmp0(name, DBUS_ERROR("UnknownMethod")) != 0)
            g_assert_cmpstr(name, ==, DBUS_ERROR("UnknownObject"));
    }
    assert_state(f, "www", "stopped");
}

/* ---- InvalidConfig, as the README promises it ---- */

static void test_line_seven(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *file = fixture_config_file(f, "www"), *prefix = NULL, *message = NULL;
    const char *const arguments[] = {"--check", file, NULL};
    g_autoptr(Child) child = NULL;

    prefix = g_strdup_printf("%s:7:", file);
    fixture_write_config(f, "www",
                         "# one\n"
                         "listen: 0\n"
                         "hosts:\n"
                         "  default:\n"
                         "    paths:\n"
                         "      /:\n"
                         "        file.dirr: /\n");
    message = server_error(f, "www", "Start", NULL, SLUICE_ERROR("InvalidConfig"));
    g_assert_true(g_str_has_prefix(message, prefix));
    child = fixture_spawn(f, arguments);
    g_assert_cmpint(child_wait(child), ==, 1);
    if (!g_str_has_prefix(child_get_stderr(child), prefix))
        g_error("\"%s\" does not begin with \"%s\"", child_get_stderr(child), prefix);
}

/* ---- Addresses ---- */

static void test_in_use(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Upstream) somebody = upstream_new();
    g_autofree char *listen = NULL, *address = NULL, *message = NULL;
    g_autoptr(GVariant) result = NULL;

    address = g_strdup_printf("127.0.0.1:%u", upstream_get_port(somebody));
    listen = g_strdup_printf("{host: 127.0.0.1, port: %u}", upstream_get_port(somebody));
    write_listen(f, "www", listen);
    message = server_error(f, "www", "Start", NULL, SLUICE_ERROR("AddressInUse"));
    assert_contains(message, address);
    assert_state(f, "www", "failed");
    result = fixture_get_property(f, "www", "Result");
    g_assert_cmpstr(g_variant_get_string(result, NULL), ==, "listen");

    upstream_free(g_steal_pointer(&somebody));
    g_free(fixture_start(f, "www"));
}

static void test_in_use_by_server(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *listen = NULL, *address = NULL, *message = NULL;
    guint16 port = free_port();
    guint drained, cut;

    address = g_strdup_printf("127.0.0.1:%u", port);
    listen = g_strdup_printf("{host: 127.0.0.1, port: %u}", port);
    write_listen(f, "holder", listen);
    write_listen(f, "www", listen);
    g_free(fixture_start(f, "holder"));
    message = server_error(f, "www", "Start", NULL, SLUICE_ERROR("AddressInUse"));
    assert_contains(message, address);
    assert_contains(message, "'holder'");
    assert_state(f, "holder", "running");
    fixture_stop(f, "holder", &drained, &cut);
    g_free(fixture_start(f, "www"));
}

static void test_in_use_unix(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *path = fixture_path(f, "x.sock"), *listen = NULL, *message = NULL, *url = NULL,
                    *address = NULL;

    listen = g_strdup_printf("{type: unix, port: \"%s\"}", path);
    address = g_strdup_printf("unix:%s", path);
    write_listen(f, "holder", listen);
    write_listen(f, "www", listen);
    url = fixture_start(f, "holder");
    message = server_error(f, "www", "Start", NULL, SLUICE_ERROR("AddressInUse"));
    assert_contains(message, address);
    assert_contains(message, "'holder'");
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
}

/* All or nothing: what had been bound before the failure is free again. */
static void test_in_use_partly(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Upstream) somebody = upstream_new();
    g_autofree char *listen = NULL, *other = NULL, *message = NULL;
    guint16 port = free_port();

    listen = g_strdup_printf("[{host: 127.0.0.1, port: %u}, {host: 127.0.0.1, port: %u}]", port,
                             upstream_get_port(somebody));
    other = g_strdup_printf("{host: 127.0.0.1, port: %u}", port);
    write_listen(f, "www", listen);
    write_listen(f, "other", other);
    message = server_error(f, "www", "Start", NULL, SLUICE_ERROR("AddressInUse"));
    g_free(fixture_start(f, "other"));
}

/* TEST-NET-1 is nobody's address. */
static void test_no_such_address(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *message = NULL;

    write_listen(f, "www", "{host: 192.0.2.1, port: 8080}");
    message = server_error(f, "www", "Start", NULL, SLUICE_ERROR("ListenFailed"));
    assert_contains(message, "192.0.2.1:8080");
    assert_contains(message, "Cannot assign requested address");
}

static void test_no_such_directory(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *message = NULL;

    write_listen(f, "www", "{type: unix, port: /nonexistent/www.sock}");
    message = server_error(f, "www", "Start", NULL, SLUICE_ERROR("ListenFailed"));
    assert_contains(message, "unix:/nonexistent/www.sock");
    assert_contains(message, "No such file or directory");
}

/* Whatever lies at the path of the socket and is none is left alone. */
static void test_not_a_socket(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *path = fixture_path(f, "precious"), *listen = NULL, *message = NULL;

    fixture_write_file(f, "precious", "data\n");
    listen = g_strdup_printf("{type: unix, port: \"%s\"}", path);
    write_listen(f, "www", listen);
    message = server_error(f, "www", "Start", NULL, SLUICE_ERROR("ListenFailed"));
    assert_contains(message, path);
    g_assert_true(g_file_test(path, G_FILE_TEST_IS_REGULAR));
}

/* ---- Limits ---- */

static guint count_descriptors(pid_t pid, guint *ret_highest)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)pid);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    guint n = 0, highest = 0;

    g_assert_nonnull(dir);
    for (; (name = g_dir_read_name(dir)) != NULL; ++n)
        highest = MAX(highest, (guint)strtoul(name, NULL, 10));
    if (ret_highest != NULL)
        *ret_highest = highest;
    return n;
}

static void limit_descriptors(pid_t pid, guint n)
{
    struct rlimit limit;

    g_assert_cmpint(prlimit(pid, RLIMIT_NOFILE, NULL, &limit), ==, 0);
    limit.rlim_cur = MIN(n, limit.rlim_max);
    g_assert_cmpint(prlimit(pid, RLIMIT_NOFILE, &limit, NULL), ==, 0);
}

/*
 * With one descriptor more at each turn, so that every single one that `method` needs is once the
 * one that is missing. The daemon says so each time and loses none; in the end it works.
 */
static void exhaust(Fixture *f, const char *method)
{
    Client *client = fixture_get_client(f);
    pid_t pid = fixture_get_pid(f);
    guint highest, before = count_descriptors(pid, &highest), refused = 0;

    for (guint n = highest + 1;; ++n) {
        GDBusMessage *reply;
        const char *name;

        limit_descriptors(pid, n);
        reply = client_receive_any(client, client_send(client, PATH, NULL, method, NULL));
        name = g_dbus_message_get_error_name(reply);
        limit_descriptors(pid, G_MAXUINT);
        if (name == NULL)
            break;
        g_assert_cmpstr(name, ==, SLUICE_ERROR("LimitReached"));
        g_assert_cmpuint(count_descriptors(pid, NULL), ==, before);
        ++refused;
    }
    g_assert_cmpuint(refused, >, 3);
}

static void test_limit_start(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL;

    fixture_write_static(f, "www", NULL);
    assert_state(f, "www", "stopped");
    exhaust(f, "Start");
    url = fixture_start(f, "www");
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
}

static void test_limit_reload(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL;

    fixture_write_static(f, "www", NULL);
    url = fixture_start(f, "www");
    exhaust(f, "Reload");
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
}

/* ---- Arguments ---- */

static GVariant *parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    GVariant *value = g_variant_parse(NULL, text, NULL, NULL, &error);

    g_assert_no_error(error);
    return value;
}

static void test_invalid_args(void)
{
    static const struct {
        const char *method, *arguments, *field;
    } calls[] = {
        {"StartWithOptions", "({'bind-to-caller': <'yes'>},)", "bind-to-caller"},
        {"StartWithOptions", "({'bind-to-caller': <uint32 1>},)", "bind-to-caller"},
        {"StartWithOptions", "({'timeout-usec': <uint64 1>},)", "timeout-usec"},
        {"StartWithOptions", "({'': <true>},)", "''"},
        {"StartWithOptions", "({'bind-to-caller': <false>, 'colour': <'red'>},)", "colour"},
        {"StartWithOptions", "([{'bind-to-caller', <false>}, {'bind-to-caller', <false>}],)",
         "bind-to-caller"},
        {"StopWithOptions", "({'timeout-usec': <uint32 1>},)", "timeout-usec"},
        {"StopWithOptions", "({'timeout-usec': <int64 1>},)", "timeout-usec"},
        {"StopWithOptions", "({'timeout-usec': <1.5>},)", "timeout-usec"},
        {"StopWithOptions", "({'timeout-usec': <uint64 9223372036854775808>},)", "timeout-usec"},
        {"StopWithOptions", "({'timeout-usec': <uint64 18446744073709551615>},)", "timeout-usec"},
        {"StopWithOptions", "([{'timeout-usec', <uint64 1>}, {'timeout-usec', <uint64 1>}],)",
         "timeout-usec"},
        {"StopWithOptions", "({'Timeout-Usec': <uint64 1>},)", "Timeout-Usec"},
        {"StopWithOptions", "({'timeout-usec': <[uint64 1]>},)", "timeout-usec"},
        /* the wrong signature altogether */
        {"StopWithOptions", "(uint64 0,)", ""},
        {"StartWithOptions", "('bind-to-caller', true)", ""},
        {"Start", "('now',)", ""},
    };
    g_autoptr(Fixture) f = fixture_new();

    fixture_write_static(f, "stopped", NULL);
    fixture_write_static(f, "www", NULL);
    g_free(fixture_start(f, "www"));
    for (gsize i = 0; i != G_N_ELEMENTS(calls); ++i) {
        const char *name = g_str_has_prefix(calls[i].method, "Start") ? "stopped" : "www";
        g_autofree char *message = server_error(f, name, calls[i].method, parse(calls[i].arguments),
                                                DBUS_ERROR("InvalidArgs"));

        assert_contains(message, calls[i].field);
    }
    assert_state(f, "stopped", "stopped");
    assert_state(f, "www", "running");
}

static void test_not_supported(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *message = NULL;

    fixture_write_static(f, "www", NULL);
    message = server_error(f, "www", "StartWithOptions", parse("({'bind-to-caller': <true>},)"),
                           DBUS_ERROR("NotSupported"));
    assert_contains(message, "bind-to-caller");
    assert_state(f, "www", "stopped");
}

/* ---- Access ---- */

/* Calls a method as somebody who is not root; returns what gdbus(1) printed. */
static char *call_as_other(Fixture *f, const char *path, const char *method, const char *argument)
{
    g_autofree char *address = g_strdup_printf("--address=%s", fixture_get_address(f));
    const char *const arguments[] = {"gdbus",  "call",          address, "--dest",
                                     BUS_NAME, "--object-path", path,    "--method",
                                     method,   argument,        NULL};
    g_autoptr(Child) child =
        fixture_spawn_program(f, arguments, geteuid() == 0 ? NOBODY : (uid_t)-1);
    int status = child_wait(child);

    return g_strdup(status == 0 ? child_get_stdout(child) : child_get_stderr(child));
}

/* Everybody may read, and nobody but root may do anything. */
static void assert_denied(Fixture *f)
{
    static const struct {
        const char *method, *argument;
    } denied[] = {
        {SERVER_INTERFACE ".Start", NULL},
        {SERVER_INTERFACE ".StartWithOptions", "{}"},
        {SERVER_INTERFACE ".Stop", NULL},
        {SERVER_INTERFACE ".StopWithOptions", "{}"},
        {SERVER_INTERFACE ".Reload", NULL},
        {MANAGER_INTERFACE ".Start", NULL},
        {MANAGER_INTERFACE ".Stop", NULL},
        {MANAGER_INTERFACE ".Reload", NULL},
        {MANAGER_INTERFACE ".CheckConfig", "'listen: 0'"},
    };
    static const struct {
        const char *method, *argument;
    } allowed[] = {
        {SERVER_INTERFACE ".Status", NULL},
        {MANAGER_INTERFACE ".Status", NULL},
        {MANAGER_INTERFACE ".ListServers", NULL},
        {MANAGER_INTERFACE ".GetServer", "www"},
        {"org.freedesktop.DBus.Properties.GetAll", SERVER_INTERFACE},
        {"org.freedesktop.DBus.Introspectable.Introspect", NULL},
    };

    for (gsize i = 0; i != G_N_ELEMENTS(denied); ++i) {
        gboolean manager = g_str_has_prefix(denied[i].method, MANAGER_INTERFACE);
        g_autofree char *text =
            call_as_other(f, manager ? MANAGER_PATH : PATH, denied[i].method, denied[i].argument);

        assert_contains(text, DBUS_ERROR("AccessDenied"));
        assert_state(f, "www", "stopped");
    }
    for (gsize i = 0; i != G_N_ELEMENTS(allowed); ++i) {
        gboolean manager = g_str_has_prefix(allowed[i].method, MANAGER_INTERFACE);
        g_autofree char *text =
            call_as_other(f, manager ? MANAGER_PATH : PATH, allowed[i].method, allowed[i].argument);

        g_assert_true(g_str_has_prefix(text, "("));
    }
}

/* On the system bus only root may act; on a user's, root and that user. Here that user is root. */
static void test_access(gconstpointer scope)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *dir = fixture_path(f, "config"), *option = NULL, *address = NULL;
    g_autoptr(Child) child = NULL;

    option = g_strdup_printf("--config-dir=%s", dir);
    address = g_strdup_printf("--address=%s", fixture_get_address(f));
    {
        const char *const arguments[] = {scope, address, option, NULL};

        fixture_write_static(f, "www", NULL);
        child = fixture_spawn(f, arguments);
    }
    fixture_wait_name(f, TRUE);
    if (geteuid() == 0 || strcmp(scope, "--system") == 0)
        assert_denied(f);
    if (geteuid() == 0 || strcmp(scope, "--user") == 0)
        g_free(fixture_start(f, "www"));
    child_kill(child, SIGTERM);
    g_assert_cmpint(child_wait(child), ==, 0);
}

int main(int argc, char *argv[])
{
    fixture_init(&argc, &argv);
    g_test_add_func("/errors/no-such-server", test_no_such_server);
    g_test_add_func("/errors/invalid-name", test_invalid_name);
    g_test_add_func("/errors/unknown-object", test_unknown_object);
    g_test_add_func("/errors/invalid-config", test_line_seven);
    g_test_add_func("/errors/address-in-use", test_in_use);
    g_test_add_func("/errors/address-in-use/by-server", test_in_use_by_server);
    g_test_add_func("/errors/address-in-use/unix", test_in_use_unix);
    g_test_add_func("/errors/address-in-use/partly", test_in_use_partly);
    g_test_add_func("/errors/listen-failed/address", test_no_such_address);
    g_test_add_func("/errors/listen-failed/directory", test_no_such_directory);
    g_test_add_func("/errors/listen-failed/not-a-socket", test_not_a_socket);
    g_test_add_func("/errors/limit-reached/start", test_limit_start);
    g_test_add_func("/errors/limit-reached/reload", test_limit_reload);
    g_test_add_func("/errors/invalid-args", test_invalid_args);
    g_test_add_func("/errors/not-supported", test_not_supported);
    g_test_add_data_func("/errors/access-denied/system", "--system", test_access);
    g_test_add_data_func("/errors/access-denied/user", "--user", test_access);
    return g_test_run();
}
