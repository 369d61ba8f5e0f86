/* SPDX-License-Identifier: MIT */
/*
 * Configurations that are wrong, each said three times: in a server's file that Start reads, as a
 * text for CheckConfig, and, for `sluiced --check`, in test-program.c. The daemon says where and
 * what, and lives on.
 */
#include "fixture.h"

#include <sys/stat.h>
#include <unistd.h>

#define PATH server_path("www")

/* %s is a directory that exists. */
#define HOSTS "hosts: {default: {paths: {/: {file.dir: \"%s\"}}}}\n"

typedef struct Case {
    const char *name;
    const char *text;  /* `%s`: see above */
    const char *where; /* LINE:COLUMN */
    const char *what;  /* is in the message */
} Case;

static const Case cases[] = {
    {"empty", "", "1:1", "empty"},
    {"only-comments", "# nothing\n# at all\n", "1:1", "empty"},
    {"scalar", "hello\n", "1:1", "must be a MAPPING"},
    {"sequence", "- listen: 0\n", "1:1", "must be a MAPPING"},
    {"unclosed", "listen: [\n", "2:1", ""},
    {"tab", "listen:\n\tport: 0\n", "2:1", ""},
    {"control-character", "listen: 0\nfile.index: [ \"\001\" ]\n", "2:", "not a YAML text"},
    {"nul", "listen: 0\nserver-name: \"a\\0b\"\n" HOSTS, "2:14", "NUL"},
    {"unknown-command", "listen: 0\n" HOSTS "lisen: 0\n", "3:1", "lisen"},
    {"no-listen", HOSTS, "1:", "`listen` is missing"},
    {"no-hosts", "listen: 0\n", "1:1", ""},
    {"port-word", "listen: http\n" HOSTS, "1:9", "`http`"},
    {"port-large", "listen: 65536\n" HOSTS, "1:9", "`65536`"},
    {"port-negative", "listen: {host: 127.0.0.1, port: -1}\n" HOSTS, "1:33", "`-1`"},
    {"no-port", "listen: {host: 127.0.0.1}\n" HOSTS, "1:9", "`port` is missing"},
    {"listen-property", "listen: {prot: 80}\n" HOSTS, "1:10", "`prot`"},
    {"listen-type", "listen: {port: 80, type: udp}\n" HOSTS, "1:26", "`udp`"},
    {"unix-long",
     "listen:\n  type: unix\n  port: /tmp/"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" HOSTS,
     "3:9", "too long"},
    {"unix-permission", "listen: {type: unix, port: /tmp/x, permission: 888}\n" HOSTS, "1:48",
     "`888`"},
    {"unix-owner", "listen: {type: unix, port: /tmp/x, owner: nobody-at-all}\n" HOSTS, "1:43",
     "`nobody-at-all`"},
    {"tcp-owner", "listen: {port: 0, owner: root}\n" HOSTS, "1:9", "`type: unix`"},
    {"ssl", "listen:\n  port: 0\n  ssl:\n    key-file: k\n    certificate-file: c\n" HOSTS, "5:23",
     "cannot read `c`"},
    {"document-root",
     "listen: 0\nhosts:\n  default:\n    paths:\n      /:\n"
     "        file.dir: /nonexistent/www\n",
     "6:19", "No such file"},
    {"document-root-file", "listen: 0\nhosts: {default: {paths: {/: {file.dir: /etc/passwd}}}}\n",
     "2:41", "not a directory"},
    {"stop-timeout-word", "sluice.stop-timeout: soon\nlisten: 0\n" HOSTS, "1:22", "`soon`"},
    {"stop-timeout-negative", "sluice.stop-timeout: -1\nlisten: 0\n" HOSTS, "1:22", "`-1`"},
    {"stop-timeout-infinite", "sluice.stop-timeout: inf\nlisten: 0\n" HOSTS, "1:22", "`inf`"},
    {"autostart", "sluice.autostart: maybe\nlisten: 0\n" HOSTS, "1:19", "`maybe`"},
    {"description", "sluice.description: [a, b]\nlisten: 0\n" HOSTS, "1:21", ""},
    {"threads", "num-threads: 0\nlisten: 0\n" HOSTS, "1:14", "number from 1"},
    {"connections", "max-connections: many\nlisten: 0\n" HOSTS, "1:18", "number from 1"},
    {"app", "sluice.app: {command: [true]}\nlisten: 0\n" HOSTS, "1:1", "sluice.app"},
    {"mruby", "listen: 0\nhosts: {default: {paths: {/: {mruby.handler: x}}}}\n", "2:46",
     "mruby.handler"},
    {"alias-unknown", "listen: *nowhere\n" HOSTS, "1:9", "alias"},
    {"alias-self", "a: &a [*a]\nlisten: 0\n" HOSTS, "1:4", "itself"},
    {"alias-bomb",
     "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
     "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
     "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
     "d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
     "e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\n"
     "f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]\n"
     "g: &g [*f, *f, *f, *f, *f, *f, *f, *f, *f, *f]\n"
     "h: &h [*g, *g, *g, *g, *g, *g, *g, *g, *g, *g]\n"
     "i: [*h, *h, *h, *h, *h, *h, *h, *h, *h, *h]\n",
     "1:1", "too large"},
    {"nested",
     "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
     "["
     "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
     "]\n",
     "1:", "too deeply"},
    {"merge-scalar", "<<: 5\nlisten: 0\n" HOSTS, "1:1", "merge key"},
};

static void assert_begins(const char *message, const char *file, const char *where)
{
    g_autofree char *prefix = g_strdup_printf("%s:%s", file, where);

    if (!g_str_has_prefix(message, prefix))
        g_error("\"%s\" does not begin with \"%s\"", message, prefix);
}

/* Start fails as it should, and the daemon, the same one, can do other things. */
static void assert_start_fails(Fixture *f, const char *where, const char *what)
{
    g_autofree char *file = fixture_config_file(f, "www"), *state = NULL, *url = NULL;
    g_autofree char *message = client_call_error(fixture_get_client(f), PATH, NULL, "Start", NULL,
                                                 SLUICE_ERROR("InvalidConfig"));

    assert_begins(message, file, where);
    assert_contains(message, what);
    state = fixture_get_state(f, "www");
    g_assert_cmpstr(state, ==, "failed");
    url = fixture_start(f, "good");
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
    g_assert_cmpuint(fixture_count_started(f), ==, 1);
}

static void test_bad(gconstpointer data)
{
    const Case *bad = data;
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *dir = fixture_path(f, "www"), *text = NULL, *message = NULL;
    g_auto(GStrv) parts = g_strsplit(bad->text, "%s", 2);

    text = g_strjoinv(dir, parts);
    fixture_write_config(f, "www", text);
    fixture_write_static(f, "good", NULL);
    assert_start_fails(f, bad->where, bad->what);

    message = client_call_error(fixture_get_client(f), MANAGER_PATH, NULL, "CheckConfig",
                                g_variant_new("(s)", text), SLUICE_ERROR("InvalidConfig"));
    assert_begins(message, "config", bad->where);
    assert_contains(message, bad->what);
}

/* ---- Files that are none ---- */

static void test_directory(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *file = fixture_config_file(f, "www");

    g_assert_cmpint(mkdir(file, 0755), ==, 0);
    fixture_write_static(f, "good", NULL);
    assert_start_fails(f, "1:1: ", "not a regular file");
}

/* Nobody writes to it: opening it to read would wait for ever. */
static void test_fifo(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *file = fixture_config_file(f, "www");

    g_assert_cmpint(mkfifo(file, 0644), ==, 0);
    fixture_write_static(f, "good", NULL);
    assert_start_fails(f, "1:1: ", "not a regular file");
}

static void test_link(gconstpointer target)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *file = fixture_config_file(f, "www");
    gboolean exists = g_file_test(target, G_FILE_TEST_EXISTS);

    g_assert_cmpint(symlink(target, file), ==, 0);
    fixture_write_static(f, "good", NULL);
    assert_start_fails(f, "1:1: ", exists ? "not a regular file" : "cannot read the file");
}

/* root may read everything, so there the mode says nothing. */
static void test_unreadable(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *file = fixture_config_file(f, "www");

    fixture_write_static(f, "www", NULL);
    fixture_write_static(f, "good", NULL);
    g_assert_cmpint(chmod(file, 0), ==, 0);
    if (geteuid() != 0)
        assert_start_fails(f, "1:1: ", "Permission denied");
    else
        g_free(fixture_start(f, "www"));
}

static void test_huge(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *comment = g_strnfill(1024 * 1024 + 1, '#');

    fixture_write_config(f, "www", comment);
    fixture_write_static(f, "good", NULL);
    assert_start_fails(f, "1:1: ", "too large");
}

/* As a text it is refused by its size, not by what the bus lets through. */
static void test_huge_text(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *comment = g_strnfill(8 * 1024 * 1024, '#');
    g_autofree char *message =
        client_call_error(fixture_get_client(f), MANAGER_PATH, NULL, "CheckConfig",
                          g_variant_new("(s)", comment), SLUICE_ERROR("InvalidConfig"));

    assert_begins(message, "config", "1:1: ");
    assert_contains(message, "too large");
}

/* Large, but not too large. */
static void test_large(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *comment = g_strnfill(1000 * 1000, '#'), *url = NULL;

    fixture_write_static(f, "www", comment);
    url = fixture_start(f, "www");
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
}

static void test_binary(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *file = fixture_config_file(f, "www");
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    g_autoptr(GError) error = NULL;
    char noise[65536];

    for (gsize i = 0; i != sizeof(noise); ++i)
        noise[i] = (char)g_rand_int_range(random, 128, 256);
    g_file_set_contents(file, noise, sizeof(noise), &error);
    g_assert_no_error(error);
    fixture_write_static(f, "good", NULL);
    assert_start_fails(f, "1:1: ", "not a YAML text");
}

/* ---- What is right although it looks odd ---- */

/* An existing h2o.conf runs unmodified; what is not for a service is told as ignored. */
static void test_ignored(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL, *log = NULL;

    fixture_write_static(f, "www",
                         "user: nobody\npid-file: /run/h2o.pid\nerror-log: /var/log/h2o/error\n"
                         "num-threads: 1\nmax-connections: 100\ntcp-fastopen: 16");
    url = fixture_start(f, "www");
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
    log = fixture_get_log(f);
    assert_contains(log, "user: ignored");
    assert_contains(log, "pid-file: ignored");
    assert_contains(log, "error-log: ignored");
    g_assert_false(g_file_test("/run/h2o.pid", G_FILE_TEST_EXISTS));
}

/* Keys twice, aliases, merge keys and !file, as h2o has them. */
static void test_dialect(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *included = fixture_path(f, "paths.yaml"), *dir = fixture_path(f, "www"),
                    *paths = NULL, *text = NULL;
    g_autofree const char **urls = NULL;
    g_autoptr(GVariant) reply = NULL;

    paths = g_strdup_printf("/: {file.dir: \"%s\"}\n", dir);
    fixture_write_file(f, "paths.yaml", paths);
    text = g_strdup_printf("listen: &local {host: 127.0.0.1, port: 0}\n"
                           "listen: *local\n"
                           "listen: {<<: *local}\n"
                           "hosts: {default: {paths: !file \"%s\"}}\n",
                           included);
    fixture_write_config(f, "www", text);
    reply = client_call(fixture_get_client(f), PATH, NULL, "Start", NULL);
    g_variant_get(reply, "(^a&s)", &urls);
    g_assert_cmpuint(g_strv_length((char **)urls), ==, 3);
    for (guint i = 0; i != 3; ++i)
        g_assert_cmpuint(web_get(urls[i], "/", NULL), ==, 200);
}

/* !file in a file that names itself. */
static void test_include_self(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *file = fixture_config_file(f, "www"), *text = NULL;

    text = g_strdup_printf("listen: 0\nhosts: !file \"%s\"\n", file);
    fixture_write_config(f, "www", text);
    fixture_write_static(f, "good", NULL);
    assert_start_fails(f, "2:8: ", "too many files");
}

/* The caller of CheckConfig may not have this daemon read other files for it. */
static void test_include_text(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *message =
        client_call_error(fixture_get_client(f), MANAGER_PATH, NULL, "CheckConfig",
                          g_variant_new("(s)", "listen: 0\nhosts: !file /etc/passwd\n"),
                          SLUICE_ERROR("InvalidConfig"));

    assert_begins(message, "config", "2:8: ");
    assert_contains(message, "!file");
}

int main(int argc, char *argv[])
{
    fixture_init(&argc, &argv);
    for (gsize i = 0; i != G_N_ELEMENTS(cases); ++i) {
        g_autofree char *path = g_strdup_printf("/config/bad/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_bad);
    }
    g_test_add_func("/config/file/directory", test_directory);
    g_test_add_func("/config/file/fifo", test_fifo);
    g_test_add_data_func("/config/file/endless", "/dev/zero", test_link);
    g_test_add_data_func("/config/file/dangling", "/nonexistent/www.conf", test_link);
    g_test_add_data_func("/config/file/loop", "www.conf", test_link);
    g_test_add_func("/config/file/unreadable", test_unreadable);
    g_test_add_func("/config/file/huge", test_huge);
    g_test_add_func("/config/file/huge-text", test_huge_text);
    g_test_add_func("/config/file/large", test_large);
    g_test_add_func("/config/file/binary", test_binary);
    g_test_add_func("/config/good/ignored", test_ignored);
    g_test_add_func("/config/good/dialect", test_dialect);
    g_test_add_func("/config/include/self", test_include_self);
    g_test_add_func("/config/include/text", test_include_text);
    return g_test_run();
}
