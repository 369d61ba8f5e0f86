/* SPDX-License-Identifier: MIT */
/*
 * sluiced: wires the manager, the bus and the service manager together. The only file that knows
 * all three rooms.
 *
 * Life: read the configuration, connect, start what starts by itself, take the bus name, serve.
 * It ends when nothing has happened for a while, at SIGTERM, or when the bus is gone; the last two
 * drain the servers first.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-event.h>

#include "activation.h"
#include "bus.h"
#include "config-check.h"
#include "journal-send.h"
#include "log.h"
#include "manager.h"
#include "notify.h"
#include "program-options.h"
#include "version.h"
#include "watchdog.h"

#define EXIT_USAGE 2
#define EXIT_AGAIN 75 /* EX_TEMPFAIL: the service manager is to start the daemon again */

#define STATUS_DELAY_USEC (100 * 1000)
#define RECALL_USEC       (5000 * 1000)
#define NAME_RETRY_USEC   (1000 * 1000)

typedef struct Daemon {
    ProgramOptions options;
    sd_event *event;
    Manager *manager;
    Bus *bus;
    Watchdog *watchdog;
    ActivationSocket *sockets; /* the manager's, once it has been passed them */
    int n_sockets;
    sd_event_source *idle_source;
    sd_event_source *status_source;
    sd_event_source *retry_source; /* to ask for the bus name once more */
    uint64_t last_activity;        /* usec, CLOCK_MONOTONIC */
    bool leaving;                  /* SIGTERM or the bus is gone: drain and exit */
    bool going;                    /* STOPPING=1 has been said because of idleness */
    bool recalled;                 /* a call came in after all was said to the service manager */
    sd_event_source *recall_source;
    int exit_code;
} Daemon;

/* ---- Exit ---- */

static void on_all_stopped(Manager *manager, const ManagerReply *reply, void *userdata);

static void leave(Daemon *daemon, int exit_code, uint64_t timeout_usec)
{
    bool again = daemon->leaving;

    daemon->leaving = true;
    if (exit_code != EXIT_SUCCESS)
        daemon->exit_code = exit_code;
    notify_stopping();
    manager_begin_exit(daemon->manager);
    manager_stop_all(daemon->manager, timeout_usec, SERVER_REASON_EXIT,
                     again ? NULL : on_all_stopped, daemon);
}

static int on_recall_time(sd_event_source *source, uint64_t usec, void *userdata)
{
    bus_end_authorization(((Daemon *)userdata)->bus);
    return 0;
}

/*
 * The service manager was told that we stop, which it does not take back: systemd would kill us in
 * the end. So what a late call has begun goes on in the next daemon, on the same sockets.
 */
static void leave_when_answered(Daemon *daemon)
{
    /* Whoever is asked for a password meanwhile may take longer than systemd waits. */
    if (!daemon->recalled)
        sd_event_add_time_relative(daemon->event, &daemon->recall_source, CLOCK_MONOTONIC,
                                   RECALL_USEC, 0, on_recall_time, daemon);
    daemon->recalled = true;
    if (!daemon->leaving && !bus_is_busy(daemon->bus))
        leave(daemon, manager_is_idle(daemon->manager) ? EXIT_SUCCESS : EXIT_AGAIN,
              SERVER_TIMEOUT_DEFAULT);
}

static void on_released(Bus *bus, BusRelease result, void *userdata)
{
    Daemon *daemon = userdata;

    if (result == BUS_RELEASE_LEAVE)
        sd_event_exit(daemon->event, daemon->exit_code);
    else if (daemon->leaving)
        /* A call came in meanwhile and may have started something. */
        manager_stop_all(daemon->manager, SERVER_TIMEOUT_DEFAULT, SERVER_REASON_EXIT,
                         on_all_stopped, daemon);
    else if (notify_is_supervised())
        leave_when_answered(daemon);
}

static void on_all_stopped(Manager *manager, const ManagerReply *reply, void *userdata)
{
    Daemon *daemon = userdata;

    bus_end_authorization(daemon->bus);
    if (bus_leave(daemon->bus, on_released, daemon) < 0)
        sd_event_exit(daemon->event, daemon->exit_code);
}

static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *info,
                        void *userdata)
{
    Daemon *daemon = userdata;

    /* The second time means it. */
    log_info("%s: stopping all servers%s",
             info->ssi_signo == SIGURG ? "Told to stop" : strsignal((int)info->ssi_signo),
             daemon->leaving ? " at once" : "");
    leave(daemon, 0, daemon->leaving ? 0 : SERVER_TIMEOUT_DEFAULT);
    return 0;
}

static void on_bus_lost(Bus *bus, void *userdata)
{
    log_error("the connection to the bus is gone: stopping all servers");
    leave(userdata, EXIT_FAILURE, SERVER_TIMEOUT_DEFAULT);
}

/* ---- Idleness ---- */

static uint64_t now(const Daemon *daemon)
{
    uint64_t usec = 0;

    sd_event_now(daemon->event, CLOCK_MONOTONIC, &usec);
    return usec;
}

static int on_idle_time(sd_event_source *source, uint64_t usec, void *userdata)
{
    Daemon *daemon = userdata;
    uint64_t due = daemon->last_activity + daemon->options.exit_idle_usec;

    if (daemon->leaving || daemon->recalled || !bus_is_idle(daemon->bus))
        return 0; /* on_idle_changed() will arm it again */
    if (due > now(daemon)) {
        sd_event_source_set_time(source, due);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    }
    if (!notify_is_supervised()) {
        bus_release_name(daemon->bus, on_released, daemon);
        return 0;
    }
    daemon->going = true;
    notify_stopping();
    if (bus_leave(daemon->bus, on_released, daemon) < 0)
        leave(daemon, EXIT_SUCCESS, SERVER_TIMEOUT_DEFAULT);
    return 0;
}

static void on_idle_changed(Bus *bus, void *userdata)
{
    Daemon *daemon = userdata;

    if (daemon->recalled)
        leave_when_answered(daemon);
    if (daemon->idle_source == NULL || daemon->leaving || !bus_is_idle(bus))
        return;
    daemon->last_activity = now(daemon);
    sd_event_source_set_time(daemon->idle_source,
                             daemon->last_activity + daemon->options.exit_idle_usec);
    sd_event_source_set_enabled(daemon->idle_source, SD_EVENT_ONESHOT);
}

static void on_activity(Bus *bus, void *userdata)
{
    Daemon *daemon = userdata;

    daemon->last_activity = now(daemon);
}

/* ---- Status ---- */

static int on_status_time(sd_event_source *source, uint64_t usec, void *userdata)
{
    Daemon *daemon = userdata;
    size_t counts[SERVER_STATE_MAX];

    manager_count_states(daemon->manager, counts);
    if (counts[SERVER_FAILED] != 0)
        notify_status("%zu of %zu servers running, %zu failed", counts[SERVER_RUNNING],
                      manager_count_servers(daemon->manager), counts[SERVER_FAILED]);
    else
        notify_status("%zu of %zu servers running", counts[SERVER_RUNNING],
                      manager_count_servers(daemon->manager));
    return 0;
}

/* Not at each change: nobody looks that often, and Start and Stop shall be quick. */
static void on_servers_changed(Bus *bus, void *userdata)
{
    Daemon *daemon = userdata;
    int on = SD_EVENT_OFF;

    if (daemon->status_source == NULL ||
        sd_event_source_get_enabled(daemon->status_source, &on) != 0)
        return;
    sd_event_source_set_time_relative(daemon->status_source, STATUS_DELAY_USEC);
    sd_event_source_set_enabled(daemon->status_source, SD_EVENT_ONESHOT);
}

/* ---- Start ---- */

static void on_name(Bus *bus, const Error *error, void *userdata);

static int on_retry_time(sd_event_source *source, uint64_t usec, void *userdata)
{
    Daemon *daemon = userdata;

    if (!daemon->leaving && bus_request_name(daemon->bus, on_name, daemon) < 0)
        leave(daemon, EXIT_FAILURE, SERVER_TIMEOUT_DEFAULT);
    return 0;
}

/*
 * Somebody has the name. It may be a daemon that has just died, of which the bus has not heard yet;
 * if not, a service manager that starts us again and again is slowed down.
 */
static bool retry_name(Daemon *daemon)
{
    return notify_is_supervised() && daemon->retry_source == NULL &&
           sd_event_add_time_relative(daemon->event, &daemon->retry_source, CLOCK_MONOTONIC,
                                      NAME_RETRY_USEC, 0, on_retry_time, daemon) >= 0;
}

/* The signal came before there was anybody to handle it. */
static void on_unit_stopping(Bus *bus, void *userdata)
{
    Daemon *daemon = userdata;

    /* Or it is we who said so; then a call that came since decides what becomes of us. */
    if (daemon->leaving || daemon->going)
        return;
    log_info("Told to stop: stopping all servers");
    leave(daemon, EXIT_SUCCESS, SERVER_TIMEOUT_DEFAULT);
}

static void on_sockets_ours(Bus *bus, void *userdata)
{
    Daemon *daemon = userdata;

    manager_may_now_shut_sockets(daemon->manager);
}

static void on_name(Bus *bus, const Error *error, void *userdata)
{
    Daemon *daemon = userdata;

    if (error != NULL && retry_name(daemon))
        return;
    if (error != NULL) {
        log_error("%s", error->message);
        leave(daemon, EXIT_FAILURE, SERVER_TIMEOUT_DEFAULT);
        return;
    }
    notify_ready();
    if (notify_is_supervised() || manager_has_inherited(daemon->manager))
        bus_ask_systemd(bus, &(BusSystemdCallbacks){on_unit_stopping, on_sockets_ours, daemon});
    on_status_time(NULL, 0, daemon);
    if (notify_is_supervised() &&
        sd_event_add_time(daemon->event, &daemon->status_source, CLOCK_MONOTONIC, UINT64_MAX, 0,
                          on_status_time, daemon) >= 0)
        sd_event_source_set_enabled(daemon->status_source, SD_EVENT_OFF);
    if (daemon->options.exit_idle_usec != UINT64_MAX)
        sd_event_add_time(daemon->event, &daemon->idle_source, CLOCK_MONOTONIC, UINT64_MAX, 0,
                          on_idle_time, daemon);
    on_idle_changed(bus, daemon);
}

/* The name comes last: who waits for it may count on what starts by itself. */
static void on_autostarted(Manager *manager, const ManagerReply *reply, void *userdata)
{
    Daemon *daemon = userdata;

    if (!daemon->leaving && bus_request_name(daemon->bus, on_name, daemon) < 0)
        leave(daemon, EXIT_FAILURE, SERVER_TIMEOUT_DEFAULT);
}

static void on_reloaded(Manager *manager, const ManagerReply *reply, void *userdata)
{
    if (reply->error != NULL)
        log_error("reload: %s", reply->error->message);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    Daemon *daemon = userdata;

    if (!daemon->leaving)
        manager_reload(daemon->manager, on_reloaded, daemon);
    return 0;
}

/* What a configuration runs, a logger say, gets its signals as any program does. */
static void unblock_signals(void)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
}

static int add_signals(Daemon *daemon)
{
    static const struct {
        int signal;
        sd_event_signal_handler_t handler;
    } handlers[] = {{SIGTERM, on_terminate},
                    {SIGINT, on_terminate},
                    {SIGURG, on_terminate},
                    {SIGHUP, on_hangup}};
    static const struct sigaction no_zombies = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
    sigset_t set;
    size_t i;
    int r;

    signal(SIGPIPE, SIG_IGN);
    /* Loggers that a configuration starts (`access-log: "|..."`) are nobody's to wait for. */
    sigaction(SIGCHLD, &no_zombies, NULL);
    sigemptyset(&set);
    for (i = 0; i != sizeof(handlers) / sizeof(handlers[0]); ++i)
        sigaddset(&set, handlers[i].signal);
    sigprocmask(SIG_BLOCK, &set, NULL);
    pthread_atfork(NULL, NULL, unblock_signals);
    for (i = 0; i != sizeof(handlers) / sizeof(handlers[0]); ++i)
        if ((r = sd_event_add_signal(daemon->event, NULL, handlers[i].signal, handlers[i].handler,
                                     daemon)) < 0)
            return r;
    return 0;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static bool is_well(void *userdata)
{
    return manager_is_well(((Daemon *)userdata)->manager);
}

static void pass_sockets(Daemon *daemon)
{
    int i;

    for (i = 0; i < daemon->n_sockets; ++i)
        manager_pass_socket(daemon->manager,
                            &(ManagerSocket){daemon->sockets[i].fd, daemon->sockets[i].name,
                                             daemon->sockets[i].stored});
}

static int daemon_init(Daemon *daemon, Error *error)
{
    _cleanup_error_ Error unreadable = ERROR_INIT;
    ManagerOptions manager_options = {
        .config_dirs = daemon->options.config_dirs,
        .n_threads = daemon->options.n_threads,
        .journal = journal_send,
        .state_dir = getenv("RUNTIME_DIRECTORY"),
        .store_sockets = notify_is_supervised() ? activation_store : NULL,
    };
    BusOptions bus_options = {
        .scope = daemon->options.user ? BUS_SCOPE_USER : BUS_SCOPE_SYSTEM,
        .address = daemon->options.address,
        .version = SLUICE_VERSION,
    };
    BusObserver observer = {
        .activity = on_activity,
        .idle_changed = on_idle_changed,
        .servers_changed = on_servers_changed,
        .lost = on_bus_lost,
        .userdata = daemon,
    };
    int r;

    raise_descriptor_limit();
    if ((r = sd_event_new(&daemon->event)) < 0 || (r = add_signals(daemon)) < 0)
        return error_set(error, ERROR_FAILED, "cannot set up the event loop: %s", strerror(-r));
    if ((r = manager_new(&daemon->manager, daemon->event, &manager_options, error)) < 0)
        return r;
    /* What cannot be read now can be when somebody calls Reload. */
    if (manager_load(daemon->manager, &unreadable) < 0)
        log_error("%s", unreadable.message);
    pass_sockets(daemon);
    if ((r = watchdog_new(&daemon->watchdog, daemon->event, is_well, daemon)) < 0)
        return error_set(error, ERROR_FAILED, "cannot set up the watchdog: %s", strerror(-r));
    return bus_new(&daemon->bus, daemon->event, daemon->manager, &bus_options, &observer, error);
}

static void daemon_deinit(Daemon *daemon)
{
    daemon->bus = bus_free(daemon->bus);
    daemon->watchdog = watchdog_free(daemon->watchdog);
    daemon->manager = manager_free(daemon->manager);
    sd_event_source_disable_unref(daemon->idle_source);
    sd_event_source_disable_unref(daemon->status_source);
    sd_event_source_disable_unref(daemon->recall_source);
    sd_event_source_disable_unref(daemon->retry_source);
    sd_event_unref(daemon->event);
    activation_free(daemon->sockets, daemon->n_sockets);
    program_options_clear(&daemon->options);
}

static int run(Daemon *daemon)
{
    _cleanup_error_ Error error = ERROR_INIT;
    int r;

    /* Before anything is opened: a descriptor that is promised and not there would be ours. */
    if ((daemon->n_sockets = activation_take(&daemon->sockets)) < 0)
        log_error("cannot take the descriptors of the service manager, going on without: %s",
                  strerror(-daemon->n_sockets));
    if (daemon_init(daemon, &error) < 0) {
        log_error("%s", error.message);
        return EXIT_FAILURE;
    }
    manager_autostart(daemon->manager, on_autostarted, daemon);
    if ((r = sd_event_loop(daemon->event)) < 0) {
        log_error("the event loop failed: %s", strerror(-r));
        return EXIT_FAILURE;
    }
    bus_flush(daemon->bus);
    return r;
}

static int check(const char *file)
{
    _cleanup_error_ Error error = ERROR_INIT;

    if (config_check_file(file, &error) < 0) {
        log_error("%s", error.message);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

int main(int argc, char *argv[])
{
    Daemon daemon = {.exit_code = EXIT_SUCCESS};
    int code = EXIT_SUCCESS, r;

    if ((r = program_options_parse(&daemon.options, argc, argv)) < 0)
        return r == -EINVAL ? EXIT_USAGE : EXIT_FAILURE;
    if (daemon.options.action == PROGRAM_CHECK)
        code = check(daemon.options.check_file);
    else if (daemon.options.action == PROGRAM_RUN)
        code = run(&daemon);
    daemon_deinit(&daemon);
    return code;
}
