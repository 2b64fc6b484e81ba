/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/anthropic/blocks.h"

#include <errno.h>

#include "base/err.h"

enum { CALLS_MAX = 4096 };

static int count_bytes(struct blocks *b, size_t n)
{
    if (n > ANSWER_HELD_MAX - b->bytes) return ERR_TOO_LARGE;
    b->bytes += n;
    return 0;
}

static int begin(struct blocks *b, struct arena *arena, enum block_kind kind, struct block **out)
{
    int err = count_bytes(b, sizeof **out);
    if (err) return err;
    struct block *block = arena_try_zero(arena, sizeof *block);
    if (!block) return -ENOMEM;
    block->kind = kind;
    buf_init(&block->text, ANSWER_HELD_MAX);
    if (b->last)
        b->last->next = block;
    else
        b->first = block;
    b->last = block;
    *out = block;
    return 0;
}

static int append(struct blocks *b, struct block *block, struct str text)
{
    int err = count_bytes(b, text.len);
    return err ? err : buf_append(&block->text, text);
}

static int keep(struct blocks *b, struct arena *arena, struct str s, struct str *out)
{
    int err = count_bytes(b, s.len);
    if (err) return err;
    *out = arena_try_dup(arena, s);
    return out->ptr ? 0 : -ENOMEM;
}

/* Adds to the last block if it is of that kind and takes more. */
static int add_text(struct blocks *b, struct arena *arena, enum block_kind kind, struct str text)
{
    struct block *block = b->last;
    int err = 0;
    if (text.len == 0) return 0;
    if (!block || block->kind != kind || block->signature.len) err = begin(b, arena, kind, &block);
    return err ? err : append(b, block, text);
}

/* One without thoughts stands for some that are not shown. */
static int add_signature(struct blocks *b, struct arena *arena, struct str signature)
{
    struct block *block = b->last;
    int err = 0;
    if (!block || block->kind != BLOCK_THINKING) err = begin(b, arena, BLOCK_THINKING, &block);
    return err ? err : keep(b, arena, signature, &block->signature);
}

static int add_redacted(struct blocks *b, struct arena *arena, struct str data)
{
    struct block *block;
    int err = begin(b, arena, BLOCK_REDACTED, &block);
    return err ? err : append(b, block, data);
}

static int add_call(struct blocks *b, struct arena *arena, const struct answer_event *e)
{
    struct block *block;
    if (b->calls == CALLS_MAX) return ERR_TOO_LARGE;
    int err = begin(b, arena, BLOCK_CALL, &block);
    if (err) return err;
    b->calls++;
    block->call = e->call;
    err = keep(b, arena, e->id, &block->id);
    return err ? err : keep(b, arena, e->name, &block->name);
}

static struct block *find_call(struct blocks *b, unsigned call)
{
    struct block *block = b->last;
    if (block && block->kind == BLOCK_CALL && block->call == call) return block;
    for (block = b->first; block; block = block->next)
        if (block->kind == BLOCK_CALL && block->call == call) return block;
    return NULL;
}

static int add_arguments(struct blocks *b, const struct answer_event *e)
{
    struct block *block = find_call(b, e->call);
    return block ? append(b, block, e->text) : 0;
}

int anthropic__hold(struct blocks *b, struct arena *arena, const struct answer_event *e)
{
    switch (e->kind) {
    case ANSWER_TEXT:
    case ANSWER_REFUSAL: return add_text(b, arena, BLOCK_TEXT, e->text);
    case ANSWER_REASONING: return add_text(b, arena, BLOCK_THINKING, e->text);
    case ANSWER_SIGNATURE: return add_signature(b, arena, e->text);
    case ANSWER_REDACTED: return add_redacted(b, arena, e->text);
    case ANSWER_CALL: return add_call(b, arena, e);
    case ANSWER_ARGUMENTS: return add_arguments(b, e);
    default: return 0;
    }
}

void anthropic__held_fini(struct blocks *b)
{
    for (struct block *block = b->first; block; block = block->next)
        buf_fini(&block->text);
    *b = (struct blocks){0};
}

bool anthropic__is_blank(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == ' ') continue;
        if (text.ptr[i] != '\\' || ++i == text.len) return false;
        if (text.ptr[i] != 'n' && text.ptr[i] != 'r' && text.ptr[i] != 't') return false;
    }
    return true;
}
