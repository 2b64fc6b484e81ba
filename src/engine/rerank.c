/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/rerank, in the shape of Jina's and Cohere's: documents in order of how well they fit a
 * query. */
#include <stdlib.h>

#include "base/err.h"
#include "engine/fields.h"
#include "engine/handlers.h"
#include "engine/rank.h"
#include "engine/refuse.h"

enum { DOCUMENTS_MAX = 2048, RESULTS_PIECE = 256 };

struct result {
    size_t index;
    float score;
};

struct rerank {
    struct rank rank;
    struct str query;
    int64_t top_n;
    bool return_documents;
    struct result *results;
};

/* Strings, or objects with a `text`. */
static int read_documents(struct fields *f, struct rerank *r)
{
    const struct json *all = json_get(f->body, "documents"), *v;
    struct json_iter it = {0};
    size_t n = 0;
    if (json_type(all) != JSON_ARRAY || !json_count(all) || json_count(all) > DOCUMENTS_MAX)
        return refuse_field(f->arena, f->error, "documents", NULL,
                            "'documents' must be an array of 1 to %d texts.", DOCUMENTS_MAX);
    struct str *texts = arena_zalloc(f->arena, json_count(all) * sizeof *texts);
    while (json_next_item(all, &it, &v)) {
        const struct json *text = json_type(v) == JSON_OBJECT ? json_get(v, "text") : v;
        if (!json_to_str(text, &texts[n++]))
            return fields_wrong_type(f, "documents",
                                     "an array of strings, or of objects with a 'text'");
    }
    r->rank.second = texts;
    r->rank.count = n;
    return 0;
}

static int read_fields(struct fields *f, struct rerank *r, struct str *model)
{
    int err = fields_str(f, "model", model);
    if (!err) err = fields_str(f, "query", &r->query);
    if (!err && !r->query.ptr) err = fields_missing(f, "query");
    if (!err) err = read_documents(f, r);
    if (!err) r->top_n = (int64_t)r->rank.count;
    if (!err) err = fields_int(f, "top_n", 1, INT32_MAX, &r->top_n);
    if (!err) err = fields_bool(f, "return_documents", &r->return_documents);
    r->top_n = MIN(r->top_n, (int64_t)r->rank.count);
    r->rank.first = &r->query;
    r->rank.first_name = "query";
    r->rank.second_name = "documents";
    r->rank.first_count = 1;
    return err;
}

static int read_rerank(struct preparation *p)
{
    struct rerank *r = arena_zalloc(&p->arena, sizeof *r);
    struct fields f;
    struct str model = STR_NULL;
    int err =
        fields_begin(&f, &p->arena, p->call->body, vocab_info(p->hosted->vocab)->count, &p->error);
    if (!err) err = read_fields(&f, r, &model);
    vectors_of(p)->asked = r;
    return err ? err : rank_check(vectors_of(p), &r->rank, model);
}

static int begin_prompt(struct preparation *p, size_t index)
{
    const struct rerank *r = vectors_of(p)->asked;
    return rank_begin_prompt(vectors_of(p), &r->rank, index);
}

/* The best first; of equals the earlier document. */
static int better_first(const void *a, const void *b)
{
    const struct result *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static void sort(struct vectors *v, struct rerank *r)
{
    r->results = arena_alloc(&v->preparation.arena, r->rank.count * sizeof *r->results);
    for (size_t i = 0; i < r->rank.count; i++)
        r->results[i] = (struct result){i, rank_score(v, &r->rank, i)};
    qsort(r->results, r->rank.count, sizeof *r->results, better_first);
}

static void begin(struct vectors *v)
{
    struct rerank *r = v->asked;
    struct json_writer *w = &v->writer;
    sort(v, r);
    v->items = (uint32_t)r->top_n;
    v->piece = RESULTS_PIECE;
    json_write_init(w, &v->body);
    json_write_object(w);
    vectors_write_head(v, "rerank", NULL);
    json_write_key(w, "results");
    json_write_array(w);
}

static void write_result(struct vectors *v, uint32_t index)
{
    const struct rerank *r = v->asked;
    const struct result *result = &r->results[index];
    struct json_writer *w = &v->writer;
    json_write_object(w);
    json_write_u64_member(w, "index", result->index);
    json_write_double_member(w, "relevance_score", (double)result->score);
    if (r->return_documents) {
        json_write_key(w, "document");
        json_write_object(w);
        json_write_str_member(w, "text", r->rank.second[result->index]);
        json_write_object_end(w);
    }
    json_write_object_end(w);
}

static const struct vectors_kind rerank = {
    .name = "rerank",
    .preparation = {.read = read_rerank,
                    .begin_prompt = begin_prompt,
                    .on_prepared = vectors_on_prepared,
                    .on_refused = vectors_on_refused},
    .begin = begin,
    .item = write_result,
    .end = vectors_write_tail,
};

void post_rerank(struct server *s, struct http_call *call)
{
    vectors_begin(s, call, &rerank);
}
