/* SPDX-License-Identifier: MIT */
/* The connection to the bus, method calls, and how their errors are told. */
#ifndef SLUICECTL_CLIENT_H
#define SLUICECTL_CLIENT_H

#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "dictionary.h"
#include "options.h"
#include "text.h"

#define _cleanup_message_   __attribute__((cleanup(sd_bus_message_unrefp)))
#define _cleanup_bus_error_ __attribute__((cleanup(sd_bus_error_free)))

typedef struct Client {
    const Options *options;
    sd_bus *bus;
    pid_t agent; /* see agent.h */
} Client;

/* Connects to the bus that the options name. Says what went wrong and returns negative. */
int client_open(Client *client, const Options *options);
void client_close(Client *client);

/*
 * A call of a method of sluiced, without arguments yet; polkit may ask for a password, and the
 * answer may take as long as it takes. For sd_bus_call() and its kin with CALL_TIMEOUT.
 */
#define CALL_TIMEOUT UINT64_MAX
int client_new_call(Client *client, sd_bus_message **ret, const char *path, const char *interface,
                    const char *method);

/* The same for a method of the server `name`. */
int client_new_server_call(Client *client, sd_bus_message **ret, const char *name,
                           const char *method);

/*
 * Makes sure that sluiced knows the server, whose file may be new. Negative with `error` filled if
 * there is none, or nothing could have that name.
 */
int client_find_server(Client *client, const char *name, sd_bus_error *error);

/* The object path of a server; free() it. NULL when out of memory. */
char *server_path(const char *name);

/* The name of the server with this path, or NULL; free() it. */
char *server_name(const char *path);

/*
 * Waits for the answer to `m`, which may be negative for a message that could not be made. On
 * failure fills `error`.
 */
int client_call(Client *client, int r, sd_bus_message *m, sd_bus_error *error,
                sd_bus_message **ret);

/* What an error says, made understandable; free() it. `r` counts if `error` is not set. */
char *error_text(const Client *client, const sd_bus_error *error, int r);

/* Prints "sluicectl: WHAT" and a newline to standard error; returns EXIT_FAILURE. */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same with the error after it: "sluicectl: WHAT: why". */
int fail_with(const Client *client, const sd_bus_error *error, int r, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
