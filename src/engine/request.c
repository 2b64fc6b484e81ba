/* SPDX-License-Identifier: Apache-2.0 */
/* A chat or completion request. The happy path: it is prepared (PREPARING, see preparation.h), each
 * choice becomes a sequence, whose tokens go out as they come (ANSWERING), until each has ended;
 * then the call ends. What can go wrong: the model fails (500, or an error event in a stream that
 * has begun), the client leaves (its sequences are cancelled), the client reads slowly (they are
 * paused), the server shuts down (503, or an error event).
 *
 * The call may end before the sequences do; the request lives until both have.
 *
 *     PREPARING --tokens--> ANSWERING --all ended--> free
 *         |                     |
 *         |                     +--gone, failed, cut--> ORPHAN --all ended--> free
 *         +--refused--> free */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rand.h"
#include "engine/answer.h"
#include "engine/server_priv.h"
#include "obs/log.h"

enum {
    PENDING_HIGH = 64 * 1024, /* unsent bytes at which a stream's sequences are paused */
    PENDING_LOW = 16 * 1024,
    SEQUENCES_MAX = 128, /* prompts times choices */
};

struct choice {
    struct sequence *sequence; /* NULL once it has ended */
    bool leads;                /* the first of those with the same prompt, which counts once */
    bool begun;                /* the role was sent */
    enum finish finish;
    struct buf text;               /* whole answers */
    size_t text_offset;            /* where the next token begins, in characters */
    struct sampler_choice *tokens; /* whole answers with logprobs */
    unsigned token_count;
    unsigned token_cap;
};

enum request_state { REQUEST_PREPARING, REQUEST_ANSWERING, REQUEST_ORPHAN };

struct request {
    struct preparation preparation;
    struct task task; /* once it is prepared */
    struct server *server;
    enum request_state state;
    struct http_call *call; /* in ANSWERING */
    enum api_kind kind;
    struct api_request api; /* on the preparation's arena, while that is there */
    struct answer answer;
    bool stream;
    bool paused;
    struct choice *choices;
    size_t choice_count;
    size_t running; /* sequences that have not ended */
    struct answer_usage usage;
    struct buf frames;
    uint64_t started_us;
    uint64_t first_us; /* first token; 0: none yet */
};

static const struct http_field stream_fields[] = {
    HTTP_FIELD(CONTENT_TYPE, STR_INIT("text/event-stream; charset=utf-8")),
    HTTP_FIELD(CACHE_CONTROL, STR_INIT("no-cache")),
};

/* --- its end --- */

static void dispose_sequence(void *q)
{
    sequence_free(q);
}

static void request_free(struct request *r)
{
    for (size_t i = 0; i < r->choice_count; i++) {
        buf_fini(&r->choices[i].text);
        free(r->choices[i].tokens);
    }
    task_cancel(&r->task);
    buf_fini(&r->frames);
    free(r->choices);
    preparation_fini(&r->preparation);
    free(r);
}

/* To be called last by whoever may have ended the call or a sequence. */
static void free_if_done(struct request *r)
{
    if (r->state == REQUEST_ORPHAN && !r->running) request_free(r);
}

static void log_request(const struct request *r, const char *outcome)
{
    struct log_line l;
    uint64_t now = loop_now(r->server->loop);
    log_begin(&l, LOG_INFO, "answer");
    log_cstr(&l, "id", r->answer.id);
    log_cstr(&l, "outcome", outcome);
    log_u64(&l, "choices", r->choice_count);
    log_u64(&l, "prompt_tokens", r->usage.prompt);
    log_u64(&l, "cached_tokens", r->usage.cached);
    log_u64(&l, "completion_tokens", r->usage.completion);
    if (r->first_us) log_u64(&l, "first_us", r->first_us - r->started_us);
    log_u64(&l, "total_us", now - r->started_us);
    log_end(&l);
}

/* Takes the call off the request, which nobody waits for any more. The task may be woken already,
 * by a write that has found out that the client has left. */
static struct http_call *give_up_call(struct request *r)
{
    struct http_call *call = r->call;
    r->call = NULL;
    r->state = REQUEST_ORPHAN;
    task_cancel(&r->task);
    call->task = NULL;
    for (size_t i = 0; i < r->choice_count; i++) {
        if (r->choices[i].sequence) worker_cancel(r->server->worker, r->choices[i].sequence);
    }
    return call;
}

static void orphan(struct request *r)
{
    log_request(r, "client_gone");
    call_end(give_up_call(r));
}

/* Ends with an error: as an answer, or as the stream's last event when it has begun. */
static void fail(struct request *r, const struct refusal *error)
{
    if (r->state == REQUEST_ANSWERING) log_request(r, error->status >= 500 ? "failed" : "refused");
    struct http_call *call = give_up_call(r);
    if (!call->head_sent && !(r->stream && r->first_us)) {
        server__reply_error(call, error);
    } else {
        const struct str frame[] = {STR("data: "), openai_error_body(call->arena, error),
                                    STR("\n\n")};
        call_write(call, frame, ARRAY_LEN(frame), true);
        call_end(call);
    }
}

/* --- sequences --- */

/* The tokens that min_tokens holds back: the model's and the request's. */
static void gather_ends(struct arena *arena, const struct model_info *info, struct api_request *api)
{
    uint32_t count = info->end_count + api->end_count;
    int32_t *ends = arena_alloc(arena, (count + 1) * sizeof *ends);
    if (info->end_count) memcpy(ends, info->ends, info->end_count * sizeof *ends);
    if (api->end_count) memcpy(ends + info->end_count, api->ends, api->end_count * sizeof *ends);
    api->sampling.ends = ends;
    api->sampling.end_count = count;
}

/* On the preparing thread. */
static int read_request(struct preparation *p)
{
    struct request *r = CONTAINER_OF(p, struct request, preparation);
    const struct server *s = r->server;
    struct api_request *api = &r->api;
    bool is_chat = r->kind == API_CHAT;
    int err = (is_chat ? api_parse_chat : api_parse_completion)(
        &p->arena, p->call->body, &s->defaults, s->info->vocab, api, &p->error);
    if (err) return err;
    err = server__check_model(s, &p->arena, api->model, &p->error);
    if (err) return err;
    gather_ends(&p->arena, s->info, api);
    p->param = is_chat ? "messages" : "prompt";
    p->room = s->info->context - 1;
    p->around = true;
    p->texts = api->prompts;
    p->chat = is_chat ? api : NULL;
    p->count = is_chat ? 1 : api->prompt_count;
    if (p->count * api->n > SEQUENCES_MAX)
        return api_refuse(&p->arena, &p->error, "n", NULL,
                          "A request may have at most %d choices in all.", SEQUENCES_MAX);
    return 0;
}

/* One prompt's sequences; the first leads, so that the prompt is computed once. */
static void add_choices(struct request *r, const struct model_tokens *prompt)
{
    const struct server *s = r->server;
    const struct api_request *api = &r->api;
    uint32_t left = s->info->context - prompt->count;
    struct sequence_spec spec = {
        .prompt = prompt->tokens,
        .prompt_count = prompt->count,
        .max_tokens = api->max_tokens ? MIN(api->max_tokens, left) : left,
        .ignore_end = api->ignore_end,
        .ends = api->ends,
        .end_count = api->end_count,
        .sampling = api->sampling,
        .stops = api->stops,
        .stop_count = api->stop_count,
    };
    for (uint32_t i = 0; i < api->n; i++) {
        struct choice *c = &r->choices[r->choice_count];
        buf_init(&c->text, SERVER_ANSWER_MAX);
        if (api->seeded)
            spec.sampling.seed = api->sampling.seed + i;
        else
            rand_bytes(&spec.sampling.seed, sizeof spec.sampling.seed);
        c->sequence = sequence_new(&spec, s->info->vocab);
        c->sequence->owner = r;
        c->sequence->index = (unsigned)r->choice_count++;
        c->leads = i == 0;
        if (i == 0) spec.leader = c->sequence;
    }
    r->usage.prompt += prompt->count;
}

/* --- output --- */

/* A write may find out that the client has left; then the call's task is woken. */
static void send_frames(struct request *r, bool last)
{
    struct str frames = buf_str(&r->frames);
    call_write(r->call, &frames, 1, last);
    buf_clear(&r->frames);
    if (last || r->paused || call_pending(r->call) < PENDING_HIGH) return;
    r->paused = true;
    call_set_low_mark(r->call, PENDING_LOW);
    for (size_t i = 0; i < r->choice_count; i++) {
        if (r->choices[i].sequence) worker_pause(r->server->worker, r->choices[i].sequence, true);
    }
}

static void resume(struct request *r)
{
    if (!r->paused || call_pending(r->call) > PENDING_LOW) return;
    r->paused = false;
    for (size_t i = 0; i < r->choice_count; i++) {
        if (r->choices[i].sequence) worker_pause(r->server->worker, r->choices[i].sequence, false);
    }
}

static const struct refusal model_failed = {.status = 500,
                                            .type = "server_error",
                                            .message =
                                                STR_INIT("The model failed to compute an answer.")};
static const struct refusal too_long = {
    .status = 500,
    .type = "server_error",
    .message = STR_INIT("The answer is larger than this engine can give.")};
static const struct refusal shutting_down = {
    .status = 503, .type = "server_error", .message = STR_INIT("The engine is shutting down.")};

static int frame_output(struct request *r, struct choice *c, unsigned index,
                        const struct output *out)
{
    int err = 0;
    if (!c->begun) {
        c->begun = true;
        err = answer_frame_role(&r->answer, &r->frames, index);
    }
    if (!err && (out->text.len || out->choice_count)) {
        const struct answer_choice part = {out->text, FINISH_NONE, out->choices, out->choice_count};
        err = answer_frame_text(&r->answer, &r->frames, index, &part, &c->text_offset);
    }
    if (!err && out->finish != FINISH_NONE)
        err = answer_frame_finish(&r->answer, &r->frames, index, out->finish);
    return err;
}

static int gather_output(struct choice *c, const struct output *out)
{
    int err = buf_append(&c->text, out->text);
    if (err || !out->choice_count) return err;
    if (c->token_count + out->choice_count > c->token_cap) {
        c->token_cap = MAX(c->token_cap * 2, c->token_count + out->choice_count);
        c->tokens = mem_must_grow(c->tokens, c->token_cap, sizeof *c->tokens);
    }
    memcpy(c->tokens + c->token_count, out->choices, out->choice_count * sizeof *c->tokens);
    c->token_count += out->choice_count;
    return 0;
}

static void finish_stream(struct request *r)
{
    int err = 0;
    if (r->answer.include_usage) err = answer_frame_usage(&r->answer, &r->frames, &r->usage);
    if (!err) err = answer_frame_done(&r->frames);
    if (err) {
        fail(r, &too_long);
        return;
    }
    send_frames(r, true);
    log_request(r, "ok");
    call_end(give_up_call(r));
}

static void finish_whole(struct request *r)
{
    struct buf body;
    struct answer_choice *choices = mem_must_zero(r->choice_count, sizeof *choices);
    buf_init(&body, SERVER_ANSWER_MAX);
    for (size_t i = 0; i < r->choice_count; i++) {
        const struct choice *c = &r->choices[i];
        choices[i] =
            (struct answer_choice){buf_str(&c->text), c->finish, c->tokens, c->token_count};
    }
    int err = answer_whole(&r->answer, &body, choices, r->choice_count, &r->usage);
    if (err) {
        fail(r, &too_long);
    } else {
        log_request(r, "ok");
        server__reply_json(give_up_call(r), 200, buf_str(&body));
    }
    buf_fini(&body);
    free(choices);
}

static void begin_answer(struct request *r)
{
    r->first_us = loop_now(r->server->loop);
    histogram_observe_us(&r->server->stats.ttft, r->first_us - r->started_us);
    if (r->stream)
        call_begin(r->call, 200, stream_fields, ARRAY_LEN(stream_fields), HTTP_LENGTH_UNKNOWN);
}

static void take_output(struct request *r, const struct output *out, unsigned index)
{
    struct choice *c = &r->choices[index];
    if (out->finish == FINISH_FAILED || out->finish == FINISH_CANCELLED) {
        fail(r, out->finish == FINISH_FAILED ? &model_failed : &shutting_down);
        return;
    }
    if (!r->first_us) begin_answer(r);
    int err = r->stream ? frame_output(r, c, index, out) : gather_output(c, out);
    if (err) {
        fail(r, &too_long);
    } else if (r->running) {
        if (r->stream && buf_len(&r->frames)) send_frames(r, false);
    } else if (r->stream) {
        finish_stream(r);
    } else {
        finish_whole(r);
    }
}

void request_on_output(struct server *s, const struct output *out)
{
    struct request *r = out->sequence->owner;
    unsigned index = out->sequence->index;
    if (out->finish != FINISH_NONE) {
        r->choices[index].sequence = NULL;
        r->choices[index].finish = out->finish;
        r->usage.completion += out->generated;
        if (r->choices[index].leads) r->usage.cached += out->cached_tokens;
        r->running--;
        worker_dispose(s->worker, dispose_sequence, out->sequence);
    }
    if (r->call) take_output(r, out, index);
    free_if_done(r);
}

static void run(struct task *task)
{
    struct request *r = CONTAINER_OF(task, struct request, task);
    assert(r->state == REQUEST_ANSWERING);
    if (r->call->gone)
        orphan(r);
    else
        resume(r);
    free_if_done(r);
}

static void cut(struct work *work, const struct refusal *error)
{
    struct request *r = CONTAINER_OF(work, struct request, preparation.work);
    if (r->state == REQUEST_ANSWERING) fail(r, error);
    free_if_done(r);
}

/* --- its beginning --- */

static void start(struct preparation *p)
{
    struct request *r = CONTAINER_OF(p, struct request, preparation);
    const struct api_request *api = &r->api;
    r->state = REQUEST_ANSWERING;
    r->call = p->call;
    r->call->task = &r->task;
    p->work.cut = cut;
    r->stream = api->stream;
    answer_init(&r->answer, r->kind);
    r->answer.vocabulary = r->server->model;
    r->answer.model = str_of(r->server->options.alias);
    r->answer.include_usage = api->include_usage;
    r->answer.logprobs = api->sampling.logprobs;
    r->choices = mem_must_zero(p->count * api->n, sizeof *r->choices);
    for (size_t i = 0; i < p->count; i++)
        add_choices(r, &p->tokens[i]);
    preparation_release(p);
    r->running = r->choice_count;
    for (size_t i = 0; i < r->choice_count; i++)
        worker_add(r->server->worker, r->choices[i].sequence);
}

static void on_refused(struct preparation *p)
{
    request_free(CONTAINER_OF(p, struct request, preparation));
}

void request_begin(struct server *s, struct http_call *call, enum api_kind kind)
{
    static const struct preparation_handler handler = {
        .read = read_request, .on_prepared = start, .on_refused = on_refused};
    struct request *r = mem_must_zero(1, sizeof *r);
    r->server = s;
    r->kind = kind;
    r->started_us = call->started_us;
    task_init(&r->task, run);
    buf_init(&r->frames, SERVER_ANSWER_MAX);
    preparation_begin(&r->preparation, s, call, &handler);
}
