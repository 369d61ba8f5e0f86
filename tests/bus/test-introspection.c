/* SPDX-License-Identifier: MIT */
/*
 * Holds dbus/org.sluice.Sluice1.xml ($SLUICE_XML) against what the objects say of themselves: both
 * are described as text, a line for each interface, member and argument, and the texts must be the
 * same. Documentation is left out, and what a property does not say about its signal is the
 * default.
 */
#include "fixture.h"

#define INTROSPECTABLE "org.freedesktop.DBus.Introspectable"
#define EMITS_CHANGED  "org.freedesktop.DBus.Property.EmitsChangedSignal"
#define DOC_STRING     "org.gtk.GDBus.DocString"

static void add_line(GPtrArray *lines, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void add_line(GPtrArray *lines, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_ptr_array_add(lines, g_strdup_vprintf(format, args));
    va_end(args);
}

static void add_annotations(GPtrArray *lines, const char *of, GDBusAnnotationInfo **annotations)
{
    for (; annotations != NULL && *annotations != NULL; ++annotations)
        if (g_strcmp0((*annotations)->key, DOC_STRING) != 0 &&
            g_strcmp0((*annotations)->key, EMITS_CHANGED) != 0)
            add_line(lines, "%s: annotation %s is %s", of, (*annotations)->key,
                     (*annotations)->value);
}

static void add_arguments(GPtrArray *lines, const char *of, const char *direction,
                          GDBusArgInfo **arguments)
{
    for (guint i = 0; arguments != NULL && arguments[i] != NULL; ++i) {
        add_line(lines, "%s: %s %u is %s %s", of, direction, i, arguments[i]->signature,
                 arguments[i]->name);
        add_annotations(lines, of, arguments[i]->annotations);
    }
}

static void add_property(GPtrArray *lines, const GDBusInterfaceInfo *interface,
                         const GDBusPropertyInfo *property)
{
    g_autofree char *name = g_strdup_printf("%s.%s", interface->name, property->name);
    const char *emits = g_dbus_annotation_info_lookup(property->annotations, EMITS_CHANGED);

    if (emits == NULL)
        emits = g_dbus_annotation_info_lookup(interface->annotations, EMITS_CHANGED);
    add_line(lines, "property %s: %s%s%s, change: %s", name, property->signature,
             property->flags & G_DBUS_PROPERTY_INFO_FLAGS_READABLE ? " readable" : "",
             property->flags & G_DBUS_PROPERTY_INFO_FLAGS_WRITABLE ? " writable" : "",
             emits != NULL ? emits : "true");
    add_annotations(lines, name, property->annotations);
}

static void add_interface(GPtrArray *lines, const GDBusInterfaceInfo *interface)
{
    add_line(lines, "interface %s", interface->name);
    add_annotations(lines, interface->name, interface->annotations);
    for (GDBusMethodInfo **m = interface->methods; m != NULL && *m != NULL; ++m) {
        g_autofree char *name = g_strdup_printf("method %s.%s", interface->name, (*m)->name);

        add_line(lines, "%s", name);
        add_annotations(lines, name, (*m)->annotations);
        add_arguments(lines, name, "in", (*m)->in_args);
        add_arguments(lines, name, "out", (*m)->out_args);
    }
    for (GDBusSignalInfo **s = interface->signals; s != NULL && *s != NULL; ++s) {
        g_autofree char *name = g_strdup_printf("signal %s.%s", interface->name, (*s)->name);

        add_line(lines, "%s", name);
        add_annotations(lines, name, (*s)->annotations);
        add_arguments(lines, name, "argument", (*s)->args);
    }
    for (GDBusPropertyInfo **p = interface->properties; p != NULL && *p != NULL; ++p)
        add_property(lines, interface, *p);
}

static int compare_lines(gconstpointer a, gconstpointer b)
{
    return g_strcmp0(*(const char *const *)a, *(const char *const *)b);
}

/* The interface `name`, described; "" if there is none. */
static char *describe(GDBusNodeInfo *node, const char *name)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    const GDBusInterfaceInfo *interface = g_dbus_node_info_lookup_interface(node, name);

    if (interface != NULL)
        add_interface(lines, interface);
    g_ptr_array_sort(lines, compare_lines);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **)lines->pdata);
}

static GDBusNodeInfo *parse(const char *xml)
{
    g_autoptr(GError) error = NULL;
    GDBusNodeInfo *node = g_dbus_node_info_new_for_xml(xml, &error);

    g_assert_no_error(error);
    return node;
}

static GDBusNodeInfo *read_file(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = NULL;

    g_file_get_contents(g_getenv("SLUICE_XML"), &xml, NULL, &error);
    g_assert_no_error(error);
    return parse(xml);
}

static GDBusNodeInfo *introspect(Fixture *f, const char *path)
{
    g_autoptr(GVariant) reply =
        client_call(fixture_get_client(f), path, INTROSPECTABLE, "Introspect", NULL);
    const char *xml;

    g_variant_get(reply, "(&s)", &xml);
    return parse(xml);
}

static void compare(const char *path, const char *interface, guint n_members)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GDBusNodeInfo) file = read_file(), live = NULL;
    g_autofree char *expected = NULL, *found = NULL;
    const GDBusInterfaceInfo *info;

    fixture_write_static(f, "www", NULL);
    live = introspect(f, path);
    expected = describe(file, interface);
    found = describe(live, interface);
    g_assert_cmpstr(found, ==, expected);

    /* Both empty would be the same, too. */
    info = g_dbus_node_info_lookup_interface(live, interface);
    g_assert_nonnull(info);
    g_assert_cmpuint(g_strv_length((char **)info->methods) +
                         (info->signals != NULL ? g_strv_length((char **)info->signals) : 0) +
                         g_strv_length((char **)info->properties),
                     ==, n_members);
}

/* Start Stop Status Reload ListServers GetServer CheckConfig; Version */
static void test_manager(void)
{
    compare(MANAGER_PATH, MANAGER_INTERFACE, 8);
}

/* Start StartWithOptions Stop StopWithOptions Reload Status; StateChanged; eleven properties */
static void test_server(void)
{
    compare(server_path("www"), SERVER_INTERFACE, 18);
}

/* No interface of ours is live without being in the file, and the other way round. */
static void test_interfaces(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GDBusNodeInfo) file = read_file(), manager = NULL, server = NULL;
    guint n = 0;

    fixture_write_static(f, "www", NULL);
    manager = introspect(f, MANAGER_PATH);
    server = introspect(f, server_path("www"));
    for (GDBusInterfaceInfo **i = file->interfaces; *i != NULL; ++i, ++n)
        g_assert_true(g_dbus_node_info_lookup_interface(manager, (*i)->name) != NULL ||
                      g_dbus_node_info_lookup_interface(server, (*i)->name) != NULL);
    g_assert_cmpuint(n, ==, 2);
    for (GDBusInterfaceInfo **i = manager->interfaces; *i != NULL; ++i)
        if (g_str_has_prefix((*i)->name, BUS_NAME))
            g_assert_cmpstr((*i)->name, ==, MANAGER_INTERFACE);
    for (GDBusInterfaceInfo **i = server->interfaces; *i != NULL; ++i)
        if (g_str_has_prefix((*i)->name, BUS_NAME))
            g_assert_cmpstr((*i)->name, ==, SERVER_INTERFACE);
    g_assert_nonnull(
        g_dbus_node_info_lookup_interface(manager, "org.freedesktop.DBus.ObjectManager"));
    g_assert_nonnull(g_dbus_node_info_lookup_interface(server, "org.freedesktop.DBus.Properties"));
}

/* busctl tree: a node for each server, under its encoded name. */
static void test_nodes(void)
{
    g_autoptr(Fixture) f = fixture_new();
    g_autoptr(GDBusNodeInfo) node = NULL;
    g_autoptr(GPtrArray) lines = g_ptr_array_new();
    g_autofree char *found = NULL;

    fixture_write_static(f, "www", NULL);
    fixture_write_static(f, "a.b-c_d", NULL);
    fixture_write_static(f, "8080", NULL);
    node = introspect(f, SERVER_PREFIX);
    for (GDBusNodeInfo **n = node->nodes; *n != NULL; ++n)
        g_ptr_array_add(lines, (*n)->path);
    g_ptr_array_sort(lines, compare_lines);
    g_ptr_array_add(lines, NULL);
    found = g_strjoinv(" ", (char **)lines->pdata);
    g_assert_cmpstr(found, ==, "_38080 a_2eb_2dc_5fd www");
    /* The fixture's idea of a path is libsystemd's. */
    g_assert_cmpstr(server_path("8080"), ==, SERVER_PREFIX "/_38080");
    g_assert_cmpstr(server_path("a.b-c_d"), ==, SERVER_PREFIX "/a_2eb_2dc_5fd");
}

int main(int argc, char *argv[])
{
    fixture_init(&argc, &argv);
    g_test_add_func("/introspection/manager", test_manager);
    g_test_add_func("/introspection/server", test_server);
    g_test_add_func("/introspection/interfaces", test_interfaces);
    g_test_add_func("/introspection/nodes", test_nodes);
    return g_test_run();
}
