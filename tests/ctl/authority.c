/* SPDX-License-Identifier: MIT */
/* See authority.h. */
#include "authority.h"

#include "child.h"

#define AUTHORITY_NAME      "org.freedesktop.PolicyKit1"
#define AUTHORITY_INTERFACE "org.freedesktop.PolicyKit1.Authority"

typedef struct Case {
    Question question;
    GDBusMessage *message;
    gboolean cancelled;
} Case;

struct Authority {
    GDBusConnection *connection;
    guint filter;
    GMutex mutex; /* of what follows, which the connection's own thread writes */
    GPtrArray *cases;
};

static void case_free(gpointer pointer)
{
    Case *c = pointer;

    g_object_unref(c->message);
    g_free(c);
}

static Case *case_new(GDBusMessage *message)
{
    GVariant *body = g_dbus_message_get_body(message);
    g_autoptr(GVariant) subject = NULL, details = NULL;
    Case *c = g_new0(Case, 1);

    c->message = g_object_ref(message);
    g_assert_cmpstr(g_variant_get_type_string(body), ==, "((sa{sv})sa{ss}us)");
    g_variant_get(body, "((&s@a{sv})&s@a{ss}u&s)", &c->question.kind, &subject, &c->question.action,
                  &details, &c->question.flags, &c->question.id);
    g_variant_lookup(subject, "name", "&s", &c->question.subject);
    c->question.n_details = (guint)g_variant_n_children(details);
    return c;
}

static void cancel(Authority *authority, GDBusMessage *message)
{
    const char *id;

    g_variant_get(g_dbus_message_get_body(message), "(&s)", &id);
    for (guint i = 0; i < authority->cases->len; ++i) {
        Case *c = g_ptr_array_index(authority->cases, i);

        if (g_strcmp0(c->question.id, id) == 0)
            c->cancelled = TRUE;
    }
}

/* In the thread of GDBus. Whatever else is called is answered by GDBus: there is no such object. */
static GDBusMessage *on_message(GDBusConnection *connection, GDBusMessage *message,
                                gboolean incoming, gpointer userdata)
{
    const char *member = g_dbus_message_get_member(message);
    Authority *authority = userdata;
    gboolean check = g_strcmp0(member, "CheckAuthorization") == 0;

    if (!incoming || g_strcmp0(g_dbus_message_get_interface(message), AUTHORITY_INTERFACE) != 0 ||
        (!check && g_strcmp0(member, "CancelCheckAuthorization") != 0))
        return message;
    g_mutex_lock(&authority->mutex);
    if (check)
        g_ptr_array_add(authority->cases, case_new(message));
    else
        cancel(authority, message);
    g_mutex_unlock(&authority->mutex);
    g_object_unref(message);
    return NULL;
}

Authority *authority_new(const char *address)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = NULL;
    Authority *authority = g_new0(Authority, 1);

    g_mutex_init(&authority->mutex);
    authority->cases = g_ptr_array_new_with_free_func(case_free);
    authority->connection =
        g_dbus_connection_new_for_address_sync(address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);
    g_assert_no_error(error);
    authority->filter =
        g_dbus_connection_add_filter(authority->connection, on_message, authority, NULL);
    reply = g_dbus_connection_call_sync(authority->connection, "org.freedesktop.DBus",
                                        "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                        "RequestName", g_variant_new("(su)", AUTHORITY_NAME, 0),
                                        NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
    g_assert_no_error(error);
    return authority;
}

void authority_free(Authority *authority)
{
    if (authority == NULL)
        return;
    g_dbus_connection_close_sync(authority->connection, NULL, NULL);
    g_dbus_connection_remove_filter(authority->connection, authority->filter);
    g_object_unref(authority->connection);
    g_ptr_array_unref(authority->cases);
    g_mutex_clear(&authority->mutex);
    g_free(authority);
}

guint authority_count(Authority *authority)
{
    guint n;

    g_mutex_lock(&authority->mutex);
    n = authority->cases->len;
    g_mutex_unlock(&authority->mutex);
    return n;
}

typedef struct Wait {
    Authority *authority;
    guint number;
} Wait;

static gboolean has_come(gpointer userdata)
{
    const Wait *wait = userdata;

    return authority_count(wait->authority) > wait->number;
}

static Case *get_case(Authority *authority, guint number)
{
    Wait wait = {authority, number};
    Case *c;

    wait_until(has_come, &wait, "a question to polkit");
    g_mutex_lock(&authority->mutex);
    c = g_ptr_array_index(authority->cases, number);
    g_mutex_unlock(&authority->mutex);
    return c;
}

const Question *authority_get(Authority *authority, guint number)
{
    return &get_case(authority, number)->question;
}

static void send(Authority *authority, GDBusMessage *message)
{
    g_autoptr(GError) error = NULL;

    g_dbus_connection_send_message(authority->connection, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE,
                                   NULL, &error);
    g_assert_no_error(error);
    g_dbus_connection_flush_sync(authority->connection, NULL, &error);
    g_assert_no_error(error);
}

void authority_answer(Authority *authority, guint number, Answer answer)
{
    g_autoptr(GDBusMessage) reply =
        g_dbus_message_new_method_reply(get_case(authority, number)->message);

    g_dbus_message_set_body(
        reply, g_variant_new("((bb@a{ss}))", answer == ANSWER_YES, answer == ANSWER_CHALLENGE,
                             g_variant_new_array(G_VARIANT_TYPE("{ss}"), NULL, 0)));
    send(authority, reply);
}

void authority_answer_error(Authority *authority, guint number, const char *name,
                            const char *message)
{
    g_autoptr(GDBusMessage) reply = g_dbus_message_new_method_error_literal(
        get_case(authority, number)->message, name, message);

    send(authority, reply);
}

static gboolean is_cancelled(gpointer userdata)
{
    const Wait *wait = userdata;
    const Case *c = get_case(wait->authority, wait->number);
    gboolean cancelled;

    g_mutex_lock(&wait->authority->mutex);
    cancelled = c->cancelled;
    g_mutex_unlock(&wait->authority->mutex);
    return cancelled;
}

void authority_wait_cancelled(Authority *authority, guint number)
{
    Wait wait = {authority, number};

    wait_until(is_cancelled, &wait, "a question to polkit to be cancelled");
}
