/* SPDX-License-Identifier: MIT */
/*
 * A process that a test starts, with its standard output and error kept in files. It dies with the
 * test that started it.
 */
#ifndef SLUICE_TESTS_CHILD_H
#define SLUICE_TESTS_CHILD_H

#include <gio/gio.h>
#include <sys/types.h>

typedef struct Child Child;

/*
 * Starts a program, looked for in $PATH, with these arguments (NULL-terminated, the program's name
 * first). `environment` is NULL-terminated, or NULL for one's own; `prefix` begins the paths of the
 * two files; `uid` is who it runs as, or -1.
 */
Child *child_new(const char *const *arguments, char *const *environment, const char *prefix,
                 uid_t uid);

/* The same with descriptors, which are the program's 3, 4 and so on. */
Child *child_new_with_fds(const char *const *arguments, char *const *environment,
                          const char *prefix, uid_t uid, const int *fds, gsize n_fds);

/* Kills it if it still runs; fails the test if it left a sanitizer's report. */
void child_free(Child *child);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Child, child_free)

pid_t child_get_pid(const Child *child);
void child_kill(const Child *child, int signal);
gboolean child_has_ended(Child *child);

/* Waits for the end and returns the exit status; 128 + N if signal N ended it. */
int child_wait(Child *child);

/* What it has written so far; belongs to `child`, until the next call. */
const char *child_get_stdout(Child *child);
const char *child_get_stderr(Child *child);

/* Fails the test if this text has a sanitizer's report in it. */
void assert_no_report(const char *text);

/*
 * Calls `check` until it returns TRUE, sleeping in between; fails the test, naming `what` was
 * waited for, after CHILD_TIMEOUT.
 */
#define CHILD_TIMEOUT (60 * G_USEC_PER_SEC)
typedef gboolean (*WaitCheck)(gpointer userdata);
void wait_until(WaitCheck check, gpointer userdata, const char *what);

#endif
