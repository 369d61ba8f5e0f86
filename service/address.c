/* SPDX-License-Identifier: MIT */
/* See address.h. */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

void address_set_port(Address *address, uint16_t port)
{
    if (address->sa.ss_family == AF_INET)
        ((struct sockaddr_in *)&address->sa)->sin_port = htons(port);
    else if (address->sa.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&address->sa)->sin6_port = htons(port);
}

int port_parse(const char *text, uint16_t *ret)
{
    unsigned long value;
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return -EINVAL;
    errno = 0;
    value = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || value > UINT16_MAX)
        return -EINVAL;
    *ret = (uint16_t)value;
    return 0;
}

int address_from_path(Address *ret, const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    if (path[0] == '\0')
        return -EINVAL;
    if (strlen(path) >= sizeof(un.sun_path))
        return -ENAMETOOLONG;
    strcpy(un.sun_path, path);
    *ret = (Address){.length = sizeof(un)};
    memcpy(&ret->sa, &un, sizeof(un));
    return 0;
}

int address_parse(Address *ret, const char *text)
{
    char host[INET6_ADDRSTRLEN + 2];
    const char *colon = strrchr(text, ':');
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    size_t length;
    uint16_t port;

    if (strncmp(text, "unix:", 5) == 0)
        return address_from_path(ret, text + 5);
    if (colon == NULL || port_parse(colon + 1, &port) < 0)
        return -EINVAL;
    length = (size_t)(colon - text);
    if (length >= sizeof(host))
        return -EINVAL;
    memcpy(host, text, length);
    host[length] = '\0';
    if (inet_pton(AF_INET, host, &in.sin_addr) == 1) {
        in.sin_port = htons(port);
        *ret = (Address){.length = sizeof(in)};
        memcpy(&ret->sa, &in, sizeof(in));
        return 0;
    }
    if (length < 2 || host[0] != '[' || host[length - 1] != ']')
        return -EINVAL;
    host[length - 1] = '\0';
    if (inet_pton(AF_INET6, host + 1, &in6.sin6_addr) != 1)
        return -EINVAL;
    in6.sin6_port = htons(port);
    *ret = (Address){.length = sizeof(in6)};
    memcpy(&ret->sa, &in6, sizeof(in6));
    return 0;
}

int address_from_socket(Address *ret, int fd)
{
    Address address = {.length = sizeof(address.sa)};

    if (getsockname(fd, (struct sockaddr *)&address.sa, &address.length) < 0)
        return -errno;
    /* The kernel gives a path's real length; ours is always that of the whole structure. */
    if (address.sa.ss_family == AF_UNIX)
        address.length = sizeof(struct sockaddr_un);
    *ret = address;
    return 0;
}

char *address_format(const Address *address, char text[ADDRESS_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN];

    switch (address->sa.ss_family) {
    case AF_INET: {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&address->sa;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        snprintf(text, ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(in->sin_port));
        break;
    }
    case AF_INET6: {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->sa;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        snprintf(text, ADDRESS_TEXT_MAX, "[%s]:%u", host, ntohs(in6->sin6_port));
        break;
    }
    case AF_UNIX: {
        const struct sockaddr_un *un = (const struct sockaddr_un *)&address->sa;
        snprintf(text, ADDRESS_TEXT_MAX, "unix:%s", un->sun_path);
        break;
    }
    default:
        snprintf(text, ADDRESS_TEXT_MAX, "address family %d", address->sa.ss_family);
        break;
    }
    return text;
}

char *address_to_url(const Address *address, bool tls)
{
    char text[ADDRESS_TEXT_MAX], *url = NULL;

    address_format(address, text);
    if (address->sa.ss_family == AF_UNIX)
        return strdup(text);
    if (asprintf(&url, "%s://%s/", tls ? "https" : "http", text) < 0)
        return NULL;
    return url;
}

bool address_equal(const Address *a, const Address *b)
{
    char left[ADDRESS_TEXT_MAX], right[ADDRESS_TEXT_MAX];

    /* Text, since structures carry padding, flow labels and what follows a path's end. */
    return a->sa.ss_family == b->sa.ss_family &&
           strcmp(address_format(a, left), address_format(b, right)) == 0;
}

bool address_is_wildcard(const Address *address)
{
    if (address->sa.ss_family == AF_INET)
        return ((const struct sockaddr_in *)&address->sa)->sin_addr.s_addr == htonl(INADDR_ANY);
    return address->sa.ss_family == AF_INET6 &&
           IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)&address->sa)->sin6_addr);
}

bool address_overlaps(const Address *a, const Address *b)
{
    /* Listeners for IPv6 are for IPv6 only. */
    return address_equal(a, b) ||
           (a->sa.ss_family == b->sa.ss_family && a->sa.ss_family != AF_UNIX &&
            address_get_port(a) == address_get_port(b) &&
            (address_is_wildcard(a) || address_is_wildcard(b)));
}

uint16_t address_get_port(const Address *address)
{
    if (address->sa.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&address->sa)->sin_port);
    if (address->sa.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&address->sa)->sin6_port);
    return 0;
}
