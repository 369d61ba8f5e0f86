/* SPDX-License-Identifier: MIT */
/*
 * The command attach: starts a server, stays as long as it runs, and stops it at SIGTERM; so that a
 * service manager can have it for a service of its own (sluice@.service).
 *
 * A sluiced that leaves the bus is not the end: its servers come back with it when it is restarted.
 * Whether it will be is asked of systemd, time and again, for nobody tells when it will not.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "commands.h"
#include "daemon-unit.h"
#include "names.h"

#define ASK_AGAIN_USEC 250000
#define UNKNOWN_MAX    20 /* so often "no idea" means that it is gone: five seconds */
#define STOP_TRIES     3

typedef enum Phase {
    PHASE_STARTING,
    PHASE_ATTACHED,
    PHASE_STOPPING,
} Phase;

typedef struct Attachment {
    Client *client;
    const char *name;
    char *path;
    sd_event *event;
    Phase phase;
    sd_bus_slot *call; /* Start, Stop or GetAll, whose answer is awaited */
    unsigned n_stops;  /* Stops that were sent */

    sd_event_source *away; /* a timer while sluiced is not there */
    DaemonQuestion question;
    unsigned n_unknown;
} Attachment;

static int finish(Attachment *a, int code)
{
    return sd_event_exit(a->event, code);
}

static void tell_running(const Attachment *a, char *const *urls)
{
    _cleanup_free_ char *text = text_new("%s runs", a->name);

    for (const char *before = " on "; urls != NULL && *urls != NULL; ++urls, before = " ")
        text_append(&text, "%s%s", before, *urls);
    sd_notifyf(0, "READY=1\nSTATUS=%s", text);
}

/* ---- sluiced leaves and comes back ---- */

static int on_properties(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    const sd_bus_error *error = sd_bus_message_get_error(m);
    _cleanup_strv_ char **urls = NULL;
    const char *state = "";
    const DictionaryEntry entries[] = {
        {"State", "s", &state},
        {"Listen", "as", &urls},
    };
    Attachment *a = userdata;

    a->call = sd_bus_slot_unref(a->call);
    if (error != NULL && sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_OBJECT))
        return finish(a, EXIT_SUCCESS); /* its file is gone */
    /* If sluiced has left again, there will be another time. */
    if (error != NULL || dictionary_read(m, entries, sizeof(entries) / sizeof(entries[0])) < 0)
        return 0;
    if (strcmp(state, "failed") == 0)
        return finish(a, fail("%s failed while sluiced was away", a->name));
    if (strcmp(state, "stopped") == 0)
        return finish(a, EXIT_SUCCESS);
    if (strcmp(state, "running") == 0)
        tell_running(a, urls);
    return 0;
}

static void on_plan(DaemonPlan plan, void *userdata)
{
    Attachment *a = userdata;

    if (plan == DAEMON_STOPPED)
        finish(a, EXIT_SUCCESS);
    else if (plan == DAEMON_FAILED)
        finish(a, fail("sluiced has failed"));
    else if (plan == DAEMON_UNKNOWN && ++a->n_unknown >= UNKNOWN_MAX)
        finish(a, fail("sluiced has left and does not come back"));
}

static int on_ask_again(sd_event_source *source, uint64_t usec, void *userdata)
{
    Attachment *a = userdata;
    int r = 0;

    if (a->question.slot == NULL)
        r = daemon_unit_ask(&a->question, a->client->bus);
    if (r >= 0)
        r = sd_event_source_set_time(source, usec + ASK_AGAIN_USEC);
    return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void end_away(Attachment *a)
{
    a->away = sd_event_source_disable_unref(a->away);
    a->question.slot = sd_bus_slot_unref(a->question.slot);
    a->n_unknown = 0;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    const char *name, *old_owner, *new_owner;
    Attachment *a = userdata;

    if (sd_bus_message_read(m, "sss", &name, &old_owner, &new_owner) < 0 ||
        a->phase != PHASE_ATTACHED)
        return 0;
    a->call = sd_bus_slot_unref(a->call);
    end_away(a);
    if (new_owner[0] == '\0') {
        sd_notify(0, "STATUS=sluiced has left");
        return sd_event_add_time_relative(a->event, &a->away, CLOCK_MONOTONIC, ASK_AGAIN_USEC, 1,
                                          on_ask_again, a);
    }
    /* It takes its name when what it restores listens, so the state is the answer. */
    return sd_bus_call_method_async(a->client->bus, &a->call, SLUICE_NAME, a->path,
                                    PROPERTIES_INTERFACE, "GetAll", on_properties, a, "s",
                                    SERVER_INTERFACE);
}

/* ---- The server ---- */

static int on_state_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    const char *new_state, *old_state, *reason = "", *error = "";
    _cleanup_strv_ char **urls = NULL;
    const DictionaryEntry entries[] = {
        {"reason", "s", &reason},
        {"error", "s", &error},
        {"urls", "as", &urls},
    };
    Attachment *a = userdata;

    if (a->phase != PHASE_ATTACHED || sd_bus_message_read(m, "ss", &new_state, &old_state) < 0 ||
        dictionary_read(m, entries, sizeof(entries) / sizeof(entries[0])) < 0)
        return 0;
    if (strcmp(new_state, "running") == 0)
        tell_running(a, urls);
    else if (strcmp(new_state, "failed") == 0)
        return finish(a, fail("%s failed: %s", a->name, error));
    /* A sluiced that exits may come back, and the server with it. */
    else if (strcmp(new_state, "stopped") == 0 && strcmp(reason, "exit") != 0)
        return finish(a, EXIT_SUCCESS);
    return 0;
}

static int on_started(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    const sd_bus_error *error = sd_bus_message_get_error(m);
    _cleanup_strv_ char **urls = NULL;
    Attachment *a = userdata;

    a->call = sd_bus_slot_unref(a->call);
    if (error != NULL)
        return finish(a, fail_with(a->client, error, 0, "cannot start %s", a->name));
    a->phase = PHASE_ATTACHED;
    sd_bus_message_read_strv(m, &urls);
    tell_running(a, urls);
    return 0;
}

static int send_call(Attachment *a, const char *method, uint64_t timeout_usec,
                     sd_bus_message_handler_t callback)
{
    _cleanup_message_ sd_bus_message *m = NULL;
    int r;

    r = client_new_call(a->client, &m, a->path, SERVER_INTERFACE, method);
    if (r >= 0 && timeout_usec != TIMEOUT_DEFAULT)
        r = sd_bus_message_append(m, "a{sv}", 1, "timeout-usec", "t", timeout_usec);
    a->call = sd_bus_slot_unref(a->call);
    if (r >= 0)
        r = sd_bus_call_async(a->client->bus, &a->call, m, callback, a, CALL_TIMEOUT);
    return r;
}

/* ---- The end ---- */

/* Does the error mean that nothing runs that could be stopped? */
static bool means_gone(const sd_bus_error *error)
{
    return sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_OBJECT) ||
           sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
           sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
           strncmp(error->name, "org.freedesktop.systemd1.", 25) == 0;
}

static int on_stopped(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    const sd_bus_error *error = sd_bus_message_get_error(m);
    Attachment *a = userdata;

    a->call = sd_bus_slot_unref(a->call);
    if (error == NULL || means_gone(error))
        return finish(a, EXIT_SUCCESS);
    /* It crashed over it, and will bring the server back: tell the next one. */
    if (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) && a->n_stops < STOP_TRIES) {
        ++a->n_stops;
        return send_call(a, "Stop", TIMEOUT_DEFAULT, on_stopped);
    }
    return finish(a, fail_with(a->client, error, 0, "cannot stop %s", a->name));
}

static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *info,
                        void *userdata)
{
    Attachment *a = userdata;
    int r;

    sd_notifyf(0, "STOPPING=1\nSTATUS=Stopping %s", a->name);
    end_away(a);
    ++a->n_stops;
    /* The second time means it. */
    r = a->phase == PHASE_STOPPING ? send_call(a, "StopWithOptions", 0, on_stopped)
                                   : send_call(a, "Stop", TIMEOUT_DEFAULT, on_stopped);
    a->phase = PHASE_STOPPING;
    return r < 0 ? finish(a, fail_with(a->client, NULL, r, "cannot stop %s", a->name)) : 0;
}

static int attach(Attachment *a)
{
    sigset_t set;
    int r;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);

    r = sd_event_new(&a->event);
    if (r >= 0)
        r = sd_event_add_signal(a->event, NULL, SIGTERM, on_terminate, a);
    if (r >= 0)
        r = sd_event_add_signal(a->event, NULL, SIGINT, on_terminate, a);
    if (r >= 0)
        r = sd_bus_attach_event(a->client->bus, a->event, SD_EVENT_PRIORITY_NORMAL);
    if (r >= 0)
        r = sd_bus_set_exit_on_disconnect(a->client->bus, true);
    if (r >= 0)
        r = sd_bus_match_signal_async(a->client->bus, NULL, SLUICE_NAME, a->path, SERVER_INTERFACE,
                                      "StateChanged", on_state_changed, NULL, a);
    if (r >= 0)
        r = sd_bus_add_match_async(a->client->bus, NULL,
                                   "type='signal',sender='" BUS_NAME "',path='" BUS_PATH
                                   "',interface='" BUS_INTERFACE
                                   "',member='NameOwnerChanged',arg0='" SLUICE_NAME "'",
                                   on_owner_changed, NULL, a);
    if (r >= 0)
        r = send_call(a, "Start", TIMEOUT_DEFAULT, on_started);
    return r < 0 ? r : sd_event_loop(a->event);
}

int command_attach(Client *client, char **name)
{
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    Attachment a = {.client = client, .name = *name, .path = server_path(*name)};
    int r;

    r = client_find_server(client, *name, &error);
    if (r < 0) {
        free(a.path);
        return fail_with(client, &error, r, "cannot start %s", *name);
    }
    a.question = (DaemonQuestion){.callback = on_plan, .userdata = &a};
    r = a.path != NULL ? attach(&a) : -ENOMEM;
    end_away(&a);
    sd_bus_slot_unref(a.call);
    sd_bus_detach_event(client->bus);
    sd_event_unref(a.event);
    free(a.path);
    return r < 0 ? fail_with(client, NULL, r, "cannot attach to %s", *name) : r;
}
