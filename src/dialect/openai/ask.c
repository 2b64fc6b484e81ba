/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway reads in a request body. */
#include "dialect/openai/openai_priv.h"

#include <errno.h>

#include "base/err.h"
#include "dialect/peek.h"
#include "json/skim.h"

enum { FIELD_MODEL, FIELD_STREAM, FIELD_OPTIONS, FIELD_COUNT };

static const struct str field_names[FIELD_COUNT] = {
    [FIELD_MODEL] = STR_INIT("model"),
    [FIELD_STREAM] = STR_INIT("stream"),
    [FIELD_OPTIONS] = STR_INIT("stream_options"),
};

static int read_options(const struct json_span *options, struct ask *out, struct refusal *why)
{
    static const struct str names[] = {STR_INIT("include_usage")};
    if (options->type == JSON_NONE || options->type == JSON_NULL) return 0;
    if (options->type != JSON_OBJECT)
        return peek_refuse(why, STR("'stream_options' must be an object."), "stream_options");
    if (json_scan_span(options, names, 1, &out->usage_span, NULL))
        return peek_refuse(why, STR("'stream_options.include_usage' is given twice."),
                           "stream_options");
    if (out->usage_span.alike)
        return peek_refuse(
            why, STR("The name of 'stream_options.include_usage' must be written just so."),
            "stream_options");
    if (out->usage_span.type != JSON_NONE && out->usage_span.type != JSON_NULL &&
        !json_span_bool(&out->usage_span, &out->asks_usage))
        return peek_refuse(why, STR("'stream_options.include_usage' must be true or false."),
                           "stream_options");
    return 0;
}

int openai__peek(struct arena *arena, struct str body, struct ask *out, struct refusal *why)
{
    struct json_span spans[FIELD_COUNT];
    *out = (struct ask){.surface = out->surface};
    int err = peek_scan(arena, body, field_names, FIELD_COUNT, spans, why);
    if (!err) err = peek_model(arena, &spans[FIELD_MODEL], out, why);
    if (!err) err = peek_flag(arena, &spans[FIELD_STREAM], "stream", false, &out->stream, why);
    out->options_span = spans[FIELD_OPTIONS];
    return err ? err : read_options(&out->options_span, out, why);
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
