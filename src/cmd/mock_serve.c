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

struct request {
    struct task task;
    struct timer timer;
    struct mock_worker *worker;
    struct http_call *call;
    enum mock_phase phase;
    struct mock_knobs knobs;
    struct str id; /* names it in stats: "id" of the mock member, x-mock-id, x-request-id */
    struct mock_answer answer;
    struct mock_frames frames; /* streams */
    bool stream;
    bool begun;             /* the head was given to the call */
    struct str embed_input; /* embeddings: raw input */
    unsigned dimensions;
    bool base64;
    int status;             /* the error to give; 0: none */
    uint32_t sent;          /* tokens */
    uint64_t first_us;      /* when the first token is due */
    uint64_t last_write_us; /* for comments */
};

static const struct http_field json_type_field =
    HTTP_FIELD(CONTENT_TYPE, STR_INIT("application/json"));
static const struct http_field stream_fields[] = {
    HTTP_FIELD(CONTENT_TYPE, STR_INIT("text/event-stream; charset=utf-8")),
    HTTP_FIELD(CACHE_CONTROL, STR_INIT("no-cache")),
};

/* --- small answers --- */

void mock__reply_json(struct http_call *c, int status, struct str body)
{
    call_reply(c, status, &json_type_field, 1, body);
}

void mock__reply_error(struct http_call *c, int status, const char *code, const char *message)
{
    mock__reply_json(c, status, mock_error_body(c->arena, status, code, message));
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

static void fail(struct request *r, int status, const char *code, const char *message)
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
    call_reply(c, status, fields, count, mock_error_body(c->arena, status, code, message));
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

static void begin_stream(struct request *r)
{
    if (r->begun) return;
    r->begun = true;
    call_begin(r->call, 200, stream_fields, ARRAY_LEN(stream_fields), HTTP_LENGTH_UNKNOWN);
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
    const struct str ping = STR(": ping\n\n");
    if (r->knobs.comment_ms <= 0 ||
        now_us < r->last_write_us + (uint64_t)(r->knobs.comment_ms * USEC_PER_MS))
        return;
    begin_stream(r);
    call_write(r->call, &ping, 1, false);
    r->last_write_us = now_us;
}

/* Writes the next token's frame of each choice. The role's frames go with the first, the
 * stream's end with the last. */
static void write_token(struct request *r, uint64_t now_us)
{
    struct str slices[MOCK_FRAME_SLICES + 2];
    const unsigned choices = r->answer.choices;
    begin_stream(r);
    uint32_t index = r->sent++;
    bool last = r->sent == r->answer.tokens && r->knobs.die_after != r->sent &&
                r->knobs.error_after != r->sent;
    for (unsigned c = 0; c < choices && !r->call->gone; c++) {
        unsigned n = 0;
        if (index == 0 && c == 0 && r->frames.head.len) slices[n++] = r->frames.head;
        n += mock_frames_token(&r->frames, index, c, slices + n);
        bool end = last && c == choices - 1;
        if (end && !r->knobs.no_done) slices[n++] = r->frames.tail;
        call_write(r->call, slices, n, end);
    }
    r->last_write_us = now_us;
    atomic_fetch_add_explicit(&r->worker->mock->stats.frames, choices, memory_order_relaxed);
}

static void end_by_error_event(struct request *r)
{
    const struct str event = STR(
        "data: {\"error\":{\"message\":\"mock: the error after so many tokens\",\"type\":\"server_error\",\"param\":null,"
        "\"code\":null}}\n\n");
    begin_stream(r);
    call_write(r->call, &event, 1, true);
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
        write_token(r, now_us);
        if (r->call->gone) {
            gone(r);
            return;
        }
    }
}

static void answer_embeddings(struct request *r)
{
    struct http_call *c = r->call;
    struct buf b;
    buf_init(&b, OUT_MAX);
    int err = mock_embeddings(c->arena, r->embed_input, r->answer.model, r->dimensions, r->base64,
                              r->answer.usage.prompt, &b);
    if (err) {
        fail(r, 400, NULL, "input must be a string, strings or token ids");
    } else {
        mock_count(&r->worker->mock->stats.completed);
        leave(r);
        mock__reply_json(c, 200, buf_str(&b));
    }
    buf_fini(&b);
}

/* Half of the answer and then the close. */
static void die_in_object(struct request *r)
{
    struct str body = mock_answer_object(&r->answer, r->call->arena);
    struct str half = str_sub(body, 0, body.len / 2);
    call_begin(r->call, 200, &json_type_field, 1, body.len);
    call_write(r->call, &half, 1, false);
    die(r);
}

static void step_object(struct request *r, uint64_t now_us)
{
    const struct mock_knobs *k = &r->knobs;
    uint32_t last = MIN(MIN(r->answer.tokens, k->die_after), k->error_after);
    uint64_t due_us = token_due(r, last ? last - 1 : 0);
    if (due_us > now_us) {
        wake_at(r, due_us);
    } else if (k->die_after == last) {
        die_in_object(r);
    } else if (k->error_after == last) {
        fail(r, 500, NULL, "mock: the error after so many tokens");
    } else if (r->answer.kind == MOCK_EMBEDDINGS) {
        answer_embeddings(r);
    } else {
        struct str body = mock_answer_object(&r->answer, r->call->arena);
        struct http_call *c = r->call;
        mock_count(&r->worker->mock->stats.completed);
        leave(r);
        mock__reply_json(c, 200, body);
    }
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
    if (!r->stream) {
        step_object(r, now_us);
        return;
    }
    if (r->knobs.early_head && !r->begun) {
        begin_stream(r);
        call_flush(r->call);
    }
    step_stream(r, now_us);
}

/* --- planning --- */

enum {
    F_MODEL,
    F_STREAM,
    F_STREAM_OPTIONS,
    F_MOCK,
    F_MAX_TOKENS,
    F_MAX_COMPLETION,
    F_MESSAGES,
    F_PROMPT,
    F_INPUT,
    F_FORMAT,
    F_N,
    F_DIMENSIONS,
    F_COUNT
};

static const struct str fields[F_COUNT] = {
    STR_INIT("model"),
    STR_INIT("stream"),
    STR_INIT("stream_options"),
    STR_INIT("mock"),
    STR_INIT("max_tokens"),
    STR_INIT("max_completion_tokens"),
    STR_INIT("messages"),
    STR_INIT("prompt"),
    STR_INIT("input"),
    STR_INIT("encoding_format"),
    STR_INIT("n"),
    STR_INIT("dimensions"),
};

static int member_id(struct request *r, const struct json_span *mock)
{
    const struct str name = STR("id");
    struct json_span span;
    int err = json_scan(mock->raw, &name, 1, &span, NULL);
    struct str id;
    if (!err && json_span_str(&span, r->call->arena, &id) == 0) r->id = id;
    return err;
}

static int read_knobs(struct request *r, const struct json_span *mock)
{
    struct mock *m = r->worker->mock;
    const struct http_head *head = r->call->head;
    pthread_rwlock_rdlock(&m->knobs_lock);
    r->knobs = m->knobs;
    pthread_rwlock_unlock(&m->knobs_lock);
    r->id = http_head_get(head, HDR_X_REQUEST_ID);
    struct str id = http_head_get_name(head, STR("x-mock-id"));
    if (id.ptr) r->id = id;
    int err = mock_knobs_set_headers(&r->knobs, head);
    if (!err && mock->type == JSON_OBJECT) err = mock_knobs_set_object(&r->knobs, mock->raw);
    if (!err && mock->type == JSON_OBJECT) err = member_id(r, mock);
    return err;
}

static void plan_tokens(struct request *r, const struct json_span *spans)
{
    int64_t limit = 0;
    uint32_t wanted = r->answer.echo ? r->answer.tokens : r->knobs.tokens;
    if (!json_span_i64(&spans[F_MAX_COMPLETION], &limit))
        json_span_i64(&spans[F_MAX_TOKENS], &limit);
    if (limit < 0) limit = 0;
    limit = MIN(limit, (int64_t)MOCK_TOKENS_MAX);
    uint32_t tokens = wanted ? wanted : limit ? (uint32_t)limit : MOCK_TOKENS_DEFAULT;
    if (limit && tokens > limit) tokens = (uint32_t)limit;
    r->answer.tokens = tokens;
    r->answer.finish = limit && tokens == limit && tokens != wanted ? STR("length") : STR("stop");
}

static void plan_usage(struct request *r, const struct json_span *spans, struct str prompt)
{
    struct mock_answer *a = &r->answer;
    const struct str name = STR("include_usage");
    struct json_span include;
    bool asked = false;
    if (r->stream && spans[F_STREAM_OPTIONS].type == JSON_OBJECT &&
        json_scan_span(&spans[F_STREAM_OPTIONS], &name, 1, &include, NULL) == 0) {
        json_span_bool(&include, &asked);
    }
    a->with_usage = !r->knobs.no_usage && (!r->stream || asked || r->knobs.usage_always);
    a->usage = (struct mock_usage){
        .prompt = r->knobs.prompt_tokens ? r->knobs.prompt_tokens : (uint32_t)(prompt.len / 4 + 1),
        .cached = r->knobs.cached_tokens,
        .completion = a->tokens * a->choices,
    };
}

static void plan_error(struct request *r)
{
    const struct mock_knobs *k = &r->knobs;
    int status = k->status ? (int)k->status : 500;
    bool always = k->status && k->error_rate <= 0 && k->fail_first == 0;
    bool drawn = k->error_rate > 0 && rng_unit(&r->worker->rng) < k->error_rate;
    bool first = k->fail_first && mock_stats_try(&r->worker->mock->stats, r->id) < k->fail_first;
    r->status = always || drawn || first ? status : 0;
}

static const char *plan_model(struct request *r, const struct json_span *span)
{
    struct mock *m = r->worker->mock;
    struct str name;
    if (json_span_str(span, r->call->arena, &name)) return "model is missing";
    r->answer.model = str_sub(span->raw, 1, span->raw.len - 2);
    return m->any_model || map_get(&m->known, name) ? NULL : "no such model";
}

/* Fills the plan from the body. True, or the request has been refused. */
static bool plan(struct request *r)
{
    struct mock *m = r->worker->mock;
    struct mock_answer *a = &r->answer;
    struct json_span spans[F_COUNT];
    struct json_error where;
    int err = json_scan(r->call->body, fields, F_COUNT, spans, &where);
    if (!err) err = read_knobs(r, &spans[F_MOCK]);
    if (err) {
        fail(r, 400, NULL,
             err == ERR_RANGE || err == ERR_NOT_FOUND ? "a mock knob is out of range"
                                                      : "the body is not valid JSON");
        return false;
    }
    const struct json_span *mock = &spans[F_MOCK];
    const char *unknown =
        mock->type == JSON_OBJECT ? mock_knobs_unknown(r->call->arena, mock->raw) : NULL;
    if (unknown) {
        fail(r, 400, NULL, unknown);
        return false;
    }
    mock_stats_record(&m->stats, r->call->head, r->id, r->call->body);
    const char *wrong = plan_model(r, &spans[F_MODEL]);
    if (wrong) {
        bool missing = spans[F_MODEL].type != JSON_STRING;
        fail(r, missing ? 400 : 404, missing ? NULL : "model_not_found", wrong);
        return false;
    }
    const struct json_span *prompt = &spans[a->kind == MOCK_CHAT   ? F_MESSAGES
                                            : a->kind == MOCK_TEXT ? F_PROMPT
                                                                   : F_INPUT];
    int64_t n = 1;
    int64_t dimensions = 8;
    struct str format;
    json_span_i64(&spans[F_N], &n);
    json_span_i64(&spans[F_DIMENSIONS], &dimensions);
    if (prompt->type == JSON_NONE || n < 1 || n > MOCK_CHOICES_MAX) {
        fail(r, 400, NULL,
             prompt->type == JSON_NONE ? "messages, prompt or input is missing"
                                       : "n must be 1 to 8");
        return false;
    }
    if (a->kind != MOCK_EMBEDDINGS) json_span_bool(&spans[F_STREAM], &r->stream);
    if (r->knobs.echo && mock_echo(r->call->arena, prompt->raw, &a->echo, &a->tokens))
        a->echo = NULL;
    a->text = &m->text;
    a->number = atomic_fetch_add_explicit(&m->next_number, 1, memory_order_relaxed);
    a->created = m->started_s;
    a->pad = r->knobs.pad;
    a->choices = (unsigned)n;
    r->embed_input = prompt->raw;
    r->dimensions = (unsigned)MIN(MAX(dimensions, (int64_t)1), (int64_t)4096);
    r->base64 =
        !json_span_str(&spans[F_FORMAT], r->call->arena, &format) && str_eq(format, STR("base64"));
    plan_tokens(r, spans);
    if (a->kind == MOCK_EMBEDDINGS) a->tokens = 1;
    plan_usage(r, spans, prompt->raw);
    plan_error(r);
    if (r->stream) {
        mock_count(&m->stats.streams);
        mock_frames_make(&r->frames, a, r->call->arena);
    }
    return true;
}

static void step_body(struct request *r)
{
    struct http_call *c = r->call;
    if (c->body_err) {
        fail(r, c->body_err == ERR_TOO_LARGE ? 413 : 400, NULL, "the body could not be read");
        return;
    }
    if (!c->body_done || !plan(r)) return;
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

void mock__start_request(struct mock_worker *w, struct http_call *c, enum mock_kind kind)
{
    struct request *r = arena_zalloc(c->arena, sizeof *r);
    r->worker = w;
    r->call = c;
    r->answer.kind = kind;
    mock_knobs_init(&r->knobs);
    task_init(&r->task, on_wake);
    timer_init(&r->timer, &r->task);
    c->task = &r->task;
    mock_stats_begin(&w->mock->stats);
    call_read_body(c, w->mock->body_max);
    if (c->body_done || c->body_err) step_body(r);
}
