/* SPDX-License-Identifier: MIT */
/* The command line of sluiced. */
#ifndef SLUICE_PROGRAM_OPTIONS_H
#define SLUICE_PROGRAM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum ProgramAction {
    PROGRAM_RUN,
    PROGRAM_CHECK, /* `check_file` */
    PROGRAM_EXIT,  /* help or version was printed */
} ProgramAction;

typedef struct ProgramOptions {
    ProgramAction action;
    bool user;               /* --user; else --system */
    const char *address;     /* --address=; points into argv */
    char **config_dirs;      /* owned, NULL-terminated */
    unsigned n_threads;      /* 0: one per CPU */
    uint64_t exit_idle_usec; /* UINT64_MAX: stay */
    const char *check_file;
} ProgramOptions;

/*
 * Reads the arguments, with the environment for the default directories. Complains on standard
 * error and returns -EINVAL if they make no sense; -ENOMEM.
 */
int program_options_parse(ProgramOptions *ret, int argc, char *argv[]);
void program_options_clear(ProgramOptions *options);

#endif
