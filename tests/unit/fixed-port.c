/* SPDX-License-Identifier: MIT */
/* See fixed-port.h. */
#include "fixed-port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Below what the kernel gives away, where the kernel's default has that begin at 32768. */
static uint16_t first_port(void)
{
    g_autofree char *text = NULL;
    unsigned low = 32768;

    if (g_file_get_contents("/proc/sys/net/ipv4/ip_local_port_range", &text, NULL, NULL))
        low = (unsigned)strtoul(text, NULL, 10);
    g_assert_cmpuint(low, >=, 12000);
    return (uint16_t)(low - 10000 + (unsigned)g_test_rand_int_range(0, 5000));
}

/* Returns -1 if the port is taken. */
static int try_port(const char *host, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    bool six = strchr(host, ':') != NULL;
    int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), off = 0, r;

    g_assert_cmpint(fd, >=, 0);
    if (six) {
        g_assert_cmpint(inet_pton(AF_INET6, host, &in6.sin6_addr), ==, 1);
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
        r = bind(fd, (struct sockaddr *)&in6, sizeof(in6));
    } else {
        g_assert_cmpint(inet_pton(AF_INET, host, &in.sin_addr), ==, 1);
        r = bind(fd, (struct sockaddr *)&in, sizeof(in));
    }
    if (r == 0)
        return fd;
    g_assert_cmpint(errno, ==, EADDRINUSE);
    close(fd);
    return -1;
}

int bind_fixed_port(const char *host, bool listens, uint16_t *ret_port)
{
    static uint16_t next;
    int fd, on = 1;
    unsigned tries = 0;

    if (next == 0)
        next = first_port();
    /* Others try ports just so. Before SO_REUSEADDR, else two of us would get the same. */
    while ((fd = try_port(host, next++)) < 0)
        g_assert_cmpuint(++tries, <, 4000);
    *ret_port = (uint16_t)(next - 1);
    g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), ==, 0);
    if (listens)
        g_assert_cmpint(listen(fd, 64), ==, 0);
    return fd;
}
