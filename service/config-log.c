/* SPDX-License-Identifier: MIT */
/*
 * The command `access-log`: h2o's own, after a look at what stands at the path, and
 *
 *     access-log: journal
 *     access-log: {path: journal, format: "%s %r"}
 *
 * which sends each line to the journal with fields for server, status, method, path and bytes. Like
 * h2o's, it holds for the level it stands at and all below.
 */
#include "config-commands.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal-log.h"
#include "yaml-tree.h"

#define LOGS_MAX 16 /* journal logs in force at one path */

typedef struct LogConfigurator {
    Configurator super;
    h2o_configurator_command_cb library; /* h2o's access-log */
    JournalLog *logs[LOGS_MAX];
    size_t n_logs;
    size_t levels[H2O_CONFIGURATOR_NUM_LEVELS + 1]; /* n_logs when each level was entered */
    unsigned level;
} LogConfigurator;

static LogConfigurator *find_configurator(Config *config)
{
    return (LogConfigurator *)config->log_configurator;
}

static int add_journal(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                       yoml_t *node)
{
    Config *config = applying_config(context);
    LogConfigurator *self = find_configurator(config);
    yoml_t *format = tree_get(node, "format"), *escape = tree_get(node, "escape");
    char why[256] = "";
    ssize_t escaping = 0;
    JournalLog *log;

    if (escape != NULL &&
        (escaping = h2o_configurator_get_one_of(command, escape, "apache,json")) == -1)
        return -1;
    if (self->n_logs == LOGS_MAX) {
        h2o_configurator_errprintf(command, node, "more than %d logs", LOGS_MAX);
        return -1;
    }
    log = journal_log_new(format != NULL ? format->data.scalar : NULL,
                          escaping == 1 ? H2O_LOGCONF_ESCAPE_JSON : H2O_LOGCONF_ESCAPE_APACHE,
                          config->owner.name, config->owner.journal, why);
    if (log == NULL) {
        h2o_configurator_errprintf(command, format != NULL ? format : node, "%s", why);
        return -1;
    }
    self->logs[self->n_logs++] = log;
    return 0;
}

/* A log must be something that can be opened without waiting and written to. */
static int check_path(h2o_configurator_command_t *command, yoml_t *node)
{
    const char *path = node->data.scalar;
    struct stat st;
    char *copy;
    int r;

    if (path[0] == '\0') {
        h2o_configurator_errprintf(command, node, "the path is empty");
        return -1;
    }
    if (path[0] == '|')
        return 0;
    if (stat(path, &st) == 0) {
        if (S_ISREG(st.st_mode) || S_ISCHR(st.st_mode)) {
            if (access(path, W_OK) == 0)
                return 0;
            h2o_configurator_errprintf(command, node, "cannot write to `%s`: %s", path,
                                       strerror(errno));
            return -1;
        }
        /* What the service writes its own messages to may be a pipe or a socket. */
        if (strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/self/fd/", 14) == 0)
            return 0;
        h2o_configurator_errprintf(command, node, "`%s` is not a regular file", path);
        return -1;
    }
    if (errno == ENOENT) {
        copy = h2o_strdup(NULL, path, SIZE_MAX).base;
        r = access(dirname(copy), W_OK | X_OK);
        free(copy);
        if (r == 0)
            return 0;
    }
    h2o_configurator_errprintf(command, node, "cannot open `%s`: %s", path, strerror(errno));
    return -1;
}

/* Of a format the library tells what is wrong on standard error only, and not in a dry run. */
static int check_format(h2o_configurator_command_t *command, yoml_t *node)
{
    char why[256] = "";
    h2o_logconf_t *compiled;

    if (node->type != YOML_TYPE_SCALAR) {
        h2o_configurator_errprintf(command, node, "`format` must be a single value");
        return -1;
    }
    if ((compiled = h2o_logconf_compile(node->data.scalar, H2O_LOGCONF_ESCAPE_APACHE, why)) ==
        NULL) {
        h2o_configurator_errprintf(command, node, "%s", why);
        return -1;
    }
    h2o_logconf_dispose(compiled);
    return 0;
}

/* Where standard output is a socket it is the journal's, and cannot be opened by its name. */
static bool is_journal(const char *path)
{
    struct stat st;

    if (strcmp(path, "journal") == 0)
        return true;
    return (strcmp(path, "/dev/stdout") == 0 || strcmp(path, "/dev/stderr") == 0) &&
           stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static int on_access_log(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                         yoml_t *node)
{
    Config *config = applying_config(context);
    yoml_t *path = node->type == YOML_TYPE_SCALAR ? node : tree_get(node, "path");
    yoml_t *format = tree_get(node, "format");
    Error *reported = config->reported;

    if (format != NULL && check_format(command, format) != 0)
        return -1;
    if (path != NULL && path->type == YOML_TYPE_SCALAR) {
        if (is_journal(path->data.scalar))
            return add_journal(command, context, node);
        if (check_path(command, path) != 0)
            return -1;
    }
    /* An open log belongs to one configuration, which so is good for one start only. */
    config->files.incomplete = true;
    if (find_configurator(config)->library(command, context, node) == 0)
        return 0;
    /* The library says some of its reasons on standard error only. */
    if (reported->code == ERROR_NONE)
        h2o_configurator_errprintf(command, node, "cannot open the log");
    return -1;
}

static int on_enter(h2o_configurator_t *configurator, h2o_configurator_context_t *context,
                    yoml_t *node)
{
    LogConfigurator *self = (LogConfigurator *)configurator;

    self->levels[self->level++] = self->n_logs;
    return 0;
}

static void leave_level(LogConfigurator *self)
{
    size_t outer = self->levels[--self->level];

    while (self->n_logs != outer)
        journal_log_unref(self->logs[--self->n_logs]);
}

static int on_exit_level(h2o_configurator_t *configurator, h2o_configurator_context_t *context,
                         yoml_t *node)
{
    LogConfigurator *self = (LogConfigurator *)configurator;
    size_t i;

    for (i = 0; context->pathconf != NULL && i != self->n_logs; ++i)
        journal_log_register(self->logs[i], context->pathconf);
    leave_level(self);
    return 0;
}

/* After a mistake levels are still open. Called twice by the library, so it leaves nothing. */
static int on_dispose(h2o_configurator_t *configurator)
{
    LogConfigurator *self = (LogConfigurator *)configurator;

    while (self->level != 0)
        leave_level(self);
    return 0;
}

void config_register_log(Config *config)
{
    LogConfigurator *self =
        (LogConfigurator *)h2o_configurator_create(&config->global, sizeof(*self));
    h2o_configurator_command_t *command =
        h2o_configurator_get_command(&config->global, "access-log");

    self->super.config = config;
    self->super.super.enter = on_enter;
    self->super.super.exit = on_exit_level;
    self->super.super.dispose = on_dispose;
    self->library = command->cb;
    command->cb = on_access_log;
    config->log_configurator = &self->super.super;
}
