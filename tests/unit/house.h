/* SPDX-License-Identifier: MIT */
/*
 * What the tests of servers stand on: a manager on an event loop of its own, without a bus, over a
 * temporary directory; a log of what it tells; and a web client that blocks.
 *
 * The test's thread is the main thread: nothing of the manager happens but in house_wait*() and in
 * the calls that a test makes, while the workers serve all the time. Waiting ends when what is
 * waited for happens, or fails the test after HOUSE_TIMEOUT.
 */
#ifndef SLUICE_TESTS_HOUSE_H
#define SLUICE_TESTS_HOUSE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "manager.h"

#define HOUSE_TIMEOUT (120 * G_USEC_PER_SEC)

typedef struct House {
    char *directory; /* servers/ and www/index.html, which says "hello\n", are below */
    sd_event *event;
    Manager *manager;
    GPtrArray *log; /* of strings, see house_take_log() */
} House;

/* An operation's answer. The callback must come exactly once. */
typedef struct Answer {
    House *house;
    const char *name; /* in the log */
    unsigned n;       /* how often it came */
    ErrorCode code;
    char *message; /* of the error, or NULL */
    char **urls;
    uint32_t drained, cut;
} Answer;

/* Ignores SIGPIPE and hides the environment; then g_test_init(). */
void house_init(int *argc, char ***argv);

/* `n_threads` workers; the manager has read its directories. */
House *house_new(unsigned n_threads);
/* As above, over a directory made before: what house_write() needs comes first. */
House *house_prepare(void);
void house_open(House *house, unsigned n_threads);
/* With these options, but the house's directory, and with an observer or the house's own if NULL.
 */
void house_open_as(House *house, const ManagerOptions *options, const ManagerObserver *observer);
/* Ends as the daemon does: stops every server at once, then frees the manager. */
void house_close(House *house);
/* The same if it is open, and removes the directory. */
void house_free(House *house);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(House, house_free)

/* ---- Configurations ---- */

/* Writes servers/NAME.conf; the text is a format. */
void house_write(House *house, const char *name, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* One that serves www/ on a free port of 127.0.0.1, with `more` at the top level. */
void house_write_static(House *house, const char *name, const char *more);
void house_remove(House *house, const char *name);
Server *house_get(House *house, const char *name);

/* ---- Operations ---- */

/* These begin an operation and return its answer, which the house frees. */
Answer *house_start(House *house, const char *server, const char *name);
Answer *house_stop(House *house, const char *server, const char *name, uint64_t timeout_usec);
Answer *house_reload(House *house, const char *server, const char *name);
Answer *house_manage(House *house, const char *name,
                     void (*operation)(Manager *, ManagerCallback, void *));

/* Runs the loop until the answer has come; fails the test if it is an error. */
void house_wait(House *house, Answer *answer);
/* The same for an error of this code; its message. */
const char *house_wait_error(House *house, Answer *answer, ErrorCode code);
/* Starts a server and waits. Returns its first URL, which belongs to the server. */
const char *house_run(House *house, const char *server);
/* Stops a server at once and waits. */
void house_end(House *house, const char *server);
/* Runs the loop until `check` says so. */
void house_wait_until(House *house, bool (*check)(House *, void *), void *userdata);
/* Lets the loop run `n` times, without waiting. */
void house_turn(House *house, unsigned n);

/*
 * What has happened since the last call, one word each, with spaces between: "www:stopped>starting"
 * for a transition, "www:Generation,Listen" for properties, "+www" and "-www" for servers that
 * came and went, "idle" and "busy", and "NAME=ok" or "NAME=CODE" for answers. Belongs to the house
 * until the next call.
 */
const char *house_take_log(House *house);

/* ---- Web ---- */

/* Connects to a URL like http://127.0.0.1:8080/ or unix:/path. Returns -errno if that fails. */
int web_connect(const char *url);
/* Sends a request for a path, to be kept alive. */
void web_send(int fd, const char *path);
void web_send_raw(int fd, const char *text);
/*
 * Receives one answer with a Content-Length, or to the end. Returns the status, 0 if the
 * connection ended before; `ret_text` takes head and body and may be NULL; g_free() it.
 */
unsigned web_receive(int fd, char **ret_text);
/* One request on a connection of its own. */
unsigned web_get(const char *url, const char *path);
/* Waits until the peer closes or resets. Runs the loop, unlike those above. */
void house_wait_closed(House *house, int fd);
/* True if the peer has closed or reset by now. */
bool web_is_closed(int fd);

/* Listens on a free port of 127.0.0.1, and accepts. */
int web_listen(uint16_t *ret_port);
int web_accept(int listener);

#endif
