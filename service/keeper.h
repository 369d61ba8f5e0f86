/* SPDX-License-Identifier: MIT */
/*
 * A process that waits for the end of this one, however it comes, and then makes a socket listen
 * again that was shut. For systemd, who also has that socket, watches it as soon as the daemon is
 * gone, and fails the socket unit when it finds it hung up (socket.c of systemd: "Got POLLHUP on a
 * listening socket"). Main thread only.
 */
#ifndef SLUICE_KEEPER_H
#define SLUICE_KEEPER_H

typedef struct Keeper Keeper;

/* To be called before the socket is shut. Errors: -ENOMEM, -EMFILE, those of fork(2). */
int keeper_new(Keeper **ret, int fd);

/* The process ends and leaves the socket alone from now on. Accepts NULL, returns NULL. */
Keeper *keeper_free(Keeper *keeper);

#endif
