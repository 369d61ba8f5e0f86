/* SPDX-License-Identifier: MIT */
/* See file-read.h. */
#include "file-read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fail(int r, const char *text, const char **why)
{
    *why = text;
    return r;
}

/* Reads until the end or one byte more than `max`. */
static int read_all(int fd, size_t max, char **ret, size_t *ret_length, const char **why)
{
    size_t length = 0, capacity = 4096;
    char *text = NULL, *grown;
    ssize_t n = 1;

    while (n > 0 && length <= max) {
        if (text == NULL || length + 1 == capacity) {
            capacity = text == NULL ? capacity : capacity * 4;
            if ((grown = realloc(text, capacity)) == NULL) {
                free(text);
                return fail(-ENOMEM, strerror(ENOMEM), why);
            }
            text = grown;
        }
        do {
            n = read(fd, text + length, capacity - length - 1);
        } while (n < 0 && errno == EINTR);
        if (n > 0)
            length += (size_t)n;
    }
    if (n < 0 || length > max) {
        int r = n < 0 ? -errno : -EFBIG;
        free(text);
        return fail(r, n < 0 ? strerror(-r) : "too large", why);
    }
    text[length] = '\0';
    *ret = text;
    *ret_length = length;
    return 0;
}

int file_read(const char *path, size_t max, FileList *files, char **ret, size_t *ret_length,
              const char **why)
{
    struct stat st;
    int fd, r;

    /* O_NONBLOCK: opening a FIFO must not wait for its writer. It means nothing to a file. */
    if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) < 0) {
        r = -errno;
        return fail(r, strerror(-r), why);
    }
    if (fstat(fd, &st) < 0)
        r = fail(-errno, strerror(errno), why);
    else if (!S_ISREG(st.st_mode))
        r = fail(-EINVAL, "not a regular file", why);
    else
        r = read_all(fd, max, ret, ret_length, why);
    if (r >= 0)
        file_list_add(files, path, &st, FILE_CONTENT);
    close(fd);
    return r;
}
