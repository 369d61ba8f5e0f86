/* SPDX-License-Identifier: MIT */
/* Small helpers that make text, for people. */
#ifndef SLUICECTL_TEXT_H
#define SLUICECTL_TEXT_H

#include <stdint.h>
#include <stdlib.h>

static inline void freep(void *p)
{
    free(*(void **)p);
}
#define _cleanup_free_ __attribute__((cleanup(freep)))

/*
 * Formats as printf(3) does and makes every control character a question mark: what others wrote
 * must not speak to our terminal. Exits when there is no memory. free() it.
 */
char *text_new(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Puts more of the same behind *text. */
void text_append(char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The number of columns that `text` takes on a terminal. */
int text_width(const char *text);

/* "Sat 2025-11-22 17:55:00 CET; 2min ago"; `usec` is CLOCK_REALTIME. free() it. */
char *text_since(uint64_t usec);

/* "12.3 MiB". free() it. */
char *text_bytes(uint64_t bytes);

#endif
