/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

struct digester {
    EVP_MD *md;
    EVP_MD_CTX *ctx;
};

struct digester *digester_new(void)
{
    struct digester *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    d->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    d->ctx = EVP_MD_CTX_new();
    if (d->md && d->ctx && EVP_DigestInit_ex2(d->ctx, d->md, NULL) == 1) return d;
    digester_free(d);
    return NULL;
}

void digester_free(struct digester *d)
{
    if (!d) return;
    EVP_MD_CTX_free(d->ctx);
    EVP_MD_free(d->md);
    free(d);
}

bool digest_pair(struct digester *d, struct str first, struct str second,
                 unsigned char out[DIGEST_SIZE])
{
    /* A NULL type restarts with the digest that the context has, without another look-up. */
    return EVP_DigestInit_ex2(d->ctx, NULL, NULL) == 1 &&
           EVP_DigestUpdate(d->ctx, first.ptr, first.len) == 1 &&
           EVP_DigestUpdate(d->ctx, second.ptr, second.len) == 1 &&
           EVP_DigestFinal_ex(d->ctx, out, NULL) == 1;
}

bool digest_eq(const unsigned char a[DIGEST_SIZE], const unsigned char b[DIGEST_SIZE])
{
    return CRYPTO_memcmp(a, b, DIGEST_SIZE) == 0;
}
