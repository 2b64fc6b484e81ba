/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway reads in a request body. */
#include "dialect/responses/responses_priv.h"
#include "dialect/peek.h"

int responses__peek(struct arena *arena, struct str body, struct ask *out, struct refusal *why)
{
    static const struct str names[] = {STR_INIT("model"), STR_INIT("stream")};
    struct json_span spans[ARRAY_LEN(names)];
    *out = (struct ask){.surface = out->surface, .asks_usage = true};
    int err = peek_scan(arena, body, names, ARRAY_LEN(names), spans, why);
    if (!err) err = peek_model(arena, &spans[0], out, why);
    return err ? err : peek_flag(arena, &spans[1], "stream", false, &out->stream, why);
}
