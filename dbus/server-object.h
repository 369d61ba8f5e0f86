/* SPDX-License-Identifier: MIT */
/*
 * The objects /org/sluice/Sluice1/server/NAME, interface org.sluice.Sluice1.Server. They are not
 * stored anywhere: each is made up from the manager's server of that name when it is asked for.
 */
#ifndef SLUICE_SERVER_OBJECT_H
#define SLUICE_SERVER_OBJECT_H

#include "bus.h"

/* Registers the objects with the connection, for as long as that lives. */
int server_object_register(Bus *bus);

/* The object path of a server, to be freed; NULL when out of memory. */
char *server_object_path(const Server *server);

/* 1 and the server at `path`, 0 if there is none, -ENOMEM. */
int server_object_find(Bus *bus, const char *path, Server **ret);

#endif
