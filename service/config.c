/* SPDX-License-Identifier: MIT */
/* See config.h. */
#include "config.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config-check.h"
#include "config-commands.h"
#include "config-ssl.h"
#include "hidden-path.h"
#include "log.h"
#include "slot.h"
#include "strv.h"
#include "yaml-tree.h"

/*
 * libh2o reports what is wrong with a configuration by calling h2o_configurator_errprintf(), which
 * writes to stderr. The symbol is exported and called through the library's own PLT, so that the
 * definition below takes its place. It has no argument to carry a destination; hence this one
 * thread-local pointer, set only while config_apply() runs.
 */
static _Thread_local Config *applying;

__attribute__((visibility("default"))) void h2o_configurator_errprintf(
    h2o_configurator_command_t *cmd, yoml_t *node, const char *reason, ...)
{
    char *what = NULL;
    const char *hidden = NULL;
    va_list args;
    size_t length;

    va_start(args, reason);
    if (vasprintf(&what, reason, args) < 0)
        what = NULL;
    va_end(args);
    if (what == NULL || applying == NULL)
        goto out;
    if (node != NULL && node->type == YOML_TYPE_SCALAR)
        hidden = hidden_path_get(node->data.scalar);
    for (length = strlen(what); length != 0 && what[length - 1] == '\n'; --length)
        what[length - 1] = '\0';
    /* If there was a message before, the library went on after it: it was only a warning. */
    if (applying->reported->code != ERROR_NONE)
        config_warn(applying, NULL, "%s", applying->reported->message);
    tree_error(applying->reported, node, "%s%s%s", cmd != NULL ? cmd->name : "",
               cmd != NULL ? ": " : "", what);
    if (hidden != NULL)
        error_append(applying->reported,
                     "; the service cannot see %s (ProtectHome=): serve from elsewhere, such as "
                     "/srv, or bind it there (see sluiced(8))",
                     hidden);
out:
    free(what);
}

void config_warn(Config *config, const yoml_t *node, const char *format, ...)
{
    Error error = ERROR_INIT;
    char *what = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&what, format, args) < 0)
        what = NULL;
    va_end(args);
    if (what != NULL && node != NULL) {
        tree_error(&error, node, "%s", what);
        free(what);
        what = error.message;
    }
    strv_take(&config->warnings, what);
}

Config *config_being_applied(void)
{
    return applying;
}

void config_own(Config *config, void *memory)
{
    void **grown;

    if (memory == NULL)
        return;
    grown = realloc(config->owned, (config->n_owned + 1) * sizeof(*grown));
    if (grown == NULL)
        return; /* then it is lost */
    config->owned = grown;
    config->owned[config->n_owned++] = memory;
}

Configurator *configurator_new(Config *config)
{
    Configurator *configurator =
        (Configurator *)h2o_configurator_create(&config->global, sizeof(*configurator));

    configurator->config = config;
    return configurator;
}

/* True if a key of the tree begins with one of the words after which h2o may act as a client. */
static bool needs_proxy(const yoml_t *node)
{
    static const char *const words[] = {"proxy",   "reproxy",   "redirect",
                                        "fastcgi", "error-doc", NULL};
    size_t i, j;

    if (node->type == YOML_TYPE_SEQUENCE) {
        for (i = 0; i != node->data.sequence.size; ++i)
            if (needs_proxy(node->data.sequence.elements[i]))
                return true;
    } else if (node->type == YOML_TYPE_MAPPING) {
        for (i = 0; i != node->data.mapping.size; ++i) {
            const yoml_mapping_element_t *element = &node->data.mapping.elements[i];
            for (j = 0; element->key->type == YOML_TYPE_SCALAR && words[j] != NULL; ++j)
                if (strncmp(element->key->data.scalar, words[j], strlen(words[j])) == 0)
                    return true;
            if (needs_proxy(element->value))
                return true;
        }
    }
    return false;
}

/* Every path, custom handlers by extension included, counts its requests. */
static int on_exit_path(h2o_configurator_t *configurator, h2o_configurator_context_t *context,
                        yoml_t *node)
{
    if (context->pathconf != NULL)
        slot_register_logger(context->pathconf);
    return 0;
}

static void register_commands(Config *config, const yoml_t *tree)
{
    h2o_globalconf_t *global = &config->global;

    configurator_new(config)->super.exit = on_exit_path;
    config_register_program(config);
    config_register_sluice(config);
    config_register_listen(config);
    config_register_ssl(config);
    h2o_access_log_register_configurator(global);
    h2o_compress_register_configurator(global);
    h2o_expires_register_configurator(global);
    h2o_errordoc_register_configurator(global);
    h2o_fastcgi_register_configurator(global);
    h2o_file_register_configurator(global);
    h2o_throttle_resp_register_configurator(global);
    h2o_headers_register_configurator(global);
    /*
     * The proxy's configurator makes a TLS client context for every configuration, used or not,
     * which takes longer than all the rest of a start.
     */
    if (needs_proxy(tree)) {
        /* A pool of upstream connections lives on the loop of the first context. */
        config->in_order = true;
        h2o_proxy_register_configurator(global);
    }
    h2o_reproxy_register_configurator(global);
    h2o_redirect_register_configurator(global);
    h2o_status_register_configurator(global);
    h2o_http2_debug_state_register_configurator(global);
    config_register_log(config);
    config_register_status(config);
    config_guard_library(config);
}

static int config_apply(Config *config, yoml_t *tree, const char *name, const ConfigOwner *owner,
                        Error *error)
{
    _cleanup_error_ Error reported = ERROR_INIT;
    size_t i;
    int r;

    config->reported = &reported;
    if (owner != NULL)
        config->owner = *owner;
    register_commands(config, tree);
    applying = config;
    r = h2o_configurator_apply(&config->global, tree, owner == NULL);
    applying = NULL;
    config->reported = NULL;
    if (r != 0) {
        config_guard_unwind(config);
        if (reported.code == ERROR_NONE)
            return error_set(error, ERROR_INVALID_CONFIG,
                             "%s:1:1: a command was refused without a reason", name);
        return error_copy(error, &reported);
    }
    if (config->n_listens == 0 && (owner == NULL || !owner->has_sockets))
        return tree_error(error, tree,
                          "`listen` is missing, in the configuration and in its hosts");
    if (reported.code != ERROR_NONE)
        config_warn(config, NULL, "%s", reported.message);
    for (i = 0; i != config->n_listens; ++i)
        if (!config->listens[i].owns_hosts)
            config->listens[i].hosts = config->global.hosts;
    if (owner != NULL) {
        config->ticket_keys = ticket_keys_ref(owner->ticket_keys);
        config_ssl_finish(config, owner->name);
    }
    /*
     * Zero by default, which means an open() for every request. The cache is emptied after each
     * turn of the event loop, so it never serves a file that is gone.
     */
    config->global.filecache.capacity =
        config->global.http2.max_concurrent_requests_per_connection * 2;
    return 0;
}

/* Takes what is in `files`. */
static int config_load(yoml_t *tree, const char *name, FileList *files, const ConfigOwner *owner,
                       Config **ret, Error *error)
{
    _cleanup_config_ Config *config = calloc(1, sizeof(*config));
    int r;

    if (config != NULL)
        config->n_refs = 1;
    if (config == NULL || (config->settings.description = strdup("")) == NULL) {
        file_list_clear(files);
        return error_set(error, ERROR_FAILED, "out of memory");
    }
    config->files = *files;
    *files = (FileList){NULL, 0, false};
    config->settings.stop_timeout_usec = CONFIG_STOP_TIMEOUT_DEFAULT;
    config->max_connections = CONFIG_MAX_CONNECTIONS_DEFAULT;
    config->resumption = TLS_RESUMPTION_DEFAULT;
    h2o_config_init(&config->global);
    if ((r = config_apply(config, tree, name, owner, error)) < 0)
        return r;
    *ret = config;
    config = NULL;
    return 0;
}

int config_load_file(const char *path, const ConfigOwner *owner, Config **ret, Error *error)
{
    _cleanup_tree_ yoml_t *tree = NULL;
    FileList files = {NULL, 0, false};
    int r;

    if ((r = tree_parse_file(path, &files, &tree, error)) < 0) {
        file_list_clear(&files);
        return r;
    }
    return config_load(tree, path, &files, owner, ret, error);
}

int config_load_text(const char *name, const char *text, const ConfigOwner *owner, Config **ret,
                     Error *error)
{
    _cleanup_tree_ yoml_t *tree = NULL;
    FileList none = {NULL, 0, false};
    int r;

    if ((r = tree_parse(name, text, strlen(text), &tree, error)) < 0)
        return r;
    return config_load(tree, name, &none, owner, ret, error);
}

int config_check_file(const char *path, Error *error)
{
    _cleanup_config_ Config *config = NULL;
    size_t i;
    int r;

    if ((r = config_load_file(path, NULL, &config, error)) < 0)
        return r;
    for (i = 0; i != strv_length(config->warnings); ++i)
        log_warning("%s", config->warnings[i]);
    return 0;
}

static void config_free(Config *config)
{
    size_t i;

    if (config->global.hosts != NULL) {
        config_guard_forget(config);
        h2o_config_dispose(&config->global);
        /* The library frees neither the list nor the name that config_register_status() gave it. */
        if (config->global.statuses.size != 0)
            free(config->global.statuses.entries[0].name.base);
        free(config->global.statuses.entries);
    }
    /* The library makes one for every configuration with a proxy and leaves it behind. */
    if (config->global.proxy.ssl_ctx != NULL)
        SSL_CTX_free(config->global.proxy.ssl_ctx);
    for (i = 0; i != config->n_listens; ++i) {
        if (config->listens[i].owns_hosts)
            free(config->listens[i].hosts);
        tls_free(config->listens[i].tls);
        free(config->listens[i].where);
    }
    free(config->listens);
    strv_free(config->warnings);
    free(config->server_name);
    free(config->temp_buffer_path);
    for (i = 0; i != config->n_owned; ++i)
        free(config->owned[i]);
    free(config->owned);
    free(config->guards);
    ticket_keys_unref(config->ticket_keys);
    file_list_clear(&config->files);
    config_settings_clear(&config->settings);
    free(config);
}

static void on_free(WorkerMessage *message, Worker *worker)
{
    config_free(H2O_STRUCT_FROM_MEMBER(Config, free_message, message));
}

Config *config_ref(Config *config)
{
    ++config->n_refs;
    return config;
}

Config *config_unref(Config *config, Worker *first_worker)
{
    if (config == NULL || --config->n_refs != 0)
        return NULL;
    if (config->used) {
        config->free_message.run = on_free;
        worker_send(first_worker, &config->free_message);
    } else {
        config_free(config);
    }
    return NULL;
}
