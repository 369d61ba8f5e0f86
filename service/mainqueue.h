/* SPDX-License-Identifier: MIT */
/*
 * Messages from the workers to the main thread: a list behind a mutex and an eventfd that wakes
 * sd-event. The mutex is held for a few instructions and never on the request path.
 */
#ifndef SLUICE_MAINQUEUE_H
#define SLUICE_MAINQUEUE_H

#include <systemd/sd-event.h>

typedef struct MainQueue MainQueue;

/* Embedded in what it is about; linked in at most one queue, once. The sender owns it until then.
 */
typedef struct MainMessage {
    struct MainMessage *next;
    void (*run)(struct MainMessage *message); /* on the main thread; may free the message */
} MainMessage;

int mainqueue_new(MainQueue **ret, sd_event *event);

/* No thread may send any more. What is still queued is dropped. Accepts NULL, returns NULL. */
MainQueue *mainqueue_free(MainQueue *queue);

/* Waits for something to be queued and runs it, for when the event loop has ended. */
void mainqueue_wait(MainQueue *queue);

/* Any thread. */
void mainqueue_send(MainQueue *queue, MainMessage *message);

#endif
