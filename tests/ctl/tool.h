/* SPDX-License-Identifier: MIT */
/* sluicectl ($SLUICECTL) as a child of the test, on the fixture's bus. */
#ifndef SLUICE_TESTS_TOOL_H
#define SLUICE_TESTS_TOOL_H

#include "fixture.h"

/* Starts it with these arguments, separated by single spaces, as the user `uid` or, with -1, us. */
Child *tool_spawn(Fixture *f, const char *arguments, uid_t uid);

/* Runs it to its end; the output is kept in the child, which is for the caller to free. */
Child *tool_run(Fixture *f, const char *arguments);

/* The same; fails the test unless the exit status and standard output are these. */
void tool_check(Fixture *f, const char *arguments, int status, const char *out);

/* The same; the message on standard error must have `needle` in it. */
void tool_check_error(Fixture *f, const char *arguments, int status, const char *needle);

#endif
