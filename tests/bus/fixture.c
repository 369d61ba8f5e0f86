/* SPDX-License-Identifier: MIT */
/*
 * See fixture.h. In the temporary directory there are:
 *
 *     bus, bus.conf, services/   the bus, its configuration, what it activates
 *     sluiced.sh                 that is this script, which runs sluiced and notes
 *     started, ended, log        one line per instance; their statuses; what they say
 *     config/servers/            configurations
 *     www/                       a document root
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DBUS_NAME "org.freedesktop.DBus"
#define DBUS_PATH "/org/freedesktop/DBus"

struct Fixture {
    char *dir;
    char *address;
    Child *bus;
    Client *client;
    guint n_children;
    int allowed_status;
    pid_t terminated; /* got SIGTERM already */
};

static const char *sluiced;

/* ---- The test program ---- */

/* Shown when a test fails: GLib's assertions abort, g_error() traps, and neither knows of it. */
static char shown_log[4096];

static void on_failure(int signal)
{
    static const char title[] = "what sluiced said:\n";
    char buffer[4096];
    int fd = open(shown_log, O_RDONLY | O_CLOEXEC);
    ssize_t n = (ssize_t)sizeof(title) - 1;

    if (fd >= 0 && write(STDERR_FILENO, title, (size_t)n) == n)
        while ((n = read(fd, buffer, sizeof(buffer))) > 0)
            if (write(STDERR_FILENO, buffer, (size_t)n) != n)
                break;
}

void fixture_init(int *argc, char ***argv)
{
    static const char *const hidden[] = {"DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS",
                                         "DBUS_STARTER_ADDRESS"};
    struct sigaction action = {.sa_handler = on_failure, .sa_flags = (int)SA_RESETHAND};

    for (size_t i = 0; i < G_N_ELEMENTS(hidden); ++i)
        g_setenv(hidden[i], "unix:path=/nonexistent/bus", TRUE);
    g_setenv("XDG_RUNTIME_DIR", "/nonexistent", TRUE);
    g_setenv("XDG_CONFIG_HOME", "/nonexistent", TRUE);
    g_setenv("HOME", "/nonexistent", TRUE);
    g_setenv("GIO_USE_VFS", "local", TRUE);
    g_setenv("LC_ALL", "C.UTF-8", TRUE);
    g_unsetenv("JOURNAL_STREAM");
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGABRT, &action, NULL);
    sigaction(SIGTRAP, &action, NULL);
    g_test_init(argc, argv, NULL);
    sluiced = g_getenv("SLUICED");
    if (sluiced == NULL)
        g_error("$SLUICED must be the path of the sluiced to test");
}

/* ---- Files ---- */

char *fixture_path(const Fixture *f, const char *relative)
{
    return g_build_filename(f->dir, relative, NULL);
}

void fixture_write_file(const Fixture *f, const char *relative, const char *text)
{
    g_autofree char *path = fixture_path(f, relative), *dir = g_path_get_dirname(path);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_mkdir_with_parents(dir, 0755), ==, 0);
    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
}

char *fixture_config_file(const Fixture *f, const char *name)
{
    return g_strdup_printf("%s/config/servers/%s.conf", f->dir, name);
}

void fixture_write_config(const Fixture *f, const char *name, const char *text)
{
    g_autofree char *relative = g_strdup_printf("config/servers/%s.conf", name);

    fixture_write_file(f, relative, text);
}

void fixture_write_static(const Fixture *f, const char *name, const char *more)
{
    g_autofree char *text =
        g_strdup_printf("%s%s"
                        "listen: {host: 127.0.0.1, port: 0}\n"
                        "hosts: {default: {paths: {\"/\": {file.dir: "
                        "\"%s/www\"}}}}\n",
                        more != NULL ? more : "", more != NULL ? "\n" : "", f->dir);

    fixture_write_config(f, name, text);
}

void fixture_write_proxy(const Fixture *f, const char *name, const Upstream *upstream,
                         const char *more)
{
    g_autofree char *text = g_strdup_printf("%s%s"
                                            "listen: {host: 127.0.0.1, port: 0}\n"
                                            "proxy.timeout.io: 120000\n"
                                            "hosts: {default: {paths: {\"/\": {proxy.reverse.url: "
                                            "\"http://127.0.0.1:%u/\"}}}}\n",
                                            more != NULL ? more : "", more != NULL ? "\n" : "",
                                            upstream_get_port(upstream));

    fixture_write_config(f, name, text);
}

void fixture_remove_config(const Fixture *f, const char *name)
{
    g_autofree char *file = fixture_config_file(f, name);

    g_assert_cmpint(unlink(file), ==, 0);
}

/* ---- The activated daemon ---- */

/* Not exec: the shell stays to write down how sluiced ended. */
static void write_script(const Fixture *f, const char *arguments)
{
    g_autofree char *dir = g_shell_quote(f->dir), *program = g_shell_quote(sluiced);
    g_autofree char *text = g_strdup_printf("cd %s || exit\n"
                                            "echo $$ >>started\n"
                                            "%s --user %s 2>>log\n"
                                            "status=$?\n"
                                            "echo $status >>ended\n"
                                            "exit $status\n",
                                            dir, program, arguments);

    fixture_write_file(f, "sluiced.sh", text);
}

void fixture_set_arguments(Fixture *f, const char *arguments)
{
    g_autofree char *dir = g_shell_quote(f->dir), *all = NULL;

    all = strstr(arguments, "--config-dir") != NULL
              ? g_strdup(arguments)
              : g_strdup_printf("--config-dir=%s/config %s", dir, arguments);
    write_script(f, all);
}

static char *read_file(const Fixture *f, const char *relative)
{
    g_autofree char *path = fixture_path(f, relative);
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, &error)) {
        g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
        return g_strdup("");
    }
    return text;
}

static guint count_lines(const Fixture *f, const char *relative)
{
    g_autofree char *text = read_file(f, relative);
    guint n = 0;

    for (const char *p = text; (p = strchr(p, '\n')) != NULL; ++p)
        ++n;
    return n;
}

guint fixture_count_started(const Fixture *f)
{
    return count_lines(f, "started");
}

guint fixture_count_ended(const Fixture *f)
{
    return count_lines(f, "ended");
}

typedef struct EndedCheck {
    const Fixture *f;
    guint n;
} EndedCheck;

static gboolean have_ended(gpointer userdata)
{
    const EndedCheck *check = userdata;

    return fixture_count_ended(check->f) >= check->n;
}

void fixture_wait_ended(Fixture *f, guint n)
{
    EndedCheck check = {f, n};

    wait_until(have_ended, &check, "the end of sluiced");
}

int fixture_get_status(const Fixture *f, guint n)
{
    g_autofree char *text = read_file(f, "ended");
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    g_assert_cmpuint(n + 1, <, g_strv_length(lines));
    return (int)strtol(lines[n], NULL, 10);
}

void fixture_allow_status(Fixture *f, int status)
{
    f->allowed_status = status;
}

char *fixture_get_log(const Fixture *f)
{
    return read_file(f, "log");
}

guint fixture_count_in_log(const Fixture *f, const char *text)
{
    g_autofree char *log = fixture_get_log(f);
    guint n = 0;

    for (const char *p = log; (p = strstr(p, text)) != NULL; ++p)
        ++n;
    return n;
}

pid_t fixture_get_pid(Fixture *f)
{
    Client *client = fixture_get_client(f);
    GDBusMessage *reply = client_receive_any(
        client, client_send_to(client, DBUS_NAME, DBUS_PATH, DBUS_NAME,
                               "GetConnectionUnixProcessID", g_variant_new("(s)", BUS_NAME)));
    guint32 pid = 0;

    if (g_dbus_message_get_message_type(reply) == G_DBUS_MESSAGE_TYPE_METHOD_RETURN)
        g_variant_get(g_dbus_message_get_body(reply), "(u)", &pid);
    return (pid_t)pid;
}

void fixture_kill(Fixture *f, int signal)
{
    pid_t pid = fixture_get_pid(f);

    g_assert_cmpint(pid, >, 0);
    g_assert_cmpint(kill(pid, signal), ==, 0);
}

/* ---- The bus ---- */

static gboolean bus_listens(gpointer userdata)
{
    Fixture *f = userdata;

    g_assert_false(child_has_ended(f->bus));
    return strchr(child_get_stdout(f->bus), '\n') != NULL;
}

static void start_bus(Fixture *f)
{
    static const char config[] =
        "<busconfig>\n"
        "  <type>session</type>\n"
        "  <auth>EXTERNAL</auth>\n"
        "  <listen>unix:path=%s/bus</listen>\n"
        "  <servicedir>%s/services</servicedir>\n"
        "  <policy context=\"default\">\n"
        "    <allow user=\"*\"/>\n"
        "    <allow own=\"*\"/>\n"
        "    <allow send_destination=\"*\" eavesdrop=\"true\"/>\n"
        "    <allow eavesdrop=\"true\"/>\n"
        "  </policy>\n"
        /* as session.conf has them: the defaults are those of a system bus */
        "  <limit name=\"max_incoming_bytes\">1000000000</limit>\n"
        "  <limit name=\"max_outgoing_bytes\">1000000000</limit>\n"
        "  <limit name=\"max_message_size\">1000000000</limit>\n"
        "  <limit name=\"service_start_timeout\">120000</limit>\n"
        "  <limit name=\"max_completed_connections\">100000</limit>\n"
        "  <limit name=\"max_incomplete_connections\">10000</limit>\n"
        "  <limit name=\"max_connections_per_user\">100000</limit>\n"
        "  <limit name=\"max_pending_service_starts\">10000</limit>\n"
        "  <limit name=\"max_match_rules_per_connection\">50000</limit>\n"
        "  <limit name=\"max_replies_per_connection\">50000</limit>\n"
        "</busconfig>\n";
    g_autofree char *text = g_strdup_printf(config, f->dir, f->dir);
    g_autofree char *service = g_strdup_printf("[D-BUS Service]\n"
                                               "Name=" BUS_NAME "\n"
                                               "Exec=/bin/sh %s/sluiced.sh\n",
                                               f->dir);
    g_autofree char *option = g_strdup_printf("--config-file=%s/bus.conf", f->dir);
    g_autofree char *prefix = fixture_path(f, "dbus-daemon");
    const char *const arguments[] = {"dbus-daemon", "--nofork", "--print-address=1", option, NULL};
    g_auto(GStrv) environment =
        g_environ_setenv(g_get_environ(), "DBUS_SESSION_BUS_ADDRESS", f->address, TRUE);

    fixture_write_file(f, "bus.conf", text);
    fixture_write_file(f, "services/" BUS_NAME ".service", service);
    f->bus = child_new(arguments, environment, prefix, (uid_t)-1);
    wait_until(bus_listens, f, "dbus-daemon to listen");
}

const char *fixture_get_address(const Fixture *f)
{
    return f->address;
}

void fixture_kill_bus(Fixture *f)
{
    child_kill(f->bus, SIGKILL);
    child_wait(f->bus);
}

Client *fixture_get_client(Fixture *f)
{
    if (f->client == NULL)
        f->client = client_new(f->address);
    return f->client;
}

typedef struct NameCheck {
    Fixture *f;
    gboolean owned;
} NameCheck;

static gboolean name_is(gpointer userdata)
{
    const NameCheck *check = userdata;

    return (fixture_get_pid(check->f) != 0) == check->owned;
}

void fixture_wait_name(Fixture *f, gboolean owned)
{
    NameCheck check = {f, owned};

    wait_until(name_is, &check, owned ? "an owner of " BUS_NAME : "nobody to own " BUS_NAME);
}

/* ---- Life ---- */

Fixture *fixture_new(void)
{
    g_autoptr(GError) error = NULL;
    Fixture *f = g_new0(Fixture, 1);

    f->dir = g_dir_make_tmp("sluice-test-XXXXXX", &error);
    g_assert_no_error(error);
    g_assert_cmpint(chmod(f->dir, 0755), ==, 0);
    f->address = g_strdup_printf("unix:path=%s/bus", f->dir);
    g_snprintf(shown_log, sizeof(shown_log), "%s/log", f->dir);
    fixture_write_file(f, "www/index.html", "hello\n");
    fixture_write_file(f, "config/servers/README", "not a configuration\n");
    fixture_set_arguments(f, "--exit-idle-time=0");
    start_bus(f);
    return f;
}

/* Terminates whoever has the name, once, until all that was started has ended. */
static gboolean all_ended(gpointer userdata)
{
    Fixture *f = userdata;
    pid_t pid;

    if (fixture_count_ended(f) == fixture_count_started(f))
        return TRUE;
    if (!child_has_ended(f->bus) && (pid = fixture_get_pid(f)) != 0 && pid != f->terminated) {
        f->terminated = pid;
        kill(pid, SIGTERM);
    }
    return FALSE;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

void fixture_free(Fixture *f)
{
    g_autofree char *log = NULL;
    guint i, n;

    if (f == NULL)
        return;
    wait_until(all_ended, f, "the end of every sluiced");
    log = fixture_get_log(f);
    assert_no_report(log);
    n = fixture_count_ended(f);
    for (i = 0; i != n; ++i)
        if (fixture_get_status(f, i) != f->allowed_status)
            g_assert_cmpint(fixture_get_status(f, i), ==, 0);
    client_free(f->client);
    child_free(f->bus);
    nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    shown_log[0] = '\0';
    g_free(f->address);
    g_free(f->dir);
    g_free(f);
}

Child *fixture_spawn_with_fds(Fixture *f, const char *const *arguments, uid_t uid,
                              const char *const *variables, const int *fds, gsize n_fds)
{
    g_autofree char *prefix = g_strdup_printf("%s/child-%u", f->dir, f->n_children++);
    g_auto(GStrv) environment =
        g_environ_setenv(g_get_environ(), "DBUS_SESSION_BUS_ADDRESS", f->address, TRUE);

    environment = g_environ_setenv(environment, "DBUS_SYSTEM_BUS_ADDRESS", f->address, TRUE);
    for (; variables != NULL && *variables != NULL; ++variables) {
        g_auto(GStrv) words = g_strsplit(*variables, "=", 2);
        environment = g_environ_setenv(environment, words[0], words[1], TRUE);
    }
    return child_new_with_fds(arguments, environment, prefix, uid, fds, n_fds);
}

Child *fixture_spawn_program(Fixture *f, const char *const *arguments, uid_t uid)
{
    return fixture_spawn_with_fds(f, arguments, uid, NULL, NULL, 0);
}

Child *fixture_spawn(Fixture *f, const char *const *arguments)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();

    g_ptr_array_add(all, (gpointer)sluiced);
    for (; *arguments != NULL; ++arguments)
        g_ptr_array_add(all, (gpointer)*arguments);
    g_ptr_array_add(all, NULL);
    return fixture_spawn_program(f, (const char *const *)all->pdata, (uid_t)-1);
}
