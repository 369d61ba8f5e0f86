/* SPDX-License-Identifier: MIT */
/*
 * Counters of one server on one worker. Only that worker writes, so that a plain load and store
 * suffice; the main thread reads whenever it likes and may see a number that is a moment old. The
 * structure has cache lines of its own, or two workers would slow each other down.
 */
#ifndef SLUICE_COUNTERS_H
#define SLUICE_COUNTERS_H

#include <stdint.h>

typedef struct Counters {
    uint64_t accepted;
    uint64_t closed;
    uint64_t requests;
    uint64_t bytes_sent;   /* of response bodies */
    uint64_t responses[6]; /* by class; [0]: none of 1xx to 5xx */
} __attribute__((aligned(64))) Counters;

static inline void counter_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

static inline uint64_t counter_get(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

#endif
