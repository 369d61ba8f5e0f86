/* SPDX-License-Identifier: MIT */
/*
 * The life of the bus name: bus_request_name(), bus_release_name() and bus_leave() of bus.h.
 *
 * How an exit on idle loses no call. A call to our name sits in front of us in one of three places:
 *
 *   - in our socket, or on its way through the bus: the bus writes it there before it answers
 *     ReleaseName, and a connection's messages come in order; so it has been handled when
 * on_released() runs, and shows in Bus.n_received;
 *   - not yet at the bus when the name is given up: the bus activates a new instance for it;
 *   - addressed to our unique name by a client that has not yet heard of the change (GDBusProxy
 *     and dbus-python resolve the name once): a second round trip to the bus collects those that
 *     were sent by the time the name changed hands.
 *
 * Only then is it decided whether we may leave. Releasing the name cannot be undone quietly: a new
 * instance may hold it already, so we ask for a place in the queue behind it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus-internal.h"
#include "names.h"

/* What the bus answers to RequestName and ReleaseName (D-Bus specification, "Message Bus"). */
enum {
    REQUEST_PRIMARY_OWNER = 1,
    REQUEST_IN_QUEUE = 2,
    REQUEST_EXISTS = 3,
    REQUEST_ALREADY_OWNER = 4,
};

void bus_name_cancel(Bus *bus)
{
    bus->name.slot = sd_bus_slot_unref(bus->name.slot);
    bus->name.state = BUS_NAME_NONE;
}

/*
 * Describes who has our name. This waits for the bus, which is all right here: the daemon has
 * nothing else to do and is about to give up.
 */
static void describe_owner(Bus *bus, char *ret, size_t size)
{
    sd_bus_creds *creds = NULL;
    const char *owner = NULL, *comm = NULL;
    pid_t pid = 0;

    if (sd_bus_get_name_creds(bus->connection, SLUICE_BUS_NAME,
                              SD_BUS_CREDS_UNIQUE_NAME | SD_BUS_CREDS_PID | SD_BUS_CREDS_COMM |
                                  SD_BUS_CREDS_AUGMENT,
                              &creds) >= 0) {
        sd_bus_creds_get_unique_name(creds, &owner);
        sd_bus_creds_get_pid(creds, &pid);
        sd_bus_creds_get_comm(creds, &comm);
    }

    if (owner == NULL)
        snprintf(ret, size, "another connection");
    else if (pid <= 0)
        snprintf(ret, size, "%s", owner);
    else
        snprintf(ret, size, "%s (process %jd, %s)", owner, (intmax_t)pid,
                 comm != NULL ? comm : "unknown");
    sd_bus_creds_unref(creds);
}

/* Fills `error` unless the answer says that the name is ours. */
static void read_request_reply(Bus *bus, sd_bus_message *m, Error *error)
{
    const sd_bus_error *failure = sd_bus_message_get_error(m);
    uint32_t result = 0;
    char owner[160];

    if (failure != NULL && sd_bus_error_has_name(failure, SD_BUS_ERROR_ACCESS_DENIED)) {
        error_set(error, ERROR_FAILED,
                  "the bus does not let user %ju own the name %s (%s): is sluiced's bus policy "
                  "installed?",
                  (uintmax_t)geteuid(), SLUICE_BUS_NAME, failure->message);
    } else if (failure != NULL) {
        error_set(error, ERROR_FAILED, "cannot take the bus name %s: %s", SLUICE_BUS_NAME,
                  failure->message);
    } else if (sd_bus_message_read(m, "u", &result) < 0) {
        error_set(error, ERROR_FAILED, "cannot take the bus name %s: malformed answer",
                  SLUICE_BUS_NAME);
    } else if (result != REQUEST_PRIMARY_OWNER && result != REQUEST_ALREADY_OWNER) {
        describe_owner(bus, owner, sizeof(owner));
        error_set(error, ERROR_FAILED,
                  "the bus name %s belongs to %s: a bus has room for one sluiced; stop that one "
                  "first",
                  SLUICE_BUS_NAME, owner);
    }
}

static int on_requested(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    Bus *bus = userdata;
    BusName *name = &bus->name;
    _cleanup_error_ Error error = ERROR_INIT;

    name->slot = sd_bus_slot_unref(name->slot);
    read_request_reply(bus, m, &error);
    name->state = error.code == ERROR_NONE ? BUS_NAME_OWNED : BUS_NAME_NONE;
    if (name->on_requested != NULL)
        name->on_requested(bus, error.code == ERROR_NONE ? NULL : &error, name->userdata);
    return 0;
}

int bus_request_name(Bus *bus, BusNameCallback callback, void *userdata)
{
    int r;

    if (bus->name.state != BUS_NAME_NONE)
        return -EBUSY;
    r = sd_bus_request_name_async(bus->connection, &bus->name.slot, SLUICE_BUS_NAME, 0,
                                  on_requested, bus);
    if (r < 0)
        return r;
    bus->name.state = BUS_NAME_REQUESTED;
    bus->name.on_requested = callback;
    bus->name.userdata = userdata;
    return 0;
}

static void release_end(Bus *bus, BusNameState state, BusRelease result)
{
    bus->name.state = state;
    if (bus->name.on_released != NULL)
        bus->name.on_released(bus, result, bus->name.userdata);
    /* A call that was only read has changed nothing, but the idle time begins anew. */
    if (result == BUS_RELEASE_STAY)
        bus_idle_changed(bus);
}

static bool release_may_end(Bus *bus)
{
    return (bus->name.for_good || bus->n_received == bus->name.n_received) && bus_is_idle(bus);
}

static int on_taken_back(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    Bus *bus = userdata;
    uint32_t result = 0;

    bus->name.slot = sd_bus_slot_unref(bus->name.slot);
    if (!sd_bus_message_is_method_error(m, NULL))
        sd_bus_message_read(m, "u", &result);

    if (result == REQUEST_PRIMARY_OWNER || result == REQUEST_ALREADY_OWNER)
        release_end(bus, BUS_NAME_OWNED, BUS_RELEASE_STAY);
    else if (bus_is_idle(bus))
        /* A new instance serves the name, and what came in for us has been answered. */
        release_end(bus, BUS_NAME_NONE, BUS_RELEASE_LEAVE);
    else
        release_end(bus, result == REQUEST_IN_QUEUE ? BUS_NAME_OWNED : BUS_NAME_NONE,
                    BUS_RELEASE_STAY);
    return 0;
}

static void take_back(Bus *bus)
{
    int r;

    if (bus->name.for_good) {
        release_end(bus, BUS_NAME_NONE, BUS_RELEASE_STAY);
        return;
    }
    r = sd_bus_request_name_async(bus->connection, &bus->name.slot, SLUICE_BUS_NAME,
                                  SD_BUS_NAME_QUEUE, on_taken_back, bus);
    if (r < 0) {
        bus_warn(bus, r, "cannot take the bus name back");
        release_end(bus, BUS_NAME_NONE, BUS_RELEASE_STAY);
        return;
    }
    bus->name.state = BUS_NAME_REQUESTED;
}

static int on_confirmed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    Bus *bus = userdata;

    bus->name.slot = sd_bus_slot_unref(bus->name.slot);
    if (release_may_end(bus))
        release_end(bus, BUS_NAME_NONE, BUS_RELEASE_LEAVE);
    else
        take_back(bus);
    return 0;
}

static int on_released(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    Bus *bus = userdata;
    int r;

    bus->name.slot = sd_bus_slot_unref(bus->name.slot);
    if (sd_bus_message_is_method_error(m, NULL)) {
        release_end(bus, BUS_NAME_OWNED, BUS_RELEASE_STAY);
        return 0;
    }
    if (!release_may_end(bus)) {
        take_back(bus);
        return 0;
    }

    bus->name.state = BUS_NAME_CONFIRMING;
    r = sd_bus_call_method_async(bus->connection, &bus->name.slot, DBUS_BUS_NAME, DBUS_BUS_PATH,
                                 DBUS_BUS_INTERFACE, "GetId", on_confirmed, bus, NULL);
    if (r < 0)
        release_end(bus, BUS_NAME_NONE, BUS_RELEASE_LEAVE);
    return 0;
}

static int release(Bus *bus, bool for_good, BusReleaseCallback callback, void *userdata)
{
    int r;

    /* Without the name as well, which can come of a name that could not be taken back. */
    if (bus->name.state != BUS_NAME_OWNED && bus->name.state != BUS_NAME_NONE)
        return -EBUSY;
    r = sd_bus_release_name_async(bus->connection, &bus->name.slot, SLUICE_BUS_NAME, on_released,
                                  bus);
    if (r < 0)
        return r;
    bus->name.state = BUS_NAME_RELEASING;
    bus->name.for_good = for_good;
    bus->name.on_released = callback;
    bus->name.userdata = userdata;
    bus->name.n_received = bus->n_received;
    return 0;
}

int bus_release_name(Bus *bus, BusReleaseCallback callback, void *userdata)
{
    return release(bus, false, callback, userdata);
}

int bus_leave(Bus *bus, BusReleaseCallback callback, void *userdata)
{
    if (bus->name.state == BUS_NAME_RELEASING || bus->name.state == BUS_NAME_CONFIRMING) {
        bus->name.for_good = true;
        bus->name.on_released = callback;
        bus->name.userdata = userdata;
        return 0;
    }
    /* The bus reads a request under way first, and then that it is over. */
    if (bus->name.state == BUS_NAME_REQUESTED)
        bus_name_cancel(bus);
    return release(bus, true, callback, userdata);
}
