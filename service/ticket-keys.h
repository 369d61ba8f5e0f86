/* SPDX-License-Identifier: MIT */
/*
 * The keys of TLS session tickets (RFC 5077, RFC 8446 §4.6.1) of one server: shared by its workers
 * and kept over reloads, so that a client can resume on any of them. A key is used for an hour to
 * seal tickets and for another hour to open them; then nobody can any more, which is what forward
 * secrecy of resumed sessions rests on.
 *
 * Reference counted, as the server and its configurations share it. Any thread.
 */
#ifndef SLUICE_TICKET_KEYS_H
#define SLUICE_TICKET_KEYS_H

#include <openssl/ssl.h>

typedef struct TicketKeys TicketKeys;

/* NULL if out of memory or of random bytes. */
TicketKeys *ticket_keys_new(void);
TicketKeys *ticket_keys_ref(TicketKeys *keys);

/* Wipes the keys with the last reference. Accepts NULL, returns NULL. */
TicketKeys *ticket_keys_unref(TicketKeys *keys);

/* Seals and opens the tickets of `context` with these keys, which must outlive it. */
void ticket_keys_attach(TicketKeys *keys, SSL_CTX *context);

/* Makes a new key as if an hour had passed; for tests. */
void ticket_keys_rotate(TicketKeys *keys);

#endif
