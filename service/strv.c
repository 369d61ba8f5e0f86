/* SPDX-License-Identifier: MIT */
/* See strv.h. */
#include "strv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

size_t strv_length(char *const *list)
{
    size_t n = 0;

    while (list != NULL && list[n] != NULL)
        ++n;
    return n;
}

int strv_take(char ***list, char *string)
{
    size_t n = strv_length(*list);
    char **grown;

    if (string == NULL)
        return -ENOMEM;
    if ((grown = realloc(*list, (n + 2) * sizeof(*grown))) == NULL) {
        free(string);
        return -ENOMEM;
    }
    grown[n] = string;
    grown[n + 1] = NULL;
    *list = grown;
    return 0;
}

int strv_extend(char ***list, char *const *other)
{
    size_t i, n = strv_length(other);
    int r;

    for (i = 0; i != n; ++i)
        if ((r = strv_take(list, strdup(other[i]))) < 0)
            return r;
    return 0;
}

char **strv_free(char **list)
{
    size_t i, n = strv_length(list);

    for (i = 0; i != n; ++i)
        free(list[i]);
    free(list);
    return NULL;
}

char *const *strv_or_empty(char *const *list)
{
    static char *const empty[] = {NULL};

    return list != NULL ? list : empty;
}
