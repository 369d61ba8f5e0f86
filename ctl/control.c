/* SPDX-License-Identifier: MIT */
/*
 * The commands that change something: start, stop, reload. Those with several names call for all of
 * them at once and print the answers in the order of the names.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "names.h"
#include "table.h"

typedef struct Action {
    const char *word; /* for people, "cannot WORD NAME" */
    const char *method;
    int (*append)(Client *client, sd_bus_message *m); /* arguments of the method, or NULL */
    /* Prints the answer; `n` is the number of servers that were asked for. */
    int (*print)(sd_bus_message *reply, const char *name, size_t n, Table *table);
} Action;

/* A call to one server. */
typedef struct Job {
    sd_bus_message *reply; /* NULL until it has come, or if it never will */
    int r;                 /* why not */
    bool told;             /* somebody has been told why not */
} Job;

static int print_urls(sd_bus_message *reply, const char *name, size_t n, Table *table)
{
    _cleanup_strv_ char **urls = NULL;
    int r = sd_bus_message_read_strv(reply, &urls);

    for (char **url = urls; r >= 0 && url != NULL && *url != NULL; ++url) {
        /* One server: the bare URL, which is what a script wants. */
        if (n > 1)
            table_add(table, text_new("%s", name));
        table_add(table, text_new("%s", *url));
    }
    return r;
}

static int print_counts(sd_bus_message *reply, const char *name, size_t n, Table *table)
{
    uint32_t drained, cut;
    int r = sd_bus_message_read(reply, "uu", &drained, &cut);

    if (r >= 0 && (drained > 0 || cut > 0))
        table_add(table, text_new("%s: %" PRIu32 " connection%s finished, %" PRIu32 " cut", name,
                                  drained, drained == 1 ? "" : "s", cut));
    return r;
}

static int append_timeout(Client *client, sd_bus_message *m)
{
    return sd_bus_message_append(m, "a{sv}", 1, "timeout-usec", "t", client->options->timeout_usec);
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    Job *job = userdata;

    job->reply = sd_bus_message_ref(m);
    return 0;
}

static int send_one(Client *client, const Action *action, const char *name, Job *job)
{
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_message_ sd_bus_message *m = NULL;
    int r;

    r = client_find_server(client, name, &error);
    if (r < 0) {
        job->told = true;
        fail_with(client, &error, r, "cannot %s %s", action->word, name);
        return r;
    }

    r = client_new_server_call(client, &m, name, action->method);
    if (r >= 0 && action->append != NULL)
        r = action->append(client, m);
    if (r >= 0)
        r = sd_bus_call_async(client->bus, NULL, m, on_reply, job, CALL_TIMEOUT);
    return r;
}

/* Works until the answer is there; without one, the connection is gone. */
static void wait_for(Client *client, Job *job)
{
    int r = job->r;

    while (r >= 0 && job->reply == NULL) {
        r = sd_bus_process(client->bus, NULL);
        if (r == 0)
            r = sd_bus_wait(client->bus, UINT64_MAX);
        if (r == -EINTR)
            r = 0;
    }
    if (job->reply == NULL)
        job->r = r;
}

static int finish(Client *client, const Action *action, const char *name, size_t n, Job *job,
                  Table *table)
{
    const sd_bus_error *error;
    int r;

    if (job->told)
        return EXIT_FAILURE;
    wait_for(client, job);
    if (job->reply == NULL)
        return fail_with(client, NULL, job->r, "cannot %s %s", action->word, name);
    error = sd_bus_message_get_error(job->reply);
    if (error != NULL)
        return fail_with(client, error, 0, "cannot %s %s", action->word, name);
    if (action->print == NULL || client->options->quiet)
        return EXIT_SUCCESS;
    r = action->print(job->reply, name, n, table);
    return r < 0 ? fail_with(client, NULL, r, "cannot read the answer of %s", name) : EXIT_SUCCESS;
}

static int run(Client *client, const Action *action, char **names)
{
    _cleanup_table_ Table table = TABLE_INIT(1);
    int code = EXIT_SUCCESS;
    size_t n = 0, i;
    Job *jobs;

    while (names[n] != NULL)
        ++n;
    jobs = calloc(n, sizeof(*jobs));
    if (jobs == NULL)
        return fail("out of memory");
    if (action->print == print_urls && n > 1)
        table.n_columns = 2;

    for (i = 0; i != n; ++i)
        jobs[i].r = send_one(client, action, names[i], &jobs[i]);
    for (i = 0; i != n; ++i) {
        if (finish(client, action, names[i], n, &jobs[i], &table) != EXIT_SUCCESS)
            code = EXIT_FAILURE;
        sd_bus_message_unref(jobs[i].reply);
    }
    free(jobs);
    table_print(&table);
    return code;
}

/* The same for all servers, which is one method of the manager: one call, one question of polkit's.
 */
static int run_all(Client *client, const Action *action)
{
    _cleanup_table_ Table table = TABLE_INIT(1);
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
    int r;

    r = client_new_call(client, &m, MANAGER_PATH, MANAGER_INTERFACE, action->method);
    r = client_call(client, r, m, &error, &reply);
    if (r < 0)
        return fail_with(client, &error, r, "cannot %s", action->word);
    if (action->print != NULL && !client->options->quiet)
        r = action->print(reply, "all servers", 1, &table);
    if (r < 0)
        return fail_with(client, NULL, r, "cannot read the answer");
    table_print(&table);
    return EXIT_SUCCESS;
}

int command_start(Client *client, char **names)
{
    static const Action action = {"start", "Start", NULL, print_urls};

    return client->options->all ? run_all(client, &action) : run(client, &action, names);
}

int command_stop(Client *client, char **names)
{
    static const Action plain = {"stop", "Stop", NULL, print_counts},
                        timed = {"stop", "StopWithOptions", append_timeout, print_counts};

    if (client->options->all)
        return run_all(client, &plain);
    return run(client, client->options->timeout_usec == TIMEOUT_DEFAULT ? &plain : &timed, names);
}

int command_reload(Client *client, char **names)
{
    static const Action action = {"reload", "Reload", NULL, NULL};

    return names[0] == NULL ? run_all(client, &action) : run(client, &action, names);
}
