/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/fields.h"

#include "base/err.h"
#include "engine/refuse.h"

/* Each field that any reader looks at: who gives one twice may mean either. */
static const char *const read_fields[] = {
    "model",
    "messages",
    "prompt",
    "input",
    "stream",
    "stream_options",
    "n",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "stop",
    "seed",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "repeat_penalty",
    "ignore_eos",
    "min_tokens",
    "stop_token_ids",
    "continue_final_message",
    "add_generation_prompt",
    "best_of",
    "echo",
    "suffix",
    "encoding_format",
    "dimensions",
    "content",
    "add_special",
    "tokens",
    "query",
    "top_n",
    "return_documents",
    "text_1",
    "text_2",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "documents",
    "chat_template_kwargs",
    "enable_thinking",
    "reasoning_effort",
    "thinking_budget",
    "thinking_budget_tokens",
    "thinking_token_budget",
    "reasoning_budget",
    "response_format",
    "structured_outputs",
    "json_schema",
    "grammar",
    "guided_json",
    "guided_regex",
    "guided_choice",
    "guided_grammar",
    "regex",
    "ebnf",
    "bad_words",
    NULL,
};

bool fields_absent(const struct json *v)
{
    return json_type(v) == JSON_NONE || json_type(v) == JSON_NULL;
}

int fields_wrong_type(struct fields *f, const char *name, const char *wanted)
{
    return refuse_field(f->arena, f->error, name, NULL, "'%s' must be %s.", name, wanted);
}

int fields_missing(struct fields *f, const char *name)
{
    return refuse_field(f->arena, f->error, name, NULL, "'%s' is missing.", name);
}

int fields_int(struct fields *f, const char *name, int64_t least, int64_t most, int64_t *out)
{
    const struct json *v = json_get(f->body, name);
    int64_t n;
    if (fields_absent(v)) return 0;
    if (!json_to_i64(v, &n)) return fields_wrong_type(f, name, "an integer");
    if (n < least || n > most)
        return refuse_field(f->arena, f->error, name, NULL,
                            "'%s' must be between %lld and %lld, not %lld.", name, (long long)least,
                            (long long)most, (long long)n);
    *out = n;
    return 0;
}

int fields_float(struct fields *f, const char *name, double least, double most, float *out)
{
    const struct json *v = json_get(f->body, name);
    double x;
    if (fields_absent(v)) return 0;
    if (!json_to_double(v, &x)) return fields_wrong_type(f, name, "a number");
    if (x < least || x > most)
        return refuse_field(f->arena, f->error, name, NULL,
                            "'%s' must be between %g and %g, not %g.", name, least, most, x);
    *out = (float)x;
    return 0;
}

int fields_bool(struct fields *f, const char *name, bool *out)
{
    const struct json *v = json_get(f->body, name);
    if (fields_absent(v)) return 0;
    return json_to_bool(v, out) ? 0 : fields_wrong_type(f, name, "true or false");
}

int fields_str(struct fields *f, const char *name, struct str *out)
{
    const struct json *v = json_get(f->body, name);
    if (fields_absent(v)) return 0;
    return json_to_str(v, out) ? 0 : fields_wrong_type(f, name, "a string");
}

/* --- prompts --- */

static int read_token(struct fields *f, const char *name, const struct json *v, int32_t *out)
{
    int64_t n;
    if (!json_to_i64(v, &n))
        return refuse_field(f->arena, f->error, name, NULL,
                            "'%s' has something among its tokens that is no integer.", name);
    if (n < 0 || n >= f->vocab)
        return refuse_field(f->arena, f->error, name, NULL,
                            "'%s' has token %lld; this model's are 0 to %u.", name, (long long)n,
                            f->vocab - 1);
    *out = (int32_t)n;
    return 0;
}

int fields_tokens(struct fields *f, const char *name, const struct json *array,
                  struct body_prompt *out)
{
    size_t count = json_count(array);
    int32_t *tokens = arena_try(f->arena, (count + 1) * sizeof *tokens);
    if (!tokens) return refuse_field(f->arena, f->error, name, NULL, "'%s' is too long.", name);
    struct json_iter it = {0};
    const struct json *v;
    for (size_t i = 0; json_next_item(array, &it, &v); i++) {
        int err = read_token(f, name, v, &tokens[i]);
        if (err) return err;
    }
    *out = (struct body_prompt){.tokens = tokens, .token_count = (uint32_t)count};
    return 0;
}

static int read_prompt_list(struct fields *f, const char *name, const struct json *array,
                            size_t most, struct body_prompt **out, size_t *count)
{
    struct json_iter it = {0};
    const struct json *v;
    size_t n = 0;
    if (json_count(array) > most)
        return refuse_field(f->arena, f->error, name, NULL, "'%s' may have at most %zu elements.",
                            name, most);
    struct body_prompt *all = arena_zalloc(f->arena, json_count(array) * sizeof *all);
    while (json_next_item(array, &it, &v)) {
        int err = 0;
        if (json_type(v) == JSON_ARRAY)
            err = fields_tokens(f, name, v, &all[n]);
        else if (!json_to_str(v, &all[n].text))
            err = fields_wrong_type(
                f, name, "a string, or an array of strings, of tokens or of token arrays");
        if (err) return err;
        n++;
    }
    *out = all;
    *count = n;
    return 0;
}

/* The four shapes: string, strings, tokens, arrays of tokens. */
int fields_prompts(struct fields *f, const char *name, size_t most, struct body_prompt **out,
                   size_t *count)
{
    const struct json *v = json_get(f->body, name);
    struct str text;
    if (fields_absent(v)) return fields_missing(f, name);
    if (json_type(v) == JSON_ARRAY) {
        if (!json_count(v))
            return refuse_field(f->arena, f->error, name, NULL, "'%s' must not be empty.", name);
        if (json_type(json_at(v, 0)) != JSON_NUMBER)
            return read_prompt_list(f, name, v, most, out, count);
        *out = arena_zalloc(f->arena, sizeof **out);
        *count = 1;
        return fields_tokens(f, name, v, *out);
    }
    if (!json_to_str(v, &text)) return fields_wrong_type(f, name, "a string or an array");
    *out = arena_zalloc(f->arena, sizeof **out);
    (*out)->text = text;
    *count = 1;
    return 0;
}

/* --- bodies --- */

int fields_begin(struct fields *f, struct arena *arena, struct str body, uint32_t vocab,
                 struct refusal *error)
{
    struct json_error where = {0};
    const char *twice = NULL;
    *f = (struct fields){.arena = arena, .error = error, .vocab = vocab};
    int err = json_parse(arena, body, &f->body, &where);
    if (err)
        return refuse_field(arena, error, NULL, NULL, "The body is not valid JSON: %s at byte %zu.",
                            where.text ? where.text : err_text(err), where.offset);
    if (json_type(f->body) != JSON_OBJECT)
        return refuse_field(arena, error, NULL, NULL, "The body must be a JSON object.");
    if (json_unique(f->body, read_fields, &twice))
        return refuse_field(arena, error, twice, NULL, "'%s' is given twice.", twice);
    return 0;
}
