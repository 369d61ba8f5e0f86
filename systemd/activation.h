/* SPDX-License-Identifier: MIT */
/*
 * Sockets that the service manager hands to the daemon when it starts it: those of socket units
 * (sd_listen_fds(3)), named by FileDescriptorName=, and those that an earlier run of the daemon had
 * put into the service manager's store. Also the store itself: a socket in it stays
 * open, and goes on queueing connections, while the daemon is restarted.
 */
#ifndef SLUICE_ACTIVATION_H
#define SLUICE_ACTIVATION_H

#include <stdbool.h>
#include <stddef.h>

typedef struct ActivationSocket {
    int fd;
    char *name;  /* of the server it is for; "" if the unit does not say */
    bool stored; /* from the store: the server's own, not a socket unit's */
} ActivationSocket;

/*
 * Takes all sockets out of the environment, which does not name them any more; to be called before
 * the process opens anything. Returns their number, -EBADF if one of them is not there, or another
 * negative errno; the caller owns the array, the names and the descriptors.
 */
int activation_take(ActivationSocket **ret);
void activation_free(ActivationSocket *sockets, int n);

/*
 * Puts `fds` into the store for `server`, besides what is there; a socket that is there already is
 * not stored twice. With none, takes all of the server's out. Does nothing without a service
 * manager, or with one that has no store, or no room in it, for us. Returns 0, or a negative errno
 * if it could not be told.
 */
int activation_store(const char *server, const int *fds, size_t n);

#endif
