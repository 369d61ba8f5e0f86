/* SPDX-License-Identifier: MIT */
/* What an Error of service/ looks like on the bus. */
#ifndef SLUICE_ERRORS_H
#define SLUICE_ERRORS_H

#include <systemd/sd-bus.h>

#include "error.h"

/* Tells sd-bus which errno belongs to which of our error names. Harmless when repeated. */
int bus_errors_register(void);

/* The D-Bus error name of a code; ERROR_FAILED is org.freedesktop.DBus.Error.Failed. */
const char *bus_error_name(ErrorCode code);

/* Fills `ret` from `error`, for a handler that returns it; returns the negative errno. */
int bus_error_set(sd_bus_error *ret, const Error *error);

/* Answers `call` with `error`, which must hold one. Returns as sd_bus_reply_method_error(). */
int bus_reply_error(sd_bus_message *call, const Error *error);

#endif
