/* SPDX-License-Identifier: MIT */
/* See options.h. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "version.h"

static void print_help(void)
{
    printf("sluicectl [OPTIONS...] [COMMAND [ARGUMENT...]]\n"
           "\n"
           "Start, stop and watch the HTTP servers of sluiced.\n"
           "\n"
           "Commands:\n"
           "  start NAME...          Start servers and print the URLs they listen on\n"
           "  stop NAME...           Stop servers and wait until they have\n"
           "  reload [NAME...]       Have servers read their files again; without a name,\n"
           "                         read the directories again: add, remove, reload\n"
           "  status [NAME...]       Show how servers are, or how sluiced is\n"
           "  list                   List all servers; the default\n"
           "  monitor [NAME...]      Print changes of state as they happen\n"
           "  check FILE...          Check configuration files; - is standard input\n"
           "  attach NAME            Start a server, follow it, stop it at SIGTERM\n"
           "\n"
           "Options:\n"
           "  --system               Talk to the system's sluiced (default)\n"
           "  --user                 Talk to the user's\n"
           "  --address=ADDRESS      Connect to the bus at this D-Bus address instead\n"
           "  --all                  start, stop: every server\n"
           "  --timeout=SECONDS      stop: wait so long for connections to finish, then cut\n"
           "                         them; default: what the server's file says\n"
           "  --no-ask-password      Have nobody asked for a password\n"
           "  --no-legend            Do not head the columns\n"
           "  -q, --quiet            Print nothing but errors\n"
           "  --version              Print the version and exit\n"
           "  -h, --help             Print this help and exit\n");
}

int usage(const char *format, ...)
{
    va_list args;

    fputs("sluicectl: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("\nTry 'sluicectl --help'.\n", stderr);
    return EXIT_USAGE;
}

static int read_timeout(const char *text, uint64_t *ret_usec)
{
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end != '\0' || !isfinite(seconds) || seconds < 0 || seconds > 1e9) {
        usage("--timeout= takes seconds, not '%s'", text);
        return -EINVAL;
    }
    *ret_usec = (uint64_t)(seconds * 1e6);
    return 0;
}

int options_parse(Options *ret, char ***ret_arguments, int argc, char *argv[])
{
    enum { SYSTEM = 256, USER, ADDRESS, ALL, TIMEOUT, NO_ASK_PASSWORD, NO_LEGEND, VERSION };
    static const struct option longs[] = {
        {"system", no_argument, NULL, SYSTEM},
        {"user", no_argument, NULL, USER},
        {"address", required_argument, NULL, ADDRESS},
        {"all", no_argument, NULL, ALL},
        {"timeout", required_argument, NULL, TIMEOUT},
        {"no-ask-password", no_argument, NULL, NO_ASK_PASSWORD},
        {"no-legend", no_argument, NULL, NO_LEGEND},
        {"quiet", no_argument, NULL, 'q'},
        {"version", no_argument, NULL, VERSION},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    Options options = {.ask_password = true, .legend = true, .timeout_usec = TIMEOUT_DEFAULT};
    int c, r = 0;

    while (r >= 0 && (c = getopt_long(argc, argv, "hq", longs, NULL)) >= 0) {
        switch (c) {
        case SYSTEM:
        case USER:
            options.user = c == USER;
            break;
        case ADDRESS:
            options.address = optarg;
            break;
        case ALL:
            options.all = true;
            break;
        case TIMEOUT:
            r = read_timeout(optarg, &options.timeout_usec);
            break;
        case NO_ASK_PASSWORD:
            options.ask_password = false;
            break;
        case NO_LEGEND:
            options.legend = false;
            break;
        case 'q':
            options.quiet = true;
            break;
        case VERSION:
            printf("sluicectl %s\n", SLUICE_VERSION);
            return 0;
        case 'h':
            print_help();
            return 0;
        default:
            fputs("Try 'sluicectl --help'.\n", stderr);
            return -EINVAL;
        }
    }
    if (r < 0)
        return r;
    *ret = options;
    *ret_arguments = argv + optind;
    return 1;
}
