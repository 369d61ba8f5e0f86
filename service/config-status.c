/* SPDX-License-Identifier: MIT */
/*
 * What h2o's program adds to the JSON of its `status` handler, which the library alone lacks. The
 * names are h2o's; the numbers are those of the server, not of the process.
 */
#include "config-commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "slot.h"

#define SIZE 2048

static h2o_iovec_t on_status(void *unused, h2o_globalconf_t *global, h2o_req_t *request)
{
    const Slot *slot = (const Slot *)request->conn->ctx;
    const SlotShared *shared = slot->shared;
    char current_time[H2O_TIMESTR_LOG_LEN + 1], restart_time[H2O_TIMESTR_LOG_LEN + 1];
    time_t now = time(NULL);
    h2o_iovec_t text = {h2o_mem_alloc_pool(&request->pool, SIZE), 0};
    int n;

    h2o_time2str_log(current_time, now);
    h2o_time2str_log(restart_time, shared->started_at);
    n = snprintf(text.base, SIZE,
                 ",\n"
                 " \"server-version\": \"" H2O_VERSION "\",\n"
                 " \"openssl-version\": \"%s\",\n"
                 " \"current-time\": \"%s\",\n"
                 " \"restart-time\": \"%s\",\n"
                 " \"uptime\": %" PRIu64 ",\n"
                 " \"generation\": %u,\n"
                 " \"connections\": %d,\n"
                 " \"max-connections\": %d,\n"
                 " \"listeners\": %zu,\n"
                 " \"worker-threads\": %u,\n"
                 " \"num-sessions\": %" PRIu64,
                 OpenSSL_version(OPENSSL_VERSION), current_time, restart_time,
                 (uint64_t)(now - shared->started_at), shared->generation,
                 __atomic_load_n(&shared->n_connections, __ATOMIC_RELAXED), shared->max_connections,
                 shared->config->n_listens, slot->n_siblings,
                 __atomic_load_n(&shared->n_accepted, __ATOMIC_RELAXED));
    text.len = n > 0 && n < SIZE ? (size_t)n : 0;
    return text;
}

void config_register_status(Config *config)
{
    h2o_config_register_simple_status_handler(&config->global, (h2o_iovec_t){H2O_STRLIT("main")},
                                              on_status);
}
