/* SPDX-License-Identifier: MIT */
/*
 * What every bus test stands on: a private bus that activates the built sluiced (path in $SLUICED),
 * a configuration directory of its own, and a client.
 *
 *     g_autoptr(Fixture) f = fixture_new();
 *     g_autofree char *url = NULL;
 *
 *     fixture_write_static(f, "www", NULL);          before the first call: read when activated
 *     url = fixture_start(f, "www");                 the bus starts sluiced
 *     g_assert_cmpuint(web_get(url, "/", NULL), ==, 200);
 *
 * When a fixture is freed, sluiced gets SIGTERM, and every instance that ran must have exited with
 * status 0 and without a sanitizer's report; so a crash fails the test even where the bus has
 * activated a new instance since. If the test itself dies, its bus dies with it, and with the bus
 * sluiced. Nothing here knows how long something takes: what is waited for either happens or, after
 * CHILD_TIMEOUT, fails the test; a failure shows what sluiced has said.
 *
 * Everything is called in the test's main thread. Waiting for something of one's own: wait_until().
 */
#ifndef SLUICE_TESTS_FIXTURE_H
#define SLUICE_TESTS_FIXTURE_H

#include <gio/gio.h>
#include <sys/types.h>

#include "child.h"
#include "client.h"
#include "web.h"

typedef struct Fixture Fixture;

/* g_test_init(), and hides the caller's own buses and configuration; call it first in main(). */
void fixture_init(int *argc, char ***argv);

/* Starts the bus. sluiced itself is activated by the first call that is made to it. */
Fixture *fixture_new(void);
void fixture_free(Fixture *f);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fixture, fixture_free)

/* ---- Files ---- */

/* A path below the fixture's temporary directory; free with g_free(). */
char *fixture_path(const Fixture *f, const char *relative);

/* Writes a file below the temporary directory, atomically, with the directories it needs. */
void fixture_write_file(const Fixture *f, const char *relative, const char *text);

/* The file servers/NAME.conf of the first configuration directory; free with g_free(). */
char *fixture_config_file(const Fixture *f, const char *name);

void fixture_write_config(const Fixture *f, const char *name, const char *text);

/*
 * A configuration that serves the directory `www`, where index.html says "hello\n", on a free port
 * of 127.0.0.1; `more` are further lines at the top level, or NULL.
 */
void fixture_write_static(const Fixture *f, const char *name, const char *more);

/* A configuration that is a proxy for `upstream`, on a free port of 127.0.0.1. */
void fixture_write_proxy(const Fixture *f, const char *name, const Upstream *upstream,
                         const char *more);

void fixture_remove_config(const Fixture *f, const char *name);

/* ---- The daemon that the bus activates ---- */

/*
 * The arguments of the next instance, quoted for the shell, besides --user and, unless there is one
 * among them, --config-dir; until then "--exit-idle-time=0", which is never. Its working directory
 * is the temporary directory.
 */
void fixture_set_arguments(Fixture *f, const char *arguments);

/* Process id of sluiced, or 0 if it does not run; for a pid that is sure, make a call first. */
pid_t fixture_get_pid(Fixture *f);

/* Sends a signal to sluiced, which must run. */
void fixture_kill(Fixture *f, int signal);

/* Numbers of instances that were started and have ended; waits until at least `n` have ended. */
guint fixture_count_started(const Fixture *f);
guint fixture_count_ended(const Fixture *f);
void fixture_wait_ended(Fixture *f, guint n);

/* Exit status of the instance that was the `n`th to end, from 0, as the shell tells it. */
int fixture_get_status(const Fixture *f, guint n);

/* Instances may end with this status as well as with 0; a sanitizer's report is still a failure. */
void fixture_allow_status(Fixture *f, int status);

/* What all instances have written to standard error so far; free with g_free(). */
char *fixture_get_log(const Fixture *f);
/* How often this text is in it. */
guint fixture_count_in_log(const Fixture *f, const char *text);

/* ---- Processes of one's own ---- */

/*
 * Starts sluiced with exactly these arguments, NULL-terminated, and with the private bus for its
 * session and system bus. Where an argument is to name the bus: fixture_get_address().
 */
Child *fixture_spawn(Fixture *f, const char *const *arguments);
/* The same for any program, and as another user unless `uid` is -1. */
Child *fixture_spawn_program(Fixture *f, const char *const *arguments, uid_t uid);
/* The same with variables ("NAME=VALUE", NULL-terminated), and descriptors from 3 on. */
Child *fixture_spawn_with_fds(Fixture *f, const char *const *arguments, uid_t uid,
                              const char *const *variables, const int *fds, gsize n_fds);

/* ---- The bus ---- */

const char *fixture_get_address(const Fixture *f);

/* Ends the bus under its clients; the fixture can then only be freed. */
void fixture_kill_bus(Fixture *f);

/* The client that the fixture comes with. */
Client *fixture_get_client(Fixture *f);

/* Waits until somebody owns org.sluice.Sluice1, or nobody does; activates nothing. */
void fixture_wait_name(Fixture *f, gboolean owned);

/*
 * The object path of a server: "www" is /org/sluice/Sluice1/server/www. Belongs to the program.
 * Knows the escapes of sd_bus_path_encode(3).
 */
const char *server_path(const char *name);

/* ---- Calls by the fixture's client, waited for ---- */

/* As g_dbus_connection_call_sync(); returns the tuple of results, or NULL with `error` set. */
GVariant *fixture_call(Fixture *f, const char *path, const char *interface, const char *method,
                       GVariant *arguments, GError **error);

/* These fail the test unless the call succeeds. The URL is the first one; free with g_free(). */
char *fixture_start(Fixture *f, const char *name);
void fixture_stop(Fixture *f, const char *name, guint *ret_drained, guint *ret_cut);
void fixture_reload(Fixture *f, const char *name);

/* A property of a server, unpacked from its variant; free with g_variant_unref() or g_free(). */
GVariant *fixture_get_property(Fixture *f, const char *name, const char *property);
char *fixture_get_state(Fixture *f, const char *name);

/* Waits until the property State says so. */
void fixture_wait_state(Fixture *f, const char *name, const char *state);

/* ---- Odds and ends ---- */

/* A TCP port of 127.0.0.1 that was free a moment ago. */
guint16 free_port(void);

#endif
