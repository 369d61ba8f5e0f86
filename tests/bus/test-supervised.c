/* SPDX-License-Identifier: MIT */
/*
 * sluiced under a service manager: what it tells it, and what it makes of the environment and the
 * descriptors that it gets, right and wrong. What outlives a restart: test-restart.c.
 */
#include "supervisor.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#define STAY "--exit-idle-time=0"

static void stop(Fixture *f, const char *name)
{
    guint drained, cut;

    fixture_stop(f, name, &drained, &cut);
}

static void assert_serves(const char *url)
{
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
}

static void assert_log(Fixture *f, const char *text)
{
    g_autofree char *log = fixture_get_log(f);

    assert_contains(log, text);
}

static int end(Supervisor *s, Child *child)
{
    return supervisor_end(s, child, SIGTERM);
}

/* ---- What it tells ---- */

static void test_told(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Supervisor) s = supervisor_new(f);
    g_autoptr(Child) child = NULL;

    fixture_write_static(f, "www", NULL);
    fixture_write_static(f, "auto", "sluice.autostart: ON");
    fixture_write_config(f, "bad", "listen: 70000\n");
    child = supervisor_start_ready(s, STAY);
    /* Whoever waits for it can call. */
    g_assert_cmpint(fixture_get_pid(f), ==, child_get_pid(child));
    supervisor_wait_told(s, "STATUS=1 of 3 servers running");
    g_free(fixture_start(f, "www"));
    supervisor_wait_told(s, "STATUS=2 of 3 servers running");
    supervisor_forget(s);
    stop(f, "www");
    supervisor_wait_told(s, "STATUS=1 of 3 servers running");
    g_free(client_call_error(fixture_get_client(f), server_path("bad"), NULL, "Start", NULL,
                             SLUICE_ERROR("InvalidConfig")));
    supervisor_wait_told(s, "STATUS=1 of 3 servers running, 1 failed");
    g_assert_false(supervisor_was_told(s, "STOPPING=1"));
    g_assert_cmpint(end(s, child), ==, 0);
    g_assert_true(supervisor_was_told(s, "STOPPING=1"));
}

static void test_told_idle(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Supervisor) s = supervisor_new(f);
    g_autoptr(Child) child = NULL;

    fixture_write_static(f, "www", NULL);
    child = supervisor_start_ready(s, "--exit-idle-time=0.05");
    g_assert_cmpint(child_wait(child), ==, 0);
    g_assert_true(supervisor_was_told(s, "STOPPING=1"));
    g_assert_cmpuint(supervisor_count_stored(s, NULL), ==, 0);
}

static void test_watchdog(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Supervisor) s = supervisor_new(f);
    g_autoptr(Child) child = NULL;

    supervisor_set(s, "WATCHDOG_USEC", "60000");
    child = supervisor_start_ready(s, STAY);
    for (guint i = 0; i != 5; ++i) {
        supervisor_forget(s);
        supervisor_wait_told(s, "WATCHDOG=1");
    }
    g_assert_cmpint(end(s, child), ==, 0);
}

/* Nobody has asked for it, or in words that say nothing, or another process is meant. */
static void test_no_watchdog(void)
{
    static const char *const usec[] = {NULL, "0", "junk", "30000"};
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Supervisor) s = supervisor_new(f);

    for (guint i = 0; i != G_N_ELEMENTS(usec); ++i) {
        g_autoptr(Child) child = NULL;
        if (usec[i] != NULL)
            supervisor_set(s, "WATCHDOG_USEC", usec[i]);
        if (g_strcmp0(usec[i], "30000") == 0)
            supervisor_set(s, "WATCHDOG_PID", "1");
        child = supervisor_start_ready(s, STAY);
        g_usleep(100000);
        g_assert_false(supervisor_was_told(s, "WATCHDOG=1"));
        g_assert_cmpint(end(s, child), ==, 0);
    }
}

/* ---- What it is passed ---- */

static void set_listen(Supervisor *s, const char *fds, const char *pid)
{
    supervisor_set(s, "LISTEN_FDS", fds);
    if (pid != NULL)
        supervisor_set(s, "LISTEN_PID", pid);
}

static void assert_works(Fixture *f, Supervisor *s)
{
    g_autoptr(Child) child = supervisor_start_ready(s, STAY);
    g_autofree char *url = fixture_start(f, "www");

    assert_serves(url);
    stop(f, "www");
    g_assert_cmpint(end(s, child), ==, 0);
}

static void test_junk(void)
{
    static const struct {
        const char *fds, *pid;
        gboolean complains;
    } cases[] = {
        {"junk", NULL, TRUE}, {"-1", NULL, TRUE}, {"99999999999", NULL, TRUE}, {"", NULL, TRUE},
        {"0", NULL, TRUE},    {"1", "1", FALSE},  {"1", "junk", TRUE},
    };
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Supervisor) s = supervisor_new(f);
    guint complaints = 0;

    fixture_write_static(f, "www", NULL);
    for (guint i = 0; i != G_N_ELEMENTS(cases); ++i) {
        set_listen(s, cases[i].fds, cases[i].pid);
        assert_works(f, s);
        complaints += cases[i].complains;
        g_assert_cmpuint(
            fixture_count_in_log(f, "cannot take the descriptors of the service manager"), ==,
            complaints);
    }
}

/* Nothing is there, or the last one is not: without any of them, and with a word about it. */
static void test_promised(gconstpointer data)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Supervisor) s = supervisor_new(f);
    gboolean one_is_there = data != NULL;

    if (one_is_there)
        g_free(supervisor_add_port(s, "www"));
    fixture_write_static(f, "www", NULL);
    set_listen(s, one_is_there ? "2" : "1", NULL);
    assert_works(f, s);
    assert_log(f, "cannot take the descriptors of the service manager, going on without: "
                  "Bad file descriptor");
}

/* What is passed may be anything: a word about each, and the daemon does without. */
static void test_useless(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Supervisor) s = supervisor_new(f);
    int ends[2];

    fixture_write_static(f, "www", NULL);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    supervisor_add_socket(s, ends[0], "www");
    supervisor_add_socket(s, ends[1], "stored+www");
    supervisor_add_socket(s, socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "");
    assert_works(f, s);
    assert_log(f, "socket for 'www': descriptor 3 is of no use: it does not listen");
    assert_log(f, "stored socket of 'www': descriptor 4 is of no use: it does not listen");
    assert_log(f, "socket for '': descriptor 5 is of no use: it is not a stream socket");
}

int main(int argc, char *argv[])
{
    fixture_init(&argc, &argv);
    g_test_add_func("/supervised/told", test_told);
    g_test_add_func("/supervised/told/idle", test_told_idle);
    g_test_add_func("/supervised/watchdog", test_watchdog);
    g_test_add_func("/supervised/watchdog/none", test_no_watchdog);
    g_test_add_func("/supervised/passed/junk", test_junk);
    g_test_add_data_func("/supervised/passed/promised", NULL, test_promised);
    g_test_add_data_func("/supervised/passed/promised-more", "", test_promised);
    g_test_add_func("/supervised/passed/useless", test_useless);
    return g_test_run();
}
