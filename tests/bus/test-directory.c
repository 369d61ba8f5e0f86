/* SPDX-License-Identifier: MIT */
/* The configuration directories: which files become servers. */
#include "fixture.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The names that ListServers tells, with a blank in between. */
static char *list(Fixture *f)
{
    g_autoptr(GVariant) reply =
        client_call(fixture_get_client(f), MANAGER_PATH, NULL, "ListServers", NULL);
    g_autoptr(GVariantIter) iter = NULL;
    GString *names = g_string_new(NULL);
    const char *name;

    g_variant_get(reply, "(a(sos))", &iter);
    while (g_variant_iter_next(iter, "(&s&o&s)", &name, NULL, NULL))
        g_string_append_printf(names, "%s%s", names->len != 0 ? " " : "", name);
    return g_string_free(names, FALSE);
}

static void assert_servers(Fixture *f, const char *expected)
{
    g_autofree char *names = list(f);

    g_assert_cmpstr(names, ==, expected);
}

static void write_described(Fixture *f, const char *relative, const char *description)
{
    g_autofree char *text = g_strdup_printf("sluice.description: %s\nlisten: 0\n", description);

    fixture_write_file(f, relative, text);
}

static void assert_description(Fixture *f, const char *name, const char *expected)
{
    g_autoptr(GVariant) value = fixture_get_property(f, name, "Description");

    g_assert_cmpstr(g_variant_get_string(value, NULL), ==, expected);
}

/* Relative to the working directory, in this order. */
static void set_directories(Fixture *f, const char *first, const char *second, const char *third)
{
    g_autofree char *dir = fixture_path(f, "."), *arguments = NULL;

    arguments = g_strdup_printf("--exit-idle-time=0 --config-dir=%s/%s --config-dir=%s/%s "
                                "--config-dir=%s/%s",
                                dir, first, dir, second, dir, third);
    fixture_set_arguments(f, arguments);
}

/* ---- Names ---- */

static void test_names(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *longest = g_strnfill(64, 'x'), *too_long = g_strnfill(65, 'x'),
                    *expected = NULL, *log = NULL;
    const char *const good[] = {"-", "0", "A.b_c-9", "conf", "x.conf", longest};
    const char *const bad[] = {".hidden", "a b",  "gr\303\266\303\237e", "a:b",
                               "a\nb",    "a\\b", "not-utf8-\377",       too_long};

    for (gsize i = 0; i != G_N_ELEMENTS(good); ++i)
        fixture_write_static(f, good[i], NULL);
    for (gsize i = 0; i != G_N_ELEMENTS(bad); ++i)
        fixture_write_static(f, bad[i], NULL);
    fixture_write_file(f, "config/servers/.conf", "");
    fixture_write_file(f, "config/servers/www.conf~", "");
    fixture_write_file(f, "config/servers/www.confirm", "");
    fixture_write_file(f, "config/servers/www", "");
    fixture_write_file(f, "config/www.conf", "");
    expected = g_strdup_printf("- 0 A.b_c-9 conf x.conf %s", longest);
    assert_servers(f, expected);
    /* Who wonders finds it in the journal. */
    log = fixture_get_log(f);
    assert_contains(log, "a:b.conf: ignored");
}

/* Their objects have the paths that ListServers tells. */
static void test_odd_paths(void)
{
    static const char *const names[] = {"-", "0", "A.b_c-9", "_", "x.conf"};
    g_autoptr(Fixture) f = fixture_new();

    for (gsize i = 0; i != G_N_ELEMENTS(names); ++i)
        fixture_write_static(f, names[i], NULL);
    for (gsize i = 0; i != G_N_ELEMENTS(names); ++i) {
        g_autoptr(GVariant) found = client_call(fixture_get_client(f), MANAGER_PATH, NULL,
                                                "GetServer", g_variant_new("(s)", names[i]));
        g_autoptr(GVariant) value = NULL;
        const char *path;

        g_variant_get(found, "(&o)", &path);
        g_assert_cmpstr(path, ==, server_path(names[i]));
        value = fixture_get_property(f, names[i], "Name");
        g_assert_cmpstr(g_variant_get_string(value, NULL), ==, names[i]);
        g_free(fixture_start(f, names[i]));
    }
}

/* ---- Several directories ---- */

static void test_first_wins(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GVariant) file = NULL;

    write_described(f, "etc/servers/both.conf", "first");
    write_described(f, "etc/servers/etc.conf", "first");
    write_described(f, "run/servers/both.conf", "second");
    write_described(f, "run/servers/run.conf", "second");
    write_described(f, "usr/servers/both.conf", "third");
    write_described(f, "usr/servers/run.conf", "third");
    write_described(f, "usr/servers/usr.conf", "third");
    set_directories(f, "etc", "run", "usr");
    assert_servers(f, "both etc run usr");
    assert_description(f, "both", "first");
    assert_description(f, "run", "second");
    assert_description(f, "usr", "third");
    file = fixture_get_property(f, "both", "ConfigFile");
    assert_contains(g_variant_get_string(file, NULL), "/etc/servers/both.conf");
}

/* A file that appears in front takes over at the manager's Reload, also of a running server. */
static void test_override(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    g_autofree char *url = NULL, *body = NULL, *text = NULL, *dir = fixture_path(f, "www");
    g_autoptr(GVariant) changed = NULL;
    guint32 serial;
    guint from;

    text = g_strdup_printf("listen: {host: 127.0.0.1, port: 0}\n"
                           "hosts: {default: {paths: {/: {file.dir: \"%s\"}}}}\n",
                           dir);
    fixture_write_file(f, "usr/servers/www.conf", text);
    set_directories(f, "etc", "run", "usr");
    url = fixture_start(f, "www");
    fixture_write_file(f, "new/index.html", "overridden\n");
    g_free(dir);
    dir = fixture_path(f, "new");
    g_free(text);
    text = g_strdup_printf("listen: {host: 127.0.0.1, port: 0}\n"
                           "hosts: {default: {paths: {/: {file.dir: \"%s\"}}}}\n",
                           dir);
    fixture_write_file(f, "etc/servers/www.conf", text);
    from = client_mark(client);
    serial = client_send(client, MANAGER_PATH, NULL, "Reload", NULL);
    g_variant_unref(client_receive(client, serial));
    changed = client_get_changed(client, server_path("www"), "ConfigFile", from,
                                 client_place_of_reply(client, serial));
    assert_contains(g_variant_get_string(changed, NULL), "/etc/servers/www.conf");
    g_assert_cmpuint(web_get(url, "/", &body), ==, 200);
    g_assert_cmpstr(body, ==, "overridden\n");
}

static void test_masked(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *mask = fixture_path(f, "etc/servers/masked.conf"), *message = NULL;

    write_described(f, "etc/servers/www.conf", "first");
    write_described(f, "usr/servers/masked.conf", "third");
    g_assert_cmpint(symlink("/dev/null", mask), ==, 0);
    set_directories(f, "etc", "run", "usr");
    assert_servers(f, "www");
    message = client_call_error(fixture_get_client(f), MANAGER_PATH, NULL, "GetServer",
                                g_variant_new("(s)", "masked"), SLUICE_ERROR("NoSuchServer"));

    /* unmasked, and masked again while it runs */
    g_assert_cmpint(unlink(mask), ==, 0);
    g_variant_unref(client_call(fixture_get_client(f), MANAGER_PATH, NULL, "Reload", NULL));
    assert_servers(f, "masked www");
    g_assert_cmpint(symlink("/dev/null", mask), ==, 0);
    g_variant_unref(client_call(fixture_get_client(f), MANAGER_PATH, NULL, "Reload", NULL));
    assert_servers(f, "www");
}

static void test_masked_running(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *file = fixture_config_file(f, "www"), *url = NULL;

    fixture_write_static(f, "www", NULL);
    url = fixture_start(f, "www");
    fixture_remove_config(f, "www");
    g_assert_cmpint(symlink("/dev/null", file), ==, 0);
    g_variant_unref(client_call(fixture_get_client(f), MANAGER_PATH, NULL, "Reload", NULL));
    assert_servers(f, "");
    g_assert_true(web_is_refused(url));
}

/* None of them need exist, at the start or later. */
static void test_missing(void)
{
    g_autoptr(Fixture) f = fixture_new();

    set_directories(f, "none", "at", "all");
    assert_servers(f, "");
    write_described(f, "at/servers/www.conf", "late");
    g_variant_unref(client_call(fixture_get_client(f), MANAGER_PATH, NULL, "Reload", NULL));
    assert_servers(f, "www");
}

/* What cannot be read is not gone: the servers stay, and the caller is told. */
static void test_unreadable(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *servers = fixture_path(f, "config/servers"), *away = NULL, *message = NULL,
                    *url = NULL;

    away = fixture_path(f, "config/away");
    fixture_write_static(f, "www", NULL);
    url = fixture_start(f, "www");
    g_assert_cmpint(rename(servers, away), ==, 0);
    fixture_write_file(f, "config/servers", "a file instead of a directory\n");
    message = client_call_error(fixture_get_client(f), MANAGER_PATH, NULL, "Reload", NULL,
                                DBUS_ERROR("Failed"));
    assert_contains(message, servers);
    assert_servers(f, "www");
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
}

/* Paths are bytes; what goes over the bus is UTF-8, or the bus would throw the daemon out. */
static void test_not_utf8(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *message = NULL;
    g_autoptr(GVariant) file = NULL;

    fixture_write_file(f, "bytes-\377/servers/www.conf", "listen: 70000\n");
    set_directories(f, "bytes-\377", "run", "usr");
    assert_servers(f, "www");
    file = fixture_get_property(f, "www", "ConfigFile");
    assert_contains(g_variant_get_string(file, NULL), "/servers/www.conf");
    message = client_call_error(fixture_get_client(f), server_path("www"), NULL, "Start", NULL,
                                SLUICE_ERROR("InvalidConfig"));
    assert_contains(message, "/servers/www.conf:1:9: ");
    g_assert_cmpuint(fixture_count_started(f), ==, 1);
}

/* ---- Written later ---- */

static char *get_server_error(Fixture *f, const char *name, const char *error)
{
    return client_call_error(fixture_get_client(f), MANAGER_PATH, NULL, "GetServer",
                             g_variant_new("(s)", name), error);
}

/* GetServer looks for itself; no Reload is needed. */
static void test_found_later(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GVariant) path = NULL;
    g_autofree char *url = NULL;

    assert_servers(f, "");
    fixture_write_static(f, "www", NULL);
    assert_servers(f, "");
    path = client_call(fixture_get_client(f), MANAGER_PATH, NULL, "GetServer",
                       g_variant_new("(s)", "www"));
    assert_prints(path, "(objectpath '/org/sluice/Sluice1/server/www',)");
    assert_servers(f, "www");
    url = fixture_start(f, "www");
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
}

static void test_not_found_later(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *mask = fixture_path(f, "etc/servers/masked.conf");

    write_described(f, "etc/servers/www.conf", "first");
    set_directories(f, "etc", "run", "usr");
    assert_servers(f, "www");
    write_described(f, "usr/servers/masked.conf", "third");
    g_assert_cmpint(symlink("/dev/null", mask), ==, 0);
    g_free(get_server_error(f, "masked", SLUICE_ERROR("NoSuchServer")));
    /* A file, but not a name, here and anywhere. */
    write_described(f, "usr/servers/a b.conf", "third");
    g_free(get_server_error(f, "a b", SLUICE_ERROR("InvalidName")));
    g_free(get_server_error(f, "../servers/www", SLUICE_ERROR("InvalidName")));
    assert_servers(f, "www");
}

/* ---- Many ---- */

#define MANY 10000

static void test_many(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = fixture_get_client(f);
    g_autoptr(GVariant) reply = NULL, servers = NULL, objects = NULL, values = NULL;
    g_autofree char *first = NULL, *url = NULL;
    guint32 n;

    /* One is fit to run; the others are links to one that need only be there. */
    fixture_write_static(f, "server-09999", NULL);
    fixture_write_config(f, "server-00000", "listen: 0\n");
    first = fixture_config_file(f, "server-00000");
    for (guint i = 1; i != MANY - 1; ++i) {
        g_autofree char *name = g_strdup_printf("server-%05u", i),
                        *file = fixture_config_file(f, name);

        g_assert_cmpint(link(first, file), ==, 0);
    }
    reply = client_call(client, MANAGER_PATH, NULL, "ListServers", NULL);
    servers = g_variant_get_child_value(reply, 0);
    g_assert_cmpuint(g_variant_n_children(servers), ==, MANY);
    g_variant_unref(g_steal_pointer(&reply));

    reply = client_call(client, MANAGER_PATH, "org.freedesktop.DBus.ObjectManager",
                        "GetManagedObjects", NULL);
    objects = g_variant_get_child_value(reply, 0);
    g_assert_cmpuint(g_variant_n_children(objects), ==, MANY);
    g_variant_unref(g_steal_pointer(&reply));

    reply = client_call(client, MANAGER_PATH, NULL, "Status", NULL);
    values = g_variant_get_child_value(reply, 0);
    g_assert_true(g_variant_lookup(values, "servers", "u", &n));
    g_assert_cmpuint(n, ==, MANY);

    url = fixture_start(f, "server-09999");
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
    g_variant_unref(client_call(client, MANAGER_PATH, NULL, "Reload", NULL));
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
}

int main(int argc, char *argv[])
{
    fixture_init(&argc, &argv);
    g_test_add_func("/directory/names", test_names);
    g_test_add_func("/directory/odd-paths", test_odd_paths);
    g_test_add_func("/directory/first-wins", test_first_wins);
    g_test_add_func("/directory/override", test_override);
    g_test_add_func("/directory/masked", test_masked);
    g_test_add_func("/directory/masked-running", test_masked_running);
    g_test_add_func("/directory/missing", test_missing);
    g_test_add_func("/directory/unreadable", test_unreadable);
    g_test_add_func("/directory/not-utf8", test_not_utf8);
    g_test_add_func("/directory/later", test_found_later);
    g_test_add_func("/directory/later/not", test_not_found_later);
    g_test_add_func("/directory/many", test_many);
    return g_test_run();
}
