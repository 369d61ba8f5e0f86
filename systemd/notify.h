/* SPDX-License-Identifier: MIT */
/*
 * What the daemon tells its service manager (sd_notify(3)). Without one, that is without
 * $NOTIFY_SOCKET, these do nothing.
 */
#ifndef SLUICE_NOTIFY_H
#define SLUICE_NOTIFY_H

#include <stdbool.h>

/* True if there is a service manager to tell. */
bool notify_is_supervised(void);

/* The bus name is ours and what starts by itself listens. */
void notify_ready(void);

/* The daemon is on its way out; whoever wants it from now on gets a new one. */
void notify_stopping(void);

/* One line for `systemctl status`. */
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
