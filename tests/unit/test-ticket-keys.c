/* SPDX-License-Identifier: MIT */
/*
 * Session tickets, between a client and two servers in memory: a session of one is resumed by the
 * other as long as both know the key, see ticket-keys.h.
 */
#include "ticket-keys.h"

#include <glib.h>
#include <stdbool.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

typedef struct Fixture {
    TicketKeys *keys;
    SSL_CTX *servers[2]; /* two workers' or two generations' */
    SSL_CTX *client;
    SSL_SESSION *session; /* the client's newest */
} Fixture;

static SSL_CTX *server_new(EVP_PKEY *key, X509 *certificate)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    g_assert_nonnull(context);
    g_assert_cmpint(SSL_CTX_use_certificate(context, certificate), ==, 1);
    g_assert_cmpint(SSL_CTX_use_PrivateKey(context, key), ==, 1);
    g_assert_cmpint(SSL_CTX_set_session_id_context(context, (const unsigned char *)"x", 1), ==, 1);
    /* Nothing but tickets. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return context;
}

static X509 *certificate_new(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);

    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    g_assert_cmpint(
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"x", -1, -1, 0),
        ==, 1);
    g_assert_cmpint(X509_set_issuer_name(certificate, name), ==, 1);
    g_assert_cmpint(X509_set_pubkey(certificate, key), ==, 1);
    g_assert_cmpint(X509_sign(certificate, key, EVP_sha256()), !=, 0);
    return certificate;
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    Fixture *f = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    SSL_SESSION_free(f->session);
    f->session = session;
    return 1; /* it is ours */
}

/* `data` is the version of TLS. */
static void setup(Fixture *f, gconstpointer data)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = certificate_new(key);
    size_t i;

    f->keys = ticket_keys_new();
    g_assert_nonnull(f->keys);
    for (i = 0; i != G_N_ELEMENTS(f->servers); ++i) {
        f->servers[i] = server_new(key, certificate);
        ticket_keys_attach(f->keys, f->servers[i]);
    }
    f->client = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_app_data(f->client, f);
    SSL_CTX_set_session_cache_mode(f->client,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(f->client, on_session);
    SSL_CTX_set_max_proto_version(f->client, GPOINTER_TO_INT(data));
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void teardown(Fixture *f, gconstpointer data)
{
    size_t i;

    SSL_SESSION_free(f->session);
    SSL_CTX_free(f->client);
    for (i = 0; i != G_N_ELEMENTS(f->servers); ++i)
        SSL_CTX_free(f->servers[i]);
    g_assert_null(ticket_keys_unref(f->keys));
}

/* One step of a handshake, or a read, which takes in tickets; true while there is more to do. */
static bool step(SSL *ssl)
{
    char byte;
    int r = SSL_is_init_finished(ssl) ? SSL_read(ssl, &byte, 1) : SSL_do_handshake(ssl);

    if (r <= 0)
        g_assert_cmpint(SSL_get_error(ssl, r), ==, SSL_ERROR_WANT_READ);
    return !SSL_is_init_finished(ssl);
}

/* Connects with the newest session, if there is one. True if it was resumed. */
static bool connect_to(Fixture *f, SSL_CTX *context)
{
    SSL *server = SSL_new(context), *client = SSL_new(f->client);
    BIO *left, *right;
    bool resumed, more = true;

    g_assert_cmpint(BIO_new_bio_pair(&left, 0, &right, 0), ==, 1);
    SSL_set_bio(server, left, left);
    SSL_set_bio(client, right, right);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    if (f->session != NULL)
        g_assert_cmpint(SSL_set_session(client, f->session), ==, 1);
    while (more) {
        more = step(client);
        more |= step(server);
    }
    /* What the server has sent last. */
    step(client);
    resumed = SSL_session_reused(server) == 1;
    g_assert_cmpint(SSL_session_reused(client), ==, resumed);
    /* Of a new ticket for a resumed session OpenSSL tells nobody before TLS 1.3. */
    if (SSL_version(client) < TLS1_3_VERSION) {
        SSL_SESSION_free(f->session);
        f->session = SSL_get1_session(client);
    }
    SSL_shutdown(client);
    SSL_shutdown(server);
    SSL_free(client);
    SSL_free(server);
    return resumed;
}

/* A ticket begins with the name of the key that has sealed it. */
static char *name_of_key(Fixture *f)
{
    const unsigned char *ticket;
    size_t length;

    g_assert_nonnull(f->session);
    SSL_SESSION_get0_ticket(f->session, &ticket, &length);
    g_assert_cmpuint(length, >, 16);
    return g_base64_encode(ticket, 16);
}

static void test_shared(Fixture *f, gconstpointer data)
{
    g_assert_false(connect_to(f, f->servers[0]));
    g_assert_true(connect_to(f, f->servers[1]));
}

/* A client of TLS 1.3 uses a ticket once (RFC 8446 §C.4), so each connection must give a new one.
 */
static void test_again(Fixture *f, gconstpointer data)
{
    unsigned i;

    g_assert_false(connect_to(f, f->servers[0]));
    for (i = 0; i != 3; ++i)
        g_assert_true(connect_to(f, f->servers[1 - i % 2]));
}

static void test_rotated_once(Fixture *f, gconstpointer data)
{
    g_autofree char *first = NULL, *last = NULL;

    g_assert_false(connect_to(f, f->servers[0]));
    first = name_of_key(f);
    ticket_keys_rotate(f->keys);
    g_assert_true(connect_to(f, f->servers[1]));
    /* The old key opens, and a new one seals: with the new ticket it goes on for another hour. */
    last = name_of_key(f);
    g_assert_cmpstr(first, !=, last);
    ticket_keys_rotate(f->keys);
    g_assert_true(connect_to(f, f->servers[0]));
}

static void test_rotated_twice(Fixture *f, gconstpointer data)
{
    g_assert_false(connect_to(f, f->servers[0]));
    ticket_keys_rotate(f->keys);
    ticket_keys_rotate(f->keys);
    g_assert_false(connect_to(f, f->servers[0]));
    /* The handshake was a full one, and the session is good again. */
    g_assert_true(connect_to(f, f->servers[1]));
}

/* Another server's keys are of no use. */
static void test_foreign(Fixture *f, gconstpointer data)
{
    TicketKeys *other = ticket_keys_new();

    g_assert_nonnull(other);
    ticket_keys_attach(other, f->servers[1]);
    g_assert_false(connect_to(f, f->servers[0]));
    g_assert_false(connect_to(f, f->servers[1]));
    g_assert_true(connect_to(f, f->servers[1]));
    ticket_keys_attach(f->keys, f->servers[1]);
    ticket_keys_unref(other);
}

static void test_references(void)
{
    TicketKeys *keys = ticket_keys_new();

    g_assert_true(ticket_keys_ref(keys) == keys);
    g_assert_null(ticket_keys_unref(keys));
    ticket_keys_rotate(keys);
    g_assert_null(ticket_keys_unref(keys));
    g_assert_null(ticket_keys_unref(NULL));
}

static void add(const char *name, void (*test)(Fixture *, gconstpointer))
{
    g_autofree char *older = g_strdup_printf("/ticket-keys/tls1.2/%s", name),
                    *newer = g_strdup_printf("/ticket-keys/tls1.3/%s", name);

    g_test_add(older, Fixture, GINT_TO_POINTER(TLS1_2_VERSION), setup, test, teardown);
    g_test_add(newer, Fixture, GINT_TO_POINTER(TLS1_3_VERSION), setup, test, teardown);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("shared", test_shared);
    add("again", test_again);
    add("rotated-once", test_rotated_once);
    add("rotated-twice", test_rotated_twice);
    add("foreign", test_foreign);
    g_test_add_func("/ticket-keys/references", test_references);
    return g_test_run();
}
