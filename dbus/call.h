/* SPDX-License-Identifier: MIT */
/*
 * A method call that is answered later: authorised first, then carried out, then answered.
 *
 * Who owns a Call: the Bus, until the work has begun; from then on the callback of that work, which
 * ends it with call_reply() or one of its kin. A Bus that is freed in between takes `bus` and
 * `message` away and leaves the rest to the callback. A caller that is gone changes nothing: the
 * answer is sent and the bus drops it.
 */
#ifndef SLUICE_CALL_H
#define SLUICE_CALL_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "authorize.h"
#include "bus.h"

typedef struct Call Call;

/* Begins the work. `call` may have ended when it returns. */
typedef void (*CallRun)(Call *call);

struct Call {
    Bus *bus;                /* NULL once the Bus has been freed */
    sd_bus_message *message; /* NULL likewise */
    Server *server;          /* whose method it is, or NULL; valid only inside run */
    uint64_t timeout_usec;   /* argument of Stop */

    CallRun run;
    bool authorizing; /* run has not been called yet */
    Call *previous, *next;
};

/* What a method needs besides its message. */
typedef struct CallRequest {
    AuthorizeAction action;
    CallRun run;
    Server *server;
    uint64_t timeout_usec;
} CallRequest;

/*
 * To be returned from a method handler: 1, or negative with `error` filled. Nothing has been
 * changed unless `run` was called, now or later.
 */
int call_begin(Bus *bus, sd_bus_message *m, const CallRequest *request, sd_bus_error *error);

/* Each of these answers the call (unless the Bus is gone) and frees it. */
void call_reply_error(Call *call, const Error *error);
void call_reply_empty(Call *call);
void call_reply_urls(Call *call, char *const *urls);
void call_reply_counts(Call *call, uint32_t drained, uint32_t cut);

/* For bus_free(): takes every call away from the Bus. */
void calls_abandon(Bus *bus);

#endif
