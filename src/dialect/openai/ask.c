/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway reads in a request body. */
#include "dialect/openai/openai_priv.h"

#include <errno.h>

#include "base/err.h"
#include "json/skim.h"

enum { FIELD_MODEL, FIELD_STREAM, FIELD_OPTIONS, FIELD_COUNT };

static const struct str field_names[FIELD_COUNT] = {
    [FIELD_MODEL] = STR_INIT("model"),
    [FIELD_STREAM] = STR_INIT("stream"),
    [FIELD_OPTIONS] = STR_INIT("stream_options"),
};

static int refuse(struct refusal *why, struct str message, const char *param)
{
    *why = (struct refusal){.status = 400, .message = message, .param = param};
    return ERR_INVALID;
}

static int explain_scan(struct arena *arena, int err, const struct json_error *at,
                        struct refusal *why)
{
    switch (err) {
    case ERR_DUPLICATE:
        return refuse(why, arena_say(arena, "The field '%s' is given twice.", at->text), at->text);
    case ERR_TYPE: return refuse(why, STR("The request body must be a JSON object."), NULL);
    case ERR_DEPTH:
        return refuse(why, STR("The request body is nested too deeply (over 64 levels)."), NULL);
    case ERR_UTF8:
        return refuse(
            why, arena_say(arena, "The request body is not valid UTF-8 at byte %zu.", at->offset),
            NULL);
    default:
        return refuse(why,
                      arena_say(arena, "The request body is not valid JSON at byte %zu: %s.",
                                at->offset, at->text ? at->text : "syntax error"),
                      NULL);
    }
}

/* A runtime whose parser ignores case would obey a field that we do not see. */
static int refuse_alike(struct arena *arena, const struct json_span *spans, struct refusal *why)
{
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (spans[i].alike)
            return refuse(why,
                          arena_say(arena, "The name of the field '%s' must be written just so.",
                                    field_names[i].ptr),
                          field_names[i].ptr);
    return 0;
}

static int read_options(const struct json_span *options, struct ask *out, struct refusal *why)
{
    static const struct str names[] = {STR_INIT("include_usage")};
    if (options->type == JSON_NONE || options->type == JSON_NULL) return 0;
    if (options->type != JSON_OBJECT)
        return refuse(why, STR("'stream_options' must be an object."), "stream_options");
    if (json_scan_span(options, names, 1, &out->usage_span, NULL))
        return refuse(why, STR("'stream_options.include_usage' is given twice."), "stream_options");
    if (out->usage_span.alike)
        return refuse(why,
                      STR("The name of 'stream_options.include_usage' must be written just so."),
                      "stream_options");
    if (out->usage_span.type != JSON_NONE && out->usage_span.type != JSON_NULL &&
        !json_span_bool(&out->usage_span, &out->asks_usage))
        return refuse(why, STR("'stream_options.include_usage' must be true or false."),
                      "stream_options");
    return 0;
}

int openai__peek(struct arena *arena, struct str body, struct ask *out, struct refusal *why)
{
    struct json_span spans[FIELD_COUNT];
    struct json_error at = {0};
    *out = (struct ask){0};
    if (body.len == 0)
        return refuse(why, STR("The request has no body; a JSON object is needed."), NULL);
    int err = json_scan(body, field_names, FIELD_COUNT, spans, &at);
    if (err) return explain_scan(arena, err, &at, why);
    if (refuse_alike(arena, spans, why)) return ERR_INVALID;
    out->model_span = spans[FIELD_MODEL];
    out->options_span = spans[FIELD_OPTIONS];
    if (out->model_span.type == JSON_NONE)
        return refuse(why, STR("The field 'model' is missing."), "model");
    err = json_span_str(&out->model_span, arena, &out->model);
    if (err == -ENOMEM) return err;
    if (err) return refuse(why, STR("'model' must be a string of valid Unicode."), "model");
    const struct json_span *stream = &spans[FIELD_STREAM];
    if (stream->type != JSON_NONE && stream->type != JSON_NULL &&
        !json_span_bool(stream, &out->stream))
        return refuse(why, STR("'stream' must be true or false."), "stream");
    return read_options(&out->options_span, out, why);
}

/* A list of texts or of token lists is several prompts; one of tokens is one. */
static unsigned count_prompts(const struct json_span *prompt)
{
    struct str rest = prompt->raw;
    struct json_span item;
    unsigned count = 0;
    if (prompt->type != JSON_ARRAY) return 1;
    while (json_skim_element(&rest, &item)) {
        if (item.type == JSON_NUMBER) return 1;
        count++;
    }
    return MAX(count, 1u);
}

unsigned openai__choices(struct str body)
{
    static const struct str names[] = {STR_INIT("n"), STR_INIT("prompt")};
    struct json_span spans[ARRAY_LEN(names)];
    int64_t n = 1;
    if (json_scan(body, names, ARRAY_LEN(names), spans, NULL)) return 1;
    if (!json_span_i64(&spans[0], &n) || n < 1) n = 1;
    return (unsigned)MIN(n, 1000) * MIN(count_prompts(&spans[1]), 1000u);
}
