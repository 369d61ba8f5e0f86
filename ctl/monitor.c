/* SPDX-License-Identifier: MIT */
/*
 * The command monitor: a line for every change of state, until it is interrupted. It only listens,
 * so it neither wakes sluiced nor keeps it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "names.h"

typedef struct Monitor {
    char **names; /* only these, unless there is none */
} Monitor;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    struct timespec now;
    struct tm tm;
    va_list args;

    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &tm);
    printf("%02d:%02d:%02d.%03ld  ", tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

static bool is_wanted(const Monitor *monitor, const char *name)
{
    if (monitor->names[0] == NULL)
        return true;
    for (char **p = monitor->names; *p != NULL; ++p)
        if (strcmp(*p, name) == 0)
            return true;
    return false;
}

/* What there is to say of a transition besides the states. */
static char *describe(const char *reason, const char *error, char *const *urls, bool counted,
                      uint32_t drained, uint32_t cut)
{
    char *text = text_new("%s%s%s", reason, error[0] != '\0' ? ": " : "", error);

    for (; urls != NULL && *urls != NULL; ++urls)
        text_append(&text, ", %s", *urls);
    if (counted)
        text_append(&text, ", %" PRIu32 " finished, %" PRIu32 " cut", drained, cut);
    return text;
}

static int on_state_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    const char *new_state, *old_state, *reason = "", *error = "";
    _cleanup_free_ char *name = server_name(sd_bus_message_get_path(m)), *details = NULL;
    _cleanup_strv_ char **urls = NULL;
    uint32_t drained = 0, cut = 0;
    const DictionaryEntry entries[] = {
        {"reason", "s", &reason},   {"error", "s", &error}, {"urls", "as", &urls},
        {"drained", "u", &drained}, {"cut", "u", &cut},
    };

    if (name == NULL || !is_wanted(userdata, name) ||
        sd_bus_message_read(m, "ss", &new_state, &old_state) < 0 ||
        dictionary_read(m, entries, sizeof(entries) / sizeof(entries[0])) < 0)
        return 0;
    details = describe(reason, error, urls, strcmp(new_state, "stopped") == 0, drained, cut);
    say("%s: %s -> %s (%s)", name, old_state, new_state, details);
    return 0;
}

static int on_object(sd_bus_message *m, const Monitor *monitor, const char *what)
{
    _cleanup_free_ char *name = NULL;
    const char *path;

    if (sd_bus_message_read_basic(m, 'o', &path) < 0)
        return 0;
    name = server_name(path);
    if (name != NULL && is_wanted(monitor, name))
        say("%s: %s", name, what);
    return 0;
}

static int on_added(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    return on_object(m, userdata, "added");
}

static int on_removed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    return on_object(m, userdata, "removed");
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    const char *name, *old_owner, *new_owner;

    if (sd_bus_message_read(m, "sss", &name, &old_owner, &new_owner) >= 0)
        say("sluiced %s", new_owner[0] != '\0' ? "is there" : "has left");
    return 0;
}

static int subscribe(Client *client, Monitor *monitor)
{
    int r;

    r = sd_bus_add_match(client->bus, NULL,
                         "type='signal',sender='" SLUICE_NAME "',interface='" SERVER_INTERFACE
                         "',member='StateChanged',path_namespace='" SERVER_PREFIX "'",
                         on_state_changed, monitor);
    if (r >= 0)
        r = sd_bus_match_signal(client->bus, NULL, SLUICE_NAME, MANAGER_PATH,
                                OBJECT_MANAGER_INTERFACE, "InterfacesAdded", on_added, monitor);
    if (r >= 0)
        r = sd_bus_match_signal(client->bus, NULL, SLUICE_NAME, MANAGER_PATH,
                                OBJECT_MANAGER_INTERFACE, "InterfacesRemoved", on_removed, monitor);
    if (r >= 0)
        r = sd_bus_add_match(client->bus, NULL,
                             "type='signal',sender='" BUS_NAME "',path='" BUS_PATH
                             "',interface='" BUS_INTERFACE
                             "',member='NameOwnerChanged',arg0='" SLUICE_NAME "'",
                             on_owner_changed, monitor);
    return r;
}

int command_monitor(Client *client, char **names)
{
    Monitor monitor = {names};
    int r = subscribe(client, &monitor);

    if (r < 0)
        return fail_with(client, NULL, r, "cannot listen to the bus");
    for (;;) {
        r = sd_bus_process(client->bus, NULL);
        if (r == 0)
            r = sd_bus_wait(client->bus, UINT64_MAX);
        if (r < 0 && r != -EINTR)
            return fail_with(client, NULL, r, "the connection to the bus is gone");
    }
}
