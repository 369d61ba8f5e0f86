/* SPDX-License-Identifier: MIT */
/*
 * Which servers somebody has stopped, kept in a file over restarts of the daemon, so that neither
 * `sluice.autostart` nor an inherited socket starts them again before the next boot. The file is in
 * the runtime directory, which goes with the boot.
 *
 * Which servers run is not in it: their sockets in the service manager's store tell, and those live
 * exactly as long as they should, over a restart but not over a stop.
 */
#ifndef SLUICE_STATE_FILE_H
#define SLUICE_STATE_FILE_H

#include "error.h"

/*
 * Reads DIRECTORY/state; a file that is not there is an empty list. `*ret` is a NULL-terminated
 * list of valid server names, or NULL, to be freed with strv_free(). Errors: FAILED if it cannot be
 * read or is not of this format; `*ret` is then NULL.
 */
int state_file_read(char ***ret, const char *directory, Error *error);

/* Writes it, all or nothing. Errors: FAILED, and what was there is still there. */
int state_file_write(char *const *stopped, const char *directory, Error *error);

#endif
