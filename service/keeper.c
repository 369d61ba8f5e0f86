/* SPDX-License-Identifier: MIT */
/* See keeper.h. The process holds one end of a socket pair: what it reads says how things ended. */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NAME "socket-keeper"

struct Keeper {
    int end; /* ours; closed by the kernel when we die */
};

static void close_others(unsigned a, unsigned b)
{
    unsigned low = a < b ? a : b, high = a < b ? b : a;

    if (low > 0)
        close_range(0, low - 1, 0);
    if (high > low + 1)
        close_range(low + 1, high - 1, 0);
    close_range(high + 1, ~0U, 0);
}

/* What ps(1) and systemctl(1) show of it: the arguments of ours are overwritten. */
static void rename_process(void)
{
    char line[4096];
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, line, sizeof(line)) : -1;

    prctl(PR_SET_NAME, NAME);
    if (n < (ssize_t)sizeof(NAME))
        return;
    memset(program_invocation_name, 0, (size_t)n);
    memcpy(program_invocation_name, NAME, sizeof(NAME));
}

/* After a fork of a program with threads: async-signal-safe functions only. */
static void __attribute__((noreturn)) keep(int end, int fd)
{
    sigset_t all;
    unsigned tries;
    char byte;
    ssize_t n;

    rename_process();
    /* A signal for the whole control group is for the daemon, which may take its time. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    close_others((unsigned)end, (unsigned)fd);
    while ((n = recv(end, &byte, 1, 0)) < 0 && errno == EINTR)
        ;
    if (n == 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
        /* What is left of the daemon may be in the way for a moment. Systemd waits for us. */
        for (tries = 0; tries != 100 && listen(fd, SOMAXCONN) < 0; ++tries)
            nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
    }
    _exit(0);
}

int keeper_new(Keeper **ret, int fd)
{
    Keeper *keeper = calloc(1, sizeof(*keeper));
    int ends[2], r;
    pid_t pid;

    if (keeper == NULL)
        return -ENOMEM;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        r = -errno;
        free(keeper);
        return r;
    }
    if ((pid = fork()) == 0) {
        close(ends[0]);
        keep(ends[1], fd);
    }
    r = pid < 0 ? -errno : 0;
    close(ends[1]);
    keeper->end = ends[0];
    if (r < 0) {
        keeper_free(keeper);
        return r;
    }
    *ret = keeper;
    return 0;
}

Keeper *keeper_free(Keeper *keeper)
{
    if (keeper == NULL)
        return NULL;
    /* It never makes the socket listen after this, however late it reads it. */
    send(keeper->end, "", 1, MSG_NOSIGNAL);
    close(keeper->end);
    free(keeper);
    return NULL;
}
