/* SPDX-License-Identifier: MIT */
/* See tls.h. */
#include "tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <h2o.h>

#include "file-read.h"
#include "strv.h"

#define FILE_MAX (1024 * 1024) /* bytes of a certificate chain or a key */

typedef struct Report {
    TlsProblem *problem;
    char **why;
} Report;

__attribute__((format(printf, 4, 5))) static int report(const Report *report, int r,
                                                        TlsProblem problem, const char *format, ...)
{
    va_list args;

    *report->problem = problem;
    va_start(args, format);
    if (vasprintf(report->why, format, args) < 0)
        *report->why = NULL;
    va_end(args);
    return r;
}

/* The reason of OpenSSL's oldest error, which the later ones follow from. */
static const char *openssl_reason(void)
{
    unsigned long code = ERR_get_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return reason != NULL ? reason : "unknown error";
}

/* Turns credential:NAME into a path below $CREDENTIALS_DIRECTORY (systemd.exec(5)). */
static int resolve_path(const char *name, char **ret, const char **why)
{
    static const char prefix[] = "credential:";
    const char *directory = getenv("CREDENTIALS_DIRECTORY");

    if (strncmp(name, prefix, strlen(prefix)) != 0) {
        *ret = strdup(name);
    } else {
        name += strlen(prefix);
        if (directory == NULL) {
            *why = "no credentials were given to the service: see LoadCredential= of systemd";
            return -ENOENT;
        }
        if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL) {
            *why = "not the name of a credential";
            return -EINVAL;
        }
        if (asprintf(ret, "%s/%s", directory, name) < 0)
            *ret = NULL;
    }
    *why = strerror(ENOMEM);
    return *ret != NULL ? 0 : -ENOMEM;
}

static int read_text(const char *name, FileList *files, char **ret, size_t *ret_length,
                     const char **why)
{
    char *path;
    int r;

    if ((r = resolve_path(name, &path, why)) < 0)
        return r;
    r = file_read(path, FILE_MAX, files, ret, ret_length, why);
    free(path);
    return r;
}

/* A key that is sealed with a passphrase cannot be used; never ask the terminal for it. */
static int no_passphrase(char *buffer, int size, int writing, void *userdata)
{
    return -1;
}

/* Reads a PEM file into memory that OpenSSL can read from; NULL with *why set. */
static BIO *read_pem(const char *name, FileList *files, char **text, const char **why)
{
    size_t length;
    BIO *bio;

    *text = NULL;
    if (read_text(name, files, text, &length, why) < 0)
        return NULL;
    if ((bio = BIO_new_mem_buf(*text, (int)length)) == NULL)
        *why = strerror(ENOMEM);
    return bio;
}

static void free_pem(BIO *bio, char *text)
{
    if (text != NULL)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
    BIO_free(bio);
}

static bool use_chain(SSL_CTX *context, BIO *bio)
{
    X509 *leaf = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL), *next;
    bool ok = leaf != NULL && SSL_CTX_use_certificate(context, leaf) == 1;

    X509_free(leaf);
    while (ok && (next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
        ok = SSL_CTX_add0_chain_cert(context, next) == 1;
        if (!ok)
            X509_free(next);
    }
    if (ok)
        ERR_clear_error(); /* of the end of the file */
    return ok;
}

static int load_certificate(SSL_CTX *context, const TlsSettings *settings, FileList *files,
                            const Report *to, char **warning)
{
    const char *why;
    char *text, *formatted = NULL;
    BIO *bio = read_pem(settings->certificate_file, files, &text, &why);
    X509 *leaf;
    bool ok;

    if (bio == NULL) {
        free(text);
        return report(to, -EBADMSG, TLS_PROBLEM_CERTIFICATE, "cannot read `%s`: %s",
                      settings->certificate_file, why);
    }
    ok = use_chain(context, bio);
    free_pem(bio, text);
    if (!ok)
        return report(to, -EBADMSG, TLS_PROBLEM_CERTIFICATE, "`%s` is no usable certificate: %s",
                      settings->certificate_file, openssl_reason());
    leaf = SSL_CTX_get0_certificate(context);
    if (X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0) {
        if (asprintf(&formatted, "the certificate `%s` has expired", settings->certificate_file) >=
            0)
            *warning = formatted;
    } else if (X509_cmp_current_time(X509_get0_notBefore(leaf)) > 0) {
        if (asprintf(&formatted, "the certificate `%s` is not valid yet",
                     settings->certificate_file) >= 0)
            *warning = formatted;
    }
    return 0;
}

static int load_key(SSL_CTX *context, const TlsSettings *settings, FileList *files,
                    const Report *to)
{
    const char *why;
    char *text;
    BIO *bio = read_pem(settings->key_file, files, &text, &why);
    EVP_PKEY *key;
    bool ok;

    if (bio == NULL) {
        free(text);
        return report(to, -EBADMSG, TLS_PROBLEM_KEY, "cannot read `%s`: %s", settings->key_file,
                      why);
    }
    key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    free_pem(bio, text);
    if (key == NULL)
        return report(to, -EBADMSG, TLS_PROBLEM_KEY,
                      "`%s` is no usable private key (PEM, without a passphrase): %s",
                      settings->key_file, openssl_reason());
    ok = X509_check_private_key(SSL_CTX_get0_certificate(context), key) == 1;
    ok = ok && SSL_CTX_use_PrivateKey(context, key) == 1;
    EVP_PKEY_free(key);
    if (!ok) {
        ERR_clear_error();
        return report(to, -EBADMSG, TLS_PROBLEM_KEY,
                      "the key `%s` does not belong to the certificate `%s`", settings->key_file,
                      settings->certificate_file);
    }
    return 0;
}

static int load_dh(SSL_CTX *context, const TlsSettings *settings, FileList *files, const Report *to)
{
    const char *why;
    char *text;
    BIO *bio = read_pem(settings->dh_file, files, &text, &why);
    EVP_PKEY *parameters;

    if (bio == NULL) {
        free(text);
        return report(to, -EBADMSG, TLS_PROBLEM_DH, "cannot read `%s`: %s", settings->dh_file, why);
    }
    parameters = PEM_read_bio_Parameters(bio, NULL);
    free_pem(bio, text);
    if (parameters == NULL || SSL_CTX_set0_tmp_dh_pkey(context, parameters) != 1) {
        EVP_PKEY_free(parameters);
        return report(to, -EBADMSG, TLS_PROBLEM_DH, "`%s` has no usable DH parameters: %s",
                      settings->dh_file, openssl_reason());
    }
    return 0;
}

static int on_status_request(SSL *ssl, void *userdata)
{
    const TlsCertificate *certificate = userdata;
    unsigned char *copy =
        OPENSSL_memdup(certificate->ocsp_response, certificate->ocsp_response_length);

    if (copy == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)certificate->ocsp_response_length);
    return SSL_TLSEXT_ERR_OK;
}

static int load_ocsp_response(TlsCertificate *certificate, const TlsSettings *settings,
                              FileList *files, const Report *to)
{
    const char *why;

    if (read_text(settings->ocsp_response_file, files, (char **)&certificate->ocsp_response,
                  &certificate->ocsp_response_length, &why) < 0)
        return report(to, -EBADMSG, TLS_PROBLEM_OCSP, "cannot read `%s`: %s",
                      settings->ocsp_response_file, why);
    SSL_CTX_set_tlsext_status_cb(certificate->context, on_status_request);
    SSL_CTX_set_tlsext_status_arg(certificate->context, certificate);
    return 0;
}

static int setup(TlsCertificate *certificate, const TlsSettings *settings, FileList *files,
                 const Report *to, char **warning)
{
    SSL_CTX *context = certificate->context;
    int r;

    SSL_CTX_set_options(context, SSL_OP_ALL | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    if (!settings->prefer_client_ciphers)
        SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_set_min_proto_version(context, settings->min_version) != 1 ||
        SSL_CTX_set_max_proto_version(context, settings->max_version) != 1)
        return report(to, -EBADMSG, TLS_PROBLEM_VERSION,
                      "this version of TLS is not supported here");
    if ((r = load_certificate(context, settings, files, to, warning)) < 0 ||
        (r = load_key(context, settings, files, to)) < 0)
        return r;
    if (settings->cipher_suite != NULL &&
        SSL_CTX_set_cipher_list(context, settings->cipher_suite) != 1)
        return report(to, -EBADMSG, TLS_PROBLEM_CIPHERS, "no usable cipher in `%s`: %s",
                      settings->cipher_suite, openssl_reason());
    if (settings->dh_file != NULL && (r = load_dh(context, settings, files, to)) < 0)
        return r;
    if (settings->dh_file == NULL)
        SSL_CTX_set_dh_auto(context, 1);
    if (settings->ocsp_response_file != NULL &&
        (r = load_ocsp_response(certificate, settings, files, to)) < 0)
        return r;
    h2o_ssl_register_alpn_protocols(context, h2o_alpn_protocols);
    h2o_ssl_register_npn_protocols(context, h2o_npn_protocols);
    return 0;
}

static void certificate_free(TlsCertificate *certificate)
{
    if (certificate == NULL)
        return;
    SSL_CTX_free(certificate->context);
    free(certificate->certificate_file);
    free(certificate->key_file);
    strv_free(certificate->hosts);
    free(certificate->ocsp_response);
    free(certificate);
}

static int add_host(TlsCertificate *certificate, const char *host)
{
    char *copy = strdup(host);

    if (copy != NULL)
        h2o_strtolower(copy, strlen(copy));
    return strv_take(&certificate->hosts, copy);
}

static int certificate_new(TlsCertificate **ret, const TlsSettings *settings, FileList *files,
                           const Report *to, char **warning)
{
    TlsCertificate *certificate = calloc(1, sizeof(*certificate));
    int r;

    ERR_clear_error();
    if (certificate == NULL ||
        (certificate->certificate_file = strdup(settings->certificate_file)) == NULL ||
        (certificate->key_file = strdup(settings->key_file)) == NULL ||
        (certificate->context = SSL_CTX_new(TLS_server_method())) == NULL)
        r = report(to, -ENOMEM, TLS_PROBLEM_OTHER, "%s", strerror(ENOMEM));
    else
        r = setup(certificate, settings, files, to, warning);
    if (r < 0) {
        certificate_free(certificate);
        return r;
    }
    *ret = certificate;
    return 0;
}

int tls_add(Tls *tls, const TlsSettings *settings, const char *host, FileList *files,
            TlsProblem *problem, char **why, char **warning)
{
    const Report to = {problem, why};
    TlsCertificate *certificate = NULL, **grown;
    size_t i;
    int r;

    *warning = NULL;
    for (i = 0; host != NULL && i != tls->n_certificates; ++i) {
        if (strcmp(tls->certificates[i]->certificate_file, settings->certificate_file) != 0)
            continue;
        if (strcmp(tls->certificates[i]->key_file, settings->key_file) != 0)
            return report(&to, -EBADMSG, TLS_PROBLEM_KEY,
                          "another key than `%s`, which another host has with the same certificate",
                          tls->certificates[i]->key_file);
        return add_host(tls->certificates[i], host);
    }
    if ((r = certificate_new(&certificate, settings, files, &to, warning)) < 0)
        return r;
    grown = realloc(tls->certificates, (tls->n_certificates + 1) * sizeof(*grown));
    if (grown == NULL || (host != NULL && add_host(certificate, host) < 0)) {
        tls->certificates = grown != NULL ? grown : tls->certificates;
        certificate_free(certificate);
        return report(&to, -ENOMEM, TLS_PROBLEM_OTHER, "%s", strerror(ENOMEM));
    }
    tls->certificates = grown;
    tls->certificates[tls->n_certificates++] = certificate;
    return 0;
}

/* "*.example.com" stands for one or more labels in front, as in h2o's `hosts`. */
static bool host_matches(const char *pattern, const char *name)
{
    size_t pattern_length = strlen(pattern), name_length = strlen(name);

    if (strncmp(pattern, "*.", 2) != 0)
        return strcasecmp(pattern, name) == 0;
    return name_length >= pattern_length &&
           strcasecmp(name + name_length - (pattern_length - 1), pattern + 1) == 0;
}

static TlsCertificate *choose(const Tls *tls, const char *name)
{
    size_t i, j;

    for (i = 0; i != tls->n_certificates; ++i)
        for (j = 0; j != strv_length(tls->certificates[i]->hosts); ++j)
            if (host_matches(tls->certificates[i]->hosts[j], name))
                return tls->certificates[i];
    return tls->certificates[0];
}

static int on_server_name(SSL *ssl, int *alert, void *userdata)
{
    const Tls *tls = userdata;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const TlsCertificate *certificate;

    if (name == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    certificate = choose(tls, name);
    if (certificate->context != SSL_get_SSL_CTX(ssl))
        SSL_set_SSL_CTX(ssl, certificate->context);
    return SSL_TLSEXT_ERR_OK;
}

static void setup_resumption(SSL_CTX *context, const TlsResumption *resumption,
                             const char *session_context, TicketKeys *keys)
{
    size_t length = strlen(session_context);

    if (length > SSL_MAX_SID_CTX_LENGTH) {
        session_context += length - SSL_MAX_SID_CTX_LENGTH;
        length = SSL_MAX_SID_CTX_LENGTH;
    }
    SSL_CTX_set_session_id_context(context, (const unsigned char *)session_context,
                                   (unsigned)length);
    SSL_CTX_set_timeout(context, (long)resumption->lifetime);
    SSL_CTX_set_session_cache_mode(context,
                                   resumption->cache ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_OFF);
    if (resumption->tickets) {
        ticket_keys_attach(keys, context);
        return;
    }
    /* Of TLS 1.3 this leaves tickets that are no more than a key into the cache. */
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    if (!resumption->cache)
        SSL_CTX_set_num_tickets(context, 0);
}

void tls_finish(Tls *tls, const TlsResumption *resumption, const char *session_context,
                TicketKeys *keys)
{
    size_t i;

    for (i = 0; i != tls->n_certificates; ++i)
        setup_resumption(tls->certificates[i]->context, resumption, session_context, keys);
    SSL_CTX_set_tlsext_servername_callback(tls->certificates[0]->context, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(tls->certificates[0]->context, tls);
}

SSL_CTX *tls_get_context(const Tls *tls)
{
    return tls->certificates[0]->context;
}

Tls *tls_free(Tls *tls)
{
    size_t i;

    if (tls == NULL)
        return NULL;
    for (i = 0; i != tls->n_certificates; ++i)
        certificate_free(tls->certificates[i]);
    free(tls->certificates);
    free(tls);
    return NULL;
}
