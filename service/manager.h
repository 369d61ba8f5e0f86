/* SPDX-License-Identifier: MIT */
/*
 * The manager holds the workers and all servers by name, reads the configuration directories, and
 * tells one observer what happens. Main thread only.
 */
#ifndef SLUICE_MANAGER_H
#define SLUICE_MANAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "error.h"
#include "journal.h"
#include "server.h"

#define SLUICE_CONFIG_MAX (1024 * 1024) /* bytes of a configuration text */
#define SLUICE_NAME_MAX   64            /* characters in a server's name */

/* A listening socket that the service manager passed. */
typedef struct ManagerSocket {
    int fd;
    const char *server; /* whom it is for, as far as its name tells */
    bool own;           /* an earlier run of the daemon made it; else it is a socket unit's */
} ManagerSocket;

typedef struct ManagerOptions {
    char *const *config_dirs; /* NULL-terminated; servers/NAME.conf below them, first found wins */
    unsigned n_threads;       /* 0: one per CPU the process may run on */
    JournalSend journal;      /* for access logs; NULL: they go nowhere */
    const char *state_dir;    /* where it is kept what somebody has stopped; NULL: nowhere */
    /*
     * Keeps sockets of a server open over a restart, besides those it keeps already; `n` is 0:
     * forgets them all. Returns a negative errno on failure. NULL: nobody keeps any.
     */
    int (*store_sockets)(const char *server, const int *fds, size_t n);
} ManagerOptions;

/* Every member may be NULL. The observer must not call back into the server it is told about. */
typedef struct ManagerObserver {
    /* A transition: State, StateChangeTimestamp and perhaps Result, Listen, Generation changed. */
    void (*state_changed)(Server *server, const ServerTransition *transition, void *userdata);
    /* Properties changed without a transition; `names` is a NULL-terminated list, bus spelling. */
    void (*properties_changed)(Server *server, char *const *names, void *userdata);
    void (*server_added)(Server *server, void *userdata);
    /* The server is stopped and no longer found by name; it is freed when this returns. */
    void (*server_removed)(Server *server, void *userdata);
    /* manager_is_idle() may have a new answer. */
    void (*idle_changed)(Manager *manager, void *userdata);
    void *userdata;
} ManagerObserver;

/* Starts the worker threads. Errors: -ENOMEM, -EMFILE, -EAGAIN. */
int manager_new(Manager **ret, sd_event *event, const ManagerOptions *options, Error *error);

/* Stops the workers; every server must be stopped (see manager_stop_all()). Accepts NULL. */
Manager *manager_free(Manager *manager);

void manager_set_observer(Manager *manager, const ManagerObserver *observer);

/*
 * Reads the configuration directories for the first time. If one cannot be read there are no
 * servers until a reload succeeds, and what the store has is kept for them. A directory that does
 * not exist is fine; a file that cannot be used still becomes a server, whose Start will tell what
 * is wrong.
 */
int manager_load(Manager *manager, Error *error);

/*
 * Takes a socket, after manager_load(). What is no listening stream socket, or for no server, is
 * logged; the latter refuses connections while the daemon runs.
 */
void manager_pass_socket(Manager *manager, const ManagerSocket *socket);

/* True if a socket unit's socket has been passed. */
bool manager_has_inherited(Manager *manager);

/*
 * To be called once the service manager has left watching inherited sockets to the daemon. Before,
 * it would find one that is shut to be broken: until this is called, who connects to a server that
 * does not run is not refused but accepted and dropped.
 */
void manager_may_now_shut_sockets(Manager *manager);

/*
 * To be called before the servers are stopped for the daemon to end: inherited sockets listen from
 * now on, whether a server accepts on them or not. So the service manager gets no dead socket back,
 * and who connects is served by the next daemon.
 */
void manager_begin_exit(Manager *manager);

/* True while every worker has answered since the last call but one; asks them again. */
bool manager_is_well(Manager *manager);

typedef struct ManagerReply {
    const Error *error; /* NULL on success; the message names each server that failed */
    char *const *urls;  /* Start: NULL-terminated list of what listens now, of all servers */
    uint32_t drained;
    uint32_t cut;
} ManagerReply;
typedef void (*ManagerCallback)(Manager *manager, const ManagerReply *reply, void *userdata);

/*
 * Starts the servers that start by themselves: those that ran when the daemon was restarted, those
 * with inherited sockets, and those with sluice.autostart; but none that somebody has stopped since
 * the machine was booted. Calls back once each of them listens or has failed.
 */
void manager_autostart(Manager *manager, ManagerCallback callback, void *userdata);

/*
 * Starts every configured server that is not running. If one fails the others run all the same,
 * and the error is the first failure's.
 */
void manager_start_all(Manager *manager, ManagerCallback callback, void *userdata);

/* Stops every server; SERVER_TIMEOUT_DEFAULT gives each its own deadline. */
void manager_stop_all(Manager *manager, uint64_t timeout_usec, ServerReason reason,
                      ManagerCallback callback, void *userdata);

/*
 * Reads the directories again: new files become servers, vanished ones are stopped and removed,
 * running servers whose file changed are reloaded.
 */
void manager_reload(Manager *manager, ManagerCallback callback, void *userdata);

/* Parses and checks a configuration text as a Start would, up to binding; nothing is kept. */
int manager_check_config(Manager *manager, const char *text, Error *error);

/* The server of that name or NULL. */
Server *manager_find_server(Manager *manager, const char *name);

/*
 * As above, but looks for the server's file if there was none when the directories were read, and
 * says what is wrong: INVALID_NAME for what can be no name, else NO_SUCH_SERVER.
 */
int manager_get_server(Manager *manager, const char *name, Server **ret, Error *error);

/* All servers in the order of their names: pass NULL to begin, stop at NULL. */
Server *manager_next_server(Manager *manager, Server *previous);
size_t manager_count_servers(Manager *manager);

/* How many servers there are in each state. */
void manager_count_states(Manager *manager, size_t counts[SERVER_STATE_MAX]);

/* True while no server runs, no generation drains, and no inherited socket refuses connections. */
bool manager_is_idle(Manager *manager);

/* Usec, CLOCK_REALTIME, when the manager was made. */
uint64_t manager_get_since(Manager *manager);

/* 1 to 64 of A-Z a-z 0-9 _ . - and not starting with a dot. */
bool server_name_is_valid(const char *name);

#endif
