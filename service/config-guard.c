/* SPDX-License-Identifier: MIT */
/*
 * Checks that libh2o's own commands lack. h2o's program stops at the first mistake, so its library
 * may abort, leak or only notice at the first request; a service that others ask to check their
 * configurations may not. Each guard looks at the node first and then calls the library's command.
 */
#include "config-commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "strv.h"
#include "yaml-tree.h"

enum {
    GUARD_DIR,
    GUARD_FILE,
    GUARD_HOSTS,
    GUARD_PATHS,
    GUARD_SERVER_NAME,
    GUARD_FASTCGI_SPAWN,
    GUARD_CA_FILE,
    GUARD_STATUS,
    GUARD_COMPRESS,
    GUARD_CUSTOM_HANDLER,
    GUARD_MAX
};

/* The library's commands behind the guards, and what they have told. */
struct ConfigGuard {
    h2o_configurator_command_cb command[GUARD_MAX];
    char **extensions; /* with a handler of their own */
};

static int guard_stat(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                      yoml_t *node, mode_t type, const char *kind)
{
    struct stat st;

    if (stat(node->data.scalar, &st) < 0) {
        h2o_configurator_errprintf(command, node, "`%s`: %s", node->data.scalar, strerror(errno));
        return -1;
    }
    if ((st.st_mode & S_IFMT) != type) {
        h2o_configurator_errprintf(command, node, "`%s` is not a %s", node->data.scalar, kind);
        return -1;
    }
    file_list_add(&applying_config(context)->files, node->data.scalar, &st, FILE_IDENTITY);
    return 0;
}

static int on_dir(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                  yoml_t *node)
{
    if (guard_stat(command, context, node, S_IFDIR, "directory") != 0)
        return -1;
    return applying_config(context)->guards->command[GUARD_DIR](command, context, node);
}

static int on_file(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                   yoml_t *node)
{
    if (guard_stat(command, context, node, S_IFREG, "regular file") != 0)
        return -1;
    return applying_config(context)->guards->command[GUARD_FILE](command, context, node);
}

static int on_hosts(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                    yoml_t *node)
{
    size_t i;

    for (i = 0; i != node->data.mapping.size; ++i) {
        yoml_t *key = node->data.mapping.elements[i].key;
        /* The library asserts that there is a name. */
        if (key->type == YOML_TYPE_SCALAR &&
            (key->data.scalar[0] == '\0' || key->data.scalar[0] == ':' ||
             strncmp(key->data.scalar, "[]", 2) == 0)) {
            h2o_configurator_errprintf(command, key, "the name of a host is empty");
            return -1;
        }
        if (node->data.mapping.elements[i].value->type != YOML_TYPE_MAPPING) {
            h2o_configurator_errprintf(command, node->data.mapping.elements[i].value,
                                       "a host must be a mapping with `paths`");
            return -1;
        }
    }
    return applying_config(context)->guards->command[GUARD_HOSTS](command, context, node);
}

static int on_paths(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                    yoml_t *node)
{
    size_t i;

    for (i = 0; i != node->data.mapping.size; ++i) {
        yoml_t *key = node->data.mapping.elements[i].key;
        /* The library looks at a path's last character at each request. */
        if (key->type == YOML_TYPE_SCALAR && key->data.scalar[0] == '\0') {
            h2o_configurator_errprintf(command, key, "a path cannot be empty; the root is `/`");
            return -1;
        }
    }
    return applying_config(context)->guards->command[GUARD_PATHS](command, context, node);
}

/* The library copies the name and never frees it. */
static int on_server_name(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                          yoml_t *node)
{
    Config *config = applying_config(context);
    char *copy = strdup(node->data.scalar);

    if (copy == NULL)
        return -1;
    free(config->server_name);
    config->server_name = copy;
    config->global.server_name = h2o_iovec_init(copy, strlen(copy));
    return 0;
}

/*
 * What these commands read or run is theirs as long as the configuration lives, so that it cannot
 * be made once and used for two starts.
 */
static int once(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                yoml_t *node, unsigned guard)
{
    applying_config(context)->files.incomplete = true;
    return applying_config(context)->guards->command[guard](command, context, node);
}

static int on_fastcgi_spawn(h2o_configurator_command_t *command,
                            h2o_configurator_context_t *context, yoml_t *node)
{
    return once(command, context, node, GUARD_FASTCGI_SPAWN);
}

/* Its contexts know each other, and it does not survive being given new ones. */
static int on_status(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                     yoml_t *node)
{
    applying_config(context)->in_order = true;
    return once(command, context, node, GUARD_STATUS);
}

static int on_ca_file(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                      yoml_t *node)
{
    /* A FIFO would hold up the whole service. */
    if (guard_stat(command, context, node, S_IFREG, "regular file") != 0)
        return -1;
    return once(command, context, node, GUARD_CA_FILE);
}

static bool names_brotli(const yoml_t *node)
{
    size_t i;

    if (node->type == YOML_TYPE_SCALAR)
        return strcasecmp(node->data.scalar, "br") == 0;
    for (i = 0; node->type == YOML_TYPE_SEQUENCE && i != node->data.sequence.size; ++i)
        if (names_brotli(node->data.sequence.elements[i]))
            return true;
    for (i = 0; node->type == YOML_TYPE_MAPPING && i != node->data.mapping.size; ++i)
        if (names_brotli(node->data.mapping.elements[i].key))
            return true;
    return false;
}

/* The library takes `br` and then does nothing about it. */
static int on_compress(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                       yoml_t *node)
{
    if (names_brotli(node))
        config_warn(applying_config(context), node,
                    "compress: `br` has no effect, as this libh2o is built without brotli");
    return applying_config(context)->guards->command[GUARD_COMPRESS](command, context, node);
}

static void note_extension(ConfigGuard *guards, const yoml_t *node)
{
    if (node->type == YOML_TYPE_SCALAR && node->data.scalar[0] == '.')
        strv_take(&guards->extensions, strdup(node->data.scalar + 1));
}

/* See config_guard_forget(). */
static int on_custom_handler(h2o_configurator_command_t *command,
                             h2o_configurator_context_t *context, yoml_t *node)
{
    ConfigGuard *guards = applying_config(context)->guards;
    const yoml_t *extension = tree_get(node, "extension");
    size_t i;

    if (extension != NULL) {
        note_extension(guards, extension);
        for (i = 0; extension->type == YOML_TYPE_SEQUENCE && i != extension->data.sequence.size;
             ++i)
            note_extension(guards, extension->data.sequence.elements[i]);
    }
    return guards->command[GUARD_CUSTOM_HANDLER](command, context, node);
}

static int on_enter_level(h2o_configurator_t *configurator, h2o_configurator_context_t *context,
                          yoml_t *node)
{
    ++((Configurator *)configurator)->config->level;
    return 0;
}

static int on_exit_level(h2o_configurator_t *configurator, h2o_configurator_context_t *context,
                         yoml_t *node)
{
    --((Configurator *)configurator)->config->level;
    return 0;
}

void config_guard_library(Config *config)
{
    static const struct {
        const char *name;
        h2o_configurator_command_cb callback;
    } guards[GUARD_MAX] = {
        [GUARD_DIR] = {"file.dir", on_dir},
        [GUARD_FILE] = {"file.file", on_file},
        [GUARD_HOSTS] = {"hosts", on_hosts},
        [GUARD_PATHS] = {"paths", on_paths},
        [GUARD_SERVER_NAME] = {"server-name", on_server_name},
        [GUARD_FASTCGI_SPAWN] = {"fastcgi.spawn", on_fastcgi_spawn},
        [GUARD_STATUS] = {"status", on_status},
        [GUARD_COMPRESS] = {"compress", on_compress},
        [GUARD_CUSTOM_HANDLER] = {"file.custom-handler", on_custom_handler},
        [GUARD_CA_FILE] = {"proxy.ssl.cafile", on_ca_file},
    };
    Configurator *configurator = configurator_new(config);
    size_t i;

    configurator->super.enter = on_enter_level;
    configurator->super.exit = on_exit_level;
    config->guards = h2o_mem_alloc(sizeof(*config->guards));
    *config->guards = (ConfigGuard){.extensions = NULL};
    for (i = 0; i != GUARD_MAX; ++i) {
        h2o_configurator_command_t *command =
            h2o_configurator_get_command(&config->global, guards[i].name);
        if (command == NULL)
            continue; /* the proxy's commands are not always there */
        config->guards->command[i] = command->cb;
        command->cb = guards[i].callback;
    }
}

/*
 * When a command fails the library returns without leaving the levels it has entered, and loses
 * what its configurators hold for them, the TLS client contexts of the proxy first of all. So leave
 * them here. The configurators ask of a level only whether it is global or of a host.
 */
void config_guard_unwind(Config *config)
{
    h2o_linklist_t *node, *anchor = &config->global.configurators;
    h2o_hostconf_t some_host;
    h2o_configurator_context_t context = {.globalconf = &config->global};

    while (config->level != 0) {
        context.hostconf = config->level > 1 ? &some_host : NULL;
        for (node = anchor->next; node != anchor; node = node->next) {
            h2o_configurator_t *configurator =
                H2O_STRUCT_FROM_MEMBER(h2o_configurator_t, _link, node);
            if (configurator->exit != NULL)
                configurator->exit(configurator, &context, NULL);
        }
    }
}

/*
 * A map of MIME types that holds a handler by extension is held by that handler's path in turn, so
 * the library never frees either: break the ring.
 */
static void forget_handlers(h2o_mimemap_t *map, char *const *extensions)
{
    size_t i;

    for (i = 0; map != NULL && i != strv_length(extensions); ++i)
        h2o_mimemap_remove_type(map, extensions[i]);
}

static void forget_all_handlers(Config *config)
{
    char *const *extensions = config->guards->extensions;
    size_t i, j;

    for (i = 0; config->global.hosts[i] != NULL; ++i) {
        h2o_hostconf_t *host = config->global.hosts[i];
        for (j = 0; j != host->paths.size; ++j)
            forget_handlers(host->paths.entries[j].mimemap, extensions);
        forget_handlers(host->fallback_path.mimemap, extensions);
        forget_handlers(host->mimemap, extensions);
    }
    forget_handlers(config->global.mimemap, extensions);
    config->guards->extensions = strv_free(config->guards->extensions);
}

/* The names of the commands made by h2o_configurator_define_headers_commands() are copies. */
void config_guard_forget(Config *config)
{
    h2o_linklist_t *node, *anchor = &config->global.configurators;
    size_t i;

    if (config->guards != NULL)
        forget_all_handlers(config);
    for (node = anchor->next; node != anchor; node = node->next) {
        h2o_configurator_t *configurator = H2O_STRUCT_FROM_MEMBER(h2o_configurator_t, _link, node);
        for (i = 0; i != configurator->commands.size; ++i) {
            h2o_configurator_command_t *command = &configurator->commands.entries[i];
            if (strncmp(command->name, "header.", 7) != 0 &&
                strncmp(command->name, "proxy.header.", 13) != 0)
                continue;
            free((char *)command->name);
            command->name = "";
        }
    }
}
