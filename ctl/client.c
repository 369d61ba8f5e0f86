/* SPDX-License-Identifier: MIT */
/* See client.h. */
#include "client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "names.h"

static int open_address(sd_bus **ret, const char *address)
{
    sd_bus *bus;
    int r;

    r = sd_bus_new(&bus);
    if (r < 0)
        return r;
    r = sd_bus_set_address(bus, address);
    if (r >= 0)
        r = sd_bus_set_bus_client(bus, true);
    if (r >= 0)
        r = sd_bus_start(bus);
    if (r < 0) {
        sd_bus_unref(bus);
        return r;
    }
    *ret = bus;
    return 0;
}

static const char *bus_description(const Options *options)
{
    if (options->address != NULL)
        return options->address;
    return options->user ? "the user's bus" : "the system bus";
}

int client_open(Client *client, const Options *options)
{
    int r;

    *client = (Client){.options = options};
    if (options->address != NULL)
        r = open_address(&client->bus, options->address);
    else if (options->user)
        r = sd_bus_open_user(&client->bus);
    else
        r = sd_bus_open_system(&client->bus);
    if (r == -ENOMEDIUM) {
        fail("cannot find the user's bus: neither $DBUS_SESSION_BUS_ADDRESS nor $XDG_RUNTIME_DIR "
             "is set");
        return r;
    }
    if (r < 0) {
        fail("cannot connect to %s: %s", bus_description(options), strerror(-r));
        return r;
    }
    if (options->ask_password && !options->user)
        client->agent = agent_open();
    return 0;
}

void client_close(Client *client)
{
    client->bus = sd_bus_flush_close_unref(client->bus);
    agent_close(client->agent);
    client->agent = 0;
}

int client_new_call(Client *client, sd_bus_message **ret, const char *path, const char *interface,
                    const char *method)
{
    sd_bus_message *m;
    int r;

    r = sd_bus_message_new_method_call(client->bus, &m, SLUICE_NAME, path, interface, method);
    if (r < 0)
        return r;
    r = sd_bus_message_set_allow_interactive_authorization(m, client->options->ask_password);
    if (r < 0) {
        sd_bus_message_unref(m);
        return r;
    }
    *ret = m;
    return 0;
}

int client_new_server_call(Client *client, sd_bus_message **ret, const char *name,
                           const char *method)
{
    _cleanup_free_ char *path = server_path(name);

    if (path == NULL)
        return -ENOMEM;
    return client_new_call(client, ret, path, SERVER_INTERFACE, method);
}

char *server_path(const char *name)
{
    char *path;

    return sd_bus_path_encode(SERVER_PREFIX, name, &path) < 0 ? NULL : path;
}

char *server_name(const char *path)
{
    char *name;

    return sd_bus_path_decode(path, SERVER_PREFIX, &name) > 0 ? name : NULL;
}

int client_call(Client *client, int r, sd_bus_message *m, sd_bus_error *error, sd_bus_message **ret)
{
    if (r < 0)
        return sd_bus_error_set_errno(error, r);
    return sd_bus_call(client->bus, m, CALL_TIMEOUT, error, ret);
}

int client_find_server(Client *client, const char *name, sd_bus_error *error)
{
    _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
    int r;

    r = client_new_call(client, &m, MANAGER_PATH, MANAGER_INTERFACE, "GetServer");
    if (r >= 0)
        r = sd_bus_message_append(m, "s", name);
    return client_call(client, r, m, error, &reply);
}

char *error_text(const Client *client, const sd_bus_error *error, int r)
{
    if (!sd_bus_error_is_set(error))
        return text_new("%s", strerror(-r));
    if (sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_OBJECT))
        return text_new("there is no server of that name");
    if (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
        sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
        return text_new("no sluiced can be reached on %s (%s)", bus_description(client->options),
                        error->message);
    if (sd_bus_error_has_name(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
        return text_new("%s, and %s", error->message,
                        client->options->ask_password ? "nobody here can be asked"
                                                      : "--no-ask-password forbids to ask");
    return text_new("%s", error->message != NULL ? error->message : error->name);
}

int fail(const char *format, ...)
{
    va_list args;

    fputs("sluicectl: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return EXIT_FAILURE;
}

int fail_with(const Client *client, const sd_bus_error *error, int r, const char *format, ...)
{
    _cleanup_free_ char *why = error_text(client, error, r);
    va_list args;

    fputs("sluicectl: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, ": %s\n", why);
    return EXIT_FAILURE;
}
