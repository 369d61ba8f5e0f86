/* SPDX-License-Identifier: MIT */
/* See call.h. */
#include "call.h"

#include <errno.h>
#include <stdlib.h>

#include "bus-internal.h"
#include "errors.h"
#include "marshal.h"
#include "server-object.h"

static void call_unlink(Call *call)
{
    Bus *bus = call->bus;

    if (call->previous != NULL)
        call->previous->next = call->next;
    else
        bus->calls = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
    call->bus = NULL;
    call->message = sd_bus_message_unref(call->message);
}

/* `r` is what came of sending the answer. */
static void call_end(Call *call, int r)
{
    Bus *bus = call->bus;

    if (bus != NULL) {
        if (r < 0)
            bus_warn(bus, r, "cannot answer a method call");
        call_unlink(call);
        if (bus->calls == NULL)
            bus_idle_changed(bus);
    }
    free(call);
}

void call_reply_error(Call *call, const Error *error)
{
    call_end(call, call->bus == NULL ? 0 : bus_reply_error(call->message, error));
}

void call_reply_empty(Call *call)
{
    call_end(call, call->bus == NULL ? 0 : sd_bus_reply_method_return(call->message, NULL));
}

void call_reply_urls(Call *call, char *const *urls)
{
    sd_bus_message *reply = NULL;
    int r = 0;

    if (call->bus != NULL) {
        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
            r = append_texts(reply, urls);
        if (r >= 0)
            r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
    }
    call_end(call, r);
}

void call_reply_counts(Call *call, uint32_t drained, uint32_t cut)
{
    call_end(call,
             call->bus == NULL ? 0 : sd_bus_reply_method_return(call->message, "uu", drained, cut));
}

static void call_run(Call *call)
{
    call->authorizing = false;
    call->run(call);
}

/* The answer to an authorisation that took a while; the server may be gone since. */
static void on_authorized(const sd_bus_error *denied, void *userdata)
{
    Call *call = userdata;
    const char *path = sd_bus_message_get_path(call->message);
    int r = 1;

    if (denied != NULL) {
        call_end(call, sd_bus_reply_method_error(call->message, denied));
        return;
    }
    if (call->server != NULL)
        r = server_object_find(call->bus, path, &call->server);
    if (r < 0)
        call_end(call, sd_bus_reply_method_errno(call->message, r, NULL));
    else if (r == 0)
        call_end(call, sd_bus_reply_method_errorf(call->message, SD_BUS_ERROR_UNKNOWN_OBJECT,
                                                  "Unknown object '%s'.", path));
    else
        call_run(call);
}

int call_begin(Bus *bus, sd_bus_message *m, const CallRequest *request, sd_bus_error *error)
{
    Call *call;
    int r;

    call = calloc(1, sizeof(*call));
    if (call == NULL)
        return sd_bus_error_set_errno(error, -ENOMEM);
    call->bus = bus;
    call->message = sd_bus_message_ref(m);
    call->server = request->server;
    call->timeout_usec = request->timeout_usec;
    call->run = request->run;
    call->authorizing = true;
    call->next = bus->calls;
    if (call->next != NULL)
        call->next->previous = call;
    bus->calls = call;

    r = authorize_async(bus->authorizer, m, request->action, on_authorized, call, error);
    if (r < 0) {
        call_unlink(call);
        free(call);
        return r;
    }
    if (r > 0)
        call_run(call);
    return 1;
}

void calls_abandon(Bus *bus)
{
    Call *call;

    while ((call = bus->calls) != NULL) {
        call_unlink(call);
        if (call->authorizing)
            free(call);
    }
}
