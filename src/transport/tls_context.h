/* SPDX-License-Identifier: Apache-2.0 */
/* What one side of TLS has and believes: certificates, keys, whom it trusts.
 *
 * A context is made of files and can be refreshed when they change: connections that are open go
 * on with what they began with, new ones get the new. It is reference-counted; any thread may use
 * it. TLS 1.2 and 1.3 (RFC 5246, RFC 8446), by OpenSSL. */
#ifndef HOSTLER_TRANSPORT_TLS_CONTEXT_H
#define HOSTLER_TRANSPORT_TLS_CONTEXT_H

#include "base/base.h"
#include "base/str.h"

struct tls_context;

/* Whether a server asks its clients for certificates. */
enum tls_clients { TLS_CLIENTS_OFF, TLS_CLIENTS_OPTIONAL, TLS_CLIENTS_REQUIRED };

/* Paths of PEM files: the certificate with those that lead from it to its authority, and its key,
 * which may stand in the same file. */
struct tls_identity {
    struct str certificate;
    struct str key;
};

/* Copied by tls_context_new. */
struct tls_settings {
    bool server;
    const struct tls_identity *identities; /* a server's: at least one; the first is the standard */
    size_t identity_count;
    struct str ca; /* PEM file; empty: the system's authorities, and for a server nobody */
    enum tls_clients clients; /* servers only */
    bool no_verify;           /* clients only: any certificate will do */
    const struct str *pins;   /* clients only: "sha256:" and base64 or hex of a public key's digest
                                 (RFC 7469 section 2.4); one of them must fit; none: any key */
    size_t pin_count;
    bool no_h2; /* servers only: HTTP/2 is not offered */
};

enum { TLS_WHY_ROOM = 512 };

/* Reads the files. ERR_INVALID: `why`, of TLS_WHY_ROOM bytes, names file and reason; -ENOMEM. */
MUST_CHECK int tls_context_new(const struct tls_settings *settings, struct tls_context **out,
                               char why[TLS_WHY_ROOM]);
struct tls_context *tls_context_ref(struct tls_context *c);
void tls_context_unref(struct tls_context *c); /* fine with NULL */

enum { TLS_UNCHANGED = 1 };

/* Reads the files again if one of them has changed since it was looked at last, or the last refresh
 * failed: 0, or TLS_UNCHANGED. In case of an error, as tls_context_new has them, what was read before
 * stays; the same error again is TLS_UNCHANGED. */
MUST_CHECK int tls_context_refresh(struct tls_context *c, char why[TLS_WHY_ROOM]);

/* When the first of its own certificates expires, in seconds since 1970; 0: it has none. */
int64_t tls_context_expires(struct tls_context *c);

/* A number that no other context of the process has. */
uint64_t tls_context_number(const struct tls_context *c);

#endif
