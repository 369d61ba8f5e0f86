/* SPDX-License-Identifier: MIT */
/*
 * What servers are meant to do, kept in a file over restarts of the daemon: which ones run, and
 * which ones somebody has stopped, so that `sluice.autostart` does not start them again before the
 * next boot. The file is in the runtime directory, which goes with the boot.
 */
#ifndef SLUICE_STATE_FILE_H
#define SLUICE_STATE_FILE_H

#include <stddef.h>

#include "error.h"

typedef enum Wish {
    WISH_NONE, /* nobody has said */
    WISH_RUNNING,
    WISH_STOPPED,
} Wish;

typedef struct StateEntry {
    char *name; /* a valid server name */
    Wish wish;
} StateEntry;

typedef struct StateList {
    StateEntry *entries;
    size_t n_entries;
} StateList;

/*
 * Reads DIRECTORY/state; a file that is not there is an empty list. Errors: FAILED if it cannot be
 * read or is not of this format; `ret` is then empty.
 */
int state_file_read(StateList *ret, const char *directory, Error *error);

/* Writes it, all or nothing. Errors: FAILED, and what was there is still there. */
int state_file_write(const StateList *list, const char *directory, Error *error);

int state_list_add(StateList *list, const char *name, Wish wish); /* 0 or -ENOMEM */
void state_list_clear(StateList *list);

#endif
