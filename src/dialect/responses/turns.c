/* SPDX-License-Identifier: Apache-2.0 */
/* The assistant's turns: reasoning, texts and calls that follow each other are one message of chat,
 * and behind it stand the outputs of its calls, wherever they come in the input. */
#include "dialect/responses/responses_priv.h"

#include <errno.h>

#include "base/err.h"

/* Items [from, end) of one turn. */
struct turn {
    size_t from, end;
    bool texts, calls;
};

static struct item *item_at(const struct asking *a, size_t i)
{
    return &a->items.list[i];
}

/* Where the turn ends. Reasoning belongs to what follows it, so some behind the end begins the next
 * turn, or is none's. A second text begins a turn unless calls stand between. */
static struct turn find_turn(const struct asking *a, size_t from, size_t *run_end)
{
    struct turn turn = {.from = from, .end = from};
    size_t i = from;
    for (; i < a->items.count; i++) {
        enum item_class class = item_at(a, i)->class;
        if (class == ITEM_SKIP || class == ITEM_REASONING) continue;
        if (class != ITEM_ASSISTANT && class != ITEM_CALL) break;
        if (class == ITEM_ASSISTANT && turn.texts && !turn.calls) {
            *run_end = turn.end;
            return turn;
        }
        turn.texts |= class == ITEM_ASSISTANT;
        turn.calls |= class == ITEM_CALL;
        turn.end = i + 1;
    }
    *run_end = i;
    return turn;
}

/* --- texts --- */

static int write_content(struct asking *a, const struct turn *turn)
{
    buf_clear(&a->text);
    for (size_t i = turn->from; i < turn->end; i++) {
        struct item *item = item_at(a, i);
        bool others;
        if (item->class != ITEM_ASSISTANT) continue;
        int err = responses__read_text(a, json_get(item->v, "content"),
                                       (struct part_place){item, "content"}, &a->text, &others);
        if (err) return err;
        if (others) pivot_drop(a->t, "input[].content");
    }
    json_write_key(a->w, "content");
    if (turn->calls && buf_len(&a->text) == 0)
        json_write_null(a->w);
    else
        json_write_str(a->w, buf_str(&a->text));
    return 0;
}

/* --- reasoning --- */

static const struct json *sealed_of(struct asking *a, const struct item *item)
{
    return responses__unseal(&a->scratch, json_str_or(item->v, "encrypted_content", STR("")));
}

static int append_line(struct buf *out, struct str text)
{
    int err = buf_len(out) && text.len ? buf_append(out, STR("\n")) : 0;
    return err ? err : buf_append(out, text);
}

static int read_sealed(struct asking *a, const struct json *blocks)
{
    struct json_iter it = {0};
    const struct json *block;
    int err = 0;
    while (!err && json_next_item(blocks, &it, &block))
        err = append_line(&a->text, json_str_or(block, "thinking", STR("")));
    return err;
}

/* As it was thought, else its summary. */
static int read_open(struct asking *a, const struct item *item)
{
    static const char *const names[] = {"content", "summary"};
    size_t before = buf_len(&a->text);
    for (size_t i = 0; i < ARRAY_LEN(names) && buf_len(&a->text) == before; i++) {
        bool others;
        int err = responses__read_text(a, json_get(item->v, names[i]),
                                       (struct part_place){item, names[i]}, &a->text, &others);
        if (err) return err;
    }
    return 0;
}

static int write_reasoning(struct asking *a, const struct turn *turn)
{
    buf_clear(&a->text);
    for (size_t i = turn->from; i < turn->end; i++) {
        struct item *item = item_at(a, i);
        if (item->class != ITEM_REASONING) continue;
        const struct json *blocks = sealed_of(a, item);
        int err = blocks ? read_sealed(a, blocks) : read_open(a, item);
        if (err) return err;
    }
    if (buf_len(&a->text)) json_write_str_member(a->w, "reasoning_content", buf_str(&a->text));
    return 0;
}

/* --- reasoning with what proves it --- */

static bool is_proved(const struct json *block)
{
    return json_type(json_get(block, "data")) == JSON_STRING ||
           json_str_or(block, "signature", STR("")).len > 0;
}

static void write_block(struct json_writer *w, const struct json *block)
{
    static const char *const names[] = {"type", "thinking", "signature", "data"};
    struct str text;
    json_write_object(w);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (json_to_str(json_get(block, names[i]), &text)) json_write_str_member(w, names[i], text);
    json_write_object_end(w);
}

/* All blocks of the turn, if `w`. False: it has none, or one that nothing proves, and then its maker
 * would take none of them. */
static bool walk_blocks(struct asking *a, const struct turn *turn, struct json_writer *w)
{
    bool any = false;
    for (size_t i = turn->from; i < turn->end; i++) {
        struct json_iter it = {0};
        const struct json *block, *blocks;
        if (item_at(a, i)->class != ITEM_REASONING) continue;
        blocks = sealed_of(a, item_at(a, i));
        if (!blocks) return false;
        while (json_next_item(blocks, &it, &block)) {
            if (!is_proved(block)) return false;
            if (w) write_block(w, block);
            any = true;
        }
    }
    return any;
}

static void write_blocks(struct asking *a, const struct turn *turn)
{
    if (a->t->sent != SURFACE_MESSAGES || !walk_blocks(a, turn, NULL)) return;
    json_write_key(a->w, "thinking_blocks");
    json_write_array(a->w);
    (void)walk_blocks(a, turn, a->w);
    json_write_array_end(a->w);
}

/* --- calls --- */

static struct str id_of(const struct item *item)
{
    return responses__call_id(item->v);
}

/* The function's name. Of a tool that is not offered any more, the name that it would have. */
static int name_of(struct asking *a, const struct item *item, struct str *out)
{
    const char *tool = item->type->tool;
    struct str space = json_str_or(item->v, "namespace", STR(""));
    struct str name = json_str_or(item->v, "name", tool ? str_of(tool) : STR_NULL);
    bool search = tool && str_eq(str_of(tool), STR("tool_search"));
    enum tool_kind kind = search ? TOOL_SEARCH : TOOL_FUNCTION;
    struct named_tool *known;
    if (!name.ptr) return responses__wrong(a, responses__item_path(a, item, "name"), "a string");
    known = names_find(&a->names, kind, space, name);
    if (!known && space.len == 0) known = names_find_flat(&a->names, name);
    int err = known ? 0 : names_add(&a->names, kind, space, name, &known);
    if (err == ERR_FULL)
        return pivot_refuse(a->t, a->why, responses__item_path(a, item, "name"),
                            "The tools have more than %d names.", NAMES_MAX);
    if (!err) *out = known->is.flat;
    return err;
}

/* A value as JSON text, on a->other. */
static int as_text(struct asking *a, const struct json *value, bool wrapped)
{
    struct json_writer w;
    buf_clear(&a->other);
    json_write_init(&w, &a->other);
    if (wrapped) {
        json_write_object(&w);
        json_write_key(&w, "input");
    }
    json_write_json(&w, value);
    if (wrapped) json_write_object_end(&w);
    return json_write_end(&w);
}

/* Arguments are an object's text in a string; some clients give the object. */
static int write_arguments(struct asking *a, const struct item *item)
{
    const struct json *value = json_get(item->v, item->type->value);
    struct str text = STR("");
    json_write_key(a->w, "arguments");
    if (responses__absent(value) || (!item->type->wrapped && json_to_str(value, &text))) {
        json_write_str(a->w, text.len ? text : STR("{}"));
        return 0;
    }
    int err = as_text(a, value, item->type->wrapped);
    if (!err) json_write_str(a->w, buf_str(&a->other));
    return err == ERR_DEPTH
               ? responses__wrong(a, responses__item_path(a, item, item->type->value), "less deep")
               : err;
}

static int write_call(struct asking *a, const struct item *item)
{
    struct str name;
    if (id_of(item).len == 0)
        return responses__wrong(a, responses__item_path(a, item, "call_id"), "a string");
    int err = name_of(a, item, &name);
    if (err) return err;
    json_write_object(a->w);
    json_write_str_member(a->w, "id", id_of(item));
    json_write_str_member(a->w, "type", STR("function"));
    json_write_key(a->w, "function");
    json_write_object(a->w);
    json_write_str_member(a->w, "name", name);
    err = write_arguments(a, item);
    if (err) return err;
    json_write_object_end(a->w);
    json_write_object_end(a->w);
    return 0;
}

static int write_calls(struct asking *a, const struct turn *turn)
{
    json_write_key(a->w, "tool_calls");
    json_write_array(a->w);
    for (size_t i = turn->from; i < turn->end; i++) {
        int err = item_at(a, i)->class == ITEM_CALL ? write_call(a, item_at(a, i)) : 0;
        if (err) return err;
    }
    json_write_array_end(a->w);
    return 0;
}

/* --- the message --- */

static int write_message(struct asking *a, const struct turn *turn)
{
    json_write_object(a->w);
    json_write_str_member(a->w, "role", STR("assistant"));
    int err = write_content(a, turn);
    if (!err) err = write_reasoning(a, turn);
    if (err) return err;
    write_blocks(a, turn);
    if (turn->calls) err = write_calls(a, turn);
    if (!err) json_write_object_end(a->w);
    return err;
}

int responses__write_turn(struct asking *a, size_t from, size_t *next)
{
    struct turn turn = find_turn(a, from, next);
    int err = turn.end > from ? write_message(a, &turn) : 0;
    if (!err && turn.calls) err = responses__write_outputs(a, turn.from, turn.end);
    return err;
}
