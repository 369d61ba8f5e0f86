/* SPDX-License-Identifier: MIT */
/*
 * Two questions to systemd that its protocol leaves open, asked when we have our name.
 *
 * Are we to stop? The unit's signal is one that other programs do not mind, and that is lost before
 * we handle it: but then the unit is deactivating.
 *
 * Are its sockets ours? That is, whether systemd still watches the sockets that it has passed to
 * us. A socket unit does so until it has seen that the service runs, which with Type=dbus is some
 * time after we have got our name; if it finds a socket hung up before, it fails (socket.c of
 * systemd: "Got POLLHUP on a listening socket"). So it is asked for the state of each unit that
 * triggers ours. Main thread only.
 */
#ifndef SLUICE_SOCKET_UNITS_H
#define SLUICE_SOCKET_UNITS_H

#include <systemd/sd-bus.h>

typedef struct SocketUnits SocketUnits;

typedef struct SocketUnitsCallbacks {
    void (*stopping)(void *userdata); /* the unit is being stopped */
    void (*ours)(void *userdata);     /* nobody else watches the sockets any more, if ever */
    void *userdata;
} SocketUnitsCallbacks;

/*
 * Asks, time and again if need be. Then one of the callbacks is called, once, from the event loop;
 * `ours` also if there is no systemd on the bus. Error: of sd-bus.
 */
int socket_units_new(SocketUnits **ret, sd_bus *connection, const SocketUnitsCallbacks *callbacks);

/* Asks no more. Accepts NULL, returns NULL. */
SocketUnits *socket_units_free(SocketUnits *units);

#endif
