/* SPDX-License-Identifier: MIT */
/* The inside of the manager, shared by manager.c and manager-batch.c. */
#ifndef SLUICE_MANAGER_PRIVATE_H
#define SLUICE_MANAGER_PRIVATE_H

#include "mainqueue.h"
#include "server-private.h"

/* A descriptor of the service manager's store, for whom there is no server. */
typedef struct Orphan {
    char *server;
    int fd;
} Orphan;

struct Manager {
    sd_event *event;
    MainQueue *queue;
    Pool *pool;
    char **config_dirs;
    JournalSend journal;
    ManagerObserver observer;
    Listener **unclaimed; /* inherited sockets of no server known */
    size_t n_unclaimed;
    Orphan *orphans; /* stored for servers whose files have not been read */
    size_t n_orphans;
    bool incomplete; /* the directories could not be read yet */
    char **stopped;  /* by somebody, and not among the servers: their files are gone, or unread */
    bool may_shut_sockets;
    bool exiting;
    int (*store_sockets)(const char *server, const int *fds, size_t n);
    char *state_dir;
    sd_event_source *save_source;
    bool save_failed;

    uint64_t since; /* usec, CLOCK_REALTIME */

    Server **servers; /* sorted by name */
    size_t n_servers;
    size_t n_active; /* for which server_is_active() */

    Server **doomed; /* forgotten, to be freed from the event loop */
    size_t n_doomed;
    sd_event_source *doomed_source;
};

int manager_add_server(Manager *manager, const char *name, const char *path, Server **ret,
                       Error *error);

/* Reads what somebody has stopped. */
void manager_restore(Manager *manager);

/* What has not been started refuses on the sockets it was passed. */
void manager_settle_sockets(Manager *manager);

/* What a new server is to have by its name, and what a forgotten one leaves. */
void manager_claim_by_name(Manager *manager, Server *server);
void manager_note_forgotten(Manager *manager, const Server *server);

/* The directories have been read: orphans find their servers, or leave the store. */
void manager_adopt_orphans(Manager *manager);

/* Takes a server that is not active off the list and frees it a moment later. */
void manager_forget_server(Manager *manager, Server *server);

#endif
