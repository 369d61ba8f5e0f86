/* SPDX-License-Identifier: MIT */
/*
 * One question to polkit: may this client do that? Asked and answered asynchronously, for the
 * answer may take as long as somebody needs to type a password. What follows from an answer is
 * authorize.c's to say. Main thread only.
 *
 * https://www.freedesktop.org/software/polkit/docs/latest/eggdbus-interface-org.freedesktop.PolicyKit1.Authority.html
 */
#ifndef SLUICE_POLKIT_H
#define SLUICE_POLKIT_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

typedef enum PolkitAnswer {
    POLKIT_AUTHORIZED,
    POLKIT_DENIED,
    POLKIT_CHALLENGE, /* somebody would have to authenticate, and nobody was asked to */
    POLKIT_ABSENT,    /* there is no polkit, or it cannot be started */
    POLKIT_FAILED,    /* it gave no answer that could be understood */
} PolkitAnswer;

typedef struct PolkitQuery PolkitQuery;

typedef struct PolkitQuestion {
    const char *subject; /* unique name of the client */
    const char *action;
    bool interactive; /* may polkit have somebody authenticate? */
    uint64_t id;      /* never used before on this connection; to cancel by */
} PolkitQuestion;

/* `reason` is polkit's or the bus's message for ABSENT and FAILED, else NULL. May free the query.
 */
typedef void (*PolkitCallback)(PolkitAnswer answer, const char *reason, void *userdata);

/* Asks; calls back exactly once, from the event loop, unless freed before. Errors: of sd-bus. */
int polkit_query_new(PolkitQuery **ret, sd_bus *connection, const PolkitQuestion *question,
                     PolkitCallback callback, void *userdata);

/* Cancels what has not been answered: a dialog on somebody's screen goes away. Accepts NULL. */
PolkitQuery *polkit_query_free(PolkitQuery *query);

#endif
