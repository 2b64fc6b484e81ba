/* SPDX-License-Identifier: Apache-2.0 */
/* A request as a chat. docs/dialects.md tells what becomes of each field. */
#include "dialect/responses/responses.h"
#include "dialect/responses/responses_priv.h"

#include <errno.h>

#include "base/err.h"
#include "dialect/shapes.h"

enum { TEXT_MAX = 512 << 20 }; /* one text of a request; what clients send has its own limit */

/* --- fields that chat has, too --- */

static const struct field {
    const char *name;
    enum json_type type; /* JSON_NONE: the runtime judges it */
    const char *wanted;
    const char *as; /* NULL: the same name */
} fields[] = {
    {"max_output_tokens", JSON_NUMBER, "an integer", "max_tokens"},
    {"temperature", JSON_NUMBER, "a number", NULL},
    {"top_p", JSON_NUMBER, "a number", NULL},
    {"user", JSON_STRING, "a string", NULL},
    {"safety_identifier", JSON_STRING, "a string", NULL},
    {"metadata", JSON_OBJECT, "an object", NULL},
    {"prompt_cache_key", JSON_STRING, "a string", NULL},
    {"prompt_cache_retention", JSON_STRING, "a string", NULL},
    {"service_tier", JSON_STRING, "a string", NULL},
    /* Runtimes' own, which Responses does not have. */
    {"top_k", JSON_NONE, NULL, NULL},
    {"min_p", JSON_NONE, NULL, NULL},
    {"repetition_penalty", JSON_NONE, NULL, NULL},
    {"presence_penalty", JSON_NONE, NULL, NULL},
    {"frequency_penalty", JSON_NONE, NULL, NULL},
    {"seed", JSON_NONE, NULL, NULL},
    {"stop", JSON_NONE, NULL, NULL},
    {"logit_bias", JSON_NONE, NULL, NULL},
    {"chat_template_kwargs", JSON_NONE, NULL, NULL},
};

static int write_fields(struct asking *a)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const struct json *v = json_get(a->body, fields[i].name);
        if (responses__absent(v)) continue;
        if (fields[i].type && json_type(v) != fields[i].type)
            return responses__wrong(a, fields[i].name, fields[i].wanted);
        json_write_key(a->w, fields[i].as ? fields[i].as : fields[i].name);
        json_write_json(a->w, v);
    }
    return 0;
}

/* --- fields that chat calls otherwise --- */

/* An object's member that is a string, if it is there: for a string of chat. */
static int write_string(struct asking *a, const char *object, const char *name, const char *as)
{
    const struct json *v = json_get(a->body, object), *member = json_get(v, name);
    struct str text;
    if (responses__absent(v)) return 0;
    if (json_type(v) != JSON_OBJECT) return responses__wrong(a, object, "an object");
    if (responses__absent(member)) return 0;
    if (!json_to_str(member, &text))
        return responses__wrong(a, responses__path(a, "%s.%s", object, name), "a string");
    json_write_str_member(a->w, as, text);
    return 0;
}

static void write_schema(struct asking *a, const struct json *format)
{
    static const char *const names[] = {"name", "description", "schema", "strict"};
    json_write_key(a->w, "json_schema");
    json_write_object(a->w);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct json *v = json_get(format, names[i]);
        if (responses__absent(v)) continue;
        json_write_key(a->w, names[i]);
        json_write_json(a->w, v);
    }
    json_write_object_end(a->w);
}

static int write_format(struct asking *a)
{
    const struct json *format = json_get(json_get(a->body, "text"), "format");
    struct str type = json_str_or(format, "type", STR(""));
    bool schema = str_eq(type, STR("json_schema"));
    if (responses__absent(format) || str_eq(type, STR("text"))) return 0;
    if (!schema && !str_eq(type, STR("json_object")))
        return responses__wrong(a, "text.format.type", "text, json_object or json_schema");
    if (schema && json_type(json_get(format, "schema")) != JSON_OBJECT)
        return responses__wrong(a, "text.format.schema", "an object");
    json_write_key(a->w, "response_format");
    json_write_object(a->w);
    json_write_str_member(a->w, "type", type);
    if (schema) write_schema(a, format);
    json_write_object_end(a->w);
    return 0;
}

static bool includes(const struct json *body, struct str what)
{
    struct json_iter it = {0};
    const struct json *list = json_get(body, "include"), *v;
    struct str text;
    while (json_next_item(list, &it, &v))
        if (json_to_str(v, &text) && str_eq(text, what)) return true;
    return false;
}

static bool wants_logprobs(const struct json *body)
{
    return includes(body, STR("message.output_text.logprobs")) ||
           json_i64_or(body, "top_logprobs", 0) > 0;
}

static int write_logprobs(struct asking *a)
{
    const struct json *top = json_get(a->body, "top_logprobs");
    if (!responses__absent(top) && json_type(top) != JSON_NUMBER)
        return responses__wrong(a, "top_logprobs", "an integer");
    if (!wants_logprobs(a->body)) return 0;
    json_write_bool_member(a->w, "logprobs", true);
    if (responses__absent(top)) return 0;
    json_write_key(a->w, "top_logprobs");
    json_write_json(a->w, top);
    return 0;
}

static int write_parallel(struct asking *a)
{
    const struct json *v = json_get(a->body, "parallel_tool_calls");
    bool parallel;
    if (responses__absent(v)) return 0;
    if (!json_to_bool(v, &parallel))
        return responses__wrong(a, "parallel_tool_calls", "true or false");
    if (responses__has_offers(a)) json_write_bool_member(a->w, "parallel_tool_calls", parallel);
    return 0;
}

/* --- what cannot be had --- */

static int check_stored(struct asking *a)
{
    const struct responses_past *past = a->t->past;
    if (responses__absent(json_get(a->body, "previous_response_id"))) return 0;
    if (past && past->before_count) return 0;
    int err = pivot_refuse(a->t, a->why, "previous_response_id",
                           "The previous response is not stored here; send its items as 'input'.");
    a->why->code = "previous_response_not_found";
    return err;
}

static int check_unsupported(struct asking *a)
{
    static const char *const names[] = {"conversation", "prompt"};
    bool background = json_bool_or(a->body, "background", false);
    if (background)
        return pivot_refuse(a->t, a->why, "background",
                            "Responses in the background are not supported.");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!responses__absent(json_get(a->body, names[i])))
            return pivot_refuse(a->t, a->why, names[i], "'%s' is not supported.", names[i]);
    int err = shapes_refuse_foreign(a->t, a->body, "text.format", a->why);
    return err ? err : check_stored(a);
}

static int check_input(struct asking *a)
{
    bool some = !responses__absent(json_get(a->body, "input")) ||
                !responses__absent(json_get(a->body, "instructions"));
    if (some || a->t->past) return 0;
    return pivot_refuse(a->t, a->why, "input", "The field 'input' is missing.");
}

static void drop_fields(struct asking *a)
{
    static const char *const names[] = {"context_management", "moderation", "max_tool_calls"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!responses__absent(json_get(a->body, names[i]))) pivot_drop(a->t, names[i]);
    if (str_eq(json_str_or(a->body, "truncation", STR("")), STR("auto")))
        pivot_drop(a->t, "truncation");
}

/* --- what the answer needs --- */

static bool is_plain(const struct tool_name *name)
{
    return name->kind == TOOL_FUNCTION && name->space.len == 0 && str_eq(name->name, name->flat);
}

/* False: no memory. */
static bool dup_name(struct arena *arena, const struct tool_name *from, struct tool_name *to)
{
    *to = (struct tool_name){.kind = from->kind,
                             .space = arena_try_dup(arena, from->space),
                             .name = arena_try_dup(arena, from->name),
                             .flat = arena_try_dup(arena, from->flat)};
    return to->space.ptr && to->name.ptr && to->flat.ptr;
}

static int keep_names(struct asking *a, struct responses_memo *memo)
{
    size_t count = 0;
    for (const struct offer *o = a->offers; o; o = o->next)
        count += !is_plain(&o->name->is);
    if (count == 0) return 0;
    struct tool_name *names = arena_try(a->t->arena, count * sizeof *names);
    if (!names) return -ENOMEM;
    for (const struct offer *o = a->offers; o; o = o->next)
        if (!is_plain(&o->name->is))
            if (!dup_name(a->t->arena, &o->name->is, &names[memo->name_count++])) return -ENOMEM;
    memo->names = names;
    return 0;
}

static bool wants_summary(const struct json *body)
{
    const struct json *reasoning = json_get(body, "reasoning");
    struct str summary = json_str_or(reasoning, "generate_summary", STR("none"));
    return !str_eq(json_str_or(reasoning, "summary", summary), STR("none"));
}

static int keep_memo(struct asking *a)
{
    struct responses_memo *memo = arena_try_zero(a->t->arena, sizeof *memo);
    if (!memo) return -ENOMEM;
    memo->summary = wants_summary(a->body);
    memo->sealed = includes(a->body, STR("reasoning.encrypted_content"));
    memo->logprobs = wants_logprobs(a->body);
    int err = responses__keep_settings(a->t, a->body, memo);
    if (!err) err = keep_names(a, memo);
    a->t->memo = memo;
    return err;
}

/* --- all --- */

static int write_chat(struct asking *a, struct str model)
{
    json_write_object(a->w);
    json_write_str_member(a->w, "model", model);
    int err = responses__write_messages(a);
    if (!err) err = responses__write_tools(a);
    if (!err) err = responses__write_choice(a);
    if (!err) err = write_parallel(a);
    if (!err) err = write_fields(a);
    if (!err) err = write_string(a, "reasoning", "effort", "reasoning_effort");
    if (!err) err = write_string(a, "text", "verbosity", "verbosity");
    if (!err) err = write_format(a);
    if (!err) err = write_logprobs(a);
    if (err) return err;
    shapes_carry(a->body, a->w);
    pivot_write_stream(a->t, a->w);
    json_write_object_end(a->w);
    return 0;
}

static int translate(struct asking *a, struct str model)
{
    int err = check_unsupported(a);
    if (!err) err = check_input(a);
    if (!err) err = responses__collect_items(a);
    if (!err) err = responses__collect_tools(a);
    if (!err) err = responses__read_choice(a);
    if (!err) err = write_chat(a, model);
    if (err) return err;
    drop_fields(a);
    return keep_memo(a);
}

int responses_to_pivot(struct translation *t, struct str model, const struct json *body,
                       struct json_writer *chat, struct refusal *why)
{
    struct asking a = {.t = t, .body = body, .w = chat, .why = why};
    if (json_type(body) != JSON_OBJECT)
        return pivot_refuse(t, why, NULL, "The request body must be a JSON object.");
    arena_init(&a.scratch, SIZE_MAX, 8192);
    buf_init(&a.text, TEXT_MAX);
    buf_init(&a.other, TEXT_MAX);
    names_init(&a.names, &a.scratch);
    a.offers_end = &a.offers;
    int err = translate(&a, model);
    buf_fini(&a.text);
    buf_fini(&a.other);
    arena_fini(&a.scratch);
    return err == ERR_TOO_LARGE ? -ENOMEM : err;
}
