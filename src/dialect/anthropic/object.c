/* SPDX-License-Identifier: Apache-2.0 */
/* A whole answer of Messages: one object at the end. */
#include <errno.h>

#include "base/err.h"
#include "dialect/anthropic/answer_priv.h"
#include "json/scan.h"

static int put_quoted(struct buf *out, struct str before, struct str text, struct str behind)
{
    int err = buf_append(out, before);
    if (!err) err = buf_append(out, text);
    return err ? err : buf_append(out, behind);
}

static int put_thinking(const struct block *b, struct buf *out)
{
    struct str signature = b->signature.len ? b->signature : STR(ANSWER_SEAL);
    int err = put_quoted(out, STR("{\"type\":\"thinking\",\"thinking\":\""), buf_str(&b->text),
                         STR("\",\"signature\":\""));
    return err ? err : put_quoted(out, STR(""), signature, STR("\"}"));
}

/* --- calls --- */

/* The text that stands in a string, if it is an object; 0, or ERR_INVALID. */
static int read_object(struct arena *arena, struct str quoted, struct str *out)
{
    struct json_span span = {.type = JSON_STRING, .raw = quoted};
    int err = json_span_str(&span, arena, out);
    if (!err) err = json_scan(*out, NULL, 0, NULL, NULL);
    return err == 0 || err == -ENOMEM ? err : ERR_INVALID;
}

/* Input must be an object: what a model said instead is one with that in it. */
static int put_input(struct str arguments, struct buf *out)
{
    struct arena arena;
    struct buf quoted;
    struct str object;
    if (arguments.len == 0) return buf_append(out, STR("{}"));
    arena_init(&arena, 2 * (size_t)ANSWER_HELD_MAX, 1024);
    buf_init(&quoted, 2 * (size_t)ANSWER_HELD_MAX);
    int err = put_quoted(&quoted, STR("\""), arguments, STR("\""));
    if (!err) err = read_object(&arena, buf_str(&quoted), &object);
    if (!err) err = buf_append(out, object);
    if (err == ERR_INVALID) err = put_quoted(out, STR("{\"_raw\":\""), arguments, STR("\"}"));
    buf_fini(&quoted);
    arena_fini(&arena);
    return err;
}

static int put_call(const struct answer *a, const struct block *b, struct buf *out)
{
    int err = buf_append(out, STR("{\"type\":\"tool_use\","));
    if (!err) err = anthropic__put_call(a, b->call, b->id, b->name, out);
    if (!err) err = buf_append(out, STR(",\"input\":"));
    if (!err) err = put_input(buf_str(&b->text), out);
    return err ? err : buf_append(out, STR("}"));
}

/* --- all of it --- */

static int put_block(const struct answer *a, const struct block *b, struct buf *out)
{
    struct str text = buf_str(&b->text);
    switch (b->kind) {
    case BLOCK_TEXT:
        return put_quoted(out, STR("{\"type\":\"text\",\"text\":\""), text, STR("\"}"));
    case BLOCK_THINKING: return put_thinking(b, out);
    case BLOCK_CALL: return put_call(a, b, out);
    case BLOCK_REDACTED: break;
    }
    return put_quoted(out, STR("{\"type\":\"redacted_thinking\",\"data\":\""), text, STR("\"}"));
}

static int put_blocks(const struct answer *a, struct buf *out)
{
    bool first = true;
    int err = 0;
    for (const struct block *b = a->held.first; !err && b; b = b->next) {
        if (b->kind == BLOCK_TEXT && anthropic__is_blank(buf_str(&b->text))) continue;
        if (!first) err = buf_append(out, STR(","));
        if (!err) err = put_block(a, b, out);
        first = false;
    }
    return err;
}

int anthropic__put_object(struct answer *a, const struct answer_event *e, struct buf *out)
{
    if (e->kind != ANSWER_END) return anthropic__hold(&a->held, a->base.t->arena, e);
    int err = anthropic__put_head(a, out);
    if (!err) err = put_blocks(a, out);
    if (!err) err = buf_append(out, STR("],"));
    if (!err) err = anthropic__put_ending(a, out);
    if (!err) err = buf_append(out, STR(","));
    if (!err) err = anthropic__put_usage(a, &e->usage, out);
    return err ? err : buf_append(out, STR("}"));
}
