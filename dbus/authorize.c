/* SPDX-License-Identifier: MIT */
/*
 * See authorize.h.
 *
 * The uid behind a unique name is asked of the bus once, with GetConnectionUnixUser, and kept: a
 * connection's uid never changes, and unique names are never used again during the life of a bus
 * (D-Bus specification, "Message Bus Names"). So the second call of a client costs no round trip.
 */
#include "authorize.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "names.h"

#define SENDERS_MAX 64 /* uids remembered; the least recently used is forgotten first */

typedef struct Request {
    AuthorizeAction action;
    AuthorizeCallback callback;
    void *userdata;
    struct Request *next;
} Request;

/* A client that has asked for something that not everybody may do. */
typedef struct Sender {
    Authorizer *authorizer;
    char *name; /* unique name */
    bool known; /* `uid` is valid; else `slot` waits for it and `requests` wait for `slot` */
    uid_t uid;
    sd_bus_slot *slot;
    Request *requests, **requests_end;
    struct Sender *next;
} Sender;

struct Authorizer {
    sd_bus *connection;
    AuthorizePolicy policy;
    uid_t self;
    Sender *senders; /* the most recently used first */
};

bool authorize_rule(AuthorizePolicy policy, AuthorizeAction action, uid_t sender, uid_t self)
{
    if ((unsigned)action >= AUTHORIZE_ACTION_MAX)
        return false;

    switch (policy) {
    case AUTHORIZE_ROOT:
        return sender == 0;
    case AUTHORIZE_SAME_USER:
        return sender == 0 || sender == self;
    case AUTHORIZE_EVERYBODY:
        return true;
    default:
        return false;
    }
}

static int deny(const Authorizer *authorizer, AuthorizeAction action, sd_bus_error *error)
{
    static const char *const names[AUTHORIZE_ACTION_MAX] = {
        [AUTHORIZE_START] = SLUICE_ACTION_START,
        [AUTHORIZE_STOP] = SLUICE_ACTION_STOP,
        [AUTHORIZE_RELOAD] = SLUICE_ACTION_RELOAD,
    };

    return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED, "%s is allowed to %s only",
                             (unsigned)action < AUTHORIZE_ACTION_MAX ? names[action] : "this",
                             authorizer->policy == AUTHORIZE_SAME_USER
                                 ? "root and the user that sluiced runs as"
                                 : "root");
}

static void sender_free(Sender *sender)
{
    Request *request;

    while ((request = sender->requests) != NULL) {
        sender->requests = request->next;
        free(request);
    }
    sd_bus_slot_unref(sender->slot);
    free(sender->name);
    free(sender);
}

static void sender_unlink(Sender *sender)
{
    Sender **p = &sender->authorizer->senders;

    while (*p != sender)
        p = &(*p)->next;
    *p = sender->next;
}

/* Forgets the known senders beyond the first SENDERS_MAX. */
static void authorizer_trim(Authorizer *authorizer)
{
    Sender **p = &authorizer->senders;
    unsigned n = 0;

    while (*p != NULL) {
        Sender *sender = *p;

        if (++n > SENDERS_MAX && sender->known) {
            *p = sender->next;
            sender_free(sender);
        } else {
            p = &sender->next;
        }
    }
}

static Sender *authorizer_find(Authorizer *authorizer, const char *name)
{
    for (Sender **p = &authorizer->senders; *p != NULL; p = &(*p)->next) {
        Sender *sender = *p;

        if (strcmp(sender->name, name) != 0)
            continue;
        *p = sender->next;
        sender->next = authorizer->senders;
        return authorizer->senders = sender;
    }
    return NULL;
}

/* Answers all requests of `sender`; `failure` says why its uid is not known, or is NULL. */
static void sender_answer(Sender *sender, const sd_bus_error *failure)
{
    Authorizer *authorizer = sender->authorizer;
    Request *request;

    while ((request = sender->requests) != NULL) {
        sd_bus_error denied = SD_BUS_ERROR_NULL;

        sender->requests = request->next;
        if (failure != NULL)
            sd_bus_error_setf(&denied, SD_BUS_ERROR_ACCESS_DENIED,
                              "cannot find out which user %s is: %s", sender->name,
                              failure->message);
        else if (!authorize_rule(authorizer->policy, request->action, sender->uid,
                                 authorizer->self))
            deny(authorizer, request->action, &denied);
        request->callback(sd_bus_error_is_set(&denied) ? &denied : NULL, request->userdata);
        sd_bus_error_free(&denied);
        free(request);
    }
}

static int on_uid(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    static const sd_bus_error malformed =
        SD_BUS_ERROR_MAKE_CONST(SD_BUS_ERROR_INVALID_SIGNATURE, "the bus gave a malformed answer");
    const sd_bus_error *failure = sd_bus_message_get_error(m);
    Sender *sender = userdata;
    uint32_t uid;

    sender->slot = sd_bus_slot_unref(sender->slot);
    if (failure == NULL) {
        if (sd_bus_message_read(m, "u", &uid) >= 0) {
            sender->uid = uid;
            sender->known = true;
        } else {
            failure = &malformed;
        }
    }

    sender_answer(sender, failure);
    if (!sender->known) {
        sender_unlink(sender);
        sender_free(sender);
    }
    return 0;
}

static int sender_new(Sender **ret, Authorizer *authorizer, const char *name)
{
    Sender *sender;
    int r;

    sender = calloc(1, sizeof(*sender));
    if (sender == NULL)
        return -ENOMEM;
    sender->authorizer = authorizer;
    sender->requests_end = &sender->requests;
    sender->name = strdup(name);
    if (sender->name == NULL)
        r = -ENOMEM;
    else
        r = sd_bus_call_method_async(authorizer->connection, &sender->slot, DBUS_BUS_NAME,
                                     DBUS_BUS_PATH, DBUS_BUS_INTERFACE, "GetConnectionUnixUser",
                                     on_uid, sender, "s", name);
    if (r < 0) {
        sender_free(sender);
        return r;
    }

    sender->next = authorizer->senders;
    authorizer->senders = *ret = sender;
    authorizer_trim(authorizer);
    return 0;
}

int authorize_async(Authorizer *authorizer, sd_bus_message *m, AuthorizeAction action,
                    AuthorizeCallback callback, void *userdata, sd_bus_error *error)
{
    const char *name = sd_bus_message_get_sender(m);
    Request *request;
    Sender *sender;
    int r;

    if (authorizer->policy == AUTHORIZE_EVERYBODY)
        return authorize_rule(authorizer->policy, action, authorizer->self, authorizer->self)
                   ? 1
                   : deny(authorizer, action, error);
    if (name == NULL)
        return deny(authorizer, action, error);

    sender = authorizer_find(authorizer, name);
    if (sender != NULL && sender->known)
        return authorize_rule(authorizer->policy, action, sender->uid, authorizer->self)
                   ? 1
                   : deny(authorizer, action, error);

    request = calloc(1, sizeof(*request));
    if (request == NULL)
        return sd_bus_error_set_errno(error, -ENOMEM);
    *request = (Request){.action = action, .callback = callback, .userdata = userdata};
    if (sender == NULL) {
        r = sender_new(&sender, authorizer, name);
        if (r < 0) {
            free(request);
            return sd_bus_error_set_errno(error, r);
        }
    }
    *sender->requests_end = request;
    sender->requests_end = &request->next;
    return 0;
}

int authorizer_new(Authorizer **ret, sd_bus *connection, AuthorizePolicy policy)
{
    Authorizer *authorizer;

    authorizer = calloc(1, sizeof(*authorizer));
    if (authorizer == NULL)
        return -ENOMEM;
    authorizer->connection = sd_bus_ref(connection);
    authorizer->policy = policy;
    authorizer->self = geteuid();
    *ret = authorizer;
    return 0;
}

Authorizer *authorizer_free(Authorizer *authorizer)
{
    Sender *sender;

    if (authorizer == NULL)
        return NULL;
    while ((sender = authorizer->senders) != NULL) {
        authorizer->senders = sender->next;
        sender_free(sender);
    }
    sd_bus_unref(authorizer->connection);
    free(authorizer);
    return NULL;
}
