/* SPDX-License-Identifier: MIT */
/* See log.h. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void log_message(int priority, const char *format, ...)
{
    char *text = NULL;
    static int terminal = -1; /* asked once; a race would only ask twice */
    va_list args;
    int n;

    va_start(args, format);
    n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0)
        return;
    /* One call, so that lines of several threads do not mix. */
    if (__atomic_load_n(&terminal, __ATOMIC_RELAXED) < 0)
        __atomic_store_n(&terminal, isatty(STDERR_FILENO), __ATOMIC_RELAXED);
    if (__atomic_load_n(&terminal, __ATOMIC_RELAXED))
        fprintf(stderr, "%s\n", text);
    else
        fprintf(stderr, "<%d>%s\n", priority, text);
    free(text);
}
