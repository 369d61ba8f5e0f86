/* SPDX-License-Identifier: MIT */
/*
 * A generation: one immutable, running incarnation of a server. It has a configuration, the
 * listeners it accepts on, and a slot on each of its workers (see slot.h).
 *
 *     generation_start() -> on_ready ... generation_retire() -> on_quiet -> on_gone
 *
 * All of it is the main thread's, callbacks included. After on_gone the generation frees itself.
 */
#ifndef SLUICE_GENERATION_H
#define SLUICE_GENERATION_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "config.h"
#include "counters.h"
#include "error.h"
#include "listener.h"
#include "worker.h"

typedef struct Generation Generation;

typedef struct GenerationCallbacks {
    /* Every worker accepts connections. */
    void (*on_ready)(Generation *generation, void *userdata);
    /* Retired: no worker accepts any more; its references to the listeners are dropped. */
    void (*on_quiet)(Generation *generation, void *userdata);
    /* Retired, and nothing is left: no connection, no context. */
    void (*on_gone)(Generation *generation, uint32_t drained, uint32_t cut, void *userdata);
    void *userdata;
} GenerationCallbacks;

/* What retiring does with a connection that has no request under way. */
typedef enum GenerationRetire {
    GENERATION_STOP,    /* accepts what waits, then closes idle connections at once */
    GENERATION_REPLACE, /* another generation accepts; idle ones stay for one more request */
} GenerationRetire;

/*
 * Takes references to `config` and to each listener. There is one for each of `config->listens`, in
 * that order, or NULL where an earlier one is for that address as well; the rest, up to
 * `n_listeners`, are sockets that the service manager passed and no `listen` mentions: they serve
 * all hosts over plain HTTP. `counters` has one element per worker and outlives the generation.
 * Errors: LIMIT_REACHED if there are not enough file descriptors.
 */
int generation_new(Generation **ret, unsigned id, Config *config, Listener *const *listeners,
                   size_t n_listeners, Pool *pool, Counters *counters, sd_event *event,
                   const GenerationCallbacks *callbacks, Error *error);

/* Frees one that was never started. Accepts NULL, returns NULL. */
Generation *generation_free(Generation *generation);

/* Callbacks follow. */
void generation_start(Generation *generation);

/*
 * Stops accepting and drains for at most `timeout_usec`, then cuts. Called again it can only make
 * the deadline shorter and REPLACE into STOP. May be called before on_ready, which then still
 * comes.
 */
void generation_retire(Generation *generation, GenerationRetire how, uint64_t timeout_usec);

unsigned generation_get_id(const Generation *generation);
const Config *generation_get_config(const Generation *generation);
size_t generation_get_n_listeners(const Generation *generation);
Listener *generation_get_listener(const Generation *generation, size_t index); /* or NULL */
bool generation_is_retired(const Generation *generation);

/* Connections open now. */
uint32_t generation_count_connections(const Generation *generation);

/* What listens, as URLs; a NULL-terminated list that the generation owns. */
char *const *generation_get_urls(const Generation *generation);

#endif
