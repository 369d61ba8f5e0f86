/* SPDX-License-Identifier: MIT */
/* See manager.h. Operations on all servers are in manager-batch.c. */
#include "manager-private.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "directory.h"
#include "log.h"
#include "message-ids.h"
#include "strv.h"
#include "yaml-tree.h"

#define THREADS_MAX 256

/* What is said is what is checked. NOLINTNEXTLINE(misc-redundant-expression) */
_Static_assert(SLUICE_CONFIG_MAX == YAML_MAX_BYTES, "two limits for one thing");

static unsigned count_cpus(void)
{
    cpu_set_t set;
    int n;

    if (sched_getaffinity(0, sizeof(set), &set) < 0 || (n = CPU_COUNT(&set)) < 1)
        return 1;
    return n < THREADS_MAX ? (unsigned)n : THREADS_MAX;
}

static int on_doomed(sd_event_source *source, void *userdata)
{
    Manager *manager = userdata;
    size_t i;

    for (i = 0; i != manager->n_doomed; ++i)
        server_free(manager->doomed[i]);
    manager->n_doomed = 0;
    return 0;
}

int manager_new(Manager **ret, sd_event *event, const ManagerOptions *options, Error *error)
{
    unsigned n_threads = options->n_threads != 0 ? options->n_threads : count_cpus();
    Manager *manager = calloc(1, sizeof(*manager));
    struct timespec now;
    int r;

    if (n_threads > THREADS_MAX) {
        free(manager);
        return error_set(error, ERROR_FAILED, "more than %d worker threads", THREADS_MAX);
    }
    if (manager == NULL)
        return error_set(error, ERROR_FAILED, "%s", strerror(ENOMEM));
    h2o_srand();
    clock_gettime(CLOCK_REALTIME, &now);
    manager->since = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    manager->journal = options->journal;
    manager->store_sockets = options->store_sockets;
    if (options->state_dir != NULL)
        manager->state_dir = strdup(options->state_dir);
    manager->event = sd_event_ref(event);
    if ((r = strv_extend(&manager->config_dirs, options->config_dirs)) >= 0 &&
        (r = mainqueue_new(&manager->queue, event)) >= 0 &&
        (r = sd_event_add_defer(event, &manager->doomed_source, on_doomed, manager)) >= 0)
        r = sd_event_source_set_enabled(manager->doomed_source, SD_EVENT_OFF);
    if (r < 0)
        error_set(error, ERROR_FAILED, "%s", strerror(-r));
    else
        r = pool_new(&manager->pool, n_threads, manager->queue, error);
    if (r < 0) {
        manager_free(manager);
        return r;
    }
    *ret = manager;
    return 0;
}

Manager *manager_free(Manager *manager)
{
    size_t i;

    if (manager == NULL)
        return NULL;
    manager->observer = (ManagerObserver){NULL};
    /* Generations first, then the configurations they shared, then the threads that free these. */
    if (manager->pool != NULL)
        pool_wait(manager->pool);
    for (i = 0; i != manager->n_servers; ++i)
        server_free(manager->servers[i]);
    on_doomed(NULL, manager);
    for (i = 0; i != manager->n_unclaimed; ++i)
        listener_unref(manager->unclaimed[i]);
    free(manager->unclaimed);
    for (i = 0; i != manager->n_orphans; ++i) {
        close(manager->orphans[i].fd);
        free(manager->orphans[i].server);
    }
    free(manager->orphans);
    strv_free(manager->stopped);
    sd_event_source_disable_unref(manager->save_source);
    free(manager->state_dir);
    pool_free(manager->pool);
    mainqueue_free(manager->queue);
    free(manager->doomed);
    sd_event_source_disable_unref(manager->doomed_source);
    free(manager->servers);
    strv_free(manager->config_dirs);
    sd_event_unref(manager->event);
    free(manager);
    return NULL;
}

void manager_set_observer(Manager *manager, const ManagerObserver *observer)
{
    manager->observer = *observer;
}

/* ---- The servers, sorted by name ---- */

static size_t position_of(const Manager *manager, const char *name, bool *ret_found)
{
    size_t low = 0, high = manager->n_servers;

    *ret_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(server_get_name(manager->servers[middle]), name);
        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

Server *manager_find_server(Manager *manager, const char *name)
{
    bool found;
    size_t i = position_of(manager, name, &found);

    return found ? manager->servers[i] : NULL;
}

/* A file that was written since the directories were read is no reason to send anybody away. */
static int discover(Manager *manager, const char *name)
{
    char *path;
    int r = directory_find(&path, manager->config_dirs, name);

    if (r < 0)
        return r;
    r = manager_add_server(manager, name, path, NULL, NULL);
    free(path);
    return r;
}

int manager_get_server(Manager *manager, const char *name, Server **ret, Error *error)
{
    Server *server;

    if (!server_name_is_valid(name))
        return error_set(error, ERROR_INVALID_NAME,
                         "'%.80s' is not a server's name: use 1 to %d of A-Z a-z 0-9 _ . - and no "
                         "dot in front",
                         name, SLUICE_NAME_MAX);
    if ((server = manager_find_server(manager, name)) == NULL && discover(manager, name) >= 0)
        server = manager_find_server(manager, name);
    if (server == NULL)
        return error_set(error, ERROR_NO_SUCH_SERVER,
                         "there is no server '%s': no servers/%s.conf in a configuration directory",
                         name, name);
    *ret = server;
    return 0;
}

Server *manager_next_server(Manager *manager, Server *previous)
{
    bool found;
    size_t i = 0;

    if (previous != NULL) {
        i = position_of(manager, server_get_name(previous), &found);
        i += found;
    }
    return i < manager->n_servers ? manager->servers[i] : NULL;
}

size_t manager_count_servers(Manager *manager)
{
    return manager->n_servers;
}

int manager_add_server(Manager *manager, const char *name, const char *path, Server **ret,
                       Error *error)
{
    _cleanup_error_ Error why = ERROR_INIT;
    FileList files = {NULL, 0, false};
    ConfigSettings settings;
    Server *server = NULL, **grown;
    bool found;
    size_t i;

    /* A file that cannot be used still is a server, whose Start tells what is wrong with it. */
    if (config_read_settings(path, &settings, &files, &why) < 0)
        log_about(manager_get_journal(manager), LOG_WARNING, name, NULL, "%s", why.message);
    if (server_new(&server, manager, name, path, &settings, &files) < 0)
        return error_set(error, ERROR_FAILED, "%s", strerror(ENOMEM));
    if ((grown = realloc(manager->servers, (manager->n_servers + 1) * sizeof(*grown))) == NULL) {
        server_free(server);
        return error_set(error, ERROR_FAILED, "%s", strerror(ENOMEM));
    }
    manager->servers = grown;
    i = position_of(manager, name, &found);
    memmove(manager->servers + i + 1, manager->servers + i,
            (manager->n_servers - i) * sizeof(*manager->servers));
    manager->servers[i] = server;
    ++manager->n_servers;
    manager_claim_by_name(manager, server);
    if (manager->observer.server_added != NULL)
        manager->observer.server_added(server, manager->observer.userdata);
    if (ret != NULL)
        *ret = server;
    return 0;
}

void manager_forget_server(Manager *manager, Server *server)
{
    bool found;
    size_t i = position_of(manager, server_get_name(server), &found);

    memmove(manager->servers + i, manager->servers + i + 1,
            (manager->n_servers - i - 1) * sizeof(*manager->servers));
    --manager->n_servers;
    server_give_back(server);
    manager_note_forgotten(manager, server);
    if (manager->observer.server_removed != NULL)
        manager->observer.server_removed(server, manager->observer.userdata);
    /* Its own functions may be on the stack. */
    manager->doomed =
        h2o_mem_realloc(manager->doomed, (manager->n_doomed + 1) * sizeof(*manager->doomed));
    manager->doomed[manager->n_doomed++] = server;
    sd_event_source_set_enabled(manager->doomed_source, SD_EVENT_ONESHOT);
}

int manager_load(Manager *manager, Error *error)
{
    Directory directory;
    size_t i;
    int r;

    if ((r = directory_read(&directory, manager->config_dirs, error)) < 0) {
        manager->incomplete = true;
        return r;
    }
    for (i = 0; r >= 0 && i != directory.n_entries; ++i)
        r = manager_add_server(manager, directory.entries[i].name, directory.entries[i].path, NULL,
                               error);
    directory_clear(&directory);
    return r;
}

int manager_check_config(Manager *manager, const char *text, Error *error)
{
    _cleanup_config_ Config *config = NULL;

    return config_load_text("config", text, NULL, &config, error);
}

/* ---- What the servers say ---- */

sd_event *manager_get_event(Manager *manager)
{
    return manager->event;
}

Pool *manager_get_pool(Manager *manager)
{
    return manager->pool;
}

static int send_nowhere(const struct iovec *fields, int n)
{
    return 0;
}

JournalSend manager_get_journal(Manager *manager)
{
    return manager->journal != NULL ? manager->journal : send_nowhere;
}

const char *manager_find_holder(Manager *manager, const Server *except, const Address *address)
{
    size_t i;

    for (i = 0; i != manager->n_servers; ++i)
        if (manager->servers[i] != except && server_holds_address(manager->servers[i], address))
            return server_get_name(manager->servers[i]);
    return NULL;
}

void manager_on_state_changed(Manager *manager, Server *server, const ServerTransition *transition)
{
    char *const *urls = transition->urls;

    if (manager->observer.state_changed != NULL)
        manager->observer.state_changed(server, transition, manager->observer.userdata);
    if (transition->new_state == SERVER_RUNNING || transition->new_state == SERVER_STOPPED)
        manager_save_soon(manager);
    /* One line per state that somebody waits for; failures have said more already. */
    if (transition->new_state == SERVER_RUNNING)
        log_about(manager_get_journal(manager), LOG_INFO, server_get_name(server), MESSAGE_RUNNING,
                  "running at %s%s", urls[0], urls[1] != NULL ? " and other addresses" : "");
    else if (transition->new_state == SERVER_STOPPED)
        log_about(manager_get_journal(manager), LOG_INFO, server_get_name(server), MESSAGE_STOPPED,
                  "stopped, %u connections finished, %u cut", transition->drained, transition->cut);
}

void manager_on_properties_changed(Manager *manager, Server *server, char *const *names)
{
    if (manager->observer.properties_changed != NULL)
        manager->observer.properties_changed(server, names, manager->observer.userdata);
}

void manager_on_activity(Manager *manager, bool active)
{
    manager->n_active += active ? 1 : (size_t)-1;
    if (manager->observer.idle_changed != NULL && manager->n_active <= 1)
        manager->observer.idle_changed(manager, manager->observer.userdata);
}

bool manager_is_idle(Manager *manager)
{
    size_t i;

    if (manager->n_active != 0)
        return false;
    for (i = 0; i != manager->n_servers; ++i)
        if (server_refuses(manager->servers[i]))
            return false;
    for (i = 0; i != manager->n_unclaimed; ++i)
        if (manager->unclaimed[i]->refuses)
            return false;
    return true;
}

void manager_count_states(Manager *manager, size_t counts[SERVER_STATE_MAX])
{
    size_t i;

    memset(counts, 0, SERVER_STATE_MAX * sizeof(*counts));
    for (i = 0; i != manager->n_servers; ++i)
        ++counts[server_get_state(manager->servers[i])];
}

bool manager_is_well(Manager *manager)
{
    return pool_check(manager->pool);
}

uint64_t manager_get_since(Manager *manager)
{
    return manager->since;
}
