/* SPDX-License-Identifier: Apache-2.0 */
/* A request body on its way to a runtime of the same dialect: edits on the client's own bytes. */
#include "dialect/peek.h"
#include "json/write.h"

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

bool splice_model(const struct ask *ask, struct str body, struct str model, struct arena *arena,
                  struct body_edit *edits, unsigned *count)
{
    if (str_eq(model, ask->model)) return true;
    struct str name = quoted(arena, model);
    edits[(*count)++] = (struct body_edit){(size_t)(ask->model_span.raw.ptr - body.ptr),
                                           ask->model_span.raw.len, name};
    return name.ptr != NULL;
}

unsigned splice_edits(struct str body, struct body_edit *edits, unsigned count,
                      struct str slices[DIALECT_SLICES_MAX])
{
    size_t at = 0;
    unsigned n = 0;
    if (count == 2 && edits[1].start < edits[0].start) {
        struct body_edit first = edits[1];
        edits[1] = edits[0];
        edits[0] = first;
    }
    for (unsigned i = 0; i < count; i++) {
        slices[n++] = str_sub(body, at, edits[i].start - at);
        slices[n++] = edits[i].text;
        at = edits[i].start + edits[i].len;
    }
    slices[n++] = str_n(body.ptr + at, body.len - at);
    return n;
}

unsigned splice_name(const struct ask *ask, struct str body, const struct edits *wanted,
                     struct arena *arena, struct str slices[DIALECT_SLICES_MAX])
{
    struct body_edit edit[1];
    unsigned count = 0;
    if (!splice_model(ask, body, wanted->model, arena, edit, &count)) return 0;
    return splice_edits(body, edit, count, slices);
}

unsigned one_choice(struct str body UNUSED)
{
    return 1;
}
