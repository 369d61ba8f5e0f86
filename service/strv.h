/* SPDX-License-Identifier: MIT */
/* NULL-terminated lists of strings. NULL is an empty list, too. */
#ifndef SLUICE_STRV_H
#define SLUICE_STRV_H

#include <stddef.h>

/* Appends `string`, which the list then owns; frees it and returns -ENOMEM on failure or NULL. */
int strv_take(char ***list, char *string);

/* Appends copies of all of `other`. Returns 0 or -ENOMEM. */
int strv_extend(char ***list, char *const *other);

size_t strv_length(char *const *list);
char **strv_free(char **list);

/* `list` as something that is never NULL. */
char *const *strv_or_empty(char *const *list);

#endif
