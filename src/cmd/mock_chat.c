/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/mock_chat.h"

#include <stdio.h>

#include "base/clock.h"
#include "cmd/mock_knobs.h"
#include "cmd/mock_turn.h"
#include "json/write.h"

enum { HELD_MAX = 64 << 20 };

/* A call of an answer that is not streamed. */
struct call {
    struct call *next;
    struct str id;
    struct str name;
    struct buf arguments;
};

struct chat_writer {
    struct answer_writer base;
    struct str model; /* JSON text without quotes */
    bool begun;       /* the frame with the role has been written */
    enum finish finish;
    bool said[ANSWER_ARGUMENTS + 1]; /* by kind: there is some */
    struct buf content;              /* whole answers, as the next ones */
    struct buf refusal;
    struct buf reasoning;
    struct call *calls;
    struct call *last_call;
};

static struct chat_writer *writer_of(struct answer_writer *w)
{
    return CONTAINER_OF(w, struct chat_writer, base);
}

static void init(struct answer_writer *base)
{
    struct chat_writer *w = writer_of(base);
    struct buf b;
    buf_init(&b, HELD_MAX);
    w->model = json_escape(&b, base->t->model) ? STR("") : arena_dup(base->t->arena, buf_str(&b));
    buf_fini(&b);
    buf_init(&w->content, HELD_MAX);
    buf_init(&w->refusal, HELD_MAX);
    buf_init(&w->reasoning, HELD_MAX);
}

static void fini(struct answer_writer *base)
{
    struct chat_writer *w = writer_of(base);
    buf_fini(&w->content);
    buf_fini(&w->refusal);
    buf_fini(&w->reasoning);
    for (struct call *c = w->calls; c; c = c->next)
        buf_fini(&c->arguments);
}

static struct str finish_name(const struct chat_writer *w)
{
    return mock_finish_name(w->finish == FINISH_PAUSE ? FINISH_STOP : w->finish);
}

/* What tells which answer it is, up to the choices. */
static int start(struct chat_writer *w, struct buf *out, const char *object)
{
    const struct translation *t = w->base.t;
    return buf_printf(out,
                      "{\"id\":\"chatcmpl-%" STR_FMT
                      "\",\"object\":\"%s\",\"created\":%llu,\"model\":\"%" STR_FMT
                      "\",\"choices\":[",
                      STR_ARG(t->id), object, (unsigned long long)(t->created_us / USEC_PER_SEC),
                      STR_ARG(w->model));
}

static int usage(struct buf *out, const struct usage *u)
{
    int err =
        buf_printf(out,
                   ",\"usage\":{\"prompt_tokens\":%llu,\"completion_tokens\":%llu,"
                   "\"total_tokens\":%llu,\"prompt_tokens_details\":{\"cached_tokens\":%llu",
                   (unsigned long long)u->prompt, (unsigned long long)u->completion,
                   (unsigned long long)u->prompt + u->completion, (unsigned long long)u->cached);
    if (!err && u->written)
        err = buf_printf(out, ",\"cache_write_tokens\":%llu", (unsigned long long)u->written);
    if (err) return err;
    return buf_printf(out, "},\"completion_tokens_details\":{\"reasoning_tokens\":%llu}}",
                      (unsigned long long)u->reasoning);
}

/* --- streams --- */

/* `finish`: JSON text. */
static int frame_end(struct chat_writer *w, struct buf *out, const char *finish)
{
    return buf_printf(out, ",\"finish_reason\":%s}]%s}\n\n", finish,
                      w->base.t->asks_usage ? ",\"usage\":null" : "");
}

static int frame_start(struct chat_writer *w, struct buf *out)
{
    int err = buf_append(out, STR("data: "));
    if (!err) err = start(w, out, "chat.completion.chunk");
    return err ? err : buf_append(out, STR("{\"index\":0,\"delta\":"));
}

/* The frame with the role, before the first one with anything else. */
static int begin(struct chat_writer *w, struct buf *out, bool words)
{
    if (w->begun) return 0;
    w->begun = true;
    int err = frame_start(w, out);
    if (!err)
        err = buf_printf(out, "{\"role\":\"assistant\",\"content\":%s}", words ? "\"\"" : "null");
    return err ? err : frame_end(w, out, "null");
}

static int reasoning_delta(struct chat_writer *w, struct buf *out, struct str text)
{
    const struct mock_knobs *k = w->base.t->memo;
    const char *first = k->reasoning_name == MOCK_REASONING ? "reasoning" : "reasoning_content";
    int err = buf_printf(out, "\"%s\":\"%" STR_FMT "\"", first, STR_ARG(text));
    if (!err && k->reasoning_name == MOCK_REASONING_BOTH)
        err = buf_printf(out, ",\"reasoning\":\"%" STR_FMT "\"", STR_ARG(text));
    return err;
}

static int call_delta(struct buf *out, const struct answer_event *e)
{
    int err = buf_printf(out, "\"tool_calls\":[{\"index\":%u,", e->call);
    if (!err && e->id.len) err = buf_printf(out, "\"id\":\"%" STR_FMT "\",", STR_ARG(e->id));
    if (err) return err;
    return buf_printf(
        out, "\"type\":\"function\",\"function\":{\"name\":\"%" STR_FMT "\",\"arguments\":\"\"}}]",
        STR_ARG(e->name));
}

static int delta(struct chat_writer *w, struct buf *out, const struct answer_event *e)
{
    switch (e->kind) {
    case ANSWER_TEXT: return buf_printf(out, "\"content\":\"%" STR_FMT "\"", STR_ARG(e->text));
    case ANSWER_REFUSAL: return buf_printf(out, "\"refusal\":\"%" STR_FMT "\"", STR_ARG(e->text));
    case ANSWER_REASONING: return reasoning_delta(w, out, e->text);
    case ANSWER_CALL: return call_delta(out, e);
    default:
        return buf_printf(
            out, "\"tool_calls\":[{\"index\":%u,\"function\":{\"arguments\":\"%" STR_FMT "\"}}]",
            e->call, STR_ARG(e->text));
    }
}

static int put_frame(struct chat_writer *w, const struct answer_event *e, struct buf *out)
{
    int err = begin(w, out, e->kind == ANSWER_TEXT || e->kind == ANSWER_REASONING);
    if (!err) err = frame_start(w, out);
    if (!err) err = buf_append(out, STR("{"));
    if (!err) err = delta(w, out, e);
    if (!err) err = buf_append(out, STR("}"));
    return err ? err : frame_end(w, out, "null");
}

static int put_usage_frame(struct chat_writer *w, const struct usage *u, struct buf *out)
{
    int err = buf_append(out, STR("data: "));
    if (!err) err = start(w, out, "chat.completion.chunk");
    if (!err) err = buf_append(out, STR("]"));
    if (!err) err = usage(out, u);
    return err ? err : buf_append(out, STR("}\n\n"));
}

static int end_stream(struct chat_writer *w, const struct usage *u, struct buf *out)
{
    char finish[24];
    (void)snprintf(finish, sizeof finish, "\"%" STR_FMT "\"", STR_ARG(finish_name(w)));
    int err = begin(w, out, true);
    if (!err) err = frame_start(w, out);
    if (!err) err = buf_append(out, STR("{}"));
    if (!err) err = frame_end(w, out, finish);
    if (!err && w->base.t->asks_usage && u->known) err = put_usage_frame(w, u, out);
    return err ? err : buf_append(out, STR("data: [DONE]\n\n"));
}

/* --- whole answers --- */

static int hold_call(struct chat_writer *w, const struct answer_event *e)
{
    struct call *c = arena_zalloc(w->base.t->arena, sizeof *c);
    c->id = e->id;
    c->name = e->name;
    buf_init(&c->arguments, HELD_MAX);
    if (w->last_call)
        w->last_call->next = c;
    else
        w->calls = c;
    w->last_call = c;
    return 0;
}

static int hold_arguments(struct chat_writer *w, const struct answer_event *e)
{
    struct call *c = w->calls;
    for (unsigned i = 0; i < e->call && c; i++)
        c = c->next;
    return c ? buf_append(&c->arguments, e->text) : 0;
}

static int hold(struct chat_writer *w, const struct answer_event *e)
{
    switch (e->kind) {
    case ANSWER_TEXT: return buf_append(&w->content, e->text);
    case ANSWER_REFUSAL: return buf_append(&w->refusal, e->text);
    case ANSWER_REASONING: return buf_append(&w->reasoning, e->text);
    case ANSWER_CALL: return hold_call(w, e);
    default: return hold_arguments(w, e);
    }
}

/* A member that is a string, or null where nothing was said. */
static int nullable(struct buf *out, const char *name, bool said, const struct buf *held)
{
    if (!said) return buf_printf(out, ",\"%s\":null", name);
    int err = buf_printf(out, ",\"%s\":\"", name);
    if (!err) err = buf_append(out, buf_str(held));
    return err ? err : buf_append(out, STR("\""));
}

static int write_call(struct buf *out, const struct call *c)
{
    int err = buf_append(out, STR("{"));
    if (!err && c->id.len) err = buf_printf(out, "\"id\":\"%" STR_FMT "\",", STR_ARG(c->id));
    if (!err)
        err = buf_printf(
            out, "\"type\":\"function\",\"function\":{\"name\":\"%" STR_FMT "\",\"arguments\":\"",
            STR_ARG(c->name));
    if (!err) err = buf_append(out, buf_str(&c->arguments));
    return err ? err : buf_append(out, STR("\"}}"));
}

static int write_calls(struct chat_writer *w, struct buf *out)
{
    int err = w->calls ? buf_append(out, STR(",\"tool_calls\":[")) : 0;
    for (struct call *c = w->calls; c && !err; c = c->next) {
        if (c != w->calls) err = buf_append(out, STR(","));
        if (!err) err = write_call(out, c);
    }
    return !err && w->calls ? buf_append(out, STR("]")) : err;
}

static int write_reasoning(struct chat_writer *w, struct buf *out)
{
    if (!w->said[ANSWER_REASONING]) return 0;
    int err = buf_append(out, STR(","));
    return err ? err : reasoning_delta(w, out, buf_str(&w->reasoning));
}

static int end_whole(struct chat_writer *w, const struct usage *u, struct buf *out)
{
    int err = start(w, out, "chat.completion");
    if (!err) err = buf_append(out, STR("{\"index\":0,\"message\":{\"role\":\"assistant\""));
    if (!err) err = nullable(out, "content", w->said[ANSWER_TEXT], &w->content);
    if (!err) err = nullable(out, "refusal", w->said[ANSWER_REFUSAL], &w->refusal);
    if (!err) err = write_reasoning(w, out);
    if (!err) err = write_calls(w, out);
    if (!err)
        err = buf_printf(out, "},\"logprobs\":null,\"finish_reason\":\"%" STR_FMT "\"}]",
                         STR_ARG(finish_name(w)));
    if (!err && u->known) err = usage(out, u);
    return err ? err : buf_append(out, STR("}"));
}

/* --- both --- */

static int put(struct answer_writer *base, const struct answer_event *e, struct buf *out)
{
    struct chat_writer *w = writer_of(base);
    const bool stream = base->t->stream;
    switch (e->kind) {
    case ANSWER_SIGNATURE:
    case ANSWER_REDACTED:
    case ANSWER_VECTOR: return 0; /* there is no word for it */
    case ANSWER_FINISH: w->finish = e->finish; return 0;
    case ANSWER_END: return stream ? end_stream(w, &e->usage, out) : end_whole(w, &e->usage, out);
    case ANSWER_ERROR: dialect_openai.write_error_event(out, e->refusal, NULL); return 0;
    default: break;
    }
    w->said[e->kind] = true;
    return stream ? put_frame(w, e, out) : hold(w, e);
}

const struct answer_writer_ops mock_chat_writer = {
    .size = sizeof(struct chat_writer),
    .init = init,
    .fini = fini,
    .put = put,
    .ping = STR_INIT(": ping\n\n"),
};
