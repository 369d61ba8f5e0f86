/* SPDX-License-Identifier: MIT */
/*
 * Sockets as a socket unit makes them: at a port that the kernel does not give away by itself, so
 * that the daemon dares to shut them. For the tests in tests/bus, too.
 */
#ifndef SLUICE_TESTS_FIXED_PORT_H
#define SLUICE_TESTS_FIXED_PORT_H

#include <stdbool.h>
#include <stdint.h>

/* Binds a socket to a free one of these ports of `host`, "127.0.0.1" or "::", which takes
 * connections over IPv4 as well; and listens if it should. */
int bind_fixed_port(const char *host, bool listens, uint16_t *ret_port);

#endif
