/* SPDX-License-Identifier: MIT */
/*
 * The connections of a slot: who is idle, who is busy, and how to end both. On the worker's thread.
 *
 * libh2o has no list of the connections it accepted, and HTTP/1 no graceful shutdown. So each
 * accepted socket gets a record, hung on its on_close callback, and the protocols'
 * foreach_request() tells which sockets have a request under way.
 */
#ifndef SLUICE_CONNECTION_H
#define SLUICE_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include <h2o.h>

typedef struct Slot Slot;

typedef enum ConnectionKind {
    CONNECTION_OTHER,      /* a handshake, a tunnel, a WebSocket */
    CONNECTION_HTTP1_IDLE, /* HTTP/1 between two requests */
    CONNECTION_HTTP1_BUSY, /* HTTP/1 with a request under way, be it half of its first line */
    CONNECTION_HTTP2_IDLE, /* HTTP/2 without a stream */
    CONNECTION_HTTP2_BUSY,
} ConnectionKind;

typedef struct Connection {
    h2o_linklist_t link; /* in Slot.connections */
    Slot *slot;
    h2o_socket_t *socket;
    uint64_t accepted_at; /* msec of the loop's clock */
    ConnectionKind kind;  /* as of the last connections_classify() */
    h2o_req_t *request;   /* HTTP/1: ditto */
} Connection;

/* Makes a record for a socket just accepted. */
void connection_add(Slot *slot, h2o_socket_t *socket);

/* Fills in `kind` of every connection, and tells HTTP/1 requests under way to be the last. */
void connections_classify(Slot *slot);

/*
 * Tells clients that this is the end: HTTP/2 gets its GOAWAY, HTTP/1 says `Connection: close` from
 * now on.
 */
void connections_say_goodbye(Slot *slot);

/*
 * Closes those that are idle. One that has never had an answer and was accepted less than
 * CONNECTION_GRACE ago is left for now, as its first request may be on the wire. Returns the
 * milliseconds until it should be called again for those, or -1.
 */
#define CONNECTION_GRACE 250 /* msec */
int32_t connections_close_idle(Slot *slot);

/* Ends every connection, whatever it is doing. Some may need another call after a turn. */
void connections_cut(Slot *slot);

#endif
