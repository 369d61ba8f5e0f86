/* SPDX-License-Identifier: MIT */
/*
 * The commands of sluicectl. Each gets its arguments, NULL-terminated and of the number that
 * main.c allows, says itself what goes wrong, and returns the exit status.
 */
#ifndef SLUICECTL_COMMANDS_H
#define SLUICECTL_COMMANDS_H

#include "client.h"

int command_start(Client *client, char **names);
int command_stop(Client *client, char **names);
int command_reload(Client *client, char **names);
int command_status(Client *client, char **names);
int command_list(Client *client, char **none);
int command_monitor(Client *client, char **names);
int command_check(Client *client, char **files);
int command_attach(Client *client, char **name);

#endif
