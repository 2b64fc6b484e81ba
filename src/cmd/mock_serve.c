/* SPDX-License-Identifier: Apache-2.0 */
/* The happy path of a model request: the head comes (on_call), the body is read (BODY), the answer
 * is planned from the knobs, its time is waited for (WAITING), tokens go out as they fall due
 * (STREAMING), the call ends. What can go wrong: a bad body (400), the error that the knobs ask
 * for, a scripted death or stall, a client that leaves (noted with its time), a client that reads
 * slowly (tokens wait until the queue has drained).
 *
 *     BODY --> WAITING --> STREAMING --> end
 *      |          |            |
 *      +----------+------------+--> gone: abort noted, end */
#include "cmd/mock_serve.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "cmd/mock_priv.h"

enum {
    QUEUE_HIGH = 256 * 1024, /* unsent bytes at which a stream holds its tokens back */
    QUEUE_LOW = 64 * 1024,
    BURST = 64, /* tokens of one stream before others get their turn */
    OUT_MAX = 64 * 1024 * 1024,
};

static const struct http_field json_type_field =
    HTTP_FIELD(CONTENT_TYPE, STR_INIT("application/json"));
static const struct http_field stream_fields[] = {
    HTTP_FIELD(CONTENT_TYPE, STR_INIT("text/event-stream; charset=utf-8")),
    HTTP_FIELD(CACHE_CONTROL, STR_INIT("no-cache")),
};
static const struct http_field line_fields[ARRAY_LEN(stream_fields)] = {
    HTTP_FIELD(CONTENT_TYPE, STR_INIT("application/x-ndjson")),
    HTTP_FIELD(CACHE_CONTROL, STR_INIT("no-cache")),
};

/* --- small answers --- */

void mock__reply_json(struct http_call *c, int status, struct str body)
{
    call_reply(c, status, &json_type_field, 1, body);
}

static struct refusal error_of(int status, const char *code, const char *message)
{
    return (struct refusal){.status = status, .message = str_of(message), .code = code};
}

static struct str error_body(struct arena *arena, const struct dialect *dialect,
                             const struct refusal *why)
{
    struct buf b;
    buf_init(&b, OUT_MAX);
    dialect->write_error(&b, why);
    struct str body = arena_dup(arena, buf_str(&b));
    buf_fini(&b);
    return body;
}

void mock__reply_error(struct http_call *c, const struct dialect *dialect, int status,
                       const char *code, const char *message)
{
    const struct refusal why = error_of(status, code, message);
    mock__reply_json(c, status, error_body(c->arena, dialect, &why));
}

static const struct dialect *dialect_of(const struct request *r)
{
    return r->path->dialect ? r->path->dialect : surface_row(r->path->surface)->dialect;
}

/* --- the request's ends --- */

/* Takes the request off everything that could wake it; its memory goes with the call. */
static void leave(struct request *r)
{
    task_cancel(&r->task);
    timer_stop(r->worker->loop, &r->timer);
    atomic_fetch_sub_explicit(&r->worker->mock->stats.active, 1, memory_order_relaxed);
}

static void complete(struct request *r)
{
    mock_count(&r->worker->mock->stats.completed);
    leave(r);
    call_end(r->call);
}

static void refuse(struct request *r, const struct refusal *why)
{
    struct mock *m = r->worker->mock;
    struct http_call *c = r->call;
    char seconds[32];
    struct http_field fields[2] = {json_type_field};
    unsigned count = 1;
    if (r->knobs.retry_after > 0) {
        int len = snprintf(seconds, sizeof seconds, "%g", r->knobs.retry_after);
        fields[count++] = (struct http_field)HTTP_FIELD(RETRY_AFTER, str_n(seconds, (size_t)len));
    }
    mock_count(&m->stats.errors);
    leave(r);
    call_reply(c, why->status, fields, count, error_body(c->arena, dialect_of(r), why));
}

static void fail(struct request *r, int status, const char *code, const char *message)
{
    const struct refusal why = error_of(status, code, message);
    refuse(r, &why);
}

static void gone(struct request *r)
{
    mock_stats_abort(&r->worker->mock->stats, r->id, clock_mono_us(), r->phase);
    leave(r);
    call_end(r->call);
}

static void die(struct request *r)
{
    mock_count(&r->worker->mock->stats.died);
    leave(r);
    if (r->knobs.die == MOCK_RST)
        call_abort_reset(r->call);
    else
        call_abort(r->call);
}

/* --- answering --- */

/* Events, or lines where the dialect has these. */
static bool sends_lines(const struct request *r)
{
    const struct answer_reader *reader = surface_row(r->path->surface)->dialect->reader;
    return reader && reader->lines;
}

static void begin_stream(struct request *r)
{
    if (r->begun) return;
    r->begun = true;
    const struct http_field *fields = sends_lines(r) ? line_fields : stream_fields;
    call_begin(r->call, 200, fields, ARRAY_LEN(stream_fields), HTTP_LENGTH_UNKNOWN);
}

/* When token `index` is due; UINT64_MAX: never. */
static uint64_t token_due(const struct request *r, uint32_t index)
{
    const struct mock_knobs *k = &r->knobs;
    uint64_t due = r->first_us;
    if (k->rate > 0) due += (uint64_t)((double)index * 1e6 / k->rate);
    if (index < k->stall_after) return due;
    return k->stall_ms > 0 ? due + (uint64_t)(k->stall_ms * USEC_PER_MS) : UINT64_MAX;
}

static void wake_at(struct request *r, uint64_t due_us)
{
    if (r->knobs.comment_ms > 0 && r->stream) {
        due_us = MIN(due_us, r->last_write_us + (uint64_t)(r->knobs.comment_ms * USEC_PER_MS));
    }
    if (due_us != UINT64_MAX) timer_start(r->worker->loop, &r->timer, due_us);
}

static void comment_if_due(struct request *r, uint64_t now_us)
{
    const struct str ping = r->voice ? r->voice->writer->ops->ping : STR(": ping\n\n");
    if (r->knobs.comment_ms <= 0 || ping.len == 0 ||
        now_us < r->last_write_us + (uint64_t)(r->knobs.comment_ms * USEC_PER_MS))
        return;
    begin_stream(r);
    call_write(r->call, &ping, 1, false);
    r->last_write_us = now_us;
}

/* The next token's frame of each choice. The role's frames go with the first, the stream's end
 * with the last. */
static void write_frames(struct request *r, uint32_t index, bool last)
{
    struct str slices[MOCK_FRAME_SLICES + 2];
    const unsigned choices = r->answer.choices;
    for (unsigned c = 0; c < choices && !r->call->gone; c++) {
        unsigned n = 0;
        if (index == 0 && c == 0 && r->frames.head.len) slices[n++] = r->frames.head;
        n += mock_frames_token(&r->frames, index, c, slices + n);
        bool end = last && c == choices - 1;
        if (end && !r->knobs.no_done) slices[n++] = r->frames.tail;
        call_write(r->call, slices, n, end);
    }
}

/* Adds a piece to what the voice has said. */
static int say(struct request *r, uint32_t index)
{
    struct mock_piece counted;
    const struct mock_piece *piece = &counted;
    if (r->turn.says)
        piece = &r->turn.pieces[index];
    else
        counted = (struct mock_piece){.kind = ANSWER_TEXT, .text = mock_token(&r->answer, index)};
    return mock_voice_say(r->voice, piece, str_n(r->answer.text->filler, r->answer.pad));
}

static int say_end(struct request *r)
{
    return mock_voice_end(r->voice, r->finish, r->turn.stop, &r->answer.usage);
}

/* The same of a voice, which may hold a piece back. */
static int write_piece(struct request *r, uint32_t index, bool last)
{
    struct buf *out = &r->voice->out;
    buf_clear(out);
    int err = say(r, index);
    if (!err && last && !r->knobs.no_done) err = say_end(r);
    struct str said = buf_str(out);
    if (!err && (said.len || last)) call_write(r->call, &said, said.len ? 1 : 0, last);
    return err;
}

static int write_token(struct request *r, uint64_t now_us)
{
    int err = 0;
    begin_stream(r);
    uint32_t index = r->sent++;
    bool last = r->sent == r->answer.tokens && r->knobs.die_after != r->sent &&
                r->knobs.error_after != r->sent;
    if (r->voice)
        err = write_piece(r, index, last);
    else
        write_frames(r, index, last);
    r->last_write_us = now_us;
    atomic_fetch_add_explicit(&r->worker->mock->stats.frames, r->answer.choices,
                              memory_order_relaxed);
    return err;
}

/* The error event, in a buf of the caller's or the voice's. */
static struct str error_event(struct request *r, struct buf *scratch)
{
    const struct refusal why = {.status = 500,
                                .message = STR("mock: the error after so many tokens")};
    struct buf *out = r->voice ? &r->voice->out : scratch;
    buf_clear(out);
    if (!r->voice)
        dialect_openai.write_error_event(out, &why, NULL);
    else if (mock_voice_fail(r->voice, &why))
        buf_clear(out);
    return buf_str(out);
}

static void end_by_error_event(struct request *r)
{
    struct buf scratch;
    buf_init(&scratch, OUT_MAX);
    struct str event = error_event(r, &scratch);
    begin_stream(r);
    call_write(r->call, &event, 1, true);
    buf_fini(&scratch);
    mock_count(&r->worker->mock->stats.errors);
    leave(r);
    call_end(r->call);
}

/* Sends what is due. */
static void step_stream(struct request *r, uint64_t now_us)
{
    for (unsigned burst = 0;; burst++) {
        if (r->sent == r->knobs.die_after) {
            begin_stream(r);
            call_flush(r->call);
            die(r);
            return;
        }
        if (r->sent == r->knobs.error_after) {
            end_by_error_event(r);
            return;
        }
        if (r->sent == r->answer.tokens) {
            complete(r);
            return;
        }
        uint64_t due_us = token_due(r, r->sent);
        if (due_us > now_us) {
            comment_if_due(r, now_us);
            wake_at(r, due_us);
            return;
        }
        if (burst == BURST) {
            timer_start(r->worker->loop, &r->timer, now_us);
            return;
        }
        if (call_pending(r->call) > QUEUE_HIGH) return; /* woken at QUEUE_LOW */
        r->phase = MOCK_STREAMING;
        int err = write_token(r, now_us);
        if (r->call->gone) {
            gone(r);
            return;
        }
        if (err) { /* it has outgrown its memory */
            die(r);
            return;
        }
    }
}

/* --- answers that are one object --- */

static int say_all(struct request *r, struct str *out)
{
    int err = 0;
    for (uint32_t i = 0; i < r->answer.tokens && !err; i++)
        err = say(r, i);
    if (!err) err = say_end(r);
    *out = buf_str(&r->voice->out);
    return err;
}

/* The body of the answer, on `scratch` or the arena. */
static int write_whole(struct request *r, struct buf *scratch, struct str *out)
{
    int err = 0;
    if (r->turn.body.len) {
        *out = r->turn.body;
    } else if (r->path->object) {
        err = r->path->object(r, scratch);
        *out = buf_str(scratch);
    } else if (r->voice) {
        err = say_all(r, out);
    } else {
        *out = mock_answer_object(&r->answer, r->call->arena);
    }
    return err;
}

/* Half of the answer and then the close. */
static void die_in_object(struct request *r, struct str body)
{
    struct str half = str_sub(body, 0, body.len / 2);
    call_begin(r->call, 200, &json_type_field, 1, body.len);
    call_write(r->call, &half, 1, false);
    die(r);
}

static void answer_object(struct request *r, bool whole)
{
    struct http_call *c = r->call;
    struct str body;
    struct buf scratch;
    buf_init(&scratch, OUT_MAX);
    if (write_whole(r, &scratch, &body)) {
        fail(r, 400, NULL, r->wrong ? r->wrong : "the mock cannot answer that");
    } else if (!whole) {
        die_in_object(r, body);
    } else {
        mock_count(&r->worker->mock->stats.completed);
        leave(r);
        mock__reply_json(c, 200, body);
    }
    buf_fini(&scratch);
}

static void step_object(struct request *r, uint64_t now_us)
{
    const struct mock_knobs *k = &r->knobs;
    uint32_t last = MIN(MIN(r->answer.tokens, k->die_after), k->error_after);
    uint64_t due_us = token_due(r, last ? last - 1 : 0);
    if (due_us > now_us)
        wake_at(r, due_us);
    else if (k->die_after == last)
        answer_object(r, false);
    else if (k->error_after == last)
        fail(r, 500, NULL, "mock: the error after so many tokens");
    else
        answer_object(r, true);
}

static void step_answer(struct request *r)
{
    uint64_t now_us = loop_now(r->worker->loop);
    if (r->knobs.die_before_head || r->status) {
        if (now_us < r->first_us) {
            wake_at(r, r->first_us);
        } else if (r->knobs.die_before_head) {
            die(r);
        } else {
            const char *code = r->status == 429 ? "rate_limit_exceeded" : NULL;
            fail(r, r->status, code, "mock: the error that was asked for");
        }
        return;
    }
    if (!r->stream || r->turn.body.len) {
        step_object(r, now_us);
        return;
    }
    if (r->knobs.early_head && !r->begun) {
        begin_stream(r);
        call_flush(r->call);
    }
    step_stream(r, now_us);
}

/* --- the start --- */

static void step_body(struct request *r)
{
    struct http_call *c = r->call;
    if (c->body_err) {
        fail(r, c->body_err == ERR_TOO_LARGE ? 413 : 400, NULL, "the body could not be read");
        return;
    }
    if (!c->body_done) return;
    if (!mock__plan(r)) {
        refuse(r, &r->why);
        return;
    }
    uint64_t now_us = loop_now(r->worker->loop);
    r->phase = MOCK_WAITING;
    r->first_us = now_us + (uint64_t)(r->knobs.ttft_ms * USEC_PER_MS);
    r->last_write_us = now_us;
    call_set_low_mark(c, QUEUE_LOW);
    step_answer(r);
}

static void on_wake(struct task *task)
{
    struct request *r = CONTAINER_OF(task, struct request, task);
    if (r->call->gone) {
        gone(r);
    } else if (r->phase == MOCK_BODY) {
        step_body(r);
    } else {
        step_answer(r);
    }
}

void mock__start_request(struct mock_worker *w, struct http_call *c, const struct mock_path *path)
{
    struct request *r = arena_zalloc(c->arena, sizeof *r);
    r->worker = w;
    r->call = c;
    r->path = path;
    mock_knobs_init(&r->knobs);
    task_init(&r->task, on_wake);
    timer_init(&r->timer, &r->task);
    c->task = &r->task;
    mock_stats_begin(&w->mock->stats);
    call_read_body(c, w->mock->body_max);
    if (c->body_done || c->body_err) step_body(r);
}
