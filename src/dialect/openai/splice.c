/* SPDX-License-Identifier: Apache-2.0 */
/* A request body on its way to a runtime: the model's name, and asking for the usage of a stream. */
#include "dialect/openai/openai_priv.h"
#include "dialect/peek.h"
#include "json/skim.h"

static size_t offset_in(struct str body, struct str part)
{
    return (size_t)(part.ptr - body.ptr);
}

/* How to make a body ask for usage. */
static struct body_edit usage_edit(const struct ask *ask, struct str body)
{
    if (ask->usage_span.type != JSON_NONE)
        return (struct body_edit){offset_in(body, ask->usage_span.raw), ask->usage_span.raw.len,
                                  STR("true")};
    if (ask->options_span.type == JSON_OBJECT) {
        struct str raw = ask->options_span.raw;
        return (struct body_edit){offset_in(body, raw) + 1, 0,
                                  json_skim_empty(raw) ? STR("\"include_usage\":true")
                                                       : STR("\"include_usage\":true,")};
    }
    if (ask->options_span.type == JSON_NULL)
        return (struct body_edit){offset_in(body, ask->options_span.raw), ask->options_span.raw.len,
                                  STR("{\"include_usage\":true}")};
    size_t close = body.len;
    while (close && body.ptr[close - 1] != '}')
        close--;
    return (struct body_edit){close - 1, 0, STR(",\"stream_options\":{\"include_usage\":true}")};
}

/* Takes the member with the options of a stream out. */
static void drop_options(struct str body, struct body_edit *edits, unsigned *count)
{
    struct json_skim s;
    struct json_member m;
    json_skim_init(&s, body);
    while (json_skim_next(&s, &m)) {
        if (m.depth != 1 || !json_member_is(&m, STR("stream_options"))) continue;
        struct str hole = json_member_hole(body, &m, json_skim_value(m.value).raw.len);
        if (hole.len)
            edits[(*count)++] = (struct body_edit){offset_in(body, hole), hole.len, STR("")};
        return;
    }
}

unsigned openai__splice(const struct ask *ask, struct str body, const struct edits *wanted,
                        struct arena *arena, struct str slices[DIALECT_SLICES_MAX])
{
    struct body_edit edits[2];
    unsigned count = 0;
    if (!splice_model(ask, body, wanted->model, arena, edits, &count)) return 0;
    if (wanted->drop_ask && ask->options_span.type != JSON_NONE) drop_options(body, edits, &count);
    if (wanted->ask_usage && ask->stream && !ask->asks_usage)
        edits[count++] = usage_edit(ask, body);
    return splice_edits(body, edits, count, slices);
}
