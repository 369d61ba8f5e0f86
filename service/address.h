/* SPDX-License-Identifier: MIT */
/*
 * The address of a listener: TCP over IPv4 or IPv6, or a Unix socket's path. A plain value.
 */
#ifndef SLUICE_ADDRESS_H
#define SLUICE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

typedef struct Address {
    struct sockaddr_storage sa;
    socklen_t length;
} Address;

/* Longest text of address_format(): "unix:" and a path, or "[...]:65535". */
#define ADDRESS_TEXT_MAX 160

/* A Unix socket at `path`. Returns -ENAMETOOLONG, or -EINVAL for an empty path. */
int address_from_path(Address *ret, const char *path);

/*
 * "127.0.0.1:8080", "[::1]:0" or "unix:/path": no host names are looked up. Returns -EINVAL if the
 * text is none of these, -ENAMETOOLONG for a path that does not fit.
 */
int address_parse(Address *ret, const char *text);

/* What `fd` is bound to. Returns a negative errno. */
int address_from_socket(Address *ret, int fd);

/* "127.0.0.1:8080", "[::1]:8080", "unix:/path". Returns `text`. */
char *address_format(const Address *address, char text[ADDRESS_TEXT_MAX]);

/* "http://127.0.0.1:8080/", "https://[::1]:8443/", "unix:/path"; NULL if out of memory. */
char *address_to_url(const Address *address, bool tls);

bool address_equal(const Address *a, const Address *b);

/* True for 0.0.0.0 and [::], of any port. */
bool address_is_wildcard(const Address *address);

/* True if both cannot be listened on at once: the same, or the same port and one is for all. */
bool address_overlaps(const Address *a, const Address *b);

/* The TCP port in host order; 0 for a Unix socket. */
uint16_t address_get_port(const Address *address);

/* Does nothing to a Unix socket. */
void address_set_port(Address *address, uint16_t port);

/* Reads a port number, 0 to 65535. Returns -EINVAL for anything else. */
int port_parse(const char *text, uint16_t *ret);

#endif
