/* SPDX-License-Identifier: MIT */
/*
 * A worker: a thread with one h2o event loop, on which contexts of many generations live side by
 * side. The main thread tells it what to do by messages; see generation.h for what they say.
 */
#ifndef SLUICE_WORKER_H
#define SLUICE_WORKER_H

#include <stdbool.h>

#include <h2o.h>

#include "error.h"
#include "mainqueue.h"

typedef struct Worker Worker;
typedef struct Pool Pool; /* of workers */

/* Embedded in what it is about; may be sent again once it has run. */
typedef struct WorkerMessage {
    h2o_multithread_message_t super;
    void (*run)(struct WorkerMessage *message, Worker *worker); /* on the worker's thread */
} WorkerMessage;

/* Something on a worker that wants a call after each turn of the loop. */
typedef struct WorkerHook {
    h2o_linklist_t link;
    /*
     * Called after each turn; may unlink and free itself. Returns the milliseconds after which it
     * wants to be called even if nothing happens, INT32_MAX for never.
     */
    int32_t (*after_turn)(struct WorkerHook *hook);
} WorkerHook;

/* Starts `n_threads` workers. Main thread. */
int pool_new(Pool **ret, unsigned n_threads, MainQueue *queue, Error *error);

/* Something is on the workers' loops, or no more; pool_wait() waits for it. */
void pool_hold(Pool *pool);
void pool_release(Pool *pool);
bool pool_is_held(const Pool *pool);

/* Waits until nothing holds the pool, running what the workers send to the main thread meanwhile.
 */
void pool_wait(Pool *pool);

/*
 * Lets the workers run what has been sent to them, and ends their threads. Nothing may hold the
 * pool. Accepts NULL, returns NULL.
 */
Pool *pool_free(Pool *pool);

unsigned pool_get_size(const Pool *pool);
Worker *pool_get_worker(Pool *pool, unsigned index);

/*
 * Returns whether every worker has answered what it was asked the last time, and asks again. Main
 * thread.
 */
bool pool_check(Pool *pool);

/* Any thread. Messages from one thread to one worker arrive in order. */
void worker_send(Worker *worker, WorkerMessage *message);

/* The queue to the main thread. Any thread. */
MainQueue *worker_get_queue(Worker *worker);

/* The rest is for the worker's own thread. */
h2o_loop_t *worker_get_loop(Worker *worker);
void worker_add_hook(Worker *worker, WorkerHook *hook);

#endif
