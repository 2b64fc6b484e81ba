/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/translator.h"

#include <errno.h>

#include "base/err.h"
#include "base/utf8.h"
#include "dialect/error.h"
#include "dialect/openai/fit.h"
#include "dialect/runtime.h"
#include "dialect/surface.h"

enum { REQUEST_MAX = 512 << 20 }; /* a translated request; what clients send has its own limit */

/* --- requests --- */

static int explain(struct translation *t, int err, const struct json_error *at, struct refusal *why)
{
    if (err == ERR_TOO_LARGE) return -ENOMEM;
    return pivot_refuse(t, why, NULL, "The request body is not valid JSON at byte %zu: %s.",
                        at->offset, at->text ? at->text : err_text(err));
}

/* What the writer ran into, where the translation itself went well. */
static int explain_writer(struct translation *t, int err, struct refusal *why)
{
    if (err == ERR_DEPTH)
        return pivot_refuse(t, why, NULL, "The request body is nested too deeply.");
    return err ? -ENOMEM : 0;
}

/* A step from a document to a text: to the pivot and from it have the same form. */
typedef int (*write_fn)(struct translation *t, struct str model, const struct json *doc,
                        struct json_writer *w, struct refusal *why);

/* What makes the runtime's request of a chat; NULL: it is that. */
static from_pivot_fn second_step(const struct translation *t)
{
    bool fits = t->sent != SURFACE_CHAT || !t->kind || !t->kind->chat;
    return fits ? surface_row(t->sent)->from_pivot : openai_fit;
}

/* Of one text another. */
static int rewrite(struct translation *t, write_fn write, struct str model, struct arena *scratch,
                   struct str text, struct buf *out, struct refusal *why)
{
    const struct json *doc;
    struct json_error at = {0};
    struct json_writer w;
    int err = json_parse_scanned(scratch, text, &doc, &at);
    if (err) return explain(t, err, &at, why);
    json_write_init(&w, out);
    err = write(t, model, doc, &w, why);
    return err ? err : explain_writer(t, json_write_end(&w), why);
}

/* Tools that were left out or moved make an index among the rest none of the client's. */
static void reword(const struct translation *t, bool text, struct refusal *why)
{
    static const struct wording moved[] = {{"tools", "tools", .alone = true}, {NULL, NULL, false}};
    if (t->tools_moved) wording_apply(t->arena, moved, text, why);
    wording_apply(t->arena, surface_row(t->asked)->words, text, why);
}

void translate_refusal(const struct translation *t, struct refusal *why)
{
    reword(t, t->kind == &runtime_engine, why);
}

int translate_request(struct translation *t, struct str model, struct str body, struct str *out,
                      struct refusal *why)
{
    const write_fn steps[] = {surface_row(t->asked)->to_pivot, second_step(t)};
    struct arena scratch;
    struct buf made[ARRAY_LEN(steps)];
    struct str text = body;
    int err = 0;
    arena_init(&scratch, SIZE_MAX, 16 * 1024);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        buf_init(&made[i], REQUEST_MAX);
        if (err || !steps[i]) continue;
        err = rewrite(t, steps[i], model, &scratch, text, &made[i], why);
        if (err == ERR_INVALID && i > 0) reword(t, true, why);
        text = buf_str(&made[i]);
        arena_reset(&scratch);
    }
    if (!err) {
        *out = arena_try_dup(t->arena, text);
        err = out->ptr ? 0 : -ENOMEM;
    }
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        buf_fini(&made[i]);
    arena_fini(&scratch);
    return err;
}

/* --- answers --- */

/* What a writer made of an event that it could not write is taken back, so that a client has whole
 * frames. */
static int put_own(struct translator *tr, const struct answer_event *e)
{
    size_t before = buf_len(&tr->out);
    int err = tr->writer->ops->put(tr->writer, e, &tr->out);
    if (err) tr->out.end = tr->out.start + before;
    return err;
}

static int put(void *owner, const struct answer_event *e)
{
    struct translator *tr = owner;
    tr->puts++;
    tr->like = *e;
    return put_own(tr, e);
}

static struct answer_sink sink_of(struct translator *tr)
{
    return (struct answer_sink){.owner = tr, .put = put};
}

int translator_init(struct translator *tr, const struct translation *t)
{
    const struct answer_source_ops *source = surface_row(t->sent)->source;
    const struct answer_writer_ops *writer = surface_row(t->asked)->writer;
    *tr = (struct translator){.t = t};
    buf_init(&tr->out, 2 * (size_t)ANSWER_HELD_MAX);
    struct answer_source *s = arena_try_zero(t->arena, source->size);
    struct answer_writer *w = arena_try_zero(t->arena, writer->size);
    if (!s || !w) return -ENOMEM;
    *s = (struct answer_source){.ops = source, .t = t};
    *w = (struct answer_writer){.ops = writer, .t = t};
    if (source->init) source->init(s);
    if (writer->init) writer->init(w);
    tr->source = s;
    tr->writer = w;
    return 0;
}

void translator_fini(struct translator *tr)
{
    if (tr->source && tr->source->ops->fini) tr->source->ops->fini(tr->source);
    if (tr->writer && tr->writer->ops->fini) tr->writer->ops->fini(tr->writer);
    if (tr->t) buf_fini(&tr->out);
    *tr = (struct translator){0};
}

int translator_event(struct translator *tr, struct str name, struct str data)
{
    struct answer_sink sink = sink_of(tr);
    tr->puts = 0;
    return tr->source->ops->event(tr->source, name, data, &sink);
}

bool translator_is_piece(const struct translator *tr, const char *piece)
{
    bool text = tr->like.kind == ANSWER_TEXT || tr->like.kind == ANSWER_REASONING ||
                tr->like.kind == ANSWER_REFUSAL || tr->like.kind == ANSWER_ARGUMENTS;
    return tr->puts == 1 && text && tr->like.raw.len == 0 && tr->like.text.ptr == piece;
}

int translator_again(struct translator *tr, struct str piece)
{
    tr->like.text = piece;
    return put_own(tr, &tr->like);
}

int translator_whole(struct translator *tr, struct str body)
{
    struct answer_sink sink = sink_of(tr);
    return tr->source->ops->whole(tr->source, body, &sink);
}

int translator_end(struct translator *tr, const struct usage *usage)
{
    struct answer_event e = {.kind = ANSWER_END, .usage = *usage};
    return put_own(tr, &e);
}

int translator_fail(struct translator *tr, const struct refusal *why)
{
    struct refusal told = *why;
    struct answer_event e = {.kind = ANSWER_ERROR, .refusal = &told};
    told.message = utf8_cut(told.message, ERROR_TEXT_MAX);
    return put_own(tr, &e);
}
