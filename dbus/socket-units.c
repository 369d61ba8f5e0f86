/* SPDX-License-Identifier: MIT */
/*
 * See socket-units.h. One question at a time: which unit is ours, how it is, what triggers it, how
 * that is. Whatever goes wrong, it is asked again later.
 */
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
    char *path; /* of our unit */
    bool not_stopping;
    char **triggers; /* names of units */
    size_t next;     /* of these: all before are done with their sockets */
    SocketUnitsCallbacks callbacks;
};

static void ask(SocketUnits *units);

static void free_names(char **names)
{
    for (size_t i = 0; names != NULL && names[i] != NULL; ++i)
        free(names[i]);
    free(names);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
    ask(userdata);
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

/* Calls a method of systemd's with one or two strings, or our process's number if there is none. */
static void call(SocketUnits *units, const char *path, const char *interface, const char *method,
                 const char *property, sd_bus_message_handler_t callback)
{
    sd_bus_message *m = NULL;
    int r;

    r = sd_bus_message_new_method_call(units->connection, &m, SYSTEMD_NAME, path, interface,
                                       method);
    /* A bus without it may have a service file that pretends to start it. */
    if (r >= 0)
        r = sd_bus_message_set_auto_start(m, 0);
    if (r >= 0)
        r = property != NULL ? sd_bus_message_append(m, "ss", SYSTEMD_UNIT, property)
                             : sd_bus_message_append(m, "u", (uint32_t)getpid());
    if (r >= 0)
        r = sd_bus_call_async(units->connection, &units->slot, m, callback, units, 0);
    sd_bus_message_unref(m);
    if (r < 0)
        retry_later(units);
}

static bool is_absent(const sd_bus_error *error)
{
    return error != NULL && (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
                             sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER));
}

static int on_unit(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    SocketUnits *units = userdata;
    const char *path;

    units->slot = sd_bus_slot_unref(units->slot);
    if (is_absent(sd_bus_message_get_error(m))) {
        units->callbacks.ours(units->callbacks.userdata);
    } else if (sd_bus_message_is_method_error(m, NULL) || sd_bus_message_read(m, "o", &path) < 0 ||
               (units->path = strdup(path)) == NULL) {
        retry_later(units);
    } else {
        ask(units);
    }
    return 0;
}

static int on_state(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    SocketUnits *units = userdata;
    const char *state;

    units->slot = sd_bus_slot_unref(units->slot);
    if (sd_bus_message_is_method_error(m, NULL) || sd_bus_message_read(m, "v", "s", &state) < 0) {
        retry_later(units);
    } else if (strcmp(state, "deactivating") == 0) {
        units->callbacks.stopping(units->callbacks.userdata);
    } else {
        units->not_stopping = true;
        ask(units);
    }
    return 0;
}

static int on_triggers(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    SocketUnits *units = userdata;

    units->slot = sd_bus_slot_unref(units->slot);
    if (sd_bus_message_is_method_error(m, NULL) ||
        sd_bus_message_enter_container(m, 'v', "as") < 0 ||
        sd_bus_message_read_strv(m, &units->triggers) < 0)
        retry_later(units);
    else if (units->triggers == NULL)
        units->callbacks.ours(units->callbacks.userdata);
    else
        ask(units);
    return 0;
}

static int on_sub_state(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    SocketUnits *units = userdata;
    const char *state;

    units->slot = sd_bus_slot_unref(units->slot);
    if (sd_bus_message_is_method_error(m, NULL) || sd_bus_message_read(m, "v", "s", &state) < 0 ||
        strcmp(state, "listening") == 0) {
        retry_later(units);
    } else {
        ++units->next;
        ask(units);
    }
    return 0;
}

static bool is_socket_unit(const char *name)
{
    size_t length = strlen(name), suffix = strlen(".socket");

    return length > suffix && strcmp(name + length - suffix, ".socket") == 0;
}

static void ask_trigger(SocketUnits *units)
{
    char *path;

    /* Paths and timers may trigger us as well. */
    while (units->triggers[units->next] != NULL && !is_socket_unit(units->triggers[units->next]))
        ++units->next;
    if (units->triggers[units->next] == NULL) {
        units->callbacks.ours(units->callbacks.userdata);
    } else if (sd_bus_path_encode(SYSTEMD_PATH "/unit", units->triggers[units->next], &path) < 0) {
        retry_later(units);
    } else {
        call(units, path, PROPERTIES, "Get", "SubState", on_sub_state);
        free(path);
    }
}

/* The next question. */
static void ask(SocketUnits *units)
{
    if (units->path == NULL)
        call(units, SYSTEMD_PATH, SYSTEMD_MANAGER, "GetUnitByPID", NULL, on_unit);
    else if (!units->not_stopping)
        call(units, units->path, PROPERTIES, "Get", "ActiveState", on_state);
    else if (units->triggers == NULL)
        call(units, units->path, PROPERTIES, "Get", "TriggeredBy", on_triggers);
    else
        ask_trigger(units);
}

int socket_units_new(SocketUnits **ret, sd_bus *connection, const SocketUnitsCallbacks *callbacks)
{
    SocketUnits *units = calloc(1, sizeof(*units));

    if (units == NULL)
        return -ENOMEM;
    units->connection = sd_bus_ref(connection);
    units->delay_usec = FIRST_DELAY_USEC;
    units->callbacks = *callbacks;
    ask(units);
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
    free(units->path);
    sd_bus_unref(units->connection);
    free(units);
    return NULL;
}
