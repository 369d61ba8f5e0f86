/* SPDX-License-Identifier: MIT */
/* Reload of one server and of the manager: files that change, come, and go. */
#include "fixture.h"

#include <signal.h>

#define PATH server_path("www")

static guint32 send(Fixture *f, const char *path)
{
    return client_send(fixture_get_client(f), path, NULL, "Reload", NULL);
}

static void reload_all(Fixture *f)
{
    g_variant_unref(client_receive(fixture_get_client(f), send(f, MANAGER_PATH)));
}

static guint32 get_generation(Fixture *f, const char *name)
{
    g_autoptr(GVariant) value = fixture_get_property(f, name, "Generation");

    return g_variant_get_uint32(value);
}

static void assert_description(Fixture *f, const char *name, const char *expected)
{
    g_autoptr(GVariant) value = fixture_get_property(f, name, "Description");

    g_assert_cmpstr(g_variant_get_string(value, NULL), ==, expected);
}

static void assert_state(Fixture *f, const char *name, const char *expected)
{
    g_autofree char *state = fixture_get_state(f, name);

    g_assert_cmpstr(state, ==, expected);
}

static void assert_servers(Fixture *f, const char *expected)
{
    g_autoptr(GVariant) reply =
        client_call(fixture_get_client(f), MANAGER_PATH, NULL, "ListServers", NULL);
    g_autoptr(GVariantIter) iter = NULL;
    g_autoptr(GString) names = g_string_new(NULL);
    const char *name;

    g_variant_get(reply, "(a(sos))", &iter);
    while (g_variant_iter_next(iter, "(&s&o&s)", &name, NULL, NULL))
        g_string_append_printf(names, "%s%s", names->len != 0 ? " " : "", name);
    g_assert_cmpstr(names->str, ==, expected);
}

/* No such object any more, as the bus sees it. */
static void assert_gone(Fixture *f, const char *name)
{
    g_autofree char *message = client_call_error(fixture_get_client(f), server_path(name), NULL,
                                                 "Status", NULL, DBUS_ERROR("UnknownObject"));

    assert_contains(message, server_path(name));
}

static void write_served(Fixture *f, const char *name, const char *dir)
{
    g_autofree char *path = fixture_path(f, dir), *text = NULL;

    text = g_strdup_printf("listen: {host: 127.0.0.1, port: 0}\n"
                           "hosts: {default: {paths: {/: {file.dir: \"%s\"}}}}\n",
                           path);
    fixture_write_config(f, name, text);
}

/* ---- One server ---- */

static void test_new_content(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL, *before = NULL, *after = NULL;
    g_autoptr(GSocket) kept = NULL;

    fixture_write_file(f, "new/index.html", "new\n");
    fixture_write_static(f, "www", NULL);
    url = fixture_start(f, "www");
    kept = web_connect(url);
    web_request(kept, "/");
    g_assert_cmpuint(web_receive(kept, NULL, &before), ==, 200);
    g_assert_cmpstr(before, ==, "hello\n");

    write_served(f, "www", "new");
    fixture_reload(f, "www");
    g_assert_cmpuint(web_get(url, "/", &after), ==, 200);
    g_assert_cmpstr(after, ==, "new\n");

    /* A connection of before is let go with its next answer, not cut. */
    g_clear_pointer(&before, g_free);
    web_request(kept, "/");
    g_assert_cmpuint(web_receive(kept, NULL, &before), ==, 200);
    g_assert_cmpstr(before, ==, "hello\n");
    g_assert_true(web_is_closed(kept));
}

static void test_new_address(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    g_autofree char *format = NULL, *text = NULL, *url = NULL, *again = NULL;
    g_autoptr(GVariant) listen = NULL;
    guint16 port = free_port();
    guint from;
    guint32 serial;

    fixture_write_static(f, "www", NULL);
    url = fixture_start(f, "www");
    format = fixture_path(f, "www");
    text = g_strdup_printf("listen: {host: 127.0.0.1, port: %u}\n"
                           "hosts: {default: {paths: {/: {file.dir: \"%s\"}}}}\n",
                           port, format);
    fixture_write_config(f, "www", text);
    from = client_mark(client);
    serial = send(f, PATH);
    g_variant_unref(client_receive(client, serial));
    listen =
        client_get_changed(client, PATH, "Listen", from, client_place_of_reply(client, serial));
    again = g_strdup_printf("['http://127.0.0.1:%u/']", port);
    assert_prints(listen, again);
    g_free(again);
    again = fixture_start(f, "www");
    g_assert_cmpuint(url_get_port(again), ==, port);
    g_assert_cmpuint(web_get(again, "/", NULL), ==, 200);
}

/* Whatever is wrong with the file: the old generation serves on, Generation stays. */
static void test_broken(void)
{
    static const char *const broken[] = {
        "listen: 70000\n",
        "",
        "\t\n",
        "listen: {host: 192.0.2.1, port: 0}\nhosts: {default: {paths: {/: {file.dir: /}}}}\n",
        "listen: 0\nhosts: {default: {paths: {/: {file.dir: /nonexistent}}}}\n",
    };
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    g_autofree char *url = NULL;

    fixture_write_static(f, "www", "sluice.description: good");
    url = fixture_start(f, "www");
    for (gsize i = 0; i != G_N_ELEMENTS(broken); ++i) {
        g_autofree char *message = NULL, *transitions = NULL;
        guint from = client_mark(client);
        guint32 serial;

        fixture_write_config(f, "www", broken[i]);
        serial = send(f, PATH);
        message = client_receive_error(
            client, serial, i == 3 ? SLUICE_ERROR("ListenFailed") : SLUICE_ERROR("InvalidConfig"));
        transitions =
            client_get_transitions(client, PATH, from, client_place_of_reply(client, serial));
        g_assert_cmpstr(transitions, ==, "");
        g_assert_cmpuint(get_generation(f, "www"), ==, 1);
        assert_state(f, "www", "running");
        assert_description(f, "www", "good");
        g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
    }
}

static void test_removed_file(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    g_autofree char *url = NULL, *message = NULL, *file = fixture_config_file(f, "www"),
                    *prefix = NULL, *transitions = NULL;
    g_autoptr(GVariant) details = NULL;
    const char *reason;
    guint32 serial;
    guint from, to, gone;

    fixture_write_static(f, "www", NULL);
    url = fixture_start(f, "www");
    fixture_remove_config(f, "www");
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
    message = client_receive_error(client, send(f, PATH), SLUICE_ERROR("InvalidConfig"));
    prefix = g_strdup_printf("%s:1:1: ", file);
    g_assert_true(g_str_has_prefix(message, prefix));
    assert_contains(message, "No such file");
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);

    from = client_mark(client);
    serial = send(f, MANAGER_PATH);
    g_variant_unref(client_receive(client, serial));
    to = client_place_of_reply(client, serial);
    transitions = client_get_transitions(client, PATH, from, to);
    g_assert_cmpstr(transitions, ==, "running>stopping stopping>stopped");
    details = client_get_details(client, PATH, "stopped", from, to);
    g_assert_true(g_variant_lookup(details, "reason", "&s", &reason));
    g_assert_cmpstr(reason, ==, "removed");
    gone = client_place_of_signal(client, from, MANAGER_PATH, "InterfacesRemoved");
    g_assert_cmpuint(gone, <, to);
    g_assert_true(web_is_refused(url));
    assert_gone(f, "www");
}

/* ---- All servers ---- */

static void test_added(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    g_autoptr(GVariant) interfaces = NULL, properties = NULL;
    const char *path, *name;
    guint32 serial;
    guint from, place;

    assert_servers(f, "");
    fixture_write_static(f, "www", "sluice.autostart: ON");
    from = client_mark(client);
    serial = send(f, MANAGER_PATH);
    g_variant_unref(client_receive(client, serial));
    place = client_place_of_signal(client, from, MANAGER_PATH, "InterfacesAdded");
    g_assert_cmpuint(place, <, client_place_of_reply(client, serial));
    g_variant_get(g_dbus_message_get_body(client_get_message(client, place)), "(&o@a{sa{sv}})",
                  &path, &interfaces);
    g_assert_cmpstr(path, ==, PATH);
    properties = g_variant_lookup_value(interfaces, SERVER_INTERFACE, NULL);
    g_assert_nonnull(properties);
    g_assert_true(g_variant_lookup(properties, "Name", "&s", &name));
    g_assert_cmpstr(name, ==, "www");
    assert_servers(f, "www");
    g_free(fixture_start(f, "www"));
}

static void test_removed(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    g_autofree const char **interfaces = NULL;
    g_autofree char *message = NULL;
    const char *path;
    guint32 serial;
    guint from, place;

    fixture_write_static(f, "one", NULL);
    fixture_write_static(f, "two", NULL);
    fixture_write_static(f, "www", NULL);
    assert_servers(f, "one two www");
    fixture_remove_config(f, "two");
    from = client_mark(client);
    serial = send(f, MANAGER_PATH);
    g_variant_unref(client_receive(client, serial));
    place = client_place_of_signal(client, from, MANAGER_PATH, "InterfacesRemoved");
    g_assert_cmpuint(place, <, client_place_of_reply(client, serial));
    g_variant_get(g_dbus_message_get_body(client_get_message(client, place)), "(&o^a&s)", &path,
                  &interfaces);
    g_assert_cmpstr(path, ==, server_path("two"));
    g_assert_true(g_strv_contains(interfaces, SERVER_INTERFACE));
    assert_servers(f, "one www");
    assert_gone(f, "two");
    message = client_call_error(client, MANAGER_PATH, NULL, "GetServer",
                                g_variant_new("(s)", "two"), SLUICE_ERROR("NoSuchServer"));
}

/* Two reloads wait for the same server to drain; it is forgotten once. */
static void test_removed_twice(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Upstream) upstream = upstream_new();
    Client *client = fixture_get_client(f);
    g_autofree char *url = NULL;
    g_autoptr(Busy) busy = NULL;
    guint32 first, second;

    fixture_write_proxy(f, "www", upstream, NULL);
    fixture_write_static(f, "zzz", NULL);
    url = fixture_start(f, "www");
    busy = busy_new(url, upstream);
    fixture_remove_config(f, "www");
    first = send(f, MANAGER_PATH);
    second = send(f, MANAGER_PATH);
    fixture_wait_state(f, "www", "stopping");
    busy_finish(busy);
    g_variant_unref(client_receive(client, first));
    g_variant_unref(client_receive(client, second));
    assert_servers(f, "zzz");
    g_free(fixture_start(f, "zzz"));
}

/* Its file is back, and the last Reload has seen it, before it has drained: so it stays. */
static void test_removed_and_back(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Upstream) upstream = upstream_new();
    Client *client = fixture_get_client(f);
    g_autofree char *url = NULL;
    g_autoptr(Busy) busy = NULL;
    guint32 first;

    fixture_write_proxy(f, "www", upstream, NULL);
    url = fixture_start(f, "www");
    busy = busy_new(url, upstream);
    fixture_remove_config(f, "www");
    first = send(f, MANAGER_PATH);
    fixture_wait_state(f, "www", "stopping");
    fixture_write_static(f, "www", "sluice.description: back");
    reload_all(f);
    busy_finish(busy);
    g_variant_unref(client_receive(client, first));
    assert_servers(f, "www");
    assert_description(f, "www", "back");
    g_free(fixture_start(f, "www"));
}

/*
 * Lets files grow older than the tick of their time stamps: one that was read in the tick in which
 * it was written may have changed since without a trace, and then it is rightly read again.
 */
static void let_files_age(void)
{
    g_usleep(G_USEC_PER_SEC / 10);
}

static void test_changed(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    g_autoptr(GVariant) description = NULL, quiet = NULL;
    g_autofree char *url = NULL;
    guint32 serial;
    guint from, to;

    fixture_write_static(f, "same", NULL);
    fixture_write_static(f, "www", "sluice.description: one");
    fixture_write_static(f, "stopped", "sluice.description: one");
    let_files_age();
    g_free(fixture_start(f, "same"));
    url = fixture_start(f, "www");
    fixture_write_static(f, "www", "sluice.description: two");
    fixture_write_static(f, "stopped", "sluice.description: three");
    let_files_age();
    from = client_mark(client);
    serial = send(f, MANAGER_PATH);
    g_variant_unref(client_receive(client, serial));
    to = client_place_of_reply(client, serial);
    description = client_get_changed(client, PATH, "Description", from, to);
    assert_prints(description, "'two'");
    assert_description(f, "www", "two");
    assert_description(f, "stopped", "three");
    g_assert_cmpuint(get_generation(f, "www"), ==, 2);
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);

    /* What has not changed is left alone. */
    g_assert_cmpuint(get_generation(f, "same"), ==, 1);
    quiet = client_get_changed(client, server_path("same"), "Generation", from, to);
    g_assert_null(quiet);
    assert_state(f, "stopped", "stopped");
    reload_all(f);
    g_assert_cmpuint(get_generation(f, "www"), ==, 2);
}

/* The others are reloaded all the same; each failure is named. */
static void test_changed_broken(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    g_autofree char *url = NULL, *message = NULL;

    fixture_write_static(f, "bad", NULL);
    fixture_write_static(f, "www", NULL);
    url = fixture_start(f, "bad");
    g_free(fixture_start(f, "www"));
    fixture_write_config(f, "bad", "listen: 70000\n");
    fixture_write_static(f, "www", "sluice.description: better");
    fixture_write_static(f, "new", NULL);
    message = client_receive_error(client, send(f, MANAGER_PATH), SLUICE_ERROR("InvalidConfig"));
    assert_contains(message, "'bad'");
    assert_contains(message, "/bad.conf:1:9: ");
    g_assert_cmpuint(get_generation(f, "bad"), ==, 1);
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
    g_assert_cmpuint(get_generation(f, "www"), ==, 2);
    assert_servers(f, "bad new www");
}

/* SIGHUP is the manager's Reload. */
static void test_hangup(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    guint from;

    fixture_write_static(f, "www", NULL);
    fixture_write_static(f, "old", NULL);
    g_free(fixture_start(f, "www"));
    fixture_write_static(f, "www", "sluice.description: new");
    fixture_write_static(f, "added", NULL);
    fixture_remove_config(f, "old");
    from = client_mark(client);
    fixture_kill(f, SIGHUP);
    client_place_of_signal(client, from, MANAGER_PATH, "InterfacesAdded");
    client_place_of_signal(client, from, MANAGER_PATH, "InterfacesRemoved");
    client_place_of_signal(client, from, PATH, "PropertiesChanged");
    assert_servers(f, "added www");
    assert_description(f, "www", "new");
    g_assert_cmpuint(fixture_count_started(f), ==, 1);
}

int main(int argc, char *argv[])
{
    fixture_init(&argc, &argv);
    g_test_add_func("/reload/new-content", test_new_content);
    g_test_add_func("/reload/new-address", test_new_address);
    g_test_add_func("/reload/broken", test_broken);
    g_test_add_func("/reload/removed-file", test_removed_file);
    g_test_add_func("/reload/all/added", test_added);
    g_test_add_func("/reload/all/removed", test_removed);
    g_test_add_func("/reload/all/removed-twice", test_removed_twice);
    g_test_add_func("/reload/all/removed-and-back", test_removed_and_back);
    g_test_add_func("/reload/all/changed", test_changed);
    g_test_add_func("/reload/all/changed-broken", test_changed_broken);
    g_test_add_func("/reload/all/hangup", test_hangup);
    return g_test_run();
}
