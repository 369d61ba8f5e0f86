/* SPDX-License-Identifier: MIT */
/* The manager object: what it tells, and Start and Stop of all servers. Reload: test-reload.c. */
#include "fixture.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"

static GVariant *call(Fixture *f, const char *method, GVariant *arguments)
{
    return client_call(fixture_get_client(f), MANAGER_PATH, NULL, method, arguments);
}

static char *call_error(Fixture *f, const char *method, GVariant *arguments, const char *name)
{
    return client_call_error(fixture_get_client(f), MANAGER_PATH, NULL, method, arguments, name);
}

static void test_list(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GVariant) servers = NULL;

    fixture_write_static(f, "www", NULL);
    fixture_write_static(f, "Zoo", NULL);
    fixture_write_static(f, "a-b", NULL);
    fixture_write_config(f, "broken", "listen: [\n");
    g_free(fixture_start(f, "www"));
    g_variant_unref(fixture_get_property(f, "broken", "State"));
    servers = call(f, "ListServers", NULL);
    assert_prints(servers, "([('Zoo', objectpath '/org/sluice/Sluice1/server/Zoo', 'stopped'),"
                           " ('a-b', '/org/sluice/Sluice1/server/a_2db', 'stopped'),"
                           " ('broken', '/org/sluice/Sluice1/server/broken', 'stopped'),"
                           " ('www', '/org/sluice/Sluice1/server/www', 'running')],)");
}

static void test_list_empty(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GVariant) servers = call(f, "ListServers", NULL);

    assert_prints(servers, "(@a(sos) [],)");
}

static void test_get_server(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GVariant) path = NULL;

    fixture_write_static(f, "my.web-site_1", NULL);
    path = call(f, "GetServer", g_variant_new("(s)", "my.web-site_1"));
    assert_prints(path, "(objectpath '/org/sluice/Sluice1/server/my_2eweb_2dsite_5f1',)");
}

/* Bodies of a server's answers are counted, so that the manager's sums can be told apart. */
static void test_status(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL, *message = NULL;
    g_autoptr(GVariant) reply = NULL, status = NULL;
    gint64 before = g_get_real_time();
    guint64 since, requests;
    guint32 servers, running, failed, connections;
    const char *version;
    gsize n;

    fixture_write_static(f, "one", NULL);
    fixture_write_static(f, "two", NULL);
    fixture_write_config(f, "bad", "listen: 70000\n");
    url = fixture_start(f, "one");
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
    g_assert_cmpuint(web_get(url, "/nowhere", NULL), ==, 404);
    message = client_call_error(fixture_get_client(f), server_path("bad"), NULL, "Start", NULL,
                                SLUICE_ERROR("InvalidConfig"));

    reply = call(f, "Status", NULL);
    g_assert_cmpstr(g_variant_get_type_string(reply), ==, "(a{sv})");
    status = g_variant_get_child_value(reply, 0);
    n = g_variant_n_children(status);
    g_assert_cmpuint(n, ==, 7);
    g_assert_true(g_variant_lookup(status, "version", "&s", &version));
    g_assert_true(g_variant_lookup(status, "servers", "u", &servers));
    g_assert_true(g_variant_lookup(status, "running", "u", &running));
    g_assert_true(g_variant_lookup(status, "failed", "u", &failed));
    g_assert_true(g_variant_lookup(status, "connections", "u", &connections));
    g_assert_true(g_variant_lookup(status, "requests", "t", &requests));
    g_assert_true(g_variant_lookup(status, "since", "t", &since));
    g_assert_cmpuint(servers, ==, 3);
    g_assert_cmpuint(running, ==, 1);
    g_assert_cmpuint(failed, ==, 1);
    g_assert_cmpuint(requests, ==, 2);
    g_assert_cmpint((gint64)since, >=, before);
    g_assert_cmpint((gint64)since, <=, g_get_real_time());
}

/* Property, Status and command line say the same. */
static void test_version(void)
{
    static const char *const arguments[] = {"--version", NULL};
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Child) child = fixture_spawn(f, arguments);
    g_autoptr(GVariant) property = NULL, all = NULL, reply = NULL, status = NULL;
    g_autofree char *line = NULL, *expected = NULL;
    const char *version;

    reply = call(f, "Status", NULL);
    status = g_variant_get_child_value(reply, 0);
    g_assert_true(g_variant_lookup(status, "version", "&s", &version));
    line = g_strdup_printf("sluiced %s\n", version);
    g_assert_cmpint(child_wait(child), ==, 0);
    g_assert_cmpstr(child_get_stdout(child), ==, line);

    property = client_call(fixture_get_client(f), MANAGER_PATH, PROPERTIES, "Get",
                           g_variant_new("(ss)", MANAGER_INTERFACE, "Version"));
    expected = g_strdup_printf("(<'%s'>,)", version);
    assert_prints(property, expected);
    all = client_call(fixture_get_client(f), MANAGER_PATH, PROPERTIES, "GetAll",
                      g_variant_new("(s)", MANAGER_INTERFACE));
    g_free(expected);
    expected = g_strdup_printf("({'Version': <'%s'>},)", version);
    assert_prints(all, expected);
}

static void test_read_only(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *message = client_call_error(
        fixture_get_client(f), MANAGER_PATH, PROPERTIES, "Set",
        g_variant_new("(ssv)", MANAGER_INTERFACE, "Version", g_variant_new_string("9")),
        DBUS_ERROR("PropertyReadOnly"));

    assert_contains(message, "Version");
}

static void test_unknown(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *method = call_error(f, "Explode", NULL, DBUS_ERROR("UnknownMethod"));
    g_autofree char *interface =
        client_call_error(fixture_get_client(f), MANAGER_PATH, "org.sluice.Nothing", "Start", NULL,
                          DBUS_ERROR("UnknownMethod"));
    g_autofree char *arguments =
        call_error(f, "GetServer", g_variant_new("(u)", 7), DBUS_ERROR("InvalidArgs"));

    assert_contains(method, "Explode");
    assert_contains(interface, "org.sluice.Nothing");
    assert_contains(arguments, "'s'");
}

/* What became of `server` between `from` and the reply to `serial`. */
static void assert_transitions(Fixture *f, const char *server, guint from, guint32 serial,
                               const char *expected)
{
    Client *client = fixture_get_client(f);
    g_autofree char *found = client_get_transitions(client, server_path(server), from,
                                                    client_place_of_reply(client, serial));

    g_assert_cmpstr(found, ==, expected);
}

static void test_start(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GVariant) first = NULL, second = NULL;
    g_autofree const char **urls = NULL;
    guint32 serial;

    fixture_write_static(f, "one", NULL);
    fixture_write_static(f, "two", NULL);
    fixture_write_static(f, "three", NULL);
    serial = client_send(fixture_get_client(f), MANAGER_PATH, NULL, "Start", NULL);
    first = client_receive(fixture_get_client(f), serial);
    assert_transitions(f, "one", 0, serial, "stopped>starting starting>running");
    assert_transitions(f, "two", 0, serial, "stopped>starting starting>running");
    g_variant_get(first, "(^a&s)", &urls);
    g_assert_cmpuint(g_strv_length((char **)urls), ==, 3);
    for (guint i = 0; i != 3; ++i)
        g_assert_cmpuint(web_get(urls[i], "/", NULL), ==, 200);

    /* again: nothing to do, the same addresses */
    second = call(f, "Start", NULL);
    g_assert_cmpvariant(first, second);
}

static void test_start_nothing(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GVariant) urls = call(f, "Start", NULL);

    assert_prints(urls, "(@as [],)");
}

/* Every failure is named, and the others run all the same. */
static void test_start_failures(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *message = NULL, *state = NULL;

    fixture_write_static(f, "good", NULL);
    fixture_write_config(f, "bad", "listen: 70000\n");
    fixture_write_config(f, "worse", "hosts: 5\n");
    message = call_error(f, "Start", NULL, SLUICE_ERROR("InvalidConfig"));
    assert_contains(message, "'bad'");
    assert_contains(message, "/bad.conf:1:9: ");
    assert_contains(message, "'worse'");
    assert_contains(message, "/worse.conf:1:");
    state = fixture_get_state(f, "good");
    g_assert_cmpstr(state, ==, "running");
}

static void test_stop(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GVariant) nothing = NULL, reply = NULL, servers = NULL;
    g_autofree char *one = NULL, *two = NULL;
    g_autoptr(GSocket) idle = NULL;
    guint32 serial;
    guint from;

    fixture_write_static(f, "one", NULL);
    fixture_write_static(f, "two", NULL);
    nothing = call(f, "Stop", NULL);
    assert_prints(nothing, "(uint32 0, uint32 0)");

    one = fixture_start(f, "one");
    two = fixture_start(f, "two");
    idle = web_connect(one);
    web_request(idle, "/");
    g_assert_cmpuint(web_receive(idle, NULL, NULL), ==, 200);
    from = client_mark(fixture_get_client(f));
    serial = client_send(fixture_get_client(f), MANAGER_PATH, NULL, "Stop", NULL);
    reply = client_receive(fixture_get_client(f), serial);
    assert_prints(reply, "(uint32 1, uint32 0)");
    assert_transitions(f, "one", from, serial, "running>stopping stopping>stopped");
    assert_transitions(f, "two", from, serial, "running>stopping stopping>stopped");
    g_assert_true(web_is_closed(idle));
    g_assert_true(web_is_refused(one));
    g_assert_true(web_is_refused(two));
    servers = call(f, "ListServers", NULL);
    assert_prints(servers, "([('one', objectpath '/org/sluice/Sluice1/server/one', 'stopped'),"
                           " ('two', '/org/sluice/Sluice1/server/two', 'stopped')],)");
}

static void test_managed_objects(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GVariant) reply = NULL, objects = NULL, one = NULL, properties = NULL, all = NULL,
                        same = NULL;

    fixture_write_static(f, "one", "sluice.description: The first");
    fixture_write_static(f, "two", NULL);
    reply = client_call(fixture_get_client(f), MANAGER_PATH, "org.freedesktop.DBus.ObjectManager",
                        "GetManagedObjects", NULL);
    g_assert_cmpstr(g_variant_get_type_string(reply), ==, "(a{oa{sa{sv}}})");
    objects = g_variant_get_child_value(reply, 0);
    g_assert_cmpuint(g_variant_n_children(objects), ==, 2);
    one = g_variant_lookup_value(objects, server_path("one"), NULL);
    g_assert_nonnull(one);
    properties = g_variant_lookup_value(one, SERVER_INTERFACE, NULL);
    g_assert_nonnull(properties);
    all = client_call(fixture_get_client(f), server_path("one"), PROPERTIES, "GetAll",
                      g_variant_new("(s)", SERVER_INTERFACE));
    same = g_variant_get_child_value(all, 0);
    g_assert_cmpvariant(properties, same);
}

static void test_check_config(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *www = fixture_path(f, "www"), *good = NULL, *message = NULL;
    g_autoptr(GVariant) reply = NULL, servers = NULL;
    guint16 port = free_port();

    good = g_strdup_printf("listen: {host: 127.0.0.1, port: %u}\n"
                           "hosts: {default: {paths: {/: {file.dir: \"%s\"}}}}\n",
                           port, www);
    reply = call(f, "CheckConfig", g_variant_new("(s)", good));
    assert_prints(reply, "()");
    message = call_error(f, "CheckConfig",
                         g_variant_new("(s)", "listen: 0\n"
                                              "hosts:\n"
                                              "  default:\n"
                                              "    paths:\n"
                                              "      /:\n"
                                              "        file.dirr: /\n"),
                         SLUICE_ERROR("InvalidConfig"));
    g_assert_true(g_str_has_prefix(message, "config:6:9: "));
    assert_contains(message, "file.dirr");

    /* Nothing is kept of either. */
    servers = call(f, "ListServers", NULL);
    assert_prints(servers, "(@a(sos) [],)");
    g_free(good);
    good = g_strdup_printf("http://127.0.0.1:%u/", port);
    g_assert_true(web_is_refused(good));
}

static void test_peer(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GVariant) reply =
        client_call(fixture_get_client(f), MANAGER_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL);

    assert_prints(reply, "()");
    g_assert_cmpuint(fixture_count_started(f), ==, 1);
}

int main(int argc, char *argv[])
{
    fixture_init(&argc, &argv);
    g_test_add_func("/manager/list", test_list);
    g_test_add_func("/manager/list/empty", test_list_empty);
    g_test_add_func("/manager/get-server", test_get_server);
    g_test_add_func("/manager/status", test_status);
    g_test_add_func("/manager/version", test_version);
    g_test_add_func("/manager/read-only", test_read_only);
    g_test_add_func("/manager/unknown", test_unknown);
    g_test_add_func("/manager/start", test_start);
    g_test_add_func("/manager/start/nothing", test_start_nothing);
    g_test_add_func("/manager/start/failures", test_start_failures);
    g_test_add_func("/manager/stop", test_stop);
    g_test_add_func("/manager/managed-objects", test_managed_objects);
    g_test_add_func("/manager/check-config", test_check_config);
    g_test_add_func("/manager/peer", test_peer);
    return g_test_run();
}
