/* SPDX-License-Identifier: Apache-2.0 */
/* A chat completion as a stream of chunks. The first delta tells the role, the last one the reason
 * of the end. */
#include <inttypes.h>

#include "dialect/openai/chat_priv.h"
#include "dialect/openai/openai_priv.h"
#include "json/write.h"

static int make_head(struct chat_writer *w)
{
    const struct translation *t = w->base.t;
    if (buf_len(&w->head)) return 0;
    int err =
        buf_printf(&w->head,
                   "data: {\"id\":\"chatcmpl-%" STR_FMT
                   "\",\"object\":\"chat.completion.chunk\",\"created\":%" PRIu64 ",\"model\":\"",
                   STR_ARG(t->id), t->created_us / 1000000);
    if (!err) err = json_escape(&w->head, t->model);
    return err ? err : buf_append(&w->head, STR("\","));
}

/* A chunk up to its delta, which tells the role if it is the first one. `before`: what stands
 * between the role and what follows. */
static int begin_delta(struct chat_writer *w, struct str before, struct buf *out)
{
    const struct str pieces[] = {
        buf_str(&w->head), w->base.t->asks_usage ? STR("\"usage\":null,") : STR(""),
        STR("\"choices\":[{\"index\":0,\"delta\":{"),
        w->begun ? STR("") : STR("\"role\":\"assistant\""), w->begun ? STR("") : before};
    w->begun = true;
    return buf_append_all(out, pieces, ARRAY_LEN(pieces));
}

static int end_delta(struct buf *out)
{
    return buf_append(out, STR("},\"logprobs\":null,\"finish_reason\":null}]}\n\n"));
}

/* A delta with one string, that of the member which `member` begins. */
static int put_text(struct chat_writer *w, struct str before, struct str member, struct str text,
                    struct buf *out)
{
    const struct str pieces[] = {member, text, STR("\"")};
    int err = begin_delta(w, before, out);
    if (!err) err = buf_append_all(out, pieces, ARRAY_LEN(pieces));
    return err ? err : end_delta(out);
}

#define NO_CONTENT STR(",\"content\":null,")

static int begin_call_delta(struct chat_writer *w, const struct answer_event *e, struct buf *out)
{
    int err = begin_delta(w, NO_CONTENT, out);
    return err ? err : buf_printf(out, "\"tool_calls\":[{\"index\":%u,", e->call);
}

static int put_call(struct chat_writer *w, const struct answer_event *e, struct buf *out)
{
    w->call_count++;
    int err = begin_call_delta(w, e, out);
    if (!err) err = chat__append_call(w, e, out);
    if (!err) err = buf_append(out, STR("\"}}]"));
    return err ? err : end_delta(out);
}

static int put_arguments(struct chat_writer *w, const struct answer_event *e, struct buf *out)
{
    const struct str pieces[] = {STR("\"function\":{\"arguments\":\""), e->text, STR("\"}}]")};
    int err = begin_call_delta(w, e, out);
    if (!err) err = buf_append_all(out, pieces, ARRAY_LEN(pieces));
    return err ? err : end_delta(out);
}

/* The last delta has the thoughts once more, with what proves them. */
static int put_finish(struct chat_writer *w, enum finish finish, struct buf *out)
{
    bool thoughts = buf_len(&w->thoughts.blocks);
    const struct str blocks[] = {STR("\"thinking_blocks\":["), buf_str(&w->thoughts.blocks),
                                 STR("]")};
    const struct str pieces[] = {STR("},\"logprobs\":null,\"finish_reason\":\""),
                                 chat__finish_word(w, finish), STR("\"}]}\n\n")};
    if (w->finished) return 0;
    w->finished = true;
    int err = begin_delta(w, thoughts ? STR(",\"content\":\"\",") : STR(",\"content\":\"\""), out);
    if (!err && thoughts) err = buf_append_all(out, blocks, ARRAY_LEN(blocks));
    return err ? err : buf_append_all(out, pieces, ARRAY_LEN(pieces));
}

static int put_usage(struct chat_writer *w, const struct usage *u, struct buf *out)
{
    const struct str pieces[] = {buf_str(&w->head), STR("\"choices\":[],\"usage\":")};
    struct json_writer json;
    if (!w->base.t->asks_usage || !u->known) return 0;
    int err = buf_append_all(out, pieces, ARRAY_LEN(pieces));
    if (err) return err;
    json_write_init(&json, out);
    chat__write_usage(&json, u);
    err = json_write_end(&json);
    return err ? err : buf_append(out, STR("}\n\n"));
}

static int put_end(struct chat_writer *w, const struct usage *u, struct buf *out)
{
    int err = put_finish(w, FINISH_STOP, out);
    if (!err) err = put_usage(w, u, out);
    return err ? err : buf_append(out, STR("data: [DONE]\n\n"));
}

int chat__put_frame(struct chat_writer *w, const struct answer_event *e, struct buf *out)
{
    int err = make_head(w);
    if (err) return err;
    switch (e->kind) {
    case ANSWER_TEXT: return put_text(w, STR(","), STR("\"content\":\""), e->text, out);
    case ANSWER_REFUSAL: return put_text(w, NO_CONTENT, STR("\"refusal\":\""), e->text, out);
    case ANSWER_REASONING:
        return put_text(w, NO_CONTENT, STR("\"reasoning_content\":\""), e->text, out);
    case ANSWER_CALL: return put_call(w, e, out);
    case ANSWER_ARGUMENTS: return put_arguments(w, e, out);
    case ANSWER_FINISH: return put_finish(w, e->finish, out);
    case ANSWER_END: return put_end(w, &e->usage, out);
    case ANSWER_ERROR: openai__write_error_event(out, e->refusal, NULL); return 0;
    default: return 0;
    }
}
