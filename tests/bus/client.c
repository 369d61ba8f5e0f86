/* SPDX-License-Identifier: MIT */
/* See client.h. */
#include "client.h"

#include <string.h>

#include "child.h"

#define BUS_DESTINATION "org.freedesktop.DBus"
#define BUS_PATH        "/org/freedesktop/DBus"

struct Client {
    GDBusConnection *connection;
    guint filter;
    GMutex mutex; /* of what follows, which the connection's own thread writes */
    GCond cond;
    GPtrArray *messages;
    GArray *times;       /* of their arrival; gint64 */
    GHashTable *replies; /* serial to place + 1 */
};

/* In the thread of GDBus, for each message in the order of the wire. */
static GDBusMessage *on_message(GDBusConnection *connection, GDBusMessage *message,
                                gboolean incoming, gpointer userdata)
{
    Client *client = userdata;
    gint64 now = g_get_monotonic_time();

    if (!incoming)
        return message;
    g_mutex_lock(&client->mutex);
    g_ptr_array_add(client->messages, g_object_ref(message));
    g_array_append_val(client->times, now);
    if (g_dbus_message_get_reply_serial(message) != 0)
        g_hash_table_insert(client->replies,
                            GUINT_TO_POINTER(g_dbus_message_get_reply_serial(message)),
                            GUINT_TO_POINTER(client->messages->len));
    g_cond_broadcast(&client->cond);
    g_mutex_unlock(&client->mutex);
    return message;
}

static void add_match(Client *client, const char *rule)
{
    guint32 serial = client_send_to(client, BUS_DESTINATION, BUS_PATH, BUS_DESTINATION, "AddMatch",
                                    g_variant_new("(s)", rule));

    g_variant_unref(client_receive(client, serial));
}

Client *client_new(const char *address)
{
    g_autoptr(GError) error = NULL;
    Client *client = g_new0(Client, 1);

    g_mutex_init(&client->mutex);
    g_cond_init(&client->cond);
    client->messages = g_ptr_array_new_with_free_func(g_object_unref);
    client->times = g_array_new(FALSE, FALSE, sizeof(gint64));
    client->replies = g_hash_table_new(NULL, NULL);
    client->connection =
        g_dbus_connection_new_for_address_sync(address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);
    g_assert_no_error(error);
    client->filter = g_dbus_connection_add_filter(client->connection, on_message, client, NULL);
    add_match(client, "type='signal',sender='" BUS_NAME "'");
    add_match(client, "type='signal',sender='" BUS_DESTINATION "',member='NameOwnerChanged',"
                      "arg0='" BUS_NAME "'");
    return client;
}

void client_free(Client *client)
{
    if (client == NULL)
        return;
    /* In this order: once closed, GDBus's thread does not call the filter any more. */
    g_dbus_connection_close_sync(client->connection, NULL, NULL);
    g_dbus_connection_remove_filter(client->connection, client->filter);
    g_object_unref(client->connection);
    g_ptr_array_unref(client->messages);
    g_array_unref(client->times);
    g_hash_table_unref(client->replies);
    g_cond_clear(&client->cond);
    g_mutex_clear(&client->mutex);
    g_free(client);
}

GDBusConnection *client_get_connection(Client *client)
{
    return client->connection;
}

const char *client_get_name(Client *client)
{
    return g_dbus_connection_get_unique_name(client->connection);
}

/* ---- Calls ---- */

guint32 client_send_to(Client *client, const char *destination, const char *path,
                       const char *interface, const char *method, GVariant *arguments)
{
    g_autoptr(GDBusMessage) message =
        g_dbus_message_new_method_call(destination, path, interface, method);
    g_autoptr(GError) error = NULL;
    guint32 serial = 0;

    if (arguments != NULL)
        g_dbus_message_set_body(message, arguments);
    g_dbus_connection_send_message(client->connection, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE,
                                   &serial, &error);
    g_assert_no_error(error);
    return serial;
}

guint32 client_send(Client *client, const char *path, const char *interface, const char *method,
                    GVariant *arguments)
{
    if (interface == NULL)
        interface = strcmp(path, MANAGER_PATH) == 0 ? MANAGER_INTERFACE : SERVER_INTERFACE;
    return client_send_to(client, BUS_NAME, path, interface, method, arguments);
}

/* Waits for messages, the mutex held; `*waits` counts, as in wait_until(). FALSE: long enough. */
static gboolean wait_for_message(Client *client, guint *waits)
{
    gint64 end = g_get_monotonic_time() + G_USEC_PER_SEC;

    if (!g_cond_wait_until(&client->cond, &client->mutex, end))
        ++*waits;
    return *waits != CHILD_TIMEOUT / G_USEC_PER_SEC;
}

guint client_place_of_reply(Client *client, guint32 serial)
{
    guint place, waits = 0;

    g_mutex_lock(&client->mutex);
    while ((place = GPOINTER_TO_UINT(
                g_hash_table_lookup(client->replies, GUINT_TO_POINTER(serial)))) == 0)
        if (!wait_for_message(client, &waits))
            g_error("no answer came to the call with serial %u", serial);
    g_mutex_unlock(&client->mutex);
    return place - 1;
}

GDBusMessage *client_get_message(Client *client, guint place)
{
    GDBusMessage *message;

    g_mutex_lock(&client->mutex);
    message = g_ptr_array_index(client->messages, place);
    g_mutex_unlock(&client->mutex);
    return message;
}

gint64 client_get_time(Client *client, guint place)
{
    gint64 time;

    g_mutex_lock(&client->mutex);
    time = g_array_index(client->times, gint64, place);
    g_mutex_unlock(&client->mutex);
    return time;
}

GDBusMessage *client_receive_any(Client *client, guint32 serial)
{
    return client_get_message(client, client_place_of_reply(client, serial));
}

GVariant *client_receive(Client *client, guint32 serial)
{
    GDBusMessage *message = client_receive_any(client, serial);
    g_autoptr(GError) error = NULL;
    GVariant *body = g_dbus_message_get_body(message);

    g_dbus_message_to_gerror(message, &error);
    g_assert_no_error(error);
    return body != NULL ? g_variant_ref(body) : g_variant_ref_sink(g_variant_new("()"));
}

char *client_receive_error(Client *client, guint32 serial, const char *name)
{
    GDBusMessage *message = client_receive_any(client, serial);
    char *text = NULL;

    g_assert_cmpint(g_dbus_message_get_message_type(message), ==, G_DBUS_MESSAGE_TYPE_ERROR);
    g_assert_cmpstr(g_dbus_message_get_error_name(message), ==, name);
    g_variant_get(g_dbus_message_get_body(message), "(s)", &text);
    return text;
}

GVariant *client_call(Client *client, const char *path, const char *interface, const char *method,
                      GVariant *arguments)
{
    return client_receive(client, client_send(client, path, interface, method, arguments));
}

char *client_call_error(Client *client, const char *path, const char *interface, const char *method,
                        GVariant *arguments, const char *name)
{
    return client_receive_error(client, client_send(client, path, interface, method, arguments),
                                name);
}

/* ---- What has arrived ---- */

guint client_mark(Client *client)
{
    guint n;

    g_mutex_lock(&client->mutex);
    n = client->messages->len;
    g_mutex_unlock(&client->mutex);
    return n;
}

void client_sync(Client *client)
{
    g_variant_unref(client_receive(
        client, client_send_to(client, BUS_DESTINATION, BUS_PATH, BUS_DESTINATION, "GetId", NULL)));
}

static gboolean is_signal(GDBusMessage *message, const char *path, const char *member)
{
    return g_dbus_message_get_message_type(message) == G_DBUS_MESSAGE_TYPE_SIGNAL &&
           g_strcmp0(g_dbus_message_get_path(message), path) == 0 &&
           g_strcmp0(g_dbus_message_get_member(message), member) == 0;
}

guint client_place_of_signal(Client *client, guint from, const char *path, const char *member)
{
    guint i = from, waits = 0;

    g_mutex_lock(&client->mutex);
    for (;; ++i) {
        while (i >= client->messages->len)
            if (!wait_for_message(client, &waits))
                g_error("no signal %s came from %s", member, path);
        if (is_signal(g_ptr_array_index(client->messages, i), path, member))
            break;
    }
    g_mutex_unlock(&client->mutex);
    return i;
}

/* The changed properties of a PropertiesChanged. */
static GVariant *get_changes(GDBusMessage *message)
{
    const char *interface;
    GVariant *changed = NULL;

    g_variant_get(g_dbus_message_get_body(message), "(&s@a{sv}as)", &interface, &changed, NULL);
    g_assert_cmpstr(interface, ==, SERVER_INTERFACE);
    return changed;
}

char *client_get_transitions(Client *client, const char *path, guint from, guint to)
{
    g_autofree char *announced = NULL;
    GString *text = g_string_new(NULL);
    g_autofree char *last = NULL;

    for (guint i = from; i < to; ++i) {
        GDBusMessage *message = client_get_message(client, i);
        const char *new_state, *old_state, *state;

        if (is_signal(message, path, "StateChanged")) {
            g_assert_null(announced);
            g_variant_get(g_dbus_message_get_body(message), "(&s&sa{sv})", &new_state, &old_state,
                          NULL);
            if (last != NULL)
                g_assert_cmpstr(old_state, ==, last);
            g_free(last);
            last = g_strdup(new_state);
            announced = g_strdup(new_state);
            g_string_append_printf(text, "%s%s>%s", text->len != 0 ? " " : "", old_state,
                                   new_state);
        } else if (is_signal(message, path, "PropertiesChanged") && announced != NULL) {
            g_autoptr(GVariant) changed = get_changes(message);

            g_assert_true(g_variant_lookup(changed, "State", "&s", &state));
            g_assert_cmpstr(state, ==, announced);
            g_clear_pointer(&announced, g_free);
        }
    }
    g_assert_null(announced);
    return g_string_free(text, FALSE);
}

GVariant *client_get_changed(Client *client, const char *path, const char *property, guint from,
                             guint to)
{
    GVariant *value = NULL;

    for (guint i = from; i < to; ++i) {
        GDBusMessage *message = client_get_message(client, i);
        g_autoptr(GVariant) changed = NULL, found = NULL;

        if (!is_signal(message, path, "PropertiesChanged"))
            continue;
        changed = get_changes(message);
        found = g_variant_lookup_value(changed, property, NULL);
        if (found == NULL)
            continue;
        g_clear_pointer(&value, g_variant_unref);
        value = g_steal_pointer(&found);
    }
    return value;
}

GVariant *client_get_details(Client *client, const char *path, const char *state, guint from,
                             guint to)
{
    GVariant *value = NULL;

    for (guint i = from; i < to; ++i) {
        GDBusMessage *message = client_get_message(client, i);
        const char *new_state;
        GVariant *details = NULL;

        if (!is_signal(message, path, "StateChanged"))
            continue;
        g_variant_get(g_dbus_message_get_body(message), "(&ss@a{sv})", &new_state, NULL, &details);
        if (strcmp(new_state, state) == 0) {
            g_clear_pointer(&value, g_variant_unref);
            value = details;
        } else {
            g_variant_unref(details);
        }
    }
    return value;
}

void client_forget(Client *client)
{
    g_mutex_lock(&client->mutex);
    g_ptr_array_set_size(client->messages, 0);
    g_array_set_size(client->times, 0);
    g_hash_table_remove_all(client->replies);
    g_mutex_unlock(&client->mutex);
}
