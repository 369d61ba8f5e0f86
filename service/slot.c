/* SPDX-License-Identifier: MIT */
/* See slot.h. */
#include "slot.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "connection.h"

#define ACCEPT_RETRY        100 /* msec: after accept() ran out of descriptors */
#define DISPOSE_RETRY       10  /* msec: while a timer of the context is still linked */
#define HTTP2_LOOK_INTERVAL 50  /* msec: HTTP/2 connections do not tell when they become idle */
#define ACCEPT_AT_STOP_MAX  4096

static void on_log(h2o_logger_t *logger, h2o_req_t *request)
{
    Slot *slot = (Slot *)request->conn->ctx;
    unsigned class = (unsigned)request->res.status / 100;

    counter_add(&slot->counters->requests, 1);
    counter_add(&slot->counters->bytes_sent, request->bytes_sent);
    counter_add(&slot->counters->responses[class <= 5 ? class : 0], 1);
}

void slot_register_logger(h2o_pathconf_t *path)
{
    h2o_logger_t *logger = h2o_create_logger(path, sizeof(*logger));

    logger->log_access = on_log;
}

/* As many connections at once as h2o's program takes, so that workers share a burst. */
static unsigned batch_size(const Slot *slot)
{
    unsigned n = (unsigned)slot->shared->max_connections / 16 / slot->n_siblings;

    return n < 8 ? 8 : n;
}

static bool has_room(const Slot *slot)
{
    return __atomic_load_n(&slot->shared->n_connections, __ATOMIC_RELAXED) <
           slot->shared->max_connections;
}

/* Takes up to `n` waiting connections. */
static void accept_waiting(SlotAccept *accept, unsigned n)
{
    Slot *slot = accept->slot;
    h2o_socket_t *socket;

    for (; n != 0 && has_room(slot); --n) {
        if ((socket = h2o_evloop_socket_accept(accept->socket)) == NULL) {
            /* Out of descriptors, say: the event would come again at once, so wait a while. */
            if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
                slot->retry_at = h2o_now(slot->context.loop) + ACCEPT_RETRY;
            break;
        }
        connection_add(slot, socket);
        h2o_accept(&accept->super, socket);
    }
}

static void on_accept(h2o_socket_t *socket, const char *err)
{
    SlotAccept *accept = socket->data;

    if (err == NULL)
        accept_waiting(accept, batch_size(accept->slot));
}

static void read_accept_sockets(Slot *slot, bool on)
{
    size_t i;

    if (slot->accepting == on)
        return;
    for (i = 0; i != slot->n_accepts; ++i) {
        if (on)
            h2o_socket_read_start(slot->accepts[i].socket, on_accept);
        else
            h2o_socket_read_stop(slot->accepts[i].socket);
    }
    slot->accepting = on;
}

/* Accepts or not, as the limits allow; returns the msec until it should be asked again. */
static int32_t update_accepting(Slot *slot)
{
    uint64_t now = h2o_now(slot->context.loop);

    if (slot->retry_at > now) {
        read_accept_sockets(slot, false);
        return (int32_t)(slot->retry_at - now);
    }
    slot->retry_at = 0;
    read_accept_sockets(slot, has_room(slot));
    return INT32_MAX;
}

static void close_accept_sockets(Slot *slot)
{
    size_t i;

    for (i = 0; i != slot->n_accepts; ++i) {
        if (slot->accepts[i].socket == NULL)
            continue;
        /* What already waits is served: its client believes that it is connected. */
        if (slot->close_idle)
            accept_waiting(&slot->accepts[i], ACCEPT_AT_STOP_MAX);
        h2o_socket_close(slot->accepts[i].socket);
        slot->accepts[i].socket = NULL;
    }
}

/* The entry of h2o_context_request_shutdown(), which it links even without HTTP/2 connections. */
static void unlink_http2_shutdown(Slot *slot)
{
    h2o_timeout_unlink(&slot->context.http2._graceful_shutdown_timeout);
}

/* h2o_context_dispose() asserts that the context's timers are idle. */
static bool timers_are_idle(const Slot *slot)
{
    const h2o_context_t *context = &slot->context;
    const h2o_timeout_t *timeouts[] = {
        &context->zero_timeout,       &context->one_sec_timeout,
        &context->hundred_ms_timeout, &context->handshake_timeout,
        &context->http1.req_timeout,  &context->http2.idle_timeout,
        &context->proxy.io_timeout,   &context->http2.graceful_shutdown_timeout,
    };
    size_t i;

    for (i = 0; i != sizeof(timeouts) / sizeof(timeouts[0]); ++i)
        if (timeouts[i]->_entries.next != &timeouts[i]->_entries)
            return false;
    return true;
}

/* Counts this slot off; true if it was the last one of the generation. */
static bool count_off(unsigned *n_left)
{
    return __atomic_sub_fetch(n_left, 1, __ATOMIC_ACQ_REL) == 0;
}

static void tell(Slot *slot, MainMessage *message)
{
    mainqueue_send(worker_get_queue(slot->worker), message);
}

/* True if all slots have become quiet and nobody has told the main thread yet. */
static bool become_quiet(Slot *slot)
{
    bool last = !slot->quiet && count_off(&slot->shared->n_not_quiet);

    slot->quiet = true;
    return last;
}

/* Draining: closes what may be closed, and the slot itself when nothing is left. */
static int32_t drain(Slot *slot)
{
    int32_t wait = INT32_MAX, grace;
    bool quiet;

    if (slot->cutting) {
        /* In a message, not here: see slot_cut(). */
        if (slot->n_connections != 0 && !slot->cut_pending) {
            slot->cut_pending = true;
            worker_send(slot->worker, &slot->cut_message);
        }
    } else if (slot->close_idle) {
        connections_classify(slot);
        grace = connections_close_idle(slot);
        wait = grace >= 0 && grace < HTTP2_LOOK_INTERVAL ? grace : HTTP2_LOOK_INTERVAL;
    }
    quiet = become_quiet(slot);
    if (slot->n_connections == 0)
        unlink_http2_shutdown(slot);
    if (slot->n_connections != 0 || !timers_are_idle(slot)) {
        if (quiet)
            tell(slot, &slot->shared->quiet);
        return slot->n_connections == 0 || slot->cutting ? DISPOSE_RETRY : wait;
    }
    slot->gone = true;
    if (count_off(&slot->shared->n_not_gone))
        tell(slot, &slot->shared->gone);
    else if (quiet)
        tell(slot, &slot->shared->quiet);
    return INT32_MAX;
}

static void dispose(Slot *slot)
{
    h2o_linklist_unlink(&slot->hook.link);
    h2o_context_dispose(&slot->context);
    /* Disposed of but not freed by h2o_multithread_destroy_queue() of libh2o-evloop 2.2. */
    free(slot->context.queue);
}

/* One step of the teardown, see slot_teardown(). */
static int32_t teardown(Slot *slot)
{
    SlotShared *shared = slot->shared;

    if (slot->turns_left == 0 || --slot->turns_left != 0)
        return slot->turns_left == 0 ? INT32_MAX : 0;
    if (shared->disposing)
        dispose(slot);
    if (slot->index == 0 && shared->disposing) {
        tell(slot, &shared->passed);
    } else {
        unsigned next = slot->index != 0 ? slot->index - 1 : slot->n_siblings - 1;
        shared->disposing = shared->disposing || slot->index == 0;
        worker_send(slot->siblings[next]->worker, &slot->siblings[next]->teardown_message);
    }
    return INT32_MAX;
}

static int32_t after_turn(WorkerHook *hook)
{
    Slot *slot = H2O_STRUCT_FROM_MEMBER(Slot, hook, hook);

    if (slot->gone)
        return teardown(slot);
    /* The cache is valid for one turn, so that no file is served after it is gone. */
    h2o_filecache_clear(slot->context.filecache);
    return slot->draining ? drain(slot) : update_accepting(slot);
}

static int close_fd(int fd)
{
    close(fd);
    return -1;
}

static void begin_accepting(Slot *slot)
{
    read_accept_sockets(slot, true);
    slot->hook.after_turn = after_turn;
    worker_add_hook(slot->worker, &slot->hook);
    if (count_off(&slot->shared->n_not_ready))
        tell(slot, &slot->shared->ready);
}

void slot_start(WorkerMessage *message, Worker *worker)
{
    Slot *slot = H2O_STRUCT_FROM_MEMBER(Slot, start_message, message);
    size_t i;

    /* h2o_context_init() makes a pipe and aborts if it cannot: these made sure that it can. */
    for (i = 0; i != sizeof(slot->reserve) / sizeof(slot->reserve[0]); ++i)
        slot->reserve[i] = close_fd(slot->reserve[i]);
    h2o_context_init(&slot->context, worker_get_loop(worker), &slot->shared->config->global);
    for (i = 0; i != slot->n_accepts; ++i) {
        SlotAccept *accept = &slot->accepts[i];
        accept->super.ctx = &slot->context;
        accept->socket = h2o_evloop_socket_create(worker_get_loop(worker), accept->fd,
                                                  H2O_SOCKET_FLAG_DONT_READ);
        accept->socket->data = accept;
        accept->fd = -1;
    }
    if (!slot->shared->config->in_order) {
        begin_accepting(slot);
        return;
    }
    if (slot->index + 1 != slot->n_siblings) {
        Slot *next = slot->siblings[slot->index + 1];
        worker_send(next->worker, &next->start_message);
        return;
    }
    for (i = 0; i != slot->n_siblings; ++i)
        worker_send(slot->siblings[i]->worker, &slot->siblings[i]->accept_message);
}

void slot_accept(WorkerMessage *message, Worker *worker)
{
    begin_accepting(H2O_STRUCT_FROM_MEMBER(Slot, accept_message, message));
}

void slot_retire(WorkerMessage *message, Worker *worker)
{
    Slot *slot = H2O_STRUCT_FROM_MEMBER(Slot, retire_message, message);

    /* Before the argument is looked at, or a change of it could go unnoticed. */
    __atomic_exchange_n(&slot->retire_pending, 0, __ATOMIC_SEQ_CST);
    slot->close_idle = __atomic_load_n(&slot->retire_close_idle, __ATOMIC_ACQUIRE);
    if (slot->draining)
        return;
    close_accept_sockets(slot);
    slot->draining = true;
    if (slot->n_connections == 0)
        return;
    connections_say_goodbye(slot);
    connections_classify(slot);
}

void slot_cut(WorkerMessage *message, Worker *worker)
{
    Slot *slot = H2O_STRUCT_FROM_MEMBER(Slot, cut_message, message);

    /*
     * A connection may be cut by a write that fails, which puts its socket on the loop's list of
     * pending ones, and the loop frees closed sockets before it looks at that list. Not so while
     * the list is being worked off, as it is now.
     */
    slot->cut_pending = false;
    slot->cutting = true;
    if (slot->n_connections != 0)
        connections_cut(slot);
}

void slot_resume(WorkerMessage *message, Worker *worker)
{
    Slot *slot = H2O_STRUCT_FROM_MEMBER(Slot, resume_message, message);

    /* That the loop has woken is enough: update_accepting() follows. */
    __atomic_exchange_n(&slot->resume_pending, 0, __ATOMIC_SEQ_CST);
}

void slot_teardown(WorkerMessage *message, Worker *worker)
{
    /* One turn may leave events behind, as it takes a limited number of them. */
    H2O_STRUCT_FROM_MEMBER(Slot, teardown_message, message)->turns_left = 2;
}
