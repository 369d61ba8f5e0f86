/* SPDX-License-Identifier: MIT */
/*
 * The manager's part of a restart: the sockets that the service manager passed, and the list of
 * what servers are meant to do. See manager.h and state-file.h.
 */
#include "manager-private.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"

/* ---- Sockets ---- */

static void pass_one(Manager *manager, const ManagerSocket *socket)
{
    _cleanup_error_ Error error = ERROR_INIT;
    Server *server = manager_find_server(manager, socket->server);
    char text[ADDRESS_TEXT_MAX];
    Listener *listener;

    if (listener_from_fd(&listener, socket->fd, !socket->own, &error) < 0) {
        log_error("socket for '%s': %s", socket->server, error.message);
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

void manager_pass_sockets(Manager *manager, const ManagerSocket *sockets, size_t n)
{
    size_t i;

    for (i = 0; i != n; ++i)
        pass_one(manager, &sockets[i]);
}

Listener *manager_claim_socket(Manager *manager, const Address *address)
{
    Listener *listener;
    size_t i;

    for (i = 0; i != manager->n_unclaimed; ++i) {
        listener = manager->unclaimed[i];
        if (!address_equal(&listener->bound, address))
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
        listener_refuse(manager->unclaimed[i], manager->event);
}

void manager_release_sockets(Manager *manager)
{
    size_t i;

    for (i = 0; i != manager->n_servers; ++i)
        server_release_passed(manager->servers[i]);
    for (i = 0; i != manager->n_unclaimed; ++i)
        listener_accept_again(manager->unclaimed[i]);
}

void manager_store_sockets(Manager *manager, const char *server, const int *fds, size_t n)
{
    if (manager->store_sockets != NULL)
        manager->store_sockets(server, fds, n);
}

/* ---- What servers are meant to do ---- */

void manager_restore(Manager *manager)
{
    _cleanup_error_ Error error = ERROR_INIT;
    StateList list;
    Server *server;
    size_t i;

    if (manager->state_dir == NULL)
        return;
    if (state_file_read(&list, manager->state_dir, &error) < 0)
        log_error("%s; it is ignored and will be written anew", error.message);
    for (i = 0; i != list.n_entries; ++i)
        if ((server = manager_find_server(manager, list.entries[i].name)) != NULL)
            server_set_wish(server, list.entries[i].wish);
    state_list_clear(&list);
}

static int on_save(sd_event_source *source, void *userdata)
{
    Manager *manager = userdata;
    _cleanup_error_ Error error = ERROR_INIT;
    StateList list = {NULL, 0};
    int r = 0;
    size_t i;

    for (i = 0; r >= 0 && i != manager->n_servers; ++i) {
        Wish wish = server_get_wish(manager->servers[i]);
        if (wish != WISH_NONE)
            r = state_list_add(&list, server_get_name(manager->servers[i]), wish);
    }
    if (r >= 0)
        r = state_file_write(&list, manager->state_dir, &error);
    /* Once, not for every server that comes and goes. */
    if (r < 0 && !manager->save_failed)
        log_error("%s; after a restart of the daemon, servers will not be as they were",
                  error.message != NULL ? error.message : "out of memory");
    manager->save_failed = r < 0;
    state_list_clear(&list);
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
