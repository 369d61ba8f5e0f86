/* SPDX-License-Identifier: MIT */
/*
 * Plain blocking sockets for what a test does as a web client, and an upstream that answers when
 * the test says so, by which a request stays under way for as long as the test likes.
 *
 * URLs are those that Start replies: http://127.0.0.1:8080/, http://[::1]:8080/, unix:/path.
 * Every wait ends after WEB_TIMEOUT and then fails the test.
 */
#ifndef SLUICE_TESTS_WEB_H
#define SLUICE_TESTS_WEB_H

#include <gio/gio.h>

#define WEB_TIMEOUT 60 /* seconds */

/* The port in a URL, 0 for a Unix socket. */
guint16 url_get_port(const char *url);

/* ---- Client ---- */

/* Connects; NULL with `error` set (G_IO_ERROR_CONNECTION_REFUSED) if nobody listens. */
GSocket *web_try_connect(const char *url, GError **error);
/* Connects; the test fails if that fails. */
GSocket *web_connect(const char *url);
/* Whether a new connection is refused. */
gboolean web_is_refused(const char *url);
/* Waits until it is: when the bus tells that a server is stopping, its workers have yet to hear it.
 */
void web_wait_refused(const char *url);

void web_send(GSocket *socket, const char *text);

/*
 * Reads one HTTP/1 answer with a Content-Length, or up to the end. Returns its status, or 0 if the
 * connection ended before an answer did. `ret_head` and `ret_body` may be NULL; free with g_free().
 */
guint web_receive(GSocket *socket, char **ret_head, char **ret_body);

/* TRUE if the peer closes or resets the connection without another byte. Waits for it. */
gboolean web_is_closed(GSocket *socket);

/* Sends GET on a kept-alive connection, without waiting. */
void web_request(GSocket *socket, const char *path);

/* One GET on a connection of its own. Returns the status. */
guint web_get(const char *url, const char *path, char **ret_body);

/* ---- Upstream ---- */

typedef struct Upstream Upstream;

/* Listens on a free port of 127.0.0.1. */
Upstream *upstream_new(void);
guint16 upstream_get_port(const Upstream *upstream);
/* Waits for a connection, and reads the head of the request that comes over it. */
GSocket *upstream_accept(Upstream *upstream);
/* Answers 200 with this body, and closes. */
void upstream_reply(GSocket *socket, const char *body);
void upstream_free(Upstream *upstream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Upstream, upstream_free)

/* ---- A request that is under way ---- */

typedef struct Busy Busy;

/* Asks the proxy at `url` for /; returns when `upstream` has the request. */
Busy *busy_new(const char *url, Upstream *upstream);
/* Lets the upstream answer; the client must get 200, and then the end of the connection. */
void busy_finish(Busy *busy);
/* Waits until the connection ends; the client must not get an answer. */
void busy_expect_cut(Busy *busy);
void busy_free(Busy *busy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Busy, busy_free)

#endif
