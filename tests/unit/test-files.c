/* SPDX-License-Identifier: MIT */
/*
 * The small things that all else stands on: reading files and noticing that they have changed, the
 * configuration directories, lists of strings and errors.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory.h"
#include "error.h"
#include "file-list.h"
#include "file-read.h"
#include "manager.h"
#include "strv.h"

typedef struct Fixture {
    char *directory;
} Fixture;

static void setup(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    f->directory = g_dir_make_tmp("sluice-unit-XXXXXX", &error);
    g_assert_no_error(error);
}

static void remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        if (g_file_test(child, G_FILE_TEST_IS_SYMLINK) || !g_file_test(child, G_FILE_TEST_IS_DIR))
            g_unlink(child);
        else
            remove_tree(child);
    }
    g_rmdir(path);
}

static void teardown(Fixture *f, gconstpointer data)
{
    remove_tree(f->directory);
    g_free(f->directory);
}

static char *path_of(Fixture *f, const char *name)
{
    return g_build_filename(f->directory, name, NULL);
}

/* Writes in place: the file stays the same one. */
static char *write_file(Fixture *f, const char *name, const char *text)
{
    char *path = path_of(f, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, text, strlen(text)), ==, strlen(text));
    g_assert_cmpint(close(fd), ==, 0);
    return path;
}

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

static void test_current(Fixture *f, gconstpointer data)
{
    g_autofree char *path = write_file(f, "a", "text");
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
static void test_changed_size(Fixture *f, gconstpointer data)
{
    g_autofree char *first = write_file(f, "a", "text"), *second = write_file(f, "b", "text"),
                    *again = NULL;
    FileList list = {NULL, 0, false};

    add_old(&list, first, FILE_CONTENT);
    add_old(&list, second, FILE_CONTENT);
    again = write_file(f, "b", "longer text");
    g_assert_false(file_list_is_current(&list));
    file_list_clear(&list);
}

static void test_changed_time(Fixture *f, gconstpointer data)
{
    g_autofree char *path = write_file(f, "a", "text");
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1}};
    FileList list = {NULL, 0, false};

    add_old(&list, path, FILE_CONTENT);
    g_assert_cmpint(utimensat(AT_FDCWD, path, times, 0), ==, 0);
    g_assert_false(file_list_is_current(&list));
    file_list_clear(&list);
}

/* Somebody has set the time of modification back: that of the change still tells. */
static void test_changed_status_time(Fixture *f, gconstpointer data)
{
    g_autofree char *path = write_file(f, "a", "text");
    FileList list = {NULL, 0, false};

    add_old(&list, path, FILE_CONTENT);
    list.entries[0].st.st_ctim.tv_sec -= 1;
    g_assert_false(file_list_is_current(&list));
    file_list_clear(&list);
}

static void test_changed_mode(Fixture *f, gconstpointer data)
{
    g_autofree char *path = write_file(f, "a", "text");
    FileList list = {NULL, 0, false};

    add_old(&list, path, FILE_IDENTITY);
    g_assert_cmpint(chmod(path, 0400), ==, 0);
    g_assert_false(file_list_is_current(&list));
    file_list_clear(&list);
}

static void test_replaced(Fixture *f, gconstpointer data)
{
    g_autofree char *path = write_file(f, "a", "text"), *other = write_file(f, "b", "text");
    FileList list = {NULL, 0, false};

    add_old(&list, path, FILE_IDENTITY);
    g_assert_cmpint(rename(other, path), ==, 0);
    g_assert_false(file_list_is_current(&list));
    file_list_clear(&list);
}

static void test_gone(Fixture *f, gconstpointer data)
{
    g_autofree char *path = write_file(f, "a", "text");
    FileList list = {NULL, 0, false};

    add_old(&list, path, FILE_IDENTITY);
    g_assert_cmpint(unlink(path), ==, 0);
    g_assert_false(file_list_is_current(&list));
    file_list_clear(&list);
}

/* Of a directory or a log only the identity matters. */
static void test_identity(Fixture *f, gconstpointer data)
{
    g_autofree char *path = write_file(f, "a", "text"), *again = NULL, *other = NULL;
    FileList list = {NULL, 0, false};

    add_old(&list, path, FILE_IDENTITY);
    add_old(&list, f->directory, FILE_IDENTITY);
    again = write_file(f, "a", "more text");
    other = write_file(f, "b", "text");
    g_assert_true(file_list_is_current(&list));
    file_list_clear(&list);
}

/* What has changed within the last tick may do so again without anybody seeing it. */
static void test_racy(Fixture *f, gconstpointer data)
{
    g_autofree char *path = write_file(f, "a", "text");
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

static void test_incomplete(Fixture *f, gconstpointer data)
{
    FileList list = {NULL, 0, true};

    g_assert_false(file_list_is_current(&list));
}

/* ---- file-read ---- */

static void test_read(Fixture *f, gconstpointer data)
{
    g_autofree char *path = write_file(f, "a", "some text\n"), *text = NULL;
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

static void test_read_empty(Fixture *f, gconstpointer data)
{
    g_autofree char *path = write_file(f, "a", ""), *text = NULL;
    FileList list = {NULL, 0, false};
    const char *why = NULL;
    size_t length = 1;

    g_assert_cmpint(file_read(path, 0, &list, &text, &length, &why), ==, 0);
    g_assert_cmpuint(length, ==, 0);
    g_assert_cmpstr(text, ==, "");
    file_list_clear(&list);
}

/* A size around those of the buffer, NUL included. */
static void test_read_sizes(Fixture *f, gconstpointer data)
{
    static const size_t sizes[] = {4094, 4095, 4096, 4097, 16383, 16384, 16385, 100000};
    size_t i;

    for (i = 0; i != G_N_ELEMENTS(sizes); ++i) {
        g_autofree char *filler = g_strnfill(sizes[i], 'x');
        g_autofree char *path = write_file(f, "a", filler), *text = NULL, *none = NULL;
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

static void test_read_others(Fixture *f, gconstpointer data)
{
    g_autofree char *fifo = path_of(f, "fifo"), *missing = path_of(f, "missing"),
                    *file = write_file(f, "a", ""), *below = path_of(f, "a/b");

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    assert_unreadable(fifo, -EINVAL, "not a regular file");
    assert_unreadable(f->directory, -EINVAL, "not a regular file");
    assert_unreadable("/dev/zero", -EINVAL, "not a regular file");
    assert_unreadable(missing, -ENOENT, strerror(ENOENT));
    assert_unreadable(below, -ENOTDIR, strerror(ENOTDIR));
    assert_unreadable("", -ENOENT, strerror(ENOENT));
}

/* ---- directory ---- */

static char *make_dir(Fixture *f, const char *name)
{
    g_autofree char *below = g_strdup_printf("%s/%s/servers", f->directory, name);

    g_assert_cmpint(g_mkdir_with_parents(below, 0700), ==, 0);
    return path_of(f, name);
}

static void assert_entry(const Directory *directory, size_t i, const char *name, const char *dir)
{
    g_autofree char *path = g_strdup_printf("%s/servers/%s.conf", dir, name);

    g_assert_cmpuint(i, <, directory->n_entries);
    g_assert_cmpstr(directory->entries[i].name, ==, name);
    g_assert_cmpstr(directory->entries[i].path, ==, path);
}

static void touch(Fixture *f, const char *name)
{
    g_free(write_file(f, name, ""));
}

static void test_directory(Fixture *f, gconstpointer data)
{
    g_autofree char *a = make_dir(f, "a"), *b = make_dir(f, "b"), *none = path_of(f, "none");
    char *const dirs[] = {none, a, b, NULL};
    Directory directory;

    touch(f, "b/servers/zebra.conf");
    touch(f, "b/servers/both.conf");
    touch(f, "b/servers/ape.conf");
    touch(f, "a/servers/both.conf");
    touch(f, "a/servers/monkey.conf");
    g_assert_cmpint(directory_read(&directory, dirs, NULL), ==, 0);
    g_assert_cmpuint(directory.n_entries, ==, 4);
    assert_entry(&directory, 0, "ape", b);
    assert_entry(&directory, 1, "both", a);
    assert_entry(&directory, 2, "monkey", a);
    assert_entry(&directory, 3, "zebra", b);
    directory_clear(&directory);
    g_assert_cmpuint(directory.n_entries, ==, 0);
}

static void test_directory_mask(Fixture *f, gconstpointer data)
{
    g_autofree char *a = make_dir(f, "a"), *b = make_dir(f, "b"),
                    *mask = path_of(f, "a/servers/masked.conf"),
                    *late = path_of(f, "b/servers/kept.conf"),
                    *link = path_of(f, "a/servers/link.conf");
    char *const dirs[] = {a, b, NULL};
    Directory directory;

    touch(f, "b/servers/masked.conf");
    touch(f, "a/servers/kept.conf");
    g_assert_cmpint(symlink("/dev/null", mask), ==, 0);
    g_assert_cmpint(symlink("/dev/null", late), ==, 0);
    /* Only /dev/null itself masks. */
    g_assert_cmpint(symlink("/dev/nullx", link), ==, 0);
    g_assert_cmpint(directory_read(&directory, dirs, NULL), ==, 0);
    g_assert_cmpuint(directory.n_entries, ==, 2);
    assert_entry(&directory, 0, "kept", a);
    assert_entry(&directory, 1, "link", a);
    directory_clear(&directory);
}

static void test_directory_names(Fixture *f, gconstpointer data)
{
    g_autofree char *a = make_dir(f, "a"), *longest = g_strnfill(SLUICE_NAME_MAX, 'n'),
                    *longer = g_strnfill(SLUICE_NAME_MAX + 1, 'n'),
                    *good = g_strdup_printf("a/servers/%s.conf", longest),
                    *bad = g_strdup_printf("a/servers/%s.conf", longer);
    char *const dirs[] = {a, NULL};
    Directory directory;

    touch(f, good);
    touch(f, bad);
    touch(f, "a/servers/.conf");
    touch(f, "a/servers/.hidden.conf");
    touch(f, "a/servers/with space.conf");
    touch(f, "a/servers/\xc3\xa4.conf");
    touch(f, "a/servers/x.conf~");
    touch(f, "a/servers/x.CONF");
    touch(f, "a/servers/conf");
    touch(f, "a/servers/A_b.c-9.conf");
    g_assert_cmpint(directory_read(&directory, dirs, NULL), ==, 0);
    g_assert_cmpuint(directory.n_entries, ==, 2);
    assert_entry(&directory, 0, "A_b.c-9", a);
    assert_entry(&directory, 1, longest, a);
    directory_clear(&directory);
}

static void test_directory_none(Fixture *f, gconstpointer data)
{
    char *const dirs[] = {NULL};
    Directory directory;

    g_assert_cmpint(directory_read(&directory, dirs, NULL), ==, 0);
    g_assert_cmpuint(directory.n_entries, ==, 0);
    directory_clear(&directory);
}

static void test_directory_unreadable(Fixture *f, gconstpointer data)
{
    g_autofree char *a = make_dir(f, "a"), *b = path_of(f, "b"),
                    *message =
                        g_strdup_printf("cannot read the configuration directory %s/servers: "
                                        "Not a directory",
                                        b);
    char *const dirs[] = {a, b, NULL};
    _cleanup_error_ Error error = ERROR_INIT;
    Directory directory = {NULL, 7};

    touch(f, "a/servers/good.conf");
    g_assert_cmpint(mkdir(b, 0700), ==, 0);
    touch(f, "b/servers");
    g_assert_cmpint(directory_read(&directory, dirs, &error), <, 0);
    g_assert_cmpint(error.code, ==, ERROR_FAILED);
    g_assert_cmpstr(error.message, ==, message);
    g_assert_cmpuint(directory.n_entries, ==, 7);
}

static void assert_found(char *const *dirs, const char *name, const char *dir)
{
    g_autofree char *expected = g_strdup_printf("%s/servers/%s.conf", dir, name);
    char *path = NULL;

    g_assert_cmpint(directory_find(&path, dirs, name), ==, 0);
    g_assert_cmpstr(path, ==, expected);
    free(path);
}

static void assert_not_found(char *const *dirs, const char *name)
{
    char *path = NULL;

    g_assert_cmpint(directory_find(&path, dirs, name), ==, -ENOENT);
    g_assert_null(path);
}

static void test_directory_find(Fixture *f, gconstpointer data)
{
    g_autofree char *a = make_dir(f, "a"), *b = make_dir(f, "b"), *none = path_of(f, "none"),
                    *link = path_of(f, "b/servers/link.conf");
    char *const dirs[] = {none, a, b, NULL};

    touch(f, "b/servers/late.conf");
    touch(f, "a/servers/both.conf");
    touch(f, "b/servers/both.conf");
    /* What cannot be read is there all the same, and its Start says what is wrong. */
    g_assert_cmpint(symlink("/nonexistent", link), ==, 0);
    assert_found(dirs, "late", b);
    assert_found(dirs, "both", a);
    assert_found(dirs, "link", b);
    assert_not_found(dirs, "lat");
    assert_not_found(dirs, "late.conf");
}

/* As directory_read() has it: an earlier mask hides what comes later, a later one nothing. */
static void test_directory_find_mask(Fixture *f, gconstpointer data)
{
    g_autofree char *a = make_dir(f, "a"), *b = make_dir(f, "b"),
                    *mask = path_of(f, "a/servers/masked.conf"),
                    *late = path_of(f, "b/servers/kept.conf");
    char *const dirs[] = {a, b, NULL};

    touch(f, "b/servers/masked.conf");
    touch(f, "a/servers/kept.conf");
    g_assert_cmpint(symlink("/dev/null", mask), ==, 0);
    g_assert_cmpint(symlink("/dev/null", late), ==, 0);
    assert_not_found(dirs, "masked");
    assert_found(dirs, "kept", a);
}

static void test_directory_find_none(Fixture *f, gconstpointer data)
{
    g_autofree char *file = path_of(f, "file");
    char *const none[] = {NULL}, *const no_directory[] = {file, NULL};

    touch(f, "file");
    assert_not_found(none, "www");
    assert_not_found(no_directory, "www");
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

static void add(const char *path, void (*test)(Fixture *, gconstpointer))
{
    g_test_add(path, Fixture, NULL, setup, test, teardown);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/file-list/current", test_current);
    add("/file-list/changed-size", test_changed_size);
    add("/file-list/changed-time", test_changed_time);
    add("/file-list/changed-status-time", test_changed_status_time);
    add("/file-list/changed-mode", test_changed_mode);
    add("/file-list/replaced", test_replaced);
    add("/file-list/gone", test_gone);
    add("/file-list/identity", test_identity);
    add("/file-list/racy", test_racy);
    add("/file-list/incomplete", test_incomplete);
    add("/file-read/regular", test_read);
    add("/file-read/empty", test_read_empty);
    add("/file-read/sizes", test_read_sizes);
    add("/file-read/others", test_read_others);
    add("/directory/first-wins", test_directory);
    add("/directory/mask", test_directory_mask);
    add("/directory/names", test_directory_names);
    add("/directory/none", test_directory_none);
    add("/directory/unreadable", test_directory_unreadable);
    add("/directory/find", test_directory_find);
    add("/directory/find/mask", test_directory_find_mask);
    add("/directory/find/none", test_directory_find_none);
    g_test_add_func("/strv", test_strv);
    g_test_add_func("/error/set", test_error_set);
    g_test_add_func("/error/prefix", test_error_prefix);
    g_test_add_func("/error/append", test_error_append);
    g_test_add_func("/error/copy", test_error_copy);
    g_test_add_func("/error/errno", test_error_errno);
    return g_test_run();
}
