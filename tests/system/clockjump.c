/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into the daemon, it shows it a wall clock that jumps: by as many seconds as the file
 * /run/test/clock says. The container shares the host's clock, which is no toy.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) __attribute__((visibility("default")));
int gettimeofday(struct timeval *now, void *zone) __attribute__((visibility("default")));
time_t time(time_t *now) __attribute__((visibility("default")));

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

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int r = (int)syscall(SYS_clock_gettime, clock, now);

    if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += jump();
    return r;
}

int gettimeofday(struct timeval *now, void *zone)
{
    struct timespec precise;

    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now)
{
    struct timespec precise;

    clock_gettime(CLOCK_REALTIME, &precise);
    if (now != NULL)
        *now = precise.tv_sec;
    return precise.tv_sec;
}
