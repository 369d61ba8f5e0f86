/* SPDX-License-Identifier: MIT */
/*
 * Configurations as a dry run reads them: what each of our commands makes of its value, and for
 * each that is wrong, where and what. That the daemon lives on after it is for tests/bus.
 */
#include "config.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "strv.h"

#define HOSTS "hosts: {default: {paths: {/: {file.dir: /}}}}\n"

static char *directory; /* with cert.pem, key.pem and other.pem, which stand for `@` in texts */

static char *replace(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "@", -1);

    return g_strjoinv(directory, parts);
}

static Config *load(const char *text)
{
    _cleanup_error_ Error error = ERROR_INIT;
    g_autofree char *replaced = replace(text);
    Config *config = NULL;

    if (config_load_text("name", replaced, NULL, &config, &error) < 0)
        g_error("%s", error.message);
    g_assert_cmpint(error.code, ==, ERROR_NONE);
    return config;
}

/* `message` may end with an asterisk, which stands for anything. */
static void assert_message(const char *found, const char *message)
{
    g_autofree char *replaced = replace(message);
    size_t length = strlen(replaced);

    if (replaced[length - 1] != '*')
        g_assert_cmpstr(found, ==, replaced);
    else if (strncmp(found, replaced, length - 1) != 0)
        g_error("\"%s\" does not begin with \"%.*s\"", found, (int)length - 1, replaced);
}

/* ---- What is wrong ---- */

typedef struct Case {
    const char *name;
    const char *text;
    const char *message;
} Case;

static const Case wrong[] = {
    /* The whole */
    {"empty", "", "name:1:1: the configuration is empty"},
    {"scalar", "x\n", "name:1:1: *"},
    {"unknown", "listen: 0\n" HOSTS "lisen: 0\n", "name:3:1: unknown command: lisen"},
    {"unknown-in-path", "listen: 0\nhosts:\n  a:\n    paths:\n      /:\n        file.dri: /\n",
     "name:6:9: unknown command: file.dri"},
    {"no-listen", "# x\n" HOSTS,
     "name:2:1: `listen` is missing, in the configuration and in its hosts"},
    {"no-hosts", "listen: 0\n", "name:1:1: *"},
    /* listen */
    {"listen-nothing", "listen:\n" HOSTS,
     "name:1:8: listen: `port` must be a number from 0 to 65535, not ``"},
    {"listen-word", "listen: http\n" HOSTS,
     "name:1:9: listen: `port` must be a number from 0 to 65535, not `http`"},
    {"listen-large", "listen:\n  port: 65536\n" HOSTS,
     "name:2:9: listen: `port` must be a number from 0 to 65535, not `65536`"},
    {"listen-negative", "listen: -1\n" HOSTS,
     "name:1:9: listen: `port` must be a number from 0 to 65535, not `-1`"},
    {"listen-empty", "listen: {}\n" HOSTS, "name:1:9: listen: `port` is missing"},
    {"listen-no-port", "listen:\n  host: ::1\n" HOSTS, "name:2:3: listen: `port` is missing"},
    {"listen-unknown", "listen: {port: 0, hots: x}\n" HOSTS,
     "name:1:19: listen: unknown property `hots`"},
    {"listen-unknown-key", "listen: {port: 0, [x]: x}\n" HOSTS,
     "name:1:19: listen: unknown property `?`"},
    {"listen-type", "listen: {port: 0, type: udp}\n" HOSTS,
     "name:1:25: listen: `type` must be tcp or unix, not `udp`"},
    {"listen-port-type", "listen: {port: [0]}\n" HOSTS,
     "name:1:16: listen: `port` must be a single value"},
    {"listen-host-type", "listen: {port: 0, host: {}}\n" HOSTS,
     "name:1:25: listen: `host` must be a single value"},
    {"listen-nested", "listen: [[0]]\n" HOSTS,
     "name:1:10: listen: must be a port or a mapping with `port` and perhaps `host`"},
    {"listen-second", "listen:\n  - 0\n  - x\n" HOSTS,
     "name:3:5: listen: `port` must be a number from 0 to 65535, not `x`"},
    {"listen-host", "listen: {port: 0, host: \"no such host\"}\n" HOSTS,
     "name:1:25: listen: cannot resolve `no such host`: *"},
    {"listen-proxy", "listen: {port: 0, proxy-protocol: yes}\n" HOSTS,
     "name:1:35: listen: must be ON or OFF, not `yes`"},
    {"listen-proxy-differs",
     "listen: {host: 127.0.0.1, port: 1}\nlisten: {host: 127.0.0.1, port: 1, proxy-protocol: "
     "ON}\n" HOSTS,
     "name:2:9: listen: `proxy-protocol` is set differently at name:1:9 for the same address"},
    {"listen-owner-tcp", "listen: {port: 0, owner: root}\n" HOSTS,
     "name:1:9: listen: `owner` and `permission` need `type: unix`"},
    {"listen-permission-tcp", "listen: {type: tcp, port: 0, permission: 600}\n" HOSTS,
     "name:1:9: listen: `owner` and `permission` need `type: unix`"},
    {"unix-no-port", "listen: {type: unix}\n" HOSTS, "name:1:9: listen: `port` is missing"},
    {"unix-empty", "listen: {type: unix, port: ''}\n" HOSTS,
     "name:1:28: listen: `port`: not usable as the path of a socket"},
    {"unix-long",
     "listen: {type: unix, port: /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}\n" HOSTS,
     "name:1:28: listen: `port`: too long as the path of a socket"},
    {"unix-owner", "listen: {type: unix, port: /x, owner: no-such-user}\n" HOSTS,
     "name:1:39: listen: `owner`: no such user `no-such-user`*"},
    {"unix-permission-digit", "listen: {type: unix, port: /x, permission: 668}\n" HOSTS,
     "name:1:44: listen: `permission` must be an octal number up to 777, not `668`"},
    {"unix-permission-large", "listen: {type: unix, port: /x, permission: 1777}\n" HOSTS,
     "name:1:44: listen: `permission` must be an octal number up to 777, not `1777`"},
    {"unix-permission-negative", "listen: {type: unix, port: /x, permission: -1}\n" HOSTS,
     "name:1:44: listen: `permission` must be an octal number up to 777, not `-1`"},
    {"unix-permission-empty", "listen: {type: unix, port: /x, permission: }\n" HOSTS, "name:1:4*"},
    {"listen-in-path", "listen: 0\nhosts: {default: {paths: {/: {listen: 1}}}}\n",
     "name:2:31: listen: the command cannot be used at this level"},
    {"listen-in-host", "hosts:\n  default:\n    listen: x\n    paths: {/: {file.dir: /}}\n",
     "name:3:13: listen: `port` must be a number from 0 to 65535, not `x`"},
    /* Numbers */
    {"threads-zero", "num-threads: 0\nlisten: 0\n" HOSTS,
     "name:1:14: num-threads: must be a number from 1 to 65535"},
    {"threads-large", "num-threads: 65536\nlisten: 0\n" HOSTS,
     "name:1:14: num-threads: must be a number from 1 to 65535"},
    {"threads-word", "num-threads: 4x\nlisten: 0\n" HOSTS,
     "name:1:14: num-threads: must be a number from 1 to 65535"},
    {"threads-type", "num-threads: [1]\nlisten: 0\n" HOSTS,
     "name:1:14: num-threads: must be a number from 1 to 65535"},
    {"threads-level", "listen: 0\nhosts: {default: {num-threads: 1, paths: {/: {file.dir: /}}}}\n",
     "name:2:19: num-threads: the command cannot be used at this level"},
    {"connections-zero", "max-connections: 0\nlisten: 0\n" HOSTS,
     "name:1:18: max-connections: must be a number from 1 to 2147483647"},
    {"connections-large", "max-connections: 2147483648\nlisten: 0\n" HOSTS,
     "name:1:18: max-connections: must be a number from 1 to 2147483647"},
    {"connections-huge", "max-connections: 99999999999999999999\nlisten: 0\n" HOSTS,
     "name:1:18: max-connections: must be a number from 1 to 2147483647"},
    {"connections-type", "max-connections: {}\nlisten: 0\n" HOSTS,
     "name:1:18: max-connections: must be a number from 1 to 2147483647"},
    {"connections-level",
     "listen: 0\nhosts: {default: {paths: {/: {max-connections: 1, file.dir: /}}}}\n",
     "name:2:31: max-connections: the command cannot be used at this level"},
    {"fastopen-negative", "tcp-fastopen: -1\nlisten: 0\n" HOSTS,
     "name:1:15: tcp-fastopen: must be a number from 0 to 65535"},
    {"fastopen-word", "tcp-fastopen: ON\nlisten: 0\n" HOSTS,
     "name:1:15: tcp-fastopen: must be a number from 0 to 65535"},
    {"resolution-threads", "num-name-resolution-threads: 65\nlisten: 0\n" HOSTS,
     "name:1:30: num-name-resolution-threads: must be a number from 1 to 64"},
    {"temp-buffer-path", "temp-buffer-path: /nonexistent\nlisten: 0\n" HOSTS,
     "name:1:19: temp-buffer-path: cannot write to `/nonexistent`: No such file or directory"},
    /* sluice.* */
    {"description-type", "sluice.description: [x]\nlisten: 0\n" HOSTS,
     "name:1:21: sluice.description: argument cannot be a sequence"},
    {"description-level", "listen: 0\nhosts: {x: {sluice.description: y, paths: {}}}\n",
     "name:2:13: sluice.description: the command cannot be used at this level"},
    {"autostart-word", "sluice.autostart: yes\nlisten: 0\n" HOSTS,
     "name:1:19: sluice.autostart: must be ON or OFF, not `yes`"},
    {"autostart-type", "sluice.autostart: {}\nlisten: 0\n" HOSTS,
     "name:1:19: sluice.autostart: argument cannot be a mapping"},
    {"autostart-level", "listen: 0\nhosts: {x: {sluice.autostart: ON, paths: {}}}\n",
     "name:2:13: sluice.autostart: the command cannot be used at this level"},
    {"timeout-word", "sluice.stop-timeout: 5s\nlisten: 0\n" HOSTS,
     "name:1:22: sluice.stop-timeout: must be a number of seconds from 0 to 86400, not `5s`"},
    {"timeout-negative", "sluice.stop-timeout: -0.1\nlisten: 0\n" HOSTS,
     "name:1:22: sluice.stop-timeout: must be a number of seconds from 0 to 86400, not `-0.1`"},
    {"timeout-large", "sluice.stop-timeout: 86401\nlisten: 0\n" HOSTS,
     "name:1:22: sluice.stop-timeout: must be a number of seconds from 0 to 86400, not `86401`"},
    {"timeout-nan", "sluice.stop-timeout: nan\nlisten: 0\n" HOSTS,
     "name:1:22: sluice.stop-timeout: must be a number of seconds from 0 to 86400, not `nan`"},
    {"timeout-empty", "sluice.stop-timeout:\nlisten: 0\n" HOSTS,
     "name:1:21: sluice.stop-timeout: must be a number of seconds from 0 to 86400, not ``"},
    {"timeout-type", "sluice.stop-timeout: [5]\nlisten: 0\n" HOSTS,
     "name:1:22: sluice.stop-timeout: argument cannot be a sequence"},
    {"sluice-unknown", "sluice.autostrat: ON\nlisten: 0\n" HOSTS,
     "name:1:1: unknown command: sluice.autostrat"},
    /* ssl */
    {"ssl-type", "listen: {port: 0, ssl: x}\n" HOSTS, "name:1:24: listen: `ssl` must be a mapping"},
    {"ssl-no-certificate", "listen: {port: 0, ssl: {key-file: @/key.pem}}\n" HOSTS,
     "name:1:24: listen: `ssl`: `certificate-file` is missing"},
    {"ssl-no-key", "listen: {port: 0, ssl: {certificate-file: @/cert.pem}}\n" HOSTS,
     "name:1:24: listen: `ssl`: `key-file` is missing"},
    {"ssl-unknown", "listen: {port: 0, ssl: {cert-file: x}}\n" HOSTS,
     "name:1:25: listen: `ssl`: unknown property `cert-file`"},
    {"ssl-property-type", "listen: {port: 0, ssl: {key-file: [x]}}\n" HOSTS,
     "name:1:35: listen: `key-file` must be a single value"},
    {"ssl-missing-certificate",
     "listen:\n  port: 0\n  ssl:\n    certificate-file: @/none\n    key-file: @/key.pem\n" HOSTS,
     "name:4:23: listen: *"},
    {"ssl-missing-key",
     "listen:\n  port: 0\n  ssl:\n    certificate-file: @/cert.pem\n    key-file: @/none\n" HOSTS,
     "name:5:15: listen: *"},
    {"ssl-wrong-certificate",
     "listen:\n  port: 0\n  ssl:\n    certificate-file: @/key.pem\n    key-file: @/key.pem\n" HOSTS,
     "name:4:23: listen: *"},
    {"ssl-wrong-key",
     "listen:\n  port: 0\n  ssl:\n    certificate-file: @/cert.pem\n    key-file: "
     "@/other.pem\n" HOSTS,
     "name:5:15: listen: *"},
    {"ssl-version",
     "listen:\n  port: 0\n  ssl:\n    certificate-file: @/cert.pem\n    key-file: @/key.pem\n"
     "    min-version: TLSv2\n" HOSTS,
     "name:6:18: listen: unknown version `TLSv2`: use TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3"},
    {"ssl-max-version",
     "listen:\n  port: 0\n  ssl:\n    certificate-file: @/cert.pem\n    key-file: @/key.pem\n"
     "    max-version: TLSv1.1\n" HOSTS,
     "name:6:18: listen: `max-version` is older than the oldest version allowed"},
    {"ssl-preference",
     "listen:\n  port: 0\n  ssl:\n    certificate-file: @/cert.pem\n    key-file: @/key.pem\n"
     "    cipher-preference: mine\n" HOSTS,
     "name:6:24: listen: `cipher-preference` must be client or server, not `mine`"},
    {"ssl-ciphers",
     "listen:\n  port: 0\n  ssl:\n    certificate-file: @/cert.pem\n    key-file: @/key.pem\n"
     "    cipher-suite: NONE-SUCH\n" HOSTS,
     "name:6:19: listen: *"},
    {"ssl-dh",
     "listen:\n  port: 0\n  ssl:\n    certificate-file: @/cert.pem\n    key-file: @/key.pem\n"
     "    dh-file: @/none\n" HOSTS,
     "name:6:14: listen: *"},
    {"ssl-ocsp",
     "listen:\n  port: 0\n  ssl:\n    certificate-file: @/cert.pem\n    key-file: @/key.pem\n"
     "    ocsp-response-file: @/none\n" HOSTS,
     "name:6:25: listen: *"},
    {"ssl-and-not",
     "listen: {host: 127.0.0.1, port: 1}\n"
     "listen:\n  host: 127.0.0.1\n  port: 1\n"
     "  ssl: {certificate-file: @/cert.pem, key-file: @/key.pem}\n" HOSTS,
     "name:3:3: listen: HTTPS, but HTTP at name:1:9 for the same address"},
    {"resumption-type", "ssl-session-resumption: all\nlisten: 0\n" HOSTS,
     "name:1:25: ssl-session-resumption: argument cannot be a scalar"},
    {"resumption-no-mode", "ssl-session-resumption: {lifetime: 1}\nlisten: 0\n" HOSTS,
     "name:1:25: ssl-session-resumption: `mode` is missing"},
    {"resumption-mode", "ssl-session-resumption: {mode: some}\nlisten: 0\n" HOSTS,
     "name:1:32: ssl-session-resumption: `mode` must be off, all, cache or ticket"},
    {"resumption-mode-type", "ssl-session-resumption: {mode: [all]}\nlisten: 0\n" HOSTS,
     "name:1:32: ssl-session-resumption: `mode` must be off, all, cache or ticket"},
    {"resumption-lifetime", "ssl-session-resumption: {mode: all, lifetime: 0}\nlisten: 0\n" HOSTS,
     "name:1:47: ssl-session-resumption: `lifetime` must be 1 to 604800 seconds"},
    {"resumption-lifetime-large",
     "ssl-session-resumption: {mode: all, lifetime: 604801}\nlisten: 0\n" HOSTS,
     "name:1:47: ssl-session-resumption: `lifetime` must be 1 to 604800 seconds"},
    {"resumption-lifetime-word",
     "ssl-session-resumption: {mode: all, lifetime: 1h}\nlisten: 0\n" HOSTS,
     "name:1:47: ssl-session-resumption: `lifetime` must be 1 to 604800 seconds"},
    {"resumption-store",
     "ssl-session-resumption: {mode: all, cache-store: disk}\nlisten: 0\n" HOSTS,
     "name:1:50: ssl-session-resumption: `cache-store` must be internal, file or memcached"},
    {"resumption-unknown", "ssl-session-resumption: {mode: all, modus: x}\nlisten: 0\n" HOSTS,
     "name:1:37: ssl-session-resumption: unknown attribute `modus`"},
    {"resumption-level",
     "listen: 0\nhosts: {x: {ssl-session-resumption: {mode: all}, paths: {}}}\n",
     "name:2:13: ssl-session-resumption: the command cannot be used at this level"},
    /* access-log */
    {"log-empty", "access-log: ''\nlisten: 0\n" HOSTS, "name:1:13: access-log: the path is empty"},
    {"log-directory", "access-log: @\nlisten: 0\n" HOSTS,
     "name:1:13: access-log: `@` is not a regular file"},
    {"log-missing", "access-log: @/none/x\nlisten: 0\n" HOSTS,
     "name:1:13: access-log: cannot open `@/none/x`: No such file or directory"},
    {"log-path", "access-log:\n  path: @/none/x\nlisten: 0\n" HOSTS,
     "name:2:9: access-log: cannot open `@/none/x`: No such file or directory"},
    {"log-no-path", "access-log: {format: '%h'}\nlisten: 0\n" HOSTS, "name:1:13: access-log: *"},
    {"log-type", "access-log: [x]\nlisten: 0\n" HOSTS, "name:1:13: access-log: *"},
    {"log-format", "access-log: {format: '%{', path: @/log}\nlisten: 0\n" HOSTS,
     "name:1:22: access-log: *"},
    {"log-format-type", "access-log: {path: journal, format: [x]}\nlisten: 0\n" HOSTS,
     "name:1:37: access-log: `format` must be a single value"},
    {"log-journal-format", "access-log: {path: journal, format: '%{'}\nlisten: 0\n" HOSTS,
     "name:1:37: access-log: *"},
    {"log-journal-escape", "access-log: {path: journal, escape: xml}\nlisten: 0\n" HOSTS,
     "name:1:37: access-log: *"},
    /* Guards */
    {"dir-missing", "listen: 0\nhosts:\n  x:\n    paths:\n      /:\n        file.dir: /none\n",
     "name:6:19: file.dir: `/none`: No such file or directory"},
    {"dir-file", "listen: 0\nhosts: {x: {paths: {/: {file.dir: @/key.pem}}}}\n",
     "name:2:35: file.dir: `@/key.pem` is not a directory"},
    {"file-directory", "listen: 0\nhosts: {x: {paths: {/: {file.file: @}}}}\n",
     "name:2:36: file.file: `@` is not a regular file"},
    {"host-empty", "listen: 0\nhosts: {'': {paths: {/: {file.dir: /}}}}\n",
     "name:2:9: hosts: the name of a host is empty"},
    {"host-empty-port", "listen: 0\nhosts: {':80': {paths: {/: {file.dir: /}}}}\n",
     "name:2:9: hosts: the name of a host is empty"},
    {"host-brackets", "listen: 0\nhosts: {'[]:80': {paths: {/: {file.dir: /}}}}\n",
     "name:2:9: hosts: the name of a host is empty"},
    {"host-scalar", "listen: 0\nhosts: {x: y}\n",
     "name:2:12: hosts: a host must be a mapping with `paths`"},
    {"path-empty", "listen: 0\nhosts: {x: {paths: {'': {file.dir: /}}}}\n",
     "name:2:21: paths: a path cannot be empty; the root is `/`"},
    {"mruby", "listen: 0\nhosts: {x: {paths: {/: {mruby.handler: x}}}}\n", "name:2:*"},
    {"file-tag", "listen: !file x\n" HOSTS,
     "name:1:9: !file cannot be used in a configuration given as text"},
};

static void test_wrong(gconstpointer data)
{
    const Case *c = data;
    g_autofree char *text = replace(c->text), *path = g_strdup_printf("%s/name", directory);
    _cleanup_error_ Error error = ERROR_INIT, again = ERROR_INIT;
    g_autoptr(GError) failure = NULL;
    g_autofree char *expected = NULL;
    Config *config = NULL;

    g_test_message("%s", text);
    g_assert_cmpint(config_load_text("name", text, NULL, &config, &error), ==, -EBADMSG);
    g_assert_null(config);
    g_assert_cmpint(error.code, ==, ERROR_INVALID_CONFIG);
    assert_message(error.message, c->message);
    if (strcmp(c->name, "file-tag") == 0)
        return;
    /* The same from a file says the same. */
    g_file_set_contents(path, text, -1, &failure);
    g_assert_no_error(failure);
    g_assert_cmpint(config_load_file(path, NULL, &config, &again), ==, -EBADMSG);
    g_assert_null(config);
    if (strstr(error.message + 5, "name:") == NULL) {
        expected = g_strdup_printf("%s/%s", directory, error.message);
        g_assert_cmpstr(again.message, ==, expected);
    }
    g_assert_cmpint(g_unlink(path), ==, 0);
}

/* ---- What is right ---- */

static void assert_listen(const Config *config, size_t i, const char *text)
{
    char buffer[ADDRESS_TEXT_MAX];

    g_assert_cmpuint(i, <, config->n_listens);
    g_assert_cmpstr(address_format(&config->listens[i].address, buffer), ==, text);
}

static void test_defaults(void)
{
    _cleanup_config_ Config *config = load("listen: {host: 127.0.0.1, port: 0}\n" HOSTS);

    g_assert_cmpuint(config->num_threads, ==, 0);
    g_assert_cmpint(config->max_connections, ==, CONFIG_MAX_CONNECTIONS_DEFAULT);
    g_assert_cmpint(config->fastopen, ==, 0);
    g_assert_cmpstr(config->settings.description, ==, "");
    g_assert_false(config->settings.autostart);
    g_assert_cmpuint(config->settings.stop_timeout_usec, ==, CONFIG_STOP_TIMEOUT_DEFAULT);
    g_assert_true(config->resumption.cache);
    g_assert_true(config->resumption.tickets);
    g_assert_cmpuint(config->resumption.lifetime, ==, 3600);
    g_assert_cmpuint(strv_length(config->warnings), ==, 0);
    g_assert_false(config->files.incomplete);
    g_assert_null(config->listens[0].tls);
    g_assert_false(config->listens[0].proxy_protocol);
    g_assert_cmpuint(config->listens[0].owner, ==, (uid_t)-1);
    g_assert_cmpuint(config->listens[0].mode, ==, (mode_t)-1);
    g_assert_cmpstr(config->listens[0].where, ==, "name:1:9");
}

static void test_listen(void)
{
    _cleanup_config_ Config *config =
        load("listen:\n"
             "  - {host: 127.0.0.1, port: 8080}\n"
             "  - {host: '::1', port: 8081, type: tcp}\n"
             "  - {type: unix, port: /run/x.sock}\n"
             "listen:\n"
             "  {host: 0.0.0.0, port: 0, proxy-protocol: on}\n" HOSTS);

    g_assert_cmpuint(config->n_listens, ==, 4);
    assert_listen(config, 0, "127.0.0.1:8080");
    assert_listen(config, 1, "[::1]:8081");
    assert_listen(config, 2, "unix:/run/x.sock");
    assert_listen(config, 3, "0.0.0.0:0");
    g_assert_true(config->listens[3].proxy_protocol);
    g_assert_cmpstr(config->listens[3].where, ==, "name:6:3");
    g_assert_false(config->listens[0].owns_hosts);
    g_assert_true(config->listens[0].hosts == config->global.hosts);
}

/* A port alone is for all addresses of the families that this machine has. */
static void test_listen_port(void)
{
    _cleanup_config_ Config *config = load("listen: 8080\n" HOSTS);
    size_t i;

    g_assert_cmpuint(config->n_listens, >=, 1);
    for (i = 0; i != config->n_listens; ++i)
        g_assert_cmpuint(address_get_port(&config->listens[i].address), ==, 8080);
}

static void test_listen_same(void)
{
    _cleanup_config_ Config *config = load("listen: {host: 127.0.0.1, port: 1}\n"
                                           "listen: {host: 127.0.0.1, port: 1}\n"
                                           "listen: {type: unix, port: /x}\n"
                                           "listen: {type: unix, port: /x}\n"
                                           "listen: {host: 127.0.0.1, port: 0}\n"
                                           "listen: {host: 127.0.0.1, port: 0}\n" HOSTS);

    /* Port 0 twice is two sockets. */
    g_assert_cmpuint(config->n_listens, ==, 4);
}

static void test_listen_hosts(void)
{
    _cleanup_config_ Config *config =
        load("listen: {host: 127.0.0.1, port: 1}\n"
             "hosts:\n"
             "  a:\n"
             "    listen: {host: 127.0.0.1, port: 2}\n"
             "    paths: {/: {file.dir: /}}\n"
             "  b:\n"
             "    listen: [{host: 127.0.0.1, port: 2}, {host: 127.0.0.1, port: 3}]\n"
             "    paths: {/: {file.dir: /}}\n");

    g_assert_cmpuint(config->n_listens, ==, 3);
    g_assert_false(config->listens[0].owns_hosts);
    g_assert_nonnull(config->listens[0].hosts[1]);
    g_assert_true(config->listens[1].owns_hosts);
    assert_listen(config, 1, "127.0.0.1:2");
    g_assert_true(config->listens[1].hosts[0] == config->global.hosts[0]);
    g_assert_true(config->listens[1].hosts[1] == config->global.hosts[1]);
    g_assert_null(config->listens[1].hosts[2]);
    g_assert_true(config->listens[2].hosts[0] == config->global.hosts[1]);
    g_assert_null(config->listens[2].hosts[1]);
}

static void test_unix(void)
{
    struct passwd *entry = getpwnam("root");
    _cleanup_config_ Config *config =
        load("listen: {type: unix, port: /x, owner: root, permission: 0660}\n"
             "listen: {type: unix, port: /y, permission: 0}\n" HOSTS);

    g_assert_nonnull(entry);
    g_assert_cmpuint(config->listens[0].owner, ==, 0);
    g_assert_cmpuint(config->listens[0].group, ==, entry->pw_gid);
    g_assert_cmpuint(config->listens[0].mode, ==, 0660);
    g_assert_cmpuint(config->listens[1].owner, ==, (uid_t)-1);
    g_assert_cmpuint(config->listens[1].mode, ==, 0);
}

static void test_numbers(void)
{
    _cleanup_config_ Config *config = load("num-threads: 65535\nmax-connections: 2147483647\n"
                                           "tcp-fastopen: 65535\nnum-name-resolution-threads: 64\n"
                                           "temp-buffer-path: @\nlisten: 0\n" HOSTS);
    _cleanup_config_ Config *other =
        load("num-threads: 1\nmax-connections: 1\ntcp-fastopen: 0\nlisten: 0\n" HOSTS);

    g_assert_cmpuint(config->num_threads, ==, 65535);
    g_assert_cmpint(config->max_connections, ==, 2147483647);
    g_assert_cmpint(config->fastopen, ==, 65535);
    g_assert_cmpuint(other->num_threads, ==, 1);
    g_assert_cmpint(other->max_connections, ==, 1);
    g_assert_cmpint(other->fastopen, ==, 0);
}

static void test_settings(void)
{
    _cleanup_config_ Config *config = load("sluice.description: A \xc3\xa4 site\n"
                                           "sluice.autostart: on\n"
                                           "sluice.stop-timeout: 0.5\nlisten: 0\n" HOSTS);
    _cleanup_config_ Config *other = load("sluice.autostart: OFF\nsluice.stop-timeout: 1\n"
                                          "sluice.stop-timeout: 86400\nlisten: 0\n" HOSTS);

    g_assert_cmpstr(config->settings.description, ==, "A \xc3\xa4 site");
    g_assert_true(config->settings.autostart);
    g_assert_cmpuint(config->settings.stop_timeout_usec, ==, 500000);
    g_assert_false(other->settings.autostart);
    g_assert_cmpuint(other->settings.stop_timeout_usec, ==, 86400000000);
}

static void test_ssl(void)
{
    _cleanup_config_ Config *config =
        load("listen:\n  host: 127.0.0.1\n  port: 1\n"
             "  ssl: {certificate-file: @/cert.pem, key-file: @/key.pem, min-version: TLSv1.2,\n"
             "    max-version: TLSv1.3, cipher-preference: Server,\n"
             "    cipher-suite: ECDHE-ECDSA-AES128-GCM-SHA256}\n" HOSTS);

    g_assert_cmpuint(config->n_listens, ==, 1);
    g_assert_nonnull(config->listens[0].tls);
    g_assert_cmpuint(config->listens[0].tls->n_certificates, ==, 1);
    g_assert_cmpuint(config->files.n_entries, >=, 2);
    g_assert_cmpuint(strv_length(config->warnings), ==, 0);
}

static void test_ssl_ignored(void)
{
    _cleanup_config_ Config *config = load("listen:\n  host: 127.0.0.1\n  port: 1\n"
                                           "  ssl:\n"
                                           "    certificate-file: @/cert.pem\n"
                                           "    key-file: @/key.pem\n"
                                           "    neverbleed: OFF\n" HOSTS);

    g_assert_cmpuint(strv_length(config->warnings), ==, 1);
    assert_message(config->warnings[0], "name:7:5: listen: `neverbleed`: ignored*");
}

static void test_resumption(void)
{
    static const struct {
        const char *mode;
        bool cache, tickets;
    } modes[] = {{"off", false, false},
                 {"all", true, true},
                 {"cache", true, false},
                 {"Ticket", false, true}};
    size_t i;

    for (i = 0; i != G_N_ELEMENTS(modes); ++i) {
        g_autofree char *text = g_strdup_printf(
            "ssl-session-resumption: {mode: %s, lifetime: 604800}\nlisten: 0\n" HOSTS,
            modes[i].mode);
        _cleanup_config_ Config *config = load(text);
        g_assert_cmpint(config->resumption.cache, ==, modes[i].cache);
        g_assert_cmpint(config->resumption.tickets, ==, modes[i].tickets);
        g_assert_cmpuint(config->resumption.lifetime, ==, 604800);
        g_assert_cmpuint(strv_length(config->warnings), ==, 0);
    }
}

static void test_resumption_ignored(void)
{
    _cleanup_config_ Config *config =
        load("listen: 0\nssl-session-resumption: {mode: all, cache-store: memcached,\n"
             "  ticket-store: internal, ticket-hash: SHA-256}\n" HOSTS);

    g_assert_cmpuint(strv_length(config->warnings), ==, 1);
    assert_message(config->warnings[0],
                   "name:2:50: ssl-session-resumption: `cache-store: memcached` is ignored*");
}

/* A dry run opens no log. */
static void test_log(void)
{
    g_autofree char *path = replace("@/log");
    _cleanup_config_ Config *config = load("access-log: @/log\nlisten: 0\n" HOSTS);

    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    /* It is open as long as the configuration lives, so it is good for one start. */
    g_assert_true(config->files.incomplete);
}

static void test_log_journal(void)
{
    _cleanup_config_ Config *config =
        load("access-log: journal\nlisten: 0\nhosts: {x: {paths: {/: {file.dir: /,\n"
             "  access-log: {path: journal, format: '%s %r', escape: json}}}}}\n");

    g_assert_false(config->files.incomplete);
    g_assert_cmpuint(strv_length(config->warnings), ==, 0);
}

static void test_ignored(void)
{
    static const char *const names[] = {
        "user",          "pid-file",          "error-log",
        "crash-handler", "num-ocsp-updaters", "crash-handler.wait-pipe-close"};
    size_t i;

    for (i = 0; i != G_N_ELEMENTS(names); ++i) {
        g_autofree char *text = g_strdup_printf("listen: 0\n%s:\n  x\n" HOSTS, names[i]),
                        *warning = g_strdup_printf("name:3:3: %s: ignored, because the service "
                                                   "manager looks after this",
                                                   names[i]);
        _cleanup_config_ Config *config = load(text);
        g_assert_cmpuint(strv_length(config->warnings), ==, 1);
        g_assert_cmpstr(config->warnings[0], ==, warning);
    }
}

static void test_many_listens(void)
{
    g_autoptr(GString) text = g_string_new(HOSTS);
    _cleanup_error_ Error error = ERROR_INIT;
    Config *config = NULL;
    int i;

    for (i = 1; i != 257; ++i)
        g_string_append_printf(text, "listen: {host: 127.0.0.1, port: %d}\n", i);
    config = load(text->str);
    g_assert_cmpuint(config->n_listens, ==, 256);
    config = config_unref(config, NULL);
    g_string_append(text, "listen: {host: 127.0.0.1, port: 1000}\n");
    g_assert_cmpint(config_load_text("name", text->str, NULL, &config, &error), <, 0);
    g_assert_cmpstr(error.message, ==, "name:258:9: listen: more than 256 addresses");
}

/* ---- config_read_settings() ---- */

static char *write_config(const char *text)
{
    g_autoptr(GError) error = NULL;
    char *path = g_strdup_printf("%s/settings", directory);

    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
    return path;
}

static void test_read_settings(void)
{
    /* The rest may be as wrong as it likes. */
    g_autofree char *path = write_config("lisen: x\n[a]: b\nsluice.autostart: ON\n"
                                         "sluice.description: d\nsluice.other: 1\n");
    FileList files = {NULL, 0, false};
    ConfigSettings settings;

    g_assert_cmpint(config_read_settings(path, &settings, &files, NULL), ==, 0);
    g_assert_cmpstr(settings.description, ==, "d");
    g_assert_true(settings.autostart);
    g_assert_cmpuint(settings.stop_timeout_usec, ==, CONFIG_STOP_TIMEOUT_DEFAULT);
    g_assert_cmpuint(files.n_entries, ==, 1);
    file_list_clear(&files);
    config_settings_clear(&settings);
    g_assert_null(settings.description);
}

static void assert_settings_wrong(const char *text, const char *message)
{
    g_autofree char *path = write_config(text);
    _cleanup_error_ Error error = ERROR_INIT;
    FileList files = {NULL, 0, false};
    ConfigSettings settings;

    g_assert_cmpint(config_read_settings(path, &settings, &files, &error), ==, -EBADMSG);
    g_assert_nonnull(settings.description);
    assert_message(error.message, message);
    file_list_clear(&files);
    config_settings_clear(&settings);
}

static void test_read_settings_wrong(void)
{
    assert_settings_wrong("sluice.autostart: x\n",
                          "@/settings:1:19: sluice.autostart: must be ON or OFF, not `x`");
    assert_settings_wrong("sluice.description: [x]\n",
                          "@/settings:1:21: sluice.description: must be a single value");
    assert_settings_wrong("[x]\n", "@/settings:1:1: a configuration must be a mapping");
    assert_settings_wrong("", "@/settings:1:1: the configuration is empty");
}

/* ---- The directory ---- */

static void make_certificate(const char *key, const char *certificate)
{
    g_autofree char *key_path = g_build_filename(directory, key, NULL),
                    *certificate_path = g_build_filename(directory, certificate, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocess) child = g_subprocess_new(
        G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error, "openssl",
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
        "/CN=localhost", "-days", "2", "-keyout", key_path, "-out", certificate_path, NULL);

    g_assert_no_error(error);
    g_subprocess_wait_check(child, NULL, &error);
    g_assert_no_error(error);
}

static void remove_directory(void)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        g_unlink(path);
    }
    g_assert_cmpint(g_rmdir(directory), ==, 0);
    g_free(directory);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    size_t i;
    int r;

    g_test_init(&argc, &argv, NULL);
    directory = g_dir_make_tmp("sluice-unit-XXXXXX", &error);
    g_assert_no_error(error);
    make_certificate("key.pem", "cert.pem");
    make_certificate("other.pem", "other-cert.pem");
    for (i = 0; i != G_N_ELEMENTS(wrong); ++i) {
        g_autofree char *path = g_strdup_printf("/config/wrong/%s", wrong[i].name);
        g_test_add_data_func(path, &wrong[i], test_wrong);
    }
    g_test_add_func("/config/defaults", test_defaults);
    g_test_add_func("/config/listen", test_listen);
    g_test_add_func("/config/listen-port", test_listen_port);
    g_test_add_func("/config/listen-same", test_listen_same);
    g_test_add_func("/config/listen-hosts", test_listen_hosts);
    g_test_add_func("/config/unix", test_unix);
    g_test_add_func("/config/numbers", test_numbers);
    g_test_add_func("/config/settings", test_settings);
    g_test_add_func("/config/ssl", test_ssl);
    g_test_add_func("/config/ssl-ignored", test_ssl_ignored);
    g_test_add_func("/config/resumption", test_resumption);
    g_test_add_func("/config/resumption-ignored", test_resumption_ignored);
    g_test_add_func("/config/log", test_log);
    g_test_add_func("/config/log-journal", test_log_journal);
    g_test_add_func("/config/ignored", test_ignored);
    g_test_add_func("/config/many-listens", test_many_listens);
    g_test_add_func("/config/read-settings", test_read_settings);
    g_test_add_func("/config/read-settings-wrong", test_read_settings_wrong);
    r = g_test_run();
    remove_directory();
    return r;
}
