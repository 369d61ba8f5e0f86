/* SPDX-License-Identifier: MIT */
/* See agent.h. */
#include "agent.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void run_agent(pid_t parent, int notify_fd)
{
    char number[16];

    /* Not longer than we do. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
        _exit(EXIT_FAILURE);
    fcntl(notify_fd, F_SETFD, 0);
    snprintf(number, sizeof(number), "%d", notify_fd);
    /* --fallback: an agent of the session, a desktop's, comes first. */
    execlp("pkttyagent", "pkttyagent", "--notify-fd", number, "--fallback", (char *)NULL);
    _exit(EXIT_FAILURE);
}

pid_t agent_open(void)
{
    pid_t parent = getpid(), agent;
    int fds[2];
    char byte;

    if (geteuid() == 0 || !isatty(STDIN_FILENO) || pipe2(fds, O_CLOEXEC) < 0)
        return 0;
    agent = fork();
    if (agent == 0)
        run_agent(parent, fds[1]);
    close(fds[1]);
    /* The agent closes its end when it is ready, or when it is no more. */
    if (agent > 0)
        while (read(fds[0], &byte, 1) > 0)
            ;
    close(fds[0]);
    return agent > 0 ? agent : 0;
}

void agent_close(pid_t agent)
{
    if (agent <= 0)
        return;
    kill(agent, SIGTERM);
    kill(agent, SIGCONT);
    waitpid(agent, NULL, 0);
}
