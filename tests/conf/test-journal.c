/* SPDX-License-Identifier: MIT */
/*
 * `access-log: journal`: what one request sends there. The journal is a function of this program,
 * given to the manager in the place of sd_journal_sendv(3); requests come over a real socket.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "manager.h"

#define ENTRIES_MAX 16
#define FIELDS_MAX  16

/* One entry: its fields, each ended by NUL. */
typedef struct Entry {
    char *fields[FIELDS_MAX];
    int n;
} Entry;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Entry entries[ENTRIES_MAX];
static int n_entries;

static int capture(const struct iovec *fields, int n)
{
    int i;

    pthread_mutex_lock(&lock);
    if (n_entries != ENTRIES_MAX && n <= FIELDS_MAX) {
        Entry *entry = &entries[n_entries++];
        for (i = 0; i != n; ++i)
            entry->fields[i] = strndup(fields[i].iov_base, fields[i].iov_len);
        entry->n = n;
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

static void forget_entries(void)
{
    int i, j;

    for (i = 0; i != n_entries; ++i)
        for (j = 0; j != entries[i].n; ++j)
            free(entries[i].fields[j]);
    n_entries = 0;
}

/* The value of a field of an entry, or "(none)". */
static const char *get_field(int entry, const char *name)
{
    size_t length = strlen(name);
    int i;

    for (i = 0; entry < n_entries && i != entries[entry].n; ++i)
        if (strncmp(entries[entry].fields[i], name, length) == 0 &&
            entries[entry].fields[i][length] == '=')
            return entries[entry].fields[i] + length + 1;
    return "(none)";
}

/* ---- A server ---- */

typedef struct Site {
    char directory[64];
    sd_event *event;
    Manager *manager;
    Server *server;
    bool done;
    char error[512];
    unsigned port;
} Site;

static void on_started(Server *server, const ServerReply *reply, void *userdata)
{
    Site *site = userdata;

    site->done = true;
    if (reply->error != NULL)
        snprintf(site->error, sizeof(site->error), "%s", reply->error->message);
    else
        site->port = (unsigned)atoi(strrchr(reply->urls[0], ':') + 1);
}

static void on_stopped(Manager *manager, const ManagerReply *reply, void *userdata)
{
    ((Site *)userdata)->done = true;
}

static void run_until_done(Site *site)
{
    while (!site->done)
        sd_event_run(site->event, UINT64_MAX);
    site->done = false;
}

/* Starts a server with these lines at the top, at its host and at its path. */
static void site_init(Site *site, JournalSend journal, const char *top, const char *host,
                      const char *path)
{
    char *config_dirs[] = {site->directory, NULL}, name[128];
    ManagerOptions options = {.config_dirs = config_dirs, .n_threads = 1, .journal = journal};
    _cleanup_error_ Error error = ERROR_INIT;
    FILE *file;

    *site = (Site){.directory = "/tmp/sluice-conf-XXXXXX"};
    if (mkdtemp(site->directory) == NULL)
        abort();
    snprintf(name, sizeof(name), "%s/servers", site->directory);
    mkdir(name, 0700);
    snprintf(name, sizeof(name), "%s/page", site->directory);
    fclose(fopen(name, "w"));
    snprintf(name, sizeof(name), "%s/servers/j.conf", site->directory);
    if ((file = fopen(name, "w")) == NULL)
        abort();
    fprintf(file,
            "listen: {host: 127.0.0.1, port: 0}\n%s\nhosts:\n  default:\n    %s\n    paths:\n"
            "      /:\n        file.dir: %s\n        %s\n",
            top, host, site->directory, path);
    fclose(file);
    if (sd_event_new(&site->event) < 0 ||
        manager_new(&site->manager, site->event, &options, &error) < 0 ||
        manager_load(site->manager, &error) < 0)
        abort();
    site->server = manager_find_server(site->manager, "j");
    server_start(site->server, SERVER_REASON_REQUEST, on_started, site);
    run_until_done(site);
}

static void site_deinit(Site *site)
{
    static const char *const names[] = {"/servers/j.conf", "/servers", "/page", ""};
    char name[128];
    size_t i;

    manager_stop_all(site->manager, 0, SERVER_REASON_EXIT, on_stopped, site);
    run_until_done(site);
    manager_free(site->manager);
    sd_event_unref(site->event);
    for (i = 0; i != sizeof(names) / sizeof(names[0]); ++i) {
        snprintf(name, sizeof(name), "%s%s", site->directory, names[i]);
        remove(name);
    }
    forget_entries();
}

/* Sends a request and reads until the server closes; what is logged has been by then. */
static void ask(const Site *site, const char *request)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)site->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char buffer[4096];

    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        write(fd, request, strlen(request)) < 0)
        abort();
    while (read(fd, buffer, sizeof(buffer)) > 0)
        ;
    close(fd);
}

/* ---- Cases ---- */

static unsigned n_cases, n_failed;

static void expect(const char *name, const char *got, const char *wanted)
{
    bool ok = strcmp(got, wanted) == 0;

    printf("%sok %u - %s\n", ok ? "" : "not ", ++n_cases, name);
    if (!ok)
        printf("# got `%s` instead of `%s`\n", got, wanted);
    n_failed += !ok;
}

static void expect_entries(const char *name, int wanted)
{
    char got[16], text[16];

    snprintf(got, sizeof(got), "%d", n_entries);
    snprintf(text, sizeof(text), "%d", wanted);
    expect(name, got, text);
}

static void test_fields(void)
{
    Site site;

    site_init(&site, capture, "access-log: journal", "", "");
    ask(&site, "GET /none?a=b HTTP/1.0\r\nuser-agent: me\r\n\r\n");
    expect_entries("/journal/one_entry_per_request", 1);
    expect("/journal/server", get_field(0, "SLUICE_SERVER"), "j");
    expect("/journal/status", get_field(0, "SLUICE_STATUS"), "404");
    expect("/journal/method", get_field(0, "SLUICE_METHOD"), "GET");
    expect("/journal/path", get_field(0, "SLUICE_PATH"), "/none?a=b");
    expect("/journal/bytes", get_field(0, "SLUICE_BYTES"), "9");
    expect("/journal/priority", get_field(0, "PRIORITY"), "6");
    expect("/journal/combined_format",
           strstr(get_field(0, "MESSAGE"), "\"GET /none?a=b HTTP/1.0\""),
           "\"GET /none?a=b HTTP/1.0\" 404 9 \"-\" \"me\"");
    site_deinit(&site);
}

static void test_format(void)
{
    Site site;

    site_init(&site, capture, "access-log: {path: journal, format: \"%m-%s\"}", "", "");
    ask(&site, "HEAD /page HTTP/1.0\r\n\r\n");
    expect("/journal/own_format", get_field(0, "MESSAGE"), "HEAD-200");
    site_deinit(&site);
}

static void test_escape(void)
{
    Site site;

    site_init(&site, capture, "access-log: {path: journal, escape: json, format: '\"%{x}i\"'}", "",
              "");
    ask(&site, "GET /page HTTP/1.0\r\nx: a\"b\r\n\r\n");
    expect("/journal/escape", get_field(0, "MESSAGE"), "\"a\\\"b\"");
    site_deinit(&site);
}

/* The logs of all levels get the request. */
static void test_levels(void)
{
    Site site;

    site_init(&site, capture, "access-log: {path: journal, format: top}",
              "access-log: {path: journal, format: host}",
              "access-log: {path: journal, format: path}");
    ask(&site, "GET /page HTTP/1.0\r\n\r\n");
    expect_entries("/journal/levels", 3);
    site_deinit(&site);
}

/* A field is as long as what the client sent. */
static void test_long(void)
{
    char request[9000] = "GET /", path[8001] = "/";
    Site site;

    memset(request + 5, 'x', 7999);
    memset(path + 1, 'x', 7999);
    strcat(request, " HTTP/1.0\r\n\r\n");
    site_init(&site, capture, "access-log: {path: journal, format: \"%U\"}", "", "");
    ask(&site, request);
    expect("/journal/long_path", get_field(0, "SLUICE_PATH"), path);
    expect("/journal/long_line", get_field(0, "MESSAGE"), path);
    site_deinit(&site);
}

static void test_nowhere(void)
{
    Site site;

    site_init(&site, NULL, "access-log: journal", "", "");
    ask(&site, "GET /page HTTP/1.0\r\n\r\n");
    expect_entries("/journal/nowhere", 0);
    site_deinit(&site);
}

int main(void)
{
    test_fields();
    test_format();
    test_escape();
    test_levels();
    test_long();
    test_nowhere();
    printf("1..%u\n", n_cases);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
