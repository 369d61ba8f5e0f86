/* SPDX-License-Identifier: MIT */
/*
 * What systemd has in mind for a sluiced that has left the bus. It restarts one that has crashed or
 * that somebody has restarted, and the servers come back with it; or it leaves it stopped.
 */
#ifndef SLUICECTL_DAEMON_UNIT_H
#define SLUICECTL_DAEMON_UNIT_H

#include <systemd/sd-bus.h>

typedef enum DaemonPlan {
    DAEMON_COMES_BACK,
    DAEMON_STOPPED, /* for good */
    DAEMON_FAILED,  /* likewise */
    DAEMON_UNKNOWN, /* there is no systemd on this bus, or it does not know sluiced */
} DaemonPlan;

typedef void (*DaemonPlanCallback)(DaemonPlan plan, void *userdata);

typedef struct DaemonQuestion {
    sd_bus_slot *slot; /* not NULL while the answer is awaited; drop it to forget the question */
    DaemonPlanCallback callback;
    void *userdata;
} DaemonQuestion;

/* Asks; calls back once, from the event loop. Errors: of sd-bus. */
int daemon_unit_ask(DaemonQuestion *question, sd_bus *bus);

#endif
