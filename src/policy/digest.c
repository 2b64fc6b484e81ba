/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/mem.h"

#ifdef HOSTLER_FAULTS

static void *alloc(size_t size, const char *file UNUSED, int line UNUSED)
{
    return fault_point(FAULT_LIBRARY) ? NULL : malloc(size);
}

static void *resize(void *old, size_t size, const char *file UNUSED, int line UNUSED)
{
    return fault_point(FAULT_LIBRARY) ? NULL : realloc(old, size);
}

static void release(void *ptr, const char *file UNUSED, int line UNUSED)
{
    free(ptr);
}

/* What libcrypto sets up once, in some thousand allocations, it does not get over without
 * memory: it crashes, or loses some. So that is done here. */
__attribute__((constructor)) static void hook_openssl(void)
{
    CRYPTO_set_mem_functions(alloc, resize, release);
    fault_hold();
    EVP_MD_free(EVP_MD_fetch(NULL, "SHA256", NULL));
    fault_release();
}

#endif

struct digester {
    EVP_MD *md;
    EVP_MD_CTX *ctx;
};

struct digester *digester_new(void)
{
    struct digester *d = mem_try_zero(1, sizeof *d);
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
