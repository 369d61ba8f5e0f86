/* SPDX-License-Identifier: MIT */
/* See marshal.h. */
#include "marshal.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * The length of the UTF-8 sequence that `s` begins with, or 0 if it begins with none: no overlong
 * forms, no surrogates, nothing above U+10FFFF (RFC 3629 §4), and none of Unicode's noncharacters,
 * which sd-bus 252 refuses although the D-Bus specification allows them. Stops at the final NUL.
 */
static size_t utf8_sequence(const unsigned char *s)
{
    static const uint32_t minimum[] = {[2] = 0x80, [3] = 0x800, [4] = 0x10000};
    uint32_t c;
    size_t length;

    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xf8 || s[0] < 0xc0)
        return 0;
    length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;

    c = s[0] & (0x7f >> length);
    for (size_t i = 1; i < length; ++i) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    if (c < minimum[length] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    if ((c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe)
        return 0;
    return length;
}

const char *utf8_or_copy(const char *text, char **ret_copy)
{
    const unsigned char *s = (const unsigned char *)text;
    char *copy;
    size_t i = 0, n;

    *ret_copy = NULL;
    if (text == NULL)
        return "";
    while (s[i] != '\0' && (n = utf8_sequence(s + i)) > 0)
        i += n;
    if (s[i] == '\0')
        return text;

    copy = strdup(text);
    if (copy == NULL)
        return "";
    while (copy[i] != '\0') {
        n = utf8_sequence((const unsigned char *)copy + i);
        if (n == 0)
            copy[i++] = '?';
        else
            i += n;
    }
    return *ret_copy = copy;
}

int append_text(sd_bus_message *m, const char *text)
{
    char *copy = NULL;
    int r;

    r = sd_bus_message_append_basic(m, 's', utf8_or_copy(text, &copy));
    free(copy);
    return r;
}

int append_texts(sd_bus_message *m, char *const *texts)
{
    int r;

    r = sd_bus_message_open_container(m, 'a', "s");
    for (; r >= 0 && *texts != NULL; ++texts)
        r = append_text(m, *texts);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int entry_open(sd_bus_message *m, const char *key, const char *type)
{
    int r;

    r = sd_bus_message_open_container(m, 'e', "sv");
    if (r < 0)
        return r;
    r = sd_bus_message_append_basic(m, 's', key);
    if (r < 0)
        return r;
    return sd_bus_message_open_container(m, 'v', type);
}

static int entry_close(sd_bus_message *m)
{
    int r;

    r = sd_bus_message_close_container(m);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

int append_entry_text(sd_bus_message *m, const char *key, const char *text)
{
    int r;

    r = entry_open(m, key, "s");
    if (r >= 0)
        r = append_text(m, text);
    return r < 0 ? r : entry_close(m);
}

int append_entry_texts(sd_bus_message *m, const char *key, char *const *texts)
{
    int r;

    r = entry_open(m, key, "as");
    if (r >= 0)
        r = append_texts(m, texts);
    return r < 0 ? r : entry_close(m);
}

int append_entry_u32(sd_bus_message *m, const char *key, uint32_t value)
{
    int r;

    r = entry_open(m, key, "u");
    if (r >= 0)
        r = sd_bus_message_append_basic(m, 'u', &value);
    return r < 0 ? r : entry_close(m);
}

int append_entry_u64(sd_bus_message *m, const char *key, uint64_t value)
{
    int r;

    r = entry_open(m, key, "t");
    if (r >= 0)
        r = sd_bus_message_append_basic(m, 't', &value);
    return r < 0 ? r : entry_close(m);
}
