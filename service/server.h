/* SPDX-License-Identifier: MIT */
/*
 * A server: one named HTTP server, its configuration file, its state and its generations.
 *
 *     stopped -> starting -> running -> stopping -> stopped, and failed from starting or running
 *
 * Everything here belongs to the main thread. Start, Stop and Reload are asynchronous: the callback
 * is called exactly once, possibly before the function returns, and always after the observer has
 * been told of the transitions that the call caused. A caller that has lost interest just ignores
 * its callback; the operation goes on, for others may have joined it.
 */
#ifndef SLUICE_SERVER_H
#define SLUICE_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

typedef struct Manager Manager;
typedef struct Server Server;

typedef enum ServerState {
    SERVER_STOPPED,
    SERVER_STARTING,
    SERVER_RUNNING,
    SERVER_STOPPING,
    SERVER_FAILED,
    SERVER_STATE_MAX,
} ServerState;

/* Why the last run ended. */
typedef enum ServerResult {
    SERVER_RESULT_SUCCESS,
    SERVER_RESULT_TIMEOUT, /* connections had to be cut at the deadline */
    SERVER_RESULT_CONFIG,
    SERVER_RESULT_LISTEN,
    SERVER_RESULT_APP,
    SERVER_RESULT_LEASE,
    SERVER_RESULT_MAX,
} ServerResult;

/* The words used on the bus and in logs. */
const char *server_state_to_string(ServerState state);
const char *server_result_to_string(ServerResult result);

/* Why a transition happened, in one word, for the detail `reason` of StateChanged. */
typedef enum ServerReason {
    SERVER_REASON_REQUEST,   /* somebody called Start or Stop */
    SERVER_REASON_AUTOSTART, /* sluice.autostart */
    SERVER_REASON_SOCKET,    /* the service manager passed a socket for it */
    SERVER_REASON_RESTORED,  /* it ran when the daemon was restarted */
    SERVER_REASON_REMOVED,   /* its configuration file is gone */
    SERVER_REASON_EXIT,      /* the daemon is going away */
    SERVER_REASON_ERROR,     /* see `error` */
    SERVER_REASON_MAX,
} ServerReason;
const char *server_reason_to_string(ServerReason reason);

/* A transition, valid during the call that reports it. */
typedef struct ServerTransition {
    ServerState new_state;
    ServerState old_state;
    ServerReason reason;
    const char *error; /* message for people, or NULL */
    char *const *urls; /* NULL-terminated list of what listens now; never NULL */
    uint32_t drained;  /* to stopped: connections that finished since Stop */
    uint32_t cut;      /* to stopped: connections that were cut since Stop */
} ServerTransition;

/* What an operation came to, valid during the callback. */
typedef struct ServerReply {
    const Error *error; /* NULL on success */
    char *const *urls;  /* Start: NULL-terminated list of what listens; never NULL */
    uint32_t drained;   /* Stop: connections that ended by themselves or were idle */
    uint32_t cut;       /* Stop: connections that had to be cut at the deadline */
} ServerReply;

typedef void (*ServerCallback)(Server *server, const ServerReply *reply, void *userdata);

/* Stop: use the server's own stop timeout. */
#define SERVER_TIMEOUT_DEFAULT UINT64_MAX

/*
 * Start: replies once every worker accepts connections. Joins a start under way; succeeds at once
 * when running; while stopping it makes a new generation at once and lets the old one drain on.
 * Errors: INVALID_CONFIG, ADDRESS_IN_USE, LISTEN_FAILED, LIMIT_REACHED; NOT_RUNNING if a Stop
 * overtook it.
 */
void server_start(Server *server, ServerReason reason, ServerCallback callback, void *userdata);

/*
 * Stop: refuses new connections, closes idle ones, lets busy ones finish for `timeout_usec`, cuts
 * the rest; replies once nothing is left. Joins a stop under way, the shorter deadline counts.
 * Cannot fail.
 */
void server_stop(Server *server, uint64_t timeout_usec, ServerReason reason,
                 ServerCallback callback, void *userdata);

/*
 * Reload: a new generation from the file on the same listening sockets; the old one drains. On any
 * error the old one runs on untouched. Waits for a start under way. Errors: those of Start.
 */
void server_reload(Server *server, ServerCallback callback, void *userdata);

/* Properties; strings and lists belong to the server and live until it changes. */
const char *server_get_name(const Server *server);
const char *server_get_description(const Server *server); /* never NULL */
const char *server_get_config_file(const Server *server); /* never NULL */
ServerState server_get_state(const Server *server);
char *const *server_get_urls(const Server *server); /* what listens now; never NULL */
ServerResult server_get_result(const Server *server);
uint64_t server_get_state_change_timestamp(const Server *server); /* usec, CLOCK_REALTIME */
uint32_t server_get_generation(const Server *server);             /* 0 before the first start */
const char *server_get_owner(const Server *server);               /* never NULL */
const char *server_get_error(
    const Server *server); /* of the last failure or failed reload, or "" */
/* Of the configuration last used, an expired certificate say; NULL-terminated, never NULL. */
char *const *server_get_warnings(const Server *server);

/* Counters, summed over the workers and over all generations since the daemon started. */
typedef struct ServerStatistics {
    uint32_t connections;       /* open now, draining ones included */
    uint32_t draining;          /* open now in retired generations */
    uint64_t connections_total; /* accepted */
    uint64_t requests;          /* answered */
    uint64_t bytes_sent;        /* body bytes of responses */
    uint64_t responses[6];      /* by class: [2] is 2xx; [0] is anything else */
} ServerStatistics;
void server_get_statistics(const Server *server, ServerStatistics *ret);

#endif
