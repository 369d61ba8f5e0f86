/* SPDX-License-Identifier: MIT */
/* See house.h. */
#include "house.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#include "files.h"
#include "strv.h"

typedef struct Private {
    House super;
    GPtrArray *answers;
    char *words; /* of the last house_take_log() */
} Private;

static void answer_free(void *data)
{
    Answer *answer = data;

    g_assert_cmpuint(answer->n, ==, 1);
    g_free(answer->message);
    strv_free(answer->urls);
    g_free(answer);
}

void house_init(int *argc, char ***argv)
{
    signal(SIGPIPE, SIG_IGN);
    g_test_init(argc, argv, NULL);
}

/* ---- What the manager tells ---- */

static void on_state(Server *server, const ServerTransition *transition, void *userdata)
{
    House *house = userdata;

    g_assert_cmpint(server_get_state(server), ==, transition->new_state);
    g_assert_nonnull(transition->urls);
    g_assert_cmpint(transition->urls[0] != NULL, ==, transition->new_state == SERVER_RUNNING);
    g_assert_cmpint(transition->error != NULL, ==, transition->new_state == SERVER_FAILED);
    g_ptr_array_add(house->log, g_strdup_printf("%s:%s>%s", server_get_name(server),
                                                server_state_to_string(transition->old_state),
                                                server_state_to_string(transition->new_state)));
}

static void on_properties(Server *server, char *const *names, void *userdata)
{
    House *house = userdata;
    g_autofree char *list = g_strjoinv(",", (char **)names);

    g_ptr_array_add(house->log, g_strdup_printf("%s:%s", server_get_name(server), list));
}

static void on_added(Server *server, void *userdata)
{
    House *house = userdata;

    g_ptr_array_add(house->log, g_strdup_printf("+%s", server_get_name(server)));
}

static void on_removed(Server *server, void *userdata)
{
    House *house = userdata;

    g_ptr_array_add(house->log, g_strdup_printf("-%s", server_get_name(server)));
}

static void on_idle(Manager *manager, void *userdata)
{
    House *house = userdata;

    g_ptr_array_add(house->log, g_strdup(manager_is_idle(manager) ? "idle" : "busy"));
}

const char *house_take_log(House *house)
{
    Private *private = (Private *)house;

    g_free(private->words);
    g_ptr_array_add(house->log, NULL);
    private->words = g_strjoinv(" ", (char **)house->log->pdata);
    g_ptr_array_set_size(house->log, 0);
    return private->words;
}

/* ---- Life ---- */

House *house_prepare(void)
{
    Private *private = g_new0(Private, 1);
    House *house = &private->super;
    g_autoptr(GError) error = NULL;
    g_autofree char *www = NULL, *servers = NULL, *page = NULL;

    house->directory = g_dir_make_tmp("sluice-unit-XXXXXX", &error);
    g_assert_no_error(error);
    www = g_build_filename(house->directory, "www", NULL);
    servers = g_build_filename(house->directory, "servers", NULL);
    page = g_build_filename(www, "index.html", NULL);
    g_assert_cmpint(g_mkdir(www, 0700), ==, 0);
    g_assert_cmpint(g_mkdir(servers, 0700), ==, 0);
    g_file_set_contents(page, "hello\n", -1, &error);
    g_assert_no_error(error);
    house->log = g_ptr_array_new_with_free_func(g_free);
    private->answers = g_ptr_array_new_with_free_func(answer_free);
    return house;
}

void house_open_as(House *house, const ManagerOptions *options, const ManagerObserver *observer)
{
    char *const dirs[] = {house->directory, NULL};
    ManagerOptions all = *options;
    ManagerObserver own = {
        .state_changed = on_state,
        .properties_changed = on_properties,
        .server_added = on_added,
        .server_removed = on_removed,
        .idle_changed = on_idle,
        .userdata = house,
    };
    _cleanup_error_ Error error = ERROR_INIT;

    all.config_dirs = dirs;
    g_assert_null(house->manager);
    g_assert_cmpint(sd_event_new(&house->event), >=, 0);
    g_assert_cmpint(manager_new(&house->manager, house->event, &all, &error), ==, 0);
    manager_set_observer(house->manager, observer != NULL ? observer : &own);
    /* As the daemon, it goes on without. */
    manager_load(house->manager, &error);
    error_clear(&error);
    house_take_log(house);
}

void house_open(House *house, unsigned n_threads)
{
    house_open_as(house, &(ManagerOptions){.n_threads = n_threads}, NULL);
}

House *house_new(unsigned n_threads)
{
    House *house = house_prepare();

    house_open(house, n_threads);
    return house;
}

static bool is_idle(House *house, void *userdata)
{
    return manager_is_idle(house->manager);
}

static void stop_all_now(Manager *manager, ManagerCallback callback, void *userdata)
{
    manager_stop_all(manager, 0, SERVER_REASON_EXIT, callback, userdata);
}

void house_close(House *house)
{
    manager_begin_exit(house->manager);
    house_wait(house, house_manage(house, "end", stop_all_now));
    house_wait_until(house, is_idle, NULL);
    /* The daemon still has a word with the bus, and meanwhile what was put off gets done. */
    house_turn(house, 10);
    house->manager = manager_free(house->manager);
    house->event = sd_event_unref(house->event);
}

void house_free(House *house)
{
    Private *private = (Private *)house;

    if (house->manager != NULL)
        house_close(house);
    g_ptr_array_free(private->answers, TRUE);
    g_ptr_array_free(house->log, TRUE);
    remove_tree(house->directory);
    g_free(house->directory);
    g_free(private->words);
    g_free(private);
}

/* ---- Configurations ---- */

static char *config_path(House *house, const char *name)
{
    return g_strdup_printf("%s/servers/%s.conf", house->directory, name);
}

void house_write(House *house, const char *name, const char *format, ...)
{
    g_autofree char *path = config_path(house, name), *text = NULL;
    g_autoptr(GError) error = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
}

void house_write_static(House *house, const char *name, const char *more)
{
    house_write(house, name,
                "%s%slisten: {host: 127.0.0.1, port: 0}\n"
                "hosts:\n"
                "  default:\n"
                "    paths:\n"
                "      /:\n"
                "        file.dir: %s/www\n",
                more != NULL ? more : "", more != NULL ? "\n" : "", house->directory);
}

void house_remove(House *house, const char *name)
{
    g_autofree char *path = config_path(house, name);

    g_assert_cmpint(g_unlink(path), ==, 0);
}

Server *house_get(House *house, const char *name)
{
    Server *server = manager_find_server(house->manager, name);

    g_assert_nonnull(server);
    return server;
}

/* ---- Operations ---- */

static const char *code_name(ErrorCode code)
{
    static const char *const names[ERROR_CODE_MAX] = {
        [ERROR_NONE] = "ok",
        [ERROR_FAILED] = "Failed",
        [ERROR_NO_SUCH_SERVER] = "NoSuchServer",
        [ERROR_INVALID_CONFIG] = "InvalidConfig",
        [ERROR_ADDRESS_IN_USE] = "AddressInUse",
        [ERROR_LISTEN_FAILED] = "ListenFailed",
        [ERROR_NOT_RUNNING] = "NotRunning",
        [ERROR_LIMIT_REACHED] = "LimitReached",
    };

    return names[code] != NULL ? names[code] : "?";
}

static Answer *answer_new(House *house, const char *name)
{
    Answer *answer = g_new0(Answer, 1);

    answer->house = house;
    answer->name = name;
    g_ptr_array_add(((Private *)house)->answers, answer);
    return answer;
}

static void take_answer(Answer *answer, const Error *error, char *const *urls, uint32_t drained,
                        uint32_t cut)
{
    g_assert_cmpuint(answer->n++, ==, 0);
    g_assert_nonnull(urls);
    if (error != NULL) {
        g_assert_cmpint(error->code, !=, ERROR_NONE);
        answer->code = error->code;
        answer->message = g_strdup(error->message);
    }
    strv_extend(&answer->urls, urls);
    answer->drained = drained;
    answer->cut = cut;
    g_ptr_array_add(answer->house->log,
                    g_strdup_printf("%s=%s", answer->name, code_name(answer->code)));
}

static void on_answer(Server *server, const ServerReply *reply, void *userdata)
{
    take_answer(userdata, reply->error, reply->urls, reply->drained, reply->cut);
}

static void on_manager_answer(Manager *manager, const ManagerReply *reply, void *userdata)
{
    take_answer(userdata, reply->error, reply->urls, reply->drained, reply->cut);
}

Answer *house_start(House *house, const char *server, const char *name)
{
    Answer *answer = answer_new(house, name);

    server_start(house_get(house, server), SERVER_REASON_REQUEST, on_answer, answer);
    return answer;
}

Answer *house_stop(House *house, const char *server, const char *name, uint64_t timeout_usec)
{
    Answer *answer = answer_new(house, name);

    server_stop(house_get(house, server), timeout_usec, SERVER_REASON_REQUEST, on_answer, answer);
    return answer;
}

Answer *house_reload(House *house, const char *server, const char *name)
{
    Answer *answer = answer_new(house, name);

    server_reload(house_get(house, server), on_answer, answer);
    return answer;
}

Answer *house_manage(House *house, const char *name,
                     void (*operation)(Manager *, ManagerCallback, void *))
{
    Answer *answer = answer_new(house, name);

    operation(house->manager, on_manager_answer, answer);
    return answer;
}

void house_wait_until(House *house, bool (*check)(House *, void *), void *userdata)
{
    gint64 end = g_get_monotonic_time() + HOUSE_TIMEOUT;

    while (!check(house, userdata)) {
        g_assert_cmpint(sd_event_run(house->event, 5000), >=, 0);
        if (g_get_monotonic_time() > end)
            g_error("waited in vain; the log so far: %s", house_take_log(house));
    }
}

static bool has_come(House *house, void *userdata)
{
    return ((Answer *)userdata)->n != 0;
}

void house_wait(House *house, Answer *answer)
{
    house_wait_until(house, has_come, answer);
    g_assert_cmpstr(answer->message, ==, NULL);
}

const char *house_wait_error(House *house, Answer *answer, ErrorCode code)
{
    house_wait_until(house, has_come, answer);
    g_assert_cmpint(answer->code, ==, code);
    g_assert_nonnull(answer->message);
    return answer->message;
}

const char *house_run(House *house, const char *server)
{
    house_wait(house, house_start(house, server, "run"));
    house_take_log(house);
    return server_get_urls(house_get(house, server))[0];
}

void house_end(House *house, const char *server)
{
    house_wait(house, house_stop(house, server, "end", 0));
    house_take_log(house);
}

void house_turn(House *house, unsigned n)
{
    for (; n != 0; --n)
        g_assert_cmpint(sd_event_run(house->event, 0), >=, 0);
}
