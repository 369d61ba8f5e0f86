/* SPDX-License-Identifier: MIT */
/*
 * Who may do what on a system bus: sluiced runs with --system on a private bus, where the test
 * plays polkit. The clients that are asked about are strangers: nobody, when the tests run as root.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "authority.h"
#include "fixture.h"

#define NOBODY 65534

#define ACTION(name) "org.sluice.Sluice1." name

/* A sluiced that takes the bus for the system's, with a server www. */
static Fixture *system_fixture_new(const char *idle_time)
{
    Fixture *f = fixture_new();
    g_autofree char *arguments = g_strdup_printf("--system --address=%s --exit-idle-time=%s",
                                                 fixture_get_address(f), idle_time);

    fixture_set_arguments(f, arguments);
    fixture_write_static(f, "www", NULL);
    return f;
}

/* A client that is not root. */
static Client *stranger_new(Fixture *f)
{
    gboolean root = geteuid() == 0;
    Client *client;

    if (root)
        g_assert_cmpint(seteuid(NOBODY), ==, 0);
    client = client_new(fixture_get_address(f));
    if (root)
        g_assert_cmpint(seteuid(0), ==, 0);
    return client;
}

/* What root can do is known to root only. */
static gboolean skip_without_root(void)
{
    if (geteuid() == 0)
        return FALSE;
    g_test_skip("needs root");
    return TRUE;
}

static guint32 send_start(Client *client)
{
    return client_send(client, server_path("www"), NULL, "Start", NULL);
}

/* Status is for everybody, whoever waits for polkit. */
static char *get_state(Client *client)
{
    g_autoptr(GVariant) reply = client_call(client, server_path("www"), NULL, "Status", NULL),
                        status = g_variant_get_child_value(reply, 0);
    char *state = NULL;

    g_assert_true(g_variant_lookup(status, "State", "s", &state));
    return state;
}

static void assert_state(Client *client, const char *expected)
{
    g_autofree char *state = get_state(client);

    g_assert_cmpstr(state, ==, expected);
}

static void test_question(void)
{
    g_autoptr(Fixture) f = system_fixture_new("0");
    g_autoptr(Authority) authority = authority_new(fixture_get_address(f));
    g_autoptr(Client) stranger = stranger_new(f);
    guint32 serial = send_start(stranger);
    const Question *question = authority_get(authority, 0);

    g_assert_cmpstr(question->kind, ==, "system-bus-name");
    g_assert_cmpstr(question->subject, ==, client_get_name(stranger));
    g_assert_cmpstr(question->action, ==, ACTION("start"));
    g_assert_cmpuint(question->n_details, ==, 0);
    g_assert_cmpuint(question->flags, ==, 0);
    g_assert_cmpstr(question->id, !=, "");

    /* Nothing happens before the answer. */
    assert_state(stranger, "stopped");
    authority_answer(authority, 0, ANSWER_YES);
    g_variant_unref(client_receive(stranger, serial));
    assert_state(stranger, "running");
}

static void test_denied(void)
{
    g_autoptr(Fixture) f = system_fixture_new("0");
    g_autoptr(Authority) authority = authority_new(fixture_get_address(f));
    g_autoptr(Client) stranger = stranger_new(f);
    guint32 serial = send_start(stranger);
    g_autofree char *message = NULL;

    authority_answer(authority, 0, ANSWER_NO);
    message = client_receive_error(stranger, serial, DBUS_ERROR("AccessDenied"));
    assert_contains(message, ACTION("start"));
    assert_state(stranger, "stopped");
}

static void test_challenge(void)
{
    g_autoptr(Fixture) f = system_fixture_new("0");
    g_autoptr(Authority) authority = authority_new(fixture_get_address(f));
    g_autoptr(Client) stranger = stranger_new(f);
    guint32 serial = send_start(stranger);

    authority_answer(authority, 0, ANSWER_CHALLENGE);
    g_free(client_receive_error(stranger, serial, DBUS_ERROR("InteractiveAuthorizationRequired")));
    assert_state(stranger, "stopped");
}

/* The flag of the message, and nothing else, lets polkit ask for a password. */
static void test_interactive(void)
{
    g_autoptr(Fixture) f = system_fixture_new("0");
    g_autoptr(Authority) authority = authority_new(fixture_get_address(f));
    g_autoptr(Client) stranger = stranger_new(f);
    g_autoptr(GDBusMessage) message =
        g_dbus_message_new_method_call(BUS_NAME, server_path("www"), SERVER_INTERFACE, "Start");
    guint32 serial = 0;

    g_dbus_message_set_flags(message, G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION);
    g_dbus_connection_send_message(client_get_connection(stranger), message,
                                   G_DBUS_SEND_MESSAGE_FLAGS_NONE, &serial, NULL);
    g_assert_cmpuint(authority_get(authority, 0)->flags, ==, 1);
    authority_answer(authority, 0, ANSWER_YES);
    g_variant_unref(client_receive(stranger, serial));
}

static void test_actions(void)
{
    static const struct {
        const char *path, *method, *arguments, *action;
    } calls[] = {
        {"www", "Start", NULL, ACTION("start")},
        {"www", "StartWithOptions", "(@a{sv} {},)", ACTION("start")},
        {"www", "Reload", NULL, ACTION("reload")},
        {"www", "Stop", NULL, ACTION("stop")},
        {"www", "StopWithOptions", "(@a{sv} {},)", ACTION("stop")},
        {NULL, "Start", NULL, ACTION("start")},
        {NULL, "Reload", NULL, ACTION("reload")},
        {NULL, "CheckConfig", "('listen: 1',)", ACTION("reload")},
        {NULL, "Stop", NULL, ACTION("stop")},
    };
    g_autoptr(Fixture) f = system_fixture_new("0");
    g_autoptr(Authority) authority = authority_new(fixture_get_address(f));
    g_autoptr(Client) stranger = stranger_new(f);

    for (guint i = 0; i < G_N_ELEMENTS(calls); ++i) {
        const char *path = calls[i].path != NULL ? server_path(calls[i].path) : MANAGER_PATH;
        guint32 serial = client_send(
            stranger, path, NULL, calls[i].method,
            calls[i].arguments != NULL ? g_variant_new_parsed(calls[i].arguments) : NULL);

        g_assert_cmpstr(authority_get(authority, i)->action, ==, calls[i].action);
        authority_answer(authority, i, ANSWER_NO);
        g_free(client_receive_error(stranger, serial, DBUS_ERROR("AccessDenied")));
    }
    g_assert_cmpuint(authority_count(authority), ==, G_N_ELEMENTS(calls));
}

/* A mistake in the arguments is told at once: nobody need type a password for it. */
static void test_bad_arguments(void)
{
    g_autoptr(Fixture) f = system_fixture_new("0");
    g_autoptr(Authority) authority = authority_new(fixture_get_address(f));
    g_autoptr(Client) stranger = stranger_new(f);

    g_free(client_call_error(stranger, server_path("www"), NULL, "StopWithOptions",
                             g_variant_new_parsed("({'nonsense': <1>},)"),
                             DBUS_ERROR("InvalidArgs")));
    g_assert_cmpuint(authority_count(authority), ==, 0);
}

static void test_absent(void)
{
    g_autoptr(Fixture) f = system_fixture_new("0");
    g_autoptr(Client) stranger = stranger_new(f);
    g_autofree char *message = client_call_error(stranger, server_path("www"), NULL, "Start", NULL,
                                                 DBUS_ERROR("AccessDenied"));

    assert_contains(message, "root only");
    assert_state(stranger, "stopped");
}

static void test_error(void)
{
    g_autoptr(Fixture) f = system_fixture_new("0");
    g_autoptr(Authority) authority = authority_new(fixture_get_address(f));
    g_autoptr(Client) stranger = stranger_new(f);
    guint32 serial = send_start(stranger);
    g_autofree char *message = NULL;

    authority_answer_error(authority, 0, "org.freedesktop.PolicyKit1.Error.Failed", "out of order");
    message = client_receive_error(stranger, serial, DBUS_ERROR("AccessDenied"));
    assert_contains(message, "out of order");
    assert_state(stranger, "stopped");
}

/* It goes away with its answer outstanding: the same as one that was never there. */
static void test_vanishes(void)
{
    g_autoptr(Fixture) f = system_fixture_new("0");
    g_autoptr(Authority) authority = authority_new(fixture_get_address(f));
    g_autoptr(Client) stranger = stranger_new(f);
    guint32 serial = send_start(stranger);

    authority_get(authority, 0);
    g_clear_pointer(&authority, authority_free);
    g_free(client_receive_error(stranger, serial, DBUS_ERROR("AccessDenied")));
    assert_state(stranger, "stopped");
}

static void test_root(void)
{
    g_autoptr(Fixture) f = NULL;
    g_autoptr(Authority) authority = NULL;

    if (skip_without_root())
        return;
    f = system_fixture_new("0");
    authority = authority_new(fixture_get_address(f));
    g_free(fixture_start(f, "www"));
    fixture_stop(f, "www", NULL, NULL);
    g_assert_cmpuint(authority_count(authority), ==, 0);
}

static void test_root_without_polkit(void)
{
    g_autoptr(Fixture) f = NULL;

    if (skip_without_root())
        return;
    f = system_fixture_new("0");
    g_free(fixture_start(f, "www"));
    fixture_stop(f, "www", NULL, NULL);
}

static void test_leaves(void)
{
    g_autoptr(Fixture) f = system_fixture_new("0");
    g_autoptr(Authority) authority = authority_new(fixture_get_address(f));
    g_autoptr(Client) stranger = stranger_new(f), other = stranger_new(f);

    send_start(stranger);
    send_start(stranger);
    authority_get(authority, 0);
    g_clear_pointer(&stranger, client_free);
    authority_wait_cancelled(authority, 0);
    /* Too late; and the second call asks no more. */
    authority_answer(authority, 0, ANSWER_YES);
    assert_state(other, "stopped");
    g_assert_cmpuint(authority_count(authority), ==, 1);
}

/* Nobody waits for somebody else's agent. */
static void test_slow(void)
{
    g_autoptr(Fixture) f = system_fixture_new("0");
    g_autoptr(Authority) authority = authority_new(fixture_get_address(f));
    g_autoptr(Client) slow = stranger_new(f), quick = stranger_new(f);
    guint32 first = send_start(slow), second;

    authority_get(authority, 0);
    second = send_start(quick);
    g_assert_cmpstr(authority_get(authority, 1)->subject, ==, client_get_name(quick));
    g_assert_cmpstr(authority_get(authority, 1)->id, !=, authority_get(authority, 0)->id);
    authority_answer(authority, 1, ANSWER_YES);
    g_variant_unref(client_receive(quick, second));
    assert_state(slow, "running");
    authority_answer(authority, 0, ANSWER_NO);
    g_free(client_receive_error(slow, first, DBUS_ERROR("AccessDenied")));
    assert_state(slow, "running");
}

/* One sender's calls are carried out in the order in which they were made. */
static void test_order(void)
{
    g_autoptr(Fixture) f = system_fixture_new("0");
    g_autoptr(Authority) authority = authority_new(fixture_get_address(f));
    g_autoptr(Client) stranger = stranger_new(f);
    guint32 start = send_start(stranger),
            stop = client_send(stranger, server_path("www"), NULL, "Stop", NULL),
            reload = client_send(stranger, server_path("www"), NULL, "Reload", NULL);

    g_assert_cmpstr(authority_get(authority, 0)->action, ==, ACTION("start"));
    assert_state(stranger, "stopped");
    g_assert_cmpuint(authority_count(authority), ==, 1);
    authority_answer(authority, 0, ANSWER_YES);
    g_assert_cmpstr(authority_get(authority, 1)->action, ==, ACTION("stop"));
    g_variant_unref(client_receive(stranger, start));
    authority_answer(authority, 1, ANSWER_NO);
    g_assert_cmpstr(authority_get(authority, 2)->action, ==, ACTION("reload"));
    g_free(client_receive_error(stranger, stop, DBUS_ERROR("AccessDenied")));
    authority_answer(authority, 2, ANSWER_YES);
    g_variant_unref(client_receive(stranger, reload));
}

static void test_busy(void)
{
    g_autoptr(Fixture) f = system_fixture_new("0.1");
    g_autoptr(Authority) authority = authority_new(fixture_get_address(f));
    g_autoptr(Client) stranger = stranger_new(f);
    guint32 serial = send_start(stranger);

    authority_get(authority, 0);
    g_usleep(G_USEC_PER_SEC / 2);
    authority_answer(authority, 0, ANSWER_NO);
    g_free(client_receive_error(stranger, serial, DBUS_ERROR("AccessDenied")));
    g_assert_cmpuint(fixture_count_started(f), ==, 1);
    fixture_wait_ended(f, 1);
}

/* What has gone while somebody typed a password is not started any more. */
static void test_removed(void)
{
    g_autoptr(Fixture) f = NULL;
    g_autoptr(Authority) authority = NULL;
    g_autoptr(Client) stranger = NULL;
    guint32 serial;

    if (skip_without_root())
        return;
    f = system_fixture_new("0");
    authority = authority_new(fixture_get_address(f));
    stranger = stranger_new(f);
    serial = send_start(stranger);
    authority_get(authority, 0);
    fixture_remove_config(f, "www");
    g_variant_unref(client_call(fixture_get_client(f), MANAGER_PATH, NULL, "Reload", NULL));
    authority_answer(authority, 0, ANSWER_YES);
    g_free(client_receive_error(stranger, serial, DBUS_ERROR("UnknownObject")));
}

/* More senders than are remembered, all of them waiting, and answered backwards. */
static void test_many(void)
{
    enum { N = 100 };
    g_autoptr(Fixture) f = system_fixture_new("0");
    g_autoptr(Authority) authority = authority_new(fixture_get_address(f));
    Client *strangers[N];
    guint32 serials[N];

    for (guint i = 0; i < N; ++i) {
        strangers[i] = stranger_new(f);
        serials[i] = send_start(strangers[i]);
        g_assert_cmpstr(authority_get(authority, i)->subject, ==, client_get_name(strangers[i]));
    }
    for (guint i = N; i-- > 0;) {
        authority_answer(authority, i, i % 2 == 0 ? ANSWER_NO : ANSWER_CHALLENGE);
        g_free(client_receive_error(strangers[i], serials[i],
                                    i % 2 == 0 ? DBUS_ERROR("AccessDenied")
                                               : DBUS_ERROR("InteractiveAuthorizationRequired")));
        client_free(strangers[i]);
    }
}

/* A user's calls that wait are bounded, over all of the user's connections. */
static void test_limit(void)
{
    enum { N_CLIENTS = 10, N_CALLS = 110, MAX = 1024, N_REFUSED = N_CLIENTS * N_CALLS - MAX };
    g_autoptr(Fixture) f = system_fixture_new("0");
    g_autoptr(Authority) authority = authority_new(fixture_get_address(f));
    Client *strangers[N_CLIENTS];
    guint32 serials[N_CALLS];

    for (guint i = 0; i < N_CLIENTS; ++i) {
        strangers[i] = stranger_new(f);
        serials[0] = send_start(strangers[i]);
        /* When there is a question it is known who asks. */
        authority_get(authority, i);
        for (guint j = 1; j < N_CALLS; ++j)
            serials[j] = send_start(strangers[i]);
        client_sync(strangers[i]);
    }
    for (guint j = N_CALLS - N_REFUSED; j < N_CALLS; ++j) {
        g_autofree char *message = client_receive_error(strangers[N_CLIENTS - 1], serials[j],
                                                        DBUS_ERROR("LimitsExceeded"));
        assert_contains(message, "polkit");
    }
    /* Once one is answered there is room for another; root never needs any. */
    authority_answer(authority, N_CLIENTS - 1, ANSWER_NO);
    g_free(client_receive_error(strangers[N_CLIENTS - 1], serials[0], DBUS_ERROR("AccessDenied")));
    authority_get(authority, N_CLIENTS);
    send_start(strangers[N_CLIENTS - 1]);
    serials[0] = send_start(strangers[N_CLIENTS - 1]);
    g_free(
        client_receive_error(strangers[N_CLIENTS - 1], serials[0], DBUS_ERROR("LimitsExceeded")));
    g_free(fixture_start(f, "www"));
    for (guint i = 0; i < N_CLIENTS; ++i)
        client_free(strangers[i]);
}

int main(int argc, char *argv[])
{
    fixture_init(&argc, &argv);
    g_test_add_func("/polkit/question", test_question);
    g_test_add_func("/polkit/denied", test_denied);
    g_test_add_func("/polkit/challenge", test_challenge);
    g_test_add_func("/polkit/interactive", test_interactive);
    g_test_add_func("/polkit/actions", test_actions);
    g_test_add_func("/polkit/bad-arguments", test_bad_arguments);
    g_test_add_func("/polkit/absent", test_absent);
    g_test_add_func("/polkit/error", test_error);
    g_test_add_func("/polkit/vanishes", test_vanishes);
    g_test_add_func("/polkit/root", test_root);
    g_test_add_func("/polkit/root-without-polkit", test_root_without_polkit);
    g_test_add_func("/polkit/leaves", test_leaves);
    g_test_add_func("/polkit/slow", test_slow);
    g_test_add_func("/polkit/order", test_order);
    g_test_add_func("/polkit/busy", test_busy);
    g_test_add_func("/polkit/removed", test_removed);
    g_test_add_func("/polkit/many", test_many);
    g_test_add_func("/polkit/limit", test_limit);
    return g_test_run();
}
