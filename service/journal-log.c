/* SPDX-License-Identifier: MIT */
/* See journal-log.h. */
#include "journal-log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMBINED       "%h %l %u %t \"%r\" %s %b \"%{Referer}i\" \"%{User-agent}i\""
#define LINE_MAX_BYTES 4096 /* longer lines are allocated by libh2o */

struct JournalLog {
    h2o_logconf_t *format;
    JournalSend send;
    char *server; /* "SLUICE_SERVER=..." */
};

typedef struct JournalLogger {
    h2o_logger_t super;
    JournalLog *log;
} JournalLogger;

static void on_dispose_log(void *userdata)
{
    JournalLog *log = userdata;

    h2o_logconf_dispose(log->format);
    free(log->server);
}

JournalLog *journal_log_new(const char *format, int escape, const char *server, JournalSend send,
                            char why[256])
{
    h2o_logconf_t *compiled = h2o_logconf_compile(format != NULL ? format : COMBINED, escape, why);
    JournalLog *log;

    if (compiled == NULL)
        return NULL;
    log = h2o_mem_alloc_shared(NULL, sizeof(*log), on_dispose_log);
    *log = (JournalLog){.format = compiled, .send = send};
    if (asprintf(&log->server, "SLUICE_SERVER=%s", server) < 0)
        log->server = NULL;
    return log;
}

void journal_log_unref(JournalLog *log)
{
    h2o_mem_release_shared(log);
}

/* "NAME=" and a value that need not end in NUL, from the request's memory. */
static struct iovec make_field(h2o_req_t *request, const char *name, const char *value,
                               size_t length)
{
    h2o_iovec_t field = h2o_concat(&request->pool, h2o_iovec_init(name, strlen(name)),
                                   h2o_iovec_init(value, length));

    return (struct iovec){field.base, field.len};
}

static void on_log(h2o_logger_t *logger, h2o_req_t *request)
{
    const JournalLog *log = ((JournalLogger *)logger)->log;
    char buffer[LINE_MAX_BYTES], status[16], bytes[24];
    size_t length = sizeof(buffer);
    char *line = h2o_log_request(log->format, request, &length, buffer);
    struct iovec fields[7];
    int n = 0;

    /* The line ends in a newline, which the journal does not want. */
    if (length != 0 && line[length - 1] == '\n')
        --length;
    snprintf(status, sizeof(status), "%d", request->res.status);
    snprintf(bytes, sizeof(bytes), "%zu", (size_t)request->bytes_sent);
    fields[n++] = make_field(request, "MESSAGE=", line, length);
    fields[n++] = (struct iovec){(char *)"PRIORITY=6", 10};
    fields[n++] = (struct iovec){log->server, strlen(log->server)};
    fields[n++] = make_field(request, "SLUICE_STATUS=", status, strlen(status));
    fields[n++] = make_field(request, "SLUICE_BYTES=", bytes, strlen(bytes));
    fields[n++] = make_field(request, "SLUICE_METHOD=", request->input.method.base,
                             request->input.method.len);
    fields[n++] =
        make_field(request, "SLUICE_PATH=", request->input.path.base, request->input.path.len);
    log->send(fields, n);
    if (line != buffer)
        free(line);
}

static void on_dispose_logger(h2o_logger_t *logger)
{
    journal_log_unref(((JournalLogger *)logger)->log);
}

void journal_log_register(JournalLog *log, h2o_pathconf_t *path)
{
    JournalLogger *logger = (JournalLogger *)h2o_create_logger(path, sizeof(*logger));

    logger->super.log_access = on_log;
    logger->super.dispose = on_dispose_logger;
    logger->log = log;
    h2o_mem_addref_shared(log);
}
