/* SPDX-License-Identifier: MIT */
/*
 * The same over and over: what a thousand runs leave behind, a hundred reloads under load, and
 * calls in any order. SLUICE_STRESS_CYCLES is the number of runs, by default 1000. The order of
 * calls comes from the seed that --seed sets.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define PATH server_path("www")

/* ---- A process, seen from outside ---- */

static guint count_fds(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)pid);
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = g_dir_open(path, 0, &error);
    guint n = 0;

    g_assert_no_error(error);
    while (g_dir_read_name(dir) != NULL)
        ++n;
    return n;
}

typedef struct Fds {
    pid_t pid;
    guint n, times;
} Fds;

static gboolean fds_rest(gpointer userdata)
{
    Fds *fds = userdata;
    guint n = count_fds(fds->pid);

    fds->times = n == fds->n ? fds->times + 1 : 0;
    fds->n = n;
    return fds->times == 100;
}

/* The number of file descriptors, once it has not changed for a while. */
static guint count_fds_at_rest(pid_t pid)
{
    Fds fds = {pid, 0, 0};

    wait_until(fds_rest, &fds, "file descriptors to come to rest");
    return fds.n;
}

static char *read_proc(pid_t pid, const char *file)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int)pid, file);
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

/* Resident memory, in KiB. */
static gint64 get_rss(pid_t pid)
{
    g_autofree char *status = read_proc(pid, "status");
    const char *line = strstr(status, "\nVmRSS:");

    g_assert_nonnull(line);
    return g_ascii_strtoll(line + strlen("\nVmRSS:"), NULL, 10);
}

/* Sanitizers keep what was freed, and so say nothing about memory. */
static gboolean is_sanitized(pid_t pid)
{
    g_autofree char *maps = read_proc(pid, "maps");

    return strstr(maps, "libasan") != NULL || strstr(maps, "libtsan") != NULL;
}

/* ---- Start and Stop ---- */

#define WARM_UP  20
#define SETTLED  200 /* cycles after which memory must not grow */
#define MAX_GROW 256 /* KiB */

static guint get_cycles(void)
{
    const char *text = g_getenv("SLUICE_STRESS_CYCLES");

    return text != NULL ? (guint)strtoul(text, NULL, 10) : 1000;
}

/* www serves files, and below /up/ what the server `up` has. */
static void write_www(const Fixture *f, const char *up)
{
    g_autofree char *root = fixture_path(f, "www"), *text = NULL;

    text = g_strdup_printf("listen: {host: 127.0.0.1, port: 0}\n"
                           "sluice.stop-timeout: 3600\n"
                           "http1-request-timeout: 3600\n"
                           "hosts: {default: {paths: {/: {file.dir: \"%s\"}, "
                           "/up/: {proxy.reverse.url: \"%s\"}}}}\n",
                           root, up);
    fixture_write_config(f, "www", text);
}

static void assert_get(GSocket *socket, const char *path)
{
    g_autofree char *body = NULL;

    web_request(socket, path);
    g_assert_cmpuint(web_receive(socket, NULL, &body), ==, 200);
    g_assert_cmpstr(body, ==, "hello\n");
}

/* One run of www, at whose end a connection is open or not. */
static void run_cycle(Fixture *f, gboolean keep)
{
    g_autofree char *url = fixture_start(f, "www");
    g_autoptr(GSocket) socket = web_connect(url);
    guint drained, cut;

    assert_get(socket, "/");
    assert_get(socket, "/up/");
    if (!keep)
        g_clear_object(&socket);
    fixture_stop(f, "www", &drained, &cut);
    if (keep) {
        g_assert_cmpuint(drained, ==, 1);
        g_assert_true(web_is_closed(socket));
    }
    g_assert_cmpuint(cut, ==, 0);
    client_forget(fixture_get_client(f));
}

static void test_cycles(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *up = NULL;
    guint n = get_cycles(), fds;
    gint64 rss = 0;
    pid_t pid;

    fixture_write_static(f, "up", NULL);
    fixture_write_static(f, "www", NULL);
    up = fixture_start(f, "up");
    write_www(f, up);
    for (guint i = 0; i != WARM_UP; ++i)
        run_cycle(f, i % 2 != 0);
    pid = fixture_get_pid(f);
    fds = count_fds_at_rest(pid);
    for (guint i = 0; i != n; ++i) {
        if (i == SETTLED)
            rss = get_rss(pid);
        run_cycle(f, i % 2 != 0);
    }
    g_assert_cmpuint(count_fds_at_rest(pid), ==, fds);
    if (rss != 0 && !is_sanitized(pid)) {
        gint64 after = get_rss(pid);

        g_test_message("%" G_GINT64_FORMAT " KiB after %d cycles, %" G_GINT64_FORMAT
                       " KiB after %u",
                       rss, SETTLED, after, n);
        g_assert_cmpint(after - rss, <=, MAX_GROW);
    }
    g_assert_cmpuint(fixture_count_started(f), ==, 1);
}

/* ---- Reload ---- */

#define N_RELOADS 100
#define N_LOADERS 4

typedef struct Load {
    const char *url;
    gint end;     /* atomic */
    gint n, next; /* atomic: requests, connections */
} Load;

static gboolean says_close(const char *head)
{
    return strcasestr(head, "\r\nconnection: close\r\n") != NULL;
}

/* Requests over a connection that is kept for as long as the server likes. None may fail. */
static gpointer load(gpointer userdata)
{
    Load *load = userdata;
    g_autoptr(GSocket) socket = NULL;

    while (!g_atomic_int_get(&load->end)) {
        g_autofree char *head = NULL, *body = NULL;

        if (socket == NULL) {
            socket = web_connect(load->url);
            g_atomic_int_inc(&load->next);
        }
        web_request(socket, "/");
        g_assert_cmpuint(web_receive(socket, &head, &body), ==, 200);
        g_assert_cmpstr(body, ==, "hello\n");
        assert_contains(head, "\r\nx-version: ");
        g_atomic_int_inc(&load->n);
        if (says_close(head)) {
            g_assert_true(web_is_closed(socket));
            g_clear_object(&socket);
        }
    }
    return NULL;
}

static void write_version(const Fixture *f, guint version)
{
    g_autofree char *more = g_strdup_printf("sluice.stop-timeout: 3600\n"
                                            "http1-request-timeout: 3600\n"
                                            "header.set: \"x-version: %u\"",
                                            version);

    fixture_write_static(f, "www", more);
}

static void assert_version(const char *url, guint version)
{
    g_autofree char *head = NULL, *line = g_strdup_printf("\r\nx-version: %u\r\n", version);
    g_autoptr(GSocket) socket = web_connect(url);

    web_request(socket, "/");
    g_assert_cmpuint(web_receive(socket, &head, NULL), ==, 200);
    assert_contains(head, line);
}

static void test_reloads(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autofree char *url = NULL;
    g_autoptr(GVariant) generation = NULL;
    GThread *threads[N_LOADERS];
    Load shared = {NULL};
    guint drained, cut;

    write_version(f, 0);
    url = fixture_start(f, "www");
    shared.url = url;
    for (guint i = 0; i != N_LOADERS; ++i)
        threads[i] = g_thread_new("load", load, &shared);
    for (guint version = 1; version <= N_RELOADS; ++version) {
        gint before = g_atomic_int_get(&shared.n);

        write_version(f, version);
        fixture_reload(f, "www");
        assert_version(url, version);
        /* Some load between any two. */
        while (g_atomic_int_get(&shared.n) - before < N_LOADERS)
            g_usleep(100);
        client_forget(fixture_get_client(f));
    }
    g_atomic_int_set(&shared.end, 1);
    for (guint i = 0; i != N_LOADERS; ++i)
        g_thread_join(threads[i]);
    g_test_message("%d requests over %d connections", shared.n, shared.next);
    g_assert_cmpint(shared.next, >, N_LOADERS); /* some were told to connect again */
    generation = fixture_get_property(f, "www", "Generation");
    g_assert_cmpuint(g_variant_get_uint32(generation), ==, N_RELOADS + 1);
    fixture_stop(f, "www", &drained, &cut);
    g_assert_cmpuint(cut, ==, 0);
}

/* ---- Any order ---- */

#define N_VOLLEYS 300
#define N_CALLS   8 /* at most, in one volley */

#define NOT_RUNNING SLUICE_ERROR("NotRunning")

typedef struct Visitors {
    const char *url;
    gint end;          /* atomic */
    gint n_answers, n; /* atomic */
} Visitors;

/* Comes again and again. It may be refused or find the door closing, but an answer is a whole one.
 */
static gpointer visit(gpointer userdata)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: default\r\n\r\n";
    Visitors *visitors = userdata;

    while (!g_atomic_int_get(&visitors->end)) {
        g_autoptr(GSocket) socket = web_try_connect(visitors->url, NULL);

        g_atomic_int_inc(&visitors->n);
        for (guint i = 0; socket != NULL && i != 3; ++i) {
            g_autofree char *head = NULL, *body = NULL;

            if (g_socket_send(socket, request, strlen(request), NULL, NULL) < 0)
                break;
            if (web_receive(socket, &head, &body) == 0)
                break;
            g_assert_true(g_str_has_prefix(head, "HTTP/1.1 200 "));
            g_assert_cmpstr(body, ==, "hello\n");
            g_atomic_int_inc(&visitors->n_answers);
            if (says_close(head))
                break;
        }
        g_usleep(100);
    }
    return NULL;
}

/* Sends calls at random through two clients, and takes the answer to each. */
static void volley(Client *const clients[2])
{
    static const char *const methods[] = {"Start", "Stop", "Reload"};
    guint n = (guint)g_test_rand_int_range(1, N_CALLS + 1);
    guint32 serials[N_CALLS];
    guint kinds[N_CALLS];

    for (guint i = 0; i != n; ++i) {
        kinds[i] = (guint)g_test_rand_int_range(0, G_N_ELEMENTS(methods));
        serials[i] = client_send(clients[i % 2], PATH, NULL, methods[kinds[i]], NULL);
    }
    for (guint i = 0; i != n; ++i) {
        GDBusMessage *answer = client_receive_any(clients[i % 2], serials[i]);
        const char *error = g_dbus_message_get_error_name(answer);

        if (error != NULL &&
            (strcmp(methods[kinds[i]], "Stop") == 0 || strcmp(error, NOT_RUNNING) != 0))
            g_error("%s: %s: %s", methods[kinds[i]], error, g_dbus_message_get_arg0(answer));
    }
}

static void test_random(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(Client) other = client_new(fixture_get_address(f));
    Client *clients[] = {fixture_get_client(f), other};
    g_autofree char *root = fixture_path(f, "www"), *path = fixture_path(f, "www.sock"),
                    *url = g_strconcat("unix:", path, NULL), *text = NULL;
    Visitors visitors = {.url = url};
    GThread *threads[2];
    guint drained, cut;

    /* A Unix socket: a TCP port that comes and goes could become a client's own. */
    text = g_strdup_printf("listen: {type: unix, port: \"%s\"}\n"
                           "hosts: {default: {paths: {/: {file.dir: \"%s\"}}}}\n",
                           path, root);
    fixture_write_config(f, "www", text);
    for (guint i = 0; i != G_N_ELEMENTS(threads); ++i)
        threads[i] = g_thread_new("visitor", visit, &visitors);
    for (guint round = 0; round != N_VOLLEYS; ++round) {
        g_autofree char *state = NULL;

        volley(clients);
        fixture_stop(f, "www", &drained, &cut);
        state = fixture_get_state(f, "www");
        g_assert_cmpstr(state, ==, "stopped");
        g_assert_true(web_is_refused(url));
        client_forget(clients[0]);
        client_forget(clients[1]);
    }
    g_atomic_int_set(&visitors.end, 1);
    for (guint i = 0; i != G_N_ELEMENTS(threads); ++i)
        g_thread_join(threads[i]);
    g_test_message("%d visits, %d answers", visitors.n, visitors.n_answers);
    g_assert_cmpuint(fixture_count_started(f), ==, 1);
}

int main(int argc, char *argv[])
{
    fixture_init(&argc, &argv);
    g_test_add_func("/stress/cycles", test_cycles);
    g_test_add_func("/stress/reloads", test_reloads);
    g_test_add_func("/stress/random", test_random);
    return g_test_run();
}
