/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/embeddings. */
#include "base/err.h"
#include "engine/answer.h"
#include "engine/body.h"
#include "engine/handlers.h"
#include "engine/refuse.h"
#include "engine/vectors.h"

enum { VALUES_PIECE = 16 * 1024 }; /* numbers that are written at once, some milliseconds */

struct embedding {
    struct body_embed body;
    float *cut; /* room for a vector that is cut to its first dimensions; NULL: none is */
};

/* On the preparing thread. */
static int read_inputs(struct preparation *p)
{
    struct vectors *v = vectors_of(p);
    const struct hosted *h = p->hosted;
    struct embedding *e = arena_zalloc(&p->arena, sizeof *e);
    struct body_embed *asked = &e->body;
    int err =
        body_read_embed(&p->arena, p->call->body, vocab_info(h->vocab)->count, asked, &p->error);
    if (!err) err = vectors_check(v, asked->model, "input", asked->input_count);
    if (err) return err;
    if (!h->info->embeds)
        return refuse_field(&p->arena, &p->error, "model", "unsupported_model",
                            "This model ranks texts; it gives no embeddings.");
    if (asked->dimensions > h->embedder->length)
        return refuse_field(&p->arena, &p->error, "dimensions", NULL,
                            "'dimensions' may be at most %u with this model, not %u.",
                            h->embedder->length, asked->dimensions);
    if (asked->dimensions) e->cut = arena_alloc(&p->arena, asked->dimensions * sizeof *e->cut);
    if (!asked->dimensions) asked->dimensions = h->embedder->length;
    v->asked = e;
    p->texts = asked->inputs;
    return 0;
}

static void begin(struct vectors *v)
{
    v->items = v->job->count;
    v->piece = MAX(VALUES_PIECE / v->preparation.hosted->embedder->length, 1u);
    answer_embeddings_begin(&v->writer, &v->body);
}

static void write_vector(struct vectors *v, uint32_t index)
{
    const struct embedding *e = v->asked;
    const float *values = vectors_at(v, index);
    if (e->cut) (void)embed_normalise(e->cut, values, e->body.dimensions);
    answer_embedding(&v->writer, index, e->cut ? e->cut : values, e->body.dimensions,
                     e->body.base64);
}

static int end(struct vectors *v)
{
    return answer_embeddings_end(&v->writer, v->preparation.hosted->name, v->tokens);
}

static const struct vectors_kind embeddings = {
    .name = "embeddings",
    .preparation = {.read = read_inputs,
                    .on_prepared = vectors_on_prepared,
                    .on_refused = vectors_on_refused},
    .begin = begin,
    .item = write_vector,
    .end = end,
};

void post_embeddings(struct server *s, struct http_call *call)
{
    vectors_begin(s, call, &embeddings);
}
