/* SPDX-License-Identifier: MIT */
/*
 * Leaving when idle, and that no call is lost over it. The idle time is so short here that the
 * daemon leaves and is activated again some hundred times in one test.
 */
#include "fixture.h"

#include <signal.h>

/* What a test that goes on until it has seen enough takes at most. */
#define PATIENCE (4 * G_USEC_PER_SEC)

static Client *client_of(Fixture *f)
{
    return fixture_get_client(f);
}

static void test_leaves(void)
{
    g_autoptr(Fixture) f = fixture_new();

    fixture_set_arguments(f, "--exit-idle-time=0.2");
    fixture_write_static(f, "www", NULL);
    g_free(fixture_get_state(f, "www"));
    fixture_wait_ended(f, 1);
    g_assert_cmpint(fixture_get_status(f, 0), ==, 0);
    /* and is there again when somebody calls */
    g_free(fixture_get_state(f, "www"));
    g_assert_cmpuint(fixture_count_started(f), ==, 2);
}

static void test_leaves_after_stop(void)
{
    g_autoptr(Fixture) f = fixture_new();
    guint drained, cut;

    fixture_set_arguments(f, "--exit-idle-time=0.2");
    fixture_write_static(f, "www", NULL);
    g_free(fixture_start(f, "www"));
    fixture_stop(f, "www", &drained, &cut);
    fixture_wait_ended(f, 1);
    g_assert_cmpint(fixture_get_status(f, 0), ==, 0);
}

/* A failed start is nothing to stay for. */
static void test_leaves_after_failure(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *message = NULL;

    fixture_set_arguments(f, "--exit-idle-time=0.2");
    fixture_write_config(f, "www", "listen: 70000\n");
    message = client_call_error(client_of(f), server_path("www"), NULL, "Start", NULL,
                                SLUICE_ERROR("InvalidConfig"));
    fixture_wait_ended(f, 1);
    g_assert_cmpint(fixture_get_status(f, 0), ==, 0);
}

/* Fifty times the idle time is a while. */
static void test_stays_running(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL;

    fixture_set_arguments(f, "--exit-idle-time=0.01");
    fixture_write_static(f, "www", NULL);
    url = fixture_start(f, "www");
    g_usleep(G_USEC_PER_SEC / 2);
    g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
    g_assert_cmpuint(fixture_count_started(f), ==, 1);
}

static void test_stays_draining(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Upstream) upstream = upstream_new();
    g_autofree char *url = NULL;
    g_autoptr(Busy) busy = NULL;
    g_autoptr(GVariant) reply = NULL;
    guint32 stop;

    fixture_set_arguments(f, "--exit-idle-time=0.01");
    fixture_write_proxy(f, "www", upstream, "sluice.stop-timeout: 3600");
    url = fixture_start(f, "www");
    busy = busy_new(url, upstream);
    stop = client_send(client_of(f), server_path("www"), NULL, "Stop", NULL);
    g_usleep(G_USEC_PER_SEC / 2);
    busy_finish(busy);
    reply = client_receive(client_of(f), stop);
    assert_prints(reply, "(uint32 1, uint32 0)");
    fixture_wait_ended(f, 1);
    g_assert_cmpint(fixture_get_status(f, 0), ==, 0);
}

/* 0 is never. */
static void test_never(void)
{
    g_autoptr(Fixture) f = fixture_new();

    fixture_set_arguments(f, "--exit-idle-time=0");
    fixture_write_static(f, "www", NULL);
    g_free(fixture_get_state(f, "www"));
    g_usleep(G_USEC_PER_SEC / 2);
    g_free(fixture_get_state(f, "www"));
    g_assert_cmpuint(fixture_count_started(f), ==, 1);
}

/* ---- No call is lost ---- */

#define N_CLIENTS 8
#define N_CALLS   1000
#define IDLE_USEC 10000
#define ARGUMENTS "--exit-idle-time=0.01"
#define EXITS_AWAIT                                                                                \
    5 /* at least so many exits must have been seen for the test to mean anything                  \
       */

/* sd-event lets timers wait for each other, by up to this and until a phase of this period. */
#define TIMER_PERIOD 250000

/* The place at or after `from` of the signal that nobody owns the name now, or `to`. */
static guint find_release(Client *client, guint from, guint to)
{
    for (; from != to; ++from) {
        GDBusMessage *message = client_get_message(client, from);
        const char *owner;

        if (g_strcmp0(g_dbus_message_get_member(message), "NameOwnerChanged") != 0)
            continue;
        g_variant_get(g_dbus_message_get_body(message), "(&s&s&s)", NULL, NULL, &owner);
        if (*owner == '\0')
            break;
    }
    return from;
}

/* Sleeps until about the next moment at which the daemon could leave. */
static void sleep_until_exit(GRand *random, gint64 last_exit)
{
    gint64 now = g_get_monotonic_time(), next = last_exit;

    /* Lets it leave once; and now and then assumes nothing of timers. */
    if (last_exit == 0 || g_rand_int_range(random, 0, 8) == 0) {
        g_usleep((gulong)(last_exit == 0 ? TIMER_PERIOD + 2 * IDLE_USEC
                                         : g_rand_int_range(random, 0, 3 * IDLE_USEC)));
        return;
    }
    next += ((now + 2 * IDLE_USEC - last_exit) / TIMER_PERIOD + 1) * TIMER_PERIOD;
    g_usleep((gulong)(next - now + g_rand_int_range(random, -500, 1000)));
}

/*
 * An instance that finds calls while it leaves takes the name back, and then one that the bus has
 * activated meanwhile ends with status 1 and says why. No call is lost by that; any other error is
 * none that belongs here.
 */
static void expect_rivals(Fixture *f)
{
    fixture_allow_status(f, 1);
}

static void assert_rivals_only(Fixture *f)
{
    g_autofree char *log = fixture_get_log(f);
    guint excuses = 0, failures = 0;

    for (const char *p = log; (p = strstr(p, BUS_NAME " belongs to")) != NULL; ++p)
        ++excuses;
    for (guint i = 0; i != fixture_count_ended(f); ++i)
        failures += fixture_get_status(f, i) != 0;
    g_assert_cmpuint(failures, <=, excuses);
}

/* Clients call at the same time, again and again around the moment at which the daemon leaves. */
static void test_hammer(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GRand) random = g_rand_new_with_seed((guint32)g_test_rand_int());
    Client *clients[N_CLIENTS];
    gint64 last_exit = 0;
    guint calls = 0, seen = 0;

    expect_rivals(f);
    fixture_set_arguments(f, ARGUMENTS);
    fixture_write_static(f, "www", NULL);
    for (guint i = 0; i != N_CLIENTS; ++i)
        clients[i] = client_new(fixture_get_address(f));
    while (calls < N_CALLS || (fixture_count_started(f) < EXITS_AWAIT && calls < 100 * N_CALLS)) {
        guint32 serials[N_CLIENTS][6];
        guint mark;

        sleep_until_exit(random, last_exit);
        for (guint i = 0; i != N_CLIENTS; ++i) {
            for (guint j = 0; j != G_N_ELEMENTS(serials[i]); ++j)
                serials[i][j] = client_send(clients[i], MANAGER_PATH, NULL,
                                            i % 2 == 0 ? "Status" : "ListServers", NULL);
            if (g_rand_boolean(random))
                g_usleep((gulong)g_rand_int_range(random, 0, 300));
        }
        for (guint i = 0; i != N_CLIENTS; ++i)
            for (guint j = 0; j != G_N_ELEMENTS(serials[i]); ++j, ++calls)
                g_variant_unref(client_receive(clients[i], serials[i][j]));
        mark = client_mark(clients[0]);
        while ((seen = find_release(clients[0], seen, mark)) != mark)
            last_exit = client_get_time(clients[0], seen++);
    }
    for (guint i = 0; i != N_CLIENTS; ++i)
        client_free(clients[i]);
    assert_rivals_only(f);
    g_test_message("%u calls, %u instances", calls, fixture_count_started(f));
    g_assert_cmpuint(fixture_count_started(f), >=, EXITS_AWAIT);
}

/* The process behind a unique name, or 0 if it has left the bus. */
static pid_t get_pid(Client *client, const char *owner)
{
    GDBusMessage *reply = client_receive_any(
        client, client_send_to(client, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                               "org.freedesktop.DBus", "GetConnectionUnixProcessID",
                               g_variant_new("(s)", owner)));
    guint32 pid = 0;

    if (g_dbus_message_get_message_type(reply) == G_DBUS_MESSAGE_TYPE_METHOD_RETURN)
        g_variant_get(g_dbus_message_get_body(reply), "(u)", &pid);
    return (pid_t)pid;
}

/* Stops the process of a daemon that has the name, and returns its unique name; g_free() it. */
static char *hold(Fixture *f, pid_t *ret_pid)
{
    Client *client = client_of(f);

    /* On a busy machine it may be gone before it is held, so this is tried until it is not. */
    for (;;) {
        guint place =
            client_place_of_reply(client, client_send(client, MANAGER_PATH, NULL, "Status", NULL));
        const char *owner = g_dbus_message_get_sender(client_get_message(client, place));
        pid_t pid = get_pid(client, owner);

        if (pid <= 0 || kill(pid, SIGSTOP) < 0)
            continue;
        if (fixture_get_pid(f) == pid) {
            *ret_pid = pid;
            return g_strdup(owner);
        }
        kill(pid, SIGCONT);
    }
}

/*
 * The idle time passes while the daemon cannot run, and so do calls, to its name and to its unique
 * name: as it wakes up, the time to leave has come and the calls are in its socket.
 */
static void test_queued(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = client_of(f);
    guint answered = 0;

    expect_rivals(f);
    fixture_set_arguments(f, ARGUMENTS);
    fixture_write_static(f, "www", NULL);
    for (guint round = 0; round != 8; ++round) {
        pid_t pid;
        g_autofree char *owner = hold(f, &pid);
        guint32 serials[10];

        g_usleep(IDLE_USEC + TIMER_PERIOD);
        for (guint i = 0; i != G_N_ELEMENTS(serials); ++i)
            serials[i] = client_send_to(client, i % 2 == 0 ? BUS_NAME : owner, MANAGER_PATH,
                                        MANAGER_INTERFACE, "Status", NULL);
        client_sync(client);
        g_assert_cmpint(kill(pid, SIGCONT), ==, 0);
        for (guint i = 0; i != G_N_ELEMENTS(serials); ++i, ++answered)
            g_variant_unref(client_receive(client, serials[i]));
    }
    assert_rivals_only(f);
    g_assert_cmpuint(answered, ==, 80);
}

/* As soon as the bus says that the name is free: the old instance may be there still. */
static void test_call_at_release(void)
{
    g_autoptr(Fixture) f = fixture_new();
    Client *client = client_of(f);
    gint64 end = g_get_monotonic_time() + PATIENCE;
    guint n = 0;

    fixture_set_arguments(f, ARGUMENTS);
    fixture_write_static(f, "www", NULL);
    for (; n != 100 && (n < EXITS_AWAIT || g_get_monotonic_time() < end); ++n) {
        guint from = client_mark(client), place = from;
        const char *owner = NULL;

        g_variant_unref(client_call(client, MANAGER_PATH, NULL, "Status", NULL));
        /* gone: the new owner is "" */
        for (; owner == NULL || *owner != '\0'; ++place) {
            place =
                client_place_of_signal(client, place, "/org/freedesktop/DBus", "NameOwnerChanged");
            g_variant_get(g_dbus_message_get_body(client_get_message(client, place)), "(&s&s&s)",
                          NULL, NULL, &owner);
        }
        g_variant_unref(client_call(client, MANAGER_PATH, NULL, "Status", NULL));
        client_forget(client);
    }
    g_assert_cmpuint(n, >=, EXITS_AWAIT);
}

/* What a call has started is there afterwards, not gone with an instance that was leaving. */
static void test_start_around_exit(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GRand) random = g_rand_new_with_seed((guint32)g_test_rand_int());
    gint64 end = g_get_monotonic_time() + PATIENCE, last_exit = 0;
    guint drained, cut, n = 0, seen = 0;

    expect_rivals(f);
    fixture_set_arguments(f, ARGUMENTS);
    fixture_write_static(f, "www", NULL);
    while ((fixture_count_started(f) < EXITS_AWAIT && n < 10000) || g_get_monotonic_time() < end) {
        g_autofree char *url = NULL;
        guint mark;

        sleep_until_exit(random, last_exit);
        url = fixture_start(f, "www");
        g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
        fixture_stop(f, "www", &drained, &cut);
        ++n;
        mark = client_mark(client_of(f));
        while ((seen = find_release(client_of(f), seen, mark)) != mark)
            last_exit = client_get_time(client_of(f), seen++);
    }
    assert_rivals_only(f);
    g_test_message("%u starts, %u instances", n, fixture_count_started(f));
    g_assert_cmpuint(fixture_count_started(f), >=, EXITS_AWAIT);
}

int main(int argc, char *argv[])
{
    fixture_init(&argc, &argv);
    g_test_add_func("/idle/leaves", test_leaves);
    g_test_add_func("/idle/leaves/after-stop", test_leaves_after_stop);
    g_test_add_func("/idle/leaves/after-failure", test_leaves_after_failure);
    g_test_add_func("/idle/stays/running", test_stays_running);
    g_test_add_func("/idle/stays/draining", test_stays_draining);
    g_test_add_func("/idle/never", test_never);
    g_test_add_func("/idle/lost/hammer", test_hammer);
    g_test_add_func("/idle/lost/queued", test_queued);
    g_test_add_func("/idle/lost/at-release", test_call_at_release);
    g_test_add_func("/idle/lost/start", test_start_around_exit);
    return g_test_run();
}
