/* SPDX-License-Identifier: MIT */
/* The web client of house.h. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "address.h"
#include "house.h"

static void set_timeout(int fd)
{
    struct timeval timeout = {.tv_sec = HOUSE_TIMEOUT / G_USEC_PER_SEC};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

int web_connect(const char *url)
{
    Address address;
    int fd, r;

    if (g_str_has_prefix(url, "unix:")) {
        g_assert_cmpint(address_parse(&address, url), ==, 0);
    } else {
        g_autofree char *text = NULL;
        g_assert_true(g_str_has_prefix(url, "http://") && g_str_has_suffix(url, "/"));
        text = g_strndup(url + 7, strlen(url) - 8);
        g_assert_cmpint(address_parse(&address, text), ==, 0);
    }
    fd = socket(address.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(fd, >=, 0);
    set_timeout(fd);
    if (connect(fd, (struct sockaddr *)&address.sa, address.length) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

void web_send_raw(int fd, const char *text)
{
    size_t length = strlen(text);

    g_assert_cmpint(send(fd, text, length, MSG_NOSIGNAL), ==, length);
}

void web_send(int fd, const char *path)
{
    g_autofree char *text = g_strdup_printf("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);

    web_send_raw(fd, text);
}

/* Reads one more piece; FALSE at the end. */
static gboolean read_more(int fd, GString *text)
{
    char buffer[4096];
    ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

    if (n < 0)
        g_assert_cmpint(errno, ==, ECONNRESET);
    if (n <= 0)
        return FALSE;
    g_string_append_len(text, buffer, n);
    return TRUE;
}

unsigned web_receive(int fd, char **ret_text)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const char *end, *length;
    unsigned status = 0;
    size_t total;

    if (ret_text != NULL)
        *ret_text = NULL;
    while ((end = strstr(text->str, "\r\n\r\n")) == NULL)
        if (!read_more(fd, text))
            return 0;
    g_assert_true(g_str_has_prefix(text->str, "HTTP/1.1 "));
    status = (unsigned)strtoul(text->str + 9, NULL, 10);
    length = g_strstr_len(text->str, end - text->str, "\r\nContent-Length: ");
    total = length != NULL ? (size_t)(end + 4 - text->str) + strtoul(length + 18, NULL, 10) : 0;
    while (length == NULL || text->len < total)
        if (!read_more(fd, text)) {
            if (length != NULL)
                return 0;
            break;
        }
    if (ret_text != NULL)
        *ret_text = g_strdup(text->str);
    return status;
}

unsigned web_get(const char *url, const char *path)
{
    int fd = web_connect(url);
    unsigned status;

    g_assert_cmpint(fd, >=, 0);
    web_send(fd, path);
    status = web_receive(fd, NULL);
    close(fd);
    return status;
}

bool web_is_closed(int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    char byte;

    return poll(&poller, 1, 0) == 1 && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

static bool is_closed(House *house, void *userdata)
{
    return web_is_closed(*(int *)userdata);
}

void house_wait_closed(House *house, int fd)
{
    house_wait_until(house, is_closed, &fd);
}

int web_listen(uint16_t *ret_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    Address address;

    g_assert_cmpint(fd, >=, 0);
    set_timeout(fd);
    g_assert_cmpint(address_parse(&address, "127.0.0.1:0"), ==, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address.sa, address.length), ==, 0);
    g_assert_cmpint(listen(fd, 64), ==, 0);
    g_assert_cmpint(address_from_socket(&address, fd), ==, 0);
    *ret_port = address_get_port(&address);
    return fd;
}

int web_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    set_timeout(fd);
    return fd;
}
