/* SPDX-License-Identifier: MIT */
/* Paths that the sandbox of a service hides, so that an error about one can say so. */
#ifndef SLUICE_HIDDEN_PATH_H
#define SLUICE_HIDDEN_PATH_H

/*
 * The directory of users' files that `path` is below, if ProtectHome= (systemd.exec(5)) keeps this
 * process out of it: "/home", "/root" or "/run/user". NULL if it does not, or for other paths.
 */
const char *hidden_path_get(const char *path);

#endif
