/* SPDX-License-Identifier: Apache-2.0 */
/* A chat completion as one object. */
#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "dialect/openai/chat_priv.h"

/* --- what is held until the end --- */

static int hold(struct chat_writer *w, size_t bytes)
{
    w->held += bytes;
    return w->held > ANSWER_HELD_MAX ? ERR_TOO_LARGE : 0;
}

static int hold_text(struct chat_writer *w, struct buf *in, struct str text)
{
    int err = hold(w, text.len);
    if (!err && buf_len(in) == 0) err = buf_append(in, STR("\""));
    return err ? err : buf_append(in, text);
}

static int make_room(struct chat_writer *w)
{
    if (w->call_count < w->call_room) return 0;
    size_t room = w->call_room ? 2 * w->call_room : 4;
    struct chat_call *grown = mem_try_grow(w->calls, room, sizeof *grown);
    if (!grown) return -ENOMEM;
    w->calls = grown;
    w->call_room = room;
    return 0;
}

static int hold_call(struct chat_writer *w, const struct answer_event *e)
{
    int err = hold(w, 4 * sizeof *w->calls + e->id.len + e->name.len);
    if (!err) err = make_room(w);
    if (err) return err;
    struct chat_call *call = &w->calls[w->call_count++];
    *call = (struct chat_call){0};
    buf_init(&call->text, 2 * (size_t)ANSWER_HELD_MAX);
    err = buf_append(&call->text, STR("{"));
    return err ? err : chat__append_call(w, e, &call->text);
}

static int hold_arguments(struct chat_writer *w, const struct answer_event *e)
{
    if (e->call >= w->call_count || e->text.len == 0) return 0;
    int err = hold(w, e->text.len);
    if (err) return err;
    w->calls[e->call].any = true;
    return buf_append(&w->calls[e->call].text, e->text);
}

static void hold_finish(struct chat_writer *w, const struct answer_event *e)
{
    if (!w->finished) w->finish = e->finish;
    w->finished = true;
}

/* --- the object --- */

/* A string that was held, or null. */
static int write_text(struct json_writer *json, const char *name, struct buf *text)
{
    json_write_key(json, name);
    if (buf_len(text) == 0) {
        json_write_null(json);
        return 0;
    }
    int err = buf_append(text, STR("\""));
    json_write_raw(json, buf_str(text));
    return err;
}

static int write_calls(struct chat_writer *w, struct json_writer *json)
{
    int err = 0;
    if (w->call_count == 0) return 0;
    json_write_key(json, "tool_calls");
    json_write_array(json);
    for (unsigned i = 0; !err && i < w->call_count; i++) {
        struct chat_call *call = &w->calls[i];
        err = buf_append(&call->text, call->any ? STR("\"}}") : STR("{}\"}}"));
        json_write_raw(json, buf_str(&call->text));
    }
    json_write_array_end(json);
    return err;
}

/* The list of blocks, whose brackets are not there yet. */
static void write_thoughts(struct chat_writer *w, struct json_writer *json)
{
    if (buf_len(&w->thoughts.blocks) == 0) return;
    json_write_key(json, "thinking_blocks");
    json_write_array(json);
    json_write_raw(json, buf_str(&w->thoughts.blocks));
    json_write_array_end(json);
}

static int write_message(struct chat_writer *w, struct json_writer *json)
{
    json_write_object(json);
    json_write_str_member(json, "role", STR("assistant"));
    int err = write_text(json, "content", &w->content);
    if (!err) err = write_text(json, "refusal", &w->refusal);
    if (!err && buf_len(&w->reasoning)) err = write_text(json, "reasoning_content", &w->reasoning);
    if (!err) err = write_calls(w, json);
    write_thoughts(w, json);
    json_write_object_end(json);
    return err;
}

static int write_choice(struct chat_writer *w, struct json_writer *json)
{
    json_write_object(json);
    json_write_u64_member(json, "index", 0);
    json_write_key(json, "message");
    int err = write_message(w, json);
    json_write_null_member(json, "logprobs");
    json_write_str_member(json, "finish_reason", chat__finish_word(w, w->finish));
    json_write_object_end(json);
    return err;
}

static void write_id(const struct translation *t, struct json_writer *json)
{
    char id[128];
    (void)snprintf(id, sizeof id, "chatcmpl-%" STR_FMT, STR_ARG(t->id));
    json_write_str_member(json, "id", str_of(id));
}

static int write_completion(struct chat_writer *w, const struct usage *u, struct buf *out)
{
    const struct translation *t = w->base.t;
    struct json_writer json;
    json_write_init(&json, out);
    json_write_object(&json);
    write_id(t, &json);
    json_write_str_member(&json, "object", STR("chat.completion"));
    json_write_u64_member(&json, "created", t->created_us / 1000000);
    json_write_str_member(&json, "model", t->model);
    json_write_key(&json, "choices");
    json_write_array(&json);
    int err = write_choice(w, &json);
    json_write_array_end(&json);
    if (u->known) {
        json_write_key(&json, "usage");
        chat__write_usage(&json, u);
    }
    json_write_object_end(&json);
    int lost = json_write_end(&json);
    return err ? err : lost;
}

int chat__put_whole(struct chat_writer *w, const struct answer_event *e, struct buf *out)
{
    switch (e->kind) {
    case ANSWER_TEXT: return hold_text(w, &w->content, e->text);
    case ANSWER_REFUSAL: return hold_text(w, &w->refusal, e->text);
    case ANSWER_REASONING: return hold_text(w, &w->reasoning, e->text);
    case ANSWER_CALL: return hold_call(w, e);
    case ANSWER_ARGUMENTS: return hold_arguments(w, e);
    case ANSWER_FINISH: hold_finish(w, e); return 0;
    case ANSWER_END: return write_completion(w, &e->usage, out);
    default: return 0;
    }
}
