/* SPDX-License-Identifier: MIT */
/* See errors.h. */
#include "errors.h"

#include <errno.h>
#include <stdlib.h>

#include "marshal.h"
#include "names.h"

/* The same numbers as error_to_errno(), so that a code survives its way through an sd_bus_error. */
static const sd_bus_error_map error_map[] = {
    SD_BUS_ERROR_MAP(SLUICE_ERROR_NO_SUCH_SERVER, ENOENT),
    SD_BUS_ERROR_MAP(SLUICE_ERROR_SERVER_EXISTS, EEXIST),
    SD_BUS_ERROR_MAP(SLUICE_ERROR_INVALID_NAME, EINVAL),
    SD_BUS_ERROR_MAP(SLUICE_ERROR_INVALID_CONFIG, EBADMSG),
    SD_BUS_ERROR_MAP(SLUICE_ERROR_ADDRESS_IN_USE, EADDRINUSE),
    SD_BUS_ERROR_MAP(SLUICE_ERROR_LISTEN_FAILED, EADDRNOTAVAIL),
    SD_BUS_ERROR_MAP(SLUICE_ERROR_NOT_RUNNING, ESHUTDOWN),
    SD_BUS_ERROR_MAP(SLUICE_ERROR_NOT_TRANSIENT, EPERM),
    SD_BUS_ERROR_MAP(SLUICE_ERROR_LIMIT_REACHED, EMFILE),
    SD_BUS_ERROR_MAP(SLUICE_ERROR_APP_FAILED, ECHILD),
    SD_BUS_ERROR_MAP_END,
};

int bus_errors_register(void)
{
    return sd_bus_error_add_map(error_map);
}

const char *bus_error_name(ErrorCode code)
{
    static const char *const table[ERROR_CODE_MAX] = {
        [ERROR_FAILED] = SD_BUS_ERROR_FAILED,
        [ERROR_NO_SUCH_SERVER] = SLUICE_ERROR_NO_SUCH_SERVER,
        [ERROR_SERVER_EXISTS] = SLUICE_ERROR_SERVER_EXISTS,
        [ERROR_INVALID_NAME] = SLUICE_ERROR_INVALID_NAME,
        [ERROR_INVALID_CONFIG] = SLUICE_ERROR_INVALID_CONFIG,
        [ERROR_ADDRESS_IN_USE] = SLUICE_ERROR_ADDRESS_IN_USE,
        [ERROR_LISTEN_FAILED] = SLUICE_ERROR_LISTEN_FAILED,
        [ERROR_NOT_RUNNING] = SLUICE_ERROR_NOT_RUNNING,
        [ERROR_NOT_TRANSIENT] = SLUICE_ERROR_NOT_TRANSIENT,
        [ERROR_LIMIT_REACHED] = SLUICE_ERROR_LIMIT_REACHED,
        [ERROR_APP_FAILED] = SLUICE_ERROR_APP_FAILED,
    };

    if ((unsigned)code < ERROR_CODE_MAX && table[code] != NULL)
        return table[code];
    return SD_BUS_ERROR_FAILED;
}

int bus_error_set(sd_bus_error *ret, const Error *error)
{
    char *copy = NULL;
    int r;

    r = sd_bus_error_set(ret, bus_error_name(error->code), utf8_or_copy(error->message, &copy));
    free(copy);
    return r;
}

int bus_reply_error(sd_bus_message *call, const Error *error)
{
    char *copy = NULL;
    int r;

    r = sd_bus_reply_method_error(
        call,
        &SD_BUS_ERROR_MAKE_CONST(bus_error_name(error->code), utf8_or_copy(error->message, &copy)));
    free(copy);
    return r;
}
