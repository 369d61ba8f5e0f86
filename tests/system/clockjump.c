/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into the daemon, it shows it a wall clock that jumps: by as many seconds as the file
 * /run/test/clock says. The container shares the host's clock, which is no toy.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static time_t jump(void)
{
    char text[32] = "";
    int fd = open("/run/test/clock", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 0;
    if (read(fd, text, sizeof(text) - 1) < 0)
        text[0] = '\0';
    close(fd);
    return atol(text);
}

EXPORT int clock_gettime(clockid_t clock_id, struct timespec *tp)
{
    int r = (int)syscall(SYS_clock_gettime, clock_id, tp);

    if (r == 0 && (clock_id == CLOCK_REALTIME || clock_id == CLOCK_REALTIME_COARSE))
        tp->tv_sec += jump();
    return r;
}

EXPORT int gettimeofday(struct timeval *tv, void *tz)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    tv->tv_sec = now.tv_sec;
    tv->tv_usec = now.tv_nsec / 1000;
    return 0;
}

EXPORT time_t time(time_t *timer)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (timer != NULL)
        *timer = now.tv_sec;
    return now.tv_sec;
}
