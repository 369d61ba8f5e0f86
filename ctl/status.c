/* SPDX-License-Identifier: MIT */
/* The command status: how a server is, or how sluiced is. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "names.h"
#include "table.h"

/* What Status of a server tells; the texts point into the message. */
typedef struct ServerStatus {
    const char *name, *description, *config_file, *state, *result, *owner, *error;
    char **listen, **warnings;
    uint64_t timestamp, connections_total, requests, bytes_sent, responses[6];
    uint32_t connections, draining, generation;
} ServerStatus;

static void add(Table *table, const char *title, char *text)
{
    table_add(table, text_new("%11s%s", title, title[0] != '\0' ? ":" : " "));
    table_add(table, text);
}

static void add_list(Table *table, const char *title, char *const *texts)
{
    for (; texts != NULL && *texts != NULL; ++texts) {
        add(table, title, text_new("%s", *texts));
        title = "";
    }
}

/* "1234 (2xx 1200, 4xx 34)" */
static char *describe_requests(const ServerStatus *status)
{
    char *text = text_new("%" PRIu64, status->requests);
    const char *separator = " (";

    for (size_t class = 1; class < 6; ++class) {
        if (status->responses[class] == 0)
            continue;
        text_append(&text, "%s%zuxx %" PRIu64, separator, class, status->responses[class]);
        separator = ", ";
    }
    if (separator[0] == ',')
        text_append(&text, ")");
    return text;
}

static char *describe_state(const ServerStatus *status)
{
    _cleanup_free_ char *since = NULL;

    if (status->timestamp == 0)
        return text_new("%s", status->state);
    since = text_since(status->timestamp);
    return text_new("%s since %s", status->state, since);
}

static void print_server(const ServerStatus *status)
{
    _cleanup_table_ Table table = TABLE_INIT(2);
    _cleanup_free_ char *head = text_new(
        "%s%s%s", status->name, status->description[0] != '\0' ? " - " : "", status->description);

    puts(head);
    add(&table, "State", describe_state(status));
    if (strcmp(status->result, "success") != 0)
        add(&table, "Result", text_new("%s", status->result));
    if (status->error[0] != '\0')
        add(&table, "Error", text_new("%s", status->error));
    add_list(&table, "Warning", status->warnings);
    if (status->config_file[0] != '\0')
        add(&table, "File", text_new("%s", status->config_file));
    if (status->owner[0] != '\0')
        add(&table, "Owner", text_new("%s", status->owner));
    add_list(&table, "Listen", status->listen);
    if (status->generation != 0)
        add(&table, "Generation", text_new("%" PRIu32, status->generation));
    add(&table, "Connections",
        text_new("%" PRIu32 " now, %" PRIu32 " of them draining; %" PRIu64 " in all",
                 status->connections, status->draining, status->connections_total));
    add(&table, "Requests", describe_requests(status));
    add(&table, "Sent", text_bytes(status->bytes_sent));
    table_print(&table);
}

static int read_server(sd_bus_message *m, ServerStatus *ret)
{
    const DictionaryEntry entries[] = {
        {"Name", "s", &ret->name},
        {"Description", "s", &ret->description},
        {"ConfigFile", "s", &ret->config_file},
        {"State", "s", &ret->state},
        {"Listen", "as", &ret->listen},
        {"Result", "s", &ret->result},
        {"StateChangeTimestamp", "t", &ret->timestamp},
        {"Owner", "s", &ret->owner},
        {"connections", "u", &ret->connections},
        {"connections-total", "t", &ret->connections_total},
        {"requests", "t", &ret->requests},
        {"bytes-sent", "t", &ret->bytes_sent},
        {"responses-1xx", "t", &ret->responses[1]},
        {"responses-2xx", "t", &ret->responses[2]},
        {"responses-3xx", "t", &ret->responses[3]},
        {"responses-4xx", "t", &ret->responses[4]},
        {"responses-5xx", "t", &ret->responses[5]},
        {"draining", "u", &ret->draining},
        {"generation", "u", &ret->generation},
        {"error", "s", &ret->error},
        {"warnings", "as", &ret->warnings},
    };

    *ret = (ServerStatus){.name = "",
                          .description = "",
                          .config_file = "",
                          .state = "",
                          .result = "success",
                          .owner = "",
                          .error = ""};
    return dictionary_read(m, entries, sizeof(entries) / sizeof(entries[0]));
}

static int show_server(Client *client, const char *name)
{
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
    ServerStatus status = {0};
    int r, code;

    r = client_find_server(client, name, &error);
    if (r < 0)
        return fail_with(client, &error, r, "cannot show %s", name);
    r = client_new_server_call(client, &m, name, "Status");
    r = client_call(client, r, m, &error, &reply);
    if (r >= 0)
        r = read_server(reply, &status);
    if (r < 0) {
        code = fail_with(client, &error, r, "cannot show %s", name);
    } else {
        if (!client->options->quiet)
            print_server(&status);
        code = strcmp(status.state, "running") == 0 ? EXIT_SUCCESS : EXIT_NOT_RUNNING;
    }
    strv_clear(&status.listen);
    strv_clear(&status.warnings);
    return code;
}

static int show_manager(Client *client)
{
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
    _cleanup_table_ Table table = TABLE_INIT(2);
    uint32_t servers = 0, running = 0, failed = 0, connections = 0;
    uint64_t requests = 0, since = 0;
    const char *version = "";
    const DictionaryEntry entries[] = {
        {"version", "s", &version},
        {"servers", "u", &servers},
        {"running", "u", &running},
        {"failed", "u", &failed},
        {"connections", "u", &connections},
        {"requests", "t", &requests},
        {"since", "t", &since},
    };
    int r;

    r = client_new_call(client, &m, MANAGER_PATH, MANAGER_INTERFACE, "Status");
    r = client_call(client, r, m, &error, &reply);
    if (r >= 0)
        r = dictionary_read(reply, entries, sizeof(entries) / sizeof(entries[0]));
    if (r < 0)
        return fail_with(client, &error, r, "cannot show sluiced");
    if (client->options->quiet)
        return EXIT_SUCCESS;

    add(&table, "sluiced", text_new("%s", version));
    add(&table, "Since", text_since(since));
    add(&table, "Servers",
        text_new("%" PRIu32 ", %" PRIu32 " running, %" PRIu32 " failed", servers, running, failed));
    add(&table, "Connections", text_new("%" PRIu32, connections));
    add(&table, "Requests", text_new("%" PRIu64, requests));
    table_print(&table);
    return EXIT_SUCCESS;
}

int command_status(Client *client, char **names)
{
    int code = EXIT_SUCCESS;

    if (*names == NULL)
        return show_manager(client);
    for (size_t i = 0; names[i] != NULL; ++i) {
        int r;

        if (i != 0 && !client->options->quiet)
            putchar('\n');
        r = show_server(client, names[i]);
        /* That something went wrong weighs more than that something does not run. */
        if (code != EXIT_FAILURE && r != EXIT_SUCCESS)
            code = r;
    }
    return code;
}
