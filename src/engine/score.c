/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/score, in the shape of vLLM's: how well texts fit each other, pair by pair. */
#include "base/err.h"
#include "engine/body.h"
#include "engine/fields.h"
#include "engine/handlers.h"
#include "engine/rank.h"
#include "engine/refuse.h"

enum { SCORES_PIECE = 1024 };

/* A text, or several. */
static int read_texts(struct fields *f, const char *name, const struct str **out, size_t *count)
{
    struct body_prompt *all;
    int err = fields_prompts(f, name, BODY_INPUTS_MAX, &all, count);
    if (err) return err;
    struct str *texts = arena_zalloc(f->arena, *count * sizeof *texts);
    for (size_t i = 0; i < *count; i++) {
        if (all[i].tokens) return fields_wrong_type(f, name, "a string or an array of strings");
        texts[i] = all[i].text;
    }
    *out = texts;
    return 0;
}

static int read_score(struct preparation *p)
{
    struct rank *r = arena_zalloc(&p->arena, sizeof *r);
    struct fields f;
    struct str model = STR_NULL;
    int err =
        fields_begin(&f, &p->arena, p->call->body, vocab_info(p->hosted->vocab)->count, &p->error);
    if (!err) err = fields_str(&f, "model", &model);
    if (!err) err = read_texts(&f, "text_1", &r->first, &r->first_count);
    if (!err) err = read_texts(&f, "text_2", &r->second, &r->count);
    if (err) return err;
    if (r->first_count != 1 && r->first_count != r->count)
        return refuse_field(&p->arena, &p->error, "text_2", NULL,
                            "'text_1' must be one text, or as many as 'text_2', which has %zu.",
                            r->count);
    r->first_name = "text_1";
    r->second_name = "text_2";
    vectors_of(p)->asked = r;
    return rank_check(vectors_of(p), r, model);
}

static int begin_prompt(struct preparation *p, size_t index)
{
    return rank_begin_prompt(vectors_of(p), vectors_of(p)->asked, index);
}

static void begin(struct vectors *v)
{
    const struct rank *r = v->asked;
    v->items = (uint32_t)r->count;
    v->piece = SCORES_PIECE;
    json_write_init(&v->writer, &v->body);
    json_write_object(&v->writer);
    vectors_write_head(v, "score", "list");
    json_write_key(&v->writer, "data");
    json_write_array(&v->writer);
}

static void write_score(struct vectors *v, uint32_t index)
{
    struct json_writer *w = &v->writer;
    json_write_object(w);
    json_write_u64_member(w, "index", index);
    json_write_str_member(w, "object", STR("score"));
    json_write_double_member(w, "score", (double)rank_score(v, v->asked, index));
    json_write_object_end(w);
}

static const struct vectors_kind score = {
    .name = "score",
    .preparation = {.read = read_score,
                    .begin_prompt = begin_prompt,
                    .on_prepared = vectors_on_prepared,
                    .on_refused = vectors_on_refused},
    .begin = begin,
    .item = write_score,
    .end = vectors_write_tail,
};

void post_score(struct server *s, struct http_call *call)
{
    vectors_begin(s, call, &score);
}
