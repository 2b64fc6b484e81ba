/* SPDX-License-Identifier: Apache-2.0 */
/* Refusals of requests that ask for what cannot be. */
#ifndef HOSTLER_ENGINE_REFUSE_H
#define HOSTLER_ENGINE_REFUSE_H

#include "base/arena.h"
#include "base/base.h"
#include "dialect/dialect.h"

/* Fills *error, with status 400 and a message on the arena, which ends with one dot (or ? or !), and returns
 * ERR_INVALID. `param` (the deepest field at fault that is known, as a path) and `code` may be
 * NULL. */
int refuse_field(struct arena *arena, struct refusal *error, const char *param, const char *code,
                 const char *fmt, ...) PRINTF_LIKE(5, 6);

#endif
