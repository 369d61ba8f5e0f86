/* SPDX-License-Identifier: MIT */
/*
 * Where a server's listening sockets come from, and where they go: from the generation before, from
 * the service manager, or made anew; into the service manager's store, so that they outlive a
 * restart of the daemon.
 */
#include "server-struct.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A listener for `listen` of a generation that is still there, so that it need not be closed. */
static Listener *find_listener(const Generation *generation, const ConfigListen *listen)
{
    size_t i;

    for (i = 0; generation != NULL && i != generation_get_n_listeners(generation); ++i) {
        Listener *listener = generation_get_listener(generation, i);
        if (listener != NULL && listener_serves(listener, &listen->address) && !listener->taken)
            return listener;
    }
    return NULL;
}

static Listener *find_open_listener(const Server *server, const ConfigListen *listen)
{
    Listener *listener = find_listener(server->current, listen);
    size_t i;

    for (i = 0; listener == NULL && i != server->n_retired; ++i)
        listener = find_listener(server->retired[i], listen);
    return listener;
}

static bool is_wanted(const Config *config, const Listener *listener)
{
    size_t i;

    for (i = 0; i != config->n_listens; ++i)
        if (listener_serves(listener, &config->listens[i].address))
            return true;
    return false;
}

/* Port 0 is the one that the kernel chose in the run before: of a socket no other entry wants. */
static Listener *find_stored_listener(Server *server, const Config *config,
                                      const ConfigListen *listen)
{
    Address any;
    size_t i;

    for (i = 0; i != server->n_passed; ++i) {
        Listener *listener = server->passed[i];
        if (listener->inherited || listener->taken || is_wanted(config, listener))
            continue;
        any = listener->bound;
        address_set_port(&any, 0);
        if (!address_equal(&any, &listen->address))
            continue;
        listener->wanted = any;
        return listener;
    }
    return NULL;
}

/* A socket that was passed in, for this server or for nobody known. */
static Listener *find_passed_listener(Server *server, const Config *config,
                                      const ConfigListen *listen)
{
    Listener *claimed;
    size_t i;

    if (listen->address.sa.ss_family != AF_UNIX && address_get_port(&listen->address) == 0)
        return find_stored_listener(server, config, listen);

    for (i = 0; i != server->n_passed; ++i)
        if (listener_serves(server->passed[i], &listen->address) && !server->passed[i]->taken)
            return server->passed[i];
    if ((claimed = manager_claim_socket(server->manager, &listen->address)) != NULL)
        server_pass(server, claimed);
    return claimed;
}

/* True if the listener of an earlier entry is for both IPv4 and IPv6, and so for this one, too. */
static bool is_served(Listener *const *listeners, const Config *config, size_t index)
{
    const Address *address = &config->listens[index].address;
    size_t i;

    for (i = 0; i != index; ++i)
        if (listeners[i] != NULL && listeners[i]->dual_stack &&
            address->sa.ss_family != config->listens[i].address.sa.ss_family &&
            listener_serves(listeners[i], address))
            return true;
    return false;
}

static int open_one(Server *server, const Config *config, const ConfigListen *listen,
                    Listener **ret, Error *error)
{
    char text[ADDRESS_TEXT_MAX];
    const char *holder;
    int r;

    if ((*ret = find_open_listener(server, listen)) != NULL ||
        (*ret = find_passed_listener(server, config, listen)) != NULL) {
        listener_ref(*ret);
        return 0;
    }
    if ((r = listener_new(ret, listen, error)) >= 0)
        return 0;
    holder = manager_find_holder(server->manager, server, &listen->address);
    if (error->code == ERROR_ADDRESS_IN_USE && holder != NULL)
        error_set(error, ERROR_ADDRESS_IN_USE, "%s: in use by server '%s' (%s)",
                  address_format(&listen->address, text), holder, listen->where);
    return r;
}

static bool is_named(const Server *server, const Listener *listener)
{
    return listener->name != NULL && strcmp(listener->name, server->name) == 0;
}

int server_open_listeners(Server *server, const Config *config, Listener ***ret, size_t *ret_n,
                          Error *error)
{
    /* Looking for one may add to those that were passed. */
    size_t i, n = 0, max = config->n_listens + server->n_passed + config->n_listens;
    Listener **listeners = calloc(max + 1, sizeof(*listeners));
    int r = 0;

    if (listeners == NULL)
        return error_set(error, ERROR_FAILED, "%s", strerror(ENOMEM));

    for (; n != config->n_listens; ++n) {
        if (is_served(listeners, config, n))
            continue;
        if ((r = open_one(server, config, &config->listens[n], &listeners[n], error)) < 0)
            break;
        listeners[n]->taken = true;
    }
    for (i = 0; r >= 0 && i != server->n_passed; ++i)
        if (server->passed[i]->inherited && !server->passed[i]->taken &&
            is_named(server, server->passed[i]))
            listeners[n++] = listener_ref(server->passed[i]);
    /* Before the workers look: one that cannot accept tries again only after a while. */
    for (i = 0; r >= 0 && i != n; ++i)
        if (listeners[i] != NULL)
            r = listener_accept_again(listeners[i], error);
    for (i = 0; i != n; ++i) {
        if (listeners[i] != NULL)
            listeners[i]->taken = false;
        if (r < 0)
            listener_unref(listeners[i]);
    }
    if (r < 0) {
        free(listeners);
        return r;
    }
    *ret = listeners;
    *ret_n = n;
    return 0;
}

static bool has_passed(const Server *server, bool inherited)
{
    size_t i;

    for (i = 0; i != server->n_passed; ++i)
        if (server->passed[i]->inherited == inherited)
            return true;
    return false;
}

bool server_has_inherited(const Server *server)
{
    return has_passed(server, true);
}

bool server_has_stored(const Server *server)
{
    return server->ran || has_passed(server, false);
}

static bool holds(const Generation *generation, const Listener *listener)
{
    size_t i;

    for (i = 0; generation != NULL && i != generation_get_n_listeners(generation); ++i)
        if (generation_get_listener(generation, i) == listener)
            return true;
    return false;
}

static bool is_in_use(const Server *server, const Listener *listener)
{
    size_t i;

    for (i = 0; i != server->n_retired; ++i)
        if (holds(server->retired[i], listener))
            return true;
    return holds(server->current, listener) || holds(server->incoming, listener);
}

void server_update_inherited(Server *server)
{
    size_t i, n = 0, n_passed = server->n_passed;

    for (i = 0; i != n_passed; ++i) {
        Listener *listener = server->passed[i];
        bool unused = listener->inherited && !is_in_use(server, listener);
        if (unused)
            manager_refuse(server->manager, listener);
        /* One that it has by its address only is for whoever wants it next. */
        if (unused && !is_named(server, listener))
            manager_keep_unclaimed(server->manager, listener);
        else
            server->passed[n++] = listener;
    }
    server->n_passed = n;
}

void server_drop_own_passed(Server *server)
{
    size_t i, n = 0;

    for (i = 0; i != server->n_passed; ++i) {
        if (server->passed[i]->inherited)
            server->passed[n++] = server->passed[i];
        else
            listener_unref(server->passed[i]);
    }
    server->n_passed = n;
}

void server_update_store(Server *server, const Generation *generation)
{
    size_t i, n = 0, n_listeners = generation != NULL ? generation_get_n_listeners(generation) : 0;
    int *fds = h2o_mem_alloc((n_listeners + 1) * sizeof(*fds)), marker;

    for (i = 0; i != n_listeners; ++i) {
        const Listener *listener = generation_get_listener(generation, i);
        if (listener != NULL && !listener->inherited)
            fds[n++] = listener->fd;
    }
    if (server->stores)
        manager_store_sockets(server->manager, server->name, NULL, 0);
    /* None of its own, but it runs: a file, which is no socket, says so. */
    marker = n == 0 && generation != NULL ? memfd_create("sluice-marker", MFD_CLOEXEC) : -1;
    if (marker >= 0)
        fds[n++] = marker;
    server->stores = n != 0 && manager_store_sockets(server->manager, server->name, fds, n);
    if (marker >= 0)
        close(marker);
    free(fds);
}

void server_prepare_to_stop(Server *server)
{
    size_t i;

    server_update_store(server, NULL);
    for (i = 0; server->current != NULL && i != server->n_passed; ++i)
        if (server->passed[i]->inherited && manager_may_shut_sockets(server->manager))
            listener_prepare_to_refuse(server->passed[i]);
}

void server_keep_listeners(Server *server)
{
    size_t i;

    if (!server->stores || server->current == NULL)
        return;
    for (i = 0; i != generation_get_n_listeners(server->current); ++i) {
        Listener *listener = generation_get_listener(server->current, i);
        if (listener != NULL)
            listener->kept = true;
    }
}

void server_pass_marker(Server *server)
{
    server->ran = server->stores = true;
}

void server_give_back(Server *server)
{
    size_t i;

    for (i = 0; i != server->n_passed; ++i) {
        Listener *listener = server->passed[i];
        if (!listener->inherited) {
            listener_unref(listener);
            continue;
        }
        manager_refuse(server->manager, listener);
        manager_keep_unclaimed(server->manager, listener);
    }
    server->n_passed = 0;
}

void server_refuse_anew(Server *server)
{
    size_t i;

    for (i = 0; i != server->n_passed; ++i)
        if (server->passed[i]->inherited && server->passed[i]->refuses)
            listener_refuse_anew(server->passed[i], manager_get_event(server->manager));
}

void server_pass(Server *server, Listener *listener)
{
    server->passed =
        h2o_mem_realloc(server->passed, (server->n_passed + 1) * sizeof(*server->passed));
    server->passed[server->n_passed++] = listener;
    if (!listener->inherited)
        server->stores = true;
}

void server_settle_passed(Server *server)
{
    server_update_inherited(server);
    if (server->current != NULL)
        return;
    server_drop_own_passed(server);
    if (server->stores)
        server_update_store(server, NULL);
}

bool server_refuses(const Server *server)
{
    size_t i;

    for (i = 0; i != server->n_passed; ++i)
        if (server->passed[i]->inherited && server->passed[i]->refuses)
            return true;
    return false;
}

static bool holds_address(const Generation *generation, const Address *address)
{
    size_t i;

    for (i = 0; generation != NULL && i != generation_get_n_listeners(generation); ++i) {
        const Listener *listener = generation_get_listener(generation, i);
        if (listener != NULL &&
            (address_overlaps(&listener->bound, address) || listener_serves(listener, address)))
            return true;
    }
    return false;
}

bool server_holds_address(const Server *server, const Address *address)
{
    size_t i;

    for (i = 0; i != server->n_retired; ++i)
        if (holds_address(server->retired[i], address))
            return true;
    return holds_address(server->current, address) || holds_address(server->incoming, address);
}
