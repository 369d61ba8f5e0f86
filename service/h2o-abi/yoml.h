/* SPDX-License-Identifier: MIT */
/*
 * The YAML node that libh2o's configurators take. <h2o/configurator.h> includes a header of this
 * name which Debian's package does not ship, so the structures are declared again here; their
 * layout is libh2o 2.2's binary interface and must not change (tests/unit/test-yaml.c drives the
 * library with them). Trees are made and freed by yaml.c, the library only reads them, sorts
 * mappings in place, and takes references of its own.
 */
#ifndef yoml_h
#define yoml_h

#include <stddef.h>

typedef enum enum_yoml_type_t {
    YOML_TYPE_SCALAR,
    YOML_TYPE_SEQUENCE,
    YOML_TYPE_MAPPING,
    YOML__TYPE_UNRESOLVED_ALIAS, /* never in a tree of ours */
} yoml_type_t;

typedef struct st_yoml_t yoml_t;

typedef struct st_yoml_sequence_t {
    size_t size;
    yoml_t *elements[1];
} yoml_sequence_t;

typedef struct st_yoml_mapping_element_t {
    yoml_t *key;
    yoml_t *value;
} yoml_mapping_element_t;

typedef struct st_yoml_mapping_t {
    size_t size;
    yoml_mapping_element_t elements[1];
} yoml_mapping_t;

struct st_yoml_t {
    yoml_type_t type;
    char *filename; /* owned, may be NULL */
    size_t line;    /* from 0 */
    size_t column;  /* from 0 */
    char *anchor;   /* owned, may be NULL */
    char *tag;      /* owned, may be NULL */
    size_t _refcnt;
    union {
        char *scalar;
        yoml_sequence_t sequence;
        yoml_mapping_t mapping;
        char *alias;
    } data;
};

#endif
