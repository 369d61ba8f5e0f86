/* SPDX-License-Identifier: MIT */
/*
 * See server.h. The state says what the newest generation is about; older ones drain in `retired`
 * whatever the state is.
 */
#include "server-struct.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "log.h"
#include "message-ids.h"
#include "strv.h"

static void begin_reload(Server *server);

/* ---- Waiters ---- */

static Waiter *waiter_add(WaiterList *list, ServerCallback callback, void *userdata)
{
    Waiter *waiter = h2o_mem_alloc(sizeof(*waiter)), **last = &list->first;

    *waiter = (Waiter){.callback = callback, .userdata = userdata};
    while (*last != NULL)
        last = &(*last)->next;
    *last = waiter;
    return waiter;
}

static void reply(Server *server, ServerCallback callback, void *userdata, const Error *error,
                  uint32_t drained, uint32_t cut)
{
    ServerReply answer = {
        .error = error != NULL && error->code != ERROR_NONE ? error : NULL,
        .urls = server_get_urls(server),
        .drained = drained,
        .cut = cut,
    };

    if (callback != NULL)
        callback(server, &answer, userdata);
}

/* Answers everybody in the list, which may grow again meanwhile. */
static void waiters_reply(Server *server, WaiterList *list, const Error *error)
{
    Waiter *waiter = list->first, *next;

    list->first = NULL;
    for (; waiter != NULL; waiter = next) {
        next = waiter->next;
        reply(server, waiter->callback, waiter->userdata, error, waiter->drained, waiter->cut);
        free(waiter);
    }
}

static void waiters_fail(Server *server, WaiterList *list, const char *why)
{
    _cleanup_error_ Error error = ERROR_INIT;

    if (list->first == NULL)
        return;
    error_set(&error, ERROR_NOT_RUNNING, "server '%s' is not running: %s", server->name, why);
    waiters_reply(server, list, &error);
}

/* ---- State ---- */

static void set_error(Server *server, const char *message)
{
    free(server->error);
    server->error = message != NULL ? strdup(message) : NULL;
}

static void update_activity(Server *server)
{
    bool active = server_is_active(server);

    if (active == server->active)
        return;
    server->active = active;
    manager_on_activity(server->manager, active);
}

static void set_state(Server *server, ServerState state, ServerReason reason, const char *error)
{
    ServerTransition transition = {
        .new_state = state,
        .old_state = server->state,
        .reason = reason,
        .error = error,
    };
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    server->changed_usec = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    server->state = state;
    if (state == SERVER_RUNNING)
        server->was_stopped = false;
    else if (state == SERVER_STOPPED && reason == SERVER_REASON_REQUEST)
        server->was_stopped = true;
    transition.urls = server_get_urls(server);
    if (state == SERVER_STOPPED) {
        transition.drained = server->drained;
        transition.cut = server->cut;
    }
    manager_on_state_changed(server->manager, server, &transition);
    update_activity(server);
}

/* ---- Generations ---- */

static uint64_t effective_timeout(const Server *server, uint64_t timeout_usec)
{
    return timeout_usec == SERVER_TIMEOUT_DEFAULT ? server->settings.stop_timeout_usec
                                                  : timeout_usec;
}

static void retire(Server *server, Generation *generation, GenerationRetire how,
                   uint64_t timeout_usec)
{
    server->retired =
        h2o_mem_realloc(server->retired, (server->n_retired + 1) * sizeof(*server->retired));
    server->retired[server->n_retired++] = generation;
    generation_retire(generation, how, timeout_usec);
}

/* Settings that hold for the server, not for a generation, come into force with it. */
static void adopt_settings(Server *server, const Config *config)
{
    char *names[] = {"Description", NULL};
    bool changed = strcmp(server->settings.description, config->settings.description) != 0;
    char *description = strdup(config->settings.description);

    server->settings.autostart = config->settings.autostart;
    server->settings.stop_timeout_usec = config->settings.stop_timeout_usec;
    if (description == NULL)
        return;
    free(server->settings.description);
    server->settings.description = description;
    if (changed)
        manager_on_properties_changed(server->manager, server, names);
}

static void reload_if_asked(Server *server)
{
    if (server->state == SERVER_RUNNING && server->reload_next.first != NULL &&
        server->incoming == NULL && server->outgoing == NULL)
        begin_reload(server);
}

static void on_start_ready(Server *server)
{
    set_error(server, NULL);
    /* First: whoever has the answer counts on the server, also if the daemon dies right now. */
    server_update_store(server, server->current);
    set_state(server, SERVER_RUNNING, server->reason, NULL);
    waiters_reply(server, &server->starting, NULL);
    reload_if_asked(server);
}

static void on_reload_ready(Server *server)
{
    char *names[] = {"Generation", "Listen", NULL};
    Generation *old = server->current;

    server->current = server->incoming;
    server->incoming = NULL;
    server->outgoing = old;
    retire(server, old, GENERATION_REPLACE, server->settings.stop_timeout_usec);
    set_error(server, NULL);
    adopt_settings(server, generation_get_config(server->current));
    manager_on_properties_changed(server->manager, server, names);
    server_update_store(server, server->current);
    log_about(manager_get_journal(server->manager), LOG_INFO, server->name, MESSAGE_RELOADED,
              "reloaded, generation %u", generation_get_id(server->current));
}

static void on_ready(Generation *generation, void *userdata)
{
    Server *server = userdata;

    if (generation == server->incoming)
        on_reload_ready(server);
    else if (generation == server->current && server->state == SERVER_STARTING)
        on_start_ready(server);
}

/* A reload is done when nobody gets the old configuration any more. */
static void on_quiet(Generation *generation, void *userdata)
{
    Server *server = userdata;

    server_update_inherited(server);
    if (generation != server->outgoing)
        return;
    server->outgoing = NULL;
    waiters_reply(server, &server->reloading, NULL);
    reload_if_asked(server);
}

static Worker *first_worker(const Server *server)
{
    return pool_get_worker(manager_get_pool(server->manager), 0);
}

static void keep_config(Server *server, Config *config)
{
    config_unref(server->config, first_worker(server));
    server->config = config != NULL ? config_ref(config) : NULL;
    file_list_clear(&server->files);
}

/* What cannot serve another start may hold open logs and programs: it goes with the run. */
static void drop_single_use_config(Server *server)
{
    if (server->config == NULL || !server->config->files.incomplete)
        return;
    keep_config(server, NULL);
    server->files.incomplete = true;
}

/* True if a generation that `waiter` waits for is still there. */
static bool is_awaited(const Server *server, const Waiter *waiter)
{
    size_t i;

    for (i = 0; i != server->n_retired; ++i)
        if (generation_get_id(server->retired[i]) <= waiter->up_to)
            return true;
    return false;
}

static void on_gone(Generation *generation, uint32_t drained, uint32_t cut, void *userdata)
{
    Server *server = userdata;
    WaiterList done = {NULL};
    Waiter *waiter, **link, **last = &done.first;
    size_t i;

    for (i = 0; server->retired[i] != generation; ++i)
        assert(i + 1 < server->n_retired);
    server->retired[i] = server->retired[--server->n_retired];
    server->drained += drained;
    server->cut += cut;
    if (server->n_retired == 0 && server->current == NULL)
        drop_single_use_config(server);

    for (link = &server->stopping.first; (waiter = *link) != NULL;) {
        if (generation_get_id(generation) <= waiter->up_to) {
            waiter->drained += drained;
            waiter->cut += cut;
        }
        if (is_awaited(server, waiter)) {
            link = &waiter->next;
            continue;
        }
        *link = waiter->next;
        waiter->next = NULL;
        *last = waiter;
        last = &waiter->next;
    }
    if (server->state == SERVER_STOPPING && server->n_retired == 0) {
        server->result = server->cut != 0 ? SERVER_RESULT_TIMEOUT : SERVER_RESULT_SUCCESS;
        set_state(server, SERVER_STOPPED, server->reason, NULL);
    }
    update_activity(server);
    waiters_reply(server, &done, NULL);
}

/* ---- Start and reload ---- */

static void log_warnings(const Server *server, const Config *config)
{
    size_t i;

    for (i = 0; i != strv_length(config->warnings); ++i)
        log_about(manager_get_journal(server->manager), LOG_WARNING, server->name, NULL, "%s",
                  config->warnings[i]);
}

/* Sockets that stay get the owner and permission of the new configuration, which is in force. */
static void adapt_listeners(const Server *server, const Generation *generation)
{
    const Config *config = generation_get_config(generation);
    size_t i;

    for (i = 0; i != config->n_listens; ++i) {
        _cleanup_error_ Error error = ERROR_INIT;
        Listener *listener = generation_get_listener(generation, i);
        if (listener != NULL && listener_adapt(listener, &config->listens[i], &error) < 0)
            log_about(manager_get_journal(server->manager), LOG_WARNING, server->name, NULL, "%s",
                      error.message);
    }
}

/*
 * Makes a generation from the file, not started yet. A start may use the configuration of the last
 * one if its files have not changed; a `fresh` one never does.
 */
static int make_generation(Server *server, bool fresh, Generation **ret, Error *error)
{
    static const GenerationCallbacks callbacks = {
        .on_ready = on_ready, .on_quiet = on_quiet, .on_gone = on_gone};
    GenerationCallbacks mine = callbacks;
    ConfigOwner owner;
    Config *config = NULL;
    Listener **listeners = NULL;
    size_t i, n;
    int r;

    if (server->ticket_keys == NULL && (server->ticket_keys = ticket_keys_new()) == NULL)
        return error_set(error, ERROR_FAILED, "no random bytes for TLS session tickets");
    owner = (ConfigOwner){server->name, server->ticket_keys, manager_get_journal(server->manager),
                          server_has_inherited(server)};
    if (server->counters == NULL) {
        size_t size = pool_get_size(manager_get_pool(server->manager)) * sizeof(Counters);
        if ((server->counters = aligned_alloc(sizeof(Counters), size)) == NULL)
            return error_set(error, ERROR_FAILED, "%s", strerror(ENOMEM));
        memset(server->counters, 0, size);
    }
    if (!fresh && server->config != NULL && server_is_current(server))
        config = config_ref(server->config);
    else if ((r = config_load_file(server->config_file, &owner, &config, error)) < 0)
        return r;
    if ((r = server_open_listeners(server, config, &listeners, &n, error)) >= 0) {
        mine.userdata = server;
        r = generation_new(ret, server->last_id + 1, config, listeners, n,
                           manager_get_pool(server->manager), server->counters,
                           manager_get_event(server->manager), &mine, error);
        for (i = 0; i != n; ++i)
            listener_unref(listeners[i]);
    }
    free(listeners);
    if (r >= 0) {
        ++server->last_id;
        if (config != server->config) {
            log_warnings(server, config);
            keep_config(server, config);
            adapt_listeners(server, *ret);
            config_commit(config, pool_is_held(manager_get_pool(server->manager)));
        }
    }
    config_unref(config, first_worker(server));
    return r;
}

static ServerResult result_of(ErrorCode code)
{
    return code == ERROR_ADDRESS_IN_USE || code == ERROR_LISTEN_FAILED ||
                   code == ERROR_LIMIT_REACHED
               ? SERVER_RESULT_LISTEN
               : SERVER_RESULT_CONFIG;
}

static void begin_start(Server *server, ServerReason reason)
{
    _cleanup_error_ Error error = ERROR_INIT;
    Generation *generation = NULL;
    int r = make_generation(server, false, &generation, &error);

    server->current = generation;
    server->reason = reason;
    server_update_inherited(server);
    /* The workers set to work while the signals go out. */
    if (r >= 0)
        generation_start(generation);
    set_state(server, SERVER_STARTING, reason, NULL);
    if (r < 0) {
        server->result = result_of(error.code);
        set_error(server, error.message);
        log_about(manager_get_journal(server->manager), LOG_ERR, server->name, MESSAGE_START_FAILED,
                  "cannot start: %s", error.message);
        set_state(server, SERVER_FAILED, SERVER_REASON_ERROR, error.message);
        waiters_reply(server, &server->starting, &error);
        waiters_fail(server, &server->reload_next, "its start failed");
        return;
    }
    server_drop_own_passed(server);
    server->ran = false;
    adopt_settings(server, generation_get_config(generation));
}

static void begin_reload(Server *server)
{
    _cleanup_error_ Error error = ERROR_INIT;

    assert(server->incoming == NULL && server->reloading.first == NULL);
    server->reloading = server->reload_next;
    server->reload_next.first = NULL;
    if (make_generation(server, true, &server->incoming, &error) < 0) {
        set_error(server, error.message);
        log_about(manager_get_journal(server->manager), LOG_ERR, server->name,
                  MESSAGE_RELOAD_FAILED, "cannot reload, the old configuration stays in force: %s",
                  error.message);
        server_update_inherited(server);
        waiters_reply(server, &server->reloading, &error);
        return;
    }
    generation_start(server->incoming);
}

void server_start(Server *server, ServerReason reason, ServerCallback callback, void *userdata)
{
    if (server->state == SERVER_RUNNING) {
        reply(server, callback, userdata, NULL, 0, 0);
        return;
    }
    waiter_add(&server->starting, callback, userdata);
    if (server->state != SERVER_STARTING)
        begin_start(server, reason);
}

void server_reload(Server *server, ServerCallback callback, void *userdata)
{
    waiter_add(&server->reload_next, callback, userdata);
    if (server->state == SERVER_RUNNING) {
        reload_if_asked(server);
    } else if (server->state != SERVER_STARTING) {
        waiters_fail(server, &server->reload_next, "there is nothing to reload");
    }
}

/* ---- Stop ---- */

/* What was running or coming up goes; those who wait for it are told. */
static void retire_all(Server *server, uint64_t timeout_usec)
{
    size_t i;

    for (i = 0; i != server->n_retired; ++i)
        generation_retire(server->retired[i], GENERATION_STOP, timeout_usec);
    if (server->incoming != NULL)
        retire(server, server->incoming, GENERATION_STOP, timeout_usec);
    server->incoming = NULL;
    if (server->current != NULL)
        retire(server, server->current, GENERATION_STOP, timeout_usec);
    server->current = NULL;
}

/* It does not run, but shall not start by itself, say after a failure or a restart, either. */
static void note_stop(Server *server, ServerReason reason)
{
    if (reason != SERVER_REASON_REQUEST || server->was_stopped)
        return;
    server->was_stopped = true;
    manager_save_soon(server->manager);
}

void server_stop(Server *server, uint64_t timeout_usec, ServerReason reason,
                 ServerCallback callback, void *userdata)
{
    ServerState old = server->state;
    bool draining = server->n_retired != 0;

    timeout_usec = effective_timeout(server, timeout_usec);
    if (server->current != NULL) {
        server->drained = server->cut = 0;
        server->reason = reason;
    } else {
        note_stop(server, reason);
    }
    if (reason == SERVER_REASON_EXIT)
        server_keep_listeners(server);
    else
        server_prepare_to_stop(server);
    retire_all(server, timeout_usec);
    if (server->n_retired == 0) {
        reply(server, callback, userdata, NULL, 0, 0);
        return;
    }
    waiter_add(&server->stopping, callback, userdata)->up_to = server->last_id;
    if (old == SERVER_STARTING) {
        /* The start gives up, having served nobody. But an older generation may have. */
        server->result = SERVER_RESULT_SUCCESS;
        set_state(server, draining ? SERVER_STOPPING : SERVER_STOPPED, reason, NULL);
        waiters_fail(server, &server->starting, "it was stopped before it had started");
        waiters_fail(server, &server->reload_next, "it was stopped before it had started");
    } else if (old == SERVER_RUNNING) {
        set_state(server, SERVER_STOPPING, reason, NULL);
        waiters_fail(server, &server->reloading, "it was stopped during the reload");
        waiters_fail(server, &server->reload_next, "it was stopped during the reload");
    }
}

/* ---- Life ---- */

int server_new(Server **ret, Manager *manager, const char *name, const char *config_file,
               ConfigSettings *settings, FileList *files)
{
    Server *server = calloc(1, sizeof(*server));

    if (server == NULL || (server->name = strdup(name)) == NULL ||
        (server->config_file = strdup(config_file)) == NULL) {
        server_free(server);
        config_settings_clear(settings);
        file_list_clear(files);
        return -ENOMEM;
    }
    server->manager = manager;
    server->settings = *settings;
    server->files = *files;
    *ret = server;
    return 0;
}

Server *server_free(Server *server)
{
    size_t i;

    if (server == NULL)
        return NULL;
    assert(!server_is_active(server));
    if (server->config != NULL)
        keep_config(server, NULL);
    file_list_clear(&server->files);
    for (i = 0; i != server->n_passed; ++i)
        listener_unref(server->passed[i]);
    free(server->passed);
    free(server->name);
    free(server->config_file);
    config_settings_clear(&server->settings);
    free(server->error);
    free(server->retired);
    free(server->counters);
    ticket_keys_unref(server->ticket_keys);
    free(server);
    return NULL;
}

int server_set_config_file(Server *server, const char *config_file)
{
    char *copy = strdup(config_file);

    if (copy == NULL)
        return -ENOMEM;
    free(server->config_file);
    server->config_file = copy;
    return 0;
}

void server_set_settings(Server *server, ConfigSettings *settings, FileList *files)
{
    keep_config(server, NULL);
    config_settings_clear(&server->settings);
    server->settings = *settings;
    server->files = *files;
    *settings = (ConfigSettings){NULL};
    *files = (FileList){NULL, 0, false};
}

void server_set_vanished(Server *server, bool vanished)
{
    server->vanished = vanished;
}

bool server_has_vanished(const Server *server)
{
    return server->vanished;
}

bool server_is_current(const Server *server)
{
    const FileList *files = server->config != NULL ? &server->config->files : &server->files;

    return files->n_entries != 0 && strcmp(files->entries[0].path, server->config_file) == 0 &&
           file_list_is_current(files);
}

bool server_was_stopped(const Server *server)
{
    return server->was_stopped;
}

void server_set_was_stopped(Server *server, bool was_stopped)
{
    server->was_stopped = was_stopped;
}

bool server_is_active(const Server *server)
{
    return server->n_retired != 0 || server->current != NULL ||
           (server->state != SERVER_STOPPED && server->state != SERVER_FAILED);
}
