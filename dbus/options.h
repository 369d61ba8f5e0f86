/* SPDX-License-Identifier: MIT */
/*
 * Reads the a{sv} argument of a method strictly: an option that is unknown, given twice or of the
 * wrong type is an error that names it, and then nothing may be changed.
 */
#ifndef SLUICE_OPTIONS_H
#define SLUICE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-bus.h>

typedef struct Option {
    const char *name;
    char type;   /* a basic D-Bus type without a string or a file descriptor: b u t ... */
    void *value; /* as sd_bus_message_read_basic() wants it: for b an int */
    bool is_set; /* set by options_read(); `value` is left alone where it stays false */
} Option;

/* 0, or negative with `error` filled (org.freedesktop.DBus.Error.InvalidArgs). */
int options_read(sd_bus_message *m, Option *options, size_t n_options, sd_bus_error *error);

#endif
