/* SPDX-License-Identifier: MIT */
/* See options.h. */
#include "options.h"

#include <errno.h>
#include <string.h>

static const char *type_to_words(char type)
{
    switch (type) {
    case 'b':
        return "a boolean (b)";
    case 'u':
        return "an unsigned 32-bit integer (u)";
    case 't':
        return "an unsigned 64-bit integer (t)";
    default:
        return "another type";
    }
}

/* Reads one variant into the option called `name`. */
static int option_read(sd_bus_message *m, const char *name, Option *options, size_t n_options,
                       sd_bus_error *error)
{
    Option *option = NULL;
    const char *contents;
    int r;

    for (size_t i = 0; i < n_options && option == NULL; ++i)
        if (strcmp(options[i].name, name) == 0)
            option = &options[i];
    if (option == NULL)
        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "unknown option '%s'", name);
    if (option->is_set)
        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "option '%s' is given twice",
                                 name);

    r = sd_bus_message_peek_type(m, NULL, &contents);
    if (r < 0)
        return r;
    if (strcmp(contents, (const char[]){option->type, '\0'}) != 0)
        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                 "option '%s' must be %s, not of type '%s'", name,
                                 type_to_words(option->type), contents);

    r = sd_bus_message_enter_container(m, 'v', contents);
    if (r < 0)
        return r;
    r = sd_bus_message_read_basic(m, option->type, option->value);
    if (r < 0)
        return r;
    option->is_set = true;
    return sd_bus_message_exit_container(m);
}

int options_read(sd_bus_message *m, Option *options, size_t n_options, sd_bus_error *error)
{
    const char *name;
    int r;

    r = sd_bus_message_enter_container(m, 'a', "{sv}");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        r = sd_bus_message_read_basic(m, 's', &name);
        if (r < 0)
            return r;
        r = option_read(m, name, options, n_options, error);
        if (r < 0)
            return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}
