/* SPDX-License-Identifier: Apache-2.0 */
/* TLS as the files of this folder share it. */
#ifndef HOSTLER_TRANSPORT_TLS_PRIV_H
#define HOSTLER_TRANSPORT_TLS_PRIV_H

#include <openssl/ssl.h>

#include "base/pin.h"
#include "transport/tls_context.h"

/* A session by what the context has now; NULL: no memory. */
SSL *tls__session(struct tls_context *c);

const struct tls_settings *tls__settings(const struct tls_context *c);

/* True if there are no pins, or one is of the peer's key. */
bool tls__pin_fits(const struct tls_context *c, SSL *ssl);

/* --- tls_identity.c --- */

/* Writes "FILE: WHAT: the library's reason" and returns ERR_INVALID. */
int tls__fault(char why[TLS_WHY_ROOM], struct str file, const char *what);

/* Certificate and key of an identity into `ctx`; *expires gets the earlier of its own and what it
 * was. */
MUST_CHECK int tls__use_identity(SSL_CTX *ctx, const struct tls_identity *identity,
                                 int64_t *expires, char why[TLS_WHY_ROOM]);

/* Trusts the authorities in `file`; of a server, also tells its clients of them. */
MUST_CHECK int tls__trust(SSL_CTX *ctx, struct str file, bool server, char why[TLS_WHY_ROOM]);

/* The name that a certificate proves: a SPIFFE ID (the URI of its subject's alternative names that
 * begins with "spiffe://"), or its subject as RFC 2253 writes it. Cut to what has room. */
void tls__peer_name(const X509 *certificate, char *out, size_t room);

#endif
