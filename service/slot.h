/* SPDX-License-Identifier: MIT */
/*
 * A slot: what a generation has on one worker, that is an h2o context, its accept sockets and its
 * connections. Everything but the messages belongs to the worker's thread from slot_start() to
 * slot_teardown().
 */
#ifndef SLUICE_SLOT_H
#define SLUICE_SLOT_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <h2o.h>

#include "config.h"
#include "counters.h"
#include "mainqueue.h"
#include "worker.h"

typedef struct Slot Slot;

/* An accept socket. */
typedef struct SlotAccept {
    h2o_accept_ctx_t super; /* first: libh2o gets a pointer to it */
    h2o_socket_t *socket;
    Slot *slot;
    int fd; /* a duplicate of the listener's, until `socket` takes it over */
} SlotAccept;

/* Shared by the slots of a generation. */
typedef struct SlotShared {
    Config *config;
    unsigned generation; /* its number */
    time_t started_at;   /* CLOCK_REALTIME */
    uint64_t n_accepted; /* atomic */
    int max_connections;
    int n_connections; /* atomic; for max-connections */
    /* Atomic: slots that have not said so yet. The last one tells the main thread for all. */
    unsigned n_not_ready, n_not_quiet, n_not_gone;
    MainMessage ready;  /* all accept connections */
    MainMessage quiet;  /* none accepts any more; not sent if `gone` comes at the same time */
    MainMessage gone;   /* no connection is left */
    MainMessage passed; /* the teardown is over; the slots are the main thread's again */
    bool disposing;     /* the second round of the teardown */
} SlotShared;

struct Slot {
    h2o_context_t context; /* first: a request's context leads back to the slot */
    Worker *worker;
    SlotShared *shared;
    Counters *counters;
    Slot **siblings; /* all slots of the generation, in the order of their workers */
    unsigned n_siblings;
    unsigned index; /* of this one among them */

    SlotAccept *accepts;
    size_t n_accepts;
    int reserve[2]; /* descriptors held for the context's queue, see slot_start() */

    h2o_linklist_t connections; /* of Connection.link */
    uint32_t n_connections;
    WorkerHook hook;
    bool accepting;    /* the accept sockets are being read */
    uint64_t retry_at; /* msec: accept() ran out of descriptors; 0: it did not */
    bool draining;     /* retired: nothing is accepted any more */
    bool close_idle;   /* idle connections are not waited for */
    bool cutting;      /* the deadline has passed: nothing is waited for */
    bool quiet;
    bool gone;
    unsigned turns_left; /* until the next step of the teardown; 0: not asked for */
    uint32_t drained;    /* connections that ended since `draining`, but for those that were cut */
    uint32_t cut;

    WorkerMessage start_message;
    WorkerMessage accept_message;
    WorkerMessage retire_message;
    WorkerMessage cut_message;
    bool cut_pending;             /* it is on its way from this very slot */
    WorkerMessage resume_message; /* another worker freed a place below max-connections */
    int resume_pending;           /* atomic: resume_message is on its way */
    WorkerMessage teardown_message;
    int retire_pending;    /* atomic: retire_message is on its way */
    int retire_close_idle; /* its argument, atomic */
};

/*
 * Runs as start_message: makes the context and accepts. If the configuration has handlers that know
 * of each other's contexts (Config.in_order), the start is passed from slot to slot, and none
 * accepts before all have their context.
 */
void slot_start(WorkerMessage *message, Worker *worker);

/* Runs as accept_message, in that case. */
void slot_accept(WorkerMessage *message, Worker *worker);

/* Runs as retire_message: stops accepting and begins to drain. */
void slot_retire(WorkerMessage *message, Worker *worker);

/* Runs as cut_message: closes every connection. */
void slot_cut(WorkerMessage *message, Worker *worker);

/* Runs as resume_message. */
void slot_resume(WorkerMessage *message, Worker *worker);

/*
 * Runs as teardown_message, sent to the last slot once none has a connection. It goes through all
 * slots backwards, twice, and lets a turn of the loop pass at each: first for messages that the
 * handlers of one context have sent to another, then for the answers to these, after which the
 * context is disposed of. Backwards, because the status handler of libh2o 2.2 forgets the wrong
 * context otherwise.
 */
void slot_teardown(WorkerMessage *message, Worker *worker);

/* Defines the logger that counts, on every path of the configuration; see config.c. */
void slot_register_logger(h2o_pathconf_t *path);

#endif
