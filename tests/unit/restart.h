/* SPDX-License-Identifier: MIT */
/*
 * What tests of restarts stand on: a house whose managers come one after the other, as they do when
 * the daemon is restarted, and are passed what is in the service manager's store.
 *
 * The store is a fake one, of which there is one at a time: it keeps duplicates of what it is
 * given, as the service manager does, and notes what it was told. The state file is in the house's
 * directory.
 */
#ifndef SLUICE_TESTS_RESTART_H
#define SLUICE_TESTS_RESTART_H

#include "fixed-port.h"
#include "house.h"

/* An empty store, and a house without a manager. */
House *restart_prepare(void);
void restart_end(House *house);

/* ---- Managers ---- */

/* A manager that has read its directories, and been passed what is in the store. */
void restart_open(House *house);
/* A socket of a socket unit; `fd` stays the caller's. */
void restart_pass(House *house, int fd, const char *name);
/* What starts by itself does; none fails. */
void restart_autostart(House *house);
/* Ends one manager, and the next has all that. */
void restart_again(House *house);

/* ---- What they have told ---- */

/* The store, since the last call or restart_forget(): "+www:1 -www". */
void restart_assert_told(const char *words);
/* The observer, likewise: "www:starting/restored www:running/restored". */
void restart_assert_states(const char *words);
/* True if one of these words has come, of which there may be more. */
bool restart_has_state(const char *word);
void restart_forget(void);

unsigned restart_count_stored(void);
/* Puts a duplicate of any descriptor into the store, as if a manager had. */
void restart_store(const char *server, int fd);
void restart_empty_store(void);

/* Waits until the state file has these lines below the first one; a manager writes it when its loop
 * comes round. */
void restart_wait_state_file(House *house, const char *lines);
/* Writes it, first line and all. */
void restart_write_state_file(House *house, const char *text);

/* ---- Servers ---- */

/* One that serves www/, at `listen` if not NULL. */
void restart_write_www(House *house, const char *name, const char *listen);
/* The first one; free with g_free(). */
char *restart_get_url(House *house, const char *server);
void assert_state(House *house, const char *server, ServerState state);

void assert_serves(const char *url);
void assert_refused(const char *url);
/* Not that anybody accepts. */
void assert_listens(const char *url);
/* Connections are made, and closed from the other side. */
void assert_drops(House *house, const char *url);

#endif
