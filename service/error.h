/* SPDX-License-Identifier: MIT */
/*
 * What went wrong, for programs and for people: a code that the bus maps to an error name, and a
 * message made where the knowledge is (the file and line, the address, the errno text).
 *
 * A function that can fail in a way a user should read about takes an `Error *`, which may be NULL
 * when the caller does not care. On failure it fills it once, with error_set(), and returns the
 * negative errno that error_set() returned; on success it leaves it alone.
 */
#ifndef SLUICE_ERROR_H
#define SLUICE_ERROR_H

typedef enum ErrorCode {
    ERROR_NONE,
    ERROR_FAILED, /* anything that has no name of its own: out of memory, a broken invariant */
    ERROR_NO_SUCH_SERVER,
    ERROR_SERVER_EXISTS,
    ERROR_INVALID_NAME,
    ERROR_INVALID_CONFIG, /* message: FILE:LINE:COLUMN: what is wrong */
    ERROR_ADDRESS_IN_USE, /* message names the address */
    ERROR_LISTEN_FAILED,  /* message names the address and the errno text */
    ERROR_NOT_RUNNING,
    ERROR_NOT_TRANSIENT,
    ERROR_LIMIT_REACHED,
    ERROR_APP_FAILED,
    ERROR_CODE_MAX,
} ErrorCode;

typedef struct Error {
    ErrorCode code;
    char *message; /* owned; NULL exactly when code is ERROR_NONE */
} Error;

#define ERROR_INIT ((Error){ERROR_NONE, NULL})

/* Fills `error` (freeing what it held) and returns the negative errno that belongs to `code`. */
int error_set(Error *error, ErrorCode code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Copies `from` into `to`, which may be NULL; returns the negative errno of `from->code`, or 0. */
int error_copy(Error *to, const Error *from);

/* Puts "PREFIX: " in front of the message. */
void error_prefix(Error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts more behind the message. */
void error_append(Error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The negative errno of a code; 0 for ERROR_NONE. */
int error_to_errno(ErrorCode code);

/* Frees the message and makes `error` ERROR_INIT again. */
void error_clear(Error *error);

#define _cleanup_error_ __attribute__((cleanup(error_clear)))

#endif
