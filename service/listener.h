/* SPDX-License-Identifier: MIT */
/*
 * A listening socket. It is shared by the generations of a server that use it, so that a reload
 * never closes what it keeps; the workers accept on duplicates of its descriptor. Main thread only.
 *
 * One that the service manager passed in is either the server's own, made by an earlier run of the
 * daemon, or inherited from a socket unit. An inherited socket is never closed, for the service
 * manager goes on with the same one after us; while its server is stopped it refuses.
 */
#ifndef SLUICE_LISTENER_H
#define SLUICE_LISTENER_H

#include <systemd/sd-event.h>

#include "address.h"
#include "config.h"
#include "error.h"
#include "keeper.h"

typedef struct Listener {
    unsigned n_refs;
    int fd;
    bool inherited;
    bool kept;    /* the service manager stores it for the next run: leave it as it is */
    bool refuses; /* inherited, and its server is stopped */
    sd_event_source *refuser; /* accepts and closes at once, where that is the only way to refuse */
    Keeper *keeper;           /* while the socket is shut */
    char *name;               /* an inherited socket's FileDescriptorName=, whom it is for */
    Address wanted;           /* as configured: port 0 stays 0 */
    Address bound;            /* what it came to */
    bool dual_stack;          /* bound to [::], and takes connections over IPv4 as well */
    bool taken;   /* open_listeners() has given it to an entry of the new configuration */
    bool unlink;  /* a Unix socket we made: remove its path in the end */
    dev_t device; /* of that path, so that nothing else is removed */
    ino_t inode;
} Listener;

/*
 * Binds and listens. Errors: ADDRESS_IN_USE, LISTEN_FAILED "ADDRESS: errno text
 * (FILE:LINE:COLUMN)". A path at which nobody listens any more is taken over; anything else there
 * is left alone.
 */
int listener_new(Listener **ret, const ConfigListen *config, Error *error);

/*
 * Takes `fd`, also on failure. Errors: LISTEN_FAILED if it is not a stream socket that listens, on
 * IPv4, IPv6 or a path.
 */
int listener_from_fd(Listener **ret, int fd, bool inherited, Error *error);

/*
 * Refuses connections on an inherited socket, or accepts them again. If it may be shut, a TCP
 * socket leaves the state LISTEN and comes back to it. A Unix socket would not come back, and one
 * whose port the kernel chose would come back on another; of these, connections are accepted and
 * closed. Nobody else can take the address of one that is shut; accepting again may fail with
 * ADDRESS_IN_USE all the same.
 */
void listener_refuse(Listener *listener, sd_event *event, bool may_shut);
int listener_accept_again(Listener *listener, Error *error);

/* One that refuses does so by being shut from now on, if that can be done. */
void listener_refuse_anew(Listener *listener, sd_event *event);

/*
 * Does what shutting takes but can be done before: who gets into the accept queue between the last
 * look at it and listener_refuse() is reset.
 */
void listener_prepare_to_refuse(Listener *listener);

/*
 * Makes owner and permission of a Unix socket what the configuration says, if its path still is the
 * socket's.
 */
int listener_adapt(Listener *listener, const ConfigListen *config, Error *error);

/* True if it takes the connections to `address`, as it stands in a configuration. */
bool listener_serves(const Listener *listener, const Address *address);

/* Accepts NULL, returns it. */
Listener *listener_ref(Listener *listener);

/* Closes the socket with the last reference. Accepts NULL, returns NULL. */
Listener *listener_unref(Listener *listener);

#endif
