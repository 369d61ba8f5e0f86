/* SPDX-License-Identifier: MIT */
/*
 * The keeper: who makes a shut socket listen again if the daemon is killed meanwhile, and nobody
 * else does. See keeper.h.
 */
#include "sockets.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a process of its own: what a daemon does before it is killed. Writes a byte when done. */
static void __attribute__((noreturn)) shut_and_wait(int fd, int done, bool with_keeper)
{
    Keeper *keeper = NULL;

    if (with_keeper && keeper_new(&keeper, fd) < 0)
        _exit(1);
    shutdown(fd, SHUT_RD);
    if (write(done, "", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

/* Returns when that is done. */
static pid_t fork_daemon(int fd, bool with_keeper)
{
    int ends[2];
    char byte;
    pid_t pid;

    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    if ((pid = fork()) == 0)
        shut_and_wait(fd, ends[1], with_keeper);
    g_assert_cmpint(pid, >, 0);
    g_assert_cmpint(read(ends[0], &byte, 1), ==, 1);
    close(ends[0]);
    close(ends[1]);
    return pid;
}

static void kill_and_reap(pid_t pid)
{
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
}

static void test_killed(void)
{
    uint16_t port;
    int fd = bind_fixed_port("127.0.0.1", true, &port);
    Address address = address_at_port("127.0.0.1:0", port);
    gint64 end = g_get_monotonic_time() + HOUSE_TIMEOUT;
    pid_t pid = fork_daemon(fd, true);

    assert_refuses(&address);
    kill_and_reap(pid);
    while (!is_listening(fd)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
    assert_connects(&address);
    close(fd);
}

/* So it is the keeper who does it. */
static void test_killed_without(void)
{
    uint16_t port;
    int fd = bind_fixed_port("127.0.0.1", true, &port);
    Address address = address_at_port("127.0.0.1:0", port);

    kill_and_reap(fork_daemon(fd, false));
    assert_refuses(&address);
    close(fd);
}

/* It lets go of all but what it needs, and does nothing once it is told to end. */
static void test_keeper_free(void)
{
    uint16_t port;
    int fd = bind_fixed_port("127.0.0.1", true, &port), ends[2];
    Address address = address_at_port("127.0.0.1:0", port);
    Keeper *keeper = NULL;
    char byte;

    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    g_assert_cmpint(keeper_new(&keeper, fd), ==, 0);
    close(ends[1]);
    g_assert_cmpint(read(ends[0], &byte, 1), ==, 0);
    close(ends[0]);
    g_assert_cmpint(shutdown(fd, SHUT_RD), ==, 0);
    assert_refuses(&address);
    g_assert_null(keeper_free(keeper));
    reap_keeper();
    assert_refuses(&address);
    g_assert_false(is_listening(fd));
    g_assert_null(keeper_free(NULL));
    close(fd);
}

/* Several at once do not keep each other: one lives on while the other is told to end. */
static void test_keepers(void)
{
    uint16_t ports[2];
    int fds[] = {bind_fixed_port("127.0.0.1", true, &ports[0]),
                 bind_fixed_port("127.0.0.1", true, &ports[1])};
    Keeper *keepers[2] = {NULL};
    unsigned i;

    for (i = 0; i != 2; ++i)
        g_assert_cmpint(keeper_new(&keepers[i], fds[i]), ==, 0);
    keeper_free(keepers[0]);
    reap_keeper();
    g_assert_cmpint(waitpid(-1, NULL, WNOHANG), ==, 0);
    keeper_free(keepers[1]);
    reap_keeper();
    for (i = 0; i != 2; ++i)
        close(fds[i]);
}

/* Its process is there before the socket is shut, and goes if that never happens. */
static void test_prepared(void)
{
    House *house = house_prepare_loop();
    uint16_t port;
    Listener *listener = take_listener(bind_fixed_port("127.0.0.1", true, &port), true);

    listener_prepare_to_refuse(listener);
    listener_prepare_to_refuse(listener);
    g_assert_nonnull(listener->keeper);
    g_assert_false(listener->refuses);
    assert_connects(&listener->bound);
    g_assert_cmpint(listener_accept_again(listener, NULL), ==, 0);
    reap_keeper();
    assert_no_keeper();
    /* Prepared, it is shut whatever else is said. */
    listener_prepare_to_refuse(listener);
    listener_refuse(listener, house->event, false);
    assert_refuses(&listener->bound);
    listener_unref(listener);
    reap_keeper();
    house_free_loop(house);
}

int main(int argc, char **argv)
{
    house_init(&argc, &argv);
    g_test_add_func("/keeper/killed", test_killed);
    g_test_add_func("/keeper/killed-without", test_killed_without);
    g_test_add_func("/keeper/free", test_keeper_free);
    g_test_add_func("/keeper/several", test_keepers);
    g_test_add_func("/keeper/prepared", test_prepared);
    return g_test_run();
}
