/* SPDX-License-Identifier: MIT */
/* See directory.h. */
#include "directory.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "manager.h"

#define SUFFIX ".conf"

bool server_name_is_valid(const char *name)
{
    size_t length = strlen(name);

    return length >= 1 && length <= SLUICE_NAME_MAX && name[0] != '.' &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") ==
               length;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const DirectoryEntry *)a)->name, ((const DirectoryEntry *)b)->name);
}

static bool is_masked(const char *path)
{
    char target[16];
    ssize_t n = readlink(path, target, sizeof(target) - 1);

    if (n < 0)
        return false;
    target[n] = '\0';
    return strcmp(target, "/dev/null") == 0;
}

/* Adds `file` of `dir` unless one of the first `n_known` entries, which are sorted, has its name.
 */
static int add_file(Directory *directory, size_t n_known, const char *dir, const char *file)
{
    size_t length = strlen(file), stem;
    DirectoryEntry entry = {NULL, NULL}, *grown;

    if (length <= strlen(SUFFIX) || strcmp(file + length - strlen(SUFFIX), SUFFIX) != 0)
        return 0;
    stem = length - strlen(SUFFIX);
    if ((entry.name = strndup(file, stem)) == NULL)
        return -ENOMEM;
    if (!server_name_is_valid(entry.name)) {
        /* Hidden files are editors' business and not worth a word. */
        if (file[0] != '.')
            log_warning("%s/%s: ignored: a server's name is 1 to %d of A-Z a-z 0-9 _ . -", dir,
                        file, SLUICE_NAME_MAX);
        free(entry.name);
        return 0;
    }
    if (n_known != 0 && bsearch(&entry, directory->entries, n_known, sizeof(entry), compare)) {
        free(entry.name);
        return 0;
    }
    if (asprintf(&entry.path, "%s/%s", dir, file) < 0) {
        free(entry.name);
        return -ENOMEM;
    }
    if (is_masked(entry.path)) {
        free(entry.path);
        entry.path = NULL;
    }
    grown = realloc(directory->entries, (directory->n_entries + 1) * sizeof(*grown));
    if (grown == NULL) {
        free(entry.name);
        free(entry.path);
        return -ENOMEM;
    }
    directory->entries = grown;
    directory->entries[directory->n_entries++] = entry;
    return 0;
}

static int read_one(Directory *directory, const char *dir)
{
    size_t n_known = directory->n_entries;
    struct dirent *entry;
    DIR *stream;
    int r = 0;

    if ((stream = opendir(dir)) == NULL)
        return errno == ENOENT ? 0 : -errno;
    while (r >= 0 && (errno = 0, entry = readdir(stream)) != NULL)
        r = add_file(directory, n_known, dir, entry->d_name);
    if (r >= 0 && errno != 0)
        r = -errno;
    closedir(stream);
    if (directory->n_entries != 0)
        qsort(directory->entries, directory->n_entries, sizeof(*directory->entries), compare);
    return r;
}

int directory_read(Directory *ret, char *const *dirs, Error *error)
{
    Directory directory = {NULL, 0};
    size_t i, n = 0;
    int r = 0;

    for (i = 0; r >= 0 && dirs[i] != NULL; ++i) {
        char *dir = NULL;
        if (asprintf(&dir, "%s/servers", dirs[i]) < 0)
            r = error_set(error, ERROR_FAILED, "%s", strerror(ENOMEM));
        else if ((r = read_one(&directory, dir)) < 0)
            error_set(error, ERROR_FAILED, "cannot read the configuration directory %s: %s", dir,
                      strerror(-r));
        free(dir);
    }
    if (r < 0) {
        directory_clear(&directory);
        return r;
    }
    for (i = 0; i != directory.n_entries; ++i) {
        if (directory.entries[i].path != NULL)
            directory.entries[n++] = directory.entries[i];
        else
            free(directory.entries[i].name);
    }
    directory.n_entries = n;
    *ret = directory;
    return 0;
}

int directory_find(char **ret, char *const *dirs, const char *name)
{
    struct stat st;
    char *path;
    size_t i;

    for (i = 0; dirs[i] != NULL; ++i) {
        if (asprintf(&path, "%s/servers/%s" SUFFIX, dirs[i], name) < 0)
            return -ENOMEM;
        if (lstat(path, &st) == 0) {
            if (!is_masked(path)) {
                *ret = path;
                return 0;
            }
            free(path);
            break;
        }
        free(path);
    }
    return -ENOENT;
}

void directory_clear(Directory *directory)
{
    size_t i;

    for (i = 0; i != directory->n_entries; ++i) {
        free(directory->entries[i].name);
        free(directory->entries[i].path);
    }
    free(directory->entries);
    *directory = (Directory){NULL, 0};
}
