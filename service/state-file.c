/* SPDX-License-Identifier: MIT */
/*
 * See state-file.h. The format is a first line that says what it is, and a line for each server:
 *
 *     # Sluice state 1
 *     stopped blog
 */
#include "state-file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file-read.h"
#include "manager.h"
#include "strv.h"

#define HEADER   "# Sluice state 1"
#define STOPPED  "stopped "
#define FILE_MAX (4 * 1024 * 1024) /* bytes; some 50,000 servers */

static size_t count_lines(const char *text)
{
    size_t n = 0;

    while ((text = strchr(text, '\n')) != NULL) {
        ++text;
        ++n;
    }
    return n;
}

/* `*ret` is the caller's, also on failure. */
static int parse(char ***ret, char *text, size_t length)
{
    char *line, *name, *rest = text;
    size_t n = 0;

    if (strlen(text) != length || (*ret = calloc(count_lines(text) + 2, sizeof(**ret))) == NULL)
        return -EBADMSG;
    if (strcmp(strsep(&rest, "\n"), HEADER) != 0)
        return -EBADMSG;
    while ((line = strsep(&rest, "\n")) != NULL) {
        name = line + strlen(STOPPED);
        if (line[0] == '\0')
            continue;
        if (strncmp(line, STOPPED, strlen(STOPPED)) != 0 || !server_name_is_valid(name) ||
            ((*ret)[n++] = strdup(name)) == NULL)
            return -EBADMSG;
    }
    return 0;
}

int state_file_read(char ***ret, const char *directory, Error *error)
{
    FileList files = {NULL, 0, false};
    char *path = NULL, *text = NULL, **list = NULL;
    const char *why = "not a state file of this version of Sluice";
    size_t length;
    int r;

    *ret = NULL;
    if (asprintf(&path, "%s/state", directory) < 0)
        return error_set(error, ERROR_FAILED, "%s", strerror(ENOMEM));
    r = file_read(path, FILE_MAX, &files, &text, &length, &why);
    file_list_clear(&files);
    if (r >= 0)
        r = parse(&list, text, length);
    free(text);
    if (r < 0)
        list = strv_free(list);
    if (r < 0 && r != -ENOENT)
        r = error_set(error, ERROR_FAILED, "%s: %s", path, why);
    else
        r = 0;
    *ret = list;
    free(path);
    return r;
}

static int write_lines(FILE *stream, char *const *stopped)
{
    fprintf(stream, HEADER "\n");
    for (; *stopped != NULL; ++stopped)
        fprintf(stream, STOPPED "%s\n", *stopped);
    return fflush(stream) != 0 || ferror(stream) ? -errno : 0;
}

int state_file_write(char *const *stopped, const char *directory, Error *error)
{
    char *path = NULL, *fresh = NULL;
    FILE *stream = NULL;
    int r = -ENOMEM;

    if (asprintf(&path, "%s/state", directory) < 0) {
        path = NULL;
    } else if (asprintf(&fresh, "%s.new", path) < 0) {
        fresh = NULL;
    } else if ((stream = fopen(fresh, "we")) == NULL) {
        r = -errno;
    } else {
        /* It need not survive a crash of the machine, so it is not synced. */
        r = write_lines(stream, stopped);
        fclose(stream);
        if (r >= 0 && rename(fresh, path) < 0)
            r = -errno;
        if (r < 0)
            unlink(fresh);
    }
    if (r < 0)
        error_set(error, ERROR_FAILED, "cannot write %s: %s", path != NULL ? path : "the state",
                  strerror(-r));
    free(fresh);
    free(path);
    return r;
}
