/* SPDX-License-Identifier: Apache-2.0 */
/* A request body on its way to a runtime: edits on the client's own bytes. */
#include "dialect/openai/openai_priv.h"
#include "json/skim.h"
#include "json/write.h"

/* One replacement in a body: the bytes at [start, start+len) become `text`. */
struct edit {
    size_t start;
    size_t len;
    struct str text;
};

/* ptr NULL: no memory. */
static struct str quoted(struct arena *arena, struct str s)
{
    struct buf out;
    buf_init(&out, s.len * 6 + 16);
    struct json_writer w;
    json_write_init(&w, &out);
    json_write_str(&w, s);
    struct str text = json_write_end(&w) ? STR_NULL : arena_try_dup(arena, buf_str(&out));
    buf_fini(&out);
    return text;
}

static size_t offset_in(struct str body, struct str part)
{
    return (size_t)(part.ptr - body.ptr);
}

/* How to make a body ask for usage. */
static struct edit usage_edit(const struct ask *ask, struct str body)
{
    if (ask->usage_span.type != JSON_NONE)
        return (struct edit){offset_in(body, ask->usage_span.raw), ask->usage_span.raw.len,
                             STR("true")};
    if (ask->options_span.type == JSON_OBJECT) {
        struct str raw = ask->options_span.raw;
        return (struct edit){offset_in(body, raw) + 1, 0,
                             json_skim_empty(raw) ? STR("\"include_usage\":true")
                                                  : STR("\"include_usage\":true,")};
    }
    if (ask->options_span.type == JSON_NULL)
        return (struct edit){offset_in(body, ask->options_span.raw), ask->options_span.raw.len,
                             STR("{\"include_usage\":true}")};
    size_t close = body.len;
    while (close && body.ptr[close - 1] != '}')
        close--;
    return (struct edit){close - 1, 0, STR(",\"stream_options\":{\"include_usage\":true}")};
}

unsigned openai__splice(const struct ask *ask, struct str body, const struct edits *wanted,
                        struct arena *arena, struct str slices[DIALECT_SLICES_MAX])
{
    struct edit edits[2];
    unsigned edit_count = 0, n = 0;
    if (!str_eq(wanted->model, ask->model))
        edits[edit_count++] = (struct edit){offset_in(body, ask->model_span.raw),
                                            ask->model_span.raw.len, quoted(arena, wanted->model)};
    if (edit_count && !edits[0].text.ptr) return 0;
    if (wanted->ask_usage && ask->stream && !ask->asks_usage)
        edits[edit_count++] = usage_edit(ask, body);
    if (edit_count == 2 && edits[1].start < edits[0].start) {
        struct edit first = edits[1];
        edits[1] = edits[0];
        edits[0] = first;
    }
    size_t at = 0;
    for (unsigned i = 0; i < edit_count; i++) {
        slices[n++] = str_sub(body, at, edits[i].start - at);
        slices[n++] = edits[i].text;
        at = edits[i].start + edits[i].len;
    }
    slices[n++] = str_n(body.ptr + at, body.len - at);
    return n;
}
