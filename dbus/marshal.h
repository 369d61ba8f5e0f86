/* SPDX-License-Identifier: MIT */
/*
 * Small helpers that put values into messages.
 *
 * A D-Bus string must be UTF-8, and sd-bus refuses to send anything else. Paths, configuration
 * files and the messages that quote them need not be, so everything that people wrote goes through
 * utf8_or_copy(): a mangled byte is better than an answer that never comes.
 *
 * All return 0 or more, or the negative errno of sd-bus.
 */
#ifndef SLUICE_MARSHAL_H
#define SLUICE_MARSHAL_H

#include <stdint.h>
#include <systemd/sd-bus.h>

/*
 * `text` itself if it is UTF-8, else a copy in which every wrong byte is a question mark, stored
 * in *ret_copy for the caller to free. NULL becomes "".
 */
const char *utf8_or_copy(const char *text, char **ret_copy);

/* s, and as from a NULL-terminated list. */
int append_text(sd_bus_message *m, const char *text);
int append_texts(sd_bus_message *m, char *const *texts);

/* One {sv} entry of a dictionary. */
int append_entry_text(sd_bus_message *m, const char *key, const char *text);
int append_entry_texts(sd_bus_message *m, const char *key, char *const *texts);
int append_entry_u32(sd_bus_message *m, const char *key, uint32_t value);
int append_entry_u64(sd_bus_message *m, const char *key, uint64_t value);

#endif
