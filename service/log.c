/* SPDX-License-Identifier: MIT */
/* See log.h. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void log_message(int priority, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    int n;

    va_start(args, format);
    n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0)
        return;
    /* One call, so that lines of several threads do not mix. */
    if (getenv("JOURNAL_STREAM") != NULL)
        fprintf(stderr, "<%d>%s\n", priority, text);
    else
        fprintf(stderr, "%s\n", text);
    free(text);
}
