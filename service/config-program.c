/* SPDX-License-Identifier: MIT */
/*
 * The commands that h2o's program defines and its library lacks, but for `listen`. Those that make
 * no sense inside a service that systemd looks after are accepted, so that an existing h2o.conf
 * runs unmodified, and logged as ignored.
 */
#include "config-commands.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define NAME_RESOLUTION_THREADS_MAX 64
#define FASTOPEN_QUEUE_MAX          65535

/* Reads a whole decimal number; h2o's own scanf() would take `4x` and wrap around. */
static int read_number(h2o_configurator_command_t *command, yoml_t *node, long min, long max,
                       long *ret)
{
    long value = 0;
    char *end = NULL;

    if (node->type == YOML_TYPE_SCALAR)
        value = strtol(node->data.scalar, &end, 10);
    if (end == NULL || end == node->data.scalar || *end != '\0' || value < min || value > max) {
        h2o_configurator_errprintf(command, node, "must be a number from %ld to %ld", min, max);
        return -1;
    }
    *ret = value;
    return 0;
}

static int on_num_threads(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                          yoml_t *node)
{
    long value;

    if (read_number(command, node, 1, 65535, &value) != 0)
        return -1;
    command_config(command)->num_threads = (unsigned)value;
    return 0;
}

static int on_max_connections(h2o_configurator_command_t *command,
                              h2o_configurator_context_t *context, yoml_t *node)
{
    long value;

    if (read_number(command, node, 1, INT_MAX, &value) != 0)
        return -1;
    command_config(command)->max_connections = (int)value;
    return 0;
}

static int on_tcp_fastopen(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                           yoml_t *node)
{
    long value;

    if (read_number(command, node, 0, FASTOPEN_QUEUE_MAX, &value) != 0)
        return -1;
    command_config(command)->fastopen = (int)value;
    return 0;
}

static int on_name_resolution_threads(h2o_configurator_command_t *command,
                                      h2o_configurator_context_t *context, yoml_t *node)
{
    long value;

    if (read_number(command, node, 1, NAME_RESOLUTION_THREADS_MAX, &value) != 0)
        return -1;
    command_config(command)->name_resolution_threads = (size_t)value;
    return 0;
}

/* Where bodies too large for memory go; see config_commit(). */
static int on_temp_buffer_path(h2o_configurator_command_t *command,
                               h2o_configurator_context_t *context, yoml_t *node)
{
    const char *file = strrchr(h2o_socket_buffer_mmap_settings.fn_template, '/');
    Config *config = command_config(command);
    char *path = NULL;

    if (access(node->data.scalar, W_OK | X_OK) != 0) {
        h2o_configurator_errprintf(command, node, "cannot write to `%s`: %s", node->data.scalar,
                                   strerror(errno));
        return -1;
    }
    if (asprintf(&path, "%s%s", node->data.scalar, file) < 0)
        return -1;
    if (strlen(path) >= sizeof(h2o_socket_buffer_mmap_settings.fn_template)) {
        h2o_configurator_errprintf(command, node, "the path is too long");
        free(path);
        return -1;
    }
    free(config->temp_buffer_path);
    config->temp_buffer_path = path;
    return 0;
}

void config_commit(const Config *config, bool in_use)
{
    char *template = h2o_socket_buffer_mmap_settings.fn_template;

    /* One pool of threads for the whole process: the server that wants most decides. */
    if (config->name_resolution_threads > h2o_hostinfo_max_threads)
        h2o_hostinfo_max_threads = config->name_resolution_threads;
    if (config->temp_buffer_path == NULL || strcmp(template, config->temp_buffer_path) == 0)
        return;
    if (in_use)
        log_warning("temp-buffer-path: `%s` stays in force while a server runs", template);
    else
        strcpy(template, config->temp_buffer_path);
}

static int on_mruby(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                    yoml_t *node)
{
    h2o_configurator_errprintf(command, node,
                               "mruby is not part of Sluice; put an application server behind "
                               "`proxy.reverse.url` or `fastcgi.connect` instead");
    return -1;
}

static int on_ignored(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                      yoml_t *node)
{
    config_warn(command_config(command), node,
                "%s: ignored, because the service manager looks after this", command->name);
    return 0;
}

void config_register_program(Config *config)
{
    static const char *const ignored[] = {"user",
                                          "pid-file",
                                          "error-log",
                                          "crash-handler",
                                          "crash-handler.wait-pipe-close",
                                          "num-ocsp-updaters"};
    static const char *const mruby[] = {"mruby.handler", "mruby.handler-file",
                                        "mruby.handler_path"};
    h2o_configurator_t *c = &configurator_new(config)->super;
    size_t i;

    h2o_configurator_define_command(c, "num-threads", H2O_CONFIGURATOR_FLAG_GLOBAL, on_num_threads);
    h2o_configurator_define_command(c, "max-connections", H2O_CONFIGURATOR_FLAG_GLOBAL,
                                    on_max_connections);
    h2o_configurator_define_command(c, "tcp-fastopen", H2O_CONFIGURATOR_FLAG_GLOBAL,
                                    on_tcp_fastopen);
    h2o_configurator_define_command(c, "num-name-resolution-threads", H2O_CONFIGURATOR_FLAG_GLOBAL,
                                    on_name_resolution_threads);
    h2o_configurator_define_command(
        c, "temp-buffer-path", H2O_CONFIGURATOR_FLAG_GLOBAL | H2O_CONFIGURATOR_FLAG_EXPECT_SCALAR,
        on_temp_buffer_path);
    for (i = 0; i != sizeof(mruby) / sizeof(mruby[0]); ++i)
        h2o_configurator_define_command(c, mruby[i], H2O_CONFIGURATOR_FLAG_ALL_LEVELS, on_mruby);
    for (i = 0; i != sizeof(ignored) / sizeof(ignored[0]); ++i)
        h2o_configurator_define_command(
            c, ignored[i], H2O_CONFIGURATOR_FLAG_GLOBAL | H2O_CONFIGURATOR_FLAG_EXPECT_SCALAR,
            on_ignored);
}
