/* SPDX-License-Identifier: MIT */
/* A server's object: where it listens, its properties, its Status, its options. */
#include "fixture.h"

#include <sys/stat.h>
#include <unistd.h>

#define PROPERTIES "org.freedesktop.DBus.Properties"

static GVariant *call(Fixture *f, const char *method, GVariant *arguments)
{
    return client_call(fixture_get_client(f), server_path("www"), NULL, method, arguments);
}

/* Writes www.conf with this in place of `listen`; %s is the temporary directory. */
static void write_listen(Fixture *f, const char *format)
{
    g_autofree char *dir = fixture_path(f, ""), *text = NULL;
    g_auto(GStrv) parts = g_strsplit(format, "%s", -1);
    g_autofree char *listen = NULL;

    listen = g_strjoinv(dir, parts);
    text = g_strdup_printf("%s\nhosts: {default: {paths: {/: {file.dir: \"%s/www\"}}}}\n", listen,
                           dir);
    fixture_write_config(f, "www", text);
}

/* What an administrator sees; the bus starts the daemon for it. */
static void test_busctl(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *listen = NULL, *expected = NULL, *address = NULL, *url = NULL;
    guint16 port = free_port();

    listen = g_strdup_printf("listen: {host: 127.0.0.1, port: %u}", port);
    write_listen(f, listen);
    address = g_strdup_printf("--address=%s", fixture_get_address(f));
    expected = g_strdup_printf("as 1 \"http://127.0.0.1:%u/\"\n", port);
    {
        const char *const arguments[] = {"busctl",           address,          "call",  BUS_NAME,
                                         server_path("www"), SERVER_INTERFACE, "Start", NULL};
        g_autoptr(Child) child = NULL;

        g_assert_cmpuint(fixture_count_started(f), ==, 0);
        child = fixture_spawn_program(f, arguments, (uid_t)-1);
        g_assert_cmpint(child_wait(child), ==, 0);
        g_assert_cmpstr(child_get_stdout(child), ==, expected);
    }
    g_assert_cmpuint(fixture_count_started(f), ==, 1);
    url = g_strdup_printf("http://127.0.0.1:%u/", port);
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
}

/* ---- Listeners ---- */

static void test_port_zero(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL, *again = NULL, *expected = NULL;
    g_autoptr(GVariant) listen = NULL;

    write_listen(f, "listen: {host: 127.0.0.1, port: 0}");
    url = fixture_start(f, "www");
    g_assert_cmpuint(url_get_port(url), !=, 0);
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
    listen = fixture_get_property(f, "www", "Listen");
    expected = g_strdup_printf("['%s']", url);
    assert_prints(listen, expected);
    again = fixture_start(f, "www");
    g_assert_cmpstr(again, ==, url);
}

static void test_ipv6(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL, *expected = NULL;

    write_listen(f, "listen: {host: \"::1\", port: 0}");
    url = fixture_start(f, "www");
    expected = g_strdup_printf("http://[::1]:%u/", url_get_port(url));
    g_assert_cmpstr(url, ==, expected);
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
}

static void test_unix(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL, *path = fixture_path(f, "www.sock"), *expected = NULL;
    guint drained, cut;
    struct stat st;

    write_listen(f, "listen: {type: unix, port: %s/www.sock, permission: 620}");
    url = fixture_start(f, "www");
    expected = g_strdup_printf("unix:%s", path);
    g_assert_cmpstr(url, ==, expected);
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_true(S_ISSOCK(st.st_mode));
    g_assert_cmpuint(st.st_mode & 0777, ==, 0620);
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);

    fixture_stop(f, "www", &drained, &cut);
    g_assert_cmpint(access(path, F_OK), ==, -1);
    g_free(fixture_start(f, "www"));
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
}

/* A socket that a dead daemon has left behind is taken over. */
static void test_unix_stale(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL;

    fixture_allow_status(f, 128 + SIGKILL);
    write_listen(f, "listen: {type: unix, port: %s/www.sock}");
    url = fixture_start(f, "www");
    fixture_kill(f, SIGKILL);
    fixture_wait_ended(f, 1);
    g_assert_true(web_is_refused(url));
    g_free(url);
    url = fixture_start(f, "www");
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
    g_assert_cmpuint(fixture_count_started(f), ==, 2);
}

static void test_several(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GVariant) reply = NULL, listen = NULL, child = NULL;
    g_autofree const char **urls = NULL;

    write_listen(f, "listen: {host: 127.0.0.1, port: 0}\n"
                    "listen: {host: \"::1\", port: 0}\n"
                    "listen: {host: 127.0.0.1, port: 0}\n"
                    "listen: {type: unix, port: %s/www.sock}");
    reply = call(f, "Start", NULL);
    g_variant_get(reply, "(^a&s)", &urls);
    g_assert_cmpuint(g_strv_length((char **)urls), ==, 4);
    g_assert_true(g_str_has_prefix(urls[1], "http://[::1]:"));
    g_assert_true(g_str_has_prefix(urls[3], "unix:/"));
    g_assert_cmpuint(url_get_port(urls[0]), !=, url_get_port(urls[2]));
    for (guint i = 0; i != 4; ++i)
        g_assert_cmpuint(web_get(urls[i], "/", NULL), ==, 200);
    listen = fixture_get_property(f, "www", "Listen");
    child = g_variant_get_child_value(reply, 0);
    g_assert_cmpvariant(listen, child);
}

/* ---- Properties ---- */

static void test_properties(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *file = fixture_config_file(f, "www"), *url = NULL, *expected = NULL;
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GVariant) stamp = NULL;
    gint64 before = g_get_real_time();

    fixture_write_static(f, "www", "sluice.description: \"Größe\"");
    url = fixture_start(f, "www");
    reply = client_call(fixture_get_client(f), server_path("www"), PROPERTIES, "GetAll",
                        g_variant_new("(s)", SERVER_INTERFACE));
    stamp = fixture_get_property(f, "www", "StateChangeTimestamp");
    g_assert_cmpint((gint64)g_variant_get_uint64(stamp), >=, before);
    g_assert_cmpint((gint64)g_variant_get_uint64(stamp), <=, g_get_real_time());
    expected = g_strdup_printf("({'Name': <'www'>, 'Description': <'Größe'>, 'ConfigFile': <'%s'>,"
                               " 'State': <'running'>, 'Listen': <['%s']>, 'Result': <'success'>,"
                               " 'StateChangeTimestamp': <uint64 %" G_GUINT64_FORMAT
                               ">, 'Generation': <uint32 1>,"
                               " 'Connections': <uint32 0>, 'Draining': <uint32 0>,"
                               " 'Owner': <''>},)",
                               file, url, g_variant_get_uint64(stamp));
    assert_prints(reply, expected);
}

static void test_read_only(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *message = NULL, *state = NULL;

    fixture_write_static(f, "www", NULL);
    message = client_call_error(
        fixture_get_client(f), server_path("www"), PROPERTIES, "Set",
        g_variant_new("(ssv)", SERVER_INTERFACE, "State", g_variant_new_string("running")),
        DBUS_ERROR("PropertyReadOnly"));
    state = fixture_get_state(f, "www");
    g_assert_cmpstr(state, ==, "stopped");
}

/* "Absolute path", however the directory was named. */
static void test_config_file(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *file = fixture_config_file(f, "www");
    g_autoptr(GVariant) found = NULL;

    fixture_write_static(f, "www", NULL);
    /* The script has changed to the temporary directory. */
    fixture_set_arguments(f, "--config-dir=config");
    found = fixture_get_property(f, "www", "ConfigFile");
    g_assert_cmpstr(g_variant_get_string(found, NULL), ==, file);
}

/* ---- Status ---- */

static void test_status(void)
{
    static const struct {
        const char *key, *type;
    } keys[] = {
        {"Name", "s"},          {"Description", "s"},   {"ConfigFile", "s"},
        {"State", "s"},         {"Listen", "as"},       {"Result", "s"},
        {"Generation", "u"},    {"Connections", "u"},   {"StateChangeTimestamp", "t"},
        {"Draining", "u"},      {"Owner", "s"},         {"connections", "u"},
        {"requests", "t"},      {"bytes-sent", "t"},    {"connections-total", "t"},
        {"draining", "u"},      {"generation", "u"},    {"responses-1xx", "t"},
        {"responses-2xx", "t"}, {"responses-3xx", "t"}, {"responses-4xx", "t"},
        {"responses-5xx", "t"},
    };
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GVariant) reply = NULL, status = NULL;

    fixture_write_static(f, "www", NULL);
    reply = call(f, "Status", NULL);
    g_assert_cmpstr(g_variant_get_type_string(reply), ==, "(a{sv})");
    status = g_variant_get_child_value(reply, 0);
    for (gsize i = 0; i != G_N_ELEMENTS(keys); ++i) {
        g_autoptr(GVariant) value = g_variant_lookup_value(status, keys[i].key, NULL);

        g_assert_nonnull(value);
        g_assert_cmpstr(g_variant_get_type_string(value), ==, keys[i].type);
    }
    g_assert_cmpuint(g_variant_n_children(status), ==, G_N_ELEMENTS(keys));
}

static guint64 counter(Fixture *f, const char *key)
{
    g_autoptr(GVariant) reply = call(f, "Status", NULL);
    g_autoptr(GVariant) status = g_variant_get_child_value(reply, 0);
    g_autoptr(GVariant) value = g_variant_lookup_value(status, key, NULL);

    g_assert_nonnull(value);
    return g_variant_is_of_type(value, G_VARIANT_TYPE_UINT32) ? g_variant_get_uint32(value)
                                                              : g_variant_get_uint64(value);
}

typedef struct CounterCheck {
    Fixture *f;
    const char *key;
    guint64 value;
} CounterCheck;

static gboolean counter_is(gpointer userdata)
{
    const CounterCheck *check = userdata;

    return counter(check->f, check->key) == check->value;
}

static void wait_counter(Fixture *f, const char *key, guint64 value)
{
    CounterCheck check = {f, key, value};

    wait_until(counter_is, &check, key);
}

static void test_counters(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL;
    g_autoptr(GSocket) socket = NULL;

    /* www/dir without a slash is answered 301 */
    fixture_write_file(f, "www/dir/index.html", "in a directory\n");
    fixture_write_static(f, "www", NULL);
    url = fixture_start(f, "www");
    socket = web_connect(url);
    web_request(socket, "/");
    g_assert_cmpuint(web_receive(socket, NULL, NULL), ==, 200);
    web_request(socket, "/index.html");
    g_assert_cmpuint(web_receive(socket, NULL, NULL), ==, 200);
    web_request(socket, "/dir");
    g_assert_cmpuint(web_receive(socket, NULL, NULL), ==, 301);
    web_request(socket, "/none");
    g_assert_cmpuint(web_receive(socket, NULL, NULL), ==, 404);
    wait_counter(f, "requests", 4);
    g_assert_cmpuint(counter(f, "connections"), ==, 1);
    g_assert_cmpuint(counter(f, "Connections"), ==, 1);
    g_assert_cmpuint(counter(f, "connections-total"), ==, 1);
    g_assert_cmpuint(counter(f, "responses-2xx"), ==, 2);
    g_assert_cmpuint(counter(f, "responses-3xx"), ==, 1);
    g_assert_cmpuint(counter(f, "responses-4xx"), ==, 1);
    g_assert_cmpuint(counter(f, "bytes-sent"), >=, 2 * strlen("hello\n"));
    g_assert_cmpuint(counter(f, "draining"), ==, 0);

    /* It counts since the daemon started, so also over a stop. */
    g_clear_object(&socket);
    wait_counter(f, "connections", 0);
    g_variant_unref(call(f, "Stop", NULL));
    g_variant_unref(call(f, "Start", NULL));
    g_assert_cmpuint(counter(f, "requests"), ==, 4);
    g_assert_cmpuint(counter(f, "connections-total"), ==, 1);
}

/* `error` is there after a failure and gone after a success. */
static void test_status_error(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GVariant) reply = NULL, status = NULL, reply2 = NULL, status2 = NULL;
    g_autofree char *message = NULL;
    const char *error;

    fixture_write_config(f, "www", "listen: 70000\n");
    message = client_call_error(fixture_get_client(f), server_path("www"), NULL, "Start", NULL,
                                SLUICE_ERROR("InvalidConfig"));
    reply = call(f, "Status", NULL);
    status = g_variant_get_child_value(reply, 0);
    g_assert_true(g_variant_lookup(status, "error", "&s", &error));
    g_assert_cmpstr(error, ==, message);

    fixture_write_static(f, "www", NULL);
    g_free(fixture_start(f, "www"));
    reply2 = call(f, "Status", NULL);
    status2 = g_variant_get_child_value(reply2, 0);
    g_assert_false(g_variant_lookup(status2, "error", "&s", &error));
}

/* ---- Options ---- */

static GVariant *options(const char *text)
{
    g_autoptr(GError) error = NULL;
    GVariant *value = g_variant_parse(G_VARIANT_TYPE("(a{sv})"), text, NULL, NULL, &error);

    g_assert_no_error(error);
    return value;
}

static void test_start_options(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GVariant) none = options("({},)"), no = options("({'bind-to-caller': <false>},)"),
                        reply = NULL, again = NULL;

    fixture_write_static(f, "www", NULL);
    reply = call(f, "StartWithOptions", none);
    g_assert_cmpstr(g_variant_get_type_string(reply), ==, "(as)");
    again = call(f, "StartWithOptions", no);
    g_assert_cmpvariant(reply, again);
}

/* With a timeout of 0 a busy connection is cut at once, whatever the configuration says. */
static void test_stop_options(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Upstream) upstream = upstream_new();
    g_autofree char *url = NULL;
    g_autoptr(GSocket) client = NULL, behind = NULL;
    g_autoptr(GVariant) now = options("({'timeout-usec': <uint64 0>},)"), reply = NULL,
                        result = NULL;

    fixture_write_proxy(f, "www", upstream, "sluice.stop-timeout: 3600");
    url = fixture_start(f, "www");
    client = web_connect(url);
    web_request(client, "/");
    behind = upstream_accept(upstream);
    reply = call(f, "StopWithOptions", now);
    assert_prints(reply, "(uint32 0, uint32 1)");
    g_assert_true(web_is_closed(client));
    result = fixture_get_property(f, "www", "Result");
    g_assert_cmpstr(g_variant_get_string(result, NULL), ==, "timeout");
}

int main(int argc, char *argv[])
{
    fixture_init(&argc, &argv);
    g_test_add_func("/server/busctl", test_busctl);
    g_test_add_func("/server/listen/port-zero", test_port_zero);
    g_test_add_func("/server/listen/ipv6", test_ipv6);
    g_test_add_func("/server/listen/unix", test_unix);
    g_test_add_func("/server/listen/unix-stale", test_unix_stale);
    g_test_add_func("/server/listen/several", test_several);
    g_test_add_func("/server/properties", test_properties);
    g_test_add_func("/server/read-only", test_read_only);
    g_test_add_func("/server/config-file", test_config_file);
    g_test_add_func("/server/status", test_status);
    g_test_add_func("/server/counters", test_counters);
    g_test_add_func("/server/status-error", test_status_error);
    g_test_add_func("/server/start-options", test_start_options);
    g_test_add_func("/server/stop-options", test_stop_options);
    return g_test_run();
}
