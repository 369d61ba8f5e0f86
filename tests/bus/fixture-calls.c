/* SPDX-License-Identifier: MIT */
/* The part of fixture.h that is calls by the fixture's client, and odds and ends. */
#include "fixture.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- Calls ---- */

const char *server_path(const char *name)
{
    g_autoptr(GString) path = g_string_new(SERVER_PREFIX "/");

    /* sd_bus_path_encode(3): everything but letters and digits; a digit in front, too */
    for (const char *p = name; *p != '\0'; ++p)
        if (g_ascii_isalpha(*p) || (p != name && g_ascii_isdigit(*p)))
            g_string_append_c(path, *p);
        else
            g_string_append_printf(path, "_%02x", (guchar)*p);
    return g_intern_string(path->str);
}

GVariant *fixture_call(Fixture *f, const char *path, const char *interface, const char *method,
                       GVariant *arguments, GError **error)
{
    Client *client = fixture_get_client(f);
    guint32 serial = client_send(client, path, interface, method, arguments);

    if (g_dbus_message_to_gerror(client_receive_any(client, serial), error))
        return NULL;
    return client_receive(client, serial);
}

char *fixture_start(Fixture *f, const char *name)
{
    g_autoptr(GVariant) reply =
        client_call(fixture_get_client(f), server_path(name), NULL, "Start", NULL);
    g_autofree const char **urls = NULL;

    g_variant_get(reply, "(^a&s)", &urls);
    g_assert_nonnull(urls[0]);
    return g_strdup(urls[0]);
}

void fixture_stop(Fixture *f, const char *name, guint *ret_drained, guint *ret_cut)
{
    g_autoptr(GVariant) reply =
        client_call(fixture_get_client(f), server_path(name), NULL, "Stop", NULL);

    g_variant_get(reply, "(uu)", ret_drained, ret_cut);
}

void fixture_reload(Fixture *f, const char *name)
{
    g_variant_unref(client_call(fixture_get_client(f), server_path(name), NULL, "Reload", NULL));
}

GVariant *fixture_get_property(Fixture *f, const char *name, const char *property)
{
    g_autoptr(GVariant) reply =
        client_call(fixture_get_client(f), server_path(name), "org.freedesktop.DBus.Properties",
                    "Get", g_variant_new("(ss)", SERVER_INTERFACE, property));
    GVariant *value = NULL;

    g_variant_get(reply, "(v)", &value);
    return value;
}

char *fixture_get_state(Fixture *f, const char *name)
{
    g_autoptr(GVariant) value = fixture_get_property(f, name, "State");

    return g_variant_dup_string(value, NULL);
}

typedef struct StateCheck {
    Fixture *f;
    const char *name, *state;
} StateCheck;

static gboolean state_is(gpointer userdata)
{
    const StateCheck *check = userdata;
    g_autofree char *state = fixture_get_state(check->f, check->name);

    return strcmp(state, check->state) == 0;
}

void fixture_wait_state(Fixture *f, const char *name, const char *state)
{
    StateCheck check = {f, name, state};

    wait_until(state_is, &check, state);
}

/* ---- Odds and ends ---- */

guint16 free_port(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(bind(fd, (struct sockaddr *)&in, sizeof(in)), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&in, &length), ==, 0);
    close(fd);
    return ntohs(in.sin_port);
}
