/* SPDX-License-Identifier: MIT */
/* See server-signals.h. */
#include "server-signals.h"

#include <errno.h>
#include <stdlib.h>
#include <systemd/sd-bus.h>

#include "bus-internal.h"
#include "marshal.h"
#include "names.h"
#include "server-object.h"

static int append_details(sd_bus_message *m, const ServerTransition *transition)
{
    int r;

    r = sd_bus_message_open_container(m, 'a', "{sv}");
    if (r >= 0)
        r = append_entry_text(m, "reason", server_reason_to_string(transition->reason));
    if (r >= 0 && transition->error != NULL)
        r = append_entry_text(m, "error", transition->error);
    if (r >= 0 && transition->new_state == SERVER_RUNNING)
        r = append_entry_texts(m, "urls", transition->urls);
    if (r >= 0 && transition->new_state == SERVER_STOPPED) {
        r = append_entry_u32(m, "drained", transition->drained);
        if (r >= 0)
            r = append_entry_u32(m, "cut", transition->cut);
    }
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int emit_state_changed(Bus *bus, const char *path, const ServerTransition *transition)
{
    sd_bus_message *m = NULL;
    int r;

    r = sd_bus_message_new_signal(bus->connection, &m, path, SLUICE_SERVER_INTERFACE,
                                  "StateChanged");
    if (r >= 0)
        r = sd_bus_message_append_basic(m, 's', server_state_to_string(transition->new_state));
    if (r >= 0)
        r = sd_bus_message_append_basic(m, 's', server_state_to_string(transition->old_state));
    if (r >= 0)
        r = append_details(m, transition);
    if (r >= 0)
        r = sd_bus_send(NULL, m, NULL);
    sd_bus_message_unref(m);
    return r;
}

/*
 * PropertiesChanged of a transition, put together by hand: sd_bus_emit_properties_changed_strv()
 * looks everything up by name and costs twice as much. What changes when is server.h's doing:
 * URLs come and go with the state running, a run has a result when it has ended, and a generation
 * has a number once a start has come to something.
 */
static int append_changes(sd_bus_message *m, const Server *server,
                          const ServerTransition *transition)
{
    ServerState new_state = transition->new_state, old_state = transition->old_state;
    int r;

    r = append_entry_text(m, "State", server_state_to_string(new_state));
    if (r >= 0)
        r = append_entry_u64(m, "StateChangeTimestamp", server_get_state_change_timestamp(server));
    if (r >= 0 && (new_state == SERVER_RUNNING || old_state == SERVER_RUNNING))
        r = append_entry_texts(m, "Listen", transition->urls);
    if (r >= 0 && (new_state == SERVER_STOPPED || new_state == SERVER_FAILED))
        r = append_entry_text(m, "Result", server_result_to_string(server_get_result(server)));
    if (r >= 0 && old_state == SERVER_STARTING)
        r = append_entry_u32(m, "Generation", server_get_generation(server));
    return r;
}

static int emit_changes(Bus *bus, const char *path, const Server *server,
                        const ServerTransition *transition)
{
    sd_bus_message *m = NULL;
    int r;

    r = sd_bus_message_new_signal(bus->connection, &m, path, "org.freedesktop.DBus.Properties",
                                  "PropertiesChanged");
    if (r >= 0)
        r = sd_bus_message_append_basic(m, 's', SLUICE_SERVER_INTERFACE);
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'a', "{sv}");
    if (r >= 0)
        r = append_changes(m, server, transition);
    if (r >= 0)
        r = sd_bus_message_close_container(m);
    if (r >= 0)
        r = sd_bus_message_append(m, "as", 0);
    if (r >= 0)
        r = sd_bus_send(NULL, m, NULL);
    sd_bus_message_unref(m);
    return r;
}

void server_emit_transition(Bus *bus, Server *server, const ServerTransition *transition)
{
    char *path;
    int r;

    if (bus->lost)
        return;
    path = server_object_path(server);
    r = path == NULL ? -ENOMEM : emit_state_changed(bus, path, transition);
    if (r >= 0)
        r = emit_changes(bus, path, server, transition);
    if (r < 0)
        bus_warn(bus, r, "cannot emit a change of state");
    free(path);
}

void server_emit_properties(Bus *bus, Server *server, char *const *names)
{
    char *path;
    int r;

    if (bus->lost)
        return;
    path = server_object_path(server);
    r = path == NULL ? -ENOMEM
                     : sd_bus_emit_properties_changed_strv(bus->connection, path,
                                                           SLUICE_SERVER_INTERFACE, (char **)names);
    if (r < 0)
        bus_warn(bus, r, "cannot emit PropertiesChanged");
    free(path);
}

void server_emit_added(Bus *bus, Server *server)
{
    char *path;
    int r;

    if (bus->lost)
        return;
    path = server_object_path(server);
    r = path == NULL ? -ENOMEM : sd_bus_emit_object_added(bus->connection, path);
    if (r < 0)
        bus_warn(bus, r, "cannot emit InterfacesAdded");
    free(path);
}

/* sd-bus asks find() which interfaces to list, so the object must be found this once more. */
void server_emit_removed(Bus *bus, Server *server)
{
    char *path;
    int r;

    if (bus->lost)
        return;
    bus->removed = server;
    path = server_object_path(server);
    r = path == NULL ? -ENOMEM : sd_bus_emit_object_removed(bus->connection, path);
    if (r < 0)
        bus_warn(bus, r, "cannot emit InterfacesRemoved");
    free(path);
    bus->removed = NULL;
}
