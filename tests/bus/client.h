/* SPDX-License-Identifier: MIT */
/*
 * A client of the bus that keeps everything it receives in the order in which it came over the
 * wire, so that a test can say that a signal was sent before a reply. GDBus by itself dispatches
 * signals and replies on separate ways.
 *
 * A call is sent with client_send(), which returns its serial and does not wait; its answer is
 * taken with one of the client_receive functions, as late as one likes. All clients ask the bus for
 * the signals of org.sluice.Sluice1 and for the changes of that name's owner.
 */
#ifndef SLUICE_TESTS_CLIENT_H
#define SLUICE_TESTS_CLIENT_H

#include <gio/gio.h>
#include <string.h>

#define BUS_NAME          "org.sluice.Sluice1"
#define MANAGER_PATH      "/org/sluice/Sluice1"
#define MANAGER_INTERFACE "org.sluice.Sluice1.Manager"
#define SERVER_PREFIX     "/org/sluice/Sluice1/server"
#define SERVER_INTERFACE  "org.sluice.Sluice1.Server"

#define SLUICE_ERROR(name) "org.sluice.Sluice1.Error." name
#define DBUS_ERROR(name)   "org.freedesktop.DBus.Error." name

typedef struct Client Client;

/* Connects to the bus at `address`; the test fails if that fails. */
Client *client_new(const char *address);
/* Leaves the bus, whatever is still unanswered. */
void client_free(Client *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Client, client_free)

/* The GDBus connection below, for what this file cannot do. */
GDBusConnection *client_get_connection(Client *client);
/* The unique name. */
const char *client_get_name(Client *client);

/* ---- Calls ---- */

/*
 * Sends a method call to org.sluice.Sluice1; `interface` NULL is the Server or Manager interface,
 * whichever `path` suggests. Takes `arguments` if floating; NULL is none. Returns the serial.
 */
guint32 client_send(Client *client, const char *path, const char *interface, const char *method,
                    GVariant *arguments);

/* The same to any name, such as the bus itself. */
guint32 client_send_to(Client *client, const char *destination, const char *path,
                       const char *interface, const char *method, GVariant *arguments);

/* Waits for the answer, which may be an error. Belongs to the client. */
GDBusMessage *client_receive_any(Client *client, guint32 serial);

/* Waits for the answer and returns the tuple of results; fails the test if it is an error. */
GVariant *client_receive(Client *client, guint32 serial);

/* Waits for the answer, which must be the error `name`; returns its message, g_free() it. */
char *client_receive_error(Client *client, guint32 serial, const char *name);

/* Send and receive in one. */
GVariant *client_call(Client *client, const char *path, const char *interface, const char *method,
                      GVariant *arguments);
char *client_call_error(Client *client, const char *path, const char *interface, const char *method,
                        GVariant *arguments, const char *name);

/* ---- What has arrived ---- */

/* The number of messages so far: a place in the log. Needs a round trip to be sure of anything. */
guint client_mark(Client *client);

/* Ping to the bus and back: then everything that the bus had sent before has arrived. */
void client_sync(Client *client);

/* The place of the reply to `serial`, which is waited for. */
guint client_place_of_reply(Client *client, guint32 serial);

/* The place of the first signal `member` from `path` at or after `from`, which is waited for. */
guint client_place_of_signal(Client *client, guint from, const char *path, const char *member);

/* The message at a place, which belongs to the client, and when it came, as in
 * g_get_monotonic_time(). */
GDBusMessage *client_get_message(Client *client, guint place);
gint64 client_get_time(Client *client, guint place);

/*
 * The transitions of one object between two places, as "stopped>starting starting>running"; free
 * with g_free(). Fails the test unless each StateChanged is followed by a PropertiesChanged of the
 * same object with the new State, and unless each transition begins where the last one ended.
 */
char *client_get_transitions(Client *client, const char *path, guint from, guint to);

/* The last value that PropertiesChanged gave `property` between two places, or NULL. */
GVariant *client_get_changed(Client *client, const char *path, const char *property, guint from,
                             guint to);

/* The details of the last StateChanged to `state` between two places, or NULL. */
GVariant *client_get_details(Client *client, const char *path, const char *state, guint from,
                             guint to);

/* Asserts what g_variant_print() makes of a value, with its types. */
#define assert_prints(value, expected)                                                             \
    G_STMT_START                                                                                   \
    {                                                                                              \
        g_autofree char *printed_ = g_variant_print(value, TRUE);                                  \
        g_assert_cmpstr(printed_, ==, expected);                                                   \
    }                                                                                              \
    G_STMT_END

/* Asserts that `needle` is in `text`. */
#define assert_contains(text, needle)                                                              \
    G_STMT_START                                                                                   \
    {                                                                                              \
        if (strstr(text, needle) == NULL)                                                          \
            g_error("%s:%d: \"%s\" has no \"%s\"", __FILE__, __LINE__, text, needle);              \
    }                                                                                              \
    G_STMT_END

/* Forgets all messages, for tests that make thousands of calls; places begin at 0 again. */
void client_forget(Client *client);

#endif
