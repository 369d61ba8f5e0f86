/* SPDX-License-Identifier: MIT */
/*
 * What the manager's observer is told, put on the bus: StateChanged, PropertiesChanged,
 * InterfacesAdded and InterfacesRemoved. A transition is two messages, and nothing here waits for
 * the bus: Start and Stop pay for it. What cannot be sent is said on standard error.
 */
#ifndef SLUICE_SERVER_SIGNALS_H
#define SLUICE_SERVER_SIGNALS_H

#include "bus.h"

void server_emit_transition(Bus *bus, Server *server, const ServerTransition *transition);
void server_emit_properties(Bus *bus, Server *server, char *const *names);
void server_emit_added(Bus *bus, Server *server);
void server_emit_removed(Bus *bus, Server *server);

#endif
