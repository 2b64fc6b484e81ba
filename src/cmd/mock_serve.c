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
#include "json/write.h"

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
    int status;             /* of the error to give; 0: none */
    uint32_t sent;          /* tokens */
    uint64_t first_us;      /* when the first token is due */
    uint64_t last_write_us; /* for comments */
};

static const struct http_field json_type_field = {STR_INIT("content-type"),
                                                  STR_INIT("application/json")};
static const struct http_field stream_fields[] = {
    {STR_INIT("content-type"), STR_INIT("text/event-stream; charset=utf-8")},
    {STR_INIT("cache-control"), STR_INIT("no-cache")},
};

/* --- small answers --- */

static void reply_json(struct http_call *c, int status, struct str body)
{
    call_reply(c, status, &json_type_field, 1, body);
}

static void reply_error(struct http_call *c, int status, const char *code, const char *message)
{
    reply_json(c, status, mock_error_body(c->arena, status, code, message));
}

/* What `write` appends, or a 500. */
static void reply_written(struct http_call *c, struct mock_stats *s, struct str type,
                          int (*write)(struct mock_stats *, struct buf *))
{
    struct buf b;
    buf_init(&b, OUT_MAX);
    if (write(s, &b)) {
        reply_error(c, 500, NULL, "the list is too long");
    } else {
        struct http_field field = {STR("content-type"), type};
        call_reply(c, 200, &field, 1, buf_str(&b));
    }
    buf_fini(&b);
}

static void reply_model(struct mock *m, struct http_call *c, struct str name)
{
    struct str decoded;
    const struct str *known = NULL;
    if (!http_percent_decode(c->arena, name, &decoded)) known = map_get(&m->known, decoded);
    if (!known) {
        reply_error(c, 404, "model_not_found", "no such model");
        return;
    }
    struct buf b;
    struct json_writer w;
    buf_init(&b, OUT_MAX);
    json_write_init(&w, &b);
    json_write_object(&w);
    json_write_str_member(&w, "id", *known);
    json_write_str_member(&w, "object", STR("model"));
    json_write_u64_member(&w, "created", m->started_s);
    json_write_str_member(&w, "owned_by", STR("mock"));
    json_write_object_end(&w);
    if (!json_write_end(&w)) reply_json(c, 200, buf_str(&b));
    buf_fini(&b);
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
        fields[count++] = (struct http_field){STR("retry-after"), str_n(seconds, (size_t)len)};
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
    call_begin(r->call, 200, stream_fields, ARRAY_LEN(stream_fields), HTTP_CHUNKED, 0);
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
        reply_json(c, 200, buf_str(&b));
    }
    buf_fini(&b);
}

/* Half of the answer and then the close. */
static void die_in_object(struct request *r)
{
    struct str body = mock_answer_object(&r->answer, r->call->arena);
    struct str half = str_sub(body, 0, body.len / 2);
    call_begin(r->call, 200, &json_type_field, 1, HTTP_LENGTH, body.len);
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
        reply_json(c, 200, body);
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
    if (!err) json_span_str(&span, r->call->arena, &r->id);
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
    if (!json_span_str(span, r->call->arena, &name)) return "model is missing";
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
        json_span_str(&spans[F_FORMAT], r->call->arena, &format) && str_eq(format, STR("base64"));
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

static void start_request(struct mock_worker *w, struct http_call *c, enum mock_kind kind)
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

/* --- the other paths --- */

/* POST /mock/knobs: waits for its body, then sets the knobs of all requests to come. */
struct change {
    struct task task;
    struct mock_worker *worker;
    struct http_call *call;
};

static void on_change(struct task *task)
{
    struct change *ch = CONTAINER_OF(task, struct change, task);
    struct http_call *c = ch->call;
    struct mock *m = ch->worker->mock;
    if (!c->gone && !c->body_err && !c->body_done) return;
    task_cancel(&ch->task);
    if (c->gone || c->body_err) {
        call_abort(c);
        return;
    }
    struct mock_knobs k = m->start_knobs;
    int err = mock_knobs_set_object(&k, c->body);
    if (err) {
        reply_error(c, 400, NULL, err_text(err));
        return;
    }
    pthread_rwlock_wrlock(&m->knobs_lock);
    m->knobs = k;
    pthread_rwlock_unlock(&m->knobs_lock);
    reply_json(c, 200, STR("{}"));
}

static void start_change(struct mock_worker *w, struct http_call *c)
{
    struct change *ch = arena_zalloc(c->arena, sizeof *ch);
    ch->worker = w;
    ch->call = c;
    task_init(&ch->task, on_change);
    c->task = &ch->task;
    call_read_body(c, w->mock->body_max);
    if (c->body_done || c->body_err) on_change(&ch->task);
}

static void reset(struct mock_worker *w, struct http_call *c)
{
    struct mock *m = w->mock;
    pthread_rwlock_wrlock(&m->knobs_lock);
    m->knobs = m->start_knobs;
    pthread_rwlock_unlock(&m->knobs_lock);
    mock_stats_reset(&m->stats);
    reply_json(c, 200, STR("{}"));
}

static void reply_health(struct mock_worker *w, struct http_call *c)
{
    struct mock *m = w->mock;
    pthread_rwlock_rdlock(&m->knobs_lock);
    int status = (int)m->knobs.health;
    pthread_rwlock_unlock(&m->knobs_lock);
    if (status == 200)
        reply_json(c, 200, STR("{\"status\":\"ok\"}"));
    else
        reply_error(c, status, NULL, "mock: not healthy, as asked");
}

static void on_get(struct mock_worker *w, struct http_call *c, struct str path)
{
    struct mock *m = w->mock;
    if (str_eq(path, STR("/health"))) {
        reply_health(w, c);
    } else if (str_eq(path, STR("/models"))) {
        reply_json(c, 200, m->model_list);
    } else if (str_starts(path, STR("/models/"))) {
        reply_model(m, c, str_skip(path, strlen("/models/")));
    } else if (str_eq(path, STR("/metrics"))) {
        reply_written(c, &m->stats, STR("text/plain; version=0.0.4"), mock_stats_write_metrics);
    } else if (str_eq(path, STR("/mock/stats"))) {
        reply_written(c, &m->stats, STR("application/json"), mock_stats_write);
    } else if (str_eq(path, STR("/mock/requests"))) {
        reply_written(c, &m->stats, STR("application/json"), mock_stats_write_requests);
    } else {
        reply_error(c, 404, NULL, "no such path");
    }
}

static void on_post(struct mock_worker *w, struct http_call *c, struct str path)
{
    if (str_eq(path, STR("/chat/completions"))) {
        start_request(w, c, MOCK_CHAT);
    } else if (str_eq(path, STR("/completions"))) {
        start_request(w, c, MOCK_TEXT);
    } else if (str_eq(path, STR("/embeddings"))) {
        start_request(w, c, MOCK_EMBEDDINGS);
    } else if (str_eq(path, STR("/mock/reset"))) {
        reset(w, c);
    } else if (str_eq(path, STR("/mock/knobs"))) {
        start_change(w, c);
    } else {
        reply_error(c, 404, NULL, "no such path");
    }
}

static void on_call(void *user, struct http_call *c)
{
    struct mock_worker *w = user;
    struct str path = c->head->path;
    if (str_starts(path, STR("/v1/"))) path = str_skip(path, strlen("/v1"));
    if (c->head->method == METHOD_POST)
        on_post(w, c, path);
    else if (c->head->method == METHOD_GET || c->head->method == METHOD_HEAD)
        on_get(w, c, path);
    else
        reply_error(c, 405, NULL, "GET and POST only");
}

/* --- set-up --- */

static void add_model(struct mock *m, struct str name)
{
    m->models[m->model_count] = name;
    map_put(&m->known, name, &m->models[m->model_count]);
    m->model_count++;
}

static void write_model_list(struct mock *m)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, OUT_MAX);
    json_write_init(&w, &b);
    json_write_object(&w);
    json_write_str_member(&w, "object", STR("list"));
    json_write_key(&w, "data");
    json_write_array(&w);
    for (size_t i = 0; i < m->model_count; i++) {
        json_write_object(&w);
        json_write_str_member(&w, "id", m->models[i]);
        json_write_str_member(&w, "object", STR("model"));
        json_write_u64_member(&w, "created", m->started_s);
        json_write_str_member(&w, "owned_by", STR("mock"));
        json_write_object_end(&w);
    }
    json_write_array_end(&w);
    json_write_object_end(&w);
    if (json_write_end(&w) == 0) m->model_list = arena_dup(&m->arena, buf_str(&b));
    buf_fini(&b);
}

enum { MODELS_MAX = 100000 };

static void name_models(struct mock *m, struct str models)
{
    uint64_t count;
    if (str_to_u64(models, &count) == 0) {
        count = MIN(count, (uint64_t)MODELS_MAX);
        m->models = arena_alloc(&m->arena, (size_t)(count + 1) * sizeof *m->models);
        for (uint64_t i = 0; i < count; i++)
            add_model(m, arena_printf(&m->arena, "model-%llu", (unsigned long long)i));
        return;
    }
    m->any_model = models.len == 0;
    if (m->any_model) models = STR("mock");
    m->models = arena_alloc(&m->arena, (models.len + 1) * sizeof *m->models);
    struct str name;
    while (str_cut(&models, ',', &name)) {
        if (name.len && !map_get(&m->known, name)) add_model(m, arena_dup(&m->arena, name));
    }
}

void mock_init(struct mock *m, const struct mock_knobs *knobs, struct str models, size_t record_max)
{
    memset(m, 0, sizeof *m);
    m->start_knobs = m->knobs = *knobs;
    m->body_max = OUT_MAX;
    m->started_s = clock_wall_us() / USEC_PER_SEC;
    pthread_rwlock_init(&m->knobs_lock, NULL);
    mock_text_init(&m->text);
    mock_stats_init(&m->stats, record_max);
    map_init(&m->known);
    arena_init(&m->arena, SIZE_MAX, 4096);
    name_models(m, models);
    write_model_list(m);
}

void mock_fini(struct mock *m)
{
    map_fini(&m->known);
    arena_fini(&m->arena);
    mock_stats_fini(&m->stats);
    mock_text_fini(&m->text);
    pthread_rwlock_destroy(&m->knobs_lock);
}

void mock_worker_init(struct mock_worker *w, struct mock *m, struct loop *loop, uint64_t seed)
{
    const struct http_server_limits limits = {
        .head = {.head_max = 256 * 1024, .header_max = 256},
        .body_max = m->body_max,
        .connections_max = 100000,
        .head_timeout_us = 60ull * USEC_PER_SEC,
        .body_timeout_us = 60ull * USEC_PER_SEC,
        .idle_timeout_us = 3600ull * USEC_PER_SEC,
        .write_timeout_us = 3600ull * USEC_PER_SEC,
    };
    *w = (struct mock_worker){.mock = m, .loop = loop};
    rng_seed(&w->rng, seed);
    http_server_init(&w->server, loop, &limits);
    w->server.on_call = on_call;
    w->server.user = w;
}

void mock_worker_fini(struct mock_worker *w)
{
    http_server_close_all(&w->server);
}

void mock_worker_accept(void *worker, struct stream *stream)
{
    struct mock_worker *w = worker;
    mock_count(&w->mock->stats.connections);
    http_server_accept(&w->server, stream);
}
