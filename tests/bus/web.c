/* SPDX-License-Identifier: MIT */
/* See web.h. */
#include "web.h"

#include <errno.h>
#include <gio/gunixsocketaddress.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "child.h"

static GSocketAddress *url_to_address(const char *url)
{
    g_autofree char *host = NULL;
    const char *colon, *begin;
    guint16 port;

    if (g_str_has_prefix(url, "unix:"))
        return g_unix_socket_address_new(url + strlen("unix:"));
    g_assert_true(g_str_has_prefix(url, "http://"));
    begin = url + strlen("http://");
    colon = strrchr(begin, ':');
    g_assert_nonnull(colon);
    port = (guint16)strtoul(colon + 1, NULL, 10);
    host = *begin == '[' ? g_strndup(begin + 1, (gsize)(colon - begin) - 2)
                         : g_strndup(begin, (gsize)(colon - begin));
    return g_inet_socket_address_new_from_string(host, port);
}

guint16 url_get_port(const char *url)
{
    g_autoptr(GSocketAddress) address = url_to_address(url);

    return G_IS_INET_SOCKET_ADDRESS(address)
               ? g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(address))
               : 0;
}

/* ---- Client ---- */

GSocket *web_try_connect(const char *url, GError **error)
{
    g_autoptr(GSocketAddress) address = url_to_address(url);
    g_autoptr(GSocket) socket = NULL;

    g_assert_nonnull(address);
    socket = g_socket_new(g_socket_address_get_family(address), G_SOCKET_TYPE_STREAM, 0, error);
    if (socket == NULL)
        return NULL;
    g_socket_set_timeout(socket, WEB_TIMEOUT);
    if (!g_socket_connect(socket, address, NULL, error))
        return NULL;
    return g_steal_pointer(&socket);
}

GSocket *web_connect(const char *url)
{
    g_autoptr(GError) error = NULL;
    GSocket *socket = web_try_connect(url, &error);

    g_assert_no_error(error);
    return socket;
}

gboolean web_is_refused(const char *url)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocket) socket = web_try_connect(url, &error);

    return g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED) ||
           /* a Unix socket that is gone */
           g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

static gboolean is_refused(gpointer userdata)
{
    return web_is_refused(userdata);
}

void web_wait_refused(const char *url)
{
    wait_until(is_refused, (gpointer)url, "connections to be refused");
}

void web_send(GSocket *socket, const char *text)
{
    g_autoptr(GError) error = NULL;
    gsize length = strlen(text);

    while (length != 0) {
        gssize n = g_socket_send(socket, text, length, NULL, &error);

        g_assert_no_error(error);
        text += n;
        length -= (gsize)n;
    }
}

/* Appends what comes next; FALSE at the end of the connection. */
static gboolean receive_some(GSocket *socket, GString *text)
{
    g_autoptr(GError) error = NULL;
    char buffer[16384];
    gssize n = g_socket_receive(socket, buffer, sizeof(buffer), NULL, &error);

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED))
        return FALSE;
    g_assert_no_error(error);
    g_string_append_len(text, buffer, n);
    return n > 0;
}

/* The Content-Length in a response's head, or SIZE_MAX. */
static gsize content_length(const char *head)
{
    const char *line = strcasestr(head, "\ncontent-length:");

    return line != NULL ? strtoul(line + strlen("\ncontent-length:"), NULL, 10) : SIZE_MAX;
}

guint web_receive(GSocket *socket, char **ret_head, char **ret_body)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *head = NULL;
    gboolean more = TRUE;
    const char *end;
    gsize length;
    guint status = 0;

    while ((end = strstr(text->str, "\r\n\r\n")) == NULL && more)
        more = receive_some(socket, text);
    if (end == NULL) {
        g_assert_cmpuint(text->len, ==, 0); /* not cut in the middle of a head */
        return 0;
    }
    head = g_strndup(text->str, (gsize)(end - text->str) + 2);
    g_string_erase(text, 0, (gssize)strlen(head) + 2);
    g_assert_cmpint(sscanf(head, "HTTP/1.%*d %u", &status), ==, 1);
    length = content_length(head);
    while (text->len < length && more)
        more = receive_some(socket, text);
    if (length != SIZE_MAX)
        g_assert_cmpuint(text->len, ==, length);
    if (ret_head != NULL)
        *ret_head = g_steal_pointer(&head);
    if (ret_body != NULL)
        *ret_body = g_strdup(text->str);
    return status;
}

gboolean web_is_closed(GSocket *socket)
{
    g_autoptr(GString) text = g_string_new(NULL);

    while (receive_some(socket, text))
        ;
    return text->len == 0;
}

static void send_request(GSocket *socket, const char *path, const char *connection)
{
    g_autofree char *text = g_strdup_printf("GET %s HTTP/1.1\r\nHost: default\r\n"
                                            "Connection: %s\r\n\r\n",
                                            path, connection);

    web_send(socket, text);
}

void web_request(GSocket *socket, const char *path)
{
    send_request(socket, path, "keep-alive");
}

guint web_get(const char *url, const char *path, char **ret_body)
{
    g_autoptr(GSocket) socket = web_connect(url);

    send_request(socket, path, "close");
    return web_receive(socket, NULL, ret_body);
}

/* ---- Upstream ---- */

struct Upstream {
    GSocket *socket;
    guint16 port;
};

Upstream *upstream_new(void)
{
    g_autoptr(GSocketAddress) wanted = g_inet_socket_address_new_from_string("127.0.0.1", 0);
    g_autoptr(GSocketAddress) bound = NULL;
    g_autoptr(GError) error = NULL;
    Upstream *upstream = g_new0(Upstream, 1);

    upstream->socket = g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, 0, &error);
    g_assert_no_error(error);
    g_socket_set_timeout(upstream->socket, WEB_TIMEOUT);
    g_socket_set_listen_backlog(upstream->socket, 1024);
    g_socket_bind(upstream->socket, wanted, TRUE, &error);
    g_assert_no_error(error);
    g_socket_listen(upstream->socket, &error);
    g_assert_no_error(error);
    bound = g_socket_get_local_address(upstream->socket, &error);
    g_assert_no_error(error);
    upstream->port = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(bound));
    return upstream;
}

guint16 upstream_get_port(const Upstream *upstream)
{
    return upstream->port;
}

GSocket *upstream_accept(Upstream *upstream)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    GSocket *socket = g_socket_accept(upstream->socket, NULL, &error);

    g_assert_no_error(error);
    g_socket_set_timeout(socket, WEB_TIMEOUT);
    while (strstr(text->str, "\r\n\r\n") == NULL)
        g_assert_true(receive_some(socket, text));
    return socket;
}

void upstream_reply(GSocket *socket, const char *body)
{
    g_autofree char *text = g_strdup_printf("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n"
                                            "Connection: close\r\n\r\n%s",
                                            strlen(body), body);

    web_send(socket, text);
    g_socket_close(socket, NULL);
}

void upstream_free(Upstream *upstream)
{
    if (upstream == NULL)
        return;
    g_object_unref(upstream->socket);
    g_free(upstream);
}

/* ---- A request that is under way ---- */

struct Busy {
    GSocket *client, *behind;
};

Busy *busy_new(const char *url, Upstream *upstream)
{
    Busy *busy = g_new0(Busy, 1);

    busy->client = web_connect(url);
    web_request(busy->client, "/");
    busy->behind = upstream_accept(upstream);
    return busy;
}

void busy_finish(Busy *busy)
{
    g_autofree char *body = NULL;

    upstream_reply(busy->behind, "at last");
    g_assert_cmpuint(web_receive(busy->client, NULL, &body), ==, 200);
    g_assert_cmpstr(body, ==, "at last");
    g_assert_true(web_is_closed(busy->client));
}

void busy_expect_cut(Busy *busy)
{
    g_assert_true(web_is_closed(busy->client));
}

void busy_free(Busy *busy)
{
    if (busy == NULL)
        return;
    g_object_unref(busy->client);
    g_object_unref(busy->behind);
    g_free(busy);
}
