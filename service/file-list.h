/* SPDX-License-Identifier: MIT */
/*
 * The files that something was made from, each with what stat(2) said when it was read, so that one
 * can tell later whether making it again would give the same.
 */
#ifndef SLUICE_FILE_LIST_H
#define SLUICE_FILE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

typedef enum FileKind {
    FILE_CONTENT,  /* what is in it matters */
    FILE_IDENTITY, /* only that it is this one, as with a directory or a log */
} FileKind;

typedef struct FileEntry {
    char *path;
    struct stat st;
    FileKind kind;
} FileEntry;

typedef struct FileList {
    FileEntry *entries;
    size_t n_entries;
    bool incomplete; /* something else mattered too: never current */
} FileList;

/*
 * Notes `path`, of which `st` was true when it was read. A content that changed a moment before is
 * noted as incomplete, as it may change again without a new time stamp. If memory runs out, too.
 */
void file_list_add(FileList *list, const char *path, const struct stat *st, FileKind kind);

/* True if all files are still what they were. */
bool file_list_is_current(const FileList *list);

void file_list_clear(FileList *list);

#endif
