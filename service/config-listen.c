/* SPDX-License-Identifier: MIT */
/*
 * The command `listen`, which h2o's program defines and its library lacks:
 *
 *     listen: 8080
 *     listen: {host: 127.0.0.1, port: 0}
 *     listen: {type: unix, port: /run/sluice/www.sock, owner: www-data, permission: 660}
 *
 * at global level, where it serves all hosts, and at host level, where it serves that host; several
 * hosts may share one address. Nothing is bound here: this fills Config.listens.
 */
#include "config-commands.h"
#include "config-ssl.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "yaml-tree.h"

#define LISTEN_MAX 256 /* addresses of one server; each costs a descriptor per worker */

/* The properties of one `listen`, as written. */
typedef struct ListenNode {
    yoml_t *node;
    yoml_t *host, *port, *type, *owner, *permission, *proxy_protocol, *ssl;
} ListenNode;

static int read_properties(h2o_configurator_command_t *command, yoml_t *node, ListenNode *ret)
{
    struct {
        const char *name;
        yoml_t **slot;
        bool scalar;
    } properties[] = {
        {"host", &ret->host, true},
        {"port", &ret->port, true},
        {"type", &ret->type, true},
        {"owner", &ret->owner, true},
        {"permission", &ret->permission, true},
        {"proxy-protocol", &ret->proxy_protocol, true},
        {"ssl", &ret->ssl, false},
    };
    size_t i, j;

    *ret = (ListenNode){.node = node};
    if (node->type == YOML_TYPE_SCALAR) {
        ret->port = node;
        return 0;
    }
    if (node->type != YOML_TYPE_MAPPING) {
        h2o_configurator_errprintf(command, node,
                                   "must be a port or a mapping with `port` and perhaps `host`");
        return -1;
    }
    for (i = 0; i != node->data.mapping.size; ++i) {
        yoml_t *key = node->data.mapping.elements[i].key;
        yoml_t *value = node->data.mapping.elements[i].value;
        for (j = 0; j != sizeof(properties) / sizeof(properties[0]); ++j)
            if (key->type == YOML_TYPE_SCALAR && strcmp(key->data.scalar, properties[j].name) == 0)
                break;
        if (j == sizeof(properties) / sizeof(properties[0])) {
            h2o_configurator_errprintf(command, key, "unknown property `%s`",
                                       key->type == YOML_TYPE_SCALAR ? key->data.scalar : "?");
            return -1;
        }
        if (properties[j].scalar && value->type != YOML_TYPE_SCALAR) {
            h2o_configurator_errprintf(command, value, "`%s` must be a single value",
                                       properties[j].name);
            return -1;
        }
        *properties[j].slot = value;
    }
    if (ret->port == NULL) {
        h2o_configurator_errprintf(command, node, "`port` is missing");
        return -1;
    }
    return 0;
}

static int read_on_off(h2o_configurator_command_t *command, yoml_t *node, bool *ret)
{
    if (strcasecmp(node->data.scalar, "ON") != 0 && strcasecmp(node->data.scalar, "OFF") != 0) {
        h2o_configurator_errprintf(command, node, "must be ON or OFF, not `%s`", node->data.scalar);
        return -1;
    }
    *ret = strcasecmp(node->data.scalar, "ON") == 0;
    return 0;
}

static int read_owner(h2o_configurator_command_t *command, yoml_t *node, ConfigListen *listen)
{
    struct passwd entry, *found = NULL;
    char buffer[4096];
    int r = getpwnam_r(node->data.scalar, &entry, buffer, sizeof(buffer), &found);

    if (found == NULL) {
        h2o_configurator_errprintf(command, node, "`owner`: no such user `%s`%s%s",
                                   node->data.scalar, r != 0 ? ": " : "",
                                   r != 0 ? strerror(r) : "");
        return -1;
    }
    listen->owner = found->pw_uid;
    listen->group = found->pw_gid;
    return 0;
}

static int read_permission(h2o_configurator_command_t *command, yoml_t *node, ConfigListen *listen)
{
    unsigned long mode;
    char *end;

    mode = strtoul(node->data.scalar, &end, 8);
    if (end == node->data.scalar || *end != '\0' || mode > 0777 || node->data.scalar[0] == '-') {
        h2o_configurator_errprintf(command, node,
                                   "`permission` must be an octal number up to 777, not `%s`",
                                   node->data.scalar);
        return -1;
    }
    listen->mode = (mode_t)mode;
    return 0;
}

static ConfigListen *find_listen(Config *config, const Address *address)
{
    size_t i;

    for (i = 0; i != config->n_listens; ++i)
        /* Two entries with port 0 are two sockets. */
        if (address_equal(&config->listens[i].address, address) &&
            (address->sa.ss_family == AF_UNIX || address_get_port(address) != 0))
            return &config->listens[i];
    return NULL;
}

/* Adds one address, or one host to an address that is there already. */
static int add_listen(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                      const ListenNode *properties, const ConfigListen *wanted)
{
    Config *config = command_config(command);
    ConfigListen *listen = find_listen(config, &wanted->address), *grown;

    if (listen != NULL && listen->proxy_protocol != wanted->proxy_protocol) {
        h2o_configurator_errprintf(command, properties->node,
                                   "`proxy-protocol` is set differently at %s for the same address",
                                   listen->where);
        return -1;
    }
    if (listen != NULL && (listen->tls != NULL) != (properties->ssl != NULL)) {
        h2o_configurator_errprintf(command, properties->node,
                                   "%s, but %s at %s for the same address",
                                   properties->ssl != NULL ? "HTTPS" : "HTTP",
                                   properties->ssl != NULL ? "HTTP" : "HTTPS", listen->where);
        return -1;
    }
    if (listen == NULL) {
        if (config->n_listens == LISTEN_MAX) {
            h2o_configurator_errprintf(command, properties->node, "more than %d addresses",
                                       LISTEN_MAX);
            return -1;
        }
        grown = realloc(config->listens, (config->n_listens + 1) * sizeof(*grown));
        if (grown == NULL)
            return -1;
        config->listens = grown;
        listen = &grown[config->n_listens];
        *listen = *wanted;
        listen->owns_hosts = context->hostconf != NULL;
        if (listen->owns_hosts)
            listen->hosts = calloc(1, sizeof(*listen->hosts));
        if (asprintf(&listen->where, "%s:%zu:%zu",
                     properties->node->filename != NULL ? properties->node->filename : "-",
                     properties->node->line + 1, properties->node->column + 1) < 0)
            listen->where = NULL;
        ++config->n_listens;
    }
    if (listen->owns_hosts && context->hostconf != NULL)
        h2o_append_to_null_terminated_list((void ***)(void *)&listen->hosts, context->hostconf);
    if (properties->ssl != NULL)
        return config_ssl_apply(command, context, properties->ssl, listen);
    return 0;
}

static int on_unix(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                   const ListenNode *properties, ConfigListen *listen)
{
    int r = address_from_path(&listen->address, properties->port->data.scalar);

    if (r < 0) {
        h2o_configurator_errprintf(command, properties->port, "`port`: %s as the path of a socket",
                                   r == -ENAMETOOLONG ? "too long" : "not usable");
        return -1;
    }
    if ((properties->owner != NULL && read_owner(command, properties->owner, listen) != 0) ||
        (properties->permission != NULL &&
         read_permission(command, properties->permission, listen) != 0))
        return -1;
    return add_listen(command, context, properties, listen);
}

static int on_tcp(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                  const ListenNode *properties, ConfigListen *listen)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_protocol = IPPROTO_TCP,
                             .ai_flags = AI_NUMERICSERV | AI_PASSIVE};
    const char *host = properties->host != NULL ? properties->host->data.scalar : NULL;
    const char *port = properties->port->data.scalar;
    struct addrinfo *addresses = NULL, *ai;
    uint16_t number;
    int r;

    if (port_parse(port, &number) < 0) {
        h2o_configurator_errprintf(command, properties->port,
                                   "`port` must be a number from 0 to 65535, not `%s`", port);
        return -1;
    }
    if (properties->owner != NULL || properties->permission != NULL) {
        h2o_configurator_errprintf(command, properties->node,
                                   "`owner` and `permission` need `type: unix`");
        return -1;
    }
    /* Numbers first: they need no resolver and no configured interface. */
    hints.ai_flags |= host != NULL ? AI_NUMERICHOST : AI_ADDRCONFIG;
    r = getaddrinfo(host, port, &hints, &addresses);
    if (r == EAI_NONAME && host != NULL) {
        command_config(command)->files.incomplete = true; /* the name may come to mean another */
        hints.ai_flags = AI_NUMERICSERV | AI_PASSIVE | AI_ADDRCONFIG;
        r = getaddrinfo(host, port, &hints, &addresses);
    }
    if (r != 0 || addresses == NULL) {
        h2o_configurator_errprintf(command,
                                   properties->host != NULL ? properties->host : properties->node,
                                   "cannot resolve `%s`: %s", host != NULL ? host : "*",
                                   r != 0 ? gai_strerror(r) : "no address");
        return -1;
    }
    for (ai = addresses, r = 0; r == 0 && ai != NULL; ai = ai->ai_next) {
        listen->address = (Address){.length = ai->ai_addrlen};
        memcpy(&listen->address.sa, ai->ai_addr, ai->ai_addrlen);
        r = add_listen(command, context, properties, listen);
    }
    freeaddrinfo(addresses);
    return r;
}

static int on_listen_one(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                         yoml_t *node)
{
    ConfigListen listen = {.owner = (uid_t)-1, .group = (gid_t)-1, .mode = (mode_t)-1};
    ListenNode properties;

    if (read_properties(command, node, &properties) != 0)
        return -1;
    if (properties.proxy_protocol != NULL &&
        read_on_off(command, properties.proxy_protocol, &listen.proxy_protocol) != 0)
        return -1;
    if (properties.type != NULL && strcmp(properties.type->data.scalar, "unix") == 0)
        return on_unix(command, context, &properties, &listen);
    if (properties.type == NULL || strcmp(properties.type->data.scalar, "tcp") == 0)
        return on_tcp(command, context, &properties, &listen);
    h2o_configurator_errprintf(command, properties.type, "`type` must be tcp or unix, not `%s`",
                               properties.type->data.scalar);
    return -1;
}

static int on_listen(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                     yoml_t *node)
{
    size_t i;

    if (node->type != YOML_TYPE_SEQUENCE)
        return on_listen_one(command, context, node);
    for (i = 0; i != node->data.sequence.size; ++i)
        if (on_listen_one(command, context, node->data.sequence.elements[i]) != 0)
            return -1;
    return 0;
}

void config_register_listen(Config *config)
{
    Configurator *configurator = configurator_new(config);

    h2o_configurator_define_command(&configurator->super, "listen",
                                    H2O_CONFIGURATOR_FLAG_GLOBAL | H2O_CONFIGURATOR_FLAG_HOST,
                                    on_listen);
}
