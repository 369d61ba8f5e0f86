/* SPDX-License-Identifier: MIT */
/* See child.h. */
#include "child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLL_INTERVAL 2000 /* usec */

struct Child {
    char *name;
    pid_t pid;
    gboolean ended;
    int status; /* as wait(2) gives it */
    char *stdout_path, *stderr_path;
    char *stdout_text, *stderr_text;
};

void wait_until(WaitCheck check, gpointer userdata, const char *what)
{
    /* Counted, not timed: the clock goes on while a virtual machine is held. */
    for (gint64 n = 0; !check(userdata); ++n) {
        if (n == CHILD_TIMEOUT / POLL_INTERVAL)
            g_error("waited in vain for %s", what);
        g_usleep(POLL_INTERVAL);
    }
}

void assert_no_report(const char *text)
{
    static const char *const marks[] = {"ERROR: AddressSanitizer", "ERROR: LeakSanitizer",
                                        "WARNING: ThreadSanitizer", ": runtime error: "};

    for (size_t i = 0; i < G_N_ELEMENTS(marks); ++i)
        if (strstr(text, marks[i]) != NULL)
            g_error("a sanitizer has something to say:\n%s", strstr(text, marks[i]));
}

/* Between fork() and exec(). */
static void set_up(gpointer userdata)
{
    const uid_t *uid = userdata;

    if (*uid != (uid_t)-1 && (setresgid(*uid, *uid, *uid) < 0 || setresuid(*uid, *uid, *uid) < 0))
        _exit(127);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* in this order: the kernel forgets it with the old uid */
}

static int create(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

Child *child_new_with_fds(const char *const *arguments, char *const *environment,
                          const char *prefix, uid_t uid, const int *fds, gsize n_fds)
{
    g_autoptr(GError) error = NULL;
    g_autofree int *targets = g_new(int, n_fds + 1);
    Child *child = g_new0(Child, 1);
    int out, err;

    child->name = g_strdup(arguments[0]);
    child->stdout_path = g_strconcat(prefix, ".out", NULL);
    child->stderr_path = g_strconcat(prefix, ".err", NULL);
    out = create(child->stdout_path);
    err = create(child->stderr_path);
    for (gsize i = 0; i != n_fds; ++i)
        targets[i] = 3 + (int)i;
    g_spawn_async_with_pipes_and_fds(NULL, arguments, (const char *const *)environment,
                                     G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, set_up, &uid,
                                     -1, out, err, fds, targets, n_fds, &child->pid, NULL, NULL,
                                     NULL, &error);
    g_assert_no_error(error);
    close(out);
    close(err);
    return child;
}

Child *child_new(const char *const *arguments, char *const *environment, const char *prefix,
                 uid_t uid)
{
    return child_new_with_fds(arguments, environment, prefix, uid, NULL, 0);
}

void child_free(Child *child)
{
    if (child == NULL)
        return;
    if (!child_has_ended(child)) {
        child_kill(child, SIGKILL);
        child_wait(child);
    }
    assert_no_report(child_get_stderr(child));
    g_free(child->name);
    g_free(child->stdout_path);
    g_free(child->stderr_path);
    g_free(child->stdout_text);
    g_free(child->stderr_text);
    g_free(child);
}

pid_t child_get_pid(const Child *child)
{
    return child->pid;
}

void child_kill(const Child *child, int signal)
{
    g_assert_false(child->ended);
    g_assert_cmpint(kill(child->pid, signal), ==, 0);
}

gboolean child_has_ended(Child *child)
{
    if (!child->ended)
        child->ended = waitpid(child->pid, &child->status, WNOHANG) == child->pid;
    return child->ended;
}

static gboolean has_ended(gpointer userdata)
{
    return child_has_ended(userdata);
}

int child_wait(Child *child)
{
    wait_until(has_ended, child, child->name);
    return WIFEXITED(child->status) ? WEXITSTATUS(child->status) : 128 + WTERMSIG(child->status);
}

static const char *contents(const char *path, char **text)
{
    g_autoptr(GError) error = NULL;

    g_free(*text);
    g_file_get_contents(path, text, NULL, &error);
    g_assert_no_error(error);
    return *text;
}

const char *child_get_stdout(Child *child)
{
    return contents(child->stdout_path, &child->stdout_text);
}

const char *child_get_stderr(Child *child)
{
    return contents(child->stderr_path, &child->stderr_text);
}
