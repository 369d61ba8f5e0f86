/* SPDX-License-Identifier: MIT */
/* What the manager and its servers know of each other; see server.h and manager.h. */
#ifndef SLUICE_SERVER_PRIVATE_H
#define SLUICE_SERVER_PRIVATE_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "address.h"
#include "config.h"
#include "listener.h"
#include "manager.h"
#include "server.h"
#include "worker.h"

/* Takes `settings`, and `files`, which they were read from. */
int server_new(Server **ret, Manager *manager, const char *name, const char *config_file,
               ConfigSettings *settings, FileList *files);

/* The server must not be active. Accepts NULL, returns NULL. */
Server *server_free(Server *server);

/* True unless it is stopped or failed and nothing of it drains. */
bool server_is_active(const Server *server);

/* The configuration is in another file now. */
int server_set_config_file(Server *server, const char *config_file);

/* The file of a server that does not run says something else now. Takes both. */
void server_set_settings(Server *server, ConfigSettings *settings, FileList *files);

/* Its file is gone, and it will go, too, unless the file comes back before it has drained. */
void server_set_vanished(Server *server, bool vanished);
bool server_has_vanished(const Server *server);

/* True if the server knows what its files say now. */
bool server_is_current(const Server *server);

const ConfigSettings *server_get_settings(const Server *server);

/* Takes a socket that the service manager passed; before the first start. */
void server_pass(Server *server, Listener *listener);

/* It ran in the run before, on sockets that were not its own. */
void server_pass_marker(Server *server);

/* Its inherited sockets go back to the manager: the server is about to be forgotten. */
void server_give_back(Server *server);

/* Inherited sockets that refuse do so in the way that is allowed now. */
void server_refuse_anew(Server *server);

/* True if some of these are of a socket unit. */
bool server_has_inherited(const Server *server);

/* True if the store says that it ran in the run before. */
bool server_has_stored(const Server *server);

/* To be called once servers that start by themselves do: what the others were passed refuses. */
void server_settle_passed(Server *server);

/* Inherited sockets that no generation uses refuse, or listen if the daemon is about to end. */
void server_update_inherited(Server *server);

/* True if an inherited socket refuses connections. */
bool server_refuses(const Server *server);

/* True if somebody has stopped it and it has not run since: it does not start by itself. */
bool server_was_stopped(const Server *server);
void server_set_was_stopped(Server *server, bool was_stopped);

/* True if the server's sockets, draining ones included, are in the way of this address. */
bool server_holds_address(const Server *server, const Address *address);

/* Manager to servers. */
sd_event *manager_get_event(Manager *manager);
Pool *manager_get_pool(Manager *manager);
JournalSend manager_get_journal(Manager *manager); /* never NULL */
bool manager_is_exiting(const Manager *manager);   /* see manager_begin_exit() */
bool manager_may_shut_sockets(const Manager *manager);
/* An inherited socket that is no server's: it waits for one with its name, or its address. */
void manager_keep_unclaimed(Manager *manager, Listener *listener);
/* As listener_refuse(). */
void manager_refuse(Manager *manager, Listener *listener);
/* Takes an inherited socket for this address that no server has by its name, or NULL. */
Listener *manager_claim_socket(Manager *manager, const Address *address);
/* Has it written what somebody has stopped when the event loop comes round. */
void manager_save_soon(Manager *manager);
/* See ManagerOptions. False if there is nobody to keep them. */
bool manager_store_sockets(Manager *manager, const char *server, const int *fds, size_t n);
/* The name of another server that holds `address`, or NULL. */
const char *manager_find_holder(Manager *manager, const Server *except, const Address *address);
void manager_on_state_changed(Manager *manager, Server *server, const ServerTransition *transition);
void manager_on_properties_changed(Manager *manager, Server *server, char *const *names);
/* server_is_active() has a new answer. */
void manager_on_activity(Manager *manager, bool active);

#endif
