/* SPDX-License-Identifier: MIT */
/* See tool.h. */
#include "tool.h"

Child *tool_spawn(Fixture *f, const char *arguments, uid_t uid)
{
    const char *tool = g_getenv("SLUICECTL");
    g_autofree char *line = NULL;
    g_auto(GStrv) words = NULL;

    if (tool == NULL)
        g_error("$SLUICECTL must be the path of the sluicectl to test");
    /* By address, so that it is neither --user's nor --system's choice which bus it is. */
    line = g_strdup_printf("%s --address=%s%s%s", tool, fixture_get_address(f),
                           arguments[0] != '\0' ? " " : "", arguments);
    words = g_strsplit(line, " ", -1);
    return fixture_spawn_program(f, (const char *const *)words, uid);
}

Child *tool_run(Fixture *f, const char *arguments)
{
    Child *child = tool_spawn(f, arguments, (uid_t)-1);

    child_wait(child);
    return child;
}

void tool_check(Fixture *f, const char *arguments, int status, const char *out)
{
    g_autoptr(Child) child = tool_run(f, arguments);

    g_assert_cmpstr(child_get_stderr(child), ==, "");
    g_assert_cmpstr(child_get_stdout(child), ==, out);
    g_assert_cmpint(child_wait(child), ==, status);
}

void tool_check_error(Fixture *f, const char *arguments, int status, const char *needle)
{
    g_autoptr(Child) child = tool_run(f, arguments);

    assert_contains(child_get_stderr(child), needle);
    g_assert_cmpint(child_wait(child), ==, status);
}
