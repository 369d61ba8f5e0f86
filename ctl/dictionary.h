/* SPDX-License-Identifier: MIT */
/* Picks what one knows out of a dictionary a{sv}; more keys may be added to it at any time. */
#ifndef SLUICECTL_DICTIONARY_H
#define SLUICECTL_DICTIONARY_H

#include <stddef.h>
#include <systemd/sd-bus.h>

typedef struct DictionaryEntry {
    const char *key;
    /*
     * "s" into a const char *, which points into the message; "u" into an uint32_t; "t" into an
     * uint64_t; "as" into a char **, for strv_clear(). Of another type than here, a key is skipped.
     */
    const char *type;
    void *value; /* left alone if the key is not there */
} DictionaryEntry;

/* Reads the dictionary that comes next in `m`. Returns 0 or the negative errno of sd-bus. */
int dictionary_read(sd_bus_message *m, const DictionaryEntry *entries, size_t n);

/* Frees a NULL-terminated list of strings; for use with cleanup. */
void strv_clear(char ***list);
#define _cleanup_strv_ __attribute__((cleanup(strv_clear)))

#endif
