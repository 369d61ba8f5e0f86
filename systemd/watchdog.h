/* SPDX-License-Identifier: MIT */
/*
 * The service manager's watchdog (sd_watchdog_enabled(3)): asks at a third of its interval whether
 * the daemon is well, and tells it so only if it is.
 */
#ifndef SLUICE_WATCHDOG_H
#define SLUICE_WATCHDOG_H

#include <stdbool.h>
#include <systemd/sd-event.h>

typedef struct Watchdog Watchdog;

/*
 * `is_well` is called from the event loop; it should begin the next check and tell how the last one
 * came out. Returns 0 with `*ret` set, or NULL there if no watchdog is asked for; -ENOMEM.
 */
int watchdog_new(Watchdog **ret, sd_event *event, bool (*is_well)(void *userdata), void *userdata);

/* Accepts NULL, returns NULL. */
Watchdog *watchdog_free(Watchdog *watchdog);

#endif
