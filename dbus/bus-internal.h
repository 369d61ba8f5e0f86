/* SPDX-License-Identifier: MIT */
/* What the files of this room share about a Bus. Everybody else includes bus.h. */
#ifndef SLUICE_BUS_INTERNAL_H
#define SLUICE_BUS_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "authorize.h"
#include "bus.h"
#include "call.h"
#include "socket-units.h"

typedef enum BusNameState {
    BUS_NAME_NONE,
    BUS_NAME_REQUESTED,
    BUS_NAME_OWNED,     /* or in the queue for it, after a release that was taken back */
    BUS_NAME_RELEASING, /* ReleaseName is under way */
    BUS_NAME_CONFIRMING /* released; a last round trip collects what was sent to our unique name */
} BusNameState;

/* The life of the bus name, see name.c. */
typedef struct BusName {
    BusNameState state;
    sd_bus_slot *slot; /* of the call under way */
    BusNameCallback on_requested;
    BusReleaseCallback on_released;
    void *userdata;
    bool for_good;       /* the release is that of bus_leave() */
    uint64_t n_received; /* Bus.n_received when the release began */
} BusName;

struct Bus {
    sd_bus *connection;
    Manager *manager;
    Authorizer *authorizer;
    BusObserver observer;
    const char *version;
    bool lost; /* the connection is gone: say nothing more */

    uint64_t n_received; /* method calls that came in */
    SocketUnits *socket_units;
    BusSystemdCallbacks on_systemd;

    Call *calls; /* those that wait for their answer */
    BusName name;

    Server *removed; /* being removed: still an object, no longer found by name */
};

/* Tells the observer that bus_is_busy() or manager_is_idle() may have a new answer. */
void bus_idle_changed(Bus *bus);

/* Logs that something could not be sent; nobody else will ever know. */
void bus_warn(Bus *bus, int r, const char *what);

/*
 * The Bus that registered the vtable whose handler is running. sd-bus hands a handler what find()
 * returned, so the Bus has to come from the slot; it is lost as soon as the handler emits a signal
 * about an object that has a find(), so this comes first.
 */
Bus *bus_of_handler(sd_bus_message *m);

/* Cancels the request or release under way, without calling back. */
void bus_name_cancel(Bus *bus);

#endif
