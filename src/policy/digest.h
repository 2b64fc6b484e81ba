/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 by libcrypto. The only file that sees its headers is digest.c: one of their names is
 * also one of our errors. */
#ifndef HOSTLER_POLICY_DIGEST_H
#define HOSTLER_POLICY_DIGEST_H

#include "base/base.h"
#include "base/str.h"

enum { DIGEST_SIZE = 32 };

/* The algorithm, looked up once, and a context that is used again. One thread's. */
struct digester;

struct digester *digester_new(void); /* NULL: out of memory, or libcrypto has no SHA-256 */
void digester_free(struct digester *d);

/* The digest of `first` and `second` in a row. False only when libcrypto fails. */
MUST_CHECK bool digest_pair(struct digester *d, struct str first, struct str second,
                            unsigned char out[DIGEST_SIZE]);

/* True when they are equal; takes a time that does not depend on the contents. */
bool digest_eq(const unsigned char a[DIGEST_SIZE], const unsigned char b[DIGEST_SIZE]);

#endif
