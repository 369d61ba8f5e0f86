/* SPDX-License-Identifier: MIT */
/* See restart.h. */
#include "restart.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- The fake store ---- */

typedef struct Stored {
    char *server;
    int fd;
} Stored;

/* The callback has no userdata. */
static GPtrArray *store; /* of Stored */
static GString *told;    /* what the store was told, "+www:1 -www" */
static GString *states;  /* "www:starting/restored"; see on_state() */

static int duplicate(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    g_assert_cmpint(copy, >=, 0);
    return copy;
}

static void stored_free(void *data)
{
    Stored *stored = data;

    close(stored->fd);
    g_free(stored->server);
    g_free(stored);
}

static void *stored_copy(const void *data, void *userdata)
{
    const Stored *stored = data;
    Stored *copy = g_new(Stored, 1);

    *copy = (Stored){g_strdup(stored->server), duplicate(stored->fd)};
    return copy;
}

static void add_word(GString *words, const char *word)
{
    if (words->len != 0)
        g_string_append_c(words, ' ');
    g_string_append(words, word);
}

static int store_sockets(const char *server, const int *fds, size_t n)
{
    g_autofree char *word =
        n != 0 ? g_strdup_printf("+%s:%zu", server, n) : g_strdup_printf("-%s", server);

    add_word(told, word);
    for (guint i = store->len; n == 0 && i-- != 0;)
        if (strcmp(((Stored *)store->pdata[i])->server, server) == 0)
            g_ptr_array_remove_index(store, i);
    for (size_t i = 0; i != n; ++i)
        restart_store(server, fds[i]);
    return 0;
}

void restart_store(const char *server, int fd)
{
    g_ptr_array_add(store, stored_copy(&(Stored){(char *)server, fd}, NULL));
}

void restart_empty_store(void)
{
    g_ptr_array_set_size(store, 0);
}

unsigned restart_count_stored(void)
{
    return store->len;
}

static void assert_words(GString *words, const char *expected)
{
    g_assert_cmpstr(words->str, ==, expected);
    g_string_truncate(words, 0);
}

void restart_assert_told(const char *words)
{
    assert_words(told, words);
}

void restart_assert_states(const char *words)
{
    assert_words(states, words);
}

bool restart_has_state(const char *word)
{
    g_auto(GStrv) words = g_strsplit(states->str, " ", -1);

    return g_strv_contains((const char *const *)words, word);
}

void restart_forget(void)
{
    g_string_truncate(told, 0);
    g_string_truncate(states, 0);
}

/* ---- Managers ---- */

static void on_state(Server *server, const ServerTransition *transition, void *userdata)
{
    g_autofree char *word = g_strdup_printf("%s:%s/%s", server_get_name(server),
                                            server_state_to_string(transition->new_state),
                                            server_reason_to_string(transition->reason));

    add_word(states, word);
}

House *restart_prepare(void)
{
    store = g_ptr_array_new_with_free_func(stored_free);
    told = g_string_new(NULL);
    states = g_string_new(NULL);
    return house_prepare();
}

void restart_open(House *house)
{
    /* What is of no use leaves the store when it is passed. */
    g_autoptr(GPtrArray) passed = g_ptr_array_copy(store, stored_copy, NULL);
    ManagerOptions options = {
        .n_threads = 1, .state_dir = house->directory, .store_sockets = store_sockets};
    ManagerObserver observer = {.state_changed = on_state};

    house_open_as(house, &options, &observer);
    for (guint i = 0; i != passed->len; ++i) {
        const Stored *stored = passed->pdata[i];
        manager_pass_socket(house->manager,
                            &(ManagerSocket){duplicate(stored->fd), stored->server, true});
    }
}

void restart_pass(House *house, int fd, const char *name)
{
    manager_pass_socket(house->manager, &(ManagerSocket){duplicate(fd), name, false});
}

void restart_autostart(House *house)
{
    house_wait(house, house_manage(house, "autostart", manager_autostart));
}

void restart_again(House *house)
{
    house_close(house);
    restart_open(house);
    restart_autostart(house);
}

void restart_end(House *house)
{
    house_free(house);
    g_ptr_array_free(store, TRUE);
    g_string_free(told, TRUE);
    g_string_free(states, TRUE);
}

/* ---- The state file ---- */

static bool state_file_is(House *house, void *userdata)
{
    g_autofree char *path = g_build_filename(house->directory, "state", NULL), *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) && strcmp(text, userdata) == 0;
}

void restart_wait_state_file(House *house, const char *lines)
{
    g_autofree char *text = g_strconcat("# Sluice state 1\n", lines, NULL);

    house_wait_until(house, state_file_is, text);
}

void restart_write_state_file(House *house, const char *text)
{
    g_autofree char *path = g_build_filename(house->directory, "state", NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* ---- Servers ---- */

void restart_write_www(House *house, const char *name, const char *listen)
{
    g_autofree char *line = listen != NULL ? g_strdup_printf("listen: %s\n", listen) : NULL;

    house_write(house, name, "%shosts: {default: {paths: {/: {file.dir: %s/www}}}}\n",
                line != NULL ? line : "", house->directory);
}

char *restart_get_url(House *house, const char *server)
{
    return g_strdup(server_get_urls(house_get(house, server))[0]);
}

void assert_state(House *house, const char *server, ServerState state)
{
    g_assert_cmpstr(server_state_to_string(server_get_state(house_get(house, server))), ==,
                    server_state_to_string(state));
}

void assert_serves(const char *url)
{
    g_assert_cmpuint(web_get(url, "/"), ==, 200);
}

void assert_refused(const char *url)
{
    g_assert_cmpint(web_connect(url), ==, -ECONNREFUSED);
}

void assert_listens(const char *url)
{
    int fd = web_connect(url);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
}

void assert_drops(House *house, const char *url)
{
    int fd = web_connect(url);

    g_assert_cmpint(fd, >=, 0);
    house_wait_closed(house, fd);
    close(fd);
}
