/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/answer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/base64.h"
#include "base/err.h"
#include "base/rand.h"
#include "json/write.h"

void answer_make_id(char out[ANSWER_ID_SIZE], const char *prefix)
{
    char hex[24 + 1];
    rand_hex(hex, sizeof hex);
    (void)snprintf(out, ANSWER_ID_SIZE, "%s-%s", prefix, hex);
}

void answer_init(struct answer *a, enum body_kind kind)
{
    a->kind = kind;
    a->created = clock_wall_us() / USEC_PER_SEC;
    answer_make_id(a->id, kind == BODY_CHAT ? "chatcmpl" : "cmpl");
}

static void write_finish(struct json_writer *w, enum finish finish)
{
    static const struct str reasons[] = {[FINISH_STOP] = STR_INIT("stop"),
                                         [FINISH_CALLS] = STR_INIT("tool_calls"),
                                         [FINISH_LENGTH] = STR_INIT("length")};
    if (finish == FINISH_NONE)
        json_write_null_member(w, "finish_reason");
    else
        json_write_str_member(w, "finish_reason", reasons[finish]);
}

/* --- log probabilities --- */

static struct str token_text(const struct answer *a, int32_t token, char piece[VOCAB_PIECE_MAX])
{
    return str_n(piece, vocab_piece(a->vocab, token, true, piece));
}

/* A logarithm of zero has no number in JSON. */
static double in_range(float logprob)
{
    float least = -9999;
    return (double)(logprob > least ? logprob : least);
}

static void write_chat_token(struct json_writer *w, const struct answer *a, int32_t token,
                             float logprob)
{
    char piece[VOCAB_PIECE_MAX];
    struct str text = token_text(a, token, piece);
    json_write_str_member(w, "token", text);
    json_write_double_member(w, "logprob", in_range(logprob));
    json_write_key(w, "bytes");
    json_write_array(w);
    for (size_t i = 0; i < text.len; i++)
        json_write_u64(w, (unsigned char)text.ptr[i]);
    json_write_array_end(w);
}

static void write_chat_logprobs(struct json_writer *w, const struct answer *a,
                                const struct answer_choice *c)
{
    json_write_object(w);
    json_write_key(w, "content");
    json_write_array(w);
    for (unsigned i = 0; i < c->token_count; i++) {
        const struct sampler_choice *t = &c->tokens[i];
        json_write_object(w);
        write_chat_token(w, a, t->token, t->logprob);
        json_write_key(w, "top_logprobs");
        json_write_array(w);
        for (unsigned k = 0; k < t->top_count; k++) {
            json_write_object(w);
            write_chat_token(w, a, t->top[k].token, t->top[k].logprob);
            json_write_object_end(w);
        }
        json_write_array_end(w);
        json_write_object_end(w);
    }
    json_write_array_end(w);
    json_write_null_member(w, "refusal");
    json_write_object_end(w);
}

static size_t characters(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    return n;
}

static void write_completion_logprobs(struct json_writer *w, const struct answer *a,
                                      const struct answer_choice *c, size_t *text_offset)
{
    char piece[VOCAB_PIECE_MAX];
    json_write_object(w);
    json_write_key(w, "tokens");
    json_write_array(w);
    for (unsigned i = 0; i < c->token_count; i++)
        json_write_str(w, token_text(a, c->tokens[i].token, piece));
    json_write_array_end(w);
    json_write_key(w, "token_logprobs");
    json_write_array(w);
    for (unsigned i = 0; i < c->token_count; i++)
        json_write_double(w, in_range(c->tokens[i].logprob));
    json_write_array_end(w);
    json_write_key(w, "top_logprobs");
    json_write_array(w);
    for (unsigned i = 0; i < c->token_count; i++) {
        json_write_object(w);
        for (unsigned k = 0; k < c->tokens[i].top_count; k++) {
            json_write_key_str(w, token_text(a, c->tokens[i].top[k].token, piece));
            json_write_double(w, in_range(c->tokens[i].top[k].logprob));
        }
        json_write_object_end(w);
    }
    json_write_array_end(w);
    json_write_key(w, "text_offset");
    json_write_array(w);
    for (unsigned i = 0; i < c->token_count; i++) {
        json_write_u64(w, *text_offset);
        *text_offset += characters(token_text(a, c->tokens[i].token, piece));
    }
    json_write_array_end(w);
    json_write_object_end(w);
}

static void write_logprobs(struct json_writer *w, const struct answer *a,
                           const struct answer_choice *c, size_t *text_offset)
{
    json_write_key(w, "logprobs");
    if (!a->logprobs)
        json_write_null(w);
    else if (a->kind == BODY_CHAT)
        write_chat_logprobs(w, a, c);
    else
        write_completion_logprobs(w, a, c, text_offset);
}

/* --- calls --- */

/* A call, or a part of it, within its object. */
static void write_call(struct json_writer *w, const struct call_part *call)
{
    if (call->name.len) {
        json_write_str_member(w, "id", str_of(call->id));
        json_write_str_member(w, "type", STR("function"));
    }
    json_write_key(w, "function");
    json_write_object(w);
    if (call->name.len) json_write_str_member(w, "name", call->name);
    json_write_str_member(w, "arguments", call->arguments);
    json_write_object_end(w);
}

static void write_calls(struct json_writer *w, const struct call_list *calls)
{
    json_write_key(w, "tool_calls");
    json_write_array(w);
    for (size_t i = 0; i < calls->count; i++) {
        struct call_part call = call_list_at(calls, i);
        json_write_object(w);
        write_call(w, &call);
        json_write_object_end(w);
    }
    json_write_array_end(w);
}

/* --- objects --- */

static void begin_object(struct json_writer *w, const struct answer *a, struct str object)
{
    json_write_object(w);
    json_write_str_member(w, "id", str_of(a->id));
    json_write_str_member(w, "object", object);
    json_write_u64_member(w, "created", a->created);
    json_write_str_member(w, "model", a->model);
    json_write_key(w, "choices");
    json_write_array(w);
}

static void write_usage(struct json_writer *w, const struct answer_usage *u)
{
    json_write_key(w, "usage");
    json_write_object(w);
    json_write_u64_member(w, "prompt_tokens", u->prompt);
    json_write_u64_member(w, "completion_tokens", u->completion);
    json_write_u64_member(w, "total_tokens", u->prompt + u->completion);
    json_write_key(w, "prompt_tokens_details");
    json_write_object(w);
    json_write_u64_member(w, "cached_tokens", u->cached);
    json_write_object_end(w);
    if (u->reasoning) {
        json_write_key(w, "completion_tokens_details");
        json_write_object(w);
        json_write_u64_member(w, "reasoning_tokens", u->reasoning);
        json_write_object_end(w);
    }
    json_write_object_end(w);
}

static void write_message(struct json_writer *w, const struct answer_choice *c)
{
    bool calls = c->calls && c->calls->count;
    json_write_key(w, "message");
    json_write_object(w);
    json_write_str_member(w, "role", STR("assistant"));
    if (c->reasoning.len) json_write_str_member(w, "reasoning_content", c->reasoning);
    if (calls && !c->text.len)
        json_write_null_member(w, "content");
    else
        json_write_str_member(w, "content", c->text);
    json_write_null_member(w, "refusal");
    if (calls) write_calls(w, c->calls);
    json_write_object_end(w);
}

static void write_choice(struct json_writer *w, const struct answer *a, unsigned index,
                         const struct answer_choice *c)
{
    json_write_object(w);
    json_write_u64_member(w, "index", index);
    if (a->kind == BODY_CHAT) {
        write_message(w, c);
    } else {
        json_write_str_member(w, "text", c->text);
    }
    size_t text_offset = 0;
    write_logprobs(w, a, c, &text_offset);
    write_finish(w, c->finish);
    json_write_object_end(w);
}

int answer_whole(const struct answer *a, struct buf *out, const struct answer_choice *choices,
                 size_t count, const struct answer_usage *usage)
{
    struct json_writer w;
    json_write_init(&w, out);
    begin_object(&w, a, a->kind == BODY_CHAT ? STR("chat.completion") : STR("text_completion"));
    for (size_t i = 0; i < count; i++)
        write_choice(&w, a, (unsigned)i, &choices[i]);
    json_write_array_end(&w);
    write_usage(&w, usage);
    json_write_object_end(&w);
    return json_write_end(&w);
}

/* --- frames --- */

static int begin_frame(struct json_writer *w, const struct answer *a, struct buf *out)
{
    int err = buf_append(out, STR("data: "));
    json_write_init(w, out);
    begin_object(w, a,
                 a->kind == BODY_CHAT ? STR("chat.completion.chunk") : STR("text_completion"));
    return err;
}

static int end_frame(struct json_writer *w, const struct answer *a,
                     const struct answer_usage *usage)
{
    json_write_array_end(w);
    if (usage)
        write_usage(w, usage);
    else if (a->include_usage)
        json_write_null_member(w, "usage");
    json_write_object_end(w);
    int err = json_write_end(w);
    return err ? err : buf_append(w->out, STR("\n\n"));
}

/* The one choice of a frame, up to its delta. */
static void begin_choice(struct json_writer *w, unsigned index)
{
    json_write_object(w);
    json_write_u64_member(w, "index", index);
}

static void end_choice(struct json_writer *w, enum finish finish)
{
    write_finish(w, finish);
    json_write_object_end(w);
}

int answer_frame_role(const struct answer *a, struct buf *out, unsigned index)
{
    struct json_writer w;
    if (a->kind != BODY_CHAT) return 0;
    int err = begin_frame(&w, a, out);
    begin_choice(&w, index);
    json_write_key(&w, "delta");
    json_write_object(&w);
    json_write_str_member(&w, "role", STR("assistant"));
    json_write_str_member(&w, "content", STR(""));
    json_write_object_end(&w);
    json_write_null_member(&w, "logprobs");
    end_choice(&w, FINISH_NONE);
    int end = end_frame(&w, a, NULL);
    return err ? err : end;
}

int answer_frame_text(const struct answer *a, struct buf *out, unsigned index,
                      const struct answer_choice *part, size_t *text_offset)
{
    struct json_writer w;
    int err = begin_frame(&w, a, out);
    begin_choice(&w, index);
    if (a->kind == BODY_CHAT) {
        json_write_key(&w, "delta");
        json_write_object(&w);
        if (part->reasoning.len)
            json_write_str_member(&w, "reasoning_content", part->reasoning);
        else
            json_write_str_member(&w, "content", part->text);
        json_write_object_end(&w);
    } else {
        json_write_str_member(&w, "text", part->text);
    }
    write_logprobs(&w, a, part, text_offset);
    end_choice(&w, FINISH_NONE);
    int end = end_frame(&w, a, NULL);
    return err ? err : end;
}

int answer_frame_call(const struct answer *a, struct buf *out, unsigned index, unsigned call_index,
                      const struct call_part *call, const struct answer_choice *part)
{
    struct json_writer w;
    size_t text_offset = 0; /* chats have none */
    int err = begin_frame(&w, a, out);
    begin_choice(&w, index);
    json_write_key(&w, "delta");
    json_write_object(&w);
    json_write_key(&w, "tool_calls");
    json_write_array(&w);
    json_write_object(&w);
    json_write_u64_member(&w, "index", call_index);
    write_call(&w, call);
    json_write_object_end(&w);
    json_write_array_end(&w);
    json_write_object_end(&w);
    write_logprobs(&w, a, part, &text_offset);
    end_choice(&w, FINISH_NONE);
    int end = end_frame(&w, a, NULL);
    return err ? err : end;
}

int answer_frame_finish(const struct answer *a, struct buf *out, unsigned index, enum finish finish)
{
    struct json_writer w;
    int err = begin_frame(&w, a, out);
    begin_choice(&w, index);
    if (a->kind == BODY_CHAT) {
        json_write_key(&w, "delta");
        json_write_object(&w);
        json_write_object_end(&w);
    } else {
        json_write_str_member(&w, "text", STR(""));
    }
    json_write_null_member(&w, "logprobs");
    end_choice(&w, finish);
    int end = end_frame(&w, a, NULL);
    return err ? err : end;
}

int answer_frame_usage(const struct answer *a, struct buf *out, const struct answer_usage *usage)
{
    struct json_writer w;
    int err = begin_frame(&w, a, out);
    int end = end_frame(&w, a, usage);
    return err ? err : end;
}

int answer_frame_done(struct buf *out)
{
    return buf_append(out, STR("data: [DONE]\n\n"));
}

/* --- embeddings --- */

static void write_base64(struct json_writer *w, const float *values, size_t length)
{
    struct buf text;
    buf_init(&text, length * sizeof *values * 2 + 8);
    struct str bytes = str_n((const char *)values, length * sizeof *values);
    if (base64_append(&text, bytes) && !w->err) w->err = -ENOMEM;
    json_write_str(w, buf_str(&text));
    buf_fini(&text);
}

static void write_vector(struct json_writer *w, const float *values, size_t length)
{
    json_write_array(w);
    for (size_t i = 0; i < length; i++) {
        char text[32];
        int n = snprintf(text, sizeof text, "%.9g", (double)values[i]);
        json_write_raw(w, str_n(text, (size_t)n));
    }
    json_write_array_end(w);
}

void answer_embeddings_begin(struct json_writer *w, struct buf *out)
{
    json_write_init(w, out);
    json_write_object(w);
    json_write_str_member(w, "object", STR("list"));
    json_write_key(w, "data");
    json_write_array(w);
}

void answer_embedding(struct json_writer *w, size_t index, const float *values, size_t length,
                      bool base64)
{
    json_write_object(w);
    json_write_str_member(w, "object", STR("embedding"));
    json_write_u64_member(w, "index", index);
    json_write_key(w, "embedding");
    if (base64)
        write_base64(w, values, length);
    else
        write_vector(w, values, length);
    json_write_object_end(w);
}

int answer_embeddings_end(struct json_writer *w, struct str model, uint64_t tokens)
{
    json_write_array_end(w);
    json_write_str_member(w, "model", model);
    json_write_key(w, "usage");
    json_write_object(w);
    json_write_u64_member(w, "prompt_tokens", tokens);
    json_write_u64_member(w, "total_tokens", tokens);
    json_write_object_end(w);
    json_write_object_end(w);
    return json_write_end(w);
}
