/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/body.h"

#include <string.h>

#include "base/err.h"
#include "engine/fields.h"
#include "engine/promise.h"
#include "engine/refuse.h"
#include "engine/words.h"
#include "json/json.h"
#include "json/write.h"

/* --- messages --- */

/* A message, or an item of one of its lists. Paths are made only of what is wrong: messages are
 * many. */
struct place {
    size_t message;
    const char *list; /* NULL: the message itself */
    size_t item;
};

/* The path of a member there, on the arena. */
static const char *path_of(struct fields *f, const struct place *at, const char *member)
{
    if (!at->list) return arena_printf(f->arena, "messages[%zu]%s", at->message, member).ptr;
    return arena_printf(f->arena, "messages[%zu].%s[%zu]%s", at->message, at->list, at->item,
                        member)
        .ptr;
}

static int refuse_type(struct fields *f, const struct place *at, const char *member,
                       const char *wanted)
{
    return fields_wrong_type(f, path_of(f, at, member), wanted);
}

static int refuse_missing(struct fields *f, const struct place *at, const char *member)
{
    return fields_missing(f, path_of(f, at, member));
}

static int refuse_part(struct fields *f, const struct place *at, struct str type)
{
    return refuse_field(
        f->arena, f->error, path_of(f, at, ".type"), "unsupported_content",
        "Content parts of type '%.*s' are not supported by this model, only 'text'.",
        (int)MIN(type.len, (size_t)64), type.ptr ? type.ptr : "");
}

static int check_parts(struct fields *f, size_t message, const struct json *parts)
{
    struct place at = {message, "content", 0};
    struct json_iter it = {0};
    const struct json *part;
    for (; json_next_item(parts, &it, &part); at.item++) {
        struct str type = json_str_or(part, "type", STR_NULL);
        if (!str_eq(type, STR("text"))) return refuse_part(f, &at, type);
        if (json_type(json_get(part, "text")) != JSON_STRING)
            return refuse_type(f, &at, ".text", "a string");
    }
    return 0;
}

static int check_call(struct fields *f, const struct place *at, const struct json *call)
{
    const struct json *function = json_get(call, "function");
    const struct json *name = json_get(function, "name");
    const struct json *arguments = json_get(function, "arguments");
    if (json_type(function) != JSON_OBJECT) return refuse_type(f, at, ".function", "an object");
    if (!name) return refuse_missing(f, at, ".function.name");
    if (json_type(name) != JSON_STRING) return refuse_type(f, at, ".function.name", "a string");
    if (!arguments) return refuse_missing(f, at, ".function.arguments");
    if (json_type(arguments) != JSON_STRING && json_type(arguments) != JSON_OBJECT)
        return refuse_type(f, at, ".function.arguments", "a string");
    return 0;
}

static int check_calls(struct fields *f, size_t message, const struct json *calls)
{
    struct place whole = {.message = message}, at = {message, "tool_calls", 0};
    struct json_iter it = {0};
    const struct json *call;
    int err = 0;
    if (json_type(calls) != JSON_ARRAY) return refuse_type(f, &whole, ".tool_calls", "an array");
    for (; !err && json_next_item(calls, &it, &call); at.item++)
        err = check_call(f, &at, call);
    return err;
}

static int check_content(struct fields *f, size_t message, const struct json *v)
{
    struct place at = {.message = message};
    if (fields_absent(v) || json_type(v) == JSON_STRING) return 0;
    if (json_type(v) == JSON_ARRAY) return check_parts(f, message, v);
    return refuse_type(f, &at, ".content", "a string or an array of parts");
}

static int check_role(struct fields *f, const struct place *at, const struct json *role)
{
    static const char *const roles[] = {"system", "developer", "user", "assistant", "tool"};
    struct str name = STR_NULL;
    if (fields_absent(role)) return refuse_missing(f, at, ".role");
    (void)json_to_str(role, &name);
    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        if (str_eq(name, str_of(roles[i]))) return 0;
    return refuse_type(f, at, ".role", "system, developer, user, assistant or tool");
}

static int check_message(struct fields *f, size_t index, const struct json *message)
{
    static const char *const names[] = {"role",      "content", "tool_calls", "reasoning_content",
                                        "reasoning", NULL};
    struct place at = {.message = index};
    const char *twice = NULL;
    if (json_type(message) != JSON_OBJECT) return refuse_type(f, &at, "", "an object");
    if (json_unique(message, names, &twice))
        return refuse_field(f->arena, f->error, path_of(f, &at, ""), NULL,
                            "'messages[%zu]' has its '%s' twice.", index, twice);
    const struct json *calls = json_get(message, "tool_calls");
    int err = check_role(f, &at, json_get(message, "role"));
    if (!err) err = promise_check_message(message, index, f->arena, f->error);
    if (!err && !fields_absent(calls)) err = check_calls(f, index, calls);
    return err ? err : check_content(f, index, json_get(message, "content"));
}

static int read_messages(struct fields *f, struct chat *out)
{
    const struct json *v = json_get(f->body, "messages");
    struct json_iter it = {0};
    const struct json *message;
    if (fields_absent(v)) return fields_missing(f, "messages");
    if (json_type(v) != JSON_ARRAY) return fields_wrong_type(f, "messages", "an array of objects");
    if (!json_count(v))
        return refuse_field(f->arena, f->error, "messages", NULL, "'messages' must not be empty.");
    if (json_count(v) > BODY_MESSAGES_MAX)
        return refuse_field(f->arena, f->error, "messages", NULL,
                            "'messages' may have at most %d elements.", BODY_MESSAGES_MAX);
    for (size_t i = 0; json_next_item(v, &it, &message); i++) {
        int err = check_message(f, i, message);
        if (err) return err;
    }
    out->messages = v;
    return 0;
}

/* An answer that the last message begins goes on, unless the request says
 * otherwise; vLLM's two names for it. */
static int read_goes_on(struct fields *f, struct chat *out)
{
    const struct json *last = json_at(out->messages, json_count(out->messages) - 1);
    bool begun = str_eq(json_str_or(last, "role", STR_NULL), STR("assistant")) &&
                 !json_count(json_get(last, "tool_calls"));
    out->new_turn = true;
    out->goes_on = begun && fields_absent(json_get(f->body, "add_generation_prompt"));
    int err = fields_bool(f, "continue_final_message", &out->goes_on);
    if (!err) err = fields_bool(f, "add_generation_prompt", &out->new_turn);
    if (err) return err;
    if (out->goes_on && !begun)
        return refuse_field(
            f->arena, f->error, "continue_final_message", NULL,
            "The last message is no text of the assistant's, so it cannot be continued.");
    return 0;
}

static int read_list(struct fields *f, const char *name, const struct json **out)
{
    const struct json *v = json_get(f->body, name);
    if (fields_absent(v)) return 0;
    if (json_type(v) != JSON_ARRAY) return fields_wrong_type(f, name, "an array");
    if (json_count(v)) *out = v;
    return 0;
}

/* Hosted APIs' words for how much a model thinks. */
static int read_thinking(struct fields *f, struct chat *out)
{
    const struct json *v = json_get(f->body, "enable_thinking");
    if (!fields_absent(v)) out->thinking = v;
    if (out->thinking && json_type(v) != JSON_BOOL)
        return fields_wrong_type(f, "enable_thinking", "true or false");
    const struct json *effort = json_get(f->body, "reasoning_effort");
    if (!fields_absent(effort)) out->effort = effort;
    if (out->effort && json_type(effort) != JSON_STRING)
        return fields_wrong_type(f, "reasoning_effort", "a string");
    return 0;
}

/* Names that runtimes have for it. */
static int read_budget(struct fields *f, struct body_generate *out)
{
    static const char *const names[] = {"thinking_budget", "thinking_budget_tokens",
                                        "thinking_token_budget", "reasoning_budget"};
    int err = 0;
    out->thinking_budget = -1;
    for (size_t i = 0; !err && i < ARRAY_LEN(names); i++)
        err = fields_int(f, names[i], -1, INT32_MAX, &out->thinking_budget);
    return err;
}

static int read_chat(struct fields *f, struct chat *out)
{
    const struct json *kwargs = json_get(f->body, "chat_template_kwargs");
    int err = read_messages(f, out);
    if (!err) err = read_goes_on(f, out);
    if (!err) err = read_list(f, "documents", &out->documents);
    if (!err) err = read_thinking(f, out);
    if (err || fields_absent(kwargs)) return err;
    if (json_type(kwargs) != JSON_OBJECT)
        return fields_wrong_type(f, "chat_template_kwargs", "an object");
    out->kwargs = kwargs;
    return 0;
}

/* --- sampling --- */

struct sampler_params body_defaults(const struct model_sampling *m)
{
    const struct sampler_params usual = {
        .temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .min_p = 0.05f, .repeat_penalty = 1};
    struct sampler_params p = usual;
    if (m->temperature >= 0) p.temperature = m->temperature;
    if (m->top_k >= 0) p.top_k = m->top_k;
    if (m->top_p >= 0) p.top_p = m->top_p;
    if (m->min_p >= 0) p.min_p = m->min_p;
    if (m->repeat_penalty > 0) p.repeat_penalty = m->repeat_penalty;
    return p;
}

static int read_stops(struct fields *f, struct body_generate *out)
{
    const struct json *v = json_get(f->body, "stop");
    if (fields_absent(v)) return 0;
    size_t count = json_type(v) == JSON_ARRAY ? json_count(v) : 1;
    if (count > STOP_MAX)
        return refuse_field(f->arena, f->error, "stop", NULL, "'stop' may have at most %d strings.",
                            STOP_MAX);
    out->stops = arena_zalloc(f->arena, (count + 1) * sizeof *out->stops);
    for (size_t i = 0; i < count; i++) {
        struct str *s = &out->stops[out->stop_count];
        if (!json_to_str(json_type(v) == JSON_ARRAY ? json_at(v, i) : v, s))
            return fields_wrong_type(f, "stop", "a string or an array of strings");
        if (s->len > STOP_LENGTH_MAX)
            return refuse_field(f->arena, f->error, "stop", NULL,
                                "A stop string may have at most %d bytes.", STOP_LENGTH_MAX);
        out->stop_count += s->len > 0;
    }
    return 0;
}

static int add_bias(struct fields *f, int64_t token, const struct json *value,
                    struct sampler_bias *out)
{
    double x = -100;
    bool allowed = true;
    if (token < 0 || token >= f->vocab)
        return refuse_field(f->arena, f->error, "logit_bias", NULL,
                            "'logit_bias' names what is none of this model's tokens, 0 to %u.",
                            f->vocab - 1);
    if (json_to_bool(value, &allowed) ? allowed : !json_to_double(value, &x) || x < -100 || x > 100)
        return refuse_field(f->arena, f->error, "logit_bias", NULL,
                            "A bias must be between -100 and 100.");
    *out = (struct sampler_bias){(int32_t)token, (float)x};
    return 0;
}

/* {"token": bias}, or llama-server's [[token, bias]], where a bias may be false. */
static int read_bias(struct fields *f, struct sampler_params *p)
{
    const struct json *v = json_get(f->body, "logit_bias"), *item;
    struct json_iter it = {0};
    struct str name;
    int err = 0;
    if (fields_absent(v)) return 0;
    if (json_type(v) != JSON_OBJECT && json_type(v) != JSON_ARRAY)
        return fields_wrong_type(f, "logit_bias", "an object, or an array of pairs");
    if (json_count(v) > SAMPLER_BIAS_MAX)
        return refuse_field(f->arena, f->error, "logit_bias", NULL,
                            "'logit_bias' may have at most %d members.", SAMPLER_BIAS_MAX);
    struct sampler_bias *bias = arena_zalloc(f->arena, (json_count(v) + 1) * sizeof *bias);
    p->bias = bias;
    while (!err && json_next_member(v, &it, &name, &item)) {
        int64_t token = -1;
        if (str_to_i64(name, &token)) token = -1;
        err = add_bias(f, token, item, &bias[p->bias_count++]);
    }
    while (!err && json_next_item(v, &it, &item)) {
        int64_t token = -1;
        if (json_count(item) != 2 || !json_to_i64(json_at(item, 0), &token))
            return fields_wrong_type(f, "logit_bias", "an array of pairs, a token and its bias");
        err = add_bias(f, token, json_at(item, 1), &bias[p->bias_count++]);
    }
    return err;
}

static int read_sampling(struct fields *f, struct body_generate *out)
{
    struct sampler_params *p = &out->sampling;
    int64_t top_k = p->top_k, seed = 0;
    int err = fields_float(f, "temperature", 0, 2, &p->temperature);
    if (!err) err = fields_float(f, "top_p", 0, 1, &p->top_p);
    if (!err) err = fields_float(f, "min_p", 0, 1, &p->min_p);
    if (!err) err = fields_int(f, "top_k", -1, INT32_MAX, &top_k);
    if (!err) err = fields_float(f, "repeat_penalty", 0.01, 10, &p->repeat_penalty);
    if (!err) err = fields_float(f, "repetition_penalty", 0.01, 10, &p->repeat_penalty);
    if (!err) err = fields_float(f, "presence_penalty", -2, 2, &p->presence_penalty);
    if (!err) err = fields_float(f, "frequency_penalty", -2, 2, &p->frequency_penalty);
    if (!err) err = fields_int(f, "seed", INT64_MIN, INT64_MAX, &seed);
    if (!err) err = read_bias(f, p);
    if (err) return err;
    p->top_k = (int32_t)MAX(top_k, 0);
    out->seeded = !fields_absent(json_get(f->body, "seed"));
    p->seed = (uint64_t)seed;
    return 0;
}

/* Chat: logprobs is a flag and top_logprobs a number. */
static int read_chat_logprobs(struct fields *f, struct sampler_params *p)
{
    int64_t top = 0;
    int err = fields_bool(f, "logprobs", &p->logprobs);
    if (!err) err = fields_int(f, "top_logprobs", 0, SAMPLER_TOP_MAX, &top);
    if (err) return err;
    if (top && !p->logprobs)
        return refuse_field(f->arena, f->error, "top_logprobs", NULL,
                            "'top_logprobs' needs 'logprobs' to be true.");
    p->top_logprobs = (uint8_t)top;
    return 0;
}

/* Completions: logprobs is the number. */
static int read_completion_logprobs(struct fields *f, struct sampler_params *p)
{
    int64_t top = -1;
    int err = fields_int(f, "logprobs", 0, SAMPLER_TOP_MAX, &top);
    if (err) return err;
    p->logprobs = top >= 0;
    p->top_logprobs = (uint8_t)MAX(top, 0);
    return 0;
}

/* --- requests --- */

static int read_length(struct fields *f, struct body_generate *out)
{
    int64_t most = 0;
    int err = fields_int(f, "max_tokens", 1, INT32_MAX, &most);
    if (!err) err = fields_int(f, "max_completion_tokens", 1, INT32_MAX, &most);
    out->max_tokens = (uint32_t)most;
    return err;
}

/* stop_token_ids and min_tokens. */
static int read_ends(struct fields *f, struct body_generate *out)
{
    const struct json *v = json_get(f->body, "stop_token_ids");
    struct body_prompt ends = {0};
    int64_t least = 0;
    if (!fields_absent(v) && (json_type(v) != JSON_ARRAY || json_count(v) > BODY_ENDS_MAX))
        return refuse_field(f->arena, f->error, "stop_token_ids", NULL,
                            "'stop_token_ids' must be an array of at most %d tokens.",
                            BODY_ENDS_MAX);
    int err = fields_tokens(f, "stop_token_ids", v, &ends);
    if (!err) err = fields_int(f, "min_tokens", 0, INT32_MAX, &least);
    if (err) return err;
    if (out->max_tokens && least > out->max_tokens)
        return refuse_field(f->arena, f->error, "min_tokens", NULL,
                            "'min_tokens' must not be greater than 'max_tokens'.");
    out->ends = ends.tokens;
    out->end_count = ends.token_count;
    out->min_tokens = (uint32_t)least;
    return 0;
}

static int read_word(struct fields *f, const struct json *v, size_t *bytes, struct str *out)
{
    if (!json_to_str(v, out) || !out->len)
        return fields_wrong_type(f, "bad_words", "an array of strings, none of them empty");
    *bytes += out->len;
    if (*bytes <= WORDS_BYTES_MAX) return 0;
    return refuse_field(f->arena, f->error, "bad_words", NULL,
                        "'bad_words' may have at most %d bytes in all.", WORDS_BYTES_MAX);
}

static int read_words(struct fields *f, struct body_generate *out)
{
    const struct json *v = json_get(f->body, "bad_words"), *word;
    struct json_iter it = {0};
    size_t bytes = 0;
    if (fields_absent(v)) return 0;
    if (json_type(v) != JSON_ARRAY) return fields_wrong_type(f, "bad_words", "an array of strings");
    if (json_count(v) > WORDS_COUNT_MAX)
        return refuse_field(f->arena, f->error, "bad_words", NULL,
                            "'bad_words' may have at most %d strings.", WORDS_COUNT_MAX);
    out->words = arena_zalloc(f->arena, (json_count(v) + 1) * sizeof *out->words);
    while (json_next_item(v, &it, &word)) {
        int err = read_word(f, word, &bytes, &out->words[out->word_count]);
        if (err) return err;
        out->word_count++;
    }
    return 0;
}

/* What both kinds have. */
static int read_common(struct fields *f, struct body_generate *out)
{
    int64_t n = 1;
    int err = fields_str(f, "model", &out->model);
    if (!err) err = fields_bool(f, "stream", &out->stream);
    if (!err) err = fields_int(f, "n", 1, BODY_CHOICES_MAX, &n);
    if (!err) err = read_length(f, out);
    if (!err) err = fields_bool(f, "ignore_eos", &out->ignore_end);
    if (!err) err = read_stops(f, out);
    if (!err) err = read_sampling(f, out);
    if (!err) err = read_ends(f, out);
    if (!err) err = read_words(f, out);
    if (!err) err = shape_read(f, &out->shape);
    if (!err) err = promise_check_request(f->body, f->arena, f->error);
    if (err) return err;
    out->n = (uint32_t)n;
    const struct json *options = json_get(f->body, "stream_options");
    if (!fields_absent(options) && json_type(options) != JSON_OBJECT)
        return fields_wrong_type(f, "stream_options", "an object");
    const struct json *usage = json_get(options, "include_usage");
    if (!fields_absent(usage) && json_type(usage) != JSON_BOOL)
        return fields_wrong_type(f, "stream_options.include_usage", "true or false");
    out->include_usage = json_bool_or(options, "include_usage", false);
    return 0;
}

int body_read_chat(struct arena *arena, struct str body, const struct sampler_params *defaults,
                   uint32_t vocab, struct body_generate *out, struct refusal *error)
{
    struct fields f;
    *out = (struct body_generate){.kind = BODY_CHAT, .sampling = *defaults};
    int err = fields_begin(&f, arena, body, vocab, error);
    if (!err) err = read_common(&f, out);
    if (!err) err = read_chat_logprobs(&f, &out->sampling);
    if (!err) err = read_budget(&f, out);
    if (!err) err = tools_read(&f, &out->tools);
    if (!err) err = read_chat(&f, &out->chat);
    out->chat.tools = out->tools.list;
    return err;
}

int body_read_template(struct arena *arena, struct str body, struct str *model, struct chat *out,
                       struct refusal *error)
{
    struct fields f;
    struct tools tools = {.list = NULL};
    *model = STR_NULL;
    *out = (struct chat){.messages = NULL};
    int err = fields_begin(&f, arena, body, 0, error);
    if (!err) err = fields_str(&f, "model", model);
    if (!err) err = tools_read(&f, &tools);
    if (!err) err = read_chat(&f, out);
    out->tools = tools.list;
    return err;
}

int body_read_completion(struct arena *arena, struct str body,
                         const struct sampler_params *defaults, uint32_t vocab,
                         struct body_generate *out, struct refusal *error)
{
    struct fields f;
    bool echo = false;
    int64_t best_of = 1;
    *out = (struct body_generate){.kind = BODY_COMPLETION, .sampling = *defaults};
    int err = fields_begin(&f, arena, body, vocab, error);
    if (!err) err = read_common(&f, out);
    if (!err) err = read_completion_logprobs(&f, &out->sampling);
    if (!err) err = fields_bool(&f, "echo", &echo);
    if (!err) err = fields_int(&f, "best_of", 1, 20, &best_of);
    if (!err)
        err = fields_prompts(&f, "prompt", BODY_PROMPTS_MAX, &out->prompts, &out->prompt_count);
    if (err) return err;
    if (echo)
        return refuse_field(arena, error, "echo", "unsupported_parameter",
                            "'echo' is not supported by this engine yet.");
    if (best_of > out->n)
        return refuse_field(arena, error, "best_of", "unsupported_parameter",
                            "'best_of' greater than 'n' is not supported by this engine yet.");
    if (json_str_or(f.body, "suffix", STR_NULL).len)
        return refuse_field(arena, error, "suffix", "unsupported_parameter",
                            "'suffix' is not supported by this engine yet.");
    return 0;
}

int body_read_embed(struct arena *arena, struct str body, uint32_t vocab, struct body_embed *out,
                    struct refusal *error)
{
    struct fields f;
    struct str format = STR("float");
    int64_t dimensions = 0;
    *out = (struct body_embed){0};
    int err = fields_begin(&f, arena, body, vocab, error);
    if (!err) err = fields_str(&f, "model", &out->model);
    if (!err) err = fields_str(&f, "encoding_format", &format);
    if (!err) err = fields_int(&f, "dimensions", 1, INT32_MAX, &dimensions);
    if (!err) err = fields_prompts(&f, "input", BODY_INPUTS_MAX, &out->inputs, &out->input_count);
    if (err) return err;
    out->dimensions = (uint32_t)dimensions;
    out->base64 = str_eq(format, STR("base64"));
    if (!out->base64 && !str_eq(format, STR("float")))
        return refuse_field(arena, error, "encoding_format", NULL,
                            "'encoding_format' must be 'float' or 'base64'.");
    return 0;
}

int body_read_tokenize(struct arena *arena, struct str body, struct str *content, bool *add_special,
                       struct refusal *error)
{
    struct fields f;
    *content = STR_NULL;
    *add_special = false;
    int err = fields_begin(&f, arena, body, 0, error);
    if (!err) err = fields_str(&f, "content", content);
    if (!err) err = fields_bool(&f, "add_special", add_special);
    if (!err && !content->ptr) err = fields_missing(&f, "content");
    return err;
}

int body_read_detokenize(struct arena *arena, struct str body, uint32_t vocab,
                         struct body_prompt *out, struct refusal *error)
{
    struct fields f;
    int err = fields_begin(&f, arena, body, vocab, error);
    if (err) return err;
    const struct json *v = json_get(f.body, "tokens");
    if (json_type(v) != JSON_ARRAY) return fields_wrong_type(&f, "tokens", "an array of tokens");
    return fields_tokens(&f, "tokens", v, out);
}
