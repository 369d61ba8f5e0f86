/* SPDX-License-Identifier: MIT */
/*
 * A server's configuration: the YAML file applied to libh2o's configurators and to ours, ready to
 * make generations of. Immutable once loaded. Generations share it, and the server keeps it for its
 * next start, since loading takes longer than all the rest of a start.
 *
 * Loading and references belong to the main thread. Freeing does too, with one exception that
 * libh2o forces: once a context has been initialised from it, a Config is freed on the thread of
 * the first worker, whose loop holds the timers of the proxies' socket pools.
 */
#ifndef SLUICE_CONFIG_H
#define SLUICE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <h2o.h>

#include "address.h"
#include "error.h"
#include "file-list.h"
#include "journal.h"
#include "ticket-keys.h"
#include "tls.h"
#include "worker.h"
#include "yoml.h"

#define CONFIG_STOP_TIMEOUT_DEFAULT (5 * 1000000ULL) /* usec; below a bus client's 25 s */

#define CONFIG_MAX_CONNECTIONS_DEFAULT 1024 /* as h2o's */

/* What a server is besides an HTTP server: the commands `sluice.*`. */
typedef struct ConfigSettings {
    char *description; /* never NULL once loaded */
    bool autostart;
    uint64_t stop_timeout_usec;
} ConfigSettings;

/* One address to listen on. */
typedef struct ConfigListen {
    Address address;
    h2o_hostconf_t **hosts; /* NULL-terminated: whom it serves */
    bool owns_hosts;        /* a host-level `listen`; else `hosts` is all of the configuration's */
    bool proxy_protocol;
    uid_t owner;  /* Unix socket; (uid_t)-1: leave it */
    gid_t group;  /* ditto */
    mode_t mode;  /* Unix socket; (mode_t)-1: leave it */
    int fastopen; /* length of the TCP Fast Open queue; 0: off */
    Tls *tls;     /* NULL: plain HTTP */
    char *where;  /* FILE:LINE:COLUMN of the command, for messages */
} ConfigListen;

/* What a configuration takes from the server it is for. */
typedef struct ConfigOwner {
    const char *name;        /* of the server; keeps its TLS sessions apart from others' */
    TicketKeys *ticket_keys; /* referenced */
    JournalSend journal;     /* for `access-log: journal` */
    bool has_sockets;        /* it was given some, and needs no `listen` */
} ConfigOwner;

typedef struct ConfigGuard ConfigGuard;

typedef struct Config {
    unsigned n_refs;
    bool used; /* a context has been made from it */
    h2o_globalconf_t global;
    FileList files; /* it was made from */
    ConfigSettings settings;
    ConfigListen *listens;
    size_t n_listens;
    unsigned num_threads; /* workers to run on; 0: all */
    int max_connections;
    int fastopen;
    TlsResumption resumption;
    TicketKeys *ticket_keys;        /* NULL after a dry run */
    size_t name_resolution_threads; /* 0: not said */
    char *temp_buffer_path;         /* a template for mkstemp(), or NULL */
    bool in_order;     /* it has handlers whose contexts must be made in the order of workers */
    char *server_name; /* what `global.server_name` points to, or NULL */
    char **warnings;   /* for the log and Status, each with FILE:LINE:COLUMN; or NULL */
    void **owned;      /* see config_own() */
    size_t n_owned;
    ConfigGuard *guards; /* see config-guard.c */
    WorkerMessage free_message;

    /* While it is applied: */
    ConfigOwner owner; /* of a dry run nobody */
    Error *reported;   /* the last thing that the library found wrong */
    h2o_configurator_t *log_configurator;
    unsigned level; /* of commands being applied: 1 global, 2 host, 3 path, ... */
} Config;

/*
 * Reads and applies a file for `owner`. NULL stands for a dry run: that opens no log and runs no
 * program, and its result is good for nothing but to be freed. Errors: INVALID_CONFIG
 * "FILE:LINE:COLUMN: what is wrong".
 */
int config_load_file(const char *path, const ConfigOwner *owner, Config **ret, Error *error);

/* Applies a text; messages call it `name`. `!file` is refused, for the text may be a stranger's. */
int config_load_text(const char *name, const char *text, const ConfigOwner *owner, Config **ret,
                     Error *error);

Config *config_ref(Config *config);

/*
 * Puts into force what concerns the whole process. A directory for temporary files is set only
 * while `in_use` is false, as workers may be looking at the old one otherwise; that is logged.
 */
void config_commit(const Config *config, bool in_use);

/*
 * Drops a reference. With the last one it is freed, on the thread of `first_worker` if it has been
 * used, which may be NULL if it has not. Accepts NULL, returns NULL.
 */
Config *config_unref(Config *config, Worker *first_worker);

/*
 * Reads only the commands `sluice.*` of a file, without applying the rest, and notes in `files`
 * what it read. `ret` is filled with defaults if the file cannot be used, and the error says why.
 */
int config_read_settings(const char *path, ConfigSettings *ret, FileList *files, Error *error);
void config_settings_clear(ConfigSettings *settings);

/* Keeps a message about `node` for the log. */
void config_warn(Config *config, const yoml_t *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline void config_freep(Config **config)
{
    config_unref(*config, NULL);
}
/* For one that has not been used. */
#define _cleanup_config_ __attribute__((cleanup(config_freep)))

#endif
