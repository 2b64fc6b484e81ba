/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/talk.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "json/json.h"
#include "json/write.h"

enum { TEXT_MAX = 64 * 1024 * 1024 };

static void on_wake(struct task *task);

void talk_init(struct talk *t, const struct remote *remote, struct loop *loop,
               const struct talk_owner *functions, void *owner)
{
    *t = (struct talk){.remote = remote, .loop = loop, .functions = functions, .owner = owner};
    remote_client_init(&t->client, loop, 1);
    task_init(&t->task, on_wake);
    arena_init(&t->arena, TEXT_MAX, 4096);
    arena_init(&t->frame, TEXT_MAX, 4096);
    buf_init(&t->request, TEXT_MAX);
    buf_init(&t->answer, TEXT_MAX);
    sse_init(&t->sse, TEXT_MAX);
}

static void drop_messages(struct talk *t, size_t from)
{
    while (t->message_count > from)
        free(t->messages[--t->message_count].text);
}

static void forget_failed(struct talk *t)
{
    free(t->failed);
    t->failed = NULL;
}

void talk_fini(struct talk *t)
{
    fetch_end(&t->fetch);
    task_cancel(&t->task);
    http_client_fini(&t->client);
    drop_messages(t, 0);
    forget_failed(t);
    free(t->messages);
    free(t->model);
    arena_fini(&t->arena);
    arena_fini(&t->frame);
    buf_fini(&t->request);
    buf_fini(&t->answer);
    sse_fini(&t->sse);
}

void talk_set_model(struct talk *t, struct str model)
{
    free(t->model);
    t->model = str_dup(model);
}

static bool has_system(const struct talk *t)
{
    return t->message_count && strcmp(t->messages[0].role, "system") == 0;
}

static void add_message(struct talk *t, size_t place, const char *role, struct str text)
{
    if (t->message_count == t->message_cap) {
        t->message_cap = t->message_cap ? t->message_cap * 2 : 16;
        t->messages = mem_must_grow(t->messages, t->message_cap, sizeof *t->messages);
    }
    memmove(&t->messages[place + 1], &t->messages[place],
            (t->message_count - place) * sizeof *t->messages);
    t->messages[place] = (struct talk_message){role, str_dup(text)};
    t->message_count++;
}

void talk_set_system(struct talk *t, struct str text)
{
    if (has_system(t)) {
        free(t->messages[0].text);
        memmove(&t->messages[0], &t->messages[1], --t->message_count * sizeof *t->messages);
    }
    if (text.len) add_message(t, 0, "system", text);
}

void talk_reset(struct talk *t)
{
    drop_messages(t, has_system(t) ? 1 : 0);
    forget_failed(t);
}

static char *take_text(struct talk *t, size_t place)
{
    char *text = t->messages[place].text;
    t->messages[place].text = NULL;
    drop_messages(t, place);
    return text;
}

char *talk_take_back(struct talk *t)
{
    char *text = t->failed;
    assert(!t->busy);
    t->failed = NULL;
    for (size_t i = t->message_count; !text && i > 0; i--)
        if (strcmp(t->messages[i - 1].role, "user") == 0) text = take_text(t, i - 1);
    return text;
}

int talk_write(const struct talk *t, struct buf *out, bool as_request)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_str_member(&w, "model", str_of(t->model));
    json_write_key(&w, "messages");
    json_write_array(&w);
    for (size_t i = 0; i < t->message_count; i++) {
        json_write_object(&w);
        json_write_str_member(&w, "role", str_of(t->messages[i].role));
        json_write_str_member(&w, "content", str_of(t->messages[i].text));
        json_write_object_end(&w);
    }
    json_write_array_end(&w);
    if (as_request) {
        json_write_bool_member(&w, "stream", true);
        json_write_key(&w, "stream_options");
        json_write_object(&w);
        json_write_bool_member(&w, "include_usage", true);
        json_write_object_end(&w);
    }
    json_write_object_end(&w);
    return json_write_end(&w);
}

/* --- asking --- */

void talk_ask(struct talk *t, struct str text)
{
    assert(!t->busy);
    forget_failed(t);
    add_message(t, t->message_count, "user", text);
    t->busy = true;
    t->asked_us = clock_mono_us();
    t->first_us = t->last_us = t->frames = t->announced = 0;
    t->finished = false;
    t->error = STR_NULL;
    buf_clear(&t->answer);
    sse_fini(&t->sse);
    sse_init(&t->sse, TEXT_MAX);
    arena_reset(&t->arena);
    buf_clear(&t->request);
    int err = talk_write(t, &t->request, true);
    t->body = buf_str(&t->request);
    t->fetch = (struct fetch){.arena = &t->arena, .task = &t->task};
    t->fetch.request = remote_request(t->remote, &t->arena, METHOD_POST, "/chat/completions");
    t->fetch.request.body = &t->body;
    t->fetch.request.body_count = 1;
    remote_aim(t->remote, &t->fetch, &t->client);
    if (err) {
        t->fetch.state = FETCH_FAILED;
        t->fetch.err = err;
        loop_wake(t->loop, &t->task);
        return;
    }
    fetch_start(&t->fetch);
}

static void end(struct talk *t, int err, struct str why)
{
    struct talk_result r = {
        .err = err,
        .why = why,
        .tokens = t->announced ? t->announced : t->frames,
        .first_us = t->first_us ? t->first_us - t->asked_us : 0,
        .stream_us = t->last_us - t->first_us,
    };
    bool keep = !err || (err == ERR_CANCELLED && t->frames);
    fetch_end(&t->fetch);
    task_cancel(&t->task);
    t->busy = false;
    if (keep)
        add_message(t, t->message_count, "assistant", buf_str(&t->answer));
    else
        t->failed = take_text(t, t->message_count - 1);
    t->functions->on_end(t->owner, &r);
}

void talk_cancel(struct talk *t)
{
    if (t->busy) end(t, ERR_CANCELLED, STR("cancelled"));
}

/* --- the answer --- */

static void note_piece(struct talk *t)
{
    t->frames++;
    t->last_us = clock_mono_us();
    if (!t->first_us) t->first_us = t->last_us;
}

static void text_came(struct talk *t, struct str text, bool reasoning)
{
    note_piece(t);
    if (!reasoning && buf_append(&t->answer, text))
        t->error = STR("the answer is too long to go on with");
    t->functions->on_text(t->owner, text, reasoning);
}

static void call_came(struct talk *t, const struct json *function)
{
    struct str name = json_str_or(function, "name", STR(""));
    struct str arguments = json_str_or(function, "arguments", STR(""));
    if (!name.len && !arguments.len) return;
    note_piece(t);
    t->functions->on_call(t->owner, name, arguments);
}

static void read_delta(struct talk *t, const struct json *delta)
{
    struct json_iter it = {0};
    const struct json *call;
    struct str text;
    if (json_to_str(json_get(delta, "reasoning_content"), &text) && text.len)
        text_came(t, text, true);
    if (json_to_str(json_get(delta, "content"), &text) && text.len) text_came(t, text, false);
    while (json_next_item(json_get(delta, "tool_calls"), &it, &call))
        call_came(t, json_get(call, "function"));
}

static void read_frame(struct talk *t, struct str data)
{
    const struct json *doc;
    if (str_eq(data, STR("[DONE]"))) {
        t->finished = true;
        return;
    }
    arena_reset(&t->frame);
    int err = json_parse(&t->frame, data, &doc, NULL);
    if (err) {
        t->error =
            arena_printf(&t->arena, "a piece of the answer cannot be read: %s", err_text(err));
        return;
    }
    const struct json *error = json_get(doc, "error");
    if (json_type(error) != JSON_NONE) {
        t->error =
            arena_dup(&t->arena, json_str_or(error, "message",
                                             STR("the model failed in the middle of its answer")));
        return;
    }
    const struct json *choice = json_at(json_get(doc, "choices"), 0);
    read_delta(t, json_get(choice, "delta"));
    if (json_type(json_get(choice, "finish_reason")) == JSON_STRING) t->finished = true;
    int64_t tokens = json_i64_or(json_get(doc, "usage"), "completion_tokens", 0);
    if (tokens > 0) t->announced = (uint64_t)tokens;
}

static int read_body(struct talk *t)
{
    struct sse_event event;
    int got;
    if (t->fetch.body.len == 0) return 0;
    struct str bytes = fetch_take(&t->fetch);
    if (t->fetch.head->status != 200) return buf_append(&t->answer, bytes);
    while ((got = sse_next(&t->sse, &bytes, &event)) == SSE_EVENT) {
        if (event.data.len && !t->error.ptr) read_frame(t, event.data);
    }
    return got;
}

static void on_wake(struct task *task)
{
    struct talk *t = CONTAINER_OF(task, struct talk, task);
    struct fetch *f = &t->fetch;
    int err = read_body(t);
    if (err) {
        end(t, err, remote_explain(t->remote, &t->arena, err));
    } else if (f->state == FETCH_FAILED) {
        end(t, f->err, remote_explain(t->remote, &t->arena, f->err));
    } else if (f->state != FETCH_DONE) {
        return;
    } else if (f->head->status != 200) {
        end(t, ERR_INVALID, remote_explain_status(&t->arena, f->head->status, buf_str(&t->answer)));
    } else if (t->error.ptr) {
        end(t, ERR_PROTOCOL, t->error);
    } else if (!t->finished) {
        end(t, ERR_EOF, STR("the answer was cut off"));
    } else {
        end(t, 0, STR(""));
    }
}
