/* SPDX-License-Identifier: MIT */
/*
 * Who may do what. Nothing else in this room decides about rights, and what no rule allows is
 * denied. Reading (Status, ListServers, properties, introspection) is for everybody and never gets
 * here.
 *
 * An answer may have to be asked for on the bus, of polkit even, so it may come later. One sender's
 * requests are answered in the order in which they came, and polkit is asked about one of them at a
 * time; those of different senders wait for nobody. Main thread only.
 */
#ifndef SLUICE_AUTHORIZE_H
#define SLUICE_AUTHORIZE_H

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

typedef enum AuthorizeAction {
    AUTHORIZE_START,
    AUTHORIZE_STOP,
    AUTHORIZE_RELOAD, /* also CheckConfig, which reads the files a text names with our rights */
    AUTHORIZE_ACTION_MAX,
} AuthorizeAction;

typedef enum AuthorizePolicy {
    AUTHORIZE_ROOT,      /* the system bus: root, and whom polkit allows it */
    AUTHORIZE_SAME_USER, /* a bus that somebody named: root and the user we run as */
    AUTHORIZE_EVERYBODY, /* the user's own bus, which lets nobody else in */
    AUTHORIZE_POLICY_MAX,
} AuthorizePolicy;

typedef enum AuthorizeVerdict {
    AUTHORIZE_DENY,
    AUTHORIZE_ALLOW,
    AUTHORIZE_ASK, /* polkit decides; without one, no */
} AuthorizeVerdict;

/* The rule and nothing but the rule: may `sender` do `action`, when we run as `self`? */
AuthorizeVerdict authorize_rule(AuthorizePolicy policy, AuthorizeAction action, uid_t sender,
                                uid_t self);

typedef struct Authorizer Authorizer;

/* `connection` is the bus to ask about senders; a reference is held. Error: -ENOMEM. */
int authorizer_new(Authorizer **ret, sd_bus *connection, AuthorizePolicy policy);

/* Forgets the requests under way without calling back. Accepts NULL, returns NULL. */
Authorizer *authorizer_free(Authorizer *authorizer);

/*
 * For a daemon that is about to exit and must not wait for somebody's password: denies what has not
 * been decided yet, now and from now on.
 */
void authorizer_close(Authorizer *authorizer);

/*
 * `denied` is NULL when the action is allowed; it is valid during the call. Besides AccessDenied it
 * may be InteractiveAuthorizationRequired: polkit would have to ask somebody, which the message did
 * not allow (sd_bus_message_set_allow_interactive_authorization(3)) or which nobody there can do;
 * or LimitsExceeded, when too many calls of the same user wait for polkit already. A sender that
 * leaves the bus is denied what it still waits for.
 */
typedef void (*AuthorizeCallback)(const sd_bus_error *denied, void *userdata);

/*
 * May the sender of `m` do `action`? Returns
 *   > 0  yes; the callback is not called
 *   0    not known yet; the callback will be called exactly once, later
 *   < 0  no (AccessDenied), or it cannot be found out; `error` is filled, no callback.
 */
int authorize_async(Authorizer *authorizer, sd_bus_message *m, AuthorizeAction action,
                    AuthorizeCallback callback, void *userdata, sd_bus_error *error);

#endif
