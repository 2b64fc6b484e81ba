/* SPDX-License-Identifier: Apache-2.0 */
/* A chat's messages as Anthropic wants them: the leading system messages apart, then turns of user
 * and assistant that alternate. A turn of the user has the results of the assistant's calls first,
 * one for each; a system message further on is text of the user's, in its place and marked as
 * what it is, since only some models take that role there and the prompt before it stays cached. */
#include "dialect/anthropic/to_messages_priv.h"

#include <errno.h>

#include "base/err.h"
#include "base/mem.h"
#include "json/scan.h"

/* What stands for a user's turn where a chat begins without one. */
#define NO_TEXT STR(".")

/* --- runs --- */

enum turn { TURN_NONE, TURN_USER, TURN_ASSISTANT };

/* In whose turn a message is. TURN_NONE: there is nothing in it that Anthropic would take. */
static enum turn turn_of(const struct json *message)
{
    bool says = anthropic__has_blocks(json_get(message, "content"));
    switch (anthropic__role_of(message)) {
    case ROLE_TOOL: return TURN_USER;
    case ROLE_ASSISTANT:
        says = says || json_count(json_get(message, "tool_calls")) ||
               anthropic__has_blocks(json_get(message, "refusal"));
        return says ? TURN_ASSISTANT : TURN_NONE;
    default: return says ? TURN_USER : TURN_NONE;
    }
}

/* Neighbouring messages of one turn, [first, end). */
struct run {
    enum turn turn;
    struct json_iter at, next; /* before the first one, and behind the last one */
    size_t first, end;
};

/* The run behind *r. False: there is no more. */
static bool next_run(const struct to_messages *m, struct run *r)
{
    const struct json *message;
    *r = (struct run){.at = r->next, .next = r->next, .first = r->end, .end = r->end};
    for (struct json_iter it = r->next; json_next_item(m->messages, &it, &message);) {
        enum turn turn = turn_of(message);
        if (turn && r->turn && turn != r->turn) break;
        if (turn) r->turn = turn;
        r->next = it;
        r->end++;
    }
    return r->turn != TURN_NONE;
}

/* Walks the messages of a run, from a zeroed *it on: m->message is the place of *message. */
static bool next_message(struct to_messages *m, const struct run *r, struct json_iter *it,
                         const struct json **message)
{
    m->message = it->at ? m->message + 1 : r->first;
    if (!it->at) *it = r->at;
    return m->message < r->end && json_next_item(m->messages, it, message);
}

/* --- calls and their results --- */

/* A call that waits for its result. */
struct call {
    struct str id;
    size_t message;     /* where it stands */
    size_t answered_by; /* the place of the tool's message; SIZE_MAX: none yet */
};

/* Those of one turn, by their ids. */
struct calls {
    struct call *list;
    size_t count;
};

static int by_id(const void *a, const void *b)
{
    const struct call *left = a, *right = b;
    return str_cmp(left->id, right->id);
}

static struct call *find_call(const struct calls *calls, struct str id)
{
    struct call key = {.id = id};
    return calls->count ? bsearch(&key, calls->list, calls->count, sizeof key, by_id) : NULL;
}

static int refuse_twin(struct to_messages *m, const struct call *call)
{
    m->message = call->message;
    return pivot_refuse(m->t, m->why, anthropic__path(m, ".tool_calls"),
                        "Two tool calls of one turn have the same id.");
}

static size_t count_calls(struct to_messages *m, const struct run *r)
{
    const struct json *message;
    size_t count = 0;
    for (struct json_iter it = {0}; next_message(m, r, &it, &message);)
        count += json_count(json_get(message, "tool_calls"));
    return count;
}

/* Takes note of the calls of the assistant's turn. */
static int take_calls(struct to_messages *m, const struct run *r, struct calls *calls)
{
    const struct json *message, *call;
    size_t count = count_calls(m, r);
    if (count == 0) return 0;
    calls->list = mem_try_zero(count, sizeof *calls->list);
    if (!calls->list) return -ENOMEM;
    for (struct json_iter it = {0}; next_message(m, r, &it, &message);) {
        const struct json *list = json_get(message, "tool_calls");
        for (struct json_iter in = {0}; json_next_item(list, &in, &call);)
            calls->list[calls->count++] =
                (struct call){json_str_or(call, "id", STR("")), m->message, SIZE_MAX};
    }
    qsort(calls->list, calls->count, sizeof *calls->list, by_id);
    for (size_t i = 1; i < calls->count; i++)
        if (str_eq(calls->list[i - 1].id, calls->list[i].id))
            return refuse_twin(m, &calls->list[i]);
    return 0;
}

static void forget_calls(struct calls *calls)
{
    free(calls->list);
    *calls = (struct calls){0};
}

static bool is_id_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

/* Other clients' ids may have more than Anthropic takes, which is replaced. */
static int write_id(struct to_messages *m, const char *name, struct str id)
{
    char *copy = NULL;
    for (size_t i = 0; i < id.len; i++) {
        if (is_id_char(id.ptr[i])) continue;
        if (!copy) {
            copy = arena_try(m->t->arena, id.len);
            if (!copy) return -ENOMEM;
            memcpy(copy, id.ptr, id.len);
        }
        copy[i] = '_';
    }
    json_write_str_member(m->w, name, copy ? str_n(copy, id.len) : id);
    return 0;
}

/* --- a turn of the assistant's --- */

static void begin_turn(struct json_writer *w, struct str role)
{
    json_write_object(w);
    json_write_str_member(w, "role", role);
    json_write_key(w, "content");
    json_write_array(w);
}

static void end_turn(struct json_writer *w)
{
    json_write_array_end(w);
    json_write_object_end(w);
}

/* True for a block of thoughts with what proves it. */
static bool is_proved(const struct json *block)
{
    struct str type = json_str_or(block, "type", STR("")), text;
    if (str_eq(type, STR("redacted_thinking"))) return json_str_or(block, "data", STR("")).len;
    return str_eq(type, STR("thinking")) && json_to_str(json_get(block, "thinking"), &text) &&
           json_str_or(block, "signature", STR("")).len;
}

/* Whether all thoughts of a message can be sent. */
static bool are_proved(struct to_messages *m, const struct json *message)
{
    const struct json *blocks = to_messages_get(message, "thinking_blocks"), *block;
    if (blocks && json_type(blocks) != JSON_ARRAY) return false;
    for (struct json_iter it = {0}; json_next_item(blocks, &it, &block);)
        if (!is_proved(block)) return false;
    if (!blocks && json_str_or(message, "reasoning_content", STR("")).len)
        pivot_drop(m->t, "messages[].reasoning_content");
    return true;
}

/* Thoughts come back unchanged and first. Where a proof is missing, another model thought, and
 * Anthropic would refuse the whole turn. */
static void write_thoughts(struct to_messages *m, const struct run *r)
{
    const struct json *message, *block;
    bool proved = true;
    for (struct json_iter it = {0}; next_message(m, r, &it, &message);)
        if (!are_proved(m, message)) proved = false;
    if (!proved) {
        pivot_drop(m->t, "messages[].thinking_blocks");
        return;
    }
    for (struct json_iter it = {0}; next_message(m, r, &it, &message);) {
        const struct json *blocks = json_get(message, "thinking_blocks");
        for (struct json_iter in = {0}; json_next_item(blocks, &in, &block);)
            json_write_json(m->w, block);
    }
}

/* Arguments are an object there. What a model made of them wrongly is kept as a text. */
static void write_input(struct json_writer *w, const struct json *arguments)
{
    struct str text = STR("");
    json_write_key(w, "input");
    if (json_type(arguments) == JSON_OBJECT) {
        json_write_json(w, arguments);
        return;
    }
    if (json_to_str(arguments, &text) && text.len && json_scan(text, NULL, 0, NULL, NULL) == 0) {
        json_write_raw(w, text);
        return;
    }
    json_write_object(w);
    if (text.len) json_write_str_member(w, "_raw", text);
    json_write_object_end(w);
}

static int write_call(struct to_messages *m, const struct json *call)
{
    const struct json *function = json_get(call, "function");
    json_write_object(m->w);
    json_write_str_member(m->w, "type", STR("tool_use"));
    int err = write_id(m, "id", json_str_or(call, "id", STR("")));
    json_write_str_member(m->w, "name", json_str_or(function, "name", STR("")));
    write_input(m->w, json_get(function, "arguments"));
    anthropic__write_cache_control(m->w, call);
    json_write_object_end(m->w);
    return err;
}

static int write_calls(struct to_messages *m, const struct json *message)
{
    const struct json *calls = json_get(message, "tool_calls"), *call;
    int err = 0;
    for (struct json_iter it = {0}; !err && json_next_item(calls, &it, &call);)
        err = write_call(m, call);
    return err;
}

static int write_assistant(struct to_messages *m, const struct run *r)
{
    const struct json *message;
    int err = 0;
    begin_turn(m->w, STR("assistant"));
    write_thoughts(m, r);
    for (struct json_iter it = {0}; !err && next_message(m, r, &it, &message);) {
        err = anthropic__write_content(m, message, SAYS_ASSISTANT);
        anthropic__write_text(m->w, json_str_or(message, "refusal", STR("")));
    }
    for (struct json_iter it = {0}; !err && next_message(m, r, &it, &message);)
        err = write_calls(m, message);
    end_turn(m->w);
    return err;
}

/* --- a turn of the user's --- */

static int begin_result(struct to_messages *m, struct str id)
{
    json_write_object(m->w);
    json_write_str_member(m->w, "type", STR("tool_result"));
    return write_id(m, "tool_use_id", id);
}

static int write_result(struct to_messages *m, const struct json *message)
{
    const struct json *content = json_get(message, "content");
    struct str text;
    int err = begin_result(m, json_str_or(message, "tool_call_id", STR("")));
    if (!err && anthropic__has_blocks(content)) {
        json_write_key(m->w, "content");
        if (json_to_str(content, &text)) {
            json_write_str(m->w, text);
        } else {
            json_write_array(m->w);
            err = anthropic__write_content(m, message, SAYS_TOOL);
            json_write_array_end(m->w);
        }
    }
    anthropic__write_cache_control(m->w, message);
    json_write_object_end(m->w);
    return err;
}

static int write_results(struct to_messages *m, const struct run *r, struct calls *calls)
{
    const struct json *message;
    int err = 0;
    for (struct json_iter it = {0}; !err && next_message(m, r, &it, &message);) {
        if (anthropic__role_of(message) != ROLE_TOOL) continue;
        struct call *call = find_call(calls, json_str_or(message, "tool_call_id", STR("")));
        if (!call || call->answered_by != SIZE_MAX) continue;
        call->answered_by = m->message;
        err = write_result(m, message);
    }
    return err;
}

/* For calls without a result, which Anthropic refuses: somebody has stopped them. */
static int write_aborted(struct to_messages *m, const struct calls *calls)
{
    int err = 0;
    for (size_t i = 0; !err && i < calls->count; i++) {
        if (calls->list[i].answered_by != SIZE_MAX) continue;
        err = begin_result(m, calls->list[i].id);
        json_write_str_member(m->w, "content", STR("aborted"));
        json_write_bool_member(m->w, "is_error", true);
        json_write_object_end(m->w);
    }
    return err;
}

/* The content of a message that is not the user's own. */
static int write_marked(struct to_messages *m, const struct json *message, enum speaker speaker,
                        struct str before, struct str behind)
{
    anthropic__write_text(m->w, before);
    int err = anthropic__write_content(m, message, speaker);
    anthropic__write_text(m->w, behind);
    return err;
}

static bool is_result(const struct to_messages *m, const struct json *message,
                      const struct calls *calls)
{
    struct call *call = find_call(calls, json_str_or(message, "tool_call_id", STR("")));
    return call && call->answered_by == m->message;
}

/* What stands behind the results. */
static int write_saying(struct to_messages *m, const struct json *message,
                        const struct calls *calls)
{
    switch (anthropic__role_of(message)) {
    case ROLE_TOOL:
        if (is_result(m, message, calls)) return 0;
        return write_marked(m, message, SAYS_TOOL, STR("<tool_result>\n"), STR("\n</tool_result>"));
    case ROLE_SYSTEM:
        if (!anthropic__has_blocks(json_get(message, "content"))) return 0;
        return write_marked(m, message, SAYS_SYSTEM, STR("<system>\n"), STR("\n</system>"));
    default: return anthropic__write_content(m, message, SAYS_USER);
    }
}

static int write_user(struct to_messages *m, const struct run *r, struct calls *calls)
{
    const struct json *message;
    begin_turn(m->w, STR("user"));
    int err = write_results(m, r, calls);
    if (!err) err = write_aborted(m, calls);
    for (struct json_iter it = {0}; !err && next_message(m, r, &it, &message);)
        err = write_saying(m, message, calls);
    end_turn(m->w);
    return err;
}

/* --- all of them --- */

static void write_nothing(struct json_writer *w)
{
    begin_turn(w, STR("user"));
    anthropic__write_text(w, NO_TEXT);
    end_turn(w);
}

/* One turn, and what it means for the next one. */
static int write_run(struct to_messages *m, const struct run *r, struct calls *calls)
{
    if (r->turn == TURN_USER) {
        int err = write_user(m, r, calls);
        forget_calls(calls);
        return err;
    }
    int err = write_assistant(m, r);
    return err ? err : take_calls(m, r, calls);
}

/* The turns behind the leading system messages. */
static int write_runs(struct to_messages *m, struct run *r)
{
    struct calls calls = {0};
    bool any = false;
    int err = 0;
    for (; !err && next_run(m, r); any = true) {
        if (!any && r->turn == TURN_ASSISTANT) write_nothing(m->w);
        err = write_run(m, r, &calls);
    }
    if (!err && !any) write_nothing(m->w);
    if (!err && calls.count) {
        begin_turn(m->w, STR("user"));
        err = write_aborted(m, &calls);
        end_turn(m->w);
    }
    forget_calls(&calls);
    return err;
}

/* Where the leading system messages end. *any: they have a text. */
static void skip_system(const struct to_messages *m, struct run *r, bool *any)
{
    const struct json *message;
    for (struct json_iter it = {0}; json_next_item(m->messages, &it, &message) &&
                                    anthropic__role_of(message) == ROLE_SYSTEM;) {
        if (anthropic__has_blocks(json_get(message, "content"))) *any = true;
        r->next = it;
        r->end++;
    }
}

static int write_system(struct to_messages *m, struct run *r, struct str further)
{
    const struct json *message;
    bool any = further.len;
    int err = 0;
    skip_system(m, r, &any);
    if (!any) return 0;
    json_write_key(m->w, "system");
    json_write_array(m->w);
    for (struct json_iter it = {0}; !err && next_message(m, r, &it, &message);)
        err = anthropic__write_content(m, message, SAYS_SYSTEM);
    anthropic__write_text(m->w, further);
    json_write_array_end(m->w);
    return err;
}

int anthropic__write_turns(struct to_messages *m, struct str further)
{
    struct run run = {0};
    int err = write_system(m, &run, further);
    if (err) return err;
    json_write_key(m->w, "messages");
    json_write_array(m->w);
    err = write_runs(m, &run);
    json_write_array_end(m->w);
    return err;
}

struct str anthropic__called_tool(const struct to_messages *m)
{
    const struct json *message;
    for (struct json_iter it = {0}; json_next_item(m->messages, &it, &message);) {
        const struct json *call = json_at(json_get(message, "tool_calls"), 0);
        if (call && anthropic__role_of(message) == ROLE_ASSISTANT)
            return json_str_or(json_get(call, "function"), "name", STR(""));
    }
    return STR("");
}
