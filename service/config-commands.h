/* SPDX-License-Identifier: MIT */
/*
 * The configuration commands that are ours: those of h2o's program, which its library lacks, and
 * `sluice.*`. Each function defines its commands in `config->global`; private to config*.c.
 */
#ifndef SLUICE_CONFIG_COMMANDS_H
#define SLUICE_CONFIG_COMMANDS_H

#include "config.h"
#include <h2o/configurator.h>

/* Every configurator of ours begins like this, so that a command finds its Config. */
typedef struct Configurator {
    h2o_configurator_t super;
    Config *config;
} Configurator;

static inline Config *command_config(h2o_configurator_command_t *command)
{
    return ((Configurator *)command->configurator)->config;
}

/* The Config whose commands are being applied, for commands that are the library's. */
static inline Config *applying_config(h2o_configurator_context_t *context)
{
    return H2O_STRUCT_FROM_MEMBER(Config, global, context->globalconf);
}

/* What is being applied on this thread, or NULL. */
Config *config_being_applied(void);

/* Frees `memory`, which may be NULL, together with the configuration. */
void config_own(Config *config, void *memory);

Configurator *configurator_new(Config *config);

void config_register_listen(Config *config);  /* listen */
void config_register_program(Config *config); /* num-threads, max-connections, user, ... */
void config_register_log(Config *config);     /* access-log, on top of the library's */
void config_register_status(Config *config);  /* no command: what h2o's program adds to `status` */
void config_register_sluice(Config *config);  /* sluice.* */

/* Adds checks to commands of the library that it lacks; call once all its commands are defined. */
void config_guard_library(Config *config);

/* Frees what the library leaves behind when a command fails; call after a failed apply. */
void config_guard_unwind(Config *config);

/* Frees what the library's own disposal forgets; call right before it. */
void config_guard_forget(Config *config);

/* Reads one `sluice.*` setting from its node; -ENOENT if `name` is no such setting. */
int config_setting_apply(ConfigSettings *settings, const char *name, yoml_t *node, Error *error);

#endif
