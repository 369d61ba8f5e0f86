/* SPDX-License-Identifier: MIT */
/*
 * The command check: has sluiced check configuration files as a Start would. It gets their text, so
 * it need not be able to read them itself; but what they name, keys say, it reads.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "names.h"

#define SIZE_LIMIT (16 * 1024 * 1024) /* what is larger is no configuration */

/* What sluiced calls a text that has no name. */
#define PLACEHOLDER "config:"

/* Everything that is left in `stream`, with a NUL at the end; NULL and errno if that fails. */
static char *read_all(FILE *stream)
{
    char *text = NULL;
    size_t size = 0;
    ssize_t n;

    errno = 0;
    n = getdelim(&text, &size, '\0', stream);
    if (n < 0 && !ferror(stream) && errno == 0) {
        free(text);
        return strdup("");
    }
    if (n >= 0 && (n > SIZE_LIMIT || text[n - 1] == '\0' || !feof(stream))) {
        errno = n > SIZE_LIMIT ? EFBIG : EILSEQ;
        n = -1;
    }
    if (n < 0) {
        free(text);
        return NULL;
    }
    return text;
}

static char *read_file(const char *file)
{
    FILE *stream = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
    char *text;
    int error;

    if (stream == NULL)
        return NULL;
    text = read_all(stream);
    error = errno;
    if (stream != stdin)
        fclose(stream);
    errno = error;
    return text;
}

/* "config:3:1: ..." becomes "FILE:3:1: ...". */
static void print_mistake(const char *file, const char *message)
{
    _cleanup_free_ char *safe = text_new("%s", message);
    const char *rest = safe;

    if (strncmp(safe, PLACEHOLDER, strlen(PLACEHOLDER)) == 0)
        rest = safe + strlen(PLACEHOLDER);
    fprintf(stderr, "%s:%s%s\n", strcmp(file, "-") == 0 ? "<stdin>" : file, rest == safe ? " " : "",
            rest);
}

static int check_one(Client *client, const char *file)
{
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_message_ sd_bus_message *m = NULL;
    _cleanup_free_ char *text = read_file(file);
    int r;

    if (text == NULL)
        return fail("cannot read %s: %s", file,
                    errno == EILSEQ ? "it is not text" : strerror(errno));
    r = client_new_call(client, &m, MANAGER_PATH, MANAGER_INTERFACE, "CheckConfig");
    if (r >= 0)
        r = sd_bus_message_append_basic(m, 's', text);
    if (r == -EINVAL)
        return fail("cannot check %s: it is not UTF-8", file);
    r = client_call(client, r, m, &error, NULL);
    if (r < 0 && sd_bus_error_has_name(&error, ERROR_INVALID_CONFIG)) {
        print_mistake(file, error.message);
        return EXIT_FAILURE;
    }
    return r < 0 ? fail_with(client, &error, r, "cannot check %s", file) : EXIT_SUCCESS;
}

int command_check(Client *client, char **files)
{
    int code = EXIT_SUCCESS;

    for (; *files != NULL; ++files)
        if (check_one(client, *files) != EXIT_SUCCESS)
            code = EXIT_FAILURE;
    return code;
}
