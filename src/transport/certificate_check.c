/* SPDX-License-Identifier: Apache-2.0 */
/* Judgements of certificates. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "base/err.h"
#include "transport/certificate_priv.h"

enum { SECONDS_PER_DAY = 86400, ARENA_BLOCK = 4096 };

/* Messages of peers and files have no end of their own. */
enum { QUOTED_MAX = 200 };

static struct str shortened(struct str s)
{
    return str_sub(s, 0, QUOTED_MAX);
}

/* the key */

int certificate_check_key(const struct certificate *c, const struct certificate_key *key,
                          struct certificate_why *why)
{
    ERR_clear_error();
    bool fits = X509_check_private_key(sk_X509_value(c->chain, 0), key->pkey) == 1;
    ERR_clear_error();
    if (fits) return 0;
    return certificate__refuse(why, c->path, "the key in %s is not the key of this certificate",
                               key->path);
}

int certificate_check_strength(const struct certificate *c, struct certificate_why *why)
{
    enum { SECURITY_BITS_MIN = 112 }; /* RSA of 2048 bits */
    const EVP_PKEY *key = X509_get0_pubkey(sk_X509_value(c->chain, 0));
    ERR_clear_error();
    if (!key) return certificate__refuse(why, c->path, "has a key of an unknown kind");
    if (EVP_PKEY_get_security_bits(key) >= SECURITY_BITS_MIN) return 0;
    return certificate__refuse(why, c->path,
                               "its key of %d bits is too weak: TLS wants RSA with 2048 bits or "
                               "EC with 256",
                               EVP_PKEY_get_bits(key));
}

/* the time */

/* "certificate 2 ", or nothing for the first. */
static const char *which(int i, char room[32])
{
    room[0] = '\0';
    if (i > 0) snprintf(room, 32, "certificate %d ", i + 1);
    return room;
}

/* "2026-11-27" */
static const char *date(int64_t seconds, char room[32])
{
    time_t t = seconds;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || strftime(room, 32, "%Y-%m-%d", &tm) == 0) return "?";
    return room;
}

/* "3 days", "1 day", "5 hours", "40 seconds" */
static const char *span(int64_t seconds, char room[32])
{
    static const struct {
        int64_t length;
        const char *name;
    } units[] = {{SECONDS_PER_DAY, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(units) && seconds < units[i].length)
        i++;
    int64_t count = seconds / units[i].length;
    snprintf(room, 32, "%" PRId64 " %s%s", count, units[i].name, count == 1 ? "" : "s");
    return room;
}

static int check_times(const char *path, const X509 *x, int i, int64_t now_s, unsigned days,
                       struct certificate_why *why)
{
    int64_t from, to;
    char at[32], on[32], away[32];
    which(i, at);
    if (!certificate__seconds(X509_get0_notBefore(x), &from) ||
        !certificate__seconds(X509_get0_notAfter(x), &to))
        return certificate__refuse(why, path, "%shas times that cannot be read", at);
    if (now_s < from)
        return certificate__refuse(why, path, "%sis not valid before %s, in %s", at, date(from, on),
                                   span(from - now_s, away));
    if (now_s > to)
        return certificate__refuse(why, path, "%shas expired on %s, %s ago", at, date(to, on),
                                   span(now_s - to, away));
    if (now_s + (int64_t)days * SECONDS_PER_DAY > to)
        return certificate__refuse(why, path, "%sexpires on %s, in %s", at, date(to, on),
                                   span(to - now_s, away));
    return 0;
}

int certificate_check_time(const struct certificate *c, int64_t now_s, unsigned days,
                           struct certificate_why *why)
{
    int err = 0;
    for (int i = 0; i < sk_X509_num(c->chain) && !err; i++)
        err = check_times(c->path, sk_X509_value(c->chain, i), i, now_s, days, why);
    return err;
}

int certificate_check_any(const struct certificate *c, int64_t now_s, struct certificate_why *why)
{
    int err = ERR_INVALID;
    for (int i = sk_X509_num(c->chain) - 1; i >= 0 && err; i--)
        err = check_times(c->path, sk_X509_value(c->chain, i), i, now_s, 0, why);
    return err;
}

/* the name */

/* Whether a URI is one of the names. */
static bool has_uri(const struct certificate_facts *facts, struct str uri)
{
    for (size_t i = 0; i < facts->name_count; i++)
        if (facts->names[i].kind == CERTIFICATE_URI && str_eq(facts->names[i].text, uri))
            return true;
    return false;
}

static bool is_for(X509 *x, const struct certificate_facts *facts, struct str name)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char address[16];
    if (str_find(name, STR("://")) >= 0) return has_uri(facts, name);
    if (name.len == 0 || memchr(name.ptr, '\0', name.len)) return false;
    if (name.len < sizeof text) {
        memcpy(text, name.ptr, name.len);
        text[name.len] = '\0';
        if (inet_pton(AF_INET, text, address) == 1) return X509_check_ip(x, address, 4, 0) == 1;
        if (inet_pton(AF_INET6, text, address) == 1) return X509_check_ip(x, address, 16, 0) == 1;
    }
    return X509_check_host(x, name.ptr, name.len, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
}

/* "a, b, c" */
static struct str listed(struct arena *a, const struct certificate_facts *facts)
{
    enum { LISTED_MAX = 10 };
    struct str text = STR("no name");
    for (size_t i = 0; i < MIN(facts->name_count, LISTED_MAX); i++) {
        struct str name = shortened(facts->names[i].text);
        text = i ? arena_say(a, "%" STR_FMT ", %" STR_FMT, STR_ARG(text), STR_ARG(name)) : name;
    }
    return facts->name_count > LISTED_MAX ? arena_say(a, "%" STR_FMT " and %zu more", STR_ARG(text),
                                                      facts->name_count - LISTED_MAX)
                                          : text;
}

int certificate_check_name(const struct certificate *c, struct str name,
                           struct certificate_why *why)
{
    struct certificate_facts facts;
    struct arena arena;
    arena_init(&arena, SIZE_MAX, ARENA_BLOCK);
    int err = certificate_facts(c, 0, &arena, &facts);
    if (err)
        certificate__refuse(why, c->path, "its names cannot be read: %s", err_text(err));
    else if (!is_for(sk_X509_value(c->chain, 0), &facts, name))
        err = certificate__refuse(why, c->path, "is not for %" STR_FMT ", but for %" STR_FMT,
                                  STR_ARG(shortened(name)), STR_ARG(listed(&arena, &facts)));
    arena_fini(&arena);
    return err;
}

/* who signed it */

static X509_STORE *store_of(const struct certificate *ca)
{
    X509_STORE *store = X509_STORE_new();
    for (int i = 0; store && i < sk_X509_num(ca->chain); i++) {
        if (X509_STORE_add_cert(store, sk_X509_value(ca->chain, i)) == 1) continue;
        X509_STORE_free(store);
        return NULL;
    }
    return store;
}

static int refuse_signature(const struct certificate *c, const struct certificate *ca,
                            X509_STORE_CTX *ctx, struct certificate_why *why)
{
    char at[32];
    int code = X509_STORE_CTX_get_error(ctx);
    if (code == X509_V_ERR_OUT_OF_MEM) return -ENOMEM;
    which(X509_STORE_CTX_get_error_depth(ctx), at);
    return certificate__refuse(why, c->path, "%sis not verified by %s: %s", at, ca->path,
                               X509_verify_cert_error_string(code));
}

/* The times of what is in the file itself are told by certificate_check_time. */
static int verify(const struct certificate *c, const struct certificate *ca, X509_STORE *store,
                  int64_t now_s, struct certificate_why *why)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    int err = -ENOMEM;
    if (ctx && X509_STORE_CTX_init(ctx, store, sk_X509_value(c->chain, 0), c->chain) == 1) {
        X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_PARTIAL_CHAIN);
        if (X509_verify_cert(ctx) == 1) {
            const STACK_OF(X509) *whole = X509_STORE_CTX_get0_chain(ctx);
            const X509 *root = sk_X509_value(whole, sk_X509_num(whole) - 1);
            err = check_times(ca->path, root, 0, now_s, 0, why);
        } else {
            err = refuse_signature(c, ca, ctx, why);
        }
    }
    X509_STORE_CTX_free(ctx);
    return err;
}

int certificate_check_signed(const struct certificate *c, const struct certificate *ca,
                             int64_t now_s, struct certificate_why *why)
{
    ERR_clear_error();
    X509_STORE *store = store_of(ca);
    int err = store ? verify(c, ca, store, now_s, why) : -ENOMEM;
    X509_STORE_free(store);
    ERR_clear_error();
    if (err == -ENOMEM) certificate__refuse(why, c->path, "%s", err_text(err));
    return err;
}
