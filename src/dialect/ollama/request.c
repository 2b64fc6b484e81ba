/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/ollama/request.h"

#include "base/err.h"
#include "dialect/ollama/ollama_priv.h"
#include "dialect/shapes.h"

static int refuse(struct ollama__request *r, const char *name, const char *should)
{
    return ollama__refuse(r, OLLAMA__OUTERMOST, name, should);
}

static void begin(struct ollama__request *r, struct str model)
{
    json_write_object(r->w);
    json_write_str_member(r->w, "model", model);
}

/* Ends what went well so far. */
static int end(struct ollama__request *r, int err)
{
    if (err) return err;
    pivot_write_stream(r->t, r->w);
    json_write_object_end(r->w);
    return 0;
}

/* --- what chats and prompts have in common --- */

static int write_schema(struct ollama__request *r, const struct json *schema)
{
    json_write_key(r->w, "response_format");
    json_write_object(r->w);
    json_write_str_member(r->w, "type", STR("json_schema"));
    json_write_key(r->w, "json_schema");
    json_write_object(r->w);
    json_write_str_member(r->w, "name", STR("format"));
    json_write_key(r->w, "schema");
    json_write_json(r->w, schema);
    json_write_object_end(r->w);
    json_write_object_end(r->w);
    return 0;
}

static int write_format(struct ollama__request *r)
{
    const struct json *format = json_get(r->body, "format");
    struct str word = STR("");
    if (json_type(format) == JSON_OBJECT) return write_schema(r, format);
    if (ollama__absent(format) || (json_to_str(format, &word) && word.len == 0)) return 0;
    if (!str_eq(word, STR("json"))) return refuse(r, "format", "'json' or a JSON schema");
    json_write_key(r->w, "response_format");
    json_write_object(r->w);
    json_write_str_member(r->w, "type", STR("json_object"));
    json_write_object_end(r->w);
    return 0;
}

static int write_shape(struct ollama__request *r)
{
    int err = shapes_refuse_foreign(r->t, r->body, "format", r->why);
    if (!err) err = write_format(r);
    if (!err) shapes_carry(r->body, r->w);
    return err;
}

/* Ollama takes plain "true" for its medium level, too. */
static int write_think(struct ollama__request *r)
{
    static const struct str levels[] = {STR_INIT("none"),   STR_INIT("minimal"), STR_INIT("low"),
                                        STR_INIT("medium"), STR_INIT("high"),    STR_INIT("xhigh"),
                                        STR_INIT("max")};
    const struct json *think = json_get(r->body, "think");
    struct str level = STR("");
    bool thinks, known = false;
    if (ollama__absent(think)) return 0;
    if (json_to_bool(think, &thinks)) level = thinks ? STR("medium") : STR("none");
    if (json_to_str(think, &level) && level.len == 0) return 0;
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        known = known || str_eq(levels[i], level);
    if (!known) return refuse(r, "think", "true, false, 'low', 'medium', 'high' or 'max'");
    json_write_str_member(r->w, "reasoning_effort", level);
    return 0;
}

static int write_logprobs(struct ollama__request *r)
{
    bool wanted = false;
    int64_t top = 0;
    const struct json *v = json_get(r->body, "top_logprobs");
    int err = ollama__flag(r, "logprobs", &wanted);
    if (err) return err;
    if (!ollama__absent(v) && (!json_to_i64(v, &top) || top < 0 || top > 20))
        return refuse(r, "top_logprobs", "an integer between 0 and 20");
    if (!wanted) return 0;
    json_write_bool_member(r->w, "logprobs", true);
    if (top) json_write_i64_member(r->w, "top_logprobs", top);
    return 0;
}

static int write_wishes(struct ollama__request *r)
{
    int err = write_shape(r);
    if (!err) err = ollama__write_options(r);
    if (!err) err = write_think(r);
    return err ? err : write_logprobs(r);
}

/* --- chat --- */

static int write_tool(struct ollama__request *r, unsigned index, const struct json *tool)
{
    const struct json *function = json_get(tool, "function");
    if (json_type(function) != JSON_OBJECT)
        return refuse(r, arena_say(r->t->arena, "tools[%u].function", index).ptr, "an object");
    json_write_object(r->w);
    json_write_str_member(r->w, "type", STR("function"));
    json_write_key(r->w, "function");
    json_write_json(r->w, function);
    json_write_object_end(r->w);
    return 0;
}

static int write_tools(struct ollama__request *r)
{
    const struct json *tools = json_get(r->body, "tools"), *tool;
    struct json_iter it = {0};
    int err = 0;
    if (!ollama__absent(tools) && json_type(tools) != JSON_ARRAY)
        return refuse(r, "tools", "a list");
    if (json_count(tools) == 0) return 0;
    json_write_key(r->w, "tools");
    json_write_array(r->w);
    for (unsigned i = 0; !err && json_next_item(tools, &it, &tool); i++)
        err = write_tool(r, i, tool);
    json_write_array_end(r->w);
    return err;
}

int ollama_chat_to_pivot(struct translation *t, struct str model, const struct json *body,
                         struct json_writer *chat, struct refusal *why)
{
    struct ollama__request r = {.t = t, .body = body, .w = chat, .why = why};
    begin(&r, model);
    int err = ollama__write_messages(&r);
    if (!err) err = write_tools(&r);
    if (!err) err = write_wishes(&r);
    return end(&r, err);
}

/* --- generate --- */

/* Refuses a text or list that has something in it: what it would do, no runtime can be told. */
static int refuse_some(struct ollama__request *r, const char *name, const char *because)
{
    const struct json *v = json_get(r->body, name);
    struct str text = STR("");
    bool some = json_count(v) || (json_to_str(v, &text) && text.len);
    if (!some) return 0;
    return pivot_refuse(r->t, r->why, name, "'%s' %s.", name, because);
}

#define OWN_TEMPLATE \
    "cannot be replaced here: the runtime has the model's template. Use 'raw' to send a whole prompt"
#define OWN_CONTEXT "cannot be passed on: send the conversation to /api/chat instead"
#define NOT_RAW "has no place in a prompt that is passed as it is"

int ollama_generate_to_pivot(struct translation *t, struct str model, const struct json *body,
                             struct json_writer *chat, struct refusal *why)
{
    struct ollama__request r = {.t = t, .body = body, .w = chat, .why = why};
    begin(&r, model);
    int err = refuse_some(&r, "template", OWN_TEMPLATE);
    if (!err) err = refuse_some(&r, "context", OWN_CONTEXT);
    if (!err) err = ollama__write_prompt(&r);
    if (!err) err = write_wishes(&r);
    return end(&r, err);
}

/* What only a chat can have. A prompt with a suffix is none either, but clients may send its system
 * prompt along, which Ollama does not use then. */
static int check_raw(struct ollama__request *r)
{
    bool raw = false, logprobs = false;
    int err = ollama__flag(r, "raw", &raw);
    if (!err) err = refuse_some(r, "template", raw ? NOT_RAW : OWN_TEMPLATE);
    if (!err) err = refuse_some(r, "context", raw ? NOT_RAW : OWN_CONTEXT);
    if (!err) err = refuse_some(r, "images", NOT_RAW);
    if (!err && raw) err = refuse_some(r, "system", NOT_RAW);
    if (!err) err = ollama__flag(r, "logprobs", &logprobs);
    if (err) return err;
    if (logprobs)
        return pivot_refuse(r->t, r->why, "logprobs", "'logprobs' cannot be told of raw prompts.");
    if (!raw && !ollama__absent(json_get(r->body, "system"))) pivot_drop(r->t, "system");
    if (!ollama__absent(json_get(r->body, "think"))) pivot_drop(r->t, "think");
    return 0;
}

int ollama_raw_to_pivot(struct translation *t, struct str model, const struct json *body,
                        struct json_writer *completion, struct refusal *why)
{
    struct ollama__request r = {.t = t, .body = body, .w = completion, .why = why};
    struct str prompt = STR(""), suffix = STR("");
    int err = check_raw(&r);
    if (!err) err = ollama__text(&r, body, OLLAMA__OUTERMOST, "prompt", &prompt);
    if (!err) err = ollama__text(&r, body, OLLAMA__OUTERMOST, "suffix", &suffix);
    if (err) return err;
    begin(&r, model);
    json_write_str_member(completion, "prompt", prompt);
    if (suffix.len) json_write_str_member(completion, "suffix", suffix);
    err = write_shape(&r);
    if (!err) err = ollama__write_options(&r);
    return end(&r, err);
}

/* --- embeddings --- */

static bool is_texts(const struct json *v)
{
    struct json_iter it = {0};
    const struct json *item;
    bool texts = json_type(v) == JSON_STRING || json_type(v) == JSON_ARRAY;
    while (texts && json_next_item(v, &it, &item))
        texts = json_type(item) == JSON_STRING;
    return texts;
}

static int end_embedding(struct ollama__request *r, const struct json *input)
{
    json_write_key(r->w, "input");
    json_write_json(r->w, input);
    json_write_str_member(r->w, "encoding_format", STR("float"));
    json_write_object_end(r->w);
    return 0;
}

int ollama_embed_to_pivot(struct translation *t, struct str model, const struct json *body,
                          struct json_writer *embedding, struct refusal *why)
{
    struct ollama__request r = {.t = t, .body = body, .w = embedding, .why = why};
    const struct json *input = json_get(body, "input"), *length = json_get(body, "dimensions");
    int64_t dimensions = 0;
    if (!is_texts(input)) return refuse(&r, "input", "a string or a list of strings");
    if (!ollama__absent(length) && !json_to_i64(length, &dimensions))
        return refuse(&r, "dimensions", "an integer");
    begin(&r, model);
    if (dimensions > 0) json_write_i64_member(embedding, "dimensions", dimensions);
    return end_embedding(&r, input);
}

int ollama_embeddings_to_pivot(struct translation *t, struct str model, const struct json *body,
                               struct json_writer *embedding, struct refusal *why)
{
    struct ollama__request r = {.t = t, .body = body, .w = embedding, .why = why};
    const struct json *prompt = json_get(body, "prompt");
    if (json_type(prompt) != JSON_STRING) return refuse(&r, "prompt", "a string");
    begin(&r, model);
    return end_embedding(&r, prompt);
}
