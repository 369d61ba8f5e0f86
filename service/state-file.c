/* SPDX-License-Identifier: MIT */
/*
 * See state-file.h. The format is a first line that says what it is, and a line for each server:
 *
 *     # Sluice state 1
 *     running default
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

#define HEADER   "# Sluice state 1"
#define FILE_MAX (4 * 1024 * 1024) /* bytes; some 50,000 servers */

static const char *const words[] = {[WISH_RUNNING] = "running", [WISH_STOPPED] = "stopped"};

int state_list_add(StateList *list, const char *name, Wish wish)
{
    StateEntry *grown = realloc(list->entries, (list->n_entries + 1) * sizeof(*grown));
    char *copy = strdup(name);

    if (grown != NULL)
        list->entries = grown;
    if (grown == NULL || copy == NULL) {
        free(copy);
        return -ENOMEM;
    }
    list->entries[list->n_entries++] = (StateEntry){copy, wish};
    return 0;
}

void state_list_clear(StateList *list)
{
    size_t i;

    for (i = 0; i != list->n_entries; ++i)
        free(list->entries[i].name);
    free(list->entries);
    *list = (StateList){NULL, 0};
}

static int parse_line(StateList *list, char *line)
{
    char *space = strchr(line, ' ');
    Wish wish;

    if (space == NULL)
        return -EBADMSG;
    *space = '\0';
    for (wish = WISH_RUNNING; wish <= WISH_STOPPED; ++wish)
        if (strcmp(line, words[wish]) == 0)
            return server_name_is_valid(space + 1) ? state_list_add(list, space + 1, wish)
                                                   : -EBADMSG;
    return -EBADMSG;
}

static int parse(StateList *list, char *text, size_t length)
{
    char *line, *rest = text;
    int r = 0;

    if (strlen(text) != length || (line = strsep(&rest, "\n")) == NULL || strcmp(line, HEADER) != 0)
        return -EBADMSG;
    while (r >= 0 && (line = strsep(&rest, "\n")) != NULL)
        if (line[0] != '\0')
            r = parse_line(list, line);
    return r;
}

int state_file_read(StateList *ret, const char *directory, Error *error)
{
    FileList files = {NULL, 0, false};
    StateList list = {NULL, 0};
    char *path = NULL, *text = NULL;
    const char *why = "not a state file of this version of Sluice";
    size_t length;
    int r;

    *ret = list;
    if (asprintf(&path, "%s/state", directory) < 0)
        return error_set(error, ERROR_FAILED, "%s", strerror(ENOMEM));
    r = file_read(path, FILE_MAX, &files, &text, &length, &why);
    file_list_clear(&files);
    if (r >= 0)
        r = parse(&list, text, length);
    free(text);
    if (r < 0 && r != -ENOENT) {
        error_set(error, ERROR_FAILED, "%s: %s", path, why);
        state_list_clear(&list);
    } else {
        *ret = list;
        r = 0;
    }
    free(path);
    return r;
}

static int write_lines(FILE *stream, const StateList *list)
{
    size_t i;

    fprintf(stream, HEADER "\n");
    for (i = 0; i != list->n_entries; ++i)
        fprintf(stream, "%s %s\n", words[list->entries[i].wish], list->entries[i].name);
    return fflush(stream) != 0 || ferror(stream) ? -errno : 0;
}

int state_file_write(const StateList *list, const char *directory, Error *error)
{
    char *path = NULL, *fresh = NULL;
    FILE *stream = NULL;
    int r = -ENOMEM;

    if (asprintf(&path, "%s/state", directory) < 0 || asprintf(&fresh, "%s.new", path) < 0) {
        r = -ENOMEM;
    } else if ((stream = fopen(fresh, "we")) == NULL) {
        r = -errno;
    } else {
        /* It need not survive a crash of the machine, so it is not synced. */
        r = write_lines(stream, list);
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
