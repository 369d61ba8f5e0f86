/* SPDX-License-Identifier: MIT */
/* How an entry gets into the journal; service/ has no such means of its own, see main.c. */
#ifndef SLUICE_JOURNAL_H
#define SLUICE_JOURNAL_H

#include <sys/uio.h>

/* Sends one entry of `n` fields, each "NAME=value". Any thread; must not wait. As
 * sd_journal_sendv(3). */
typedef int (*JournalSend)(const struct iovec *fields, int n);

#endif
