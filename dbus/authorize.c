/* SPDX-License-Identifier: MIT */
/*
 * See authorize.h.
 *
 * The uid behind a unique name is asked of the bus once, with GetConnectionUnixUser, and kept: a
 * connection's uid never changes, and unique names are never used again during the life of a bus
 * (D-Bus specification, "Message Bus Names"). So the second call of a client costs no round trip.
 * What polkit says is never kept: its rules change, and that is polkit's to remember.
 */
#include "authorize.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "names.h"
#include "polkit.h"

/* Requests that may wait for polkit at a time, of all connections of a user. */
#define WAITING_MAX 1024

/* Of these, those to reload or check, which may come with a text of a megabyte. */
#define RELOADS_WAITING_MAX 64

#define SENDERS_MAX 64 /* uids remembered; the least recently used is forgotten first */

typedef struct Request {
    AuthorizeAction action;
    bool interactive; /* the caller does not mind that somebody is asked for a password */
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
    PolkitQuery *query;    /* about the first of the requests, when that is polkit's to decide */
    sd_bus_slot *on_leave; /* as long as `query` */
    Request *requests, **requests_end;
    unsigned n_requests, n_reloads;
    struct Sender *next;
} Sender;

struct Authorizer {
    sd_bus *connection;
    AuthorizePolicy policy;
    uid_t self;
    bool closed;      /* see authorizer_close() */
    uint64_t n_asked; /* questions to polkit, for their ids */
    Sender *senders;  /* the most recently used first */
};

static void sender_proceed(Sender *sender);

AuthorizeVerdict authorize_rule(AuthorizePolicy policy, AuthorizeAction action, uid_t sender,
                                uid_t self)
{
    if ((unsigned)action >= AUTHORIZE_ACTION_MAX)
        return AUTHORIZE_DENY;

    switch (policy) {
    case AUTHORIZE_ROOT:
        return sender == 0 ? AUTHORIZE_ALLOW : AUTHORIZE_ASK;
    case AUTHORIZE_SAME_USER:
        return sender == 0 || sender == self ? AUTHORIZE_ALLOW : AUTHORIZE_DENY;
    case AUTHORIZE_EVERYBODY:
        return AUTHORIZE_ALLOW;
    default:
        return AUTHORIZE_DENY;
    }
}

/* What polkit knows the action by; NULL for what is no action. */
static const char *action_name(AuthorizeAction action)
{
    static const char *const names[AUTHORIZE_ACTION_MAX] = {
        [AUTHORIZE_START] = SLUICE_ACTION_START,
        [AUTHORIZE_STOP] = SLUICE_ACTION_STOP,
        [AUTHORIZE_RELOAD] = SLUICE_ACTION_RELOAD,
    };

    return (unsigned)action < AUTHORIZE_ACTION_MAX ? names[action] : NULL;
}

static int deny(const Authorizer *authorizer, AuthorizeAction action, sd_bus_error *error)
{
    const char *name = action_name(action);

    return sd_bus_error_setf(
        error, SD_BUS_ERROR_ACCESS_DENIED, "%s is allowed to %s only", name != NULL ? name : "this",
        authorizer->policy == AUTHORIZE_SAME_USER ? "root and the user that sluiced runs as"
                                                  : "root");
}

/* Fills `denied` unless the answer is yes; all that is not a yes is a no. */
static void read_answer(AuthorizeAction action, PolkitAnswer answer, const char *reason,
                        sd_bus_error *denied)
{
    const char *name = action_name(action);

    switch (answer) {
    case POLKIT_AUTHORIZED:
        return;
    case POLKIT_CHALLENGE:
        sd_bus_error_setf(denied, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                          "%s requires that somebody authenticates", name);
        return;
    case POLKIT_DENIED:
        sd_bus_error_setf(denied, SD_BUS_ERROR_ACCESS_DENIED, "polkit does not allow %s", name);
        return;
    default:
        sd_bus_error_setf(denied, SD_BUS_ERROR_ACCESS_DENIED,
                          "%s is allowed to root only, as polkit %s: %s", name,
                          answer == POLKIT_ABSENT ? "is not there" : "gives no answer", reason);
    }
}

/* Stops asking polkit; cancels the question if it is under way. */
static void sender_end_query(Sender *sender)
{
    sender->query = polkit_query_free(sender->query);
    sender->on_leave = sd_bus_slot_unref(sender->on_leave);
}

static void sender_free(Sender *sender)
{
    Request *request;

    sender_end_query(sender);
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

/* Forgets the known senders beyond the first SENDERS_MAX that wait for nothing. */
static void authorizer_trim(Authorizer *authorizer)
{
    Sender **p = &authorizer->senders;
    unsigned n = 0;

    while (*p != NULL) {
        Sender *sender = *p;

        if (++n > SENDERS_MAX && sender->known && sender->requests == NULL) {
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

static void sender_push(Sender *sender, Request *request)
{
    *sender->requests_end = request;
    sender->requests_end = &request->next;
    ++sender->n_requests;
    sender->n_reloads += request->action == AUTHORIZE_RELOAD;
}

static Request *sender_pop(Sender *sender)
{
    Request *request = sender->requests;

    sender->requests = request->next;
    if (sender->requests == NULL)
        sender->requests_end = &sender->requests;
    --sender->n_requests;
    sender->n_reloads -= request->action == AUTHORIZE_RELOAD;
    return request;
}

/* Answers the first request, and frees `denied`. */
static void sender_answer(Sender *sender, sd_bus_error *denied)
{
    Request *request = sender_pop(sender);

    request->callback(sd_bus_error_is_set(denied) ? denied : NULL, request->userdata);
    sd_bus_error_free(denied);
    free(request);
}

/* Denies all requests and forgets the sender; `reason` is why nobody can say who it is. */
static void sender_dismiss(Sender *sender, const char *reason)
{
    sender_end_query(sender);
    while (sender->requests != NULL) {
        sd_bus_error denied = SD_BUS_ERROR_NULL;

        sd_bus_error_setf(&denied, SD_BUS_ERROR_ACCESS_DENIED,
                          "cannot find out which user %s is: %s", sender->name, reason);
        sender_answer(sender, &denied);
    }
    sender_unlink(sender);
    sender_free(sender);
}

static void on_polkit(PolkitAnswer answer, const char *reason, void *userdata)
{
    sd_bus_error denied = SD_BUS_ERROR_NULL;
    Sender *sender = userdata;

    read_answer(sender->requests->action, answer, reason, &denied);
    sender_end_query(sender);
    sender_answer(sender, &denied);
    sender_proceed(sender);
}

static int on_left(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    const char *name, *old_owner, *new_owner;

    if (sd_bus_message_read(m, "sss", &name, &old_owner, &new_owner) >= 0 && new_owner[0] == '\0')
        sender_dismiss(userdata, "it has left the bus");
    return 0;
}

/* Without an install callback of its own, a match that the bus refuses ends the connection. */
static int on_match_installed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    return 0;
}

/* Asks polkit about the first request. */
static int sender_ask(Sender *sender)
{
    Authorizer *authorizer = sender->authorizer;
    char match[256];
    int r;

    /* First this, then the question: who leaves before is unknown to polkit, too. */
    snprintf(match, sizeof(match),
             "type='signal',sender='" DBUS_BUS_NAME "',path='" DBUS_BUS_PATH
             "',interface='" DBUS_BUS_INTERFACE "',member='NameOwnerChanged',arg0='%s'",
             sender->name);
    r = sd_bus_add_match_async(authorizer->connection, &sender->on_leave, match, on_left,
                               on_match_installed, sender);
    if (r >= 0)
        r = polkit_query_new(&sender->query, authorizer->connection,
                             &(PolkitQuestion){
                                 .subject = sender->name,
                                 .action = action_name(sender->requests->action),
                                 .interactive = sender->requests->interactive,
                                 .id = ++authorizer->n_asked,
                             },
                             on_polkit, sender);
    if (r < 0)
        sender_end_query(sender);
    return r;
}

/*
 * May `n` more requests of this sender wait for polkit, `n_reloads` of them to reload? Counts those
 * of all connections of the same user.
 */
static int check_room(const Sender *sender, unsigned n, unsigned n_reloads, sd_bus_error *error)
{
    for (const Sender *other = sender->authorizer->senders; other != NULL; other = other->next) {
        if (other->query == NULL || other->uid != sender->uid)
            continue;
        n += other->n_requests;
        n_reloads += other->n_reloads;
    }
    if (n > WAITING_MAX || n_reloads > RELOADS_WAITING_MAX)
        return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                "too many calls of this user wait for polkit already");
    return 0;
}

/*
 * Decides about the first request of a sender that is known: 1 for yes, 0 when the answer will come
 * from polkit, negative for no.
 */
static int sender_decide(Sender *sender, sd_bus_error *error)
{
    Authorizer *authorizer = sender->authorizer;
    AuthorizeAction action = sender->requests->action;
    int r;

    switch (authorize_rule(authorizer->policy, action, sender->uid, authorizer->self)) {
    case AUTHORIZE_ALLOW:
        return 1;
    case AUTHORIZE_ASK:
        if (authorizer->closed)
            return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "sluiced is about to exit");
        /* They came while it was not known yet who the sender is. */
        r = check_room(sender, sender->n_requests, sender->n_reloads, error);
        if (r < 0)
            return r;
        r = sender_ask(sender);
        return r < 0 ? sd_bus_error_set_errno(error, r) : 0;
    default:
        return deny(authorizer, action, error);
    }
}

/* Answers the requests, in turn, as far as that is possible now. */
static void sender_proceed(Sender *sender)
{
    while (sender->known && sender->requests != NULL && sender->query == NULL) {
        sd_bus_error denied = SD_BUS_ERROR_NULL;

        if (sender_decide(sender, &denied) != 0)
            sender_answer(sender, &denied);
    }
}

static int on_uid(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    const sd_bus_error *error = sd_bus_message_get_error(m);
    Sender *sender = userdata;
    uint32_t uid;

    sender->slot = sd_bus_slot_unref(sender->slot);
    if (error != NULL) {
        sender_dismiss(sender, error->message);
    } else if (sd_bus_message_read(m, "u", &uid) < 0) {
        sender_dismiss(sender, "the bus gave a malformed answer");
    } else {
        sender->uid = uid;
        sender->known = true;
        sender_proceed(sender);
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
    int r = 0;

    if (authorizer->policy == AUTHORIZE_EVERYBODY)
        return authorize_rule(authorizer->policy, action, authorizer->self, authorizer->self) ==
                       AUTHORIZE_ALLOW
                   ? 1
                   : deny(authorizer, action, error);
    if (name == NULL)
        return deny(authorizer, action, error);

    request = calloc(1, sizeof(*request));
    if (request == NULL)
        return sd_bus_error_set_errno(error, -ENOMEM);
    *request = (Request){
        .action = action,
        .interactive = sd_bus_message_get_allow_interactive_authorization(m) > 0,
        .callback = callback,
        .userdata = userdata,
    };

    sender = authorizer_find(authorizer, name);
    if (sender == NULL) {
        r = sender_new(&sender, authorizer, name);
        if (r < 0) {
            free(request);
            return sd_bus_error_set_errno(error, r);
        }
    }
    if (sender->query != NULL) {
        r = check_room(sender, 1, action == AUTHORIZE_RELOAD, error);
        if (r < 0) {
            free(request);
            return r;
        }
    }
    sender_push(sender, request);
    if (sender->known && sender->requests == request) {
        r = sender_decide(sender, error);
        if (r != 0)
            free(sender_pop(sender));
    }
    return r;
}

void authorizer_close(Authorizer *authorizer)
{
    authorizer->closed = true;
    for (Sender *sender = authorizer->senders; sender != NULL; sender = sender->next) {
        if (sender->query == NULL)
            continue;
        sender_end_query(sender);
        sender_proceed(sender);
    }
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
