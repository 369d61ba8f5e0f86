/* SPDX-License-Identifier: MIT */
/*
 * The TLS side of a listener: one OpenSSL context for each certificate, chosen by the name that the
 * client asks for (SNI, RFC 6066 §3). Made on the main thread while a configuration is loaded, read
 * by the workers, freed with the configuration.
 */
#ifndef SLUICE_TLS_H
#define SLUICE_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

#include "error.h"
#include "file-list.h"
#include "ticket-keys.h"

/* What the properties of `ssl` say, as text; those that are NULL were not given. */
typedef struct TlsSettings {
    const char *certificate_file; /* PEM, the server's certificate first; or credential:NAME */
    const char *key_file;         /* PEM; or credential:NAME */
    const char *dh_file;
    const char *ocsp_response_file; /* DER (RFC 6960), stapled as it is */
    const char *cipher_suite;       /* OpenSSL's list, for TLS up to 1.2 */
    int min_version;                /* as SSL_CTX_set_min_proto_version(3) */
    int max_version;                /* 0: the newest */
    bool prefer_client_ciphers;
} TlsSettings;

/* How sessions are resumed: the command ssl-session-resumption. */
typedef struct TlsResumption {
    bool cache;
    bool tickets;
    unsigned lifetime; /* seconds */
} TlsResumption;

#define TLS_RESUMPTION_DEFAULT ((TlsResumption){.cache = true, .tickets = true, .lifetime = 3600})

/* One certificate. */
typedef struct TlsCertificate {
    SSL_CTX *context;
    char *certificate_file; /* as configured: hosts that name the same file share it */
    char *key_file;
    char **hosts; /* NULL-terminated, lower case, perhaps "*.example.com"; empty: all */
    unsigned char *ocsp_response;
    size_t ocsp_response_length;
} TlsCertificate;

/* The certificates of one address; the first is for clients that ask for none that is there. */
typedef struct Tls {
    TlsCertificate **certificates;
    size_t n_certificates;
} Tls;

/*
 * Which setting an error is about, so that the caller can say where it stands; `warning` is set if
 * the certificate can be used but should not be, having expired, say.
 */
typedef enum TlsProblem {
    TLS_PROBLEM_OTHER,
    TLS_PROBLEM_CERTIFICATE,
    TLS_PROBLEM_KEY,
    TLS_PROBLEM_DH,
    TLS_PROBLEM_OCSP,
    TLS_PROBLEM_CIPHERS,
    TLS_PROBLEM_VERSION,
} TlsProblem;

/*
 * Adds a certificate for `host`, or for all if it is NULL. If the file is there already, only the
 * host is added. Notes what it reads in `files`. Returns 0 or a negative errno with `problem` and
 * `why` set; `warning` is set or NULL. The caller frees both texts.
 */
int tls_add(Tls *tls, const TlsSettings *settings, const char *host, FileList *files,
            TlsProblem *problem, char **why, char **warning);

/*
 * To be called once all certificates are there: sets up session resumption for all and SNI.
 * `session_context` tells servers apart, so that no session of one is resumed by another; `keys`
 * seal the tickets and must outlive `tls`.
 */
void tls_finish(Tls *tls, const TlsResumption *resumption, const char *session_context,
                TicketKeys *keys);

/* The context for a new connection; it changes itself by SNI. */
SSL_CTX *tls_get_context(const Tls *tls);

/* Accepts NULL, returns NULL. */
Tls *tls_free(Tls *tls);

#endif
