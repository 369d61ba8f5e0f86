/* SPDX-License-Identifier: MIT */
/* See manager-object.h. */
#include "manager-object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "bus-internal.h"
#include "call.h"
#include "errors.h"
#include "marshal.h"
#include "names.h"
#include "server-object.h"

static void on_started(Manager *manager, const ManagerReply *reply, void *userdata)
{
    Call *call = userdata;

    if (reply->error != NULL)
        call_reply_error(call, reply->error);
    else
        call_reply_urls(call, reply->urls);
}

static void run_start(Call *call)
{
    manager_start_all(call->bus->manager, on_started, call);
}

static int method_start(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    return call_begin(userdata, m, &(CallRequest){.action = AUTHORIZE_START, .run = run_start},
                      error);
}

static void on_stopped(Manager *manager, const ManagerReply *reply, void *userdata)
{
    Call *call = userdata;

    if (reply->error != NULL)
        call_reply_error(call, reply->error);
    else
        call_reply_counts(call, reply->drained, reply->cut);
}

static void run_stop(Call *call)
{
    manager_stop_all(call->bus->manager, SERVER_TIMEOUT_DEFAULT, SERVER_REASON_REQUEST, on_stopped,
                     call);
}

static int method_stop(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    return call_begin(userdata, m, &(CallRequest){.action = AUTHORIZE_STOP, .run = run_stop},
                      error);
}

static void on_reloaded(Manager *manager, const ManagerReply *reply, void *userdata)
{
    Call *call = userdata;

    if (reply->error != NULL)
        call_reply_error(call, reply->error);
    else
        call_reply_empty(call);
}

static void run_reload(Call *call)
{
    manager_reload(call->bus->manager, on_reloaded, call);
}

static int method_reload(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    return call_begin(userdata, m, &(CallRequest){.action = AUTHORIZE_RELOAD, .run = run_reload},
                      error);
}

static void run_check_config(Call *call)
{
    _cleanup_error_ Error error = ERROR_INIT;
    const char *text;
    int r;

    r = sd_bus_message_rewind(call->message, true);
    if (r >= 0)
        r = sd_bus_message_read_basic(call->message, 's', &text);
    if (r < 0)
        error_set(&error, ERROR_FAILED, "cannot read the text: %s", strerror(-r));
    else
        manager_check_config(call->bus->manager, text, &error);

    if (error.code != ERROR_NONE)
        call_reply_error(call, &error);
    else
        call_reply_empty(call);
}

static int method_check_config(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    const char *text;
    int r;

    r = sd_bus_message_read_basic(m, 's', &text);
    if (r < 0)
        return r;
    if (strlen(text) > SLUICE_CONFIG_MAX)
        return sd_bus_error_setf(error, SLUICE_ERROR_INVALID_CONFIG,
                                 "config:1:1: too large: more than %d bytes", SLUICE_CONFIG_MAX);
    return call_begin(userdata, m,
                      &(CallRequest){.action = AUTHORIZE_RELOAD, .run = run_check_config}, error);
}

static int method_status(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    Bus *bus = userdata;
    uint32_t n_running = 0, n_failed = 0, n_connections = 0;
    uint64_t n_requests = 0;
    sd_bus_message *reply = NULL;
    Server *server = NULL;
    int r;

    while ((server = manager_next_server(bus->manager, server)) != NULL) {
        ServerStatistics statistics;

        server_get_statistics(server, &statistics);
        n_connections += statistics.connections;
        n_requests += statistics.requests;
        n_running += server_get_state(server) == SERVER_RUNNING;
        n_failed += server_get_state(server) == SERVER_FAILED;
    }

    r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "{sv}");
    if (r >= 0)
        r = append_entry_text(reply, "version", bus->version);
    if (r >= 0)
        r = append_entry_u32(reply, "servers", (uint32_t)manager_count_servers(bus->manager));
    if (r >= 0)
        r = append_entry_u32(reply, "running", n_running);
    if (r >= 0)
        r = append_entry_u32(reply, "failed", n_failed);
    if (r >= 0)
        r = append_entry_u32(reply, "connections", n_connections);
    if (r >= 0)
        r = append_entry_u64(reply, "requests", n_requests);
    if (r >= 0)
        r = append_entry_u64(reply, "since", manager_get_since(bus->manager));
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    if (r >= 0)
        r = sd_bus_send(NULL, reply, NULL);
    sd_bus_message_unref(reply);
    return r;
}

static int method_list_servers(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    Bus *bus = userdata;
    sd_bus_message *reply = NULL;
    Server *server = NULL;
    int r;

    r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "(sos)");
    while (r >= 0 && (server = manager_next_server(bus->manager, server)) != NULL) {
        char *path = server_object_path(server);

        r = path == NULL ? -ENOMEM
                         : sd_bus_message_append(reply, "(sos)", server_get_name(server), path,
                                                 server_state_to_string(server_get_state(server)));
        free(path);
    }
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    if (r >= 0)
        r = sd_bus_send(NULL, reply, NULL);
    sd_bus_message_unref(reply);
    return r;
}

static int method_get_server(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    Bus *bus = userdata;
    _cleanup_error_ Error reason = ERROR_INIT;
    const char *name;
    Server *server;
    char *path;
    int r;

    r = sd_bus_message_read_basic(m, 's', &name);
    if (r < 0)
        return r;
    r = manager_get_server(bus->manager, name, &server, &reason);
    if (r < 0)
        return bus_error_set(error, &reason);

    path = server_object_path(server);
    r = path == NULL ? -ENOMEM : sd_bus_reply_method_return(m, "o", path);
    free(path);
    return r;
}

static int property_get_version(sd_bus *connection, const char *path, const char *interface,
                                const char *property, sd_bus_message *reply, void *userdata,
                                sd_bus_error *error)
{
    const Bus *bus = userdata;

    return append_text(reply, bus->version);
}

/* Matches org.sluice.Sluice1.xml, member by member; tests/bus holds them against each other. */
static const sd_bus_vtable manager_vtable[] = {
    SD_BUS_VTABLE_START(0),

    SD_BUS_METHOD_WITH_ARGS("Start", SD_BUS_NO_ARGS, SD_BUS_RESULT("as", urls), method_start,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Stop", SD_BUS_NO_ARGS, SD_BUS_RESULT("u", drained, "u", cut),
                            method_stop, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Status", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{sv}", status), method_status,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_reload,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ListServers", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sos)", servers),
                            method_list_servers, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("GetServer", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", server),
                            method_get_server, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("CheckConfig", SD_BUS_ARGS("s", text), SD_BUS_NO_RESULT,
                            method_check_config, SD_BUS_VTABLE_UNPRIVILEGED),

    SD_BUS_PROPERTY("Version", "s", property_get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),

    SD_BUS_VTABLE_END,
};

int manager_object_register(Bus *bus)
{
    int r;

    r = sd_bus_add_object_vtable(bus->connection, NULL, SLUICE_MANAGER_PATH,
                                 SLUICE_MANAGER_INTERFACE, manager_vtable, bus);
    if (r < 0)
        return r;
    return sd_bus_add_object_manager(bus->connection, NULL, SLUICE_MANAGER_PATH);
}
