/* SPDX-License-Identifier: Apache-2.0 */
/* The codes of our own errors: one table (error_codes.def), from which docs/errors.md comes. Constant
 * data, any thread. */
#ifndef HOSTLER_DIALECT_ERROR_CODES_H
#define HOSTLER_DIALECT_ERROR_CODES_H

#include "base/base.h"
#include "base/buf.h"

/* Whether the table has it; NULL is fine. What refuses asserts it, so that the table stays whole. */
bool error_code_known(const char *code);

/* docs/errors.md. A negative error when memory is lacking. */
MUST_CHECK int error_codes_write_manual(struct buf *out);

#endif
