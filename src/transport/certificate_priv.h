/* SPDX-License-Identifier: Apache-2.0 */
/* What is behind certificates, for the files of this folder that hand them to OpenSSL. */
#ifndef HOSTLER_TRANSPORT_CERTIFICATE_PRIV_H
#define HOSTLER_TRANSPORT_CERTIFICATE_PRIV_H

#include <openssl/x509.h>

#include "transport/certificate.h"

struct certificate {
    STACK_OF(X509) * chain; /* in the file's order, one at least */
    char *path;             /* for messages */
};

struct certificate_key {
    EVP_PKEY *pkey;
    char *path;
};

/* Sets *why to "PATH: ..." and returns ERR_INVALID. */
int certificate__refuse(struct certificate_why *why, const char *path, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* What OpenSSL says of the failure that came last, and forgets it. */
const char *certificate__openssl_reason(void);

/* False: it is no possible time. */
bool certificate__seconds(const ASN1_TIME *time, int64_t *seconds);

/* The SHA-256 of the public key. ERR_INVALID, -ENOMEM. */
MUST_CHECK int certificate__key_digest(const X509 *x, unsigned char digest[PIN_SIZE]);

#endif
