/* SPDX-License-Identifier: MIT */
/* See socket-units.h. One question at a time: which unit is ours, what triggers it, how that is. */
#include "socket-units.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "names.h"

#define SYSTEMD_NAME       "org.freedesktop.systemd1"
#define SYSTEMD_PATH       "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER    SYSTEMD_NAME ".Manager"
#define SYSTEMD_UNIT       SYSTEMD_NAME ".Unit"
#define PROPERTIES         "org.freedesktop.DBus.Properties"
#define FIRST_DELAY_USEC   (50 * 1000)
#define LONGEST_DELAY_USEC (10 * 1000 * 1000)

struct SocketUnits {
    sd_bus *connection;
    sd_bus_slot *slot; /* of the question under way */
    sd_event_source *retry_source;
    uint64_t delay_usec;
    char **triggers; /* names of units */
    size_t next;     /* of these: all before are done with their sockets */
    SocketUnitsCallback callback;
    void *userdata;
};

static void ask_next(SocketUnits *units);

static void free_names(char **names)
{
    for (size_t i = 0; names != NULL && names[i] != NULL; ++i)
        free(names[i]);
    free(names);
}

static int get_property(SocketUnits *units, const char *path, const char *property,
                        sd_bus_message_handler_t callback)
{
    return sd_bus_call_method_async(units->connection, &units->slot, SYSTEMD_NAME, path, PROPERTIES,
                                    "Get", callback, units, "ss", SYSTEMD_UNIT, property);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
    ask_next(userdata);
    return 0;
}

static void retry_later(SocketUnits *units)
{
    units->retry_source = sd_event_source_disable_unref(units->retry_source);
    sd_event_add_time_relative(sd_bus_get_event(units->connection), &units->retry_source,
                               CLOCK_MONOTONIC, units->delay_usec, 0, on_retry, units);
    if (units->delay_usec < LONGEST_DELAY_USEC)
        units->delay_usec *= 2;
}

static int on_sub_state(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    SocketUnits *units = userdata;
    const char *state;

    units->slot = sd_bus_slot_unref(units->slot);
    if (sd_bus_message_is_method_error(m, NULL) || sd_bus_message_read(m, "v", "s", &state) < 0)
        return 0;
    if (strcmp(state, "listening") == 0) {
        retry_later(units);
    } else {
        ++units->next;
        ask_next(units);
    }
    return 0;
}

static bool is_socket_unit(const char *name)
{
    size_t length = strlen(name), suffix = strlen(".socket");

    return length > suffix && strcmp(name + length - suffix, ".socket") == 0;
}

/* Paths and timers may trigger us as well. */
static void ask_next(SocketUnits *units)
{
    char *path;

    while (units->triggers != NULL && units->triggers[units->next] != NULL &&
           !is_socket_unit(units->triggers[units->next]))
        ++units->next;
    if (units->triggers == NULL || units->triggers[units->next] == NULL) {
        units->callback(units->userdata);
        return;
    }
    if (sd_bus_path_encode(SYSTEMD_PATH "/unit", units->triggers[units->next], &path) < 0)
        return;
    get_property(units, path, "SubState", on_sub_state);
    free(path);
}

static int on_triggers(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    SocketUnits *units = userdata;

    units->slot = sd_bus_slot_unref(units->slot);
    if (sd_bus_message_is_method_error(m, NULL) ||
        sd_bus_message_enter_container(m, 'v', "as") < 0 ||
        sd_bus_message_read_strv(m, &units->triggers) < 0)
        return 0;
    ask_next(units);
    return 0;
}

static int on_unit(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    SocketUnits *units = userdata;
    const sd_bus_error *error = sd_bus_message_get_error(m);
    const char *path;

    units->slot = sd_bus_slot_unref(units->slot);
    if (error != NULL && (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
                          sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER)))
        units->callback(units->userdata);
    else if (error == NULL && sd_bus_message_read(m, "o", &path) >= 0)
        get_property(units, path, "TriggeredBy", on_triggers);
    return 0;
}

int socket_units_new(SocketUnits **ret, sd_bus *connection, SocketUnitsCallback callback,
                     void *userdata)
{
    SocketUnits *units = calloc(1, sizeof(*units));
    int r;

    if (units == NULL)
        return -ENOMEM;
    units->connection = sd_bus_ref(connection);
    units->delay_usec = FIRST_DELAY_USEC;
    units->callback = callback;
    units->userdata = userdata;
    r = sd_bus_call_method_async(connection, &units->slot, SYSTEMD_NAME, SYSTEMD_PATH,
                                 SYSTEMD_MANAGER, "GetUnitByPID", on_unit, units, "u",
                                 (uint32_t)getpid());
    if (r < 0) {
        socket_units_free(units);
        return r;
    }
    *ret = units;
    return 0;
}

SocketUnits *socket_units_free(SocketUnits *units)
{
    if (units == NULL)
        return NULL;
    sd_bus_slot_unref(units->slot);
    sd_event_source_disable_unref(units->retry_source);
    free_names(units->triggers);
    sd_bus_unref(units->connection);
    free(units);
    return NULL;
}
