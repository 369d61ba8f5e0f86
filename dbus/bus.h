/* SPDX-License-Identifier: MIT */
/*
 * The bus side of the daemon: one connection, the objects of section 3 of the design, and the life
 * of the bus name. It borrows the Manager and sets itself as the Manager's only observer, so the
 * Bus is made after the Manager and freed before it. Main thread only.
 *
 * No callback may free the Bus; end the event loop and free it afterwards.
 */
#ifndef SLUICE_BUS_H
#define SLUICE_BUS_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "error.h"
#include "manager.h"

typedef struct Bus Bus;

typedef enum BusScope {
    BUS_SCOPE_SYSTEM, /* root may start, stop and reload, and whom polkit lets */
    BUS_SCOPE_USER,   /* the user's own bus: $DBUS_SESSION_BUS_ADDRESS or $XDG_RUNTIME_DIR/bus */
} BusScope;

typedef struct BusOptions {
    BusScope scope;
    const char *address; /* connect here instead; the scope still decides about rights. NULL: no */
    const char *version; /* of the program, for property Version; must outlive the Bus */
} BusOptions;

/* Every member may be NULL. */
typedef struct BusObserver {
    /* Some method call came in, before it is handled: the idle time begins anew. */
    void (*activity)(Bus *bus, void *userdata);
    /* bus_is_busy() or manager_is_idle() may have a new answer. */
    void (*idle_changed)(Bus *bus, void *userdata);
    /* A server has been added or removed, or is in another state. */
    void (*servers_changed)(Bus *bus, void *userdata);
    /* Has the program no reason of its own to stay? Asked at the end of bus_release_name(). */
    bool (*is_idle)(Bus *bus, void *userdata);
    /* The connection is gone for good: stop every server and exit with an error. */
    void (*lost)(Bus *bus, void *userdata);
    void *userdata;
} BusObserver;

/*
 * Connects, registers all objects and becomes the manager's observer. It does not ask for the
 * name yet, and does not wait for the bus: authentication goes on in the event loop, and if it
 * fails `lost` is called. Errors: no such bus, connection refused (the message says which bus).
 */
int bus_new(Bus **ret, sd_event *event, Manager *manager, const BusOptions *options,
            const BusObserver *observer, Error *error);

/*
 * Flushes, closes and frees; the manager is left without an observer. Calls still without an answer
 * are dropped, which tells their callers so; what they started goes on. Accepts NULL, returns NULL.
 */
Bus *bus_free(Bus *bus);

static inline void bus_freep(Bus **bus)
{
    bus_free(*bus);
}
#define _cleanup_bus_ __attribute__((cleanup(bus_freep)))

/* Blocks until everything queued has been written to the bus. 0, or negative when it is lost. */
int bus_flush(Bus *bus);

/* True while a method call waits for its answer, an authorisation included. */
bool bus_is_busy(Bus *bus);

/* Nothing to do: not busy, the manager idle, and the observer's `is_idle` agrees. */
bool bus_is_idle(Bus *bus);

typedef struct BusSystemdCallbacks {
    void (*stopping)(Bus *bus, void *userdata); /* our unit is being stopped */
    void (*ours)(Bus *bus, void *userdata);     /* the sockets of socket units are ours to shut */
    void *userdata;
} BusSystemdCallbacks;

/*
 * Asks systemd what it thinks of us, see socket-units.h; calls one of these back, once. To be
 * called when the name is ours, and only once.
 */
int bus_ask_systemd(Bus *bus, const BusSystemdCallbacks *callbacks);

/* `error` is NULL when the name is ours; else its message says what to do. */
typedef void (*BusNameCallback)(Bus *bus, const Error *error, void *userdata);

/*
 * Asks for the bus name; calls back once, from the event loop. That somebody else has it is an
 * error. Returns 0, or negative without calling back: -EBUSY when the name is ours already or a
 * request is under way.
 */
int bus_request_name(Bus *bus, BusNameCallback callback, void *userdata);

typedef enum BusRelease {
    BUS_RELEASE_LEAVE, /* the name is given up and nothing is left to do: exit now */
    BUS_RELEASE_STAY,  /* something came in meanwhile and keeps us */
} BusRelease;

typedef void (*BusReleaseCallback)(Bus *bus, BusRelease result, void *userdata);

/*
 * Denies what polkit has not decided yet, now and from now on: nobody's password is waited for any
 * more.
 */
void bus_end_authorization(Bus *bus);

/*
 * The way to exit on idle without losing a call. Gives up the name and handles what had come in
 * before; from then on the bus starts a new instance for whoever calls. Once the bus confirms, and
 * if no call came in meanwhile and bus_is_idle() still holds, calls back with LEAVE. Otherwise it
 * takes the name back (in the queue, should a new instance have it already) and says STAY, followed
 * by `idle_changed`. Returns 0, or negative without calling back: -EBUSY when a request or a
 * release is under way.
 */
int bus_release_name(Bus *bus, BusReleaseCallback callback, void *userdata);

/*
 * The same for an exit that there is no way back from: at SIGTERM, when every server has been
 * stopped, and on idle under a service manager, which takes no STOPPING=1 back. Calls that came in
 * are answered and keep nobody, and the name is not taken back. STAY means that one of them has
 * begun something: end it and call this again. It takes the place of a request or release under
 * way, whose callback is not called any more. Returns 0, or negative without calling back.
 */
int bus_leave(Bus *bus, BusReleaseCallback callback, void *userdata);

#endif
