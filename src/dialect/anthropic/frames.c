/* SPDX-License-Identifier: Apache-2.0 */
/* A stream of Messages: message_start, then each block of content from its start to its stop, then
 * message_delta with why it ended and what it took, then message_stop.
 *
 * One block is open at a time, and its index is one above that of the block before. So what comes
 * while a call's arguments may still come is held until the answer's end; a single call, or one
 * that is the last, passes at once. */
#include <stdio.h>

#include "dialect/anthropic/answer_priv.h"
#include "dialect/anthropic/anthropic_priv.h"

#define FRAME(type) "event: " type "\ndata: {\"type\":\"" type "\""

/* How a block of each kind begins, and how each piece of it. */
static const struct {
    struct str block;
    const char *piece;
} shapes[] = {
    [OPEN_TEXT] = {STR_INIT("{\"type\":\"text\",\"text\":\"\""),
                   "{\"type\":\"text_delta\",\"text\":\""},
    [OPEN_THINKING] = {STR_INIT("{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\""),
                       "{\"type\":\"thinking_delta\",\"thinking\":\""},
    [OPEN_CALL] = {STR_INIT("{\"type\":\"tool_use\","),
                   "{\"type\":\"input_json_delta\",\"partial_json\":\""},
};

/* --- the message --- */

static int start(struct answer *a, struct buf *out)
{
    struct usage estimate = {.known = false};
    if (a->started) return 0;
    a->started = true;
    int err = buf_append(out, STR(FRAME("message_start") ",\"message\":"));
    if (!err) err = anthropic__put_head(a, out);
    if (!err) err = buf_append(out, STR("],\"stop_reason\":null,\"stop_sequence\":null,"));
    if (!err) err = anthropic__put_usage(a, &estimate, out);
    return err ? err : buf_append(out, STR("}}\n\n"));
}

static int end(struct answer *a, const struct usage *usage, struct buf *out)
{
    int err = buf_append(out, STR(FRAME("message_delta") ",\"delta\":{"));
    if (!err) err = anthropic__put_ending(a, out);
    if (!err) err = buf_append(out, STR("},"));
    if (!err) err = anthropic__put_usage(a, usage, out);
    return err ? err : buf_append(out, STR("}\n\n" FRAME("message_stop") "}\n\n"));
}

/* --- blocks --- */

static int put_delta(const struct answer *a, struct str piece, struct buf *out)
{
    int err = buf_append(out, str_n(a->delta, a->deltas));
    if (!err) err = buf_append(out, piece);
    return err ? err : buf_append(out, STR("\"}}\n\n"));
}

static int put_signature(struct answer *a, struct str signature, struct buf *out)
{
    a->filled = true;
    int err = buf_printf(out,
                         FRAME("content_block_delta") ",\"index\":%u,\"delta\":{\"type\":"
                                                      "\"signature_delta\",\"signature\":\"",
                         a->index);
    if (!err) err = buf_append(out, signature);
    return err ? err : buf_append(out, STR("\"}}\n\n"));
}

static int stop_block(struct answer *a, struct buf *out)
{
    a->open = OPEN_NONE;
    return buf_printf(out, FRAME("content_block_stop") ",\"index\":%u}\n\n", a->index++);
}

/* Clients want thinking to be signed, and arguments that are JSON. */
static int close_block(struct answer *a, struct buf *out)
{
    int err = 0;
    if (a->open == OPEN_NONE) return 0;
    if (a->open == OPEN_THINKING && !a->filled) err = put_signature(a, STR(ANSWER_SEAL), out);
    if (a->open == OPEN_CALL && !a->filled) err = put_delta(a, STR("{}"), out);
    return err ? err : stop_block(a, out);
}

static int begin_frame(const struct answer *a, struct str block, struct buf *out)
{
    int err =
        buf_printf(out, FRAME("content_block_start") ",\"index\":%u,\"content_block\":", a->index);
    return err ? err : buf_append(out, block);
}

/* Up to where the block's last members are, which the caller appends. */
static int open_block(struct answer *a, enum open_block kind, struct buf *out)
{
    int err = close_block(a, out);
    if (err) return err;
    a->open = kind;
    a->filled = false;
    if (kind != OPEN_TEXT) a->blanks = 0;
    int n = snprintf(a->delta, sizeof a->delta,
                     FRAME("content_block_delta") ",\"index\":%u,\"delta\":%s", a->index,
                     shapes[kind].piece);
    assert(n > 0 && (size_t)n < sizeof a->delta);
    a->deltas = (unsigned char)n;
    return begin_frame(a, shapes[kind].block, out);
}

static int open_plain(struct answer *a, enum open_block kind, struct buf *out)
{
    int err = open_block(a, kind, out);
    return err ? err : buf_append(out, STR("}}\n\n"));
}

/* --- events --- */

static bool keep_blank(struct answer *a, struct str text)
{
    if (text.len > sizeof a->blank - a->blanks || !anthropic__is_blank(text)) return false;
    memcpy(a->blank + a->blanks, text.ptr, text.len);
    a->blanks = (unsigned char)(a->blanks + text.len);
    return true;
}

static int open_text(struct answer *a, struct buf *out)
{
    int err = open_plain(a, OPEN_TEXT, out);
    if (!err && a->blanks) err = put_delta(a, str_n(a->blank, a->blanks), out);
    a->blanks = 0;
    return err;
}

static int put_text(struct answer *a, const struct answer_event *e, struct buf *out)
{
    int err = 0;
    if (e->text.len == 0) return 0;
    if (a->open != OPEN_TEXT) {
        if (keep_blank(a, e->text)) return 0;
        err = open_text(a, out);
    }
    return err ? err : put_delta(a, e->text, out);
}

static int put_reasoning(struct answer *a, const struct answer_event *e, struct buf *out)
{
    int err = 0;
    if (e->text.len == 0) return 0;
    if (a->open != OPEN_THINKING || a->filled) err = open_plain(a, OPEN_THINKING, out);
    return err ? err : put_delta(a, e->text, out);
}

/* Without thoughts before it, it is for some that are not shown. */
static int sign(struct answer *a, const struct answer_event *e, struct buf *out)
{
    int err = a->open == OPEN_THINKING ? 0 : open_plain(a, OPEN_THINKING, out);
    return err ? err : put_signature(a, e->text, out);
}

static int put_redacted(struct answer *a, const struct answer_event *e, struct buf *out)
{
    int err = close_block(a, out);
    if (!err) err = begin_frame(a, STR("{\"type\":\"redacted_thinking\",\"data\":\""), out);
    if (!err) err = buf_append(out, e->text);
    if (!err) err = buf_append(out, STR("\"}}\n\n"));
    return err ? err : stop_block(a, out);
}

static int put_call(struct answer *a, const struct answer_event *e, struct buf *out)
{
    int err = open_block(a, OPEN_CALL, out);
    a->call = e->call;
    if (!err) err = anthropic__put_call(a, e->call, e->id, e->name, out);
    return err ? err : buf_append(out, STR(",\"input\":{}}}\n\n"));
}

static int put_arguments(struct answer *a, const struct answer_event *e, struct buf *out)
{
    if (a->open != OPEN_CALL || a->call != e->call || e->text.len == 0) return 0;
    a->filled = true;
    return put_delta(a, e->text, out);
}

static int put_content(struct answer *a, const struct answer_event *e, struct buf *out)
{
    switch (e->kind) {
    case ANSWER_TEXT:
    case ANSWER_REFUSAL: return put_text(a, e, out);
    case ANSWER_REASONING: return put_reasoning(a, e, out);
    case ANSWER_SIGNATURE: return sign(a, e, out);
    case ANSWER_REDACTED: return put_redacted(a, e, out);
    case ANSWER_CALL: return put_call(a, e, out);
    case ANSWER_ARGUMENTS: return put_arguments(a, e, out);
    default: return 0;
    }
}

/* --- what was held --- */

static int release_call(struct answer *a, const struct block *b, struct buf *out)
{
    struct answer_event begins = {
        .kind = ANSWER_CALL, .call = b->call, .id = b->id, .name = b->name};
    struct answer_event goes_on = {
        .kind = ANSWER_ARGUMENTS, .call = b->call, .text = buf_str(&b->text)};
    int err = put_content(a, &begins, out);
    return err ? err : put_content(a, &goes_on, out);
}

static int release_thinking(struct answer *a, const struct block *b, struct buf *out)
{
    struct answer_event thought = {.kind = ANSWER_REASONING, .text = buf_str(&b->text)};
    struct answer_event signature = {.kind = ANSWER_SIGNATURE, .text = b->signature};
    int err = put_content(a, &thought, out);
    return err || b->signature.len == 0 ? err : put_content(a, &signature, out);
}

static int release(struct answer *a, const struct block *b, struct buf *out)
{
    struct answer_event e = {.kind = ANSWER_TEXT, .text = buf_str(&b->text)};
    switch (b->kind) {
    case BLOCK_TEXT: return anthropic__is_blank(e.text) ? 0 : put_content(a, &e, out);
    case BLOCK_THINKING: return release_thinking(a, b, out);
    case BLOCK_CALL: return release_call(a, b, out);
    case BLOCK_REDACTED: break;
    }
    e.kind = ANSWER_REDACTED;
    return put_content(a, &e, out);
}

static int release_all(struct answer *a, struct buf *out)
{
    int err = close_block(a, out);
    for (const struct block *b = a->held.first; !err && b; b = b->next)
        err = release(a, b, out);
    if (!err) err = close_block(a, out);
    anthropic__held_fini(&a->held);
    return err;
}

/* --- all of it --- */

static bool must_wait(const struct answer *a, const struct answer_event *e)
{
    if (a->open != OPEN_CALL) return false;
    return e->kind != ANSWER_ARGUMENTS || e->call != a->call;
}

int anthropic__put_frames(struct answer *a, const struct answer_event *e, struct buf *out)
{
    if (e->kind == ANSWER_ERROR) {
        anthropic__write_error_event(out, e->refusal, NULL);
        return 0;
    }
    int err = start(a, out);
    if (!err && (e->kind == ANSWER_FINISH || e->kind == ANSWER_END)) err = release_all(a, out);
    if (err) return err;
    if (e->kind == ANSWER_END) return end(a, &e->usage, out);
    if (must_wait(a, e)) return anthropic__hold(&a->held, a->base.t->arena, e);
    return put_content(a, e, out);
}
