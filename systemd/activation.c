/* SPDX-License-Identifier: MIT */
/* See activation.h. */
#include "activation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

/* In front of a server's name in the store; no server's name and no sane unit has a plus sign. */
#define STORED "stored+"

int activation_take(ActivationSocket **ret)
{
    char **names = NULL;
    int i, n = sd_listen_fds_with_names(1, &names);
    ActivationSocket *sockets;

    if (n <= 0)
        return n;
    if ((sockets = calloc((size_t)n, sizeof(*sockets))) == NULL)
        n = -ENOMEM;
    for (i = 0; i < n; ++i) {
        const char *name = names[i];
        sockets[i].fd = SD_LISTEN_FDS_START + i;
        sockets[i].stored = strncmp(name, STORED, strlen(STORED)) == 0;
        sockets[i].name = strdup(sockets[i].stored ? name + strlen(STORED) : name);
        if (sockets[i].name == NULL) {
            activation_free(sockets, n);
            n = -ENOMEM;
        }
    }
    for (i = 0; names != NULL && names[i] != NULL; ++i)
        free(names[i]);
    free(names);
    if (n > 0)
        *ret = sockets;
    return n;
}

void activation_free(ActivationSocket *sockets, int n)
{
    int i;

    for (i = 0; sockets != NULL && i < n; ++i)
        free(sockets[i].name);
    free(sockets);
}

/* What the kernel takes in one message, SCM_MAX_FD of Linux. */
#define MESSAGE_FDS_MAX 253

static int store(const char *server, const int *fds, size_t n)
{
    char *state;
    int r;

    if (asprintf(&state, "%s\nFDNAME=" STORED "%s", n != 0 ? "FDSTORE=1" : "FDSTOREREMOVE=1",
                 server) < 0)
        return -ENOMEM;
    r = n != 0 ? sd_pid_notify_with_fds(0, 0, state, fds, (unsigned)n) : sd_notify(0, state);
    free(state);
    return r < 0 ? r : 0;
}

int activation_store(const char *server, const int *fds, size_t n)
{
    size_t at, some;
    int r = 0;

    if (n == 0)
        return store(server, NULL, 0);
    for (at = 0; r >= 0 && at != n; at += some) {
        some = n - at < MESSAGE_FDS_MAX ? n - at : MESSAGE_FDS_MAX;
        r = store(server, fds + at, some);
    }
    return r;
}
