/* SPDX-License-Identifier: MIT */
/* See error.h. */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int error_to_errno(ErrorCode code)
{
    static const int table[ERROR_CODE_MAX] = {
        [ERROR_NONE] = 0,
        [ERROR_FAILED] = EIO,
        [ERROR_NO_SUCH_SERVER] = ENOENT,
        [ERROR_SERVER_EXISTS] = EEXIST,
        [ERROR_INVALID_NAME] = EINVAL,
        [ERROR_INVALID_CONFIG] = EBADMSG,
        [ERROR_ADDRESS_IN_USE] = EADDRINUSE,
        [ERROR_LISTEN_FAILED] = EADDRNOTAVAIL,
        [ERROR_NOT_RUNNING] = ESHUTDOWN,
        [ERROR_NOT_TRANSIENT] = EPERM,
        [ERROR_LIMIT_REACHED] = EMFILE,
        [ERROR_APP_FAILED] = ECHILD,
    };

    return -table[code];
}

int error_set(Error *error, ErrorCode code, const char *format, ...)
{
    char *message = NULL;
    va_list args;

    if (error != NULL) {
        va_start(args, format);
        if (vasprintf(&message, format, args) < 0)
            message = strdup(strerror(ENOMEM));
        va_end(args);
        error_clear(error);
        *error = (Error){code, message};
    }
    return error_to_errno(code);
}

int error_copy(Error *to, const Error *from)
{
    if (from->code == ERROR_NONE)
        return 0;
    return error_set(to, from->code, "%s", from->message);
}

void error_prefix(Error *error, const char *format, ...)
{
    char *prefix = NULL, *message = NULL;
    va_list args;

    if (error == NULL || error->code == ERROR_NONE)
        return;
    va_start(args, format);
    if (vasprintf(&prefix, format, args) >= 0 &&
        asprintf(&message, "%s: %s", prefix, error->message) >= 0) {
        free(error->message);
        error->message = message;
    }
    va_end(args);
    free(prefix);
}

void error_append(Error *error, const char *format, ...)
{
    char *suffix = NULL, *message = NULL;
    va_list args;

    if (error == NULL || error->code == ERROR_NONE)
        return;
    va_start(args, format);
    if (vasprintf(&suffix, format, args) >= 0 &&
        asprintf(&message, "%s%s", error->message, suffix) >= 0) {
        free(error->message);
        error->message = message;
    }
    va_end(args);
    free(suffix);
}

void error_clear(Error *error)
{
    free(error->message);
    *error = ERROR_INIT;
}
