/* SPDX-License-Identifier: MIT */
/* See server-object.h. */
#include "server-object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "bus-internal.h"
#include "call.h"
#include "marshal.h"
#include "names.h"
#include "options.h"

char *server_object_path(const Server *server)
{
    char *path;

    return sd_bus_path_encode(SLUICE_SERVER_PREFIX, server_get_name(server), &path) < 0 ? NULL
                                                                                        : path;
}

int server_object_find(Bus *bus, const char *path, Server **ret)
{
    char *name, *canonical;
    Server *server;
    int r;

    r = sd_bus_path_decode(path, SLUICE_SERVER_PREFIX, &name);
    if (r <= 0)
        return r;
    server = manager_find_server(bus->manager, name);
    if (server == NULL && bus->removed != NULL && strcmp(server_get_name(bus->removed), name) == 0)
        server = bus->removed;
    free(name);
    if (server == NULL)
        return 0;

    /* Needless escapes decode as well; but a server has one path, the one its signals come from. */
    canonical = server_object_path(server);
    if (canonical == NULL)
        return -ENOMEM;
    r = strcmp(canonical, path) == 0;
    free(canonical);
    if (r > 0)
        *ret = server;
    return r;
}

/* Methods */

static void on_started(Server *server, const ServerReply *reply, void *userdata)
{
    Call *call = userdata;

    if (reply->error != NULL)
        call_reply_error(call, reply->error);
    else
        call_reply_urls(call, reply->urls);
}

static void run_start(Call *call)
{
    server_start(call->server, SERVER_REASON_REQUEST, on_started, call);
}

static int method_start(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    Bus *bus = bus_of_handler(m);

    return call_begin(
        bus, m, &(CallRequest){.action = AUTHORIZE_START, .run = run_start, .server = userdata},
        error);
}

static int method_start_with_options(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    Bus *bus = bus_of_handler(m);
    int bind_to_caller = false, r;
    Option options[] = {
        {"bind-to-caller", 'b', &bind_to_caller, false},
    };

    r = options_read(m, options, sizeof(options) / sizeof(options[0]), error);
    if (r < 0)
        return r;
    if (bind_to_caller)
        return sd_bus_error_set(error, SD_BUS_ERROR_NOT_SUPPORTED,
                                "option 'bind-to-caller': this version of sluiced cannot bind a "
                                "server to its caller");
    return call_begin(
        bus, m, &(CallRequest){.action = AUTHORIZE_START, .run = run_start, .server = userdata},
        error);
}

static void on_stopped(Server *server, const ServerReply *reply, void *userdata)
{
    Call *call = userdata;

    if (reply->error != NULL)
        call_reply_error(call, reply->error);
    else
        call_reply_counts(call, reply->drained, reply->cut);
}

static void run_stop(Call *call)
{
    server_stop(call->server, call->timeout_usec, SERVER_REASON_REQUEST, on_stopped, call);
}

static int stop(Bus *bus, sd_bus_message *m, Server *server, uint64_t timeout_usec,
                sd_bus_error *error)
{
    return call_begin(bus, m,
                      &(CallRequest){.action = AUTHORIZE_STOP,
                                     .run = run_stop,
                                     .server = server,
                                     .timeout_usec = timeout_usec},
                      error);
}

static int method_stop(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    return stop(bus_of_handler(m), m, userdata, SERVER_TIMEOUT_DEFAULT, error);
}

static int method_stop_with_options(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    Bus *bus = bus_of_handler(m);
    uint64_t timeout_usec = SERVER_TIMEOUT_DEFAULT;
    Option options[] = {
        {"timeout-usec", 't', &timeout_usec, false},
    };
    int r;

    r = options_read(m, options, sizeof(options) / sizeof(options[0]), error);
    if (r < 0)
        return r;
    /* Neither a time that cannot be added to a clock nor our own word for "the default". */
    if (options[0].is_set && timeout_usec > INT64_MAX)
        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                 "option 'timeout-usec' must be at most %lld microseconds",
                                 (long long)INT64_MAX);
    return stop(bus, m, userdata, timeout_usec, error);
}

static void on_reloaded(Server *server, const ServerReply *reply, void *userdata)
{
    Call *call = userdata;

    if (reply->error != NULL)
        call_reply_error(call, reply->error);
    else
        call_reply_empty(call);
}

static void run_reload(Call *call)
{
    server_reload(call->server, on_reloaded, call);
}

static int method_reload(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    Bus *bus = bus_of_handler(m);

    return call_begin(
        bus, m, &(CallRequest){.action = AUTHORIZE_RELOAD, .run = run_reload, .server = userdata},
        error);
}

/* The properties, under their own names. */
static int append_properties(sd_bus_message *m, const Server *server,
                             const ServerStatistics *statistics)
{
    int r;

    r = append_entry_text(m, "Name", server_get_name(server));
    if (r >= 0)
        r = append_entry_text(m, "Description", server_get_description(server));
    if (r >= 0)
        r = append_entry_text(m, "ConfigFile", server_get_config_file(server));
    if (r >= 0)
        r = append_entry_text(m, "State", server_state_to_string(server_get_state(server)));
    if (r >= 0)
        r = append_entry_texts(m, "Listen", server_get_urls(server));
    if (r >= 0)
        r = append_entry_text(m, "Result", server_result_to_string(server_get_result(server)));
    if (r >= 0)
        r = append_entry_u64(m, "StateChangeTimestamp", server_get_state_change_timestamp(server));
    if (r >= 0)
        r = append_entry_u32(m, "Generation", server_get_generation(server));
    if (r >= 0)
        r = append_entry_u32(m, "Connections", statistics->connections);
    if (r >= 0)
        r = append_entry_u32(m, "Draining", statistics->draining);
    if (r >= 0)
        r = append_entry_text(m, "Owner", server_get_owner(server));
    return r;
}

static int append_counters(sd_bus_message *m, const Server *server,
                           const ServerStatistics *statistics)
{
    static const char *const responses[] = {
        NULL, "responses-1xx", "responses-2xx", "responses-3xx", "responses-4xx", "responses-5xx"};
    const char *error = server_get_error(server);
    char *const *warnings = server_get_warnings(server);
    int r;

    r = append_entry_u32(m, "connections", statistics->connections);
    if (r >= 0)
        r = append_entry_u64(m, "connections-total", statistics->connections_total);
    if (r >= 0)
        r = append_entry_u64(m, "requests", statistics->requests);
    if (r >= 0)
        r = append_entry_u64(m, "bytes-sent", statistics->bytes_sent);
    for (size_t i = 1; r >= 0 && i < sizeof(responses) / sizeof(responses[0]); ++i)
        r = append_entry_u64(m, responses[i], statistics->responses[i]);
    if (r >= 0)
        r = append_entry_u32(m, "draining", statistics->draining);
    if (r >= 0)
        r = append_entry_u32(m, "generation", server_get_generation(server));
    if (r >= 0 && error[0] != '\0')
        r = append_entry_text(m, "error", error);
    if (r >= 0 && warnings[0] != NULL)
        r = append_entry_texts(m, "warnings", warnings);
    return r;
}

static int method_status(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    const Server *server = userdata;
    ServerStatistics statistics;
    sd_bus_message *reply = NULL;
    int r;

    server_get_statistics(server, &statistics);
    r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "{sv}");
    if (r >= 0)
        r = append_properties(reply, server, &statistics);
    if (r >= 0)
        r = append_counters(reply, server, &statistics);
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    if (r >= 0)
        r = sd_bus_send(NULL, reply, NULL);
    sd_bus_message_unref(reply);
    return r;
}

/* Properties; `userdata` is the Server. */

#define PROPERTY_GETTER(name, append)                                                              \
    static int property_get_##name(sd_bus *connection, const char *path, const char *interface,    \
                                   const char *property, sd_bus_message *reply, void *userdata,    \
                                   sd_bus_error *error)                                            \
    {                                                                                              \
        const Server *server = userdata;                                                           \
                                                                                                   \
        return append;                                                                             \
    }

static int append_u32(sd_bus_message *m, uint32_t value)
{
    return sd_bus_message_append_basic(m, 'u', &value);
}

static int append_u64(sd_bus_message *m, uint64_t value)
{
    return sd_bus_message_append_basic(m, 't', &value);
}

static ServerStatistics statistics_of(const Server *server)
{
    ServerStatistics statistics;

    server_get_statistics(server, &statistics);
    return statistics;
}

PROPERTY_GETTER(name, append_text(reply, server_get_name(server)))
PROPERTY_GETTER(description, append_text(reply, server_get_description(server)))
PROPERTY_GETTER(config_file, append_text(reply, server_get_config_file(server)))
PROPERTY_GETTER(state, append_text(reply, server_state_to_string(server_get_state(server))))
PROPERTY_GETTER(listen, append_texts(reply, server_get_urls(server)))
PROPERTY_GETTER(result, append_text(reply, server_result_to_string(server_get_result(server))))
PROPERTY_GETTER(timestamp, append_u64(reply, server_get_state_change_timestamp(server)))
PROPERTY_GETTER(generation, append_u32(reply, server_get_generation(server)))
PROPERTY_GETTER(connections, append_u32(reply, statistics_of(server).connections))
PROPERTY_GETTER(draining, append_u32(reply, statistics_of(server).draining))
PROPERTY_GETTER(owner, append_text(reply, server_get_owner(server)))

/* Matches org.sluice.Sluice1.xml, member by member; tests/bus holds them against each other. */
static const sd_bus_vtable server_vtable[] = {
    SD_BUS_VTABLE_START(0),

    SD_BUS_METHOD_WITH_ARGS("Start", SD_BUS_NO_ARGS, SD_BUS_RESULT("as", urls), method_start,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("StartWithOptions", SD_BUS_ARGS("a{sv}", options),
                            SD_BUS_RESULT("as", urls), method_start_with_options,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Stop", SD_BUS_NO_ARGS, SD_BUS_RESULT("u", drained, "u", cut),
                            method_stop, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("StopWithOptions", SD_BUS_ARGS("a{sv}", options),
                            SD_BUS_RESULT("u", drained, "u", cut), method_stop_with_options,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_reload,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Status", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{sv}", status), method_status,
                            SD_BUS_VTABLE_UNPRIVILEGED),

    SD_BUS_SIGNAL_WITH_ARGS("StateChanged",
                            SD_BUS_ARGS("s", new_state, "s", old_state, "a{sv}", details), 0),

    SD_BUS_PROPERTY("Name", "s", property_get_name, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Description", "s", property_get_description, 0,
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("ConfigFile", "s", property_get_config_file, 0,
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("State", "s", property_get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Listen", "as", property_get_listen, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Result", "s", property_get_result, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("StateChangeTimestamp", "t", property_get_timestamp, 0,
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Generation", "u", property_get_generation, 0,
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Connections", "u", property_get_connections, 0, 0),
    SD_BUS_PROPERTY("Draining", "u", property_get_draining, 0, 0),
    SD_BUS_PROPERTY("Owner", "s", property_get_owner, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),

    SD_BUS_VTABLE_END,
};

static int find(sd_bus *connection, const char *path, const char *interface, void *userdata,
                void **ret_found, sd_bus_error *error)
{
    Server *server;
    int r;

    r = server_object_find(userdata, path, &server);
    if (r > 0)
        *ret_found = server;
    return r;
}

static int enumerate(sd_bus *connection, const char *prefix, void *userdata, char ***ret_nodes,
                     sd_bus_error *error)
{
    Bus *bus = userdata;
    Server *server = NULL;
    char **nodes;
    size_t n = 0;

    nodes = calloc(manager_count_servers(bus->manager) + 1, sizeof(*nodes));
    if (nodes == NULL)
        return -ENOMEM;
    while ((server = manager_next_server(bus->manager, server)) != NULL) {
        nodes[n] = server_object_path(server);
        if (nodes[n++] == NULL) {
            while (n > 0)
                free(nodes[--n]);
            free(nodes);
            return -ENOMEM;
        }
    }
    *ret_nodes = nodes;
    return 1;
}

int server_object_register(Bus *bus)
{
    int r;

    r = sd_bus_add_fallback_vtable(bus->connection, NULL, SLUICE_SERVER_PREFIX,
                                   SLUICE_SERVER_INTERFACE, server_vtable, find, bus);
    if (r < 0)
        return r;
    return sd_bus_add_node_enumerator(bus->connection, NULL, SLUICE_SERVER_PREFIX, enumerate, bus);
}
