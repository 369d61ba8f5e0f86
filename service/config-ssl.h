/* SPDX-License-Identifier: MIT */
/* The mapping `ssl` of a `listen`, and the command ssl-session-resumption. Private to config*.c. */
#ifndef SLUICE_CONFIG_SSL_H
#define SLUICE_CONFIG_SSL_H

#include "config-commands.h"

/*
 * Reads the mapping and adds its certificate to `listen->tls`, for the host of the context if there
 * is one. Returns 0, or -1 after h2o_configurator_errprintf().
 */
int config_ssl_apply(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                     yoml_t *node, ConfigListen *listen);

/* Defines ssl-session-resumption. */
void config_register_ssl(Config *config);

/* Once all commands are applied: what only then is known goes to all TLS contexts. */
void config_ssl_finish(Config *config, const char *session_context);

#endif
