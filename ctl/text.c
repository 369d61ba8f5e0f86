/* SPDX-License-Identifier: MIT */
/* See text.h. */
#include "text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

static char *format_safely(const char *format, va_list args)
{
    char *text = NULL;

    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    if (text == NULL) {
        fputs("sluicectl: out of memory\n", stderr);
        exit(EXIT_FAILURE);
    }
    for (unsigned char *p = (unsigned char *)text; *p != '\0'; ++p) {
        if (*p < ' ' || *p == 0x7f)
            *p = '?';
        /* U+0080 to U+009F, which a terminal may take for control characters, too. */
        else if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
            p[0] = p[1] = '?';
    }
    return text;
}

char *text_new(const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = format_safely(format, args);
    va_end(args);
    return text;
}

void text_append(char **text, const char *format, ...)
{
    _cleanup_free_ char *more = NULL, *before = *text;
    va_list args;

    va_start(args, format);
    more = format_safely(format, args);
    va_end(args);
    *text = text_new("%s%s", before, more);
}

int text_width(const char *text)
{
    mbstate_t state = {0};
    const char *rest = text;
    wchar_t c;
    size_t n;
    int width = 0;

    while ((n = mbrtowc(&c, rest, MB_CUR_MAX, &state)) != 0) {
        if (n == (size_t)-1 || n == (size_t)-2)
            return (int)strlen(text); /* not of this locale: best guess */
        width += wcwidth(c) > 0 ? wcwidth(c) : 0;
        rest += n;
    }
    return width;
}

static char *duration(uint64_t seconds)
{
    static const struct {
        const char *unit;
        uint64_t seconds;
    } units[] = {{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}};
    size_t i = 0;
    uint64_t rest;

    while (i < 3 && seconds < units[i].seconds)
        ++i;
    rest = seconds % units[i].seconds;
    if (i == 3 || rest < units[i + 1].seconds)
        return text_new("%" PRIu64 "%s", seconds / units[i].seconds, units[i].unit);
    return text_new("%" PRIu64 "%s %" PRIu64 "%s", seconds / units[i].seconds, units[i].unit,
                    rest / units[i + 1].seconds, units[i + 1].unit);
}

char *text_since(uint64_t usec)
{
    time_t seconds = (time_t)(usec / 1000000), now = time(NULL);
    _cleanup_free_ char *passed = NULL;
    char date[64] = "";
    struct tm tm;

    if (localtime_r(&seconds, &tm) != NULL)
        strftime(date, sizeof(date), "%a %Y-%m-%d %H:%M:%S %Z", &tm);
    passed = duration(now > seconds ? (uint64_t)(now - seconds) : 0);
    return text_new("%s; %s ago", date, passed);
}

char *text_bytes(uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double size = (double)bytes / 1024;
    size_t i = 0;

    if (bytes < 1024)
        return text_new("%" PRIu64 " bytes", bytes);
    while (size >= 1024 && i < 5) {
        size /= 1024;
        ++i;
    }
    return text_new("%.1f %s", size, units[i]);
}
