/* SPDX-License-Identifier: MIT */
/* See hidden-path.h. */
#include "hidden-path.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

static bool is_below(const char *path, const char *dir)
{
    size_t length = strlen(dir);

    return strncmp(path, dir, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* With `yes` systemd puts a directory without any permission in its place. */
static bool is_hidden(const char *dir)
{
    struct stat st;

    return stat(dir, &st) == 0 && (st.st_mode & 0777) == 0;
}

const char *hidden_path_get(const char *path)
{
    static const char *const dirs[] = {"/home", "/root", "/run/user"};
    size_t i;

    for (i = 0; i != sizeof(dirs) / sizeof(dirs[0]); ++i)
        if (is_below(path, dirs[i]) && is_hidden(dirs[i]))
            return dirs[i];
    return NULL;
}
