/* SPDX-License-Identifier: MIT */
/*
 * The manager's part of a restart: the sockets that the service manager passed, and the list of
 * what somebody has stopped. See manager.h and state-file.h.
 */
#include "manager-private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "state-file.h"
#include "strv.h"

/* ---- Sockets ---- */

static void pass_stored(Manager *manager, const ManagerSocket *socket)
{
    _cleanup_error_ Error error = ERROR_INIT;
    Server *server = manager_find_server(manager, socket->server);
    Listener *listener;
    struct stat st;

    if (server == NULL && manager->incomplete) {
        manager->orphans =
            h2o_mem_realloc(manager->orphans, (manager->n_orphans + 1) * sizeof(Orphan));
        manager->orphans[manager->n_orphans++] = (Orphan){strdup(socket->server), socket->fd};
    } else if (server == NULL) {
        log_warning("there is no server '%s' any more, which ran; its sockets are closed",
                    socket->server);
        shutdown(socket->fd, SHUT_RDWR);
        close(socket->fd);
        manager_store_sockets(manager, socket->server, NULL, 0);
    } else if (fstat(socket->fd, &st) == 0 && S_ISREG(st.st_mode)) {
        close(socket->fd);
        server_pass_marker(server);
    } else if (listener_from_fd(&listener, socket->fd, false, &error) < 0) {
        log_warning("stored socket of '%s': %s", socket->server, error.message);
        manager_store_sockets(manager, socket->server, NULL, 0);
    } else {
        server_pass(server, listener);
    }
}

void manager_adopt_orphans(Manager *manager)
{
    size_t i, n = manager->n_orphans;
    Orphan *orphans = manager->orphans;

    manager->orphans = NULL;
    manager->n_orphans = 0;
    manager->incomplete = false;
    for (i = 0; i != n; ++i) {
        pass_stored(manager, &(ManagerSocket){orphans[i].fd, orphans[i].server, true});
        free(orphans[i].server);
    }
    free(orphans);
}

static void pass_inherited(Manager *manager, const ManagerSocket *socket)
{
    _cleanup_error_ Error error = ERROR_INIT;
    Server *server = manager_find_server(manager, socket->server);
    Listener *listener;

    if (listener_from_fd(&listener, socket->fd, true, &error) < 0) {
        log_warning("socket for '%s': %s", socket->server, error.message);
        return;
    }
    listener->name = strdup(socket->server);
    if (server != NULL) {
        server_pass(server, listener);
        return;
    }
    manager_keep_unclaimed(manager, listener);
}

void manager_pass_socket(Manager *manager, const ManagerSocket *socket)
{
    if (socket->own)
        pass_stored(manager, socket);
    else
        pass_inherited(manager, socket);
}

void manager_keep_unclaimed(Manager *manager, Listener *listener)
{
    manager->unclaimed =
        h2o_mem_realloc(manager->unclaimed, (manager->n_unclaimed + 1) * sizeof(Listener *));
    manager->unclaimed[manager->n_unclaimed++] = listener;
}

static Listener *take_unclaimed(Manager *manager, size_t i)
{
    Listener *listener = manager->unclaimed[i];

    manager->unclaimed[i] = manager->unclaimed[--manager->n_unclaimed];
    return listener;
}

/* Takes the name off the list; false if it was not there. */
static bool take_stopped(Manager *manager, const char *name)
{
    size_t i, n = strv_length(manager->stopped);

    for (i = 0; i != n; ++i) {
        if (strcmp(manager->stopped[i], name) != 0)
            continue;
        free(manager->stopped[i]);
        manager->stopped[i] = manager->stopped[n - 1];
        manager->stopped[n - 1] = NULL;
        return true;
    }
    return false;
}

void manager_note_forgotten(Manager *manager, const Server *server)
{
    if (server_was_stopped(server))
        strv_take(&manager->stopped, strdup(server_get_name(server)));
}

void manager_claim_by_name(Manager *manager, Server *server)
{
    size_t i = 0;

    if (take_stopped(manager, server_get_name(server)))
        server_set_was_stopped(server, true);

    while (i != manager->n_unclaimed) {
        const char *name = manager->unclaimed[i]->name;
        if (name != NULL && strcmp(name, server_get_name(server)) == 0)
            server_pass(server, take_unclaimed(manager, i));
        else
            ++i;
    }
}

Listener *manager_claim_socket(Manager *manager, const Address *address)
{
    size_t i;

    for (i = 0; i != manager->n_unclaimed; ++i)
        if (listener_serves(manager->unclaimed[i], address))
            return take_unclaimed(manager, i);
    return NULL;
}

void manager_settle_sockets(Manager *manager)
{
    char text[ADDRESS_TEXT_MAX];
    size_t i;

    for (i = 0; i != manager->n_servers; ++i)
        server_settle_passed(manager->servers[i]);
    for (i = 0; i != manager->n_unclaimed; ++i) {
        Listener *listener = manager->unclaimed[i];
        log_warning("socket %s: there is no server '%s', and none that runs listens on this "
                    "address; it waits for one",
                    address_format(&listener->bound, text),
                    listener->name != NULL ? listener->name : "");
        manager_refuse(manager, listener);
    }
}

bool manager_has_inherited(Manager *manager)
{
    size_t i;

    for (i = 0; i != manager->n_servers; ++i)
        if (server_has_inherited(manager->servers[i]))
            return true;
    return manager->n_unclaimed != 0;
}

void manager_refuse(Manager *manager, Listener *listener)
{
    if (manager->exiting)
        listener_accept_again(listener, NULL);
    else
        listener_refuse(listener, manager->event, manager->may_shut_sockets);
}

void manager_may_now_shut_sockets(Manager *manager)
{
    size_t i;

    manager->may_shut_sockets = true;
    for (i = 0; i != manager->n_servers; ++i)
        server_refuse_anew(manager->servers[i]);
    for (i = 0; i != manager->n_unclaimed; ++i)
        if (manager->unclaimed[i]->refuses)
            listener_refuse_anew(manager->unclaimed[i], manager->event);
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
        listener_accept_again(manager->unclaimed[i], NULL);
}

bool manager_is_exiting(const Manager *manager)
{
    return manager->exiting;
}

bool manager_store_sockets(Manager *manager, const char *server, const int *fds, size_t n)
{
    int r;

    if (manager->store_sockets == NULL)
        return false;
    if ((r = manager->store_sockets(server, fds, n)) >= 0)
        return true;
    if (n == 0)
        return false;
    /* All or nothing, or Stop would not know what to take out again. */
    manager->store_sockets(server, NULL, 0);
    log_about(manager_get_journal(manager), LOG_WARNING, server, NULL,
              "cannot give its sockets to the service manager to keep, so that it will not come "
              "back after a restart of the daemon: %s",
              strerror(-r));
    return false;
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
        else
            strv_take(&manager->stopped, strdup(stopped[i]));
    strv_free(stopped);
}

static int on_save(sd_event_source *source, void *userdata)
{
    Manager *manager = userdata;
    _cleanup_error_ Error error = ERROR_INIT;
    size_t i, n = 0, n_others = strv_length(manager->stopped);
    char **stopped = h2o_mem_alloc((manager->n_servers + n_others + 1) * sizeof(*stopped));
    int r;

    for (i = 0; i != manager->n_servers; ++i)
        if (server_was_stopped(manager->servers[i]))
            stopped[n++] = (char *)server_get_name(manager->servers[i]);
    for (i = 0; i != n_others; ++i)
        stopped[n++] = manager->stopped[i];
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
