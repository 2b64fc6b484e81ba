/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/mock_voice.h"

enum { OUT_MAX = 64 << 20 };

static void close_voice(void *voice)
{
    struct mock_voice *v = voice;
    if (v->writer->ops->fini) v->writer->ops->fini(v->writer);
    buf_fini(&v->out);
    buf_fini(&v->word);
}

void mock_voice_open(struct mock_voice *v, const struct answer_writer_ops *ops)
{
    buf_init(&v->out, OUT_MAX);
    buf_init(&v->word, OUT_MAX);
    v->writer = arena_zalloc(v->t.arena, ops->size);
    *v->writer = (struct answer_writer){.ops = ops, .t = &v->t};
    if (ops->init) ops->init(v->writer);
    arena_on_reset(v->t.arena, close_voice, v);
}

static int put(struct mock_voice *v, const struct answer_event *e)
{
    return v->writer->ops->put(v->writer, e, &v->out);
}

/* The text with its filler. */
static int fill(struct mock_voice *v, struct str *text, struct str filler)
{
    if (filler.len == 0) return 0;
    buf_clear(&v->word);
    int err = buf_append(&v->word, *text);
    if (!err) err = buf_append(&v->word, filler);
    *text = buf_str(&v->word);
    return err;
}

int mock_voice_say(struct mock_voice *v, const struct mock_piece *piece, struct str filler)
{
    if (piece->empty) return 0;
    if (piece->raw) return v->t.stream ? buf_append(&v->out, piece->text) : 0;
    struct answer_event e = {
        .kind = piece->kind,
        .call = piece->call,
        .text = piece->text,
        .id = piece->id,
        .name = piece->name,
    };
    int err = piece->kind == ANSWER_TEXT ? fill(v, &e.text, filler) : 0;
    return err ? err : put(v, &e);
}

int mock_voice_end(struct mock_voice *v, enum finish finish, struct str stop,
                   const struct usage *usage)
{
    const struct answer_event last = {.kind = ANSWER_FINISH, .finish = finish, .text = stop};
    const struct answer_event end = {.kind = ANSWER_END, .usage = *usage};
    int err = put(v, &last);
    return err ? err : put(v, &end);
}

int mock_voice_fail(struct mock_voice *v, const struct refusal *why)
{
    const struct answer_event e = {.kind = ANSWER_ERROR, .refusal = why};
    return put(v, &e);
}
