/* SPDX-License-Identifier: Apache-2.0 */
/* A request of Messages as a chat: the fields around its messages and tools. */
#include <errno.h>

#include "base/err.h"
#include "dialect/anthropic/anthropic_priv.h"
#include "dialect/anthropic/messages.h"
#include "dialect/anthropic/request_priv.h"
#include "dialect/shapes.h"

enum {
    TEXT_MAX = 512 << 20, /* one text of a request, which has a limit of its own */
    USER_MAX = 64,        /* OpenAI's limit for the name of a user */
};

/* --- fields --- */

static int put_max_tokens(struct request *q, const struct json *v)
{
    int64_t n;
    if (!json_to_i64(v, &n) || n < 1)
        return anthropic__refuse(q, NULL, "max_tokens", "must be there, an integer above 0");
    json_write_i64_member(q->w, "max_tokens", n);
    return 0;
}

static int put_share(struct request *q, const char *name, const struct json *v)
{
    double x;
    if (!json_to_double(v, &x) || x < 0 || x > 1)
        return anthropic__refuse(q, NULL, name, "must be a number between 0 and 1");
    json_write_key(q->w, name);
    json_write_json(q->w, v);
    return 0;
}

static int put_temperature(struct request *q, const struct json *v)
{
    return put_share(q, "temperature", v);
}

static int put_top_p(struct request *q, const struct json *v)
{
    return put_share(q, "top_p", v);
}

static int put_top_k(struct request *q, const struct json *v)
{
    int64_t n;
    if (!json_to_i64(v, &n) || n < 0)
        return anthropic__refuse(q, NULL, "top_k", "must be an integer, 0 or above");
    json_write_i64_member(q->w, "top_k", n);
    return 0;
}

static int put_stop(struct request *q, const struct json *list)
{
    struct json_iter it = {0};
    const struct json *v;
    struct str text;
    if (json_type(list) != JSON_ARRAY)
        return anthropic__refuse(q, NULL, "stop_sequences", "must be a list of strings");
    if (json_count(list) == 0) return 0;
    json_write_key(q->w, "stop");
    json_write_array(q->w);
    for (size_t i = 0; json_next_item(list, &it, &v); i++) {
        struct place at = {.name = "stop_sequences", .index = i};
        if (!json_to_str(v, &text) || text.len == 0)
            return anthropic__refuse(q, &at, NULL, "must be a string, and not empty");
        json_write_str(q->w, text);
    }
    json_write_array_end(q->w);
    return 0;
}

/* Longer ids, such as Claude Code's, are refused by some who have a limit. */
static int put_user(struct request *q, const struct json *metadata)
{
    struct place at = {.name = "metadata", .index = NO_INDEX};
    struct str user = STR("");
    if (json_type(metadata) != JSON_OBJECT)
        return anthropic__refuse(q, NULL, "metadata", "must be an object");
    int err = anthropic__str_or(q, &at, metadata, "user_id", &user);
    if (err || user.len == 0) return err;
    if (user.len > USER_MAX)
        pivot_drop(q->t, "metadata.user_id");
    else
        json_write_str_member(q->w, "user", user);
    return 0;
}

static int put_service_tier(struct request *q, const struct json *v)
{
    struct str tier;
    if (!json_to_str(v, &tier))
        return anthropic__refuse(q, NULL, "service_tier", "must be a string");
    if (str_eq(tier, STR("standard_only")))
        json_write_str_member(q->w, "service_tier", STR("default"));
    else if (str_eq(tier, STR("auto")))
        json_write_str_member(q->w, "service_tier", tier);
    else
        pivot_drop(q->t, "service_tier");
    return 0;
}

/* A conversation that the server was to keep. By the code SDKs know that they must send all of it each
 * time, and do so. */
static int put_thread(struct request *q, const struct json *v UNUSED)
{
    int err =
        anthropic__refuse(q, NULL, "thread", "cannot be had here: conversations are not kept");
    q->why->code = ANTHROPIC_NO_THREADS;
    return err;
}

/* --- thinking --- */

/* How much is thought within a budget; dialects that have words have no budgets. */
static struct str effort_within(int64_t budget)
{
    if (budget < 4096) return STR("low");
    return budget < 16384 ? STR("medium") : STR("high");
}

static int read_budget(struct request *q, const struct json *thinking, struct str *effort)
{
    struct place at = {.name = "thinking", .index = NO_INDEX};
    int64_t budget;
    if (!json_to_i64(json_get(thinking, "budget_tokens"), &budget) || budget < 1)
        return anthropic__refuse(q, &at, "budget_tokens", "must be an integer above 0");
    *effort = effort_within(budget);
    return 0;
}

/* What `thinking` says of the effort; it may say nothing. */
static int read_thinking(struct request *q, struct str *effort)
{
    static const struct messages_memo no_thinking = {.no_thinking = true};
    const struct json *thinking = json_get(q->body, "thinking");
    struct place at = {.name = "thinking", .index = NO_INDEX};
    struct str type;
    if (anthropic__absent(thinking)) return 0;
    int err = anthropic__str(q, &at, thinking, "type", &type);
    if (err) return err;
    if (str_eq(type, STR("enabled"))) return read_budget(q, thinking, effort);
    if (str_eq(type, STR("adaptive")) || str_eq(type, STR("between_tools"))) return 0;
    if (!str_eq(type, STR("disabled")))
        return anthropic__refuse(q, &at, "type", "must be enabled, adaptive or disabled");
    q->t->memo = &no_thinking;
    *effort = STR("none");
    return 0;
}

/* Words of Anthropic's that are OpenAI's too. */
static bool is_effort(struct str s)
{
    static const struct str words[] = {STR_INIT("low"), STR_INIT("medium"), STR_INIT("high"),
                                       STR_INIT("xhigh"), STR_INIT("max")};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq(s, words[i])) return true;
    return false;
}

/* An effort that is named goes before a budget, but not before thinking that is off. */
static int put_effort(struct request *q)
{
    struct place at = {.name = "output_config", .index = NO_INDEX};
    struct str said = STR(""), effort = STR("");
    int err = anthropic__str_or(q, &at, json_get(q->body, "output_config"), "effort", &said);
    if (!err && said.len && !is_effort(said))
        err = anthropic__refuse(q, &at, "effort", "must be low, medium, high, xhigh or max");
    if (!err) err = read_thinking(q, &effort);
    if (err) return err;
    if (said.len && !str_eq(effort, STR("none"))) effort = said;
    if (effort.len) json_write_str_member(q->w, "reasoning_effort", effort);
    return 0;
}

/* --- what the answer looks like --- */

static int put_format(struct request *q, const struct place *at, const char *name,
                      const struct json *format)
{
    struct place inner = {.outer = at, .name = name, .index = NO_INDEX};
    const struct json *schema = json_get(format, "schema");
    struct str type;
    if (anthropic__absent(format)) return 0;
    int err = anthropic__str(q, &inner, format, "type", &type);
    if (err) return err;
    if (!str_eq(type, STR("json_schema")))
        return anthropic__refuse(q, &inner, "type", "must be json_schema");
    if (json_type(schema) != JSON_OBJECT)
        return anthropic__refuse(q, &inner, "schema", "must be an object");
    json_write_key(q->w, "response_format");
    json_write_object(q->w);
    json_write_str_member(q->w, "type", type);
    json_write_key(q->w, "json_schema");
    json_write_object(q->w);
    json_write_str_member(q->w, "name", STR("answer"));
    json_write_bool_member(q->w, "strict", true);
    json_write_key(q->w, "schema");
    json_write_json(q->w, schema);
    json_write_object_end(q->w);
    json_write_object_end(q->w);
    return 0;
}

/* The format has an older name, too, from when it was new. */
static int put_output(struct request *q)
{
    struct place at = {.name = "output_config", .index = NO_INDEX};
    const struct json *config = json_get(q->body, "output_config");
    const struct json *format = json_get(config, "format");
    if (!anthropic__absent(config) && json_type(config) != JSON_OBJECT)
        return anthropic__refuse(q, NULL, "output_config", "must be an object");
    if (!anthropic__absent(json_get(config, "task_budget")))
        pivot_drop(q->t, "output_config.task_budget");
    if (anthropic__absent(format))
        return put_format(q, NULL, "output_format", json_get(q->body, "output_format"));
    return put_format(q, &at, "format", format);
}

/* --- all of it --- */

/* How an answer is made, which does not matter where tokens are counted. */
static int put_making(struct request *q)
{
    static const struct {
        const char *name;
        int (*put)(struct request *q, const struct json *v);
    } fields[] = {
        {"temperature", put_temperature},
        {"top_p", put_top_p},
        {"top_k", put_top_k},
        {"stop_sequences", put_stop},
        {"metadata", put_user},
        {"service_tier", put_service_tier},
    };
    int err = put_max_tokens(q, json_get(q->body, "max_tokens"));
    for (size_t i = 0; !err && i < ARRAY_LEN(fields); i++) {
        const struct json *v = json_get(q->body, fields[i].name);
        if (!anthropic__absent(v)) err = fields[i].put(q, v);
    }
    if (err) return err;
    shapes_carry(q->body, q->w);
    pivot_write_stream(q->t, q->w);
    return 0;
}

static int put_all(struct request *q)
{
    static const char *const dropped[] = {
        "cache_control", "container", "context_management", "mcp_servers", "compaction",
        "inference_geo", "speed",     "fallbacks",          "diagnostics", NULL};
    const struct json *thread = json_get(q->body, "thread");
    anthropic__drop(q, q->body, dropped);
    int err = anthropic__absent(thread) ? 0 : put_thread(q, thread);
    if (!err) err = anthropic__put_messages(q);
    if (!err) err = anthropic__put_tools(q);
    if (!err) err = shapes_refuse_foreign(q->t, q->body, "output_config.format", q->why);
    if (!err) err = put_output(q);
    if (!err) err = put_effort(q);
    if (!err && q->t->asked != SURFACE_COUNT_MESSAGES) err = put_making(q);
    return err;
}

int anthropic_to_pivot(struct translation *t, struct str model, const struct json *body,
                       struct json_writer *chat, struct refusal *why)
{
    struct request q = {.t = t, .body = body, .w = chat, .why = why};
    if (json_type(body) != JSON_OBJECT)
        return pivot_refuse(t, why, NULL, "The request body must be a JSON object.");
    q.messages = json_get(body, "messages");
    buf_init(&q.text, TEXT_MAX);
    arena_init(&q.arena, SIZE_MAX, 1024);
    json_write_object(chat);
    json_write_str_member(chat, "model", model);
    int err = put_all(&q);
    if (!err) json_write_object_end(chat);
    arena_fini(&q.arena);
    buf_fini(&q.text);
    return err == ERR_TOO_LARGE ? -ENOMEM : err;
}
