/* SPDX-License-Identifier: MIT */
/* See files.h. */
#include "files.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

void remove_tree(const char *path)
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

static void setup(Files *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    f->directory = g_dir_make_tmp("sluice-unit-XXXXXX", &error);
    g_assert_no_error(error);
}

static void teardown(Files *f, gconstpointer data)
{
    remove_tree(f->directory);
    g_free(f->directory);
}

void files_add_test(const char *path, void (*test)(Files *, gconstpointer))
{
    g_test_add(path, Files, NULL, setup, test, teardown);
}

char *files_path(Files *f, const char *name)
{
    return g_build_filename(f->directory, name, NULL);
}

char *files_write(Files *f, const char *name, const char *text)
{
    char *path = files_path(f, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, text, strlen(text)), ==, strlen(text));
    g_assert_cmpint(close(fd), ==, 0);
    return path;
}
