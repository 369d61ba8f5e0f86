/* SPDX-License-Identifier: MIT */
/*
 * What handlers and filters of libh2o 2.2 forget to free when a configuration is disposed of. A
 * program that reads its configuration once does not notice; a thousand reloads would. The library
 * calls the functions below through its own PLT, so these definitions take their place: each calls
 * the library's, and adds the missing end. The structures begin as the library's do, which is part
 * of its binary interface as far as this version goes; tests/conf/test_reload.py watches the
 * memory.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "config-commands.h"

#define EXPORT __attribute__((visibility("default")))

typedef struct ErrordocFilter {
    h2o_filter_t super;
    H2O_VECTOR(h2o_errordoc_t) errordocs;
} ErrordocFilter;

typedef struct ExpiresFilter {
    h2o_filter_t super;
    int mode;
    h2o_iovec_t value;
} ExpiresFilter;

typedef struct HeadersFilter {
    h2o_filter_t super;
    h2o_headers_command_t *cmds; /* one reference */
} HeadersFilter;

typedef struct ProxyHandler {
    h2o_handler_t super;
    h2o_url_t upstream;
} ProxyHandler;

static void on_dispose_errordoc(h2o_filter_t *filter)
{
    ErrordocFilter *self = (ErrordocFilter *)filter;
    size_t i;

    for (i = 0; i != self->errordocs.size; ++i)
        free(self->errordocs.entries[i].url.base);
    free(self->errordocs.entries);
}

EXPORT void h2o_errordoc_register(h2o_pathconf_t *pathconf, h2o_errordoc_t *errdocs, size_t cnt)
{
    static __typeof__(&h2o_errordoc_register) library; /* main thread */

    if (library == NULL)
        library = (__typeof__(library))dlsym(RTLD_NEXT, "h2o_errordoc_register");
    library(pathconf, errdocs, cnt);
    /* A filter is put in front of those that are there. */
    pathconf->filters.entries[0]->dispose = on_dispose_errordoc;
}

static void on_dispose_expires(h2o_filter_t *filter)
{
    free(((ExpiresFilter *)filter)->value.base);
}

EXPORT void h2o_expires_register(h2o_pathconf_t *pathconf, h2o_expires_args_t *args)
{
    static __typeof__(&h2o_expires_register) library;

    if (library == NULL)
        library = (__typeof__(library))dlsym(RTLD_NEXT, "h2o_expires_register");
    library(pathconf, args);
    pathconf->filters.entries[0]->dispose = on_dispose_expires;
}

static void on_dispose_headers(h2o_filter_t *filter)
{
    h2o_mem_release_shared(((HeadersFilter *)filter)->cmds);
}

EXPORT void h2o_headers_register(h2o_pathconf_t *pathconf, h2o_headers_command_t *cmds)
{
    static __typeof__(&h2o_headers_register) library;

    if (library == NULL)
        library = (__typeof__(library))dlsym(RTLD_NEXT, "h2o_headers_register");
    library(pathconf, cmds);
    pathconf->filters.entries[0]->dispose = on_dispose_headers;
}

/*
 * Arrays of these commands are copied from level to level with the same strings in them, so that
 * only the configuration as a whole can own the strings.
 */
EXPORT void h2o_headers_append_command(h2o_headers_command_t **cmds, int cmd, h2o_iovec_t *name,
                                       h2o_iovec_t value)
{
    static __typeof__(&h2o_headers_append_command) library;
    Config *config = config_being_applied();

    if (library == NULL)
        library = (__typeof__(library))dlsym(RTLD_NEXT, "h2o_headers_append_command");
    library(cmds, cmd, name, value);
    if (config == NULL)
        return;
    if (!h2o_iovec_is_token(name)) {
        config_own(config, name->base);
        config_own(config, name);
    }
    config_own(config, value.base);
}

/* The library's, once it is known; the same for all proxies. */
static void (*dispose_proxy)(h2o_handler_t *handler);

static void on_dispose_proxy(h2o_handler_t *handler)
{
    free(((ProxyHandler *)handler)->upstream.authority.base);
    dispose_proxy(handler);
}

EXPORT void h2o_proxy_register_reverse_proxy(h2o_pathconf_t *pathconf, h2o_url_t *upstream,
                                             h2o_proxy_config_vars_t *config)
{
    static __typeof__(&h2o_proxy_register_reverse_proxy) library;
    h2o_handler_t *handler;

    if (library == NULL)
        library = (__typeof__(library))dlsym(RTLD_NEXT, "h2o_proxy_register_reverse_proxy");
    library(pathconf, upstream, config);
    handler = pathconf->handlers.entries[pathconf->handlers.size - 1];
    dispose_proxy = handler->dispose;
    handler->dispose = on_dispose_proxy;
}
