/* SPDX-License-Identifier: MIT */
/* A temporary directory, for tests of what reads files. Each test has its own, removed after it. */
#ifndef SLUICE_TESTS_FILES_H
#define SLUICE_TESTS_FILES_H

#include <glib.h>

typedef struct Files {
    char *directory;
} Files;

/* g_test_add() for a test that needs one. */
void files_add_test(const char *path, void (*test)(Files *, gconstpointer));

/* A path in the directory; free with g_free(). */
char *files_path(Files *f, const char *name);
/* Writes in place: the file stays the same one. Returns its path; free with g_free(). */
char *files_write(Files *f, const char *name, const char *text);

/* Removes a directory and all that is in it. */
void remove_tree(const char *path);

#endif
