/* SPDX-License-Identifier: MIT */
/*
 * The small things that all else stands on: reading files and noticing that they have changed,
 * lists of strings and errors.
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "file-list.h"
#include "file-read.h"
#include "strv.h"

/* ---- file-list ---- */

/* Notes a file as one that has not changed for long: an hour ago by its time stamps in `list`. */
static void add_old(FileList *list, const char *path, FileKind kind)
{
    struct stat st, old;

    g_assert_cmpint(stat(path, &st), ==, 0);
    old = st;
    old.st_ctim.tv_sec -= 3600;
    file_list_add(list, path, &old, kind);
    /* Time stamps of changes cannot be set on disk. */
    list->entries[list->n_entries - 1].st = st;
}

static void test_current(Files *f, gconstpointer data)
{
    g_autofree char *path = files_write(f, "a", "text");
    FileList list = {NULL, 0, false};

    g_assert_true(file_list_is_current(&list));
    add_old(&list, path, FILE_CONTENT);
    add_old(&list, f->directory, FILE_IDENTITY);
    g_assert_cmpuint(list.n_entries, ==, 2);
    g_assert_cmpstr(list.entries[0].path, ==, path);
    g_assert_true(file_list_is_current(&list));
    file_list_clear(&list);
    g_assert_cmpuint(list.n_entries, ==, 0);
    g_assert_null(list.entries);
    file_list_clear(&list);
}

/* One file among others is enough. */
static void test_changed_size(Files *f, gconstpointer data)
{
    g_autofree char *first = files_write(f, "a", "text"), *second = files_write(f, "b", "text"),
                    *again = NULL;
    FileList list = {NULL, 0, false};

    add_old(&list, first, FILE_CONTENT);
    add_old(&list, second, FILE_CONTENT);
    again = files_write(f, "b", "longer text");
    g_assert_false(file_list_is_current(&list));
    file_list_clear(&list);
}

static void test_changed_time(Files *f, gconstpointer data)
{
    g_autofree char *path = files_write(f, "a", "text");
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1}};
    FileList list = {NULL, 0, false};

    add_old(&list, path, FILE_CONTENT);
    g_assert_cmpint(utimensat(AT_FDCWD, path, times, 0), ==, 0);
    g_assert_false(file_list_is_current(&list));
    file_list_clear(&list);
}

/* Somebody has set the time of modification back: that of the change still tells. */
static void test_changed_status_time(Files *f, gconstpointer data)
{
    g_autofree char *path = files_write(f, "a", "text");
    FileList list = {NULL, 0, false};

    add_old(&list, path, FILE_CONTENT);
    list.entries[0].st.st_ctim.tv_sec -= 1;
    g_assert_false(file_list_is_current(&list));
    file_list_clear(&list);
}

static void test_changed_mode(Files *f, gconstpointer data)
{
    g_autofree char *path = files_write(f, "a", "text");
    FileList list = {NULL, 0, false};

    add_old(&list, path, FILE_IDENTITY);
    g_assert_cmpint(chmod(path, 0400), ==, 0);
    g_assert_false(file_list_is_current(&list));
    file_list_clear(&list);
}

static void test_replaced(Files *f, gconstpointer data)
{
    g_autofree char *path = files_write(f, "a", "text"), *other = files_write(f, "b", "text");
    FileList list = {NULL, 0, false};

    add_old(&list, path, FILE_IDENTITY);
    g_assert_cmpint(rename(other, path), ==, 0);
    g_assert_false(file_list_is_current(&list));
    file_list_clear(&list);
}

static void test_gone(Files *f, gconstpointer data)
{
    g_autofree char *path = files_write(f, "a", "text");
    FileList list = {NULL, 0, false};

    add_old(&list, path, FILE_IDENTITY);
    g_assert_cmpint(unlink(path), ==, 0);
    g_assert_false(file_list_is_current(&list));
    file_list_clear(&list);
}

/* Of a directory or a log only the identity matters. */
static void test_identity(Files *f, gconstpointer data)
{
    g_autofree char *path = files_write(f, "a", "text"), *again = NULL, *other = NULL;
    FileList list = {NULL, 0, false};

    add_old(&list, path, FILE_IDENTITY);
    add_old(&list, f->directory, FILE_IDENTITY);
    again = files_write(f, "a", "more text");
    other = files_write(f, "b", "text");
    g_assert_true(file_list_is_current(&list));
    file_list_clear(&list);
}

/* What has changed within the last tick may do so again without anybody seeing it. */
static void test_racy(Files *f, gconstpointer data)
{
    g_autofree char *path = files_write(f, "a", "text");
    FileList list = {NULL, 0, false};
    struct timespec now;
    struct stat st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    clock_gettime(CLOCK_REALTIME, &now);
    st.st_ctim = now;
    st.st_ctim.tv_sec += 3600; /* "just now" whatever this machine does meanwhile */
    file_list_add(&list, path, &st, FILE_IDENTITY);
    g_assert_false(list.incomplete);
    file_list_add(&list, path, &st, FILE_CONTENT);
    g_assert_true(list.incomplete);
    g_assert_false(file_list_is_current(&list));
    file_list_clear(&list);
    g_assert_false(list.incomplete);
}

static void test_incomplete(Files *f, gconstpointer data)
{
    FileList list = {NULL, 0, true};

    g_assert_false(file_list_is_current(&list));
}

/* ---- file-read ---- */

static void test_read(Files *f, gconstpointer data)
{
    g_autofree char *path = files_write(f, "a", "some text\n"), *text = NULL;
    FileList list = {NULL, 0, false};
    const char *why = NULL;
    size_t length = 0;

    g_assert_cmpint(file_read(path, 10, &list, &text, &length, &why), ==, 0);
    g_assert_cmpuint(length, ==, 10);
    g_assert_cmpstr(text, ==, "some text\n");
    g_assert_cmpuint(list.n_entries, ==, 1);
    g_assert_cmpstr(list.entries[0].path, ==, path);
    g_assert_cmpint(list.entries[0].kind, ==, FILE_CONTENT);
    file_list_clear(&list);
}

static void test_read_empty(Files *f, gconstpointer data)
{
    g_autofree char *path = files_write(f, "a", ""), *text = NULL;
    FileList list = {NULL, 0, false};
    const char *why = NULL;
    size_t length = 1;

    g_assert_cmpint(file_read(path, 0, &list, &text, &length, &why), ==, 0);
    g_assert_cmpuint(length, ==, 0);
    g_assert_cmpstr(text, ==, "");
    file_list_clear(&list);
}

/* A size around those of the buffer, NUL included. */
static void test_read_sizes(Files *f, gconstpointer data)
{
    static const size_t sizes[] = {4094, 4095, 4096, 4097, 16383, 16384, 16385, 100000};
    size_t i;

    for (i = 0; i != G_N_ELEMENTS(sizes); ++i) {
        g_autofree char *filler = g_strnfill(sizes[i], 'x');
        g_autofree char *path = files_write(f, "a", filler), *text = NULL, *none = NULL;
        FileList list = {NULL, 0, false};
        const char *why = NULL;
        size_t length = 0;
        g_assert_cmpint(file_read(path, sizes[i], &list, &text, &length, &why), ==, 0);
        g_assert_cmpuint(length, ==, sizes[i]);
        g_assert_cmpstr(text, ==, filler);
        g_assert_cmpint(file_read(path, sizes[i] - 1, &list, &none, &length, &why), ==, -EFBIG);
        g_assert_cmpstr(why, ==, "too large");
        g_assert_null(none);
        g_assert_cmpuint(list.n_entries, ==, 1);
        file_list_clear(&list);
    }
}

static void assert_unreadable(const char *path, int r, const char *text)
{
    FileList list = {NULL, 0, false};
    const char *why = NULL;
    char *found = NULL;
    size_t length;

    g_assert_cmpint(file_read(path, 100, &list, &found, &length, &why), ==, r);
    g_assert_cmpstr(why, ==, text);
    g_assert_null(found);
    g_assert_cmpuint(list.n_entries, ==, 0);
}

static void test_read_others(Files *f, gconstpointer data)
{
    g_autofree char *fifo = files_path(f, "fifo"), *missing = files_path(f, "missing"),
                    *file = files_write(f, "a", ""), *below = files_path(f, "a/b");

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    assert_unreadable(fifo, -EINVAL, "not a regular file");
    assert_unreadable(f->directory, -EINVAL, "not a regular file");
    assert_unreadable("/dev/zero", -EINVAL, "not a regular file");
    assert_unreadable(missing, -ENOENT, strerror(ENOENT));
    assert_unreadable(below, -ENOTDIR, strerror(ENOTDIR));
    assert_unreadable("", -ENOENT, strerror(ENOENT));
}

/* ---- strv ---- */

static void test_strv(void)
{
    char **list = NULL, **other = NULL;

    g_assert_cmpuint(strv_length(NULL), ==, 0);
    g_assert_nonnull(strv_or_empty(NULL));
    g_assert_null(strv_or_empty(NULL)[0]);
    g_assert_null(strv_free(NULL));
    g_assert_cmpint(strv_take(&list, strdup("a")), ==, 0);
    g_assert_cmpint(strv_take(&list, strdup("")), ==, 0);
    g_assert_cmpint(strv_take(&list, NULL), ==, -ENOMEM);
    g_assert_cmpuint(strv_length(list), ==, 2);
    g_assert_cmpstr(list[0], ==, "a");
    g_assert_cmpstr(list[1], ==, "");
    g_assert_null(list[2]);
    g_assert_true(strv_or_empty(list) == list);
    g_assert_cmpint(strv_extend(&other, NULL), ==, 0);
    g_assert_cmpuint(strv_length(other), ==, 0);
    g_assert_cmpint(strv_extend(&other, list), ==, 0);
    g_assert_cmpint(strv_extend(&other, list), ==, 0);
    g_assert_cmpuint(strv_length(other), ==, 4);
    g_assert_true(other[0] != list[0]);
    g_assert_cmpstr(other[2], ==, "a");
    g_assert_null(strv_free(list));
    g_assert_null(strv_free(other));
}

/* ---- error ---- */

static void test_error_set(void)
{
    _cleanup_error_ Error error = ERROR_INIT;

    g_assert_cmpint(error_set(&error, ERROR_FAILED, "%s %d", "one", 2), ==, -EIO);
    g_assert_cmpint(error.code, ==, ERROR_FAILED);
    g_assert_cmpstr(error.message, ==, "one 2");
    /* The last message may be part of the next. */
    g_assert_cmpint(error_set(&error, ERROR_INVALID_NAME, "again: %s", error.message), ==, -EINVAL);
    g_assert_cmpstr(error.message, ==, "again: one 2");
    error_clear(&error);
    g_assert_cmpint(error.code, ==, ERROR_NONE);
    g_assert_null(error.message);
    g_assert_cmpint(error_set(NULL, ERROR_NOT_RUNNING, "nobody cares"), ==, -ESHUTDOWN);
}

static void test_error_prefix(void)
{
    _cleanup_error_ Error error = ERROR_INIT;

    error_prefix(NULL, "x");
    error_prefix(&error, "x");
    g_assert_cmpint(error.code, ==, ERROR_NONE);
    g_assert_null(error.message);
    error_set(&error, ERROR_LISTEN_FAILED, "no");
    error_prefix(&error, "%s-%d", "a", 1);
    error_prefix(&error, "100%%");
    g_assert_cmpstr(error.message, ==, "100%: a-1: no");
    g_assert_cmpint(error.code, ==, ERROR_LISTEN_FAILED);
}

static void test_error_append(void)
{
    _cleanup_error_ Error error = ERROR_INIT;

    error_append(NULL, "x");
    error_append(&error, "x");
    g_assert_cmpint(error.code, ==, ERROR_NONE);
    g_assert_null(error.message);
    error_set(&error, ERROR_LISTEN_FAILED, "no");
    error_append(&error, " %s-%d", "a", 1);
    error_append(&error, ", 100%%");
    g_assert_cmpstr(error.message, ==, "no a-1, 100%");
    g_assert_cmpint(error.code, ==, ERROR_LISTEN_FAILED);
}

static void test_error_copy(void)
{
    _cleanup_error_ Error from = ERROR_INIT, to = ERROR_INIT;

    error_set(&to, ERROR_FAILED, "old");
    g_assert_cmpint(error_copy(&to, &from), ==, 0);
    g_assert_cmpstr(to.message, ==, "old");
    error_set(&from, ERROR_ADDRESS_IN_USE, "%s", "100%s");
    g_assert_cmpint(error_copy(NULL, &from), ==, -EADDRINUSE);
    g_assert_cmpint(error_copy(&to, &from), ==, -EADDRINUSE);
    g_assert_cmpint(to.code, ==, ERROR_ADDRESS_IN_USE);
    g_assert_cmpstr(to.message, ==, "100%s");
    g_assert_true(to.message != from.message);
}

/* Each code has an errno of its own, so that callers who have only this can tell them apart. */
static void test_error_errno(void)
{
    int i, j;

    g_assert_cmpint(error_to_errno(ERROR_NONE), ==, 0);
    for (i = ERROR_NONE + 1; i != ERROR_CODE_MAX; ++i) {
        g_assert_cmpint(error_to_errno((ErrorCode)i), <, 0);
        for (j = ERROR_NONE + 1; j != i; ++j)
            g_assert_cmpint(error_to_errno((ErrorCode)i), !=, error_to_errno((ErrorCode)j));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    files_add_test("/file-list/current", test_current);
    files_add_test("/file-list/changed-size", test_changed_size);
    files_add_test("/file-list/changed-time", test_changed_time);
    files_add_test("/file-list/changed-status-time", test_changed_status_time);
    files_add_test("/file-list/changed-mode", test_changed_mode);
    files_add_test("/file-list/replaced", test_replaced);
    files_add_test("/file-list/gone", test_gone);
    files_add_test("/file-list/identity", test_identity);
    files_add_test("/file-list/racy", test_racy);
    files_add_test("/file-list/incomplete", test_incomplete);
    files_add_test("/file-read/regular", test_read);
    files_add_test("/file-read/empty", test_read_empty);
    files_add_test("/file-read/sizes", test_read_sizes);
    files_add_test("/file-read/others", test_read_others);
    g_test_add_func("/strv", test_strv);
    g_test_add_func("/error/set", test_error_set);
    g_test_add_func("/error/prefix", test_error_prefix);
    g_test_add_func("/error/append", test_error_append);
    g_test_add_func("/error/copy", test_error_copy);
    g_test_add_func("/error/errno", test_error_errno);
    return g_test_run();
}
