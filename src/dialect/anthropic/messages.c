/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of a request as those of a chat.
 *
 * Results of tools are messages of their own there, and stand behind the message that called. So
 * with an assistant's message that calls go all results which those behind it have, up to the next
 * of the assistant's; what else these have stays where it is. */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "dialect/anthropic/request_priv.h"

/* A call of the present turn. Those of one id, which should be one, stand together. */
struct call {
    struct str id;
    size_t order;
    size_t same;     /* calls of this id; these three of the first of them only */
    size_t answered; /* of them, by results that got messages */
    size_t passed;   /* of these, by results that were met again in their own messages */
};

struct turn {
    struct call *calls; /* by id; on the request's arena */
    size_t count;
};

/* One message. */
struct message {
    struct place at;
    const struct json *v;
    const struct json *content;
    struct str role;
};

/* --- calls --- */

static int compare_calls(const void *a, const void *b)
{
    const struct call *x = a, *y = b;
    int by_id = str_cmp(x->id, y->id);
    return by_id ? by_id : (x->order > y->order) - (x->order < y->order);
}

/* The first call of an id, or NULL. */
static struct call *find_call(const struct turn *turn, struct str id)
{
    size_t low = 0, high = turn->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_cmp(turn->calls[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < turn->count && str_eq(turn->calls[low].id, id);
    return found ? &turn->calls[low] : NULL;
}

static void group_calls(struct turn *turn)
{
    struct call *first = turn->calls;
    qsort(turn->calls, turn->count, sizeof *turn->calls, compare_calls);
    for (size_t i = 0; i < turn->count; i++) {
        if (!str_eq(turn->calls[i].id, first->id)) first = &turn->calls[i];
        first->same++;
    }
}

static bool is_block(const struct json *block, const char *type)
{
    return str_eq(json_str_or(block, "type", STR_NULL), str_of(type));
}

static size_t count_blocks(const struct json *content, const char *type)
{
    struct json_iter it = {0};
    const struct json *block;
    size_t n = 0;
    while (json_next_item(content, &it, &block))
        n += is_block(block, type);
    return n;
}

/* --- an assistant's message --- */

/* Thoughts as one text in q->text. Empty ones have a signature only, which a chat has no use for. */
static int join_thinking(struct request *q, const struct message *m)
{
    struct json_iter it = {0};
    const struct json *block;
    struct str text;
    int err = 0;
    buf_clear(&q->text);
    for (size_t i = 0; !err && json_next_item(m->content, &it, &block); i++) {
        struct place at = {.outer = &m->at, .name = "content", .index = i};
        if (!is_block(block, "thinking")) continue;
        err = anthropic__str(q, &at, block, "thinking", &text);
        if (!err && text.len && buf_len(&q->text)) err = buf_append(&q->text, STR("\n"));
        if (!err) err = buf_append(&q->text, text);
    }
    return err;
}

static int put_thinking(struct request *q, const struct message *m)
{
    int err = join_thinking(q, m);
    if (!err && buf_len(&q->text))
        json_write_str_member(q->w, "reasoning_content", buf_str(&q->text));
    return err;
}

/* An object as text in a string. */
static int put_input(struct request *q, const struct place *at, const struct json *input)
{
    struct json_writer w;
    if (!anthropic__absent(input) && json_type(input) != JSON_OBJECT)
        return anthropic__refuse(q, at, "input", "must be an object");
    buf_clear(&q->text);
    json_write_init(&w, &q->text);
    if (anthropic__absent(input))
        json_write_raw(&w, STR("{}"));
    else
        json_write_json(&w, input);
    int err = json_write_end(&w);
    json_write_str_member(q->w, "arguments", buf_str(&q->text));
    return err;
}

static int put_call(struct request *q, const struct place *at, const struct json *block,
                    struct call *call)
{
    static const char *const dropped[] = {"toolset_name", NULL};
    struct str name;
    int err = anthropic__str(q, at, block, "id", &call->id);
    if (!err) err = anthropic__str(q, at, block, "name", &name);
    if (err) return err;
    anthropic__drop(q, block, dropped);
    json_write_object(q->w);
    json_write_str_member(q->w, "id", call->id);
    json_write_str_member(q->w, "type", STR("function"));
    json_write_key(q->w, "function");
    json_write_object(q->w);
    json_write_str_member(q->w, "name", name);
    err = put_input(q, at, json_get(block, "input"));
    if (err) return err;
    json_write_object_end(q->w);
    json_write_object_end(q->w);
    return 0;
}

static int put_calls(struct request *q, const struct message *m, struct turn *turn)
{
    struct json_iter it = {0};
    const struct json *block;
    size_t n = 0;
    int err = 0;
    turn->calls = arena_try_zero(&q->arena, turn->count * sizeof *turn->calls);
    if (!turn->calls) return -ENOMEM;
    json_write_key(q->w, "tool_calls");
    json_write_array(q->w);
    for (size_t i = 0; !err && json_next_item(m->content, &it, &block); i++) {
        struct place at = {.outer = &m->at, .name = "content", .index = i};
        if (!is_block(block, "tool_use")) continue;
        turn->calls[n].order = n;
        err = put_call(q, &at, block, &turn->calls[n++]);
    }
    if (err) return err;
    json_write_array_end(q->w);
    group_calls(turn);
    return 0;
}

static int put_assistant(struct request *q, const struct message *m, struct turn *turn)
{
    struct content c = {.q = q, .in = IN_ASSISTANT};
    arena_reset(&q->arena);
    *turn = (struct turn){.count = count_blocks(m->content, "tool_use")};
    int err = anthropic__put_text(&c, &m->at, "content", STR(""), m->content);
    if (err) return err;
    json_write_object(q->w);
    json_write_str_member(q->w, "role", m->role);
    if (turn->count && buf_len(&q->text) == 0)
        json_write_null_member(q->w, "content");
    else
        json_write_str_member(q->w, "content", buf_str(&q->text));
    err = put_thinking(q, m);
    if (!err && turn->count) err = put_calls(q, m, turn);
    if (!err) json_write_object_end(q->w);
    return err;
}

/* --- results --- */

static void put_tool_message(struct request *q, struct str id, struct str text)
{
    json_write_object(q->w);
    json_write_str_member(q->w, "role", STR("tool"));
    json_write_str_member(q->w, "tool_call_id", id);
    json_write_str_member(q->w, "content", text);
    json_write_object_end(q->w);
}

/* A result becomes a message if a call waits for it. */
static int put_result(struct request *q, struct turn *turn, const struct place *at,
                      const struct json *block)
{
    struct content c = {.q = q, .in = IN_RESULT};
    struct str id, prefix;
    int err = anthropic__str(q, at, block, "tool_use_id", &id);
    if (err) return err;
    struct call *call = find_call(turn, id);
    if (!call || call->answered == call->same) return 0;
    call->answered++;
    err = anthropic__error_prefix(q, at, block, &prefix);
    if (!err) err = anthropic__put_text(&c, at, "content", prefix, json_get(block, "content"));
    if (!err) put_tool_message(q, id, buf_str(&q->text));
    return err;
}

static int put_results_of(struct request *q, struct turn *turn, const struct message *m)
{
    struct json_iter it = {0};
    const struct json *block;
    int err = 0;
    for (size_t i = 0; !err && json_next_item(m->content, &it, &block); i++) {
        struct place at = {.outer = &m->at, .name = "content", .index = i};
        if (is_block(block, "tool_result")) err = put_result(q, turn, &at, block);
    }
    return err;
}

/* A call without a result would be refused by many. */
static void put_missing(struct request *q, const struct turn *turn)
{
    for (size_t i = 0; i < turn->count; i++)
        for (size_t n = turn->calls[i].answered; n < turn->calls[i].same; n++)
            put_tool_message(q, turn->calls[i].id, STR("Error: the tool call has no result."));
}

static struct message message_of(const struct json *v, size_t index)
{
    return (struct message){.at = {.name = "messages", .index = index},
                            .v = v,
                            .content = json_get(v, "content"),
                            .role = json_str_or(v, "role", STR(""))};
}

/* `it` and `index`: what follows the turn's message. */
static int put_results(struct request *q, struct turn *turn, struct json_iter it, size_t index)
{
    const struct json *v;
    int err = 0;
    if (turn->count == 0) return 0;
    for (; !err && json_next_item(q->messages, &it, &v); index++) {
        struct message m = message_of(v, index);
        if (str_eq(m.role, STR("assistant"))) break;
        if (str_eq(m.role, STR("user"))) err = put_results_of(q, turn, &m);
    }
    if (!err) put_missing(q, turn);
    return err;
}

/* --- a user's message --- */

/* Which blocks were put already, as put_result did it: *out, NULL for none. */
static int find_put_results(struct request *q, struct turn *turn, const struct message *m,
                            const bool **out)
{
    struct json_iter it = {0};
    const struct json *block;
    *out = NULL;
    if (turn->count == 0 || count_blocks(m->content, "tool_result") == 0) return 0;
    bool *put = arena_try_zero(&q->arena, json_count(m->content));
    if (!put) return -ENOMEM;
    for (size_t i = 0; json_next_item(m->content, &it, &block); i++) {
        if (!is_block(block, "tool_result")) continue;
        struct call *call = find_call(turn, json_str_or(block, "tool_use_id", STR("")));
        put[i] = call && call->passed < call->answered;
        if (put[i]) call->passed++;
    }
    *out = put;
    return 0;
}

static int put_parts(struct content *c, const struct message *m)
{
    json_write_array(c->q->w);
    c->form = FORM_PARTS;
    int err = anthropic__put_content(c, &m->at, "content", m->content);
    if (!err) json_write_array_end(c->q->w);
    return err;
}

/* One string where all is text, since that is what every runtime takes. */
static int put_user(struct request *q, struct turn *turn, const struct message *m)
{
    struct content c = {.q = q, .in = IN_USER};
    int err = find_put_results(q, turn, m, &c.has_message);
    if (!err) err = anthropic__put_text(&c, &m->at, "content", STR(""), m->content);
    if (err || (c.answered && !c.media && buf_len(&q->text) == 0)) return err;
    json_write_object(q->w);
    json_write_str_member(q->w, "role", m->role);
    json_write_key(q->w, "content");
    if (c.media)
        err = put_parts(&c, m);
    else
        json_write_str(q->w, buf_str(&q->text));
    if (!err) json_write_object_end(q->w);
    return err;
}

/* --- system --- */

static int put_system(struct request *q, const struct place *at, const char *name,
                      const struct json *content)
{
    struct content c = {.q = q, .in = IN_SYSTEM};
    if (anthropic__absent(content)) return 0;
    int err = anthropic__put_text(&c, at, name, STR(""), content);
    if (err || buf_len(&q->text) == 0) return err;
    json_write_object(q->w);
    json_write_str_member(q->w, "role", STR("system"));
    json_write_str_member(q->w, "content", buf_str(&q->text));
    json_write_object_end(q->w);
    return 0;
}

/* One within the messages stays at its place, where it leaves the prefix before it as it was; but
 * one that was for its turn only is left out later. */
static int put_system_message(struct request *q, const struct message *m, size_t last_user)
{
    static const char *const dropped[] = {"output_config", NULL};
    struct str clear_at = STR("");
    int err = anthropic__str_or(q, &m->at, m->v, "clear_at", &clear_at);
    if (err) return err;
    anthropic__drop(q, m->v, dropped);
    if (str_eq(clear_at, STR("next_user_message")) && m->at.index < last_user) return 0;
    return put_system(q, &m->at, "content", m->content);
}

/* --- all messages --- */

/* 0 also when there is none. */
static size_t last_user_of(const struct json *messages)
{
    struct json_iter it = {0};
    const struct json *v;
    size_t last = 0;
    for (size_t i = 0; json_next_item(messages, &it, &v); i++)
        if (str_eq(json_str_or(v, "role", STR("")), STR("user"))) last = i;
    return last;
}

static int put_list(struct request *q)
{
    struct json_iter it = {0};
    const struct json *v;
    struct turn turn = {0};
    size_t last_user = last_user_of(q->messages);
    int err = 0;
    for (size_t i = 0; !err && json_next_item(q->messages, &it, &v); i++) {
        struct message m = message_of(v, i);
        if (str_eq(m.role, STR("user"))) {
            err = put_user(q, &turn, &m);
        } else if (str_eq(m.role, STR("assistant"))) {
            err = put_assistant(q, &m, &turn);
            if (!err) err = put_results(q, &turn, it, i + 1);
        } else if (str_eq(m.role, STR("system"))) {
            err = put_system_message(q, &m, last_user);
        } else {
            err = anthropic__refuse(q, &m.at, "role", "must be user, assistant or system");
        }
    }
    return err;
}

int anthropic__put_messages(struct request *q)
{
    if (json_type(q->messages) != JSON_ARRAY || json_count(q->messages) == 0)
        return anthropic__refuse(q, NULL, "messages", "must be a list of messages, and not empty");
    json_write_key(q->w, "messages");
    json_write_array(q->w);
    int err = put_system(q, NULL, "system", json_get(q->body, "system"));
    if (!err) err = put_list(q);
    if (!err) json_write_array_end(q->w);
    return err;
}
