/* SPDX-License-Identifier: MIT */
/* What a server says of itself: its properties and counters, and the words for them. See server.h.
 */
#include "server-struct.h"

#include "strv.h"

const char *server_state_to_string(ServerState state)
{
    static const char *const names[SERVER_STATE_MAX] = {
        [SERVER_STOPPED] = "stopped", [SERVER_STARTING] = "starting",
        [SERVER_RUNNING] = "running", [SERVER_STOPPING] = "stopping",
        [SERVER_FAILED] = "failed",
    };

    return names[state];
}

const char *server_result_to_string(ServerResult result)
{
    static const char *const names[SERVER_RESULT_MAX] = {
        [SERVER_RESULT_SUCCESS] = "success", [SERVER_RESULT_TIMEOUT] = "timeout",
        [SERVER_RESULT_CONFIG] = "config",   [SERVER_RESULT_LISTEN] = "listen",
        [SERVER_RESULT_APP] = "app",         [SERVER_RESULT_LEASE] = "lease",
    };

    return names[result];
}

const char *server_reason_to_string(ServerReason reason)
{
    static const char *const names[SERVER_REASON_MAX] = {
        [SERVER_REASON_REQUEST] = "request", [SERVER_REASON_AUTOSTART] = "autostart",
        [SERVER_REASON_SOCKET] = "socket",   [SERVER_REASON_RESTORED] = "restored",
        [SERVER_REASON_REMOVED] = "removed", [SERVER_REASON_EXIT] = "exit",
        [SERVER_REASON_ERROR] = "error",
    };

    return names[reason];
}

const char *server_get_name(const Server *server)
{
    return server->name;
}

const char *server_get_description(const Server *server)
{
    return server->settings.description;
}

const char *server_get_config_file(const Server *server)
{
    return server->config_file;
}

ServerState server_get_state(const Server *server)
{
    return server->state;
}

char *const *server_get_urls(const Server *server)
{
    return strv_or_empty(server->state == SERVER_RUNNING ? generation_get_urls(server->current)
                                                         : NULL);
}

ServerResult server_get_result(const Server *server)
{
    return server->result;
}

uint64_t server_get_state_change_timestamp(const Server *server)
{
    return server->changed_usec;
}

uint32_t server_get_generation(const Server *server)
{
    return server->current != NULL ? generation_get_id(server->current) : server->last_id;
}

const char *server_get_owner(const Server *server)
{
    return "";
}

const char *server_get_error(const Server *server)
{
    return server->error != NULL ? server->error : "";
}

char *const *server_get_warnings(const Server *server)
{
    return strv_or_empty(server->config != NULL ? server->config->warnings : NULL);
}

const ConfigSettings *server_get_settings(const Server *server)
{
    return &server->settings;
}

void server_get_statistics(const Server *server, ServerStatistics *ret)
{
    unsigned i, n = pool_get_size(manager_get_pool(server->manager));
    size_t j;

    *ret = (ServerStatistics){0};
    for (i = 0; server->counters != NULL && i != n; ++i) {
        const Counters *counters = &server->counters[i];
        /* Closed first, so that a connection made meanwhile does not make the number negative. */
        uint64_t closed = counter_get(&counters->closed);
        uint64_t accepted = counter_get(&counters->accepted);
        ret->connections += (uint32_t)(accepted - closed);
        ret->connections_total += accepted;
        ret->requests += counter_get(&counters->requests);
        ret->bytes_sent += counter_get(&counters->bytes_sent);
        for (j = 0; j != sizeof(ret->responses) / sizeof(ret->responses[0]); ++j)
            ret->responses[j] += counter_get(&counters->responses[j]);
    }
    for (j = 0; j != server->n_retired; ++j)
        ret->draining += generation_count_connections(server->retired[j]);
}
