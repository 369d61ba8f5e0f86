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
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

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

static int get_option(int fd, int name)
{
    int value = 0;
    socklen_t length = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, name, &value, &length) < 0 ? -errno : value;
}

static int listen_again(int fd)
{
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    return listen(fd, BACKLOG) < 0 ? -errno : 0;
}

static bool is_abstract(const Address *address)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&address->sa;

    return un->sun_family == AF_UNIX && un->sun_path[0] == '\0';
}

/* What keeps a descriptor from being a listener, or NULL. */
static const char *why_not(int fd, Address *ret)
{
    if (get_option(fd, SO_TYPE) < 0)
        return "it is not a socket";
    if (get_option(fd, SO_TYPE) != SOCK_STREAM)
        return "it is not a stream socket";
    if (address_from_socket(ret, fd) < 0 ||
        (ret->sa.ss_family != AF_INET && ret->sa.ss_family != AF_INET6 &&
         ret->sa.ss_family != AF_UNIX))
        return "it is neither of TCP nor a Unix socket";
    /* A daemon that was killed may have left it shut. What is not bound must not become so. */
    if (get_option(fd, SO_ACCEPTCONN) != 1 &&
        (address_get_port(ret) == 0 || listen_again(fd) < 0 || address_from_socket(ret, fd) < 0))
        return "it does not listen";
    if (is_abstract(ret))
        return "it is a Unix socket without a path";
    return NULL;
}

/* Of our own none is; systemd makes them of `ListenStream=80`. */
static bool is_dual_stack(const Listener *listener)
{
    int only = 1;
    socklen_t length = sizeof(only);

    return listener->bound.sa.ss_family == AF_INET6 && address_is_wildcard(&listener->bound) &&
           getsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &length) == 0 && only == 0;
}

bool listener_serves(const Listener *listener, const Address *address)
{
    return address_equal(&listener->wanted, address) ||
           (listener->dual_stack && address->sa.ss_family == AF_INET &&
            address_is_wildcard(address) &&
            address_get_port(address) == address_get_port(&listener->bound));
}

int listener_from_fd(Listener **ret, int fd, bool inherited, Error *error)
{
    Listener *listener = calloc(1, sizeof(*listener));
    const char *why = listener == NULL ? strerror(ENOMEM) : why_not(fd, &listener->bound);
    const struct sockaddr_un *un;
    struct stat st;

    if (why != NULL) {
        close(fd);
        free(listener);
        return error_set(error, ERROR_LISTEN_FAILED, "descriptor %d is of no use: %s", fd, why);
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    listener->n_refs = 1;
    listener->fd = fd;
    listener->inherited = inherited;
    listener->wanted = listener->bound;
    listener->dual_stack = is_dual_stack(listener);
    un = (const struct sockaddr_un *)&listener->bound.sa;
    if (!inherited && un->sun_family == AF_UNIX && lstat(un->sun_path, &st) == 0) {
        listener->unlink = true;
        listener->device = st.st_dev;
        listener->inode = st.st_ino;
    }
    *ret = listener;
    return 0;
}

/*
 * True if the port may be one that the kernel chose, which it would choose anew. The socket does
 * not tell whether it did, so every port of the range is taken for one.
 */
static bool may_lose_port(const Address *address)
{
    unsigned low = 32768, high = 60999, port = address_get_port(address);
    FILE *stream = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");

    if (stream != NULL) {
        if (fscanf(stream, "%u %u", &low, &high) != 2)
            low = high = port;
        fclose(stream);
    }
    return port >= low && port <= high;
}

/* The main thread touches a client's socket here, and nowhere else: to close it. */
static int on_unwanted(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    /* It may fail, for want of descriptors say, and be called again at once. */
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (client >= 0)
        close(client);
    return 0;
}

static void add_refuser(Listener *listener, sd_event *event)
{
    if (sd_event_add_io(event, &listener->refuser, listener->fd, EPOLLIN, on_unwanted, NULL) >= 0)
        sd_event_source_set_ratelimit(listener->refuser, 100 * 1000, 1000);
}

void listener_prepare_to_refuse(Listener *listener)
{
    /* Without SO_REUSEADDR it could not listen again while a connection to its port is left. */
    if (listener->keeper == NULL && listener->bound.sa.ss_family != AF_UNIX &&
        !may_lose_port(&listener->bound) && get_option(listener->fd, SO_REUSEADDR) == 1)
        keeper_new(&listener->keeper, listener->fd);
}

void listener_refuse(Listener *listener, sd_event *event, bool may_shut)
{
    if (listener->refuses)
        return;
    listener->refuses = true;
    if (may_shut)
        listener_prepare_to_refuse(listener);
    if (listener->keeper != NULL) {
        shutdown(listener->fd, SHUT_RD);
        /* A socket that does not listen shares its address with any that has this option, too. */
        set_option(listener->fd, SOL_SOCKET, SO_REUSEADDR, 0);
    } else {
        add_refuser(listener, event);
    }
}

int listener_accept_again(Listener *listener, Error *error)
{
    char text[ADDRESS_TEXT_MAX];
    int r = 0;

    if (listener->refuses && listener->keeper != NULL && (r = listen_again(listener->fd)) < 0)
        return error_set(error, r == -EADDRINUSE ? ERROR_ADDRESS_IN_USE : ERROR_LISTEN_FAILED,
                         "%s: cannot listen again: %s", address_format(&listener->bound, text),
                         strerror(-r));
    listener->refuses = false;
    listener->keeper = keeper_free(listener->keeper);
    listener->refuser = sd_event_source_disable_unref(listener->refuser);
    return 0;
}

void listener_refuse_anew(Listener *listener, sd_event *event)
{
    if (listener->keeper != NULL)
        return;
    listener_accept_again(listener, NULL);
    listener_refuse(listener, event, true);
}

Listener *listener_ref(Listener *listener)
{
    if (listener == NULL)
        return NULL;
    ++listener->n_refs;
    return listener;
}

static void remove_path(const Listener *listener)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&listener->wanted.sa;
    struct stat st;

    if (lstat(un->sun_path, &st) == 0 && st.st_dev == listener->device &&
        st.st_ino == listener->inode)
        unlink(un->sun_path);
}

Listener *listener_unref(Listener *listener)
{
    if (listener == NULL || --listener->n_refs != 0)
        return NULL;
    if (listener->inherited) {
        /* Systemd must never get a dead socket back. */
        listener_accept_again(listener, NULL);
    } else if (!listener->kept) {
        /* It may be in the service manager's store for a moment yet. */
        if (listener->fd >= 0)
            shutdown(listener->fd, SHUT_RDWR);
        if (listener->unlink)
            remove_path(listener);
    }
    if (listener->fd >= 0)
        close(listener->fd);
    free(listener->name);
    free(listener);
    return NULL;
}
