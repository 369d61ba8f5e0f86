/* SPDX-License-Identifier: MIT */
/* sluicectl: finds the command, connects to the bus, runs the command. */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

typedef struct Command {
    const char *name;
    size_t min, max; /* numbers of arguments */
    const char *arguments;
    int (*run)(Client *client, char **arguments);
} Command;

static const Command commands[] = {
    {"start", 0, SIZE_MAX, "NAME... or --all", command_start},
    {"stop", 0, SIZE_MAX, "NAME... or --all", command_stop},
    {"reload", 0, SIZE_MAX, "names only", command_reload},
    {"status", 0, SIZE_MAX, "names only", command_status},
    {"list", 0, 0, "no argument", command_list},
    {"monitor", 0, SIZE_MAX, "names only", command_monitor},
    {"check", 1, SIZE_MAX, "FILE...", command_check},
    {"attach", 1, 1, "one NAME", command_attach},
};

static const Command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); ++i)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static size_t count(char *const *arguments)
{
    size_t n = 0;

    while (arguments[n] != NULL)
        ++n;
    return n;
}

/* 0, or EXIT_USAGE when the options do not go with the command. */
static int check_options(const Command *command, const Options *options, size_t n)
{
    bool start = command->run == command_start, stop = command->run == command_stop;

    if (options->all && !start && !stop)
        return usage("--all goes with start and stop only");
    if (options->timeout_usec != TIMEOUT_DEFAULT && (!stop || options->all))
        return usage("--timeout= goes with stop NAME... only");
    if (n < command->min || n > command->max || ((start || stop) && (n == 0) != options->all))
        return usage("%s takes %s", command->name, command->arguments);
    return 0;
}

int main(int argc, char *argv[])
{
    char list[] = "list", *by_default[] = {list, NULL};
    const Command *command;
    char **arguments;
    Options options;
    Client client;
    int r;

    setlocale(LC_CTYPE, "");
    r = options_parse(&options, &arguments, argc, argv);
    if (r <= 0)
        return r < 0 ? EXIT_USAGE : EXIT_SUCCESS;
    if (arguments[0] == NULL)
        arguments = by_default;
    command = find_command(arguments[0]);
    if (command == NULL)
        return usage("there is no command '%s'", arguments[0]);
    r = check_options(command, &options, count(arguments + 1));
    if (r != 0)
        return r;

    if (client_open(&client, &options) < 0)
        return EXIT_FAILURE;
    r = command->run(&client, arguments + 1);
    client_close(&client);
    return r;
}
