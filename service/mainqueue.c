/* SPDX-License-Identifier: MIT */
/* See mainqueue.h. */
#include "mainqueue.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct MainQueue {
    int fd;
    sd_event_source *source;
    pthread_mutex_t mutex;
    MainMessage *first, **last; /* under the mutex */
};

static int on_wakeup(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    MainQueue *queue = userdata;
    MainMessage *message, *next;
    uint64_t count;

    while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&queue->mutex);
    message = queue->first;
    queue->first = NULL;
    queue->last = &queue->first;
    pthread_mutex_unlock(&queue->mutex);
    for (; message != NULL; message = next) {
        next = message->next;
        message->run(message);
    }
    return 0;
}

void mainqueue_wait(MainQueue *queue)
{
    struct pollfd poll_fd = {.fd = queue->fd, .events = POLLIN};

    poll(&poll_fd, 1, -1);
    on_wakeup(NULL, queue->fd, 0, queue);
}

int mainqueue_new(MainQueue **ret, sd_event *event)
{
    MainQueue *queue = calloc(1, sizeof(*queue));
    int r;

    if (queue == NULL)
        return -ENOMEM;
    queue->last = &queue->first;
    pthread_mutex_init(&queue->mutex, NULL);
    if ((queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        r = -errno;
    else
        r = sd_event_add_io(event, &queue->source, queue->fd, EPOLLIN, on_wakeup, queue);
    if (r < 0) {
        mainqueue_free(queue);
        return r;
    }
    *ret = queue;
    return 0;
}

MainQueue *mainqueue_free(MainQueue *queue)
{
    if (queue == NULL)
        return NULL;
    sd_event_source_disable_unref(queue->source);
    if (queue->fd >= 0)
        close(queue->fd);
    pthread_mutex_destroy(&queue->mutex);
    free(queue);
    return NULL;
}

void mainqueue_send(MainQueue *queue, MainMessage *message)
{
    uint64_t one = 1;
    int wake;

    message->next = NULL;
    pthread_mutex_lock(&queue->mutex);
    wake = queue->first == NULL;
    *queue->last = message;
    queue->last = &message->next;
    pthread_mutex_unlock(&queue->mutex);
    /* Cannot fail: the counter is never near its limit, as only the first message adds to it. */
    while (wake && write(queue->fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}
