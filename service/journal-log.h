/* SPDX-License-Identifier: MIT */
/*
 * The access log that goes to the journal: a logger that hands each request, formatted and with its
 * fields, to whoever sends it there. On the workers' threads.
 */
#ifndef SLUICE_JOURNAL_LOG_H
#define SLUICE_JOURNAL_LOG_H

#include <h2o.h>

#include "journal.h"

typedef struct JournalLog JournalLog; /* a format; reference counted like h2o's file handles */

/*
 * `format` as for h2o's access-log, NULL for the combined format; `escape` as for
 * h2o_logconf_compile(). Returns NULL with a message in `why` if the format is wrong.
 */
JournalLog *journal_log_new(const char *format, int escape, const char *server, JournalSend send,
                            char why[256]);
void journal_log_unref(JournalLog *log);

/* Logs the requests of `path`. */
void journal_log_register(JournalLog *log, h2o_pathconf_t *path);

#endif
