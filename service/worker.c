/* SPDX-License-Identifier: MIT */
/* See worker.h. */
#include "worker.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct Worker {
    pthread_t thread;
    sem_t started;  /* posted once messages can be sent */
    sem_t stopping; /* posted once the last one has been */
    bool looked_up; /* a name, at some time */
    bool running;   /* the thread exists; main thread */
    MainQueue *queue;
    h2o_loop_t *loop;
    h2o_multithread_queue_t *messages;
    h2o_multithread_receiver_t receiver;
    h2o_multithread_receiver_t getaddr_receiver;
    h2o_linklist_t hooks; /* of WorkerHook.link */
    bool stop;
    WorkerMessage stop_message;
    WorkerMessage check_message;
    int check_pending; /* atomic: check_message has not been answered */
};

struct Pool {
    MainQueue *queue;
    unsigned n_holds;
    unsigned n_workers;
    Worker workers[];
};

static _Thread_local Worker *current_worker;

/*
 * A context that starts a look-up of an upstream's name may be gone before the answer comes:
 * libh2o forgets the look-up but sends its message to the context's queue all the same (there is a
 * TODO about it in h2o_context_dispose()). So the library's function is taken over, and answers go
 * to a queue that lives as long as the worker.
 */
__attribute__((visibility("default"))) h2o_hostinfo_getaddr_req_t *h2o_hostinfo_getaddr(
    h2o_multithread_receiver_t *receiver, h2o_iovec_t name, h2o_iovec_t serv, int family,
    int socktype, int protocol, int flags, h2o_hostinfo_getaddr_cb cb, void *cbdata)
{
    static _Thread_local __typeof__(&h2o_hostinfo_getaddr) library;

    if (library == NULL)
        library = (__typeof__(library))dlsym(RTLD_NEXT, "h2o_hostinfo_getaddr");
    if (current_worker != NULL) {
        current_worker->looked_up = true;
        receiver = &current_worker->getaddr_receiver;
    }
    return library(receiver, name, serv, family, socktype, protocol, flags, cb, cbdata);
}

static void on_messages(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    Worker *worker = H2O_STRUCT_FROM_MEMBER(Worker, receiver, receiver);

    while (!h2o_linklist_is_empty(messages)) {
        h2o_multithread_message_t *first =
            H2O_STRUCT_FROM_MEMBER(h2o_multithread_message_t, link, messages->next);
        WorkerMessage *message = H2O_STRUCT_FROM_MEMBER(WorkerMessage, super, first);
        h2o_linklist_unlink(&first->link);
        message->run(message, worker);
    }
}

static int32_t run_hooks(Worker *worker)
{
    int32_t wait = INT32_MAX;
    h2o_linklist_t *node, *next;

    for (node = worker->hooks.next; node != &worker->hooks; node = next) {
        WorkerHook *hook = H2O_STRUCT_FROM_MEMBER(WorkerHook, link, node);
        int32_t wanted;
        next = node->next;
        wanted = hook->after_turn(hook);
        if (wanted < wait)
            wait = wanted;
    }
    return wait;
}

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) < 0 && errno == EINTR)
        ;
}

/*
 * A socket takes its buffers from a pool of the thread that created it, so the loop and everything
 * on it, its message queue first of all, are made and freed on the worker's own thread.
 */
static void *worker_main(void *userdata)
{
    Worker *worker = userdata;
    int32_t wait = INT32_MAX;

    current_worker = worker;
    worker->loop = h2o_evloop_create();
    worker->messages = h2o_multithread_create_queue(worker->loop);
    h2o_multithread_register_receiver(worker->messages, &worker->receiver, on_messages);
    h2o_multithread_register_receiver(worker->messages, &worker->getaddr_receiver,
                                      h2o_hostinfo_getaddr_receiver);
    sem_post(&worker->started);

    while (!worker->stop) {
        h2o_evloop_run(worker->loop, wait);
        wait = run_hooks(worker);
        /* What the hooks have done to sockets is worked off before the loop frees closed ones. */
        h2o_timeout__do_post_callback(worker->loop);
    }
    /* Whoever sent the message looks at the queue until it has returned. */
    wait_for(&worker->stopping);
    if (worker->looked_up)
        return NULL; /* see pool_free() */
    h2o_multithread_unregister_receiver(worker->messages, &worker->getaddr_receiver);
    h2o_multithread_unregister_receiver(worker->messages, &worker->receiver);
    h2o_multithread_destroy_queue(worker->messages);
    free(worker->messages); /* the library does not */
    /* Frees the sockets closed in the last turn. */
    h2o_evloop_run(worker->loop, 0);
    h2o_evloop_destroy(worker->loop);
    return NULL;
}

static void on_stop(WorkerMessage *message, Worker *worker)
{
    worker->stop = true;
}

static void on_check(WorkerMessage *message, Worker *worker)
{
    __atomic_store_n(&worker->check_pending, 0, __ATOMIC_RELEASE);
}

static int worker_init(Worker *worker, MainQueue *queue, unsigned index)
{
    char name[16];
    int r;

    worker->queue = queue;
    sem_init(&worker->started, 0, 0);
    sem_init(&worker->stopping, 0, 0);
    h2o_linklist_init_anchor(&worker->hooks);
    worker->stop_message.run = on_stop;
    worker->check_message.run = on_check;
    if ((r = pthread_create(&worker->thread, NULL, worker_main, worker)) != 0)
        return -r;
    wait_for(&worker->started);
    worker->running = true;
    snprintf(name, sizeof(name), "worker-%u", index);
    pthread_setname_np(worker->thread, name);
    return 0;
}

static void worker_deinit(Worker *worker)
{
    if (!worker->running)
        return;
    worker_send(worker, &worker->stop_message);
    sem_post(&worker->stopping);
    pthread_join(worker->thread, NULL);
}

int pool_new(Pool **ret, unsigned n_threads, MainQueue *queue, Error *error)
{
    Pool *pool = calloc(1, sizeof(*pool) + n_threads * sizeof(Worker));
    sigset_t all, old;
    int r = 0;

    if (pool == NULL)
        return error_set(error, ERROR_FAILED, "%s", strerror(ENOMEM));
    pool->queue = queue;
    /* Signals are the main thread's; a worker inherits a mask that blocks them all. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (; r == 0 && pool->n_workers != n_threads; ++pool->n_workers)
        r = worker_init(&pool->workers[pool->n_workers], queue, pool->n_workers);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r < 0) {
        pool_free(pool);
        return error_set(error, ERROR_FAILED, "cannot start worker thread: %s", strerror(-r));
    }
    *ret = pool;
    return 0;
}

void pool_hold(Pool *pool)
{
    ++pool->n_holds;
}

void pool_release(Pool *pool)
{
    --pool->n_holds;
}

bool pool_is_held(const Pool *pool)
{
    return pool->n_holds != 0;
}

void pool_wait(Pool *pool)
{
    while (pool->n_holds != 0)
        mainqueue_wait(pool->queue);
}

Pool *pool_free(Pool *pool)
{
    static Pool *kept; /* for good */
    bool looked_up = false;
    unsigned i;

    if (pool == NULL)
        return NULL;
    for (i = 0; i != pool->n_workers; ++i) {
        worker_deinit(&pool->workers[i]);
        looked_up = looked_up || pool->workers[i].looked_up;
    }
    /*
     * The library's own threads look names up, cannot be called off, and may have an answer for one
     * of the workers yet. It must find its queue.
     */
    if (looked_up)
        kept = pool;
    else
        free(pool);
    (void)kept;
    return NULL;
}

bool pool_check(Pool *pool)
{
    bool well = true;
    unsigned i;

    for (i = 0; i != pool->n_workers; ++i) {
        Worker *worker = &pool->workers[i];
        if (__atomic_exchange_n(&worker->check_pending, 1, __ATOMIC_ACQ_REL) == 0)
            worker_send(worker, &worker->check_message);
        else
            well = false;
    }
    return well;
}

unsigned pool_get_size(const Pool *pool)
{
    return pool->n_workers;
}

Worker *pool_get_worker(Pool *pool, unsigned index)
{
    return &pool->workers[index];
}

void worker_send(Worker *worker, WorkerMessage *message)
{
    h2o_multithread_send_message(&worker->receiver, &message->super);
}

MainQueue *worker_get_queue(Worker *worker)
{
    return worker->queue;
}

h2o_loop_t *worker_get_loop(Worker *worker)
{
    return worker->loop;
}

void worker_add_hook(Worker *worker, WorkerHook *hook)
{
    h2o_linklist_insert(&worker->hooks, &hook->link);
}
