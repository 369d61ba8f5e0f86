/* SPDX-License-Identifier: MIT */
/* Entries for the journal, of whatever fields (sd_journal_sendv(3)). Any thread; never waits. */
#ifndef SLUICE_JOURNAL_SEND_H
#define SLUICE_JOURNAL_SEND_H

#include <sys/uio.h>

/* Sends `n` fields, each "NAME=value". Returns 0, also if there is no journal; else -errno. */
int journal_send(const struct iovec *fields, int n);

#endif
