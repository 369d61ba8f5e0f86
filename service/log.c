/* SPDX-License-Identifier: MIT */
/* See log.h. */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void write_line(int priority, const char *text)
{
    /* One call, so that lines of several threads do not mix. */
    if (getenv("JOURNAL_STREAM") != NULL)
        fprintf(stderr, "<%d>%s\n", priority, text);
    else
        fprintf(stderr, "%s\n", text);
}

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
    write_line(priority, text);
    free(text);
}

/* True if standard error is what $JOURNAL_STREAM says: somebody may have redirected it since. */
static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    uintmax_t device, inode;
    struct stat st;

    return stream != NULL && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
           fstat(fileno(stderr), &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static int add_field(struct iovec *fields, int n, const char *name, const char *value)
{
    char *text = NULL;

    if (asprintf(&text, "%s=%s", name, value) < 0)
        return n;
    fields[n] = (struct iovec){text, strlen(text)};
    return n + 1;
}

void log_about(JournalSend send, int priority, const char *server, const char *message_id,
               const char *format, ...)
{
    const char digit[] = {(char)('0' + priority), '\0'};
    char *text = NULL, *line = NULL;
    struct iovec fields[5];
    va_list args;
    int n;

    va_start(args, format);
    n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0)
        return;
    if (asprintf(&line, "server '%s': %s", server, text) < 0)
        line = NULL;
    free(text);
    if (line == NULL)
        return;
    if (!is_journal()) {
        write_line(priority, line);
    } else {
        n = add_field(fields, 0, "MESSAGE", line);
        n = add_field(fields, n, "PRIORITY", digit);
        n = add_field(fields, n, "SYSLOG_IDENTIFIER", program_invocation_short_name);
        n = add_field(fields, n, "SLUICE_SERVER", server);
        if (message_id != NULL)
            n = add_field(fields, n, "MESSAGE_ID", message_id);
        if (send(fields, n) < 0)
            write_line(priority, line);
        while (n != 0)
            free(fields[--n].iov_base);
    }
    free(line);
}
