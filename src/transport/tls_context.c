/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/tls_context.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "transport/certificate_priv.h"
#include "transport/tls_priv.h"

enum { ARENA_BLOCK = 1024 };

/* By what a file is known to be the one that was read. */
struct stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct tls_context {
    _Atomic unsigned refs;
    uint64_t number;
    struct arena arena;
    struct tls_settings settings;
    unsigned char (*pins)[PIN_SIZE];

    pthread_mutex_t mutex; /* for what follows */
    SSL_CTX *current;
    int64_t expires;
    struct stamp *stamps;
    size_t stamp_count;
    char failure[TLS_WHY_ROOM]; /* why the last refresh failed; empty: it did not */
};

/* What a server has besides its standard certificate; hangs on the SSL_CTX of that one. */
struct others {
    size_t count;
    SSL_CTX *items[];
};

static void free_others(void *parent UNUSED, void *ptr, CRYPTO_EX_DATA *data UNUSED,
                        int index UNUSED, long number UNUSED, void *arg UNUSED)
{
    struct others *others = ptr;
    for (size_t i = 0; others && i < others->count; i++)
        SSL_CTX_free(others->items[i]);
    free(others);
}

static int others_index(void)
{
    static _Atomic int index = -1;
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    if (atomic_load(&index) < 0) {
        pthread_mutex_lock(&mutex);
        if (atomic_load(&index) < 0)
            atomic_store(&index, SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_others));
        pthread_mutex_unlock(&mutex);
    }
    return atomic_load(&index);
}

/* --- what both sides agree on --- */

/* Chooses HTTP/2 where the client can, else HTTP/1.1; who offers neither is refused (RFC 7301
 * section 3.2). */
static int choose_alpn(SSL *ssl UNUSED, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *offered, unsigned len, void *arg)
{
    static const unsigned char all[] = "\x02h2\x08http/1.1";
    const struct tls_context *c = arg;
    unsigned skip = c->settings.no_h2 ? 3 : 0;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, all + skip, sizeof all - 1 - skip, offered, len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool is_for(SSL_CTX *ctx, const char *name)
{
    X509 *certificate = SSL_CTX_get0_certificate(ctx);
    return X509_check_host(certificate, name, strlen(name), 0, NULL) == 1;
}

/* The certificate that bears the name which the client asks for (RFC 6066 section 3), or else the
 * standard one. */
static int choose_certificate(SSL *ssl, int *alert UNUSED, void *arg UNUSED)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    SSL_CTX *standard = SSL_get_SSL_CTX(ssl);
    const struct others *others = SSL_CTX_get_ex_data(standard, others_index());
    if (!name) return SSL_TLSEXT_ERR_NOACK;
    if (!others || is_for(standard, name)) return SSL_TLSEXT_ERR_OK;
    for (size_t i = 0; i < others->count; i++) {
        if (!is_for(others->items[i], name)) continue;
        SSL_set_SSL_CTX(ssl, others->items[i]);
        break;
    }
    return SSL_TLSEXT_ERR_OK;
}

static void set_up_common(SSL_CTX *ctx)
{
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    /* Buffers go while a connection idles: most of its memory. */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
}

static void set_up_server(struct tls_context *c, SSL_CTX *ctx)
{
    static const unsigned char session_context[] = "hostler";
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    /* Forward secrecy and authenticated encryption alone; TLS 1.3 has nothing else. */
    SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
    /* Tickets resume sessions (RFC 8446 section 4.6.1); nothing is kept here. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(ctx, session_context, sizeof session_context - 1);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, c);
}

static int set_up_trust(struct tls_context *c, SSL_CTX *ctx, char why[TLS_WHY_ROOM])
{
    const struct tls_settings *s = &c->settings;
    bool asks = s->server ? s->clients != TLS_CLIENTS_OFF : !s->no_verify;
    int mode = asks ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
    if (s->server && s->clients == TLS_CLIENTS_REQUIRED) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(ctx, mode, NULL);
    if (!asks) return 0;
    if (s->ca.len) return tls__trust(ctx, s->ca, s->server, why);
    if (!s->server && SSL_CTX_set_default_verify_paths(ctx) != 1) return -ENOMEM;
    return 0;
}

/* OpenSSL works out a certificate's extensions when they are first needed. Here that is before any
 * handshake, so that no thread writes to what another one reads. */
static void work_out_extensions(SSL_CTX *ctx)
{
    STACK_OF(X509_OBJECT) *trusted = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));
    for (int i = 0; i < sk_X509_OBJECT_num(trusted); i++) {
        X509 *authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(trusted, i));
        if (authority) (void)X509_check_purpose(authority, -1, 0);
    }
    X509 *own = SSL_CTX_get0_certificate(ctx);
    if (own) (void)X509_check_purpose(own, -1, 0);
}

/* A whole SSL_CTX with one identity, or none. */
static int build(struct tls_context *c, const struct tls_identity *identity, int64_t *expires,
                 SSL_CTX **out, char why[TLS_WHY_ROOM])
{
    SSL_CTX *ctx = SSL_CTX_new(c->settings.server ? TLS_server_method() : TLS_client_method());
    if (!ctx) return -ENOMEM;
    set_up_common(ctx);
    if (c->settings.server) set_up_server(c, ctx);
    int err = set_up_trust(c, ctx, why);
    if (!err && identity) err = tls__use_identity(ctx, identity, expires, why);
    work_out_extensions(ctx);
    if (err)
        SSL_CTX_free(ctx);
    else
        *out = ctx;
    return err;
}

static int build_others(struct tls_context *c, SSL_CTX *standard, int64_t *expires,
                        char why[TLS_WHY_ROOM])
{
    size_t count = c->settings.identity_count - 1;
    struct others *others = mem_try_zero(1, sizeof *others + count * sizeof(SSL_CTX *));
    if (!others) return -ENOMEM;
    if (SSL_CTX_set_ex_data(standard, others_index(), others) != 1) {
        free(others);
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        const struct tls_identity *identity = &c->settings.identities[i + 1];
        int err = build(c, identity, expires, &others->items[i], why);
        if (err) return err;
        others->count++;
    }
    return 0;
}

static int build_all(struct tls_context *c, int64_t *expires, SSL_CTX **out, char why[TLS_WHY_ROOM])
{
    const struct tls_settings *s = &c->settings;
    SSL_CTX *ctx;
    int err = build(c, s->identity_count ? &s->identities[0] : NULL, expires, &ctx, why);
    if (err) return err;
    SSL_CTX_set_tlsext_servername_callback(ctx, choose_certificate);
    if (s->identity_count > 1) err = build_others(c, ctx, expires, why);
    if (err)
        SSL_CTX_free(ctx);
    else
        *out = ctx;
    return err;
}

/* --- files that change --- */

static void take_stamp(struct str file, struct stamp *out)
{
    char path[4096];
    struct stat st;
    *out = (struct stamp){0};
    (void)snprintf(path, sizeof path, "%" STR_FMT, STR_ARG(file));
    if (file.len == 0 || stat(path, &st)) return;
    *out = (struct stamp){
        .device = st.st_dev, .inode = st.st_ino, .size = st.st_size, .changed = st.st_mtim};
}

static struct str file_at(const struct tls_settings *s, size_t i)
{
    if (i == 2 * s->identity_count) return s->ca;
    const struct tls_identity *identity = &s->identities[i / 2];
    return i % 2 ? identity->key : identity->certificate;
}

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* True when a file is another one than last time. */
static bool take_stamps(struct tls_context *c)
{
    bool changed = false;
    for (size_t i = 0; i < c->stamp_count; i++) {
        struct stamp now;
        take_stamp(file_at(&c->settings, i), &now);
        changed = changed || !same_stamp(&now, &c->stamps[i]);
        c->stamps[i] = now;
    }
    return changed;
}

/* Clients resume with the tickets that they have; but not those who proved by a certificate who they
 * are, which is not looked at again then, since nobody may trust it any more. */
static void keep_ticket_keys(const struct tls_context *c, SSL_CTX *from, SSL_CTX *to)
{
    unsigned char keys[80];
    if (!c->settings.server || c->settings.clients != TLS_CLIENTS_OFF) return;
    if (SSL_CTX_get_tlsext_ticket_keys(from, keys, sizeof keys) == 1)
        (void)SSL_CTX_set_tlsext_ticket_keys(to, keys, sizeof keys);
    OPENSSL_cleanse(keys, sizeof keys);
}

/* A failure may be a passing one, so that the next refresh tries again, but it is told once. */
static int keep_failure(struct tls_context *c, int err, const char *why)
{
    pthread_mutex_lock(&c->mutex);
    bool told = strcmp(c->failure, why) == 0;
    (void)snprintf(c->failure, sizeof c->failure, "%s", why);
    pthread_mutex_unlock(&c->mutex);
    return told ? TLS_UNCHANGED : err;
}

int tls_context_refresh(struct tls_context *c, char why[TLS_WHY_ROOM])
{
    SSL_CTX *fresh = NULL, *old;
    int64_t expires = 0;
    pthread_mutex_lock(&c->mutex);
    bool changed = take_stamps(c) || c->failure[0];
    pthread_mutex_unlock(&c->mutex);
    if (!changed) return TLS_UNCHANGED;
    why[0] = '\0';
    int err = build_all(c, &expires, &fresh, why);
    if (err) return keep_failure(c, err, why[0] ? why : err_text(err));
    pthread_mutex_lock(&c->mutex);
    old = c->current;
    keep_ticket_keys(c, old, fresh);
    c->current = fresh;
    c->expires = expires;
    c->failure[0] = '\0';
    pthread_mutex_unlock(&c->mutex);
    SSL_CTX_free(old);
    return 0;
}

/* --- its life --- */

static void copy_settings(struct tls_context *c, const struct tls_settings *from)
{
    struct tls_identity *identities =
        arena_zalloc(&c->arena, (from->identity_count + 1) * sizeof *identities);
    for (size_t i = 0; i < from->identity_count; i++)
        identities[i] = (struct tls_identity){
            arena_dup(&c->arena, from->identities[i].certificate),
            arena_dup(&c->arena, from->identities[i].key),
        };
    c->settings = *from;
    c->settings.identities = identities;
    c->settings.ca = arena_dup(&c->arena, from->ca);
    c->settings.pins = NULL;
    c->stamp_count = 2 * from->identity_count + 1;
    c->stamps = arena_zalloc(&c->arena, c->stamp_count * sizeof *c->stamps);
}

static int read_pins(struct tls_context *c, const struct tls_settings *from, char why[TLS_WHY_ROOM])
{
    c->pins = arena_zalloc(&c->arena, (from->pin_count + 1) * sizeof *c->pins);
    for (size_t i = 0; i < from->pin_count; i++)
        if (pin_read(from->pins[i], c->pins[i])) {
            (void)snprintf(why, TLS_WHY_ROOM,
                           "%" STR_FMT ": not \"sha256:\" and base64 or hex of 32 bytes",
                           STR_ARG(from->pins[i]));
            return ERR_INVALID;
        }
    return 0;
}

static void destroy(struct tls_context *c)
{
    SSL_CTX_free(c->current);
    pthread_mutex_destroy(&c->mutex);
    arena_fini(&c->arena);
    free(c);
}

int tls_context_new(const struct tls_settings *settings, struct tls_context **out,
                    char why[TLS_WHY_ROOM])
{
    static _Atomic uint64_t numbers;
    assert(!settings->server || settings->identity_count > 0);
    struct tls_context *c = mem_try_zero(1, sizeof *c);
    if (!c) return -ENOMEM;
    atomic_init(&c->refs, 1);
    c->number = atomic_fetch_add(&numbers, 1) + 1;
    pthread_mutex_init(&c->mutex, NULL);
    arena_init(&c->arena, SIZE_MAX, ARENA_BLOCK);
    copy_settings(c, settings);
    take_stamps(c);
    int err = read_pins(c, settings, why);
    if (!err) err = build_all(c, &c->expires, &c->current, why);
    if (err)
        destroy(c);
    else
        *out = c;
    return err;
}

struct tls_context *tls_context_ref(struct tls_context *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void tls_context_unref(struct tls_context *c)
{
    if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1) destroy(c);
}

int64_t tls_context_expires(struct tls_context *c)
{
    pthread_mutex_lock(&c->mutex);
    int64_t expires = c->expires;
    pthread_mutex_unlock(&c->mutex);
    return expires;
}

uint64_t tls_context_number(const struct tls_context *c)
{
    return c->number;
}

/* --- for streams --- */

SSL *tls__session(struct tls_context *c)
{
    pthread_mutex_lock(&c->mutex);
    SSL *ssl = SSL_new(c->current); /* with a reference of its own */
    pthread_mutex_unlock(&c->mutex);
    return ssl;
}

const struct tls_settings *tls__settings(const struct tls_context *c)
{
    return &c->settings;
}

bool tls__pin_fits(const struct tls_context *c, SSL *ssl)
{
    unsigned char digest[PIN_SIZE];
    if (c->settings.pin_count == 0) return true;
    const X509 *certificate = SSL_get0_peer_certificate(ssl);
    if (!certificate || certificate__key_digest(certificate, digest)) return false;
    for (size_t i = 0; i < c->settings.pin_count; i++)
        if (memcmp(digest, c->pins[i], PIN_SIZE) == 0) return true;
    return false;
}
