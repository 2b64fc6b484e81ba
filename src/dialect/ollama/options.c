/* SPDX-License-Identifier: Apache-2.0 */
/* Options: those of sampling are passed under the names that OpenAI's dialect and its runtimes have
 * for them, and those of loading a model are not the client's here. */
#include "base/err.h"
#include "dialect/ollama/ollama_priv.h"

struct option {
    const char *name;
    const char *path; /* for refusals */
    const char *to;   /* the pivot's name */
    int (*write)(struct ollama__request *r, const struct option *o, const struct json *v);
};

static int refuse(struct ollama__request *r, const struct option *o, const char *should)
{
    return ollama__refuse(r, OLLAMA__OUTERMOST, o->path, should);
}

static void write_as_is(struct ollama__request *r, const struct option *o, const struct json *v)
{
    json_write_key(r->w, o->to);
    json_write_json(r->w, v);
}

static int write_number(struct ollama__request *r, const struct option *o, const struct json *v)
{
    double number;
    if (!json_to_double(v, &number)) return refuse(r, o, "a number");
    write_as_is(r, o, v);
    return 0;
}

/* A limit, which zero and less lift: the pivot has no word for that but to be silent. */
static int write_limit(struct ollama__request *r, const struct option *o, const struct json *v)
{
    int64_t n;
    if (!json_to_i64(v, &n)) return refuse(r, o, "an integer");
    if (n > 0) json_write_i64_member(r->w, o->to, n);
    return 0;
}

/* As many tokens as are the likeliest; zero and less: all, which runtimes agree to call -1. */
static int write_top_k(struct ollama__request *r, const struct option *o, const struct json *v)
{
    int64_t n;
    if (!json_to_i64(v, &n)) return refuse(r, o, "an integer");
    json_write_i64_member(r->w, o->to, n > 0 ? n : -1);
    return 0;
}

/* A negative one is any. */
static int write_seed(struct ollama__request *r, const struct option *o, const struct json *v)
{
    int64_t n;
    if (!json_to_i64(v, &n)) return refuse(r, o, "an integer");
    if (n >= 0) json_write_i64_member(r->w, o->to, n);
    return 0;
}

static int write_stop(struct ollama__request *r, const struct option *o, const struct json *v)
{
    struct json_iter it = {0};
    const struct json *item;
    bool texts = json_type(v) == JSON_STRING || json_type(v) == JSON_ARRAY;
    while (texts && json_next_item(v, &it, &item))
        texts = json_type(item) == JSON_STRING;
    if (!texts) return refuse(r, o, "a list of strings");
    if (json_type(v) == JSON_STRING || json_count(v)) write_as_is(r, o, v);
    return 0;
}

/* It would change what is answered, and most runtimes have nothing like it. */
static int drop(struct ollama__request *r, const struct option *o, const struct json *v UNUSED)
{
    pivot_drop(r->t, o->path);
    return 0;
}

#define OPTION(name) "" #name, "options." #name
static const struct option options[] = {
    {OPTION(num_predict), "max_tokens", write_limit},
    {OPTION(temperature), "temperature", write_number},
    {OPTION(top_k), "top_k", write_top_k},
    {OPTION(top_p), "top_p", write_number},
    {OPTION(min_p), "min_p", write_number},
    {OPTION(seed), "seed", write_seed},
    {OPTION(stop), "stop", write_stop},
    {OPTION(repeat_penalty), "repetition_penalty", write_number},
    {OPTION(presence_penalty), "presence_penalty", write_number},
    {OPTION(frequency_penalty), "frequency_penalty", write_number},
    {OPTION(typical_p), NULL, drop},
    {OPTION(tfs_z), NULL, drop},
    {OPTION(repeat_last_n), NULL, drop},
    {OPTION(penalize_newline), NULL, drop},
    {OPTION(mirostat), NULL, drop},
    {OPTION(mirostat_tau), NULL, drop},
    {OPTION(mirostat_eta), NULL, drop},
};

int ollama__write_options(struct ollama__request *r)
{
    const struct json *given = json_get(r->body, "options");
    int err = 0;
    if (ollama__absent(given)) return 0;
    if (json_type(given) != JSON_OBJECT)
        return ollama__refuse(r, OLLAMA__OUTERMOST, "options", "an object");
    for (size_t i = 0; !err && i < ARRAY_LEN(options); i++) {
        const struct json *v = json_get(given, options[i].name);
        if (!ollama__absent(v)) err = options[i].write(r, &options[i], v);
    }
    return err;
}
