/* SPDX-License-Identifier: MIT */
/* The command line of sluicectl. */
#ifndef SLUICECTL_OPTIONS_H
#define SLUICECTL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define EXIT_USAGE       2
#define EXIT_NOT_RUNNING 3 /* status, as with systemctl(1) */

#define TIMEOUT_DEFAULT UINT64_MAX

typedef struct Options {
    bool user;           /* the user's bus instead of the system's */
    const char *address; /* the bus to connect to instead, or NULL */
    bool ask_password;   /* let polkit have somebody authenticate */
    bool quiet;
    bool legend;           /* head the columns of list */
    bool all;              /* start, stop: every server */
    uint64_t timeout_usec; /* stop: TIMEOUT_DEFAULT is the server's own */
} Options;

/*
 * Reads the options out of `argv` and leaves the command and its arguments in *ret_arguments,
 * NULL-terminated. Returns 1; 0 if there is nothing to do (--help); -EINVAL if it makes no sense,
 * which has been said then.
 */
int options_parse(Options *ret, char ***ret_arguments, int argc, char *argv[]);

/* Says that the command line makes no sense; returns EXIT_USAGE. */
int usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
