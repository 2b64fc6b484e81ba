/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of the mock runtime that are one object and no words: vectors, ranks, prompts, counts. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "cmd/mock_priv.h"
#include "cmd/mock_vectors.h"
#include "json/write.h"

/* The body as a document. */
static int parse(struct request *r, const struct json **doc)
{
    return json_parse(r->call->arena, r->call->body, doc, NULL);
}

static int wrong(struct request *r, const char *why)
{
    r->wrong = why;
    return ERR_INVALID;
}

/* --- vectors --- */

int mock__embeddings(struct request *r, struct buf *out)
{
    int err = mock_embeddings(r->call->arena, r->input, r->model, r->dimensions, r->base64,
                              (uint32_t)r->answer.usage.prompt, out);
    return err ? wrong(r, "input must be a string, strings or token ids") : 0;
}

static int write_vectors(struct request *r, struct json_writer *w, const char *name, bool first)
{
    json_write_key(w, name);
    int err = mock_vectors_write(r->call->arena, r->input, r->dimensions, first, w);
    return err ? wrong(r, "invalid input type") : 0;
}

int mock__ollama_embed(struct request *r, struct buf *out)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_str_member(&w, "model", r->model);
    int err = write_vectors(r, &w, "embeddings", false);
    if (err) return err;
    json_write_u64_member(&w, "total_duration", 1000000);
    json_write_u64_member(&w, "load_duration", 100000);
    json_write_u64_member(&w, "prompt_eval_count", r->answer.usage.prompt);
    json_write_object_end(&w);
    return json_write_end(&w);
}

int mock__ollama_embeddings(struct request *r, struct buf *out)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    int err = write_vectors(r, &w, "embedding", true);
    if (err) return err;
    json_write_object_end(&w);
    return json_write_end(&w);
}

/* --- ranks --- */

struct rank {
    size_t index;
    double score;
    struct str text;
};

static int better_first(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

/* The texts of a list of strings, or of objects with a text. NULL: it is none. */
static struct rank *rank_all(struct request *r, struct str query, const struct json *documents)
{
    struct rank *ranks = arena_alloc(r->call->arena, (json_count(documents) + 1) * sizeof *ranks);
    struct json_iter it = {0};
    const struct json *item;
    if (json_type(documents) != JSON_ARRAY) return NULL;
    for (size_t i = 0; json_next_item(documents, &it, &item); i++) {
        struct str text;
        if (!json_to_str(item, &text) && !json_to_str(json_get(item, "text"), &text)) return NULL;
        ranks[i] = (struct rank){i, mock_score(query, text), text};
    }
    qsort(ranks, json_count(documents), sizeof *ranks, better_first);
    return ranks;
}

static void write_rank(struct json_writer *w, const struct rank *rank, bool with_text)
{
    json_write_object(w);
    json_write_u64_member(w, "index", rank->index);
    if (with_text) {
        json_write_key(w, "document");
        json_write_object(w);
        json_write_str_member(w, "text", rank->text);
        json_write_object_end(w);
    }
    json_write_double_member(w, "relevance_score", rank->score);
    json_write_object_end(w);
}

static void write_prompt_usage(struct request *r, struct json_writer *w)
{
    json_write_key(w, "usage");
    json_write_object(w);
    json_write_u64_member(w, "prompt_tokens", r->answer.usage.prompt);
    json_write_u64_member(w, "total_tokens", r->answer.usage.prompt);
    json_write_object_end(w);
}

int mock__rerank(struct request *r, struct buf *out)
{
    const struct json *doc;
    struct json_writer w;
    struct str query;
    if (parse(r, &doc) || !json_to_str(json_get(doc, "query"), &query))
        return wrong(r, "query must be a string");
    const struct json *documents = json_get(doc, "documents");
    const struct rank *ranks = rank_all(r, query, documents);
    if (!ranks) return wrong(r, "documents must be strings");
    const int64_t all = (int64_t)json_count(documents);
    const int64_t top = json_i64_or(doc, "top_n", all);
    const bool with_text = json_bool_or(doc, "return_documents", false);
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_str_member(
        &w, "id", arena_printf(r->call->arena, "rerank-mock-%08x", (unsigned)r->answer.number));
    json_write_str_member(&w, "model", r->model);
    write_prompt_usage(r, &w);
    json_write_key(&w, "results");
    json_write_array(&w);
    for (int64_t i = 0; i < MIN(all, top); i++)
        write_rank(&w, &ranks[i], with_text);
    json_write_array_end(&w);
    json_write_object_end(&w);
    return json_write_end(&w);
}

/* Text `index` of a member that is one text or several; the one is everybody's. */
static bool text_at(const struct json *texts, size_t index, struct str *out)
{
    if (json_to_str(texts, out)) return true;
    const size_t count = json_count(texts);
    return count > 0 && json_to_str(json_at(texts, count == 1 ? 0 : index), out);
}

static void write_score(struct json_writer *w, size_t index, double score)
{
    json_write_object(w);
    json_write_u64_member(w, "index", index);
    json_write_str_member(w, "object", STR("score"));
    json_write_double_member(w, "score", score);
    json_write_object_end(w);
}

int mock__score(struct request *r, struct buf *out)
{
    const struct json *doc, *second;
    struct json_writer w;
    struct str a, b;
    if (parse(r, &doc) || !text_at(json_get(doc, "text_1"), 0, &a) ||
        !text_at(second = json_get(doc, "text_2"), 0, &b))
        return wrong(r, "text_1 and text_2 must be strings");
    const size_t count = json_type(second) == JSON_STRING ? 1 : json_count(second);
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_str_member(&w, "object", STR("list"));
    json_write_str_member(&w, "model", r->model);
    json_write_key(&w, "data");
    json_write_array(&w);
    for (size_t i = 0; i < count; i++)
        if (text_at(json_get(doc, "text_1"), i, &a) && text_at(second, i, &b))
            write_score(&w, i, mock_score(a, b));
    json_write_array_end(&w);
    write_prompt_usage(r, &w);
    json_write_object_end(&w);
    return json_write_end(&w);
}

/* --- prompts --- */

int mock__template(struct request *r, struct buf *out)
{
    const struct json *doc, *message;
    struct json_iter it = {0};
    struct json_writer w;
    struct buf prompt;
    int err = parse(r, &doc);
    buf_init(&prompt, out->max);
    while (!err && json_next_item(json_get(doc, "messages"), &it, &message))
        err = buf_printf(&prompt, "<|%" STR_FMT "|>%" STR_FMT "\n",
                         STR_ARG(json_str_or(message, "role", STR("user"))),
                         STR_ARG(json_str_or(message, "content", STR(""))));
    if (!err) err = buf_append(&prompt, STR("<|assistant|>"));
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_str_member(&w, "prompt", buf_str(&prompt));
    json_write_object_end(&w);
    buf_fini(&prompt);
    return err ? err : json_write_end(&w);
}

/* --- counts --- */

int mock__count(struct request *r, struct buf *out)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    if (r->path->surface != SURFACE_COUNT_MESSAGES)
        json_write_str_member(&w, "object", STR("response.input_tokens"));
    json_write_u64_member(&w, "input_tokens", r->answer.usage.prompt);
    json_write_object_end(&w);
    return json_write_end(&w);
}

int mock__tokenize(struct request *r, struct buf *out)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_u64_member(&w, "count", r->answer.usage.prompt);
    json_write_u64_member(&w, "max_model_len", MOCK_CONTEXT);
    json_write_key(&w, "tokens");
    json_write_array(&w);
    for (uint64_t i = 0; i < MIN(r->answer.usage.prompt, (uint64_t)MOCK_TOKENS_MAX); i++)
        json_write_u64(&w, i);
    json_write_array_end(&w);
    json_write_null_member(&w, "token_strs");
    json_write_object_end(&w);
    return json_write_end(&w);
}

/* --- a model --- */

static void write_model_info(struct json_writer *w)
{
    json_write_key(w, "model_info");
    json_write_object(w);
    json_write_str_member(w, "general.architecture", STR("mock"));
    json_write_u64_member(w, "general.parameter_count", 1000000);
    json_write_u64_member(w, "mock.context_length", MOCK_CONTEXT);
    json_write_u64_member(w, "mock.embedding_length", 8);
    json_write_object_end(w);
}

int mock__show(struct request *r, struct buf *out)
{
    struct json_writer w;
    char date[CLOCK_RFC3339_SIZE];
    clock_rfc3339(r->worker->mock->started_s * USEC_PER_SEC, date);
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_str_member(&w, "license", STR(""));
    json_write_str_member(&w, "modelfile", STR("FROM mock"));
    json_write_str_member(&w, "parameters", STR(""));
    json_write_str_member(&w, "template", STR("{{ .Prompt }}"));
    mock__ollama_details(&w);
    write_model_info(&w);
    json_write_key(&w, "capabilities");
    json_write_raw(&w, STR("[\"completion\",\"tools\",\"thinking\",\"embedding\"]"));
    json_write_str_member(&w, "modified_at", str_of(date));
    json_write_object_end(&w);
    return json_write_end(&w);
}
