/* SPDX-License-Identifier: MIT */
/* See watchdog.h. */
#include "watchdog.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#define INTERVAL_MIN_USEC 10000 /* whoever wants to hear of us more often hears of nobody else */

struct Watchdog {
    sd_event_source *source;
    uint64_t interval; /* usec between two looks */
    bool (*is_well)(void *userdata);
    void *userdata;
};

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
    Watchdog *watchdog = userdata;

    if (watchdog->is_well(watchdog->userdata))
        sd_notify(0, "WATCHDOG=1");
    sd_event_source_set_time_relative(source, watchdog->interval);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int watchdog_new(Watchdog **ret, sd_event *event, bool (*is_well)(void *userdata), void *userdata)
{
    uint64_t usec = 0;
    Watchdog *watchdog;
    int r;

    *ret = NULL;
    if (sd_watchdog_enabled(0, &usec) <= 0)
        return 0;
    if ((watchdog = calloc(1, sizeof(*watchdog))) == NULL)
        return -ENOMEM;
    *watchdog = (Watchdog){
        .interval = usec / 3 > INTERVAL_MIN_USEC ? usec / 3 : INTERVAL_MIN_USEC,
        .is_well = is_well,
        .userdata = userdata,
    };
    r = sd_event_add_time_relative(event, &watchdog->source, CLOCK_MONOTONIC, watchdog->interval, 1,
                                   on_time, watchdog);
    if (r < 0)
        watchdog = watchdog_free(watchdog);
    *ret = watchdog;
    return r;
}

Watchdog *watchdog_free(Watchdog *watchdog)
{
    if (watchdog == NULL)
        return NULL;
    sd_event_source_disable_unref(watchdog->source);
    free(watchdog);
    return NULL;
}
