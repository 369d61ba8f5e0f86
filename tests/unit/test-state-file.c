/* SPDX-License-Identifier: MIT */
/*
 * The list of what somebody has stopped, as a file: read, written, and all that can be in its
 * place. And the paths that a sandbox hides.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hidden-path.h"
#include "manager.h"
#include "state-file.h"
#include "strv.h"

#define HEADER "# Sluice state 1\n"

typedef struct Fixture {
    char *directory;
    char *state; /* the file's path */
    char *fresh; /* that of the file that becomes it */
} Fixture;

static void setup(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    f->directory = g_dir_make_tmp("sluice-unit-XXXXXX", &error);
    g_assert_no_error(error);
    f->state = g_build_filename(f->directory, "state", NULL);
    f->fresh = g_build_filename(f->directory, "state.new", NULL);
}

static void teardown(Fixture *f, gconstpointer data)
{
    g_remove(f->state);
    g_remove(f->fresh);
    /* So nothing else was left in it. */
    if (g_file_test(f->directory, G_FILE_TEST_EXISTS))
        g_assert_cmpint(g_rmdir(f->directory), ==, 0);
    g_free(f->directory);
    g_free(f->state);
    g_free(f->fresh);
}

/* ---- Checks ---- */

static void put(Fixture *f, const char *text, gssize length)
{
    g_autoptr(GError) error = NULL;

    g_file_set_contents(f->state, text, length, &error);
    g_assert_no_error(error);
}

static void assert_reads(Fixture *f, const char *expected)
{
    _cleanup_error_ Error error = ERROR_INIT;
    g_autofree char *words = NULL;
    char **list = (char **)f;

    g_assert_cmpint(state_file_read(&list, f->directory, &error), ==, 0);
    g_assert_cmpint(error.code, ==, ERROR_NONE);
    words = g_strjoinv(" ", (char **)strv_or_empty(list));
    g_assert_cmpstr(words, ==, expected);
    strv_free(list);
}

static void assert_refused(Fixture *f, const char *why)
{
    _cleanup_error_ Error error = ERROR_INIT;
    g_autofree char *message = g_strdup_printf("%s: %s", f->state, why);
    char **list = (char **)f;

    g_assert_cmpint(state_file_read(&list, f->directory, &error), ==, -EIO);
    g_assert_cmpint(error.code, ==, ERROR_FAILED);
    g_assert_cmpstr(error.message, ==, message);
    g_assert_null(list);
    g_assert_cmpint(state_file_read(&list, f->directory, NULL), ==, -EIO);
}

static void assert_bad(Fixture *f, const char *text)
{
    put(f, text, -1);
    assert_refused(f, "not a state file of this version of Sluice");
}

static void write_names(Fixture *f, const char *names)
{
    _cleanup_error_ Error error = ERROR_INIT;
    g_auto(GStrv) list = g_strsplit(names, " ", -1);

    g_assert_cmpint(state_file_write(list, f->directory, &error), ==, 0);
    g_assert_cmpint(error.code, ==, ERROR_NONE);
    g_assert_false(g_file_test(f->fresh, G_FILE_TEST_EXISTS));
}

static void assert_not_written(Fixture *f, int code)
{
    _cleanup_error_ Error error = ERROR_INIT;
    g_autofree char *message = g_strdup_printf("cannot write %s: %s", f->state, g_strerror(code));
    char *const list[] = {"www", NULL};

    g_assert_cmpint(state_file_write(list, f->directory, &error), ==, -code);
    g_assert_cmpint(error.code, ==, ERROR_FAILED);
    g_assert_cmpstr(error.message, ==, message);
    g_assert_cmpint(state_file_write(list, f->directory, NULL), ==, -code);
}

/* ---- The file ---- */

static void test_round_trip(Fixture *f, gconstpointer data)
{
    g_autofree char *longest = g_strnfill(SLUICE_NAME_MAX, 'n'), *text = NULL;

    write_names(f, "b A_b.c-9 a");
    assert_reads(f, "b A_b.c-9 a");
    g_file_get_contents(f->state, &text, NULL, NULL);
    g_assert_cmpstr(text, ==, HEADER "stopped b\nstopped A_b.c-9\nstopped a\n");
    write_names(f, longest);
    assert_reads(f, longest);
    write_names(f, "");
    assert_reads(f, "");
}

/* Each with a name of its own, and more than a buffer's worth. */
static void test_many(Fixture *f, gconstpointer data)
{
    g_autoptr(GString) names = g_string_new("first");

    for (unsigned i = 0; i != 20000; ++i)
        g_string_append_printf(names, " server-%u", i);
    write_names(f, names->str);
    assert_reads(f, names->str);
}

static void test_none(Fixture *f, gconstpointer data)
{
    assert_reads(f, "");
    g_assert_cmpint(g_rmdir(f->directory), ==, 0);
    assert_reads(f, "");
}

/* What a person may have done to it and does no harm. */
static void test_lenient(Fixture *f, gconstpointer data)
{
    put(f, HEADER, -1);
    assert_reads(f, "");
    put(f, "# Sluice state 1", -1);
    assert_reads(f, "");
    put(f, HEADER "\nstopped a\n\n\nstopped b", -1);
    assert_reads(f, "a b");
}

static void test_header(Fixture *f, gconstpointer data)
{
    assert_bad(f, "");
    assert_bad(f, "stopped www\n");
    assert_bad(f, "\n" HEADER "stopped www\n");
    assert_bad(f, "# Sluice state 2\nstopped www\n");
    assert_bad(f, "# Sluice state 10\nstopped www\n");
    assert_bad(f, "# Sluice state\nstopped www\n");
    assert_bad(f, "# Sluice state 1\r\nstopped www\r\n");
}

static void test_words(Fixture *f, gconstpointer data)
{
    assert_bad(f, HEADER "running www\n");
    assert_bad(f, HEADER "stopped a\nstopped\n");
    assert_bad(f, HEADER "stoppedwww\n");
    assert_bad(f, HEADER " stopped www\n");
    assert_bad(f, HEADER "s\n");
    assert_bad(f, HEADER "# a remark\n");
}

static void test_names(Fixture *f, gconstpointer data)
{
    g_autofree char *longer = g_strnfill(SLUICE_NAME_MAX + 1, 'n'),
                    *text = g_strdup_printf(HEADER "stopped %s\n", longer);

    assert_bad(f, HEADER "stopped good\nstopped ../www\n");
    assert_bad(f, HEADER "stopped \n");
    assert_bad(f, HEADER "stopped .www\n");
    assert_bad(f, HEADER "stopped w ww\n");
    assert_bad(f, HEADER "stopped www \n");
    assert_bad(f, text);
}

static void test_nul(Fixture *f, gconstpointer data)
{
    static const char inside[] = HEADER "stopped a\0\nstopped b\n", behind[] = HEADER "stopped a\n";

    put(f, inside, sizeof(inside) - 1);
    assert_refused(f, "not a state file of this version of Sluice");
    put(f, behind, sizeof(behind));
    assert_refused(f, "not a state file of this version of Sluice");
}

static void test_too_large(Fixture *f, gconstpointer data)
{
    gsize max = 4 * 1024 * 1024;
    /* One line: to search many takes the address sanitizer minutes. */
    g_autofree char *line = g_strnfill(max + 1 - strlen(HEADER), 'x'),
                    *text = g_strconcat(HEADER, line, NULL);

    put(f, text, (gssize)max);
    assert_refused(f, "not a state file of this version of Sluice");
    put(f, text, (gssize)max + 1);
    assert_refused(f, "too large");
}

/* ---- What may be in its place ---- */

static void test_directory(Fixture *f, gconstpointer data)
{
    g_autofree char *inside = g_build_filename(f->state, "file", NULL);

    g_assert_cmpint(g_mkdir(f->state, 0700), ==, 0);
    g_assert_true(g_file_set_contents(inside, "", 0, NULL));
    assert_refused(f, "not a regular file");
    assert_not_written(f, EISDIR);
    g_assert_false(g_file_test(f->fresh, G_FILE_TEST_EXISTS));
    g_assert_cmpint(g_unlink(inside), ==, 0);
}

/* Neither waits for whoever may write to it, nor writes to whoever may read. */
static void test_fifo(Fixture *f, gconstpointer data)
{
    g_assert_cmpint(mkfifo(f->state, 0600), ==, 0);
    assert_refused(f, "not a regular file");
    write_names(f, "www");
    assert_reads(f, "www");
}

/* A link is replaced; what it leads to stays as it is. */
static void test_link(Fixture *f, gconstpointer data)
{
    g_autofree char *target = g_build_filename(f->directory, "target", NULL), *text = NULL;

    g_assert_cmpint(symlink(target, f->state), ==, 0);
    assert_reads(f, "");
    g_assert_true(g_file_set_contents(target, HEADER "stopped linked\n", -1, NULL));
    assert_reads(f, "linked");
    write_names(f, "www");
    assert_reads(f, "www");
    g_assert_true(g_file_get_contents(target, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, HEADER "stopped linked\n");
    g_assert_cmpint(g_unlink(target), ==, 0);
    g_assert_cmpint(g_unlink(f->state), ==, 0);
    g_assert_cmpint(symlink("state", f->state), ==, 0);
    assert_refused(f, g_strerror(ELOOP));
}

/* ---- What cannot be written ---- */

static void test_gone(Fixture *f, gconstpointer data)
{
    g_assert_cmpint(g_rmdir(f->directory), ==, 0);
    assert_not_written(f, ENOENT);
}

static void test_unwritable(Fixture *f, gconstpointer data)
{
    bool is_root = geteuid() == 0;

    write_names(f, "before");
    g_assert_cmpint(g_chmod(f->directory, 0555), ==, 0);
    /* Root may write everywhere. */
    g_assert_true(!is_root || seteuid(65534) == 0);
    assert_not_written(f, EACCES);
    assert_reads(f, "before");
    g_assert_true(!is_root || seteuid(0) == 0);
    g_assert_cmpint(g_chmod(f->directory, 0700), ==, 0);
}

static void test_unreadable(Fixture *f, gconstpointer data)
{
    bool is_root = geteuid() == 0;

    write_names(f, "before");
    g_assert_cmpint(g_chmod(f->state, 0), ==, 0);
    g_assert_cmpint(g_chmod(f->directory, 0755), ==, 0);
    g_assert_true(!is_root || seteuid(65534) == 0);
    assert_refused(f, g_strerror(EACCES));
    g_assert_true(!is_root || seteuid(0) == 0);
}

/* Nothing of a write that fails half-way is seen; the new file's name leads to a full disk here. */
static void test_full(Fixture *f, gconstpointer data)
{
    char *const list[] = {"www", NULL};

    write_names(f, "before");
    g_assert_cmpint(symlink("/dev/full", f->fresh), ==, 0);
    g_assert_cmpint(state_file_write(list, f->directory, NULL), ==, -ENOSPC);
    assert_reads(f, "before");
    g_assert_false(g_file_test(f->fresh, G_FILE_TEST_IS_SYMLINK));
}

/* ---- Hidden paths ---- */

static void test_not_hidden(void)
{
    static const char *const paths[] = {
        "", "/", "home", "/homes/x", "/rooted", "/run/use", "/run/users", "/srv/home", "/hom"};

    for (size_t i = 0; i != G_N_ELEMENTS(paths); ++i)
        g_assert_null(hidden_path_get(paths[i]));
}

/* In a process of its own, with a directory without any permission in place of /home. */
static int look_at_hidden(void)
{
    int flags = geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER;

    if (unshare(flags) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", "/home", "tmpfs", 0, "mode=000") < 0)
        return 77;
    if (g_strcmp0(hidden_path_get("/home"), "/home") != 0 ||
        g_strcmp0(hidden_path_get("/home/"), "/home") != 0 ||
        g_strcmp0(hidden_path_get("/home/a/b"), "/home") != 0)
        return 1;
    if (hidden_path_get("/homes") != NULL || hidden_path_get("/srv") != NULL)
        return 2;
    /* A home that merely is somebody's own is not hidden. */
    if (chmod("/home", 0700) < 0)
        return 77;
    return hidden_path_get("/home/a") == NULL ? 0 : 3;
}

static void test_hidden(void)
{
    pid_t pid = fork();
    int status = 0;

    g_assert_cmpint(pid, >=, 0);
    if (pid == 0)
        _exit(look_at_hidden());
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        g_test_skip("mounting takes root or user namespaces");
    else
        g_assert_cmpint(status, ==, 0);
}

static void add(const char *path, void (*test)(Fixture *, gconstpointer))
{
    g_test_add(path, Fixture, NULL, setup, test, teardown);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/state-file/round-trip", test_round_trip);
    add("/state-file/many", test_many);
    add("/state-file/none", test_none);
    add("/state-file/lenient", test_lenient);
    add("/state-file/header", test_header);
    add("/state-file/words", test_words);
    add("/state-file/names", test_names);
    add("/state-file/nul", test_nul);
    add("/state-file/too-large", test_too_large);
    add("/state-file/in-place/directory", test_directory);
    add("/state-file/in-place/fifo", test_fifo);
    add("/state-file/in-place/link", test_link);
    add("/state-file/unreadable", test_unreadable);
    add("/state-file/unwritable/gone", test_gone);
    add("/state-file/unwritable/directory", test_unwritable);
    add("/state-file/unwritable/full", test_full);
    g_test_add_func("/hidden-path/not", test_not_hidden);
    g_test_add_func("/hidden-path/hidden", test_hidden);
    return g_test_run();
}
