/* SPDX-License-Identifier: MIT */
/* See polkit.h. */
#include "polkit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLKIT_BUS_NAME  "org.freedesktop.PolicyKit1"
#define POLKIT_PATH      "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"

#define ALLOW_USER_INTERACTION 1 /* AuthorizationCheckFlags */

struct PolkitQuery {
    sd_bus *connection;
    sd_bus_slot *slot; /* until the answer is there */
    char id[sizeof("sluice-") + 20];
    PolkitCallback callback;
    void *userdata;
};

/* Errors of the bus, or of systemd in its place, when it has no polkit and cannot start one. */
static bool means_absent(const sd_bus_error *error)
{
    static const char *const names[] = {
        SD_BUS_ERROR_SERVICE_UNKNOWN,          SD_BUS_ERROR_NAME_HAS_NO_OWNER,
        "org.freedesktop.systemd1.LoadFailed", "org.freedesktop.systemd1.NoSuchUnit",
        "org.freedesktop.systemd1.UnitMasked",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); ++i)
        if (sd_bus_error_has_name(error, names[i]))
            return true;
    return strncmp(error->name, "org.freedesktop.DBus.Error.Spawn.",
                   strlen("org.freedesktop.DBus.Error.Spawn.")) == 0;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    const sd_bus_error *error = sd_bus_message_get_error(m);
    int authorized = false, challenge = false, r;
    PolkitQuery *query = userdata;
    PolkitAnswer answer = POLKIT_DENIED;
    const char *reason = NULL;

    query->slot = sd_bus_slot_unref(query->slot);
    if (error != NULL) {
        answer = means_absent(error) ? POLKIT_ABSENT : POLKIT_FAILED;
        reason = error->message != NULL ? error->message : error->name;
    } else {
        r = sd_bus_message_enter_container(m, 'r', "bba{ss}");
        if (r >= 0)
            r = sd_bus_message_read(m, "bb", &authorized, &challenge);
        if (r < 0) {
            answer = POLKIT_FAILED;
            reason = "malformed answer";
        } else if (authorized) {
            answer = POLKIT_AUTHORIZED;
        } else if (challenge) {
            answer = POLKIT_CHALLENGE;
        }
    }
    query->callback(answer, reason, query->userdata);
    return 0;
}

static int append_question(sd_bus_message *m, const PolkitQuestion *question, const char *id)
{
    /* No details: polkit takes them from trusted callers only, and no rule of ours needs them. */
    return sd_bus_message_append(m, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s",
                                 question->subject, question->action, 0,
                                 question->interactive ? ALLOW_USER_INTERACTION : 0, id);
}

int polkit_query_new(PolkitQuery **ret, sd_bus *connection, const PolkitQuestion *question,
                     PolkitCallback callback, void *userdata)
{
    sd_bus_message *m = NULL;
    PolkitQuery *query;
    int r;

    query = calloc(1, sizeof(*query));
    if (query == NULL)
        return -ENOMEM;
    query->connection = sd_bus_ref(connection);
    query->callback = callback;
    query->userdata = userdata;
    snprintf(query->id, sizeof(query->id), "sluice-%" PRIu64, question->id);

    r = sd_bus_message_new_method_call(connection, &m, POLKIT_BUS_NAME, POLKIT_PATH,
                                       POLKIT_INTERFACE, "CheckAuthorization");
    if (r >= 0)
        r = append_question(m, question, query->id);
    /* People may take their time; polkit itself gets what any method call gets. */
    if (r >= 0)
        r = sd_bus_call_async(connection, &query->slot, m, on_answer, query,
                              question->interactive ? UINT64_MAX : 0);
    sd_bus_message_unref(m);
    if (r < 0) {
        query->slot = sd_bus_slot_unref(query->slot);
        polkit_query_free(query);
        return r;
    }
    *ret = query;
    return 0;
}

static void cancel(PolkitQuery *query)
{
    sd_bus_message *m = NULL;

    if (sd_bus_message_new_method_call(query->connection, &m, POLKIT_BUS_NAME, POLKIT_PATH,
                                       POLKIT_INTERFACE, "CancelCheckAuthorization") >= 0 &&
        sd_bus_message_append(m, "s", query->id) >= 0 &&
        sd_bus_message_set_expect_reply(m, false) >= 0 &&
        /* A polkit that has just gone knows nothing of the question. */
        sd_bus_message_set_auto_start(m, false) >= 0)
        sd_bus_send(query->connection, m, NULL);
    sd_bus_message_unref(m);
}

PolkitQuery *polkit_query_free(PolkitQuery *query)
{
    if (query == NULL)
        return NULL;
    if (query->slot != NULL)
        cancel(query);
    sd_bus_slot_unref(query->slot);
    sd_bus_unref(query->connection);
    free(query);
    return NULL;
}
