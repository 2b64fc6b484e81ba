/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and their keys in PEM files: read, described, judged. transport/issue.h makes them.
 *
 * Who reads an object owns it; any thread, one at a time for each. Whatever fails says why, in words
 * for people that begin with the file. */
#ifndef HOSTLER_TRANSPORT_CERTIFICATE_H
#define HOSTLER_TRANSPORT_CERTIFICATE_H

#include "base/arena.h"
#include "base/base.h"
#include "base/pin.h"
#include "base/str.h"

enum { CERTIFICATE_WHY_SIZE = 1024 };

/* "FILE: reason", terminated; shortened where it is longer, without control characters. */
struct certificate_why {
    char text[CERTIFICATE_WHY_SIZE];
};

/* What a file holds: a certificate, and mostly those of the CAs above it; or any number of CAs. */
struct certificate;

/* A private key. */
struct certificate_key;

/* The certificates of a file, one at least; keys in it are passed over. Negative: *why says what
 * is wrong. */
MUST_CHECK int certificate_read(const char *path, struct certificate **out,
                                struct certificate_why *why);

/* The same from text; `path` names it in messages. */
MUST_CHECK int certificate_parse(struct str pem, const char *path, struct certificate **out,
                                 struct certificate_why *why);

void certificate_free(struct certificate *c); /* NULL is fine */

size_t certificate_count(const struct certificate *c);

enum certificate_name_kind { CERTIFICATE_DNS, CERTIFICATE_IP, CERTIFICATE_URI };

struct certificate_name {
    enum certificate_name_kind kind;
    struct str text;
};

/* What a certificate says. Strings have no control characters. */
struct certificate_facts {
    struct str subject; /* "CN=a,O=b" (RFC 4514) */
    struct str issuer;
    const struct certificate_name *names; /* subjectAltName, in its order */
    size_t name_count;
    int64_t not_before_s; /* since 1970 UTC */
    int64_t not_after_s;
    char pin[PIN_TEXT_SIZE]; /* of its public key */
    struct str key_type;     /* "EC P-256", "RSA", "ED25519"; "unknown" */
    unsigned key_bits;       /* 0: unknown */
    bool is_ca;
};

/* Those of certificate `i`, strings on the arena. -ENOMEM, ERR_INVALID: it is malformed inside. */
MUST_CHECK int certificate_facts(const struct certificate *c, size_t i, struct arena *arena,
                                 struct certificate_facts *out);

/* The first private key of a file. One with a passphrase is refused. */
MUST_CHECK int certificate_key_read(const char *path, struct certificate_key **out,
                                    struct certificate_why *why);
void certificate_key_free(struct certificate_key *key); /* NULL is fine */

/* Judgements of the first certificate. 0: it is so; ERR_INVALID: it is not; or -ENOMEM. */

/* `key` is its private key. */
MUST_CHECK int certificate_check_key(const struct certificate *c, const struct certificate_key *key,
                                     struct certificate_why *why);

/* Its key is one that TLS takes. */
MUST_CHECK int certificate_check_strength(const struct certificate *c, struct certificate_why *why);

/* All of the file are valid at `now_s` (since 1970 UTC), and so they are `days` later. */
MUST_CHECK int certificate_check_time(const struct certificate *c, int64_t now_s, unsigned days,
                                      struct certificate_why *why);

/* It is for this DNS name, IP address or URI, by its subjectAltName (RFC 6125, RFC 9525). */
MUST_CHECK int certificate_check_name(const struct certificate *c, struct str name,
                                      struct certificate_why *why);

/* One of `ca` has signed it, or another of its file that one of `ca` has; and that one is valid at
 * `now_s`. */
MUST_CHECK int certificate_check_signed(const struct certificate *c, const struct certificate *ca,
                                        int64_t now_s, struct certificate_why *why);

/* One of `c`, a file of CAs, is valid at `now_s`. */
MUST_CHECK int certificate_check_any(const struct certificate *c, int64_t now_s,
                                     struct certificate_why *why);

#endif
