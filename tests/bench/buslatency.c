/* SPDX-License-Identifier: MIT */
/*
 * A bus client that measures how long one server's methods take, from the call to its reply.
 *
 * It is written in C because an interpreter would add more to each call than the bus does. `bench`
 * runs it in one of three ways; each prints JSON on standard output, times in microseconds:
 *
 *   cycle   Ping, Start, Ping, Stop, over and over: the calls are interleaved so that whatever
 *           disturbs the machine disturbs all of them alike.
 *   status  Ping, Status, over and over, one pair every --interval-usec.
 *   drive   reads one method name a line (Ping, Start, Stop, Reload, Status) from standard input
 *           and answers each with one line; ends at end of file.
 *
 * Before anything else it waits until the service answers a Ping. One thread, one connection; all
 * calls are synchronous.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <systemd/sd-bus.h>

#define SERVER_PREFIX    "/org/sluice/Sluice1/server"
#define SERVER_INTERFACE "org.sluice.Sluice1.Server"
#define PEER_INTERFACE   "org.freedesktop.DBus.Peer"

#define USEC_PER_SEC      UINT64_C(1000000)
#define NSEC_PER_SEC      UINT64_C(1000000000)
#define CALL_TIMEOUT_USEC (20 * USEC_PER_SEC)

typedef enum Method {
    METHOD_PING,
    METHOD_START,
    METHOD_STOP,
    METHOD_RELOAD,
    METHOD_STATUS,
    METHOD_COUNT,
    METHOD_INVALID = -1,
} Method;

static const char *const method_names[METHOD_COUNT] = {
    [METHOD_PING] = "Ping",     [METHOD_START] = "Start",   [METHOD_STOP] = "Stop",
    [METHOD_RELOAD] = "Reload", [METHOD_STATUS] = "Status",
};

/* The durations of one method's calls. */
typedef struct Samples {
    uint64_t *nsec;
    size_t count, size;
} Samples;

typedef struct Client {
    sd_bus *bus;
    const char *service; /* well-known bus name */
    char *path;          /* the server's object */
    Samples samples[METHOD_COUNT];
} Client;

static uint64_t now_nsec(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void sleep_until_nsec(uint64_t deadline)
{
    struct timespec ts = {
        .tv_sec = (time_t)(deadline / NSEC_PER_SEC),
        .tv_nsec = (long)(deadline % NSEC_PER_SEC),
    };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
        ;
}

static void samples_add(Samples *samples, uint64_t nsec)
{
    if (samples->count == samples->size) {
        size_t size = samples->size > 0 ? samples->size * 2 : 1024;
        uint64_t *grown = reallocarray(samples->nsec, size, sizeof(*grown));

        if (grown == NULL) {
            fputs("bench-buslatency: out of memory\n", stderr);
            exit(EXIT_FAILURE);
        }
        samples->nsec = grown;
        samples->size = size;
    }
    samples->nsec[samples->count++] = nsec;
}

static int compare_nsec(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* The value below which `permille` of the sorted samples lie (nearest rank), in microseconds. */
static double samples_quantile_usec(const Samples *samples, unsigned permille)
{
    size_t rank = (samples->count * permille + 999) / 1000;

    return (double)samples->nsec[rank > 0 ? rank - 1 : 0] / 1000.0;
}

static void print_samples(Client *client)
{
    const char *separator = "";

    putchar('{');
    for (int m = 0; m < METHOD_COUNT; ++m) {
        Samples *samples = &client->samples[m];

        if (samples->count == 0)
            continue;
        qsort(samples->nsec, samples->count, sizeof(*samples->nsec), compare_nsec);
        printf("%s\"%s\": {\"calls\": %zu, \"min\": %.1f, \"median\": %.1f, \"p90\": %.1f, "
               "\"p99\": %.1f, \"max\": %.1f}",
               separator, method_names[m], samples->count, samples_quantile_usec(samples, 0),
               samples_quantile_usec(samples, 500), samples_quantile_usec(samples, 900),
               samples_quantile_usec(samples, 990), samples_quantile_usec(samples, 1000));
        separator = ", ";
    }
    puts("}");
}

/*
 * Calls `method` and stores how long it took, until its reply was read. `reply` may be NULL.
 * Returns 0 or a negative errno, with `error` filled in.
 */
static int client_call(Client *client, Method method, uint64_t *nsec, sd_bus_error *error,
                       sd_bus_message **reply)
{
    const char *interface = method == METHOD_PING ? PEER_INTERFACE : SERVER_INTERFACE;
    sd_bus_message *call = NULL;
    uint64_t begun = now_nsec();
    int r;

    r = sd_bus_message_new_method_call(client->bus, &call, client->service, client->path, interface,
                                       method_names[method]);
    if (r >= 0)
        r = sd_bus_message_set_auto_start(call, 0);
    if (r >= 0)
        r = sd_bus_call(client->bus, call, CALL_TIMEOUT_USEC, error, reply);
    *nsec = now_nsec() - begun;
    sd_bus_message_unref(call);
    if (r < 0 && !sd_bus_error_is_set(error))
        sd_bus_error_set_errno(error, r);
    return r < 0 ? r : 0;
}

/* Calls `method` and, if `keep`, adds its duration to the samples. Says what went wrong, if
 * anything. */
static int client_sample(Client *client, Method method, bool keep)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    uint64_t nsec;
    int r = client_call(client, method, &nsec, &error, NULL);

    if (r < 0)
        fprintf(stderr, "bench-buslatency: %s: %s: %s\n", method_names[method], error.name,
                error.message);
    else if (keep)
        samples_add(&client->samples[method], nsec);
    sd_bus_error_free(&error);
    return r;
}

/* Waits until the service answers. Returns 0 or a negative errno (the last call's) after `usec`. */
static int client_wait(Client *client, uint64_t usec)
{
    uint64_t deadline = now_nsec() + usec * 1000;

    for (;;) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        uint64_t nsec;
        int r = client_call(client, METHOD_PING, &nsec, &error, NULL);
        bool done = r >= 0 || now_nsec() >= deadline || sd_bus_is_open(client->bus) <= 0;

        if (r < 0 && done)
            fprintf(stderr, "bench-buslatency: %s does not answer: %s\n", client->service,
                    error.message);
        sd_bus_error_free(&error);
        if (done)
            return r;
        sleep_until_nsec(now_nsec() + NSEC_PER_SEC / 100);
    }
}

static int run_cycle(Client *client, unsigned warmup, unsigned iterations)
{
    static const Method order[] = {METHOD_PING, METHOD_START, METHOD_PING, METHOD_STOP};

    for (unsigned i = 0; i < warmup + iterations; ++i)
        for (size_t k = 0; k < sizeof(order) / sizeof(order[0]); ++k) {
            int r = client_sample(client, order[k], i >= warmup);
            if (r < 0)
                return r;
        }
    print_samples(client);
    return 0;
}

static int run_status(Client *client, unsigned warmup, unsigned iterations, uint64_t interval_usec)
{
    uint64_t next = now_nsec();

    for (unsigned i = 0; i < warmup + iterations; ++i) {
        int r = client_sample(client, METHOD_PING, i >= warmup);
        if (r >= 0)
            r = client_sample(client, METHOD_STATUS, i >= warmup);
        if (r < 0)
            return r;
        next += interval_usec * 1000;
        if (next > now_nsec())
            sleep_until_nsec(next);
        else
            next = now_nsec();
    }
    print_samples(client);
    return 0;
}

static void print_string(const char *text)
{
    putchar('"');
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; ++p) {
        if (*p == '"' || *p == '\\')
            putchar('\\');
        if (*p < 0x20)
            printf("\\u%04x", *p);
        else
            putchar(*p);
    }
    putchar('"');
}

/* Prints what Start (as) or Stop (uu) returned; null for the others. */
static int print_reply(sd_bus_message *reply, Method method)
{
    uint32_t finished, cut;
    const char *url, *separator = "";
    int r;

    switch (method) {
    case METHOD_START:
        r = sd_bus_message_enter_container(reply, SD_BUS_TYPE_ARRAY, "s");
        if (r < 0)
            return r;
        putchar('[');
        while ((r = sd_bus_message_read_basic(reply, SD_BUS_TYPE_STRING, &url)) > 0) {
            fputs(separator, stdout);
            print_string(url);
            separator = ", ";
        }
        putchar(']');
        return r;
    case METHOD_STOP:
        r = sd_bus_message_read(reply, "uu", &finished, &cut);
        if (r < 0)
            return r;
        printf("[%" PRIu32 ", %" PRIu32 "]", finished, cut);
        return 0;
    default:
        fputs("null", stdout);
        return 0;
    }
}

static Method method_from_name(const char *name)
{
    for (int m = 0; m < METHOD_COUNT; ++m)
        if (strcmp(name, method_names[m]) == 0)
            return m;
    return METHOD_INVALID;
}

static int run_drive(Client *client)
{
    char line[64];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        uint64_t nsec;
        Method method;
        int r;

        line[strcspn(line, "\n")] = '\0';
        method = method_from_name(line);
        if (method == METHOD_INVALID) {
            fprintf(stderr, "bench-buslatency: no method \"%s\"\n", line);
            return -EINVAL;
        }
        r = client_call(client, method, &nsec, &error, &reply);
        if (r < 0) {
            printf("{\"usec\": %.1f, \"error\": ", (double)nsec / 1000.0);
            print_string(error.name);
            fputs(", \"message\": ", stdout);
            print_string(error.message);
            r = 0;
        } else {
            printf("{\"usec\": %.1f, \"error\": null, \"reply\": ", (double)nsec / 1000.0);
            r = print_reply(reply, method);
        }
        puts("}");
        fflush(stdout);
        sd_bus_message_unref(reply);
        sd_bus_error_free(&error);
        if (r < 0) {
            fprintf(stderr, "bench-buslatency: %s: unexpected reply: %s\n", line, strerror(-r));
            return r;
        }
    }
    return 0;
}

static int connect_bus(const char *address, sd_bus **ret)
{
    sd_bus *bus = NULL;
    int r = sd_bus_new(&bus);

    if (r >= 0)
        r = sd_bus_set_address(bus, address);
    if (r >= 0)
        r = sd_bus_set_bus_client(bus, 1);
    if (r >= 0)
        r = sd_bus_start(bus);
    if (r < 0) {
        sd_bus_unref(bus);
        return r;
    }
    *ret = bus;
    return 0;
}

/* Reads a number no greater than `max`; ends the program if it is none. */
static unsigned parse_number(const char *option, const char *text, unsigned max)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value > max) {
        fprintf(stderr, "bench-buslatency: --%s: not a number up to %u: %s\n", option, max, text);
        exit(EXIT_FAILURE);
    }
    return (unsigned)value;
}

int main(int argc, char **argv)
{
    enum { OPT_ADDRESS, OPT_SERVICE, OPT_SERVER, OPT_ITERATIONS, OPT_WARMUP, OPT_INTERVAL };
    static const struct option options[] = {
        {"address", required_argument, NULL, OPT_ADDRESS},
        {"service", required_argument, NULL, OPT_SERVICE},
        {"server", required_argument, NULL, OPT_SERVER},
        {"iterations", required_argument, NULL, OPT_ITERATIONS},
        {"warmup", required_argument, NULL, OPT_WARMUP},
        {"interval-usec", required_argument, NULL, OPT_INTERVAL},
        {NULL, 0, NULL, 0},
    };
    Client client = {.service = "org.sluice.Sluice1"};
    const char *address = getenv("DBUS_SESSION_BUS_ADDRESS"), *server = NULL, *mode;
    unsigned iterations = 1000, warmup = 100, interval_usec = 0;
    int c, index, r;

    while ((c = getopt_long(argc, argv, "", options, &index)) >= 0)
        switch (c) {
        case OPT_ADDRESS:
            address = optarg;
            break;
        case OPT_SERVICE:
            client.service = optarg;
            break;
        case OPT_SERVER:
            server = optarg;
            break;
        case OPT_ITERATIONS:
            iterations = parse_number(options[index].name, optarg, 10000000);
            break;
        case OPT_WARMUP:
            warmup = parse_number(options[index].name, optarg, 10000000);
            break;
        case OPT_INTERVAL:
            interval_usec = parse_number(options[index].name, optarg, 60000000);
            break;
        default:
            return EXIT_FAILURE;
        }
    if (address == NULL || server == NULL || optind + 1 != argc) {
        fprintf(stderr,
                "usage: bench-buslatency --address=ADDRESS --server=NAME [--service=BUS-NAME]\n"
                "       [--iterations=N] [--warmup=N] [--interval-usec=N] cycle|status|drive\n");
        return EXIT_FAILURE;
    }
    mode = argv[optind];

    r = sd_bus_path_encode(SERVER_PREFIX, server, &client.path);
    if (r >= 0)
        r = connect_bus(address, &client.bus);
    if (r < 0) {
        fprintf(stderr, "bench-buslatency: %s: %s\n", address, strerror(-r));
        free(client.path);
        return EXIT_FAILURE;
    }

    r = client_wait(&client, 10 * USEC_PER_SEC);
    if (r >= 0) {
        if (strcmp(mode, "cycle") == 0)
            r = run_cycle(&client, warmup, iterations);
        else if (strcmp(mode, "status") == 0)
            r = run_status(&client, warmup, iterations, interval_usec);
        else if (strcmp(mode, "drive") == 0)
            r = run_drive(&client);
        else {
            fprintf(stderr, "bench-buslatency: no mode \"%s\"\n", mode);
            r = -EINVAL;
        }
    }

    for (int m = 0; m < METHOD_COUNT; ++m)
        free(client.samples[m].nsec);
    sd_bus_flush_close_unref(client.bus);
    free(client.path);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
