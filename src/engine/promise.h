/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of requests that promise what this engine does not do. Leaving one out in silence would be
 * a wrong answer, so each that asks for something is refused by its name. A new one is a row in
 * promise.c. Constant data, any thread. */
#ifndef HOSTLER_ENGINE_PROMISE_H
#define HOSTLER_ENGINE_PROMISE_H

#include "base/arena.h"
#include "base/base.h"
#include "dialect/dialect.h"
#include "json/json.h"

/* 0, or ERR_INVALID and *error, whose `param` is the field. */
MUST_CHECK int promise_check_request(const struct json *body, struct arena *arena,
                                     struct refusal *error);

/* The same of one of a chat's messages, the one at `index`. */
MUST_CHECK int promise_check_message(const struct json *message, size_t index, struct arena *arena,
                                     struct refusal *error);

#endif
