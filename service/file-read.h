/* SPDX-License-Identifier: MIT */
/*
 * Reading a small file whole. Whatever stands in its place, a FIFO, a device, a directory or
 * something endless, is told apart first and never holds up the caller.
 */
#ifndef SLUICE_FILE_READ_H
#define SLUICE_FILE_READ_H

#include <stddef.h>

#include "file-list.h"

/*
 * Reads at most `max` bytes of the regular file `path`, adds a NUL behind them and notes the file
 * in `files`. The caller frees `*ret`. Returns 0, or a negative errno with `*why` set to a constant
 * text for people: "not a regular file", "too large", or that of the errno.
 */
int file_read(const char *path, size_t max, FileList *files, char **ret, size_t *ret_length,
              const char **why);

#endif
