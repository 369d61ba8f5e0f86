/* SPDX-License-Identifier: MIT */
/* See supervisor.h. */
#include "supervisor.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../unit/fixed-port.h"

#define FDS_MAX 64

typedef struct Named {
    int fd;
    char *name;
} Named;

struct Supervisor {
    Fixture *f;
    int fd; /* $NOTIFY_SOCKET */
    char *path;
    GString *told;              /* every line with a newline before and behind it */
    GPtrArray *sockets, *store; /* of Named */
    GPtrArray *variables;
};

static void named_free(void *data)
{
    Named *named = data;

    close(named->fd);
    g_free(named->name);
    g_free(named);
}

static void add_named(GPtrArray *array, int fd, const char *name)
{
    Named *named = g_new(Named, 1);

    *named = (Named){fd, g_strdup(name)};
    g_ptr_array_add(array, named);
}

Supervisor *supervisor_new(Fixture *f)
{
    Supervisor *s = g_new0(Supervisor, 1);
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    s->f = f;
    s->path = fixture_path(f, "notify");
    s->told = g_string_new("\n");
    s->sockets = g_ptr_array_new_with_free_func(named_free);
    s->store = g_ptr_array_new_with_free_func(named_free);
    s->variables = g_ptr_array_new_with_free_func(g_free);
    g_assert_cmpuint(strlen(s->path), <, sizeof(un.sun_path));
    strcpy(un.sun_path, s->path);
    s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    g_assert_cmpint(s->fd, >=, 0);
    g_assert_cmpint(bind(s->fd, (struct sockaddr *)&un, sizeof(un)), ==, 0);
    return s;
}

void supervisor_free(Supervisor *s)
{
    if (s == NULL)
        return;
    close(s->fd);
    g_free(s->path);
    g_string_free(s->told, TRUE);
    g_ptr_array_free(s->sockets, TRUE);
    g_ptr_array_free(s->store, TRUE);
    g_ptr_array_free(s->variables, TRUE);
    g_free(s);
}

/* ---- Daemons ---- */

void supervisor_set(Supervisor *s, const char *name, const char *value)
{
    g_ptr_array_add(s->variables, g_strdup_printf("%s=%s", name, value));
}

void supervisor_add_socket(Supervisor *s, int fd, const char *name)
{
    add_named(s->sockets, fd, name);
}

char *supervisor_add_port(Supervisor *s, const char *name)
{
    guint16 port;

    supervisor_add_socket(s, bind_fixed_port("127.0.0.1", true, &port), name);
    return g_strdup_printf("http://127.0.0.1:%u/", port);
}

static guint append(const GPtrArray *array, int *fds, GString *names)
{
    for (guint i = 0; i != array->len; ++i) {
        const Named *named = array->pdata[i];
        fds[i] = named->fd;
        g_string_append_printf(names, "%s%s", names->len != 0 ? ":" : "", named->name);
    }
    return array->len;
}

Child *supervisor_start(Supervisor *s, const char *arguments)
{
    g_autofree char *dir = fixture_path(s->f, "."), *log = fixture_path(s->f, "log");
    g_autofree char *command = g_strdup_printf(
        /* The variable is to name the process that the shell becomes. */
        "cd '%s' && : \"${LISTEN_PID=$$}\" && export LISTEN_PID &&"
        " exec '%s' --user --config-dir='%s/config' %s 2>>'%s'",
        dir, g_getenv("SLUICED"), dir, arguments, log);
    const char *const all[] = {"sh", "-c", command, NULL};
    g_autoptr(GPtrArray) variables = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) names = g_string_new(NULL);
    int fds[FDS_MAX];
    guint n;

    supervisor_count_stored(s, NULL);
    g_assert_cmpuint(s->sockets->len + s->store->len, <=, FDS_MAX);
    n = append(s->sockets, fds, names);
    n += append(s->store, fds + n, names);
    g_ptr_array_add(variables, g_strdup_printf("NOTIFY_SOCKET=%s", s->path));
    if (n != 0) {
        g_ptr_array_add(variables, g_strdup_printf("LISTEN_FDS=%u", n));
        g_ptr_array_add(variables, g_strdup_printf("LISTEN_FDNAMES=%s", names->str));
    }
    for (guint i = 0; i != s->variables->len; ++i)
        g_ptr_array_add(variables, g_strdup(s->variables->pdata[i]));
    g_ptr_array_add(variables, NULL);
    return fixture_spawn_with_fds(s->f, all, (uid_t)-1, (const char *const *)variables->pdata, fds,
                                  n);
}

Child *supervisor_start_ready(Supervisor *s, const char *arguments)
{
    Child *child;

    supervisor_forget(s);
    child = supervisor_start(s, arguments);
    supervisor_wait_told(s, "READY=1");
    return child;
}

int supervisor_end(Supervisor *s, Child *child, int signal)
{
    child_kill(child, signal);
    return child_wait(child);
}

/* ---- What it is told ---- */

static void remove_stored(Supervisor *s, const char *name)
{
    for (guint i = s->store->len; i-- != 0;)
        if (strcmp(((Named *)s->store->pdata[i])->name, name) == 0)
            g_ptr_array_remove_index(s->store, i);
}

/* Takes the descriptors. */
static void take_message(Supervisor *s, const char *text, const int *fds, gsize n_fds)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    const char *name = NULL;

    for (char **line = lines; *line != NULL; ++line) {
        if (**line != '\0')
            g_string_append_printf(s->told, "%s\n", *line);
        if (g_str_has_prefix(*line, "FDNAME="))
            name = *line + strlen("FDNAME=");
    }
    if (g_strv_contains((const char *const *)lines, "FDSTOREREMOVE=1")) {
        g_assert_nonnull(name);
        remove_stored(s, name);
    }
    g_assert_true((n_fds != 0) == g_strv_contains((const char *const *)lines, "FDSTORE=1"));
    for (gsize i = 0; i != n_fds; ++i) {
        g_assert_nonnull(name);
        add_named(s->store, fds[i], name);
    }
}

static gboolean receive_one(Supervisor *s)
{
    char text[4096];
    union {
        struct cmsghdr super;
        char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
    } control;
    struct iovec iov = {text, sizeof(text) - 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(s->fd, &message, MSG_CMSG_CLOEXEC);
    int fds[FDS_MAX];
    gsize n_fds = 0;

    if (n < 0) {
        g_assert_cmpint(errno, ==, EAGAIN);
        return FALSE;
    }
    g_assert_cmpint(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC), ==, 0);
    text[n] = '\0';
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(c), n_fds * sizeof(int));
    }
    take_message(s, text, fds, n_fds);
    return TRUE;
}

static void receive_all(Supervisor *s)
{
    while (receive_one(s))
        ;
}

gboolean supervisor_was_told(Supervisor *s, const char *line)
{
    g_autofree char *whole = g_strdup_printf("\n%s\n", line);

    receive_all(s);
    return strstr(s->told->str, whole) != NULL;
}

typedef struct ToldCheck {
    Supervisor *s;
    const char *line;
} ToldCheck;

static gboolean is_told(gpointer userdata)
{
    const ToldCheck *check = userdata;

    return supervisor_was_told(check->s, check->line);
}

void supervisor_wait_told(Supervisor *s, const char *line)
{
    ToldCheck check = {s, line};

    wait_until(is_told, &check, line);
}

void supervisor_forget(Supervisor *s)
{
    receive_all(s);
    g_string_assign(s->told, "\n");
}

guint supervisor_count_stored(Supervisor *s, const char *name)
{
    guint n = 0;

    receive_all(s);
    for (guint i = 0; i != s->store->len; ++i)
        n += name == NULL || strcmp(((Named *)s->store->pdata[i])->name, name) == 0;
    return n;
}
