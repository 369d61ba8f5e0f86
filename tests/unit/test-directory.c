/* SPDX-License-Identifier: MIT */
/* The configuration directories: which files there are servers, and where one is. */
#include "files.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory.h"
#include "error.h"
#include "manager.h"

static char *make_dir(Files *f, const char *name)
{
    g_autofree char *below = g_strdup_printf("%s/%s/servers", f->directory, name);

    g_assert_cmpint(g_mkdir_with_parents(below, 0700), ==, 0);
    return files_path(f, name);
}

static void assert_entry(const Directory *directory, size_t i, const char *name, const char *dir)
{
    g_autofree char *path = g_strdup_printf("%s/servers/%s.conf", dir, name);

    g_assert_cmpuint(i, <, directory->n_entries);
    g_assert_cmpstr(directory->entries[i].name, ==, name);
    g_assert_cmpstr(directory->entries[i].path, ==, path);
}

static void touch(Files *f, const char *name)
{
    g_free(files_write(f, name, ""));
}

static void test_directory(Files *f, gconstpointer data)
{
    g_autofree char *a = make_dir(f, "a"), *b = make_dir(f, "b"), *none = files_path(f, "none");
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

static void test_directory_mask(Files *f, gconstpointer data)
{
    g_autofree char *a = make_dir(f, "a"), *b = make_dir(f, "b"),
                    *mask = files_path(f, "a/servers/masked.conf"),
                    *late = files_path(f, "b/servers/kept.conf"),
                    *link = files_path(f, "a/servers/link.conf");
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

static void test_directory_names(Files *f, gconstpointer data)
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

static void test_directory_none(Files *f, gconstpointer data)
{
    char *const dirs[] = {NULL};
    Directory directory;

    g_assert_cmpint(directory_read(&directory, dirs, NULL), ==, 0);
    g_assert_cmpuint(directory.n_entries, ==, 0);
    directory_clear(&directory);
}

static void test_directory_unreadable(Files *f, gconstpointer data)
{
    g_autofree char *a = make_dir(f, "a"), *b = files_path(f, "b"),
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

static void test_directory_find(Files *f, gconstpointer data)
{
    g_autofree char *a = make_dir(f, "a"), *b = make_dir(f, "b"), *none = files_path(f, "none"),
                    *link = files_path(f, "b/servers/link.conf");
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
static void test_directory_find_mask(Files *f, gconstpointer data)
{
    g_autofree char *a = make_dir(f, "a"), *b = make_dir(f, "b"),
                    *mask = files_path(f, "a/servers/masked.conf"),
                    *late = files_path(f, "b/servers/kept.conf");
    char *const dirs[] = {a, b, NULL};

    touch(f, "b/servers/masked.conf");
    touch(f, "a/servers/kept.conf");
    g_assert_cmpint(symlink("/dev/null", mask), ==, 0);
    g_assert_cmpint(symlink("/dev/null", late), ==, 0);
    assert_not_found(dirs, "masked");
    assert_found(dirs, "kept", a);
}

static void test_directory_find_none(Files *f, gconstpointer data)
{
    g_autofree char *file = files_path(f, "file");
    char *const none[] = {NULL}, *const no_directory[] = {file, NULL};

    touch(f, "file");
    assert_not_found(none, "www");
    assert_not_found(no_directory, "www");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    files_add_test("/directory/first-wins", test_directory);
    files_add_test("/directory/mask", test_directory_mask);
    files_add_test("/directory/names", test_directory_names);
    files_add_test("/directory/none", test_directory_none);
    files_add_test("/directory/unreadable", test_directory_unreadable);
    files_add_test("/directory/find", test_directory_find);
    files_add_test("/directory/find/mask", test_directory_find_mask);
    files_add_test("/directory/find/none", test_directory_find_none);
    return g_test_run();
}
