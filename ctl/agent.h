/* SPDX-License-Identifier: MIT */
/*
 * Somebody to ask for a password where no desktop does it: pkttyagent(1), a child of ours that
 * polkit knows as the agent for this process as long as it runs.
 */
#ifndef SLUICECTL_AGENT_H
#define SLUICECTL_AGENT_H

#include <sys/types.h>

/*
 * Starts the agent and waits until polkit knows of it. Not for root, which need not ask, nor
 * without a terminal, where nobody would answer: then, and where there is no pkttyagent, this
 * returns 0.
 */
pid_t agent_open(void);

/* Ends it and puts the terminal right again. Accepts 0. */
void agent_close(pid_t agent);

#endif
