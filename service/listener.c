/* SPDX-License-Identifier: MIT */
/* See listener.h. */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 65535 /* the kernel cuts it down to net.core.somaxconn */

static int listen_error(const ConfigListen *config, int code, const char *what, Error *error)
{
    char text[ADDRESS_TEXT_MAX];
    ErrorCode kind = code == EADDRINUSE                 ? ERROR_ADDRESS_IN_USE
                     : code == EMFILE || code == ENFILE ? ERROR_LIMIT_REACHED
                                                        : ERROR_LISTEN_FAILED;

    return error_set(error, kind, "%s: %s%s%s (%s)", address_format(&config->address, text), what,
                     what[0] != '\0' ? ": " : "", strerror(code),
                     config->where != NULL ? config->where : "-");
}

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int prepare_tcp(int fd, const ConfigListen *config)
{
    int r;

    if ((r = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1)) < 0)
        return r;
    /* As h2o does: a connection is accepted once its first bytes are there. */
    if ((r = set_option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1)) < 0)
        return r;
    if (config->address.sa.ss_family == AF_INET6 &&
        (r = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) < 0)
        return r;
    /* An optimisation that a kernel may refuse. */
    if (config->fastopen > 0)
        set_option(fd, IPPROTO_TCP, TCP_FASTOPEN, config->fastopen);
    return 0;
}

/* Removes a socket at `path` that nobody listens on. Returns -EADDRINUSE if somebody does. */
static int take_over_path(const struct sockaddr_un *un)
{
    struct stat st;
    int fd, r;

    if (lstat(un->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EEXIST;
    if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
        return -errno;
    r = connect(fd, (const struct sockaddr *)un, sizeof(*un)) < 0 ? -errno : 0;
    close(fd);
    if (r != -ECONNREFUSED)
        return -EADDRINUSE;
    return unlink(un->sun_path) < 0 ? -errno : 0;
}

/* Opens the socket at its path, but nothing else that somebody may have put there. */
static int open_path(const Listener *listener)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&listener->wanted.sa;
    int fd = open(un->sun_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0 || st.st_dev != listener->device || st.st_ino != listener->inode) {
        close(fd);
        return -ENOENT;
    }
    return fd;
}

int listener_adapt(Listener *listener, const ConfigListen *config, Error *error)
{
    char path[32];
    int fd, r = 0;

    if (config->address.sa.ss_family != AF_UNIX ||
        (config->owner == (uid_t)-1 && config->mode == (mode_t)-1))
        return 0;
    if ((fd = open_path(listener)) < 0)
        return listen_error(config, -fd, "cannot find it at its path", error);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (config->owner != (uid_t)-1 &&
        fchownat(fd, "", config->owner, config->group, AT_EMPTY_PATH) < 0)
        r = listen_error(config, errno, "cannot set its owner", error);
    else if (config->mode != (mode_t)-1 && chmod(path, config->mode) < 0)
        r = listen_error(config, errno, "cannot set its permission", error);
    close(fd);
    return r;
}

static int bind_unix(Listener *listener, const ConfigListen *config, Error *error)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&config->address.sa;
    struct stat st;
    mode_t mask;
    int r;

    if ((r = take_over_path(un)) < 0)
        return listen_error(config, -r, r == -EEXIST ? "not a socket" : "", error);
    /* Nobody can connect before the permissions are what they should be. */
    mask = umask(0777);
    if (config->mode == (mode_t)-1)
        umask(mask);
    r = bind(listener->fd, (const struct sockaddr *)un, sizeof(*un)) < 0 ? errno : 0;
    umask(mask);
    if (r != 0)
        return listen_error(config, r, "", error);
    if (lstat(un->sun_path, &st) == 0) {
        listener->unlink = true;
        listener->device = st.st_dev;
        listener->inode = st.st_ino;
    }
    return listener_adapt(listener, config, error);
}

static int listener_open(Listener *listener, const ConfigListen *config, Error *error)
{
    const struct sockaddr *sa = (const struct sockaddr *)&config->address.sa;
    int r;

    listener->fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0)
        return listen_error(config, errno, "", error);
    if (sa->sa_family == AF_UNIX) {
        if ((r = bind_unix(listener, config, error)) < 0)
            return r;
    } else {
        if ((r = prepare_tcp(listener->fd, config)) < 0)
            return listen_error(config, -r, "", error);
        if (bind(listener->fd, sa, config->address.length) < 0)
            return listen_error(config, errno, "", error);
    }
    if (listen(listener->fd, BACKLOG) < 0)
        return listen_error(config, errno, "", error);
    if ((r = address_from_socket(&listener->bound, listener->fd)) < 0)
        return listen_error(config, -r, "", error);
    return 0;
}

int listener_new(Listener **ret, const ConfigListen *config, Error *error)
{
    Listener *listener = calloc(1, sizeof(*listener));
    int r;

    if (listener == NULL)
        return error_set(error, ERROR_FAILED, "%s", strerror(ENOMEM));
    listener->n_refs = 1;
    listener->wanted = config->address;
    if ((r = listener_open(listener, config, error)) < 0) {
        listener_unref(listener);
        return r;
    }
    *ret = listener;
    return 0;
}

Listener *listener_ref(Listener *listener)
{
    ++listener->n_refs;
    return listener;
}

Listener *listener_unref(Listener *listener)
{
    const struct sockaddr_un *un;
    struct stat st;

    if (listener == NULL || --listener->n_refs != 0)
        return NULL;
    if (listener->unlink) {
        un = (const struct sockaddr_un *)&listener->wanted.sa;
        if (lstat(un->sun_path, &st) == 0 && st.st_dev == listener->device &&
            st.st_ino == listener->inode)
            unlink(un->sun_path);
    }
    if (listener->fd >= 0)
        close(listener->fd);
    free(listener);
    return NULL;
}
