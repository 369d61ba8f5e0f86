/* SPDX-License-Identifier: MIT */
/*
 * Messages: one line on standard error each. Where that is the journal ($JOURNAL_STREAM, see
 * systemd.exec(5)) a line begins with the `<N>` priority prefix of sd-daemon(3). Any thread.
 */
#ifndef SLUICE_LOG_H
#define SLUICE_LOG_H

#include <syslog.h>

#include "journal.h"

void log_message(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_message(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)  log_message(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)    log_message(LOG_INFO, __VA_ARGS__)

/*
 * A message about a server, whose name goes in front. Where standard error is the journal it is
 * sent there by `send`, with the fields SLUICE_SERVER= and, unless NULL, MESSAGE_ID= (see
 * message-ids.h).
 */
void log_about(JournalSend send, int priority, const char *server, const char *message_id,
               const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
