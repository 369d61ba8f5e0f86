/* SPDX-License-Identifier: MIT */
/*
 * YAML text to the node tree that h2o's configurators take.
 *
 * h2o's dialect of YAML is kept: duplicate keys stay (a file may say `listen` twice), aliases,
 * merge keys (`<<`), and the tag `!file PATH`, which puts another file in the place of the node.
 * What YAML allows and a configuration never needs is refused, because the text may come from
 * anyone who may call CheckConfig: see the limits below.
 */
#ifndef SLUICE_YAML_TREE_H
#define SLUICE_YAML_TREE_H

#include <stddef.h>

#include "error.h"
#include "file-list.h"
#include "yoml.h"

#define YAML_MAX_BYTES   (1024 * 1024) /* of one file or text */
#define YAML_MAX_DEPTH   64            /* of nesting */
#define YAML_MAX_ANCHORS 1000          /* of one file; libyaml compares each with all others */
#define YAML_MAX_ALIASES 10000         /* ditto */
#define YAML_MAX_FILES   64            /* read through !file, all together */
#define YAML_MAX_NODES   200000        /* of the tree with every alias written out */

/*
 * Parses `text`; `filename` is what messages call it. `!file` is refused, for the text may be a
 * stranger's. Errors: INVALID_CONFIG "FILE:LINE:COLUMN: what is wrong".
 */
int tree_parse(const char *filename, const char *text, size_t length, yoml_t **ret, Error *error);

/*
 * Reads a regular file of at most YAML_MAX_BYTES and parses it; notes in `files` what it read.
 * `!file` paths are opened as they are. Errors: INVALID_CONFIG.
 */
int tree_parse_file(const char *filename, FileList *files, yoml_t **ret, Error *error);

/* Drops a reference; accepts NULL. */
void tree_free(yoml_t *node);

/* The last value of `key` in a mapping, or NULL; NULL too if `node` is no mapping. */
yoml_t *tree_get(yoml_t *node, const char *key);

/* error_set(INVALID_CONFIG) with "FILE:LINE:COLUMN: " of `node` in front. */
int tree_error(Error *error, const yoml_t *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline void tree_freep(yoml_t **node)
{
    tree_free(*node);
}
#define _cleanup_tree_ __attribute__((cleanup(tree_freep)))

#endif
