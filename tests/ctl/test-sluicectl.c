/* SPDX-License-Identifier: MIT */
/* The commands of sluicectl: what they do, print and exit with. attach: test-attach.c. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "authority.h"
#include "tool.h"

#define NOBODY 65534

static void test_usage(void)
{
    static const char *const senseless[] = {
        "nonsense",
        "start",
        "stop",
        "start --all www",
        "check",
        "attach",
        "attach a b",
        "list www",
        "--nonsense",
        "start --timeout=1 www",
        "reload --all",
        "stop --timeout=x www",
        "stop --timeout=-1 www",
        "stop --all --timeout=1",
    };
    g_autoptr(Fixture) f = fixture_new();

    for (guint i = 0; i < G_N_ELEMENTS(senseless); ++i)
        tool_check_error(f, senseless[i], 2, "Try 'sluicectl --help'.");
    g_assert_cmpuint(fixture_count_started(f), ==, 0);
}

static void test_help(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Child) help = tool_run(f, "--help"), version = tool_run(f, "--version");

    g_assert_cmpint(child_wait(help), ==, 0);
    assert_contains(child_get_stdout(help), "attach NAME");
    g_assert_cmpint(child_wait(version), ==, 0);
    g_assert_true(g_str_has_prefix(child_get_stdout(version), "sluicectl "));
    g_assert_cmpuint(fixture_count_started(f), ==, 0);
}

static void test_start_stop(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL, *expected = NULL, *state = NULL;
    g_autoptr(Child) start = NULL;

    fixture_write_static(f, "www", NULL);
    start = tool_run(f, "start www");
    g_assert_cmpint(child_wait(start), ==, 0);
    url = g_strdup(child_get_stdout(start));
    g_assert_true(g_str_has_prefix(url, "http://127.0.0.1:"));
    /* Once more: the same. */
    tool_check(f, "start www", 0, url);
    g_strchomp(url);
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);

    tool_check(f, "-q reload www", 0, "");
    tool_check(f, "stop --timeout=0 www", 0, "");
    state = fixture_get_state(f, "www");
    g_assert_cmpstr(state, ==, "stopped");
    tool_check(f, "stop www", 0, "");
    tool_check_error(f, "reload www", 1, "cannot reload www: ");
}

static void test_several(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url_a = NULL, *url_b = NULL, *expected = NULL;

    fixture_write_static(f, "alpha", NULL);
    fixture_write_static(f, "b", NULL);
    url_a = fixture_start(f, "alpha");
    url_b = fixture_start(f, "b");
    expected = g_strdup_printf("b      %s\nalpha  %s\n", url_b, url_a);
    tool_check(f, "start b alpha", 0, expected);
    /* One that fails does not keep the others. */
    tool_check_error(f, "stop alpha nowhere b", 1,
                     "cannot stop nowhere: there is no server 'nowhere'");
    tool_check(f, "-q status alpha b", 3, "");
}

static void test_all(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *state = NULL;

    fixture_write_static(f, "one", NULL);
    fixture_write_static(f, "two", NULL);
    tool_check(f, "-q start --all", 0, "");
    tool_check(f, "-q status one two", 0, "");
    fixture_write_static(f, "three", NULL);
    tool_check(f, "reload", 0, "");
    tool_check(f, "-q status three", 3, "");
    tool_check(f, "stop --all", 0, "");
    state = fixture_get_state(f, "one");
    g_assert_cmpstr(state, ==, "stopped");
}

static void test_list(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL, *expected = NULL;

    tool_check(f, "list", 0, "NAME  STATE  LISTEN  DESCRIPTION\n");
    tool_check(f, "list --no-legend", 0, "");
    fixture_write_static(f, "www", "sluice.description: \"caf\xc3\xa9 \\e[31m\"");
    fixture_write_static(f, "other", NULL);
    tool_check(f, "reload", 0, "");
    url = fixture_start(f, "www");
    /* Nothing that a configuration says speaks to a terminal. */
    expected = g_strdup_printf("other  stopped\nwww    running  %s  caf\xc3\xa9 ?[31m\n", url);
    tool_check(f, "--no-legend list", 0, expected);
    tool_check(f, "--no-legend", 0, expected);
}

/* A file that sluiced has not seen yet. */
static void test_new_file(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Child) start = NULL;

    tool_check(f, "--no-legend list", 0, "");
    fixture_write_static(f, "late", NULL);
    start = tool_run(f, "start late");
    g_assert_cmpint(child_wait(start), ==, 0);
    g_assert_true(g_str_has_prefix(child_get_stdout(start), "http://127.0.0.1:"));
    tool_check_error(f, "start later", 1, "there is no server 'later': no servers/later.conf");
    tool_check_error(f, "start ../x", 1, "'../x' is not a server's name");
}

static void test_status(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Child) server = NULL, manager = NULL, broken = NULL;
    g_autofree char *url = NULL;

    fixture_write_static(f, "www", "sluice.description: Pages");
    fixture_write_config(f, "broken", "listen: [\n");
    url = fixture_start(f, "www");
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
    g_assert_cmpuint(web_get(url, "/nowhere", NULL), ==, 404);

    server = tool_run(f, "status www");
    g_assert_cmpint(child_wait(server), ==, 0);
    assert_contains(child_get_stdout(server), "www - Pages\n");
    assert_contains(child_get_stdout(server), "      State:  running since ");
    assert_contains(child_get_stdout(server), url);
    assert_contains(child_get_stdout(server), "   Requests:  2 (2xx 1, 4xx 1)\n");

    tool_check_error(f, "start broken", 1, "broken.conf:");
    broken = tool_run(f, "status broken");
    g_assert_cmpint(child_wait(broken), ==, 3);
    assert_contains(child_get_stdout(broken), "     Result:  config\n");
    assert_contains(child_get_stdout(broken), "broken.conf:");

    tool_check(f, "status -q www broken", 3, "");
    tool_check_error(f, "status -q www nowhere broken", 1,
                     "there is no server 'nowhere': no servers/nowhere.conf");

    manager = tool_run(f, "status");
    g_assert_cmpint(child_wait(manager), ==, 0);
    assert_contains(child_get_stdout(manager), "    Servers:  2, 1 running, 1 failed\n");
}

static void test_check(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *good = fixture_config_file(f, "good"), *bad = fixture_config_file(f, "bad"),
                    *latin1 = fixture_config_file(f, "latin1"),
                    *line = g_strdup_printf("check %s %s", bad, good),
                    *expected = g_strdup_printf("%s:2:", bad);

    fixture_write_static(f, "good", NULL);
    fixture_write_config(f, "bad", "listen: 80\nnonsense: 1\n");
    fixture_write_config(f, "latin1", "sluice.description: caf\xe9\n");
    tool_check_error(f, line, 1, expected);
    g_free(line);
    line = g_strdup_printf("check %s", good);
    tool_check(f, line, 0, "");
    g_free(line);
    line = g_strdup_printf("check %s", latin1);
    tool_check_error(f, line, 1, "it is not UTF-8");
    tool_check_error(f, "check /nonexistent", 1, "cannot read /nonexistent: No such file");
    tool_check_error(f, "check /dev/zero", 1, "it is not text");
}

typedef struct Expected {
    Child *child;
    const char *text;
} Expected;

static gboolean has_printed(gpointer userdata)
{
    const Expected *expected = userdata;

    return strstr(child_get_stdout(expected->child), expected->text) != NULL;
}

static void wait_for(Child *child, const char *text)
{
    Expected expected = {child, text};

    wait_until(has_printed, &expected, text);
}

/* Have two monitors subscribed to everything? Other clients of the bus have fewer matches. */
static gboolean two_listen(gpointer userdata)
{
    Client *client = fixture_get_client(userdata);
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GVariantIter) iter = NULL;
    char **rules;
    guint n = 0;

    reply = client_receive(
        client, client_send_to(client, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                               "org.freedesktop.DBus.Debug.Stats", "GetAllMatchRules", NULL));
    g_variant_get(reply, "(a{sas})", &iter);
    while (g_variant_iter_next(iter, "{&s^as}", NULL, &rules)) {
        n += g_strv_length(rules) >= 4;
        g_strfreev(rules);
    }
    return n == 2;
}

static void test_monitor(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Child) all = tool_spawn(f, "monitor", (uid_t)-1),
                     one = tool_spawn(f, "monitor two", (uid_t)-1);

    fixture_write_static(f, "one", NULL);
    fixture_write_static(f, "two", NULL);
    wait_until(two_listen, f, "sluicectl monitor to listen");
    /* Listening has not woken it. */
    g_assert_cmpuint(fixture_count_started(f), ==, 0);

    g_free(fixture_start(f, "one"));
    g_free(fixture_start(f, "two"));
    fixture_stop(f, "one", NULL, NULL);
    fixture_stop(f, "two", NULL, NULL);
    wait_for(all, "sluiced is there\n");
    wait_for(all, "one: starting -> running (request, http://127.0.0.1:");
    wait_for(all, "two: stopping -> stopped (request, 0 finished, 0 cut)\n");
    wait_for(one, "two: stopping -> stopped (request, 0 finished, 0 cut)\n");
    g_assert_null(strstr(child_get_stdout(one), "one: "));

    fixture_remove_config(f, "two");
    tool_check(f, "reload", 0, "");
    wait_for(one, "two: removed\n");
    fixture_write_static(f, "two", NULL);
    tool_check(f, "reload", 0, "");
    wait_for(one, "two: added\n");
}

static void test_no_sluiced(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *service = fixture_path(f, "services/" BUS_NAME ".service");

    g_assert_cmpint(remove(service), ==, 0);
    g_variant_unref(client_receive(fixture_get_client(f),
                                   client_send_to(fixture_get_client(f), "org.freedesktop.DBus",
                                                  "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                                  "ReloadConfig", NULL)));
    tool_check_error(f, "list", 1, "no sluiced can be reached on unix:path=");
}

static void test_no_bus(void)
{
    g_autoptr(Fixture) f = fixture_new();

    fixture_kill_bus(f);
    tool_check_error(f, "list", 1, "cannot connect to unix:path=");
}

/* May polkit ask for a password? Yes, unless told otherwise. */
static void test_ask_password(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Authority) authority = authority_new(fixture_get_address(f));
    g_autofree char *arguments = NULL;
    g_autoptr(Child) asking = NULL, silent = NULL;
    uid_t uid = geteuid() == 0 ? NOBODY : (uid_t)-1;

    arguments = g_strdup_printf("--system --address=%s --exit-idle-time=0", fixture_get_address(f));
    fixture_set_arguments(f, arguments);
    fixture_write_static(f, "www", NULL);
    asking = tool_spawn(f, "start www", uid);
    g_assert_cmpuint(authority_get(authority, 0)->flags, ==, 1);
    authority_answer(authority, 0, ANSWER_CHALLENGE);
    g_assert_cmpint(child_wait(asking), ==, 1);
    assert_contains(child_get_stderr(asking), "nobody here can be asked");

    silent = tool_spawn(f, "--no-ask-password start www", uid);
    g_assert_cmpuint(authority_get(authority, 1)->flags, ==, 0);
    authority_answer(authority, 1, ANSWER_NO);
    g_assert_cmpint(child_wait(silent), ==, 1);
    assert_contains(child_get_stderr(silent), "cannot start www: ");
}

int main(int argc, char *argv[])
{
    fixture_init(&argc, &argv);
    g_test_add_func("/sluicectl/usage", test_usage);
    g_test_add_func("/sluicectl/help", test_help);
    g_test_add_func("/sluicectl/start-stop", test_start_stop);
    g_test_add_func("/sluicectl/several", test_several);
    g_test_add_func("/sluicectl/all", test_all);
    g_test_add_func("/sluicectl/list", test_list);
    g_test_add_func("/sluicectl/new-file", test_new_file);
    g_test_add_func("/sluicectl/status", test_status);
    g_test_add_func("/sluicectl/check", test_check);
    g_test_add_func("/sluicectl/monitor", test_monitor);
    g_test_add_func("/sluicectl/no-sluiced", test_no_sluiced);
    g_test_add_func("/sluicectl/no-bus", test_no_bus);
    g_test_add_func("/sluicectl/ask-password", test_ask_password);
    return g_test_run();
}
