/* SPDX-License-Identifier: MIT */
/* See journal-send.h. */
#define SD_JOURNAL_SUPPRESS_LOCATION /* of this file, which would be in every entry */

#include "journal-send.h"

#include <systemd/sd-journal.h>

int journal_send(const struct iovec *fields, int n)
{
    return sd_journal_sendv(fields, n);
}
