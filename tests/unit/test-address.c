/* SPDX-License-Identifier: MIT */
/* Addresses, as texts and as sockets; see address.h. */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static Address parse(const char *text)
{
    Address address;

    memset(&address, 0xff, sizeof(address));
    g_assert_cmpint(address_parse(&address, text), ==, 0);
    return address;
}

static void assert_format(const char *text, const char *formatted)
{
    Address address = parse(text);
    char buffer[ADDRESS_TEXT_MAX];

    g_assert_true(address_format(&address, buffer) == buffer);
    g_assert_cmpstr(buffer, ==, formatted);
}

static void test_round_trip(void)
{
    static const char *const texts[] = {
        "127.0.0.1:8080", "0.0.0.0:0",           "255.255.255.255:65535", "[::1]:0",
        "[::]:80",        "[2001:db8::1:2]:443", "[fe80::1]:65535",       "unix:/run/x.sock",
        "unix:relative",  "unix:/a:b/c:80",      "unix:[::1]:80",
    };
    size_t i;

    for (i = 0; i != G_N_ELEMENTS(texts); ++i)
        assert_format(texts[i], texts[i]);
}

static void test_canonical(void)
{
    assert_format("[0:0:0:0:0:0:0:1]:0080", "[::1]:80");
    assert_format("[2001:DB8:0:0:0:0:0:1]:443", "[2001:db8::1]:443");
    assert_format("[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1");
}

/* The longest texts fit their buffers. */
static void test_longest(void)
{
    struct sockaddr_un un;
    g_autofree char *path = g_strnfill(sizeof(un.sun_path) - 1, 'a');
    g_autofree char *text = g_strdup_printf("unix:%s", path);

    assert_format("[1111:2222:3333:4444:5555:6666:255.255.255.255]:65535",
                  "[1111:2222:3333:4444:5555:6666:ffff:ffff]:65535");
    g_assert_cmpuint(strlen(text), <, ADDRESS_TEXT_MAX);
    assert_format(text, text);
}

static void test_refused(void)
{
    static const char *const texts[] = {
        "",
        ":",
        ":80",
        "80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1: 1",
        "127.0.0.1:1 ",
        "127.0.0.1:0x10",
        "127.0.0.1:99999999999999999999999",
        "127.0.0:80",
        "127.0.0.256:80",
        " 127.0.0.1:80",
        "localhost:80",
        "::1:80",
        "[::1]",
        "[::1]:",
        "[::1:80",
        "::1]:80",
        "[]:80",
        "[:80",
        "[::1%lo]:80",
        "[127.0.0.1]:80",
        "[11111111111111111111111111111111111111111111111111111111111111]:80",
        "unix:",
        "UNIX:/x",
    };
    Address address, untouched;
    size_t i;

    memset(&address, 0x55, sizeof(address));
    untouched = address;
    for (i = 0; i != G_N_ELEMENTS(texts); ++i) {
        int r = address_parse(&address, texts[i]);
        if (r != -EINVAL)
            g_error("\"%s\" gives %d", texts[i], r);
        g_assert_cmpmem(&address, sizeof(address), &untouched, sizeof(untouched));
    }
}

static void test_path(void)
{
    struct sockaddr_un un;
    g_autofree char *path = g_strnfill(sizeof(un.sun_path), 'a');
    g_autofree char *text = g_strdup_printf("unix:%s", path);
    Address address;

    g_assert_cmpint(address_from_path(&address, path), ==, -ENAMETOOLONG);
    g_assert_cmpint(address_parse(&address, text), ==, -ENAMETOOLONG);
    g_assert_cmpint(address_from_path(&address, ""), ==, -EINVAL);
    g_assert_cmpint(address_from_path(&address, path + 1), ==, 0);
    g_assert_cmpint(address.sa.ss_family, ==, AF_UNIX);
    g_assert_cmpuint(address.length, ==, sizeof(un));
}

static void assert_url(const char *text, bool tls, const char *url)
{
    Address address = parse(text);
    g_autofree char *found = address_to_url(&address, tls);

    g_assert_cmpstr(found, ==, url);
}

static void test_url(void)
{
    assert_url("127.0.0.1:8080", false, "http://127.0.0.1:8080/");
    assert_url("127.0.0.1:8080", true, "https://127.0.0.1:8080/");
    assert_url("127.0.0.1:80", false, "http://127.0.0.1:80/");
    assert_url("[::1]:443", true, "https://[::1]:443/");
    assert_url("unix:/run/x", false, "unix:/run/x");
    assert_url("unix:/run/x", true, "unix:/run/x");
}

/* Both relations are symmetric. */
static void assert_related(const char *left, const char *right, bool equal, bool overlaps)
{
    Address a = parse(left), b = parse(right);

    if (address_equal(&a, &b) != equal || address_equal(&b, &a) != equal ||
        address_overlaps(&a, &b) != overlaps || address_overlaps(&b, &a) != overlaps)
        g_error("\"%s\" and \"%s\"", left, right);
}

static void test_related(void)
{
    assert_related("127.0.0.1:80", "127.0.0.1:80", true, true);
    assert_related("127.0.0.1:80", "127.0.0.1:81", false, false);
    assert_related("127.0.0.1:80", "127.0.0.2:80", false, false);
    assert_related("127.0.0.1:80", "0.0.0.0:80", false, true);
    assert_related("127.0.0.1:80", "0.0.0.0:81", false, false);
    assert_related("0.0.0.0:80", "0.0.0.0:80", true, true);
    assert_related("[::1]:80", "[0:0::1]:80", true, true);
    assert_related("[::1]:80", "[::]:80", false, true);
    assert_related("[::1]:80", "[::]:81", false, false);
    /* Listeners for IPv6 are for IPv6 only. */
    assert_related("[::]:80", "0.0.0.0:80", false, false);
    assert_related("[::]:80", "127.0.0.1:80", false, false);
    assert_related("[::ffff:127.0.0.1]:80", "127.0.0.1:80", false, false);
    assert_related("unix:/a", "unix:/a", true, true);
    assert_related("unix:/a", "unix:/b", false, false);
    assert_related("unix:/a", "0.0.0.0:0", false, false);
    /* A path that looks like another family's address is none. */
    assert_related("unix:0.0.0.0:80", "0.0.0.0:80", false, false);
}

/* What structures carry besides the address does not matter. */
static void test_equal_ignores_padding(void)
{
    Address a = parse("127.0.0.1:80"), b = a, c = parse("[::1]:80"), d = c, e = parse("unix:/a"),
            f = e;

    memset(((struct sockaddr_in *)&b.sa)->sin_zero, 0xff,
           sizeof(((struct sockaddr_in *)0)->sin_zero));
    g_assert_true(address_equal(&a, &b));
    ((struct sockaddr_in6 *)&d.sa)->sin6_flowinfo = htonl(7);
    g_assert_true(address_equal(&c, &d));
    ((struct sockaddr_un *)&f.sa)->sun_path[5] = 'x';
    g_assert_true(address_equal(&e, &f));
}

static void test_port(void)
{
    Address tcp = parse("127.0.0.1:8080"), tcp6 = parse("[::1]:65535"), local = parse("unix:/x:80");

    g_assert_cmpuint(address_get_port(&tcp), ==, 8080);
    g_assert_cmpuint(address_get_port(&tcp6), ==, 65535);
    g_assert_cmpuint(address_get_port(&local), ==, 0);
}

static void test_set_port(void)
{
    Address four = parse("127.0.0.1:1"), six = parse("[::1]:1"), path = parse("unix:/run/x");
    Address same = path;
    char text[ADDRESS_TEXT_MAX];

    address_set_port(&four, 65535);
    address_set_port(&six, 80);
    address_set_port(&path, 80);
    g_assert_cmpstr(address_format(&four, text), ==, "127.0.0.1:65535");
    g_assert_cmpstr(address_format(&six, text), ==, "[::1]:80");
    g_assert_cmpmem(&path.sa, sizeof(path.sa), &same.sa, sizeof(same.sa));
    address_set_port(&four, 0);
    g_assert_cmpstr(address_format(&four, text), ==, "127.0.0.1:0");
}

static void test_port_parse(void)
{
    static const char *const wrong[] = {"",
                                        " 1",
                                        "1 ",
                                        "+1",
                                        "-0",
                                        "0x1",
                                        "1.",
                                        "a",
                                        "1a",
                                        "1e2",
                                        "65536",
                                        "4294967296",
                                        "18446744073709551616"};
    uint16_t port = 7;
    size_t i;

    for (i = 0; i != G_N_ELEMENTS(wrong); ++i) {
        g_assert_cmpint(port_parse(wrong[i], &port), ==, -EINVAL);
        g_assert_cmpuint(port, ==, 7);
    }
    g_assert_cmpint(port_parse("0", &port), ==, 0);
    g_assert_cmpuint(port, ==, 0);
    g_assert_cmpint(port_parse("65535", &port), ==, 0);
    g_assert_cmpuint(port, ==, 65535);
    g_assert_cmpint(port_parse("00080", &port), ==, 0);
    g_assert_cmpuint(port, ==, 80);
}

static void assert_from_socket(const char *text)
{
    Address wanted = parse(text), bound;
    int fd = socket(wanted.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&wanted.sa, wanted.length) < 0) {
        g_test_skip("cannot bind");
    } else {
        g_assert_cmpint(address_from_socket(&bound, fd), ==, 0);
        if (wanted.sa.ss_family == AF_UNIX) {
            g_assert_true(address_equal(&wanted, &bound));
            g_assert_cmpuint(bound.length, ==, sizeof(struct sockaddr_un));
        } else {
            g_assert_cmpuint(address_get_port(&bound), !=, 0);
        }
    }
    if (fd >= 0)
        close(fd);
}

static void test_from_socket(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *directory = g_dir_make_tmp("sluice-unit-XXXXXX", &error);
    g_autofree char *text = g_strdup_printf("unix:%s/socket", directory);
    Address address;

    g_assert_no_error(error);
    assert_from_socket("127.0.0.1:0");
    assert_from_socket(text);
    g_assert_cmpint(unlink(text + 5), ==, 0);
    g_assert_cmpint(rmdir(directory), ==, 0);
    g_assert_cmpint(address_from_socket(&address, -1), ==, -EBADF);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/address/round-trip", test_round_trip);
    g_test_add_func("/address/canonical", test_canonical);
    g_test_add_func("/address/longest", test_longest);
    g_test_add_func("/address/refused", test_refused);
    g_test_add_func("/address/path", test_path);
    g_test_add_func("/address/url", test_url);
    g_test_add_func("/address/related", test_related);
    g_test_add_func("/address/equal-ignores-padding", test_equal_ignores_padding);
    g_test_add_func("/address/port", test_port);
    g_test_add_func("/address/set-port", test_set_port);
    g_test_add_func("/address/port-parse", test_port_parse);
    g_test_add_func("/address/from-socket", test_from_socket);
    return g_test_run();
}
