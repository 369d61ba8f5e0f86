/* SPDX-License-Identifier: MIT */
/* See generation.h. */
#include "generation.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "slot.h"
#include "strv.h"

struct Generation {
    unsigned id;
    GenerationCallbacks callbacks;
    Listener **listeners; /* n_listeners, until quiet */
    size_t n_listeners;
    char **urls;
    SlotShared shared;
    unsigned n_slots;
    Slot **slots;
    sd_event *event;

    Pool *pool;
    bool started;
    bool ready;
    bool retired;
    GenerationRetire how;
    uint64_t deadline; /* usec, CLOCK_MONOTONIC */
    sd_event_source *deadline_source;
    bool cut_sent;
    bool quiet, gone;
};

static void drop_listeners(Generation *generation)
{
    size_t i;

    for (i = 0; i != generation->n_listeners; ++i)
        listener_unref(generation->listeners[i]);
    generation->n_listeners = 0;
}

static void slot_free(Slot *slot)
{
    size_t i;

    if (slot == NULL)
        return;
    for (i = 0; i != sizeof(slot->reserve) / sizeof(slot->reserve[0]); ++i)
        if (slot->reserve[i] >= 0)
            close(slot->reserve[i]);
    for (i = 0; slot->accepts != NULL && i != slot->n_accepts; ++i)
        if (slot->accepts[i].fd >= 0)
            close(slot->accepts[i].fd);
    free(slot->accepts);
    free(slot);
}

Generation *generation_free(Generation *generation)
{
    unsigned i;

    if (generation == NULL)
        return NULL;
    sd_event_source_disable_unref(generation->deadline_source);
    for (i = 0; generation->slots != NULL && i != generation->n_slots; ++i)
        slot_free(generation->slots[i]);
    free(generation->slots);
    if (generation->started)
        pool_release(generation->pool);
    drop_listeners(generation);
    free(generation->listeners);
    strv_free(generation->urls);
    config_unref(generation->shared.config, pool_get_worker(generation->pool, 0));
    free(generation);
    return NULL;
}

static void retire_now(Generation *generation)
{
    unsigned i;

    for (i = 0; i != generation->n_slots; ++i) {
        Slot *slot = generation->slots[i];
        if (generation->how == GENERATION_STOP)
            __atomic_store_n(&slot->retire_close_idle, 1, __ATOMIC_RELEASE);
        if (__atomic_exchange_n(&slot->retire_pending, 1, __ATOMIC_ACQ_REL) == 0)
            worker_send(slot->worker, &slot->retire_message);
    }
}

static void cut_now(Generation *generation)
{
    unsigned i;

    if (generation->cut_sent)
        return;
    generation->cut_sent = true;
    for (i = 0; i != generation->n_slots; ++i)
        worker_send(generation->slots[i]->worker, &generation->slots[i]->cut_message);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
    cut_now(userdata);
    return 0;
}

/* Sets the timer, or cuts right away if there is nothing to wait for. */
static void arm_deadline(Generation *generation)
{
    uint64_t now;

    if (!generation->ready || generation->cut_sent || generation->gone ||
        generation->deadline == UINT64_MAX)
        return;
    sd_event_now(generation->event, CLOCK_MONOTONIC, &now);
    if (generation->deadline <= now) {
        cut_now(generation);
        return;
    }
    if (!generation->quiet)
        return;
    if (generation->deadline_source != NULL)
        sd_event_source_set_time(generation->deadline_source, generation->deadline);
    else
        sd_event_add_time(generation->event, &generation->deadline_source, CLOCK_MONOTONIC,
                          generation->deadline, 1, on_deadline, generation);
}

static void on_ready(MainMessage *message)
{
    Generation *generation = H2O_STRUCT_FROM_MEMBER(Generation, shared.ready, message);

    generation->ready = true;
    if (generation->retired) {
        retire_now(generation);
        arm_deadline(generation);
    }
    generation->callbacks.on_ready(generation, generation->callbacks.userdata);
}

static void become_quiet(Generation *generation)
{
    generation->quiet = true;
    drop_listeners(generation);
    generation->callbacks.on_quiet(generation, generation->callbacks.userdata);
}

static void on_quiet(MainMessage *message)
{
    Generation *generation = H2O_STRUCT_FROM_MEMBER(Generation, shared.quiet, message);

    if (!generation->quiet)
        become_quiet(generation);
    /* Only now, as a stop that finds nothing to wait for needs no timer. */
    arm_deadline(generation);
}

static void on_gone(MainMessage *message)
{
    Generation *generation = H2O_STRUCT_FROM_MEMBER(Generation, shared.gone, message);
    uint32_t drained = 0, cut = 0;
    unsigned i;

    if (!generation->quiet)
        become_quiet(generation);
    generation->gone = true;
    generation->deadline_source = sd_event_source_disable_unref(generation->deadline_source);
    for (i = 0; i != generation->n_slots; ++i) {
        drained += generation->slots[i]->drained;
        cut += generation->slots[i]->cut;
    }
    generation->callbacks.on_gone(generation, drained, cut, generation->callbacks.userdata);
    worker_send(generation->slots[generation->n_slots - 1]->worker,
                &generation->slots[generation->n_slots - 1]->teardown_message);
}

static void on_passed(MainMessage *message)
{
    generation_free(H2O_STRUCT_FROM_MEMBER(Generation, shared.passed, message));
}

/* The first listener is never NULL. */
static int open_descriptors(Slot *slot, Listener *const *listeners, size_t n)
{
    const size_t n_reserve = sizeof(slot->reserve) / sizeof(slot->reserve[0]);
    SlotAccept *accept = slot->accepts;
    size_t i;

    for (i = 0; i != n; ++i)
        if (listeners[i] != NULL &&
            (accept++->fd = fcntl(listeners[i]->fd, F_DUPFD_CLOEXEC, 3)) < 0)
            return -errno;
    for (i = 0; i != n_reserve; ++i)
        if ((slot->reserve[i] = fcntl(listeners[0]->fd, F_DUPFD_CLOEXEC, 3)) < 0)
            return -errno;
    return 0;
}

static int slot_new(Slot **ret, Generation *generation, unsigned index, Worker *worker,
                    Counters *counters)
{
    const Config *config = generation->shared.config;
    /* Cache lines of its own: two workers write to their slots all the time. */
    Slot *slot = aligned_alloc(64, (sizeof(*slot) + 63) / 64 * 64);
    size_t i;

    if (slot == NULL)
        return -ENOMEM;
    memset(slot, 0, sizeof(*slot));
    slot->index = index;
    slot->worker = worker;
    slot->shared = &generation->shared;
    slot->counters = counters;
    slot->siblings = generation->slots;
    slot->n_siblings = generation->n_slots;
    slot->start_message.run = slot_start;
    slot->accept_message.run = slot_accept;
    slot->retire_message.run = slot_retire;
    slot->cut_message.run = slot_cut;
    slot->resume_message.run = slot_resume;
    slot->teardown_message.run = slot_teardown;
    h2o_linklist_init_anchor(&slot->connections);
    for (i = 0; i != sizeof(slot->reserve) / sizeof(slot->reserve[0]); ++i)
        slot->reserve[i] = -1;
    *ret = slot;
    if ((slot->accepts = calloc(generation->n_listeners, sizeof(*slot->accepts))) == NULL)
        return -ENOMEM;
    for (i = 0; i != generation->n_listeners; ++i) {
        SlotAccept *accept = &slot->accepts[slot->n_accepts];
        if (generation->listeners[i] == NULL)
            continue;
        ++slot->n_accepts;
        accept->fd = -1;
        accept->slot = slot;
        accept->super.hosts = config->global.hosts;
        if (i >= config->n_listens)
            continue;
        accept->super.hosts = config->listens[i].hosts;
        if (config->listens[i].tls != NULL)
            accept->super.ssl_ctx = tls_get_context(config->listens[i].tls);
        accept->super.expect_proxy_line = config->listens[i].proxy_protocol;
    }
    return open_descriptors(slot, generation->listeners, generation->n_listeners);
}

static int generation_init(Generation *generation, Listener *const *listeners, size_t n_listeners,
                           Pool *pool, Counters *counters)
{
    const Config *config = generation->shared.config;
    unsigned i;
    size_t j;
    int r;

    generation->n_slots = pool_get_size(pool);
    if (config->num_threads != 0 && config->num_threads < generation->n_slots)
        generation->n_slots = config->num_threads;
    generation->listeners = calloc(n_listeners, sizeof(*generation->listeners));
    generation->slots = calloc(generation->n_slots, sizeof(*generation->slots));
    if (generation->listeners == NULL || generation->slots == NULL)
        return -ENOMEM;
    for (j = 0; j != n_listeners; ++j) {
        bool tls = j < config->n_listens && config->listens[j].tls != NULL;
        generation->listeners[generation->n_listeners++] = listener_ref(listeners[j]);
        if (listeners[j] == NULL)
            continue;
        r = strv_take(&generation->urls, address_to_url(&listeners[j]->bound, tls));
        if (r < 0)
            return r;
    }
    for (i = 0; i != generation->n_slots; ++i) {
        r = slot_new(&generation->slots[i], generation, i, pool_get_worker(pool, i), &counters[i]);
        if (r < 0)
            return r;
    }
    generation->shared.n_not_ready = generation->n_slots;
    generation->shared.n_not_quiet = generation->n_slots;
    generation->shared.n_not_gone = generation->n_slots;
    return 0;
}

int generation_new(Generation **ret, unsigned id, Config *config, Listener *const *listeners,
                   size_t n_listeners, Pool *pool, Counters *counters, sd_event *event,
                   const GenerationCallbacks *callbacks, Error *error)
{
    Generation *generation = calloc(1, sizeof(*generation));
    int r;

    if (generation == NULL)
        return error_set(error, ERROR_FAILED, "%s", strerror(ENOMEM));
    generation->id = id;
    generation->pool = pool;
    generation->event = event;
    generation->callbacks = *callbacks;
    generation->shared = (SlotShared){
        .config = config_ref(config),
        .generation = id,
        .started_at = time(NULL),
        .max_connections = config->max_connections,
        .ready.run = on_ready,
        .quiet.run = on_quiet,
        .gone.run = on_gone,
        .passed.run = on_passed,
    };
    if ((r = generation_init(generation, listeners, n_listeners, pool, counters)) < 0) {
        generation_free(generation);
        return error_set(error, r == -EMFILE || r == -ENFILE ? ERROR_LIMIT_REACHED : ERROR_FAILED,
                         "cannot start: %s", strerror(-r));
    }
    *ret = generation;
    return 0;
}

void generation_start(Generation *generation)
{
    unsigned i;

    assert(!generation->started);
    generation->started = true;
    pool_hold(generation->pool);
    generation->shared.config->used = true;
    for (i = 0; i != (generation->shared.config->in_order ? 1 : generation->n_slots); ++i)
        worker_send(generation->slots[i]->worker, &generation->slots[i]->start_message);
}

void generation_retire(Generation *generation, GenerationRetire how, uint64_t timeout_usec)
{
    uint64_t now, deadline;

    sd_event_now(generation->event, CLOCK_MONOTONIC, &now);
    deadline = timeout_usec > UINT64_MAX - now ? UINT64_MAX : now + timeout_usec;
    if (generation->retired) {
        if (deadline > generation->deadline)
            deadline = generation->deadline;
        if (generation->how == GENERATION_STOP)
            how = GENERATION_STOP;
    }
    if (!generation->retired || how != generation->how) {
        generation->retired = true;
        generation->how = how;
        if (generation->ready)
            retire_now(generation);
    }
    generation->deadline = deadline;
    arm_deadline(generation);
}

unsigned generation_get_id(const Generation *generation)
{
    return generation->id;
}

const Config *generation_get_config(const Generation *generation)
{
    return generation->shared.config;
}

size_t generation_get_n_listeners(const Generation *generation)
{
    return generation->n_listeners;
}

Listener *generation_get_listener(const Generation *generation, size_t index)
{
    return generation->listeners[index];
}

bool generation_is_retired(const Generation *generation)
{
    return generation->retired;
}

uint32_t generation_count_connections(const Generation *generation)
{
    int n = __atomic_load_n(&generation->shared.n_connections, __ATOMIC_RELAXED);

    return n > 0 ? (uint32_t)n : 0;
}

char *const *generation_get_urls(const Generation *generation)
{
    return generation->urls;
}
