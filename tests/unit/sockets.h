/* SPDX-License-Identifier: MIT */
/*
 * What the tests of listeners and of their keepers share: sockets as a service manager passes them,
 * clients of these, and a look at the processes that keep them.
 */
#ifndef SLUICE_TESTS_SOCKETS_H
#define SLUICE_TESTS_SOCKETS_H

#include "fixed-port.h"
#include "house.h"
#include "listener.h"

/* A house with an event loop, but without a manager. */
House *house_prepare_loop(void);
void house_free_loop(House *house);

/* ---- Addresses ---- */

Address parse_address(const char *text);
/* The same with another port. */
Address address_at_port(const char *text, uint16_t port);

/* Connects; -errno if that fails. */
int connect_to(const Address *address);
void assert_connects(const Address *address);
void assert_refuses(const Address *address);

/* ---- Sockets ---- */

/* A socket bound to this address, not to listen yet; and one that does. */
int bind_to(const char *text);
int listen_on(const char *text);
bool is_listening(int fd);

/* listener_from_fd(), which must succeed. */
Listener *take_listener(int fd, bool inherited);

/* ---- Keepers ---- */

/* Waits for the end of a keeper, a child of ours that was told to end. */
void reap_keeper(void);
void assert_no_keeper(void);

#endif
