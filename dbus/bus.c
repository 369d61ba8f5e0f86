/* SPDX-License-Identifier: MIT */
/* See bus.h: the connection and what is wired to it. The bus name has its own file, bus-name.c. */
#include "bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "bus-internal.h"
#include "errors.h"
#include "log.h"
#include "manager-object.h"
#include "names.h"
#include "server-object.h"
#include "server-signals.h"

/* Manager observer */

static void servers_changed(Bus *bus)
{
    if (bus->observer.servers_changed != NULL)
        bus->observer.servers_changed(bus, bus->observer.userdata);
}

static void on_state_changed(Server *server, const ServerTransition *transition, void *userdata)
{
    server_emit_transition(userdata, server, transition);
    servers_changed(userdata);
}

static void on_properties_changed(Server *server, char *const *names, void *userdata)
{
    server_emit_properties(userdata, server, names);
}

static void on_server_added(Server *server, void *userdata)
{
    server_emit_added(userdata, server);
    servers_changed(userdata);
}

static void on_server_removed(Server *server, void *userdata)
{
    server_emit_removed(userdata, server);
    servers_changed(userdata);
}

static void on_idle_changed(Manager *manager, void *userdata)
{
    bus_idle_changed(userdata);
}

/* Connection */

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    Bus *bus = userdata;

    if (sd_bus_message_is_method_call(m, NULL, NULL)) {
        ++bus->n_received;
        if (bus->observer.activity != NULL)
            bus->observer.activity(bus, bus->observer.userdata);
    }
    return 0;
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    Bus *bus = userdata;

    bus->lost = true;
    bus_name_cancel(bus);
    if (bus->observer.lost != NULL)
        bus->observer.lost(bus, bus->observer.userdata);
    return 0;
}

static int open_address(sd_bus **ret, const char *address)
{
    sd_bus *connection;
    int r;

    r = sd_bus_new(&connection);
    if (r < 0)
        return r;
    r = sd_bus_set_address(connection, address);
    if (r >= 0)
        r = sd_bus_set_bus_client(connection, true);
    if (r >= 0)
        r = sd_bus_start(connection);
    if (r < 0) {
        sd_bus_unref(connection);
        return r;
    }
    *ret = connection;
    return 0;
}

static int connect_to_bus(Bus *bus, const BusOptions *options, Error *error)
{
    int r;

    if (options->address != NULL) {
        r = open_address(&bus->connection, options->address);
        if (r < 0)
            return error_set(error, ERROR_FAILED, "cannot connect to the bus at %s: %s",
                             options->address, strerror(-r));
    } else if (options->scope == BUS_SCOPE_SYSTEM) {
        r = sd_bus_open_system(&bus->connection);
        if (r < 0)
            return error_set(error, ERROR_FAILED, "cannot connect to the system bus: %s",
                             strerror(-r));
    } else {
        r = sd_bus_open_user(&bus->connection);
        if (r == -ENOMEDIUM)
            return error_set(error, ERROR_FAILED,
                             "cannot find the user's bus: neither $DBUS_SESSION_BUS_ADDRESS nor "
                             "$XDG_RUNTIME_DIR is set");
        if (r < 0)
            return error_set(error, ERROR_FAILED, "cannot connect to the user's bus: %s",
                             strerror(-r));
    }
    return 0;
}

static AuthorizePolicy policy_of(const BusOptions *options)
{
    if (options->scope != BUS_SCOPE_USER)
        return AUTHORIZE_ROOT;
    return options->address != NULL ? AUTHORIZE_SAME_USER : AUTHORIZE_EVERYBODY;
}

static int wire(Bus *bus, sd_event *event, AuthorizePolicy policy)
{
    int r;

    r = bus_errors_register();
    if (r >= 0)
        r = authorizer_new(&bus->authorizer, bus->connection, policy);
    if (r >= 0)
        r = sd_bus_add_filter(bus->connection, NULL, on_message, bus);
    /* A local match: sd-bus makes this message up itself and does not ask the bus for it. */
    if (r >= 0)
        r = sd_bus_match_signal(bus->connection, NULL, DBUS_LOCAL_NAME, DBUS_LOCAL_PATH,
                                DBUS_LOCAL_INTERFACE, "Disconnected", on_disconnected, bus);
    if (r >= 0)
        r = manager_object_register(bus);
    if (r >= 0)
        r = server_object_register(bus);
    if (r >= 0)
        r = sd_bus_attach_event(bus->connection, event, SD_EVENT_PRIORITY_NORMAL);
    return r;
}

int bus_new(Bus **ret, sd_event *event, Manager *manager, const BusOptions *options,
            const BusObserver *observer, Error *error)
{
    _cleanup_bus_ Bus *bus = NULL;
    int r;

    bus = calloc(1, sizeof(*bus));
    if (bus == NULL)
        return error_set(error, ERROR_FAILED, "out of memory");
    bus->version = options->version;
    if (observer != NULL)
        bus->observer = *observer;

    r = connect_to_bus(bus, options, error);
    if (r < 0)
        return r;
    r = wire(bus, event, policy_of(options));
    if (r < 0)
        return error_set(error, ERROR_FAILED, "cannot set up the bus connection: %s", strerror(-r));

    bus->manager = manager;
    manager_set_observer(manager, &(ManagerObserver){
                                      .state_changed = on_state_changed,
                                      .properties_changed = on_properties_changed,
                                      .server_added = on_server_added,
                                      .server_removed = on_server_removed,
                                      .idle_changed = on_idle_changed,
                                      .userdata = bus,
                                  });
    *ret = bus;
    bus = NULL;
    return 0;
}

Bus *bus_free(Bus *bus)
{
    if (bus == NULL)
        return NULL;
    if (bus->manager != NULL)
        manager_set_observer(bus->manager, &(ManagerObserver){0});
    socket_units_free(bus->socket_units);
    authorizer_free(bus->authorizer);
    calls_abandon(bus);
    bus_name_cancel(bus);
    sd_bus_flush_close_unref(bus->connection);
    free(bus);
    return NULL;
}

static void on_stopping(void *userdata)
{
    Bus *bus = userdata;

    bus->on_systemd.stopping(bus, bus->on_systemd.userdata);
}

static void on_ours(void *userdata)
{
    Bus *bus = userdata;

    bus->on_systemd.ours(bus, bus->on_systemd.userdata);
}

int bus_ask_systemd(Bus *bus, const BusSystemdCallbacks *callbacks)
{
    bus->on_systemd = *callbacks;
    return socket_units_new(
        &bus->socket_units, bus->connection,
        &(SocketUnitsCallbacks){.stopping = on_stopping, .ours = on_ours, .userdata = bus});
}

int bus_flush(Bus *bus)
{
    return sd_bus_flush(bus->connection);
}

bool bus_is_busy(Bus *bus)
{
    return bus->calls != NULL;
}

bool bus_is_idle(Bus *bus)
{
    return !bus_is_busy(bus) && manager_is_idle(bus->manager) &&
           (bus->observer.is_idle == NULL || bus->observer.is_idle(bus, bus->observer.userdata));
}

void bus_idle_changed(Bus *bus)
{
    if (bus->observer.idle_changed != NULL)
        bus->observer.idle_changed(bus, bus->observer.userdata);
}

void bus_end_authorization(Bus *bus)
{
    authorizer_close(bus->authorizer);
}

void bus_warn(Bus *bus, int r, const char *what)
{
    /* That the connection is gone is told once, by `lost`. */
    if (r != -ENOTCONN && r != -ECONNRESET)
        log_warning("%s: %s", what, strerror(-r));
}

Bus *bus_of_handler(sd_bus_message *m)
{
    return sd_bus_slot_get_userdata(sd_bus_get_current_slot(sd_bus_message_get_bus(m)));
}
