/* SPDX-License-Identifier: MIT */
/* See sockets.h. */
#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

House *house_prepare_loop(void)
{
    House *house = house_prepare();

    g_assert_cmpint(sd_event_new(&house->event), >=, 0);
    return house;
}

void house_free_loop(House *house)
{
    house->event = sd_event_unref(house->event);
    house_free(house);
}

/* ---- Addresses ---- */

Address parse_address(const char *text)
{
    Address address;

    g_assert_cmpint(address_parse(&address, text), ==, 0);
    return address;
}

Address address_at_port(const char *text, uint16_t port)
{
    Address address = parse_address(text);

    address_set_port(&address, port);
    return address;
}

int connect_to(const Address *address)
{
    int fd = socket(address->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

    g_assert_cmpint(fd, >=, 0);
    if (connect(fd, (const struct sockaddr *)&address->sa, address->length) == 0)
        return fd;
    r = -errno;
    close(fd);
    return r;
}

void assert_connects(const Address *address)
{
    int fd = connect_to(address);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
}

void assert_refuses(const Address *address)
{
    g_assert_cmpint(connect_to(address), ==, -ECONNREFUSED);
}

/* ---- Sockets ---- */

int bind_to(const char *text)
{
    Address address = parse_address(text);
    int fd = socket(address.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address.sa, address.length), ==, 0);
    return fd;
}

int listen_on(const char *text)
{
    int fd = bind_to(text);

    g_assert_cmpint(listen(fd, 64), ==, 0);
    return fd;
}

Listener *take_listener(int fd, bool inherited)
{
    _cleanup_error_ Error error = ERROR_INIT;
    Listener *listener = NULL;

    g_assert_cmpint(listener_from_fd(&listener, fd, inherited, &error), ==, 0);
    g_assert_cmpint(error.code, ==, ERROR_NONE);
    g_assert_cmpint(listener->fd, ==, fd);
    g_assert_true(listener->inherited == inherited);
    return listener;
}

bool is_listening(int fd)
{
    int value = 0;
    socklen_t length = sizeof(value);

    g_assert_cmpint(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &length), ==, 0);
    return value == 1;
}

/* ---- Keepers ---- */

void reap_keeper(void)
{
    int status = -1;

    g_assert_cmpint(waitpid(-1, &status, 0), >, 0);
    g_assert_cmpint(status, ==, 0);
}

void assert_no_keeper(void)
{
    g_assert_cmpint(waitpid(-1, NULL, WNOHANG), ==, -1);
    g_assert_cmpint(errno, ==, ECHILD);
}
