/* SPDX-License-Identifier: MIT */
/*
 * The manager's part of a restart: the sockets that the service manager passed, and the list of
 * what somebody has stopped. See manager.h and state-file.h.
 */
#include "manager-private.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "state-file.h"
#include "strv.h"

/* ---- Sockets ---- */

void manager_pass_socket(Manager *manager, const ManagerSocket *socket)
{
    _cleanup_error_ Error error = ERROR_INIT;
    Server *server = manager_find_server(manager, socket->server);
    char text[ADDRESS_TEXT_MAX];
    Listener *listener;

    if (listener_from_fd(&listener, socket->fd, !socket->own, &error) < 0) {
        log_warning("socket for '%s': %s", socket->server, error.message);
        if (socket->own)
            manager_store_sockets(manager, socket->server, NULL, 0);
        return;
    }
    if (server != NULL) {
        server_pass(server, listener);
        return;
    }
    log_warning("socket %s: there is no server '%s'%s", address_format(&listener->bound, text),
                socket->server,
                socket->own ? " any more; the socket is closed"
                            : "; it waits for one that listens on this address");
    if (socket->own) {
        listener_unref(listener);
        manager_store_sockets(manager, socket->server, NULL, 0);
        return;
    }
    manager->unclaimed =
        h2o_mem_realloc(manager->unclaimed, (manager->n_unclaimed + 1) * sizeof(Listener *));
    manager->unclaimed[manager->n_unclaimed++] = listener;
}

Listener *manager_claim_socket(Manager *manager, const Address *address)
{
    Listener *listener;
    size_t i;

    for (i = 0; i != manager->n_unclaimed; ++i) {
        listener = manager->unclaimed[i];
        if (!listener_serves(listener, address))
            continue;
        manager->unclaimed[i] = manager->unclaimed[--manager->n_unclaimed];
        return listener;
    }
    return NULL;
}

void manager_settle_sockets(Manager *manager)
{
    size_t i;

    for (i = 0; i != manager->n_servers; ++i)
        server_settle_passed(manager->servers[i]);
    for (i = 0; i != manager->n_unclaimed; ++i)
        listener_refuse(manager->unclaimed[i], manager->event, false);
}

void manager_may_now_shut_sockets(Manager *manager)
{
    manager->may_shut_sockets = true;
}

bool manager_may_shut_sockets(const Manager *manager)
{
    return manager->may_shut_sockets;
}

void manager_begin_exit(Manager *manager)
{
    size_t i;

    manager->exiting = true;
    for (i = 0; i != manager->n_servers; ++i)
        server_update_inherited(manager->servers[i]);
    for (i = 0; i != manager->n_unclaimed; ++i)
        listener_accept_again(manager->unclaimed[i]);
}

bool manager_is_exiting(const Manager *manager)
{
    return manager->exiting;
}

bool manager_store_sockets(Manager *manager, const char *server, const int *fds, size_t n)
{
    if (manager->store_sockets == NULL)
        return false;
    manager->store_sockets(server, fds, n);
    return true;
}

/* ---- What somebody has stopped ---- */

void manager_restore(Manager *manager)
{
    _cleanup_error_ Error error = ERROR_INIT;
    char **stopped = NULL;
    Server *server;
    size_t i;

    if (manager->state_dir == NULL)
        return;
    if (state_file_read(&stopped, manager->state_dir, &error) < 0)
        log_error("%s; it is ignored and will be written anew", error.message);
    for (i = 0; stopped != NULL && stopped[i] != NULL; ++i)
        if ((server = manager_find_server(manager, stopped[i])) != NULL)
            server_set_was_stopped(server, true);
    strv_free(stopped);
}

static int on_save(sd_event_source *source, void *userdata)
{
    Manager *manager = userdata;
    _cleanup_error_ Error error = ERROR_INIT;
    char **stopped = h2o_mem_alloc((manager->n_servers + 1) * sizeof(*stopped));
    size_t i, n = 0;
    int r;

    for (i = 0; i != manager->n_servers; ++i)
        if (server_was_stopped(manager->servers[i]))
            stopped[n++] = (char *)server_get_name(manager->servers[i]);
    stopped[n] = NULL;
    r = state_file_write(stopped, manager->state_dir, &error);
    free(stopped);
    /* Once, not for every server that comes and goes. */
    if (r < 0 && !manager->save_failed)
        log_error("%s; what is stopped now may start by itself after a restart of the daemon",
                  error.message);
    manager->save_failed = r < 0;
    return 0;
}

void manager_save_soon(Manager *manager)
{
    if (manager->state_dir == NULL)
        return;
    if (manager->save_source != NULL)
        sd_event_source_set_enabled(manager->save_source, SD_EVENT_ONESHOT);
    else
        sd_event_add_defer(manager->event, &manager->save_source, on_save, manager);
}
