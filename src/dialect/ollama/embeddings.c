/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of embed and embeddings, which are never streams. */
#include "base/clock.h"
#include "base/err.h"
#include "dialect/ollama/frames.h"
#include "json/write.h"

struct writer {
    struct answer_writer base;
    struct buf vectors; /* with commas between them */
};

static struct writer *of(struct answer_writer *w)
{
    return CONTAINER_OF(w, struct writer, base);
}

static void init(struct answer_writer *w)
{
    buf_init(&of(w)->vectors, ANSWER_HELD_MAX);
}

static void fini(struct answer_writer *w)
{
    buf_fini(&of(w)->vectors);
}

static int take(struct writer *w, struct str vector)
{
    int err = buf_len(&w->vectors) ? buf_append(&w->vectors, STR(",")) : 0;
    return err ? err : buf_append(&w->vectors, vector);
}

static int put_list(struct writer *w, const struct usage *usage, struct buf *out)
{
    const struct translation *t = w->base.t;
    uint64_t now = clock_mono_us();
    struct json_writer j;
    json_write_init(&j, out);
    json_write_object(&j);
    json_write_str_member(&j, "model", t->model);
    json_write_key(&j, "embeddings");
    json_write_array(&j);
    if (buf_len(&w->vectors)) json_write_raw(&j, buf_str(&w->vectors));
    json_write_array_end(&j);
    json_write_u64_member(&j, "total_duration", (now > t->began_us ? now - t->began_us : 1) * 1000);
    json_write_u64_member(&j, "load_duration", 0);
    if (usage->known) json_write_u64_member(&j, "prompt_eval_count", usage->prompt);
    json_write_object_end(&j);
    return json_write_end(&j);
}

static int put_embed(struct answer_writer *base, const struct answer_event *e, struct buf *out)
{
    if (e->kind == ANSWER_VECTOR) return take(of(base), e->raw);
    return e->kind == ANSWER_END ? put_list(of(base), &e->usage, out) : 0;
}

static int put_one(struct writer *w, struct buf *out)
{
    struct json_writer j;
    json_write_init(&j, out);
    json_write_object(&j);
    json_write_key(&j, "embedding");
    json_write_raw(&j, buf_len(&w->vectors) ? buf_str(&w->vectors) : STR("[]"));
    json_write_object_end(&j);
    return json_write_end(&j);
}

/* One text has one vector; a runtime that gives more has only the first heard. */
static int put_embeddings(struct answer_writer *base, const struct answer_event *e, struct buf *out)
{
    struct writer *w = of(base);
    if (e->kind == ANSWER_VECTOR) return buf_len(&w->vectors) ? 0 : take(w, e->raw);
    return e->kind == ANSWER_END ? put_one(w, out) : 0;
}

const struct answer_writer_ops ollama_embed_writer = {
    .size = sizeof(struct writer),
    .init = init,
    .fini = fini,
    .put = put_embed,
};

const struct answer_writer_ops ollama_embeddings_writer = {
    .size = sizeof(struct writer),
    .init = init,
    .fini = fini,
    .put = put_embeddings,
};
