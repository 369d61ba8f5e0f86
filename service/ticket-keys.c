/* SPDX-License-Identifier: MIT */
/* See ticket-keys.h. */
#include "ticket-keys.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#define ROTATE_AFTER 3600 /* seconds */
#define NAME_LENGTH  16   /* fixed by OpenSSL */
#define KEY_LENGTH   32   /* AES-256-CBC and HMAC-SHA-256 */

typedef struct TicketKey {
    unsigned char name[NAME_LENGTH];
    unsigned char cipher[KEY_LENGTH];
    unsigned char mac[KEY_LENGTH];
    time_t made_at; /* seconds, CLOCK_BOOTTIME: a clock that is set does not matter */
    bool valid;
} TicketKey;

struct TicketKeys {
    unsigned n_refs;       /* atomic */
    pthread_rwlock_t lock; /* held during a handshake for some microseconds, never by a request */
    TicketKey current, previous;
};

static time_t now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_BOOTTIME, &ts);
    return ts.tv_sec;
}

/*
 * Returns false if there are no random bytes; then the old keys stay. The kernel's and not
 * OpenSSL's: the first of these makes it set itself up, which takes a daemon that speaks no TLS
 * milliseconds and megabytes.
 */
static bool make_key(TicketKey *ret)
{
    TicketKey key = {.made_at = now(), .valid = true};

    if (getentropy(key.name, sizeof(key.name)) < 0 ||
        getentropy(key.cipher, sizeof(key.cipher)) < 0 || getentropy(key.mac, sizeof(key.mac)) < 0)
        return false;
    *ret = key;
    explicit_bzero(&key, sizeof(key));
    return true;
}

/* Under the write lock. */
static void rotate(TicketKeys *keys)
{
    TicketKey fresh;

    if (!make_key(&fresh))
        return;
    keys->previous = keys->current;
    keys->current = fresh;
    explicit_bzero(&fresh, sizeof(fresh));
}

static bool is_older(const TicketKey *key, time_t seconds)
{
    return now() - key->made_at >= seconds;
}

static void rotate_if_due(TicketKeys *keys)
{
    bool due;

    pthread_rwlock_rdlock(&keys->lock);
    due = is_older(&keys->current, ROTATE_AFTER);
    pthread_rwlock_unlock(&keys->lock);
    if (!due)
        return;
    pthread_rwlock_wrlock(&keys->lock);
    if (is_older(&keys->current, ROTATE_AFTER))
        rotate(keys);
    pthread_rwlock_unlock(&keys->lock);
}

static bool use_key(const TicketKey *key, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                    EVP_MAC_CTX *mac, int seal)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac, KEY_LENGTH),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, seal) == 1 &&
           EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int seal(TicketKeys *keys, unsigned char name[NAME_LENGTH], unsigned char *iv,
                EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    bool ok;

    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
        return -1;
    pthread_rwlock_rdlock(&keys->lock);
    memcpy(name, keys->current.name, NAME_LENGTH);
    ok = use_key(&keys->current, iv, cipher, mac, 1);
    pthread_rwlock_unlock(&keys->lock);
    return ok ? 1 : -1;
}

/* Returns what OpenSSL wants: 0 unknown key, 1 opened, 2 opened and to be sealed anew. */
static int open_ticket(TicketKeys *keys, const unsigned char name[NAME_LENGTH], unsigned char *iv,
                       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    const TicketKey *key = NULL;
    int r = 0;

    pthread_rwlock_rdlock(&keys->lock);
    if (memcmp(name, keys->current.name, NAME_LENGTH) == 0)
        key = &keys->current;
    else if (keys->previous.valid && memcmp(name, keys->previous.name, NAME_LENGTH) == 0)
        key = &keys->previous;
    /* When nobody connected for long, rotation was late. */
    if (key != NULL && !is_older(key, 2 * ROTATE_AFTER))
        r = !use_key(key, iv, cipher, mac, 0) ? -1 : key == &keys->current ? 1 : 2;
    pthread_rwlock_unlock(&keys->lock);
    return r;
}

static int on_ticket(SSL *ssl, unsigned char name[NAME_LENGTH], unsigned char *iv,
                     EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int sealing)
{
    TicketKeys *keys = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    int r;

    rotate_if_due(keys);
    if (sealing)
        return seal(keys, name, iv, cipher, mac);
    r = open_ticket(keys, name, iv, cipher, mac);
    /* Of TLS 1.3 a client uses a ticket once (RFC 8446 appendix C.4), so it needs another. */
    return r == 1 && SSL_version(ssl) == TLS1_3_VERSION ? 2 : r;
}

TicketKeys *ticket_keys_new(void)
{
    TicketKeys *keys = calloc(1, sizeof(*keys));

    if (keys == NULL || !make_key(&keys->current)) {
        free(keys);
        return NULL;
    }
    keys->n_refs = 1;
    pthread_rwlock_init(&keys->lock, NULL);
    return keys;
}

TicketKeys *ticket_keys_ref(TicketKeys *keys)
{
    __atomic_add_fetch(&keys->n_refs, 1, __ATOMIC_RELAXED);
    return keys;
}

TicketKeys *ticket_keys_unref(TicketKeys *keys)
{
    if (keys == NULL || __atomic_sub_fetch(&keys->n_refs, 1, __ATOMIC_ACQ_REL) != 0)
        return NULL;
    pthread_rwlock_destroy(&keys->lock);
    explicit_bzero(keys, sizeof(*keys));
    free(keys);
    return NULL;
}

void ticket_keys_attach(TicketKeys *keys, SSL_CTX *context)
{
    SSL_CTX_set_app_data(context, keys);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
}

void ticket_keys_rotate(TicketKeys *keys)
{
    pthread_rwlock_wrlock(&keys->lock);
    rotate(keys);
    pthread_rwlock_unlock(&keys->lock);
}
