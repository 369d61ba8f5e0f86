/* SPDX-License-Identifier: MIT */
/* See config-ssl.h. */
#include "config-ssl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "yaml-tree.h"

#define LIFETIME_MAX 604800 /* seconds; RFC 8446 §4.6.1 allows tickets a week */

/* The nodes of the properties, for the positions of errors. */
typedef struct SslNode {
    yoml_t *certificate_file, *key_file, *dh_file, *ocsp_response_file, *cipher_suite;
    yoml_t *min_version, *max_version, *cipher_preference, *ignored;
} SslNode;

static int read_version(h2o_configurator_command_t *command, yoml_t *node, int *ret)
{
    static const struct {
        const char *name;
        int version;
    } versions[] = {
        /* OpenSSL has forgotten SSLv2; who asks for it at least gets what there is. */
        {"sslv2", SSL3_VERSION},     {"sslv3", SSL3_VERSION},     {"tlsv1", TLS1_VERSION},
        {"tlsv1.0", TLS1_VERSION},   {"tlsv1.1", TLS1_1_VERSION}, {"tlsv1.2", TLS1_2_VERSION},
        {"tlsv1.3", TLS1_3_VERSION},
    };
    size_t i;

    for (i = 0; i != sizeof(versions) / sizeof(versions[0]); ++i) {
        if (strcasecmp(node->data.scalar, versions[i].name) == 0) {
            *ret = versions[i].version;
            return 0;
        }
    }
    h2o_configurator_errprintf(command, node,
                               "unknown version `%s`: use TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3",
                               node->data.scalar);
    return -1;
}

static int read_properties(h2o_configurator_command_t *command, yoml_t *node, SslNode *ret)
{
    struct {
        const char *name;
        yoml_t **slot;
    } properties[] = {
        {"certificate-file", &ret->certificate_file},
        {"key-file", &ret->key_file},
        {"dh-file", &ret->dh_file},
        {"ocsp-response-file", &ret->ocsp_response_file},
        {"cipher-suite", &ret->cipher_suite},
        {"min-version", &ret->min_version},
        {"minimum-version", &ret->min_version},
        {"max-version", &ret->max_version},
        {"maximum-version", &ret->max_version},
        {"cipher-preference", &ret->cipher_preference},
        /* Of h2o: a process for the keys, and a script that fetches OCSP responses. */
        {"neverbleed", &ret->ignored},
        {"ocsp-update-cmd", &ret->ignored},
        {"ocsp-update-interval", &ret->ignored},
        {"ocsp-max-failures", &ret->ignored},
    };
    size_t i, j, n = sizeof(properties) / sizeof(properties[0]);

    *ret = (SslNode){NULL};
    if (node->type != YOML_TYPE_MAPPING) {
        h2o_configurator_errprintf(command, node, "`ssl` must be a mapping");
        return -1;
    }
    for (i = 0; i != node->data.mapping.size; ++i) {
        yoml_t *key = node->data.mapping.elements[i].key;
        yoml_t *value = node->data.mapping.elements[i].value;
        for (j = 0; j != n; ++j)
            if (key->type == YOML_TYPE_SCALAR && strcmp(key->data.scalar, properties[j].name) == 0)
                break;
        if (j == n) {
            h2o_configurator_errprintf(command, key, "`ssl`: unknown property `%s`",
                                       key->type == YOML_TYPE_SCALAR ? key->data.scalar : "?");
            return -1;
        }
        if (value->type != YOML_TYPE_SCALAR) {
            h2o_configurator_errprintf(command, value, "`%s` must be a single value",
                                       properties[j].name);
            return -1;
        }
        *properties[j].slot = value;
        if (properties[j].slot == &ret->ignored)
            config_warn(command_config(command), key,
                        "listen: `%s`: ignored; responses are stapled from `ocsp-response-file`, "
                        "and keys are read by the service itself",
                        properties[j].name);
    }
    if (ret->certificate_file == NULL || ret->key_file == NULL) {
        h2o_configurator_errprintf(command, node, "`ssl`: `%s` is missing",
                                   ret->certificate_file == NULL ? "certificate-file" : "key-file");
        return -1;
    }
    return 0;
}

static int read_preference(h2o_configurator_command_t *command, yoml_t *node, bool *ret_client)
{
    if (strcasecmp(node->data.scalar, "client") != 0 &&
        strcasecmp(node->data.scalar, "server") != 0) {
        h2o_configurator_errprintf(command, node,
                                   "`cipher-preference` must be client or server, not `%s`",
                                   node->data.scalar);
        return -1;
    }
    *ret_client = strcasecmp(node->data.scalar, "client") == 0;
    return 0;
}

static const char *text_of(const yoml_t *node)
{
    return node != NULL ? node->data.scalar : NULL;
}

static int read_settings(h2o_configurator_command_t *command, const SslNode *nodes,
                         TlsSettings *ret)
{
    *ret = (TlsSettings){
        .certificate_file = text_of(nodes->certificate_file),
        .key_file = text_of(nodes->key_file),
        .dh_file = text_of(nodes->dh_file),
        .ocsp_response_file = text_of(nodes->ocsp_response_file),
        .cipher_suite = text_of(nodes->cipher_suite),
        .min_version = TLS1_2_VERSION,
        .prefer_client_ciphers = true,
    };
    if (nodes->min_version != NULL && read_version(command, nodes->min_version, &ret->min_version))
        return -1;
    if (nodes->max_version != NULL && read_version(command, nodes->max_version, &ret->max_version))
        return -1;
    if (ret->max_version != 0 && ret->max_version < ret->min_version) {
        h2o_configurator_errprintf(command, nodes->max_version,
                                   "`max-version` is older than the oldest version allowed");
        return -1;
    }
    return nodes->cipher_preference == NULL
               ? 0
               : read_preference(command, nodes->cipher_preference, &ret->prefer_client_ciphers);
}

static yoml_t *node_of_problem(const SslNode *nodes, TlsProblem problem, yoml_t *otherwise)
{
    yoml_t *node = NULL;

    switch (problem) {
    case TLS_PROBLEM_CERTIFICATE:
        node = nodes->certificate_file;
        break;
    case TLS_PROBLEM_KEY:
        node = nodes->key_file;
        break;
    case TLS_PROBLEM_DH:
        node = nodes->dh_file;
        break;
    case TLS_PROBLEM_OCSP:
        node = nodes->ocsp_response_file;
        break;
    case TLS_PROBLEM_CIPHERS:
        node = nodes->cipher_suite;
        break;
    case TLS_PROBLEM_VERSION:
        node = nodes->min_version != NULL ? nodes->min_version : nodes->max_version;
        break;
    case TLS_PROBLEM_OTHER:
        break;
    }
    return node != NULL ? node : otherwise;
}

int config_ssl_apply(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                     yoml_t *node, ConfigListen *listen)
{
    Config *config = command_config(command);
    char *host = NULL, *why = NULL, *warning = NULL;
    TlsProblem problem = TLS_PROBLEM_OTHER;
    TlsSettings settings;
    SslNode nodes;
    int r;

    if (read_properties(command, node, &nodes) != 0 ||
        read_settings(command, &nodes, &settings) != 0)
        return -1;
    if (listen->tls == NULL)
        listen->tls = h2o_mem_alloc(sizeof(*listen->tls)), *listen->tls = (Tls){NULL, 0};
    if (context->hostconf != NULL)
        host =
            strndup(context->hostconf->authority.host.base, context->hostconf->authority.host.len);
    r = tls_add(listen->tls, &settings, host, &config->files, &problem, &why, &warning);
    if (r < 0)
        h2o_configurator_errprintf(command, node_of_problem(&nodes, problem, node), "%s",
                                   why != NULL ? why : "out of memory");
    else if (warning != NULL)
        config_warn(config, nodes.certificate_file, "listen: %s", warning);
    free(host);
    free(why);
    free(warning);
    return r < 0 ? -1 : 0;
}

/* ---- ssl-session-resumption ---- */

static int read_mode(h2o_configurator_command_t *command, yoml_t *node, TlsResumption *ret)
{
    static const struct {
        const char *name;
        bool cache, tickets;
    } modes[] = {{"off", false, false},
                 {"all", true, true},
                 {"cache", true, false},
                 {"ticket", false, true}};
    size_t i;

    for (i = 0; node->type == YOML_TYPE_SCALAR && i != sizeof(modes) / sizeof(modes[0]); ++i) {
        if (strcasecmp(node->data.scalar, modes[i].name) == 0) {
            ret->cache = modes[i].cache;
            ret->tickets = modes[i].tickets;
            return 0;
        }
    }
    h2o_configurator_errprintf(command, node, "`mode` must be off, all, cache or ticket");
    return -1;
}

static int read_lifetime(h2o_configurator_command_t *command, yoml_t *node, TlsResumption *ret)
{
    unsigned long value = 0;
    char *end = NULL;

    if (node->type == YOML_TYPE_SCALAR && node->data.scalar[0] >= '0' &&
        node->data.scalar[0] <= '9')
        value = strtoul(node->data.scalar, &end, 10);
    if (end == NULL || *end != '\0' || value == 0 || value > LIFETIME_MAX) {
        h2o_configurator_errprintf(command, node, "`lifetime` must be 1 to %d seconds",
                                   LIFETIME_MAX);
        return -1;
    }
    ret->lifetime = (unsigned)value;
    return 0;
}

/* Sessions and ticket keys are kept in memory, whatever store h2o would have used. */
static int read_store(h2o_configurator_command_t *command, yoml_t *key, yoml_t *value)
{
    if (value->type == YOML_TYPE_SCALAR && strcasecmp(value->data.scalar, "internal") == 0)
        return 0;
    if (value->type != YOML_TYPE_SCALAR || (strcasecmp(value->data.scalar, "memcached") != 0 &&
                                            strcasecmp(value->data.scalar, "file") != 0)) {
        h2o_configurator_errprintf(command, value, "`%s` must be internal, file or memcached",
                                   key->data.scalar);
        return -1;
    }
    config_warn(command_config(command), value,
                "ssl-session-resumption: `%s: %s` is ignored: sessions are kept in memory, and "
                "ticket keys are shared by the workers and rotated every hour",
                key->data.scalar, value->data.scalar);
    return 0;
}

static bool is_known_and_ignored(const char *name)
{
    static const char *const names[] = {"cache-memcached-num-threads",
                                        "cache-memcached-prefix",
                                        "ticket-memcached-prefix",
                                        "ticket-memcached-key",
                                        "ticket-cipher",
                                        "ticket-hash",
                                        "ticket-file",
                                        "memcached"};
    size_t i;

    for (i = 0; i != sizeof(names) / sizeof(names[0]); ++i)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static int on_resumption(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                         yoml_t *node)
{
    TlsResumption resumption = TLS_RESUMPTION_DEFAULT;
    size_t i;

    if (tree_get(node, "mode") == NULL) {
        h2o_configurator_errprintf(command, node, "`mode` is missing");
        return -1;
    }
    for (i = 0; i != node->data.mapping.size; ++i) {
        yoml_t *key = node->data.mapping.elements[i].key;
        yoml_t *value = node->data.mapping.elements[i].value;
        const char *name = key->type == YOML_TYPE_SCALAR ? key->data.scalar : "?";
        int r = 0;
        if (strcmp(name, "mode") == 0) {
            r = read_mode(command, value, &resumption);
        } else if (strcmp(name, "lifetime") == 0) {
            r = read_lifetime(command, value, &resumption);
        } else if (strcmp(name, "cache-store") == 0 || strcmp(name, "ticket-store") == 0) {
            r = read_store(command, key, value);
        } else if (!is_known_and_ignored(name)) {
            h2o_configurator_errprintf(command, key, "unknown attribute `%s`", name);
            r = -1;
        }
        if (r != 0)
            return -1;
    }
    command_config(command)->resumption = resumption;
    return 0;
}

void config_register_ssl(Config *config)
{
    h2o_configurator_define_command(
        &configurator_new(config)->super, "ssl-session-resumption",
        H2O_CONFIGURATOR_FLAG_GLOBAL | H2O_CONFIGURATOR_FLAG_EXPECT_MAPPING, on_resumption);
}

void config_ssl_finish(Config *config, const char *session_context)
{
    size_t i;

    for (i = 0; i != config->n_listens; ++i)
        if (config->listens[i].tls != NULL)
            tls_finish(config->listens[i].tls, &config->resumption, session_context,
                       config->ticket_keys);
}
