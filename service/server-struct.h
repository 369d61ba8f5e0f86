/* SPDX-License-Identifier: MIT */
/* The inside of a server, for server.c and server-sockets.c only. */
#ifndef SLUICE_SERVER_STRUCT_H
#define SLUICE_SERVER_STRUCT_H

#include "generation.h"
#include "server-private.h"

/* Somebody waits for an operation. */
typedef struct Waiter {
    struct Waiter *next;
    ServerCallback callback;
    void *userdata;
    unsigned up_to; /* Stop: the last generation it waits for */
    uint32_t drained, cut;
} Waiter;

typedef struct WaiterList {
    Waiter *first;
} WaiterList;

struct Server {
    Manager *manager;
    char *name;
    char *config_file;
    ConfigSettings settings;
    FileList files; /* that `settings` were read from, until a generation has read them anew */
    Config *config; /* the last one applied; good for the next start while its files are current */

    ServerState state;
    ServerReason reason; /* of the start or stop under way */
    ServerResult result;
    uint64_t changed_usec; /* CLOCK_REALTIME */
    char *error;

    unsigned last_id;     /* of the newest generation ever made */
    Generation *current;  /* starting or running */
    Generation *incoming; /* a reload's, not ready yet */
    Generation **retired;
    size_t n_retired;
    bool vanished;
    bool active;           /* what the manager was last told */
    uint32_t drained, cut; /* since the last Stop */

    WaiterList starting;
    WaiterList stopping;
    WaiterList reloading;   /* for `incoming`, then for `outgoing` to accept no more */
    Generation *outgoing;   /* replaced by a reload, and still may accept a connection */
    WaiterList reload_next; /* came later: the file may have changed since */

    Listener **passed; /* by the service manager; its own ones only until the next start */
    size_t n_passed;
    bool ran;         /* see server_pass_marker() */
    bool stores;      /* some of its sockets are in the service manager's store */
    bool was_stopped; /* by request, and has not run since */

    Counters *counters; /* one per worker */
    TicketKeys *ticket_keys;
};

/*
 * Finds or opens a listener for each `listen`, and adds inherited ones that no `listen` mentions;
 * all or nothing. NULL where the listener of an earlier `listen` takes these connections, too: one
 * inherited socket may be for IPv4 and IPv6. `*ret` and the references are the caller's.
 */
int server_open_listeners(Server *server, const Config *config, Listener ***ret, size_t *ret_n,
                          Error *error);

/*
 * Own sockets that an earlier run left: those that the new generation has use for are its now, the
 * others are of no use.
 */
void server_drop_own_passed(Server *server);

/* Tells the service manager's store which sockets of its own the server listens on now. */
void server_update_store(Server *server, const Generation *generation);

/* The server stops for good: its sockets leave the store, inherited ones will refuse. */
void server_prepare_to_stop(Server *server);

/* The daemon ends, and its next run goes on with the sockets that are in the store. */
void server_keep_listeners(Server *server);

#endif
