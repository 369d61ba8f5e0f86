/* SPDX-License-Identifier: MIT */
/*
 * The configuration directories: which servers there are and where each one's file is. As with
 * systemd's units, a name found in an earlier directory hides it in later ones, and a symbolic link
 * to /dev/null masks it altogether.
 */
#ifndef SLUICE_DIRECTORY_H
#define SLUICE_DIRECTORY_H

#include <stddef.h>

#include "error.h"

typedef struct DirectoryEntry {
    char *name;
    char *path; /* NULL: masked; only while reading */
} DirectoryEntry;

typedef struct Directory {
    DirectoryEntry *entries; /* sorted by name */
    size_t n_entries;
} Directory;

/*
 * Reads DIR/servers/NAME.conf of each of `dirs`, a NULL-terminated list. Directories that do not
 * exist are fine; files with an impossible name are logged and passed over. Errors: FAILED if a
 * directory is there but cannot be read.
 */
int directory_read(Directory *ret, char *const *dirs, Error *error);
void directory_clear(Directory *directory);

/*
 * The file of one server, as directory_read() would find it; `name` is a valid one, and the caller
 * frees `*ret`. Returns -ENOENT if there is none or it is masked; -ENOMEM.
 */
int directory_find(char **ret, char *const *dirs, const char *name);

#endif
