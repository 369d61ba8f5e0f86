/* SPDX-License-Identifier: MIT */
/* See daemon-unit.h. */
#include "daemon-unit.h"

#include <stdlib.h>
#include <string.h>

#include "names.h"

/* What the bus activates; the unit itself may have another name. */
#define UNIT "dbus-" SLUICE_NAME ".service"

/* Reads the properties of the unit, as many as there are, for the state and the job. */
static int read_unit(sd_bus_message *m, const char **ret_state, uint32_t *ret_job)
{
    int r;

    r = sd_bus_message_enter_container(m, 'a', "{sv}");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        const char *key, *path;

        r = sd_bus_message_read_basic(m, 's', &key);
        if (r < 0)
            return r;
        if (strcmp(key, "ActiveState") == 0)
            r = sd_bus_message_read(m, "v", "s", ret_state);
        else if (strcmp(key, "Job") == 0)
            r = sd_bus_message_read(m, "v", "(uo)", ret_job, &path);
        else
            r = sd_bus_message_skip(m, "v");
        if (r >= 0)
            r = sd_bus_message_exit_container(m);
        if (r < 0)
            return r;
    }
    return r;
}

static DaemonPlan read_plan(sd_bus_message *m)
{
    const char *state = NULL;
    uint32_t job = 0;

    if (sd_bus_message_is_method_error(m, NULL) || read_unit(m, &state, &job) < 0 || state == NULL)
        return DAEMON_UNKNOWN;
    /* Between the two halves of a restart a unit is inactive, too, but it has a job. */
    if (job == 0 && strcmp(state, "inactive") == 0)
        return DAEMON_STOPPED;
    if (job == 0 && strcmp(state, "failed") == 0)
        return DAEMON_FAILED;
    return DAEMON_COMES_BACK;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    DaemonQuestion *question = userdata;

    question->slot = sd_bus_slot_unref(question->slot);
    question->callback(read_plan(m), question->userdata);
    return 0;
}

int daemon_unit_ask(DaemonQuestion *question, sd_bus *bus)
{
    char *path;
    int r;

    r = sd_bus_path_encode("/org/freedesktop/systemd1/unit", UNIT, &path);
    if (r < 0)
        return r;
    r = sd_bus_call_method_async(bus, &question->slot, "org.freedesktop.systemd1", path,
                                 PROPERTIES_INTERFACE, "GetAll", on_answer, question, "s",
                                 "org.freedesktop.systemd1.Unit");
    free(path);
    return r;
}
