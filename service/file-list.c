/* SPDX-License-Identifier: MIT */
/* See file-list.h. */
#include "file-list.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Time stamps of files advance with the kernel's tick, 1 to 10 ms. */
#define TIMESTAMP_GRAIN 20 /* msec */

static int64_t to_msec(const struct timespec *ts)
{
    return (int64_t)ts->tv_sec * 1000 + ts->tv_nsec / 1000000;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

void file_list_add(FileList *list, const char *path, const struct stat *st, FileKind kind)
{
    FileEntry entry = {strdup(path), *st, kind};
    struct timespec now;
    FileEntry *grown = realloc(list->entries, (list->n_entries + 1) * sizeof(*grown));

    if (grown != NULL)
        list->entries = grown;
    if (grown == NULL || entry.path == NULL) {
        free(entry.path);
        list->incomplete = true;
        return;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    if (kind == FILE_CONTENT && to_msec(&now) - to_msec(&st->st_ctim) < TIMESTAMP_GRAIN)
        list->incomplete = true;
    list->entries[list->n_entries++] = entry;
}

static bool is_current(const FileEntry *entry)
{
    struct stat st;

    if (stat(entry->path, &st) < 0 || st.st_dev != entry->st.st_dev ||
        st.st_ino != entry->st.st_ino || st.st_mode != entry->st.st_mode)
        return false;
    return entry->kind == FILE_IDENTITY ||
           (st.st_size == entry->st.st_size && same_time(&st.st_mtim, &entry->st.st_mtim) &&
            same_time(&st.st_ctim, &entry->st.st_ctim));
}

bool file_list_is_current(const FileList *list)
{
    size_t i;

    if (list->incomplete)
        return false;
    for (i = 0; i != list->n_entries; ++i)
        if (!is_current(&list->entries[i]))
            return false;
    return true;
}

void file_list_clear(FileList *list)
{
    size_t i;

    for (i = 0; i != list->n_entries; ++i)
        free(list->entries[i].path);
    free(list->entries);
    *list = (FileList){NULL, 0, false};
}
