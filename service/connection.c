/* SPDX-License-Identifier: MIT */
/* See connection.h. */
#include "connection.h"

#include <stdlib.h>
#include <sys/socket.h>

#include <h2o/http1.h>
#include <h2o/http2.h>
#include <h2o/http2_internal.h>
#include <h2o/tunnel.h>

#include "slot.h"

static void connection_on_detached(void *data, h2o_socket_t *socket, size_t request_size)
{
    if (socket != NULL)
        h2o_socket_close(socket);
}

static const char cut_error[] = "cut by the server";

static bool is_idle(const Connection *connection)
{
    return connection->kind == CONNECTION_HTTP1_IDLE || connection->kind == CONNECTION_HTTP2_IDLE;
}

/* Its first request may be on the wire. */
static bool is_new(const Connection *connection)
{
    return connection->socket->bytes_written == 0 &&
           h2o_now(connection->slot->context.loop) - connection->accepted_at < CONNECTION_GRACE;
}

static void on_close(void *data)
{
    Connection *connection = data;
    Slot *slot = connection->slot;
    unsigned i;

    h2o_linklist_unlink(&connection->link);
    --slot->n_connections;
    counter_add(&slot->counters->closed, 1);
    if (slot->draining)
        /* Who is idle at the deadline has lost nothing and does not count as cut. */
        ++*(slot->cutting && (!is_idle(connection) || is_new(connection)) ? &slot->cut
                                                                          : &slot->drained);
    free(connection);

    /* Whoever makes room below the limit wakes the workers that stopped accepting at it. */
    if (__atomic_fetch_sub(&slot->shared->n_connections, 1, __ATOMIC_RELAXED) !=
            slot->shared->max_connections ||
        slot->draining)
        return;
    for (i = 0; i != slot->n_siblings; ++i) {
        Slot *sibling = slot->siblings[i];
        if (__atomic_exchange_n(&sibling->resume_pending, 1, __ATOMIC_ACQ_REL) == 0)
            worker_send(sibling->worker, &sibling->resume_message);
    }
}

void connection_add(Slot *slot, h2o_socket_t *socket)
{
    Connection *connection = h2o_mem_alloc(sizeof(*connection));

    *connection =
        (Connection){.slot = slot, .socket = socket, .accepted_at = h2o_now(slot->context.loop)};
    h2o_linklist_insert(&slot->connections, &connection->link);
    ++slot->n_connections;
    counter_add(&slot->counters->accepted, 1);
    __atomic_fetch_add(&slot->shared->n_connections, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&slot->shared->n_accepted, 1, __ATOMIC_RELAXED);
    socket->on_close.cb = on_close;
    socket->on_close.data = connection;
}

static Connection *connection_of(h2o_socket_t *socket)
{
    return socket->on_close.data;
}

static int classify_http1(h2o_req_t *request, void *userdata)
{
    h2o_socket_t *socket = request->conn->callbacks->get_socket(request->conn);
    Connection *connection = connection_of(socket);
    bool busy = request->version != 0 || socket->input->size != 0 || h2o_socket_is_writing(socket);

    connection->kind = busy ? CONNECTION_HTTP1_BUSY : CONNECTION_HTTP1_IDLE;
    connection->request = request;
    if (busy)
        request->http1_is_persistent = 0;
    return 0;
}

static void classify_http2(Slot *slot)
{
    h2o_linklist_t *node, *anchor = &slot->context.http2._conns;

    /* foreach_request() passes over connections without a stream. */
    for (node = anchor->next; node != anchor; node = node->next) {
        h2o_http2_conn_t *http2 = H2O_STRUCT_FROM_MEMBER(h2o_http2_conn_t, _conns, node);
        /* While it is being upgraded from HTTP/1 it has no socket yet. */
        if (http2->sock == NULL)
            continue;
        connection_of(http2->sock)->kind =
            kh_size(http2->streams) != 0 ? CONNECTION_HTTP2_BUSY : CONNECTION_HTTP2_IDLE;
    }
}

/*
 * The library sends GOAWAY even to who has not had its SETTINGS, which must come first (RFC 9113
 * §3.4), and clients take that for an error. So those are off its list meanwhile; they are told
 * when it says it again, a second later.
 */
void connections_say_goodbye(Slot *slot)
{
    h2o_linklist_t *node, *next, *anchor = &slot->context.http2._conns, greeting;

    h2o_linklist_init_anchor(&greeting);
    for (node = anchor->next; node != anchor; node = next) {
        h2o_http2_conn_t *http2 = H2O_STRUCT_FROM_MEMBER(h2o_http2_conn_t, _conns, node);
        next = node->next;
        if (http2->sock == NULL ||
            (http2->sock->bytes_written == 0 && http2->_write.buf->size == 0)) {
            h2o_linklist_unlink(node);
            h2o_linklist_insert(&greeting, node);
        }
    }
    h2o_context_request_shutdown(&slot->context);
    h2o_linklist_insert_list(anchor, &greeting);
}

void connections_classify(Slot *slot)
{
    h2o_linklist_t *node;

    for (node = slot->connections.next; node != &slot->connections; node = node->next) {
        Connection *connection = H2O_STRUCT_FROM_MEMBER(Connection, link, node);
        connection->kind = CONNECTION_OTHER;
        connection->request = NULL;
    }
    H2O_HTTP1_CALLBACKS.foreach_request(&slot->context, classify_http1, NULL);
    classify_http2(slot);
}

/*
 * Ends a connection by telling its owner that reading or writing failed, which every owner of a
 * socket in libh2o must expect and answers by closing it. `_cb.write` stays set while it is called:
 * by that h2o_socket_close() knows that a write is pending and does not try a TLS goodbye.
 */
static void connection_cut(Connection *connection)
{
    h2o_socket_t *socket = connection->socket;

    if (socket->_cb.write != NULL) {
        socket->_cb.write(socket, cut_error);
    } else if (socket->_cb.read != NULL) {
        socket->_cb.read(socket, cut_error);
    } else if (connection->request != NULL) {
        /*
         * HTTP/1 waiting for its handler, say for an upstream: nobody looks at the socket, and the
         * library has no call to give up. But a request can be "upgraded" at any time, which ends
         * it and hands out the socket; the client never sees the header, as its socket is shut.
         */
        shutdown(h2o_socket_get_fd(socket), SHUT_RDWR);
        h2o_http1_upgrade(connection->request, NULL, 0, connection_on_detached, NULL);
        socket->_cb.write(socket, cut_error);
    } else if (connection->kind == CONNECTION_OTHER) {
        /* Neither HTTP nor reading nor writing: a tunnel whose other end does not take our data. */
        h2o_tunnel_break(socket->data);
    }
}

void connections_cut(Slot *slot)
{
    h2o_linklist_t *node, *next;

    connections_classify(slot);
    for (node = slot->connections.next; node != &slot->connections; node = next) {
        next = node->next;
        connection_cut(H2O_STRUCT_FROM_MEMBER(Connection, link, node));
    }
}

int32_t connections_close_idle(Slot *slot)
{
    uint64_t now = h2o_now(slot->context.loop), age;
    h2o_linklist_t *node, *next;
    int32_t wait = -1;

    for (node = slot->connections.next; node != &slot->connections; node = next) {
        Connection *connection = H2O_STRUCT_FROM_MEMBER(Connection, link, node);
        next = node->next;
        if (!is_idle(connection))
            continue;
        age = now - connection->accepted_at;
        if (connection->socket->bytes_written == 0 && age < CONNECTION_GRACE) {
            if (wait < 0 || (int32_t)(CONNECTION_GRACE - age) < wait)
                wait = (int32_t)(CONNECTION_GRACE - age);
            continue;
        }
        connection_cut(connection);
    }
    return wait;
}
