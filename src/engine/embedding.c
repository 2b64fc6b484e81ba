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

static bool write_some(struct vectors *v)
{
    const struct embedding *e = v->asked;
    const struct body_embed *asked = &e->body;
    const struct hosted *h = v->preparation.hosted;
    uint32_t length = h->embedder->length, count = v->job->count;
    uint32_t end = MIN(count, v->written + MAX(VALUES_PIECE / length, 1u));
    if (!v->written) answer_embeddings_begin(&v->writer, &v->body);
    for (; v->written < end; v->written++) {
        const float *values = vectors_at(v, v->written);
        if (e->cut) (void)embed_normalise(e->cut, values, asked->dimensions);
        answer_embedding(&v->writer, v->written, e->cut ? e->cut : values, asked->dimensions,
                         asked->base64);
    }
    v->writing.left = (size_t)(count - end) * asked->dimensions * sizeof(float);
    if (end < count) return true;
    v->write_err = answer_embeddings_end(&v->writer, h->name, v->tokens);
    return false;
}

static const struct vectors_kind embeddings = {
    .name = "embeddings",
    .preparation = {.read = read_inputs,
                    .on_prepared = vectors_on_prepared,
                    .on_refused = vectors_on_refused},
    .write = write_some,
};

void post_embeddings(struct server *s, struct http_call *call)
{
    vectors_begin(s, call, &embeddings);
}
