/* SPDX-License-Identifier: MIT */
/*
 * The manager's operations on many servers: start, stop and reload all. Each is a Batch, which
 * counts the answers that are still to come and then answers itself; it holds one for its own
 * begin, so that servers that answer at once do not finish it too early.
 */
#include "manager-private.h"

#include <stdlib.h>
#include <string.h>

#include "directory.h"
#include "log.h"
#include "strv.h"

typedef struct Batch {
    Manager *manager;
    ManagerCallback callback;
    void *userdata;
    size_t n_pending;
    size_t n_failed;
    Error error; /* the first failure's code, all failures' messages */
    bool collect_urls;
    char **urls;
    uint32_t drained, cut;
} Batch;

static Batch *batch_new(Manager *manager, ManagerCallback callback, void *userdata)
{
    Batch *batch = h2o_mem_alloc(sizeof(*batch));

    *batch =
        (Batch){.manager = manager, .callback = callback, .userdata = userdata, .n_pending = 1};
    return batch;
}

static void batch_done(Batch *batch)
{
    ManagerReply reply;

    if (--batch->n_pending != 0)
        return;
    reply = (ManagerReply){
        .error = batch->error.code != ERROR_NONE ? &batch->error : NULL,
        .urls = strv_or_empty(batch->urls),
        .drained = batch->drained,
        .cut = batch->cut,
    };
    if (batch->callback != NULL)
        batch->callback(batch->manager, &reply, batch->userdata);
    error_clear(&batch->error);
    strv_free(batch->urls);
    free(batch);
}

#define MESSAGES_MAX 10 /* an error names at most so many servers */

static void batch_fail(Batch *batch, const char *name, const Error *error)
{
    _cleanup_error_ Error sofar = batch->error;

    batch->error = ERROR_INIT;
    ++batch->n_failed;
    if (sofar.code == ERROR_NONE)
        error_set(&batch->error, error->code, "server '%s': %s", name, error->message);
    else if (batch->n_failed <= MESSAGES_MAX)
        error_set(&batch->error, sofar.code, "%s; server '%s': %s", sofar.message, name,
                  error->message);
    else
        error_set(&batch->error, sofar.code, "%s%s", sofar.message,
                  batch->n_failed == MESSAGES_MAX + 1 ? "; and others" : "");
}

static void on_answer(Server *server, const ServerReply *reply, void *userdata)
{
    Batch *batch = userdata;

    if (reply->error != NULL)
        batch_fail(batch, server_get_name(server), reply->error);
    else if (batch->collect_urls)
        strv_extend(&batch->urls, reply->urls);
    batch->drained += reply->drained;
    batch->cut += reply->cut;
    batch_done(batch);
}

static void start_one(Batch *batch, Server *server, ServerReason reason)
{
    ++batch->n_pending;
    server_start(server, reason, on_answer, batch);
}

void manager_start_all(Manager *manager, ManagerCallback callback, void *userdata)
{
    Batch *batch = batch_new(manager, callback, userdata);
    size_t i;

    batch->collect_urls = true;
    for (i = 0; i != manager->n_servers; ++i)
        start_one(batch, manager->servers[i], SERVER_REASON_REQUEST);
    batch_done(batch);
}

/* Whoever wonders why it does not start by itself finds out. */
static void tell_held_back(Manager *manager, const Server *server)
{
    if (server_has_inherited(server) || server_get_settings(server)->autostart)
        log_about(manager_get_journal(manager), LOG_NOTICE, server_get_name(server), NULL,
                  "does not start by itself, as somebody has stopped it since the machine was "
                  "booted");
}

void manager_autostart(Manager *manager, ManagerCallback callback, void *userdata)
{
    Batch *batch = batch_new(manager, callback, userdata);
    size_t i;

    batch->collect_urls = true;
    manager_restore(manager);
    for (i = 0; i != manager->n_servers; ++i) {
        Server *server = manager->servers[i];
        if (server_has_stored(server))
            start_one(batch, server, SERVER_REASON_RESTORED);
        else if (server_was_stopped(server))
            tell_held_back(manager, server);
        else if (server_has_inherited(server))
            start_one(batch, server, SERVER_REASON_SOCKET);
        else if (server_get_settings(server)->autostart)
            start_one(batch, server, SERVER_REASON_AUTOSTART);
    }
    manager_settle_sockets(manager);
    batch_done(batch);
}

void manager_stop_all(Manager *manager, uint64_t timeout_usec, ServerReason reason,
                      ManagerCallback callback, void *userdata)
{
    Batch *batch = batch_new(manager, callback, userdata);
    size_t i;

    for (i = 0; i != manager->n_servers; ++i) {
        if (!server_is_active(manager->servers[i]))
            continue;
        ++batch->n_pending;
        server_stop(manager->servers[i], timeout_usec, reason, on_answer, batch);
    }
    batch_done(batch);
}

/* ---- Reload ---- */

/* A server whose file is gone has stopped. */
static void on_removed(Server *server, const ServerReply *reply, void *userdata)
{
    Batch *batch = userdata;

    /*
     * Somebody may have called Start while it drained: then it is found gone next time. Its file
     * may be back, or two reloads may have waited for it.
     */
    if (!server_is_active(server) && server_has_vanished(server) &&
        manager_find_server(batch->manager, server_get_name(server)) == server)
        manager_forget_server(batch->manager, server);
    batch_done(batch);
}

static bool is_in(const Directory *directory, const char *name)
{
    size_t low = 0, high = directory->n_entries;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(directory->entries[middle].name, name);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static void remove_vanished(Batch *batch, const Directory *directory)
{
    Manager *manager = batch->manager;
    Server **gone = NULL;
    size_t i, n = 0;

    /* Stopping may take servers off the list at once. */
    for (i = 0; i != manager->n_servers; ++i) {
        if (is_in(directory, server_get_name(manager->servers[i])))
            continue;
        gone = h2o_mem_realloc(gone, (n + 1) * sizeof(*gone));
        gone[n++] = manager->servers[i];
    }
    for (i = 0; i != n; ++i) {
        ++batch->n_pending;
        server_set_vanished(gone[i], true);
        server_stop(gone[i], SERVER_TIMEOUT_DEFAULT, SERVER_REASON_REMOVED, on_removed, batch);
    }
    free(gone);
}

/* A running server is what its generation says; it reads the file itself. */
static void refresh_running(Batch *batch, Server *server, const char *path)
{
    char *names[] = {"ConfigFile", NULL};

    if (strcmp(path, server_get_config_file(server)) != 0) {
        if (server_set_config_file(server, path) < 0)
            return;
        manager_on_properties_changed(batch->manager, server, names);
    }
    ++batch->n_pending;
    server_reload(server, on_answer, batch);
}

static void refresh_stopped(Batch *batch, Server *server, const char *path)
{
    _cleanup_error_ Error why = ERROR_INIT;
    FileList files = {NULL, 0, false};
    char *names[] = {"Description", "ConfigFile", NULL};
    ConfigSettings settings;

    /* A file that cannot be used still is the server's, whose Start tells what is wrong with it. */
    if (config_read_settings(path, &settings, &files, &why) < 0)
        batch_fail(batch, server_get_name(server), &why);
    server_set_settings(server, &settings, &files);
    if (server_set_config_file(server, path) >= 0)
        manager_on_properties_changed(batch->manager, server, names);
}

static void refresh_server(Batch *batch, Server *server, const char *path)
{
    ServerState state = server_get_state(server);

    server_set_vanished(server, false);
    if (strcmp(path, server_get_config_file(server)) == 0 && server_is_current(server))
        return;
    if (state == SERVER_RUNNING || state == SERVER_STARTING)
        refresh_running(batch, server, path);
    else
        refresh_stopped(batch, server, path);
}

/* What ran before the daemon was restarted, now that it is known again. */
static void restore_late(Batch *batch)
{
    Manager *manager = batch->manager;
    size_t i;

    manager_adopt_orphans(manager);
    for (i = 0; i != manager->n_servers; ++i)
        if (server_has_stored(manager->servers[i]))
            start_one(batch, manager->servers[i], SERVER_REASON_RESTORED);
}

void manager_reload(Manager *manager, ManagerCallback callback, void *userdata)
{
    Batch *batch = batch_new(manager, callback, userdata);
    Directory directory = {NULL, 0};
    size_t i;

    /* What cannot be read must not look as if it were gone. */
    if (directory_read(&directory, manager->config_dirs, &batch->error) >= 0) {
        remove_vanished(batch, &directory);
        for (i = 0; i != directory.n_entries; ++i) {
            DirectoryEntry *entry = &directory.entries[i];
            Server *server = manager_find_server(manager, entry->name);
            _cleanup_error_ Error error = ERROR_INIT;
            if (server != NULL)
                refresh_server(batch, server, entry->path);
            else if (manager_add_server(manager, entry->name, entry->path, NULL, &error) < 0)
                batch_fail(batch, entry->name, &error);
        }
        if (manager->incomplete)
            restore_late(batch);
    }
    directory_clear(&directory);
    batch_done(batch);
}
