/* SPDX-License-Identifier: MIT */
/* See program-options.h. */
#include "program-options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "strv.h"
#include "version.h"

#define EXIT_IDLE_DEFAULT (30 * 1000000ULL)
#define THREADS_MAX       256

static void print_help(void)
{
    printf("sluiced [OPTIONS...]\n"
           "\n"
           "An HTTP server that is started, stopped and watched over D-Bus.\n"
           "\n"
           "  --system               Serve on the system bus (default)\n"
           "  --user                 Serve on the user's bus\n"
           "  --address=ADDRESS      Connect to the bus at this D-Bus address instead\n"
           "  --config-dir=DIR       Read DIR/servers/NAME.conf only; may be repeated\n"
           "  --threads=N            Worker threads (default: one per CPU)\n"
           "  --exit-idle-time=SEC   Leave after being idle so long (default: 30);\n"
           "                         0 or infinity: never\n"
           "  --check FILE           Check a configuration file and exit\n"
           "  --version              Print the version and exit\n"
           "  --help                 Print this help and exit\n");
}

static int usage(const char *format, const char *value)
{
    fprintf(stderr, "sluiced: ");
    fprintf(stderr, format, value);
    fprintf(stderr, "\nTry 'sluiced --help'.\n");
    return -EINVAL;
}

static int read_threads(const char *text, unsigned *ret)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || n < 1 || n > THREADS_MAX)
        return usage("--threads= takes a number from 1 to 256, not '%s'", text);
    *ret = (unsigned)n;
    return 0;
}

static int read_idle_time(const char *text, uint64_t *ret_usec)
{
    double seconds;
    char *end;

    if (strcmp(text, "infinity") == 0) {
        *ret_usec = UINT64_MAX;
        return 0;
    }
    seconds = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(seconds) || seconds < 0 || seconds > 1e9)
        return usage("--exit-idle-time= takes seconds or 'infinity', not '%s'", text);
    *ret_usec = seconds > 0 ? (uint64_t)(seconds * 1e6) : UINT64_MAX;
    return 0;
}

static int add_dir(char ***dirs, const char *format, const char *base)
{
    char *dir = NULL;

    if (asprintf(&dir, format, base) < 0)
        return -ENOMEM;
    return strv_take(dirs, dir);
}

/* The directory is shown to others, who may have another working directory. */
static int add_given_dir(char ***dirs, const char *given)
{
    char *here, *dir = NULL;
    int r;

    if (given[0] == '/')
        return add_dir(dirs, "%s", given);
    if ((here = getcwd(NULL, 0)) == NULL)
        return -errno;
    r = asprintf(&dir, "%s/%s", here, given) < 0 ? -ENOMEM : strv_take(dirs, dir);
    free(here);
    return r;
}

static int add_default_dirs(ProgramOptions *options)
{
    const char *config_home = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int r = 0;

    if (options->user) {
        if (config_home != NULL && config_home[0] == '/')
            r = add_dir(&options->config_dirs, "%s/sluice", config_home);
        else if (home != NULL && home[0] == '/')
            r = add_dir(&options->config_dirs, "%s/.config/sluice", home);
    } else if ((r = add_dir(&options->config_dirs, "%s", "/etc/sluice")) >= 0) {
        r = add_dir(&options->config_dirs, "%s", "/run/sluice");
    }
    /* What the package ships comes last; for a user, too, so that there is a first server. */
    if (r >= 0)
        r = add_dir(&options->config_dirs, "%s", SLUICE_PREFIX_CONFIG_DIR);
    if (r >= 0 && strcmp(SLUICE_PREFIX_CONFIG_DIR, "/usr/lib/sluice") != 0)
        r = add_dir(&options->config_dirs, "%s", "/usr/lib/sluice");
    return r;
}

static int parse(ProgramOptions *options, int argc, char *argv[])
{
    enum { SYSTEM = 1, USER, ADDRESS, CONFIG_DIR, THREADS, EXIT_IDLE_TIME, CHECK, VERSION, HELP };
    static const struct option longs[] = {
        {"system", no_argument, NULL, SYSTEM},
        {"user", no_argument, NULL, USER},
        {"address", required_argument, NULL, ADDRESS},
        {"config-dir", required_argument, NULL, CONFIG_DIR},
        {"threads", required_argument, NULL, THREADS},
        {"exit-idle-time", required_argument, NULL, EXIT_IDLE_TIME},
        {"check", required_argument, NULL, CHECK},
        {"version", no_argument, NULL, VERSION},
        {"help", no_argument, NULL, HELP},
        {NULL, 0, NULL, 0},
    };
    int c, r = 0;

    while (r >= 0 && (c = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
        switch (c) {
        case SYSTEM:
        case USER:
            options->user = c == USER;
            break;
        case ADDRESS:
            options->address = optarg;
            break;
        case CONFIG_DIR:
            r = add_given_dir(&options->config_dirs, optarg);
            break;
        case THREADS:
            r = read_threads(optarg, &options->n_threads);
            break;
        case EXIT_IDLE_TIME:
            r = read_idle_time(optarg, &options->exit_idle_usec);
            break;
        case CHECK:
            options->action = PROGRAM_CHECK;
            options->check_file = optarg;
            break;
        case VERSION:
            printf("sluiced %s\n", SLUICE_VERSION);
            options->action = PROGRAM_EXIT;
            return 0;
        case HELP:
            print_help();
            options->action = PROGRAM_EXIT;
            return 0;
        default:
            fprintf(stderr, "Try 'sluiced --help'.\n");
            return -EINVAL;
        }
    }
    if (r >= 0 && optind < argc)
        return usage("unexpected argument '%s'", argv[optind]);
    return r;
}

int program_options_parse(ProgramOptions *ret, int argc, char *argv[])
{
    ProgramOptions options = {.exit_idle_usec = EXIT_IDLE_DEFAULT};
    int r = parse(&options, argc, argv);

    if (r >= 0 && options.config_dirs == NULL)
        r = add_default_dirs(&options);
    if (r < 0) {
        program_options_clear(&options);
        return r;
    }
    *ret = options;
    return 0;
}

void program_options_clear(ProgramOptions *options)
{
    options->config_dirs = strv_free(options->config_dirs);
}
