/* SPDX-License-Identifier: MIT */
/*
 * Whether systemd still watches the sockets that it has passed to us. A socket unit does so until
 * it has seen that the service runs, which with Type=dbus is some time after we have got our name;
 * if it finds a socket hung up before, it fails (socket.c of systemd: "Got POLLHUP on a listening
 * socket"). So it is asked for the state of each unit that triggers ours. Main thread only.
 */
#ifndef SLUICE_SOCKET_UNITS_H
#define SLUICE_SOCKET_UNITS_H

#include <systemd/sd-bus.h>

typedef struct SocketUnits SocketUnits;

/* Nobody watches the sockets any more. */
typedef void (*SocketUnitsCallback)(void *userdata);

/*
 * Asks, time and again if need be, and calls back once, when no socket unit of ours listens itself
 * or there is no systemd on the bus. Never, if systemd cannot be asked. Error: of sd-bus.
 */
int socket_units_new(SocketUnits **ret, sd_bus *connection, SocketUnitsCallback callback,
                     void *userdata);

/* Asks no more. Accepts NULL, returns NULL. */
SocketUnits *socket_units_free(SocketUnits *units);

#endif
