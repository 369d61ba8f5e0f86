/* SPDX-License-Identifier: MIT */
/*
 * A listening socket. It is shared by the generations of a server that use it, so that a reload
 * never closes what it keeps; the workers accept on duplicates of its descriptor. Main thread only.
 */
#ifndef SLUICE_LISTENER_H
#define SLUICE_LISTENER_H

#include "address.h"
#include "config.h"
#include "error.h"

typedef struct Listener {
    unsigned n_refs;
    int fd;
    Address wanted; /* as configured: port 0 stays 0 */
    Address bound;  /* what it came to */
    bool taken;     /* open_listeners() has given it to an entry of the new configuration */
    bool unlink;    /* a Unix socket we made: remove its path in the end */
    dev_t device;   /* of that path, so that nothing else is removed */
    ino_t inode;
} Listener;

/*
 * Binds and listens. Errors: ADDRESS_IN_USE, LISTEN_FAILED "ADDRESS: errno text
 * (FILE:LINE:COLUMN)". A path at which nobody listens any more is taken over; anything else there
 * is left alone.
 */
int listener_new(Listener **ret, const ConfigListen *config, Error *error);

/*
 * Makes owner and permission of a Unix socket what the configuration says, if its path still is the
 * socket's.
 */
int listener_adapt(Listener *listener, const ConfigListen *config, Error *error);

Listener *listener_ref(Listener *listener);

/* Closes the socket with the last reference. Accepts NULL, returns NULL. */
Listener *listener_unref(Listener *listener);

#endif
