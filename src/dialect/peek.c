/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/peek.h"

#include <errno.h>

#include "base/err.h"

int peek_refuse(struct refusal *why, struct str message, const char *param)
{
    *why = (struct refusal){.status = 400, .message = message, .param = param};
    return ERR_INVALID;
}

static int explain_scan(struct arena *arena, int err, const struct json_error *at,
                        struct refusal *why)
{
    switch (err) {
    case ERR_DUPLICATE:
        return peek_refuse(why, arena_say(arena, "The field '%s' is given twice.", at->text),
                           at->text);
    case ERR_TYPE: return peek_refuse(why, STR("The request body must be a JSON object."), NULL);
    case ERR_DEPTH:
        return peek_refuse(why, STR("The request body is nested too deeply (over 64 levels)."),
                           NULL);
    case ERR_UTF8:
        return peek_refuse(
            why, arena_say(arena, "The request body is not valid UTF-8 at byte %zu.", at->offset),
            NULL);
    default:
        return peek_refuse(why,
                           arena_say(arena, "The request body is not valid JSON at byte %zu: %s.",
                                     at->offset, at->text ? at->text : "syntax error"),
                           NULL);
    }
}

/* A runtime whose parser ignores case would obey a field that we do not see. */
static int refuse_alike(struct arena *arena, const struct str *names, size_t count,
                        const struct json_span *spans, struct refusal *why)
{
    for (size_t i = 0; i < count; i++)
        if (spans[i].alike)
            return peek_refuse(why,
                               arena_say(arena,
                                         "The name of the field '%s' must be written just so.",
                                         names[i].ptr),
                               names[i].ptr);
    return 0;
}

int peek_scan(struct arena *arena, struct str body, const struct str *names, size_t count,
              struct json_span *spans, struct refusal *why)
{
    struct json_error at = {0};
    if (body.len == 0)
        return peek_refuse(why, STR("The request has no body; a JSON object is needed."), NULL);
    int err = json_scan(body, names, count, spans, &at);
    return err ? explain_scan(arena, err, &at, why) : refuse_alike(arena, names, count, spans, why);
}

int peek_model(struct arena *arena, const struct json_span *span, struct ask *out,
               struct refusal *why)
{
    out->model_span = *span;
    if (span->type == JSON_NONE)
        return peek_refuse(why, STR("The field 'model' is missing."), "model");
    int err = json_span_str(span, arena, &out->model);
    if (err == -ENOMEM) return err;
    return err ? peek_refuse(why, STR("'model' must be a string of valid Unicode."), "model") : 0;
}

int peek_flag(struct arena *arena, const struct json_span *span, const char *name, bool standard,
              bool *out, struct refusal *why)
{
    *out = standard;
    if (span->type == JSON_NONE || span->type == JSON_NULL || json_span_bool(span, out)) return 0;
    return peek_refuse(why, arena_say(arena, "'%s' must be true or false.", name), name);
}
