/* SPDX-License-Identifier: MIT */
/*
 * As much of a service manager as a test of sluiced needs: it listens at $NOTIFY_SOCKET, keeps the
 * descriptors that it is sent in a store, and passes these and the sockets of its "socket units" to
 * each daemon that it starts (sd_notify(3), sd_listen_fds(3)).
 *
 * What the daemons write to standard error is in the fixture's log. Every wait ends after
 * CHILD_TIMEOUT and then fails the test.
 */
#ifndef SLUICE_TESTS_SUPERVISOR_H
#define SLUICE_TESTS_SUPERVISOR_H

#include "fixture.h"

typedef struct Supervisor Supervisor;

Supervisor *supervisor_new(Fixture *f);
/* The daemons must have ended. */
void supervisor_free(Supervisor *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Supervisor, supervisor_free)

/* A variable of the environment of daemons to come, whatever it would be else. */
void supervisor_set(Supervisor *s, const char *name, const char *value);

/* A socket unit: `fd` becomes the supervisor's and is passed to each daemon by this name. */
void supervisor_add_socket(Supervisor *s, int fd, const char *name);
/* One that listens on a port of 127.0.0.1; its URL, free with g_free(). */
char *supervisor_add_port(Supervisor *s, const char *name);

/*
 * Starts sluiced with the fixture's configuration directory and these arguments, quoted for the
 * shell. The caller frees the child, after having waited for its end.
 */
Child *supervisor_start(Supervisor *s, const char *arguments);
/* The same, and waits for READY=1. */
Child *supervisor_start_ready(Supervisor *s, const char *arguments);

/* Sends a signal, waits for the end and returns the exit status as child_wait() does. */
int supervisor_end(Supervisor *s, Child *child, int signal);

/* ---- What it was told ---- */

/* True if a line like "READY=1" has come since the beginning or supervisor_forget(). */
gboolean supervisor_was_told(Supervisor *s, const char *line);
void supervisor_wait_told(Supervisor *s, const char *line);
void supervisor_forget(Supervisor *s);

/* How many descriptors of this name are in the store; all of them if NULL. */
guint supervisor_count_stored(Supervisor *s, const char *name);

#endif
