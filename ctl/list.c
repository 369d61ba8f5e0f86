/* SPDX-License-Identifier: MIT */
/* The command list: one line per server, in the order of their names. */
#include <errno.h>
#include <string.h>

#include "commands.h"
#include "names.h"
#include "table.h"

typedef struct Row {
    char *name, *state, *listen, *description;
} Row;

typedef struct Rows {
    Row *rows;
    size_t n;
} Rows;

static void rows_clear(Rows *rows)
{
    for (size_t i = 0; i < rows->n; ++i) {
        free(rows->rows[i].name);
        free(rows->rows[i].state);
        free(rows->rows[i].listen);
        free(rows->rows[i].description);
    }
    free(rows->rows);
}

static char *join(char *const *texts)
{
    char *all = text_new("%s", "");

    for (const char *before = ""; texts != NULL && *texts != NULL; ++texts, before = " ")
        text_append(&all, "%s%s", before, *texts);
    return all;
}

static int rows_add(Rows *rows, const char *name, const char *state, char *const *urls,
                    const char *description)
{
    Row *grown = realloc(rows->rows, (rows->n + 1) * sizeof(*grown));

    if (grown == NULL)
        return -ENOMEM;
    rows->rows = grown;
    rows->rows[rows->n++] =
        (Row){text_new("%s", name), text_new("%s", state), join(urls), text_new("%s", description)};
    return 0;
}

/* Reads the interfaces of one object; only those of servers become rows. */
static int read_object(sd_bus_message *m, Rows *rows)
{
    int r;

    r = sd_bus_message_enter_container(m, 'a', "{sa{sv}}");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
        const char *interface, *name = "", *state = "", *description = "";
        _cleanup_strv_ char **urls = NULL;
        const DictionaryEntry entries[] = {
            {"Name", "s", &name},
            {"State", "s", &state},
            {"Listen", "as", &urls},
            {"Description", "s", &description},
        };

        r = sd_bus_message_read_basic(m, 's', &interface);
        if (r >= 0)
            r = dictionary_read(m, entries, sizeof(entries) / sizeof(entries[0]));
        if (r >= 0)
            r = sd_bus_message_exit_container(m);
        if (r >= 0 && strcmp(interface, SERVER_INTERFACE) == 0)
            r = rows_add(rows, name, state, urls, description);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_objects(sd_bus_message *m, Rows *rows)
{
    const char *path;
    int r;

    r = sd_bus_message_enter_container(m, 'a', "{oa{sa{sv}}}");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(m, 'e', "oa{sa{sv}}")) > 0) {
        r = sd_bus_message_read_basic(m, 'o', &path);
        if (r >= 0)
            r = read_object(m, rows);
        if (r >= 0)
            r = sd_bus_message_exit_container(m);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const Row *)a)->name, ((const Row *)b)->name);
}

static void print(const Rows *rows, bool legend)
{
    static const char *const titles[] = {"NAME", "STATE", "LISTEN", "DESCRIPTION"};
    _cleanup_table_ Table table = TABLE_INIT(4);

    for (size_t i = 0; legend && i < 4; ++i)
        table_add(&table, text_new("%s", titles[i]));
    for (size_t i = 0; i < rows->n; ++i) {
        table_add(&table, text_new("%s", rows->rows[i].name));
        table_add(&table, text_new("%s", rows->rows[i].state));
        table_add(&table, text_new("%s", rows->rows[i].listen));
        table_add(&table, text_new("%s", rows->rows[i].description));
    }
    table_print(&table);
}

int command_list(Client *client, char **none)
{
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
    Rows rows = {NULL, 0};
    int r;

    /* ListServers tells less: not where they listen. */
    r = client_new_call(client, &m, MANAGER_PATH, OBJECT_MANAGER_INTERFACE, "GetManagedObjects");
    r = client_call(client, r, m, &error, &reply);
    if (r >= 0)
        r = read_objects(reply, &rows);
    if (r < 0) {
        rows_clear(&rows);
        return fail_with(client, &error, r, "cannot list the servers");
    }
    if (rows.n != 0)
        qsort(rows.rows, rows.n, sizeof(*rows.rows), compare);
    if (!client->options->quiet)
        print(&rows, client->options->legend);
    rows_clear(&rows);
    return EXIT_SUCCESS;
}
