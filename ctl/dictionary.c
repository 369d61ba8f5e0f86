/* SPDX-License-Identifier: MIT */
/* See dictionary.h. */
#include "dictionary.h"

#include <stdlib.h>
#include <string.h>

void strv_clear(char ***list)
{
    for (char **p = *list; p != NULL && *p != NULL; ++p)
        free(*p);
    free(*list);
    *list = NULL;
}

static int read_strv(sd_bus_message *m, char ***ret)
{
    char **list = NULL;
    int r = sd_bus_message_read_strv(m, &list);

    if (r >= 0) {
        strv_clear(ret);
        *ret = list;
    }
    return r;
}

/* Reads the variant that comes next into `entry`, or skips it. */
static int read_value(sd_bus_message *m, const DictionaryEntry *entry)
{
    const char *contents;
    int r;

    r = sd_bus_message_peek_type(m, NULL, &contents);
    if (r < 0)
        return r;
    if (entry == NULL || contents == NULL || strcmp(contents, entry->type) != 0)
        return sd_bus_message_skip(m, "v");

    r = sd_bus_message_enter_container(m, 'v', contents);
    if (r >= 0)
        r = strcmp(contents, "as") == 0 ? read_strv(m, entry->value)
                                        : sd_bus_message_read_basic(m, contents[0], entry->value);
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

int dictionary_read(sd_bus_message *m, const DictionaryEntry *entries, size_t n)
{
    int r;

    r = sd_bus_message_enter_container(m, 'a', "{sv}");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        const DictionaryEntry *entry = NULL;
        const char *key;

        r = sd_bus_message_read_basic(m, 's', &key);
        for (size_t i = 0; r >= 0 && i < n; ++i)
            if (strcmp(entries[i].key, key) == 0)
                entry = &entries[i];
        if (r >= 0)
            r = read_value(m, entry);
        if (r >= 0)
            r = sd_bus_message_exit_container(m);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}
