/* SPDX-License-Identifier: MIT */
/*
 * <h2o/http2_internal.h> includes a header of this name, klib's hash table, which Debian's package
 * does not ship. A reader of its connection structure needs no more than the table's size, so this
 * declares the table's layout (libh2o 2.2's binary interface) and no operation that would work.
 */
#ifndef SLUICE_KHASH_H
#define SLUICE_KHASH_H

#include <stdint.h>

typedef uint32_t khiter_t;

#define khash_t(name) kh_##name##_t
#define KHASH_MAP_INIT_INT64(name, value)                                                          \
    typedef struct kh_##name##_s {                                                                 \
        uint32_t n_buckets, size, n_occupied, upper_bound;                                         \
        uint32_t *flags;                                                                           \
        uint64_t *keys;                                                                            \
        value *vals;                                                                               \
    } kh_##name##_t;

#define kh_size(table) ((table)->size)

/* For an inline function of that header which nothing here calls: nothing is ever found. */
#define kh_end(table)            ((table)->n_buckets)
#define kh_get(name, table, key) kh_end(table)
#define kh_val(table, iter)      ((table)->vals[iter])

#endif
