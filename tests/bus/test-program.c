/* SPDX-License-Identifier: MIT */
/* The command line of sluiced: exit statuses and what it prints. No bus is needed for any of it. */
#include "fixture.h"

#include <unistd.h>

/* Runs sluiced with up to two arguments. */
static Child *run(Fixture *f, const char *first, const char *second)
{
    const char *const arguments[] = {first, second, NULL};

    return fixture_spawn(f, arguments);
}

static void test_version(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Child) child = run(f, "--version", NULL);

    g_assert_cmpint(child_wait(child), ==, 0);
    g_assert_true(g_regex_match_simple("^sluiced [0-9]+\\.[0-9]+\\.[0-9]+\n$",
                                       child_get_stdout(child), 0, 0));
    g_assert_cmpstr(child_get_stderr(child), ==, "");
}

static void test_help(void)
{
    static const char *const options[] = {
        "--system",      "--user",  "--address=", "--threads", "--exit-idle-time",
        "--config-dir=", "--check", "--version",  "--help"};
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Child) child = run(f, "--help", NULL);

    g_assert_cmpint(child_wait(child), ==, 0);
    for (gsize i = 0; i != G_N_ELEMENTS(options); ++i)
        assert_contains(child_get_stdout(child), options[i]);
    g_assert_cmpstr(child_get_stderr(child), ==, "");
}

typedef struct Misuse {
    const char *name, *first, *second, *what;
} Misuse;

static const Misuse misuses[] = {
    {"unknown-option", "--frobnicate", NULL, "--frobnicate"},
    {"short-option", "-x", NULL, "x"},
    {"argument", "www.conf", NULL, "www.conf"},
    {"no-value", "--threads", NULL, "threads"},
    {"needless-value", "--user=root", NULL, "user"},
    {"threads-zero", "--threads=0", NULL, "'0'"},
    {"threads-negative", "--threads=-1", NULL, "'-1'"},
    {"threads-many", "--threads=257", NULL, "'257'"},
    {"threads-word", "--threads=two", NULL, "'two'"},
    {"threads-half", "--threads=2x", NULL, "'2x'"},
    {"threads-empty", "--threads=", NULL, "''"},
    {"idle-word", "--exit-idle-time=soon", NULL, "'soon'"},
    {"idle-negative", "--exit-idle-time=-1", NULL, "'-1'"},
    {"idle-nan", "--exit-idle-time=nan", NULL, "'nan'"},
    {"check-argument", "--check", NULL, "check"},
};

/* Status 2, a word about it and about --help on standard error. */
static void test_misuse(gconstpointer data)
{
    const Misuse *misuse = data;
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Child) child = run(f, misuse->first, misuse->second);

    g_assert_cmpint(child_wait(child), ==, 2);
    assert_contains(child_get_stderr(child), misuse->what);
    assert_contains(child_get_stderr(child), "--help");
    g_assert_cmpstr(child_get_stdout(child), ==, "");
}

/* ---- --check ---- */

static void test_check_good(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *file = fixture_config_file(f, "www");
    g_autoptr(Child) child = NULL;

    fixture_write_static(f, "www", NULL);
    child = run(f, "--check", file);
    g_assert_cmpint(child_wait(child), ==, 0);
    g_assert_cmpstr(child_get_stderr(child), ==, "");
    g_assert_cmpstr(child_get_stdout(child), ==, "");
}

/* The exact line that an editor or a CI job takes apart. */
static void check_bad(const char *text, const char *expected)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *file = fixture_config_file(f, "www"), *line = NULL;
    g_autoptr(Child) child = NULL;

    fixture_write_config(f, "www", text);
    line = g_strdup_printf("%s:%s\n", file, expected);
    child = run(f, "--check", file);
    g_assert_cmpint(child_wait(child), ==, 1);
    g_assert_cmpstr(child_get_stderr(child), ==, line);
    g_assert_cmpstr(child_get_stdout(child), ==, "");
}

static void test_check_port(void)
{
    check_bad("# a comment\nlisten: 70000\n",
              "2:9: listen: `port` must be a number from 0 to 65535, not `70000`");
}

static void test_check_root(void)
{
    check_bad("listen: 0\n"
              "hosts:\n"
              "  default:\n"
              "    paths:\n"
              "      /:\n"
              "        # where it was before\n"
              "        file.dir: /nonexistent\n",
              "7:19: file.dir: `/nonexistent`: No such file or directory");
}

static void test_check_missing(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Child) child = run(f, "--check", "/nonexistent/www.conf");

    g_assert_cmpint(child_wait(child), ==, 1);
    assert_contains(child_get_stderr(child), "/nonexistent/www.conf:1:1: ");
    assert_contains(child_get_stderr(child), "No such file");
}

/* As a Start would, up to binding. */
static void test_check_in_use(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *file = fixture_config_file(f, "www"), *url = NULL, *text = NULL,
                    *dir = fixture_path(f, "www"), *path = fixture_path(f, "www.sock");
    g_autoptr(Child) child = NULL;

    text = g_strdup_printf("listen: {type: unix, port: \"%s\"}\n"
                           "hosts: {default: {paths: {/: {file.dir: \"%s\"}}}}\n",
                           path, dir);
    fixture_write_config(f, "www", text);
    url = fixture_start(f, "www");
    child = run(f, "--check", file);
    g_assert_cmpint(child_wait(child), ==, 0);
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
}

/* What is accepted but ignored is said, and is no mistake. */
static void test_check_warning(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *file = fixture_config_file(f, "www"), *prefix = NULL;
    g_autoptr(Child) child = NULL;

    fixture_write_static(f, "www", "user: nobody");
    child = run(f, "--check", file);
    g_assert_cmpint(child_wait(child), ==, 0);
    prefix = g_strdup_printf("%s:1:", file);
    assert_contains(child_get_stderr(child), prefix);
    assert_contains(child_get_stderr(child), "ignored");
}

int main(int argc, char *argv[])
{
    fixture_init(&argc, &argv);
    g_test_add_func("/program/version", test_version);
    g_test_add_func("/program/help", test_help);
    for (gsize i = 0; i != G_N_ELEMENTS(misuses); ++i) {
        g_autofree char *path = g_strdup_printf("/program/misuse/%s", misuses[i].name);

        g_test_add_data_func(path, &misuses[i], test_misuse);
    }
    g_test_add_func("/program/check/good", test_check_good);
    g_test_add_func("/program/check/port", test_check_port);
    g_test_add_func("/program/check/document-root", test_check_root);
    g_test_add_func("/program/check/missing", test_check_missing);
    g_test_add_func("/program/check/in-use", test_check_in_use);
    g_test_add_func("/program/check/warning", test_check_warning);
    return g_test_run();
}
