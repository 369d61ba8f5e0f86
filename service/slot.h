/* SPDX-License-Identifier: MIT */
/*
 * A slot: what a generation has on one worker, that is an h2o context, its accept sockets and its
 * connections. Everything but the messages belongs to the worker's thread from slot_start() to
 * slot_fence().
 */
#ifndef SLUICE_SLOT_H
#define SLUICE_SLOT_H

#include <stdbool.h>
#include <stdint.h>

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
    int max_connections;
    int n_connections; /* atomic; for max-connections */
    /* Atomic: slots that have not said so yet. The last one tells the main thread for all. */
    unsigned n_not_ready, n_not_quiet, n_not_gone;
    MainMessage ready; /* all accept connections */
    MainMessage quiet; /* none accepts any more; not sent if `gone` comes at the same time */
    MainMessage gone;  /* no connection is left */
} SlotShared;

struct Slot {
    h2o_context_t context; /* first: a request's context leads back to the slot */
    Worker *worker;
    SlotShared *shared;
    Counters *counters;
    Slot *next; /* the slot on the next worker, if it must be started after this one */

    SlotAccept *accepts;
    size_t n_accepts;
    int reserve[2]; /* descriptors held for the context's queue, see slot_start() */

    h2o_linklist_t connections; /* of Connection.link */
    uint32_t n_connections;
    WorkerHook hook;
    bool accepting;       /* the accept sockets are being read */
    uint64_t retry_at;    /* msec: accept() ran out of descriptors; 0: it did not */
    bool draining;        /* retired: nothing is accepted any more */
    bool close_idle;      /* idle connections are not waited for */
    bool cutting;         /* the deadline has passed: nothing is waited for */
    bool quiet;
    uint32_t drained; /* connections that ended since `draining`, but for those that were cut */
    uint32_t cut;

    WorkerMessage start_message;
    WorkerMessage retire_message;
    WorkerMessage cut_message;
    WorkerMessage resume_message; /* another worker freed a place below max-connections */
    int resume_pending;           /* atomic: resume_message is on its way */
    WorkerMessage fence_message;  /* the last: nothing else can be on its way after it */
    int retire_pending;           /* atomic: retire_message is on its way */
    int retire_close_idle;        /* its argument, atomic */
    MainMessage passed; /* the fence; the slot is the main thread's again */
    Slot **siblings;   /* all slots of the generation */
    unsigned n_siblings;
};

/* Runs as start_message: makes the context, accepts, then passes on to `next`. */
void slot_start(WorkerMessage *message, Worker *worker);

/* Runs as retire_message: stops accepting and begins to drain. */
void slot_retire(WorkerMessage *message, Worker *worker);

/* Runs as cut_message: closes every connection. */
void slot_cut(WorkerMessage *message, Worker *worker);

/* Runs as resume_message. */
void slot_resume(WorkerMessage *message, Worker *worker);

/* Runs as fence_message, once no slot of the generation has a connection. */
void slot_fence(WorkerMessage *message, Worker *worker);

/* Defines the logger that counts, on every path of the configuration; see config.c. */
void slot_register_logger(h2o_pathconf_t *path);

#endif
