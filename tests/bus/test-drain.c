/* SPDX-License-Identifier: MIT */
/*
 * What becomes of connections at Stop and Reload, whatever they are doing: a download, an upload,
 * half a request, nothing, a WebSocket, HTTP/2, a TLS handshake. Timeouts of the HTTP side are set
 * to an hour, so that what ends a connection is the Stop and nothing else.
 */
#include "fixture.h"

#define PATH server_path("www")

#define PATIENT                                                                                    \
    "sluice.stop-timeout: 3600\n"                                                                  \
    "http1-request-timeout: 3600\n"                                                                \
    "http2-idle-timeout: 3600\n"                                                                   \
    "handshake-timeout: 3600"

#define LARGE ((gsize)20 * 1024 * 1024)

/* ---- Stop ---- */

static guint32 get_number(Fixture *f, const char *property)
{
    g_autoptr(GVariant) value = fixture_get_property(f, "www", property);

    return g_variant_get_uint32(value);
}

static void assert_text(Fixture *f, const char *property, const char *expected)
{
    g_autoptr(GVariant) value = fixture_get_property(f, "www", property);

    g_assert_cmpstr(g_variant_get_string(value, NULL), ==, expected);
}

static guint32 send_stop(Fixture *f, guint64 timeout_usec)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "timeout-usec", "t", timeout_usec);
    return client_send(fixture_get_client(f), PATH, NULL, "StopWithOptions",
                       g_variant_new("(@a{sv})", g_variant_dict_end(&dict)));
}

/* Asserts the counts in the reply, those in the last StateChanged, and the Result that fits. */
static void assert_stopped(Fixture *f, guint32 serial, guint drained, guint cut)
{
    Client *client = fixture_get_client(f);
    g_autoptr(GVariant) reply = client_receive(client, serial), details = NULL;
    g_autofree char *counts = g_strdup_printf("(uint32 %u, uint32 %u)", drained, cut),
                    *told = g_strdup_printf(
                        "{'reason': <'request'>, 'drained': <uint32 %u>, 'cut': <uint32 %u>}",
                        drained, cut);

    assert_prints(reply, counts);
    details = client_get_details(client, PATH, "stopped", 0, client_place_of_reply(client, serial));
    assert_prints(details, told);
    assert_text(f, "State", "stopped");
    assert_text(f, "Result", cut != 0 ? "timeout" : "success");
    g_assert_cmpuint(get_number(f, "Connections"), ==, 0);
    g_assert_cmpuint(get_number(f, "Draining"), ==, 0);
}

/* Unlike web_is_refused() it makes no connection, which would be counted. */
static gboolean is_deaf(gpointer userdata)
{
    const guint16 *port = userdata;
    g_autofree char *table = NULL, *line = g_strdup_printf(":%04X 00000000:0000 0A ", *port);
    g_autoptr(GError) error = NULL;

    g_file_get_contents("/proc/net/tcp", &table, NULL, &error);
    g_assert_no_error(error);
    return strstr(table, line) == NULL;
}

/* Waits until no worker listens any more: all have heard of the Stop. */
static void wait_deaf(const char *url)
{
    guint16 port = url_get_port(url);

    wait_until(is_deaf, &port, "the port to be closed");
}

/* Sends Stop, with the patience of an hour, and waits until the workers know. */
static guint32 begin_stop(Fixture *f, const char *url)
{
    guint32 serial = client_send(fixture_get_client(f), PATH, NULL, "Stop", NULL);

    wait_deaf(url);
    assert_text(f, "State", "stopping");
    return serial;
}

typedef struct Count {
    Fixture *f;
    const char *property;
    guint n;
} Count;

static gboolean count_is(gpointer userdata)
{
    const Count *count = userdata;

    return get_number(count->f, count->property) == count->n;
}

/* Waits until `property` says so: that a connection, of which no answer tells, was accepted. */
static void wait_count(Fixture *f, const char *property, guint n)
{
    Count count = {f, property, n};

    wait_until(count_is, &count, property);
}

/* ---- Sockets ---- */

static void send_bytes(GSocket *socket, const void *bytes, gsize length)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_socket_send(socket, bytes, length, NULL, &error), ==, (gssize)length);
    g_assert_no_error(error);
}

/* Appends what comes next; FALSE at the end, be it a reset. */
static gboolean receive_some(GSocket *socket, GString *text)
{
    g_autoptr(GError) error = NULL;
    char buffer[65536];
    gssize n = g_socket_receive(socket, buffer, sizeof(buffer), NULL, &error);

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED))
        return FALSE;
    g_assert_no_error(error);
    g_string_append_len(text, buffer, n);
    return n != 0;
}

/* Reads until `needle` has come. */
static void receive_until(GSocket *socket, GString *text, const char *needle)
{
    while (strstr(text->str, needle) == NULL)
        g_assert_true(receive_some(socket, text));
}

static void receive_rest(GSocket *socket, GString *text)
{
    while (receive_some(socket, text))
        ;
}

/* ---- A download ---- */

/* Asks for a file that no socket buffers can hold, and reads the head of the answer. */
static GSocket *begin_download(Fixture *f, char **ret_url, GString *text)
{
    g_autofree char *file = fixture_path(f, "www/large"), *content = g_malloc(LARGE);
    g_autoptr(GError) error = NULL;
    GSocket *socket;

    fixture_write_static(f, "www", PATIENT);
    memset(content, 'x', LARGE);
    g_file_set_contents(file, content, (gssize)LARGE, &error);
    g_assert_no_error(error);
    *ret_url = fixture_start(f, "www");
    socket = web_connect(*ret_url);
    web_request(socket, "/large");
    receive_until(socket, text, "\r\n\r\n");
    return socket;
}

static void test_download_finishes(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *url = NULL;
    g_autoptr(GSocket) socket = begin_download(f, &url, text);
    guint32 stop = begin_stop(f, url);
    gsize head;

    g_assert_true(g_str_has_prefix(text->str, "HTTP/1.1 200 "));
    receive_rest(socket, text);
    head = (gsize)(strstr(text->str, "\r\n\r\n") - text->str) + 4;
    g_assert_cmpuint(text->len, ==, head + LARGE);
    assert_stopped(f, stop, 1, 0);
}

static void test_download_unread(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *url = NULL;
    g_autoptr(GSocket) socket = begin_download(f, &url, text);

    assert_stopped(f, send_stop(f, G_USEC_PER_SEC / 5), 0, 1);
    receive_rest(socket, text);
    g_assert_cmpuint(text->len, <, LARGE);
}

/* ---- An upload ---- */

static GSocket *begin_upload(Fixture *f, const Upstream *upstream, char **ret_url)
{
    GSocket *socket;

    fixture_write_proxy(f, "www", upstream, PATIENT);
    *ret_url = fixture_start(f, "www");
    socket = web_connect(*ret_url);
    web_send(socket, "POST / HTTP/1.1\r\nHost: default\r\nContent-Length: 10\r\n\r\nhello");
    wait_count(f, "Connections", 1);
    return socket;
}

static void test_upload_finishes(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Upstream) upstream = upstream_new();
    g_autofree char *url = NULL, *head = NULL, *body = NULL;
    g_autoptr(GSocket) socket = begin_upload(f, upstream, &url), behind = NULL;
    guint32 stop = begin_stop(f, url);

    web_send(socket, "world");
    behind = upstream_accept(upstream);
    upstream_reply(behind, "got it");
    g_assert_cmpuint(web_receive(socket, &head, &body), ==, 200);
    g_assert_cmpstr(body, ==, "got it");
    assert_contains(head, "\r\nConnection: close\r\n");
    g_assert_true(web_is_closed(socket));
    assert_stopped(f, stop, 1, 0);
}

static void test_upload_cut(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Upstream) upstream = upstream_new();
    g_autofree char *url = NULL;
    g_autoptr(GSocket) socket = begin_upload(f, upstream, &url);

    assert_stopped(f, send_stop(f, G_USEC_PER_SEC / 5), 0, 1);
    g_assert_true(web_is_closed(socket));
}

/* ---- Nothing, and half of something ---- */

/* Idle ones are closed at once: with an hour's patience the test would not end. */
static void test_idle(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL;
    GSocket *sockets[5];

    fixture_write_static(f, "www", PATIENT);
    url = fixture_start(f, "www");
    for (guint i = 0; i != G_N_ELEMENTS(sockets); ++i) {
        g_autofree char *head = NULL;

        sockets[i] = web_connect(url);
        web_request(sockets[i], "/");
        g_assert_cmpuint(web_receive(sockets[i], &head, NULL), ==, 200);
        assert_contains(head, "\r\nConnection: keep-alive\r\n");
    }
    assert_stopped(f, client_send(fixture_get_client(f), PATH, NULL, "Stop", NULL),
                   G_N_ELEMENTS(sockets), 0);
    for (guint i = 0; i != G_N_ELEMENTS(sockets); ++i) {
        g_assert_true(web_is_closed(sockets[i]));
        g_object_unref(sockets[i]);
    }
}

/* A deadline of zero is not for them: they have nothing to lose. */
static void test_idle_is_not_cut(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL;
    g_autoptr(GSocket) socket = NULL;

    fixture_write_static(f, "www", PATIENT);
    url = fixture_start(f, "www");
    socket = web_connect(url);
    web_request(socket, "/");
    g_assert_cmpuint(web_receive(socket, NULL, NULL), ==, 200);
    assert_stopped(f, send_stop(f, 0), 1, 0);
    g_assert_true(web_is_closed(socket));
}

/* Connected, but never a byte: nobody waits for it. */
static void test_silent(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL;
    g_autoptr(GSocket) socket = NULL;
    guint drained, cut;

    fixture_write_static(f, "www", PATIENT);
    url = fixture_start(f, "www");
    socket = web_connect(url);
    fixture_stop(f, "www", &drained, &cut);
    g_assert_cmpuint(drained, <=, 1); /* the kernel may or may not have passed it on */
    g_assert_cmpuint(cut, ==, 0);
    g_assert_true(web_is_refused(url));
}

static GSocket *begin_half_request(Fixture *f, char **ret_url)
{
    GSocket *socket;

    fixture_write_static(f, "www", PATIENT);
    *ret_url = fixture_start(f, "www");
    socket = web_connect(*ret_url);
    web_send(socket, "GET / HTTP/1.1\r\nHost: def");
    wait_count(f, "Connections", 1);
    return socket;
}

static void test_half_request_cut(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL;
    g_autoptr(GSocket) socket = begin_half_request(f, &url);

    assert_stopped(f, send_stop(f, G_USEC_PER_SEC / 5), 0, 1);
    g_assert_true(web_is_closed(socket));
}

static void test_half_request_finishes(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL, *head = NULL, *body = NULL;
    g_autoptr(GSocket) socket = begin_half_request(f, &url);
    guint32 stop = begin_stop(f, url);

    web_send(socket, "ault\r\n\r\n");
    g_assert_cmpuint(web_receive(socket, &head, &body), ==, 200);
    g_assert_cmpstr(body, ==, "hello\n");
    assert_contains(head, "\r\nConnection: close\r\n");
    g_assert_true(web_is_closed(socket));
    assert_stopped(f, stop, 1, 0);
}

static void test_refused(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Upstream) upstream = upstream_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *url = NULL;
    g_autoptr(Busy) busy = NULL;
    guint32 stop;

    fixture_write_proxy(f, "www", upstream, PATIENT);
    url = fixture_start(f, "www");
    busy = busy_new(url, upstream);
    stop = begin_stop(f, url);
    g_assert_null(web_try_connect(url, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
    busy_finish(busy);
    assert_stopped(f, stop, 1, 0);
    g_assert_true(web_is_refused(url));
}

/* ---- Upstreams ---- */

/* A request for www that `*ret_behind`, an upstream's connection, has. */
static GSocket *begin_proxied(Fixture *f, const char *more, char **ret_url, GSocket **ret_behind)
{
    g_autoptr(Upstream) upstream = upstream_new();
    GSocket *socket;

    fixture_write_proxy(f, "www", upstream, more);
    *ret_url = fixture_start(f, "www");
    socket = web_connect(*ret_url);
    web_request(socket, "/");
    *ret_behind = upstream_accept(upstream);
    return socket;
}

static void test_mute_upstream(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL;
    g_autoptr(GSocket) behind = NULL, socket = begin_proxied(f, PATIENT, &url, &behind);

    assert_stopped(f, send_stop(f, 0), 0, 1);
    g_assert_true(web_is_closed(socket));
    g_assert_true(web_is_closed(behind));
}

static void test_stalled_upstream_cut(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *url = NULL;
    g_autoptr(GSocket) behind = NULL, socket = begin_proxied(f, PATIENT, &url, &behind);

    web_send(behind, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    receive_until(socket, text, "\r\n\r\nhello");
    assert_stopped(f, send_stop(f, G_USEC_PER_SEC / 5), 0, 1);
    receive_rest(socket, text);
    g_assert_true(g_str_has_suffix(text->str, "\r\n\r\nhello"));
    g_assert_true(web_is_closed(behind));
}

static void test_stalled_upstream_finishes(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *url = NULL;
    g_autoptr(GSocket) behind = NULL, socket = begin_proxied(f, PATIENT, &url, &behind);
    guint32 stop;

    web_send(behind, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    receive_until(socket, text, "\r\n\r\nhello");
    stop = begin_stop(f, url);
    web_send(behind, "world");
    receive_rest(socket, text);
    g_assert_true(g_str_has_suffix(text->str, "\r\n\r\nhelloworld"));
    assert_stopped(f, stop, 1, 0);
}

/* The client goes first: the answer that comes is for nobody, and there is nothing to wait for. */
static void test_client_leaves(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL;
    g_autoptr(GSocket) behind = NULL, socket = begin_proxied(f, PATIENT, &url, &behind);
    guint32 stop = begin_stop(f, url);

    g_clear_object(&socket);
    upstream_reply(behind, "too late");
    assert_stopped(f, stop, 1, 0);
}

/* Requests whose upstream's name is being looked up are cut like any others. */
static void test_name_resolution(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Upstream) upstream = upstream_new();
    g_autofree char *text = NULL;

    text = g_strdup_printf("listen: {host: 127.0.0.1, port: 0}\n" PATIENT "\n"
                           "hosts: {default: {paths: {/: {proxy.reverse.url: "
                           "\"http://localhost:%u/\"}}}}\n",
                           upstream_get_port(upstream));
    fixture_write_config(f, "www", text);
    for (guint round = 0; round != 20; ++round) {
        g_autofree char *url = fixture_start(f, "www");
        g_autoptr(GVariant) reply = NULL;
        GSocket *sockets[8];
        guint drained, cut;

        for (guint i = 0; i != G_N_ELEMENTS(sockets); ++i) {
            sockets[i] = web_connect(url);
            web_request(sockets[i], "/");
        }
        if (round % 2 != 0)
            wait_count(f, "Connections", G_N_ELEMENTS(sockets));
        reply = client_receive(fixture_get_client(f), send_stop(f, round % 4 * 1000));
        g_variant_get(reply, "(uu)", &drained, &cut);
        g_assert_cmpuint(drained, ==, 0);
        if (round % 2 != 0)
            g_assert_cmpuint(cut, ==, G_N_ELEMENTS(sockets));
        for (guint i = 0; i != G_N_ELEMENTS(sockets); ++i) {
            g_assert_true(web_is_closed(sockets[i]));
            g_object_unref(sockets[i]);
        }
    }
    g_assert_cmpuint(fixture_count_started(f), ==, 1);
}

/* ---- A WebSocket ---- */

static GSocket *begin_websocket(Fixture *f, char **ret_url, GSocket **ret_behind)
{
    g_autoptr(Upstream) upstream = upstream_new();
    g_autoptr(GString) text = g_string_new(NULL);
    GSocket *socket;

    fixture_write_proxy(f, "www", upstream, PATIENT "\nproxy.websocket: ON");
    *ret_url = fixture_start(f, "www");
    socket = web_connect(*ret_url);
    web_send(socket, "GET / HTTP/1.1\r\nHost: default\r\nConnection: Upgrade\r\n"
                     "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    *ret_behind = upstream_accept(upstream);
    web_send(*ret_behind, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                          "Upgrade: websocket\r\n"
                          "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    receive_until(socket, text, "\r\n\r\n");
    g_assert_true(g_str_has_prefix(text->str, "HTTP/1.1 101 "));
    return socket;
}

/* Both ways; the tunnel does not look into what passes through it. */
static void assert_talk(GSocket *socket, GSocket *behind)
{
    g_autoptr(GString) there = g_string_new(NULL), back = g_string_new(NULL);

    web_send(socket, "ping");
    receive_until(behind, there, "ping");
    web_send(behind, "pong");
    receive_until(socket, back, "pong");
}

static void test_websocket_cut(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL;
    g_autoptr(GSocket) behind = NULL, socket = begin_websocket(f, &url, &behind);

    assert_talk(socket, behind);
    assert_stopped(f, send_stop(f, G_USEC_PER_SEC / 5), 0, 1);
    g_assert_true(web_is_closed(socket));
    g_assert_true(web_is_closed(behind));
}

static void test_websocket_finishes(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL;
    g_autoptr(GSocket) behind = NULL, socket = begin_websocket(f, &url, &behind);
    guint32 stop = begin_stop(f, url);

    assert_talk(socket, behind);
    assert_text(f, "State", "stopping");
    g_clear_object(&socket);
    assert_stopped(f, stop, 1, 0);
    g_assert_true(web_is_closed(behind));
}

/* One end does not read what the other writes: the tunnel waits for neither of its sockets. */
static void test_websocket_stuck(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL, *block = g_malloc0(65536);
    g_autoptr(GSocket) behind = NULL, socket = begin_websocket(f, &url, &behind);
    gssize n;

    do {
        g_autoptr(GError) error = NULL;

        n = g_socket_send_with_blocking(socket, block, 65536, FALSE, NULL, &error);
        if (n < 0 &&
            g_socket_condition_timed_wait(socket, G_IO_OUT, G_USEC_PER_SEC / 5, NULL, NULL))
            n = 0;
    } while (n >= 0);
    assert_stopped(f, send_stop(f, 0), 0, 1);
}

/* ---- HTTP/2 without TLS ---- */

#define H2_DATA     0
#define H2_HEADERS  1
#define H2_SETTINGS 4
#define H2_GOAWAY   7

/* The payload of the first frame of this type, or NULL; `ret_length` may be NULL. */
static const guint8 *find_frame(const GString *text, guint8 type, gsize *ret_length)
{
    const guint8 *bytes = (const guint8 *)text->str;

    for (gsize at = 0, length; at + 9 <= text->len; at += 9 + length) {
        length = (gsize)bytes[at] << 16 | (gsize)bytes[at + 1] << 8 | bytes[at + 2];
        if (at + 9 + length > text->len)
            break;
        if (bytes[at + 3] != type)
            continue;
        if (ret_length != NULL)
            *ret_length = length;
        return bytes + at + 9;
    }
    return NULL;
}

static GSocket *h2_connect(const char *url, GString *text)
{
    static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    GSocket *socket = web_connect(url);

    send_bytes(socket, hello, sizeof(hello)); /* the final zero is the last byte of SETTINGS */
    while (find_frame(text, H2_SETTINGS, NULL) == NULL)
        g_assert_true(receive_some(socket, text));
    return socket;
}

/* GET / over stream 1. */
static void h2_request(GSocket *socket)
{
    static const char request[] = "\0\0\x0c\1\5\0\0\0\1\x82\x86\x84\x41\7default";

    send_bytes(socket, request, sizeof(request) - 1);
}

static void test_http2_idle(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *url = NULL;
    g_autoptr(GSocket) socket = NULL;

    fixture_write_static(f, "www", PATIENT);
    url = fixture_start(f, "www");
    socket = h2_connect(url, text);
    h2_request(socket);
    while (find_frame(text, H2_DATA, NULL) == NULL)
        g_assert_true(receive_some(socket, text));
    g_assert_null(find_frame(text, H2_GOAWAY, NULL));
    assert_stopped(f, client_send(fixture_get_client(f), PATH, NULL, "Stop", NULL), 1, 0);
    receive_rest(socket, text);
    g_assert_nonnull(find_frame(text, H2_GOAWAY, NULL));
}

/* Not even a first request. */
static void test_http2_unused(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *url = NULL;
    g_autoptr(GSocket) socket = NULL;

    fixture_write_static(f, "www", PATIENT);
    url = fixture_start(f, "www");
    socket = h2_connect(url, text);
    assert_stopped(f, client_send(fixture_get_client(f), PATH, NULL, "Stop", NULL), 1, 0);
    receive_rest(socket, text);
    g_assert_nonnull(find_frame(text, H2_GOAWAY, NULL));
}

static void test_http2_finishes(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Upstream) upstream = upstream_new();
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *url = NULL;
    g_autoptr(GSocket) socket = NULL, behind = NULL;
    const guint8 *body;
    gsize length = 0;
    guint32 stop;

    fixture_write_proxy(f, "www", upstream, PATIENT);
    url = fixture_start(f, "www");
    socket = h2_connect(url, text);
    h2_request(socket);
    behind = upstream_accept(upstream);
    stop = begin_stop(f, url);
    while (find_frame(text, H2_GOAWAY, NULL) == NULL)
        g_assert_true(receive_some(socket, text));
    g_assert_null(find_frame(text, H2_HEADERS, NULL));
    upstream_reply(behind, "at last");
    receive_rest(socket, text);
    body = find_frame(text, H2_DATA, &length);
    g_assert_nonnull(body);
    g_assert_cmpmem(body, length, "at last", strlen("at last"));
    assert_stopped(f, stop, 1, 0);
}

static void test_http2_cut(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Upstream) upstream = upstream_new();
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *url = NULL;
    g_autoptr(GSocket) socket = NULL, behind = NULL;

    fixture_write_proxy(f, "www", upstream, PATIENT);
    url = fixture_start(f, "www");
    socket = h2_connect(url, text);
    h2_request(socket);
    behind = upstream_accept(upstream);
    assert_stopped(f, send_stop(f, G_USEC_PER_SEC / 5), 0, 1);
    receive_rest(socket, text);
    g_assert_null(find_frame(text, H2_HEADERS, NULL));
    g_assert_true(web_is_closed(behind));
}

/* ---- TLS ---- */

/* Starts www with a certificate made for the occasion; returns its URL with http: instead. */
static char *start_tls(Fixture *f)
{
    g_autofree char *key = fixture_path(f, "key.pem"), *certificate = fixture_path(f, "cert.pem"),
                    *root = fixture_path(f, "www"), *text = NULL, *url = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocess) openssl = g_subprocess_new(
        G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error, "openssl", "req", "-x509", "-newkey", "ec",
        "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost", "-days",
        "2", "-keyout", key, "-out", certificate, NULL);

    g_assert_no_error(error);
    g_subprocess_wait_check(openssl, NULL, &error);
    g_assert_no_error(error);
    fixture_write_file(f, "www/index.html", "hello\n");
    text = g_strdup_printf(PATIENT "\nlisten: {host: 127.0.0.1, port: 0, ssl: "
                                   "{key-file: \"%s\", certificate-file: \"%s\"}}\n"
                                   "hosts: {default: {paths: {/: {file.dir: \"%s\"}}}}\n",
                           key, certificate, root);
    fixture_write_config(f, "www", text);
    url = fixture_start(f, "www");
    g_assert_true(g_str_has_prefix(url, "https://"));
    return g_strconcat("http://", url + strlen("https://"), NULL);
}

static void test_tls_handshake(void)
{
    /* The first bytes of a ClientHello of 512. */
    static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = start_tls(f);
    g_autoptr(GSocket) socket = web_connect(url);

    send_bytes(socket, hello, sizeof(hello) - 1);
    wait_count(f, "Connections", 1);
    assert_stopped(f, send_stop(f, G_USEC_PER_SEC / 5), 0, 1);
    g_assert_true(web_is_closed(socket));
}

/* A connection that has had an answer is idle, with TLS as without. */
static void test_tls_idle(void)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: default\r\n\r\n";
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = start_tls(f), *peer = g_strdup_printf("127.0.0.1:%u", url_get_port(url));
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocess) client =
        g_subprocess_new(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                             G_SUBPROCESS_FLAGS_STDERR_SILENCE,
                         &error, "openssl", "s_client", "-quiet", "-connect", peer, NULL);
    g_autoptr(GString) text = g_string_new(NULL);

    g_assert_no_error(error);
    g_output_stream_write_all(g_subprocess_get_stdin_pipe(client), request, strlen(request), NULL,
                              NULL, &error);
    g_assert_no_error(error);
    while (strstr(text->str, "\r\n\r\nhello\n") == NULL) {
        char buffer[4096];
        gssize n = g_input_stream_read(g_subprocess_get_stdout_pipe(client), buffer, sizeof(buffer),
                                       NULL, &error);

        g_assert_no_error(error);
        g_assert_cmpint(n, >, 0);
        g_string_append_len(text, buffer, n);
    }
    assert_stopped(f, client_send(fixture_get_client(f), PATH, NULL, "Stop", NULL), 1, 0);
    g_subprocess_wait(client, NULL, &error);
    g_assert_no_error(error);
}

/* ---- Reload ---- */

static void test_reload_idle(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL, *before = NULL, *after = NULL;
    g_autoptr(GSocket) socket = NULL;

    fixture_write_static(f, "www", PATIENT);
    url = fixture_start(f, "www");
    socket = web_connect(url);
    web_request(socket, "/");
    g_assert_cmpuint(web_receive(socket, &before, NULL), ==, 200);
    assert_contains(before, "\r\nConnection: keep-alive\r\n");
    fixture_reload(f, "www");
    g_assert_cmpuint(get_number(f, "Draining"), ==, 1);
    web_request(socket, "/");
    g_assert_cmpuint(web_receive(socket, &after, NULL), ==, 200);
    assert_contains(after, "\r\nConnection: close\r\n");
    g_assert_true(web_is_closed(socket));
    wait_count(f, "Draining", 0);
    g_assert_cmpuint(get_number(f, "Connections"), ==, 0);
}

/* The stop timeout is a deadline for what a reload has retired, too. */
static void test_reload_deadline(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Upstream) upstream = upstream_new();
    g_autofree char *url = NULL, *body = NULL;
    g_autoptr(Busy) old = NULL;
    g_autoptr(GSocket) socket = NULL, behind = NULL;
    guint drained, cut;

    fixture_write_proxy(f, "www", upstream,
                        "sluice.stop-timeout: 0.2\nhttp1-request-timeout: 3600");
    url = fixture_start(f, "www");
    old = busy_new(url, upstream);
    fixture_reload(f, "www");
    socket = web_connect(url);
    web_request(socket, "/");
    behind = upstream_accept(upstream);
    busy_expect_cut(old);
    wait_count(f, "Draining", 0);
    g_assert_cmpuint(get_number(f, "Connections"), ==, 1);
    assert_text(f, "State", "running");
    assert_text(f, "Result", "success");
    upstream_reply(behind, "new");
    g_assert_cmpuint(web_receive(socket, NULL, &body), ==, 200);
    g_assert_cmpstr(body, ==, "new");
    fixture_stop(f, "www", &drained, &cut);
    g_assert_cmpuint(drained, ==, 1);
    g_assert_cmpuint(cut, ==, 0);
    g_assert_true(web_is_closed(socket));
}

/* Stop takes along what a Reload has left. */
static void test_reload_stop(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Upstream) upstream = upstream_new();
    g_autofree char *url = NULL;
    g_autoptr(Busy) old = NULL, new = NULL;
    guint32 stop;

    fixture_write_proxy(f, "www", upstream, PATIENT);
    url = fixture_start(f, "www");
    old = busy_new(url, upstream);
    fixture_reload(f, "www");
    new = busy_new(url, upstream);
    stop = begin_stop(f, url);
    g_assert_cmpuint(get_number(f, "Draining"), ==, 2);
    busy_finish(new);
    busy_finish(old);
    assert_stopped(f, stop, 2, 0);
}

/* ---- The status page ---- */

/* Each asks all workers, which are about to stop; what was sent before the Stop is answered. */
static void test_status(void)
{
    g_autoptr(Fixture) f = fixture_new();

    fixture_write_config(f, "www",
                         "listen: {host: 127.0.0.1, port: 0}\n" PATIENT "\n"
                         "hosts: {default: {paths: {/: {status: ON}}}}\n");
    for (guint round = 0; round != 20; ++round) {
        g_autofree char *url = fixture_start(f, "www");
        GSocket *sockets[16];
        guint32 stop;

        for (guint i = 0; i != G_N_ELEMENTS(sockets); ++i) {
            sockets[i] = web_connect(url);
            web_request(sockets[i], "/json");
        }
        stop = client_send(fixture_get_client(f), PATH, NULL, "Stop", NULL);
        for (guint i = 0; i != G_N_ELEMENTS(sockets); ++i) {
            g_autofree char *body = NULL;

            g_assert_cmpuint(web_receive(sockets[i], NULL, &body), ==, 200);
            assert_contains(body, "\"worker-threads\"");
            g_assert_true(web_is_closed(sockets[i]));
            g_object_unref(sockets[i]);
        }
        g_variant_unref(client_receive(fixture_get_client(f), stop));
        client_forget(fixture_get_client(f));
    }
    assert_text(f, "Result", "success");
    g_assert_cmpuint(fixture_count_started(f), ==, 1);
}

int main(int argc, char *argv[])
{
    fixture_init(&argc, &argv);
    g_test_add_func("/drain/download/finishes", test_download_finishes);
    g_test_add_func("/drain/download/unread", test_download_unread);
    g_test_add_func("/drain/upload/finishes", test_upload_finishes);
    g_test_add_func("/drain/upload/cut", test_upload_cut);
    g_test_add_func("/drain/idle", test_idle);
    g_test_add_func("/drain/idle-is-not-cut", test_idle_is_not_cut);
    g_test_add_func("/drain/silent", test_silent);
    g_test_add_func("/drain/half-request/cut", test_half_request_cut);
    g_test_add_func("/drain/half-request/finishes", test_half_request_finishes);
    g_test_add_func("/drain/refused", test_refused);
    g_test_add_func("/drain/upstream/mute", test_mute_upstream);
    g_test_add_func("/drain/upstream/stalled-cut", test_stalled_upstream_cut);
    g_test_add_func("/drain/upstream/stalled-finishes", test_stalled_upstream_finishes);
    g_test_add_func("/drain/upstream/client-leaves", test_client_leaves);
    g_test_add_func("/drain/upstream/name-resolution", test_name_resolution);
    g_test_add_func("/drain/websocket/cut", test_websocket_cut);
    g_test_add_func("/drain/websocket/finishes", test_websocket_finishes);
    g_test_add_func("/drain/websocket/stuck", test_websocket_stuck);
    g_test_add_func("/drain/http2/idle", test_http2_idle);
    g_test_add_func("/drain/http2/unused", test_http2_unused);
    g_test_add_func("/drain/http2/finishes", test_http2_finishes);
    g_test_add_func("/drain/http2/cut", test_http2_cut);
    g_test_add_func("/drain/tls/handshake", test_tls_handshake);
    g_test_add_func("/drain/tls/idle", test_tls_idle);
    g_test_add_func("/drain/reload/idle", test_reload_idle);
    g_test_add_func("/drain/reload/deadline", test_reload_deadline);
    g_test_add_func("/drain/reload/stop", test_reload_stop);
    g_test_add_func("/drain/status", test_status);
    return g_test_run();
}
