/* SPDX-License-Identifier: Apache-2.0 */
/* A request's standing among others, as the gateway tells it in headers: whose it is, how much it
 * matters and until when it is of use.
 *
 *     x-hostler-tenant    16 hexadecimal digits; all 0: nobody is named
 *     x-hostler-priority  0, the lowest, to 9; without it 5
 *     x-hostler-deadline  milliseconds that are left when the request comes
 *
 * They are believed only where they come by a UNIX socket, whose file says who may speak; by any
 * other way they are anybody's word and not read. */
#ifndef HOSTLER_ENGINE_STANDING_H
#define HOSTLER_ENGINE_STANDING_H

#include "base/base.h"
#include "dialect/dialect.h"
#include "http/server.h"

struct standing {
    uint64_t tenant; /* 0: nobody was named */
    uint8_t priority;
    uint64_t deadline_us; /* 0: none */
};

/* `now_us`: on the clock that the deadline is to be on. ERR_INVALID: a header is malformed, and
 * *error says which; on the call's arena. */
MUST_CHECK int standing_read(const struct http_call *call, uint64_t now_us, struct standing *out,
                             struct refusal *error);

#endif
