/* SPDX-License-Identifier: Apache-2.0 */
/* Error codes: 0 is success, negative a failure. errno values appear
 * negated, ours lie below -1000. */
#ifndef HOSTLER_BASE_ERR_H
#define HOSTLER_BASE_ERR_H

enum err {
#define ERR(name, number, text) ERR_##name = (number),
#include "base/err.def"
#undef ERR
};

/* The short text for `code`, ours or a negated errno; never NULL, static. */
const char *err_text(int code);

/* The name for logs ("ECONNREFUSED", "ERR_TIMEOUT"); never NULL, static. */
const char *err_name(int code);

#endif
