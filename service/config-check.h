/* SPDX-License-Identifier: MIT */
/* Checking a configuration file by itself; apart from config.h so that main.c need not see h2o. */
#ifndef SLUICE_CONFIG_CHECK_H
#define SLUICE_CONFIG_CHECK_H

#include "error.h"

/* Checks one file as a Start would, up to binding, and logs its warnings. Errors: INVALID_CONFIG.
 */
int config_check_file(const char *path, Error *error);

#endif
