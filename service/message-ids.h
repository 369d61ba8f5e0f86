/* SPDX-License-Identifier: MIT */
/*
 * What happens to a server, as MESSAGE_ID= of the journal (systemd.journal-fields(7)), so that it
 * can be found whatever the words are: `journalctl MESSAGE_ID=...`. Listed in sluiced(8); explained
 * to `journalctl --catalog` by systemd/sluice.catalog. They never change.
 */
#ifndef SLUICE_MESSAGE_IDS_H
#define SLUICE_MESSAGE_IDS_H

#define MESSAGE_RUNNING       "2d7f16e9dbc547f1a0277056cfdd6c7c"
#define MESSAGE_STOPPED       "7e881f565c0a4eb99ba3cfc90eada122"
#define MESSAGE_RELOADED      "81443e815cbe45ac96ecf83fc0235d32"
#define MESSAGE_START_FAILED  "2aaeefa3e9a74feab4ecc1631b2da38b"
#define MESSAGE_RELOAD_FAILED "d07fa9c8bffe4bd996ffc9c6ef4a3a64"

#endif
