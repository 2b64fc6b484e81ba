/* SPDX-License-Identifier: Apache-2.0 */
/* A chat or completion request. The happy path: it is prepared (PREPARING, see preparation.h), each
 * choice becomes a sequence, whose tokens go out as they come (ANSWERING), until each has ended;
 * then the call ends. What can go wrong: the model fails (500, or an error event in a stream that
 * has begun), the client leaves (its sequences are cancelled), the client reads slowly (they are
 * paused), its deadline passes (504, or an error event), the server shuts down (503, or an error
 * event).
 *
 * The call may end before the sequences do; the request lives until both have.
 *
 *     PREPARING --tokens--> ANSWERING --all ended--> free
 *         |                     |
 *         |                     +--gone, failed, cut--> ORPHAN --all ended--> free
 *         +--refused--> free */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rand.h"
#include "engine/answer.h"
#include "engine/handlers.h"
#include "engine/preparation.h"
#include "engine/refuse.h"
#include "engine/standing.h"
#include "obs/log.h"

enum {
    PENDING_HIGH = 64 * 1024, /* unsent bytes at which a stream's sequences are paused */
    PENDING_LOW = 16 * 1024,
    SEQUENCES_MAX = 128, /* prompts times choices */
};

struct choice {
    struct sequence *sequence; /* NULL once it has ended */
    bool leads;                /* the first of those with the same prompt, which counts once */
    unsigned called;           /* calls of tools so far */
    bool begun;                /* the role was sent */
    enum finish finish;
    struct buf reasoning; /* whole answers */
    struct buf text;
    struct call_list calls;        /* likewise */
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
    struct hosted *hosted;
    enum request_state state;
    struct http_call *call; /* in ANSWERING */
    enum body_kind kind;
    struct standing standing;
    struct body_generate asked; /* on the preparation's arena, while that is there */
    struct answer answer;
    bool stream;
    bool thinks;           /* the prompt ends within the answer's thoughts */
    bool calls;            /* it ends with what opens a call */
    struct terms *grammar; /* of its shape; NULL: any text */
    struct words *words;   /* that it must not have; NULL: none */
    bool paused;
    struct choice *choices;
    size_t choice_count;
    size_t running; /* sequences that have not ended */
    struct answer_usage usage;
    struct buf frames;
    uint64_t started_us;
    uint64_t first_us;              /* first token; 0: none yet */
    uint64_t waited_us, prefill_us; /* of the choice that took longest */
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
        buf_fini(&r->choices[i].reasoning);
        buf_fini(&r->choices[i].text);
        call_list_fini(&r->choices[i].calls);
        free(r->choices[i].tokens);
    }
    task_cancel(&r->task);
    buf_fini(&r->frames);
    terms_free(r->grammar);
    words_free(r->words);
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
    server_log_id(r->call, &l);
    log_cstr(&l, "outcome", outcome);
    log_u64(&l, "choices", r->choice_count);
    log_u64(&l, "prompt_tokens", r->usage.prompt);
    log_u64(&l, "cached_tokens", r->usage.cached);
    log_u64(&l, "completion_tokens", r->usage.completion);
    log_u64(&l, "queue_us", r->waited_us);
    log_u64(&l, "prefill_us", r->prefill_us);
    if (r->first_us) log_u64(&l, "decode_us", now - r->first_us);
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
        if (r->choices[i].sequence) compute_cancel(r->hosted->compute, r->choices[i].sequence);
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
        server_reply_error(call, error);
    } else {
        const struct str frame[] = {STR("data: "), openai_error_body(call->arena, error),
                                    STR("\n\n")};
        call_write(call, frame, ARRAY_LEN(frame), true);
        call_end(call);
    }
}

/* --- sequences --- */

static const struct refusal no_memory = {
    .status = 503, .type = "server_error", .message = STR_INIT("There is no memory for this.")};

static int look_for_words(struct request *r)
{
    struct preparation *p = &r->preparation;
    if (!r->asked.word_count) return 0;
    r->words = words_new(r->hosted->vocab, r->asked.words, r->asked.word_count);
    if (r->words) return 0;
    p->error = no_memory;
    return -ENOMEM;
}

static int compile_shape(struct request *r)
{
    struct preparation *p = &r->preparation;
    if (!r->asked.shape.field || r->asked.tools.count) return 0;
    uint64_t started = clock_mono_us();
    int err =
        shape_compile(&r->asked.shape, &r->hosted->grammars, &p->arena, &p->error, &r->grammar);
    histogram_observe_us(&r->server->stats.grammar_seconds, clock_mono_us() - started);
    return err;
}

/* On the preparing thread. */
static int read_request(struct preparation *p)
{
    struct request *r = CONTAINER_OF(p, struct request, preparation);
    const struct hosted *h = r->hosted;
    struct body_generate *asked = &r->asked;
    bool is_chat = r->kind == BODY_CHAT;
    int err = (is_chat ? body_read_chat : body_read_completion)(
        &p->arena, p->call->body, &h->defaults, vocab_info(h->vocab)->count, asked, &p->error);
    if (err) return err;
    err = hosted_check_name(h, &p->arena, asked->model, &p->error);
    if (err) return err;
    err = hosted_check_generates(h, &p->arena, &p->error);
    if (err) return err;
    if (is_chat && asked->thinking_budget >= 0 && !chat_template_markers(h->template)->start.ptr)
        return refuse_field(&p->arena, &p->error, "thinking_budget", "unsupported_parameter",
                            "A budget of thoughts needs a chat template that marks them, and "
                            "'reasoning' that is not off.");
    p->param = is_chat ? "messages" : "prompt";
    p->room = h->context->length - 1;
    p->around = true;
    p->texts = asked->prompts;
    p->count = is_chat ? 1 : asked->prompt_count;
    if (is_chat) p->bytes = p->call->body.len;
    if (p->count * asked->n > SEQUENCES_MAX)
        return refuse_field(&p->arena, &p->error, "n", NULL,
                            "A request may have at most %d choices in all.", SEQUENCES_MAX);
    err = look_for_words(r);
    return err ? err : compile_shape(r);
}

/* What tools need is known once the prompt is there. */
static int compile_calls(struct request *r)
{
    const struct tools *tools = &r->asked.tools;
    struct preparation *p = &r->preparation;
    if (!tools->count) return 0;
    uint64_t started = clock_mono_us();
    int err =
        tools_compile(tools, &r->asked.shape, chat_template_calls(r->hosted->template)->format,
                      r->calls, &r->hosted->grammars, &p->arena, &p->error, &r->grammar);
    if (r->grammar)
        histogram_observe_us(&r->server->stats.grammar_seconds, clock_mono_us() - started);
    return err;
}

static int begin_chat(struct preparation *p, size_t index UNUSED)
{
    struct request *r = CONTAINER_OF(p, struct request, preparation);
    struct chat_prompt prompt;
    int err = chat_render(r->hosted->template, &p->arena, &r->asked.chat, &prompt, &p->error);
    if (err) return err;
    r->thinks = prompt.thinks;
    r->calls = prompt.calls;
    err = compile_calls(r);
    if (err) return err;
    return prompt_of_parts(&p->prompt, &p->arena, r->hosted->vocab, prompt.parts, prompt.count,
                           p->room);
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
        if (r->choices[i].sequence) compute_pause(r->hosted->compute, r->choices[i].sequence, true);
    }
}

static void resume(struct request *r)
{
    if (!r->paused || call_pending(r->call) > PENDING_LOW) return;
    r->paused = false;
    for (size_t i = 0; i < r->choice_count; i++) {
        if (r->choices[i].sequence)
            compute_pause(r->hosted->compute, r->choices[i].sequence, false);
    }
}

static const struct refusal model_failed = {.status = 500,
                                            .type = "server_error",
                                            .message =
                                                STR_INIT("The model failed to compute an answer.")};
static const struct refusal too_hard = {
    .status = 400,
    .type = "invalid_request_error",
    .code = "unsupported_value",
    .message =
        STR_INIT("The schema, pattern or grammar of this answer takes too much time or memory "
                 "to enforce. A simpler one may do: fewer and shorter repetitions that can "
                 "end in many ways.")};
static const struct refusal too_long = {
    .status = 500,
    .type = "server_error",
    .message = STR_INIT("The answer is larger than this engine can give.")};
static const struct refusal too_late = {
    .status = 504,
    .type = "server_error",
    .code = "deadline_exceeded",
    .message = STR_INIT("The request was not answered before its deadline.")};
static const struct refusal shutting_down = {
    .status = 503, .type = "server_error", .message = STR_INIT("The engine is shutting down.")};

static bool has_short_ids(const struct request *r)
{
    return chat_template_calls(r->hosted->template)->format->short_ids;
}

static int frame_call(struct request *r, struct choice *c, unsigned index,
                      const struct piece *piece, const struct answer_choice *part)
{
    struct call_part call = {.name = STR("")};
    if (piece->kind == PIECE_CALL) {
        c->called++;
        call.name = piece->text;
        call_make_id(call.id, has_short_ids(r));
    } else {
        call.arguments = piece->text;
    }
    return answer_frame_call(&r->answer, &r->frames, index, c->called - 1, &call, part);
}

/* `part` has the tokens that go with it. */
static int frame_piece(struct request *r, struct choice *c, unsigned index,
                       const struct piece *piece, struct answer_choice *part)
{
    if (piece->kind == PIECE_CALL || piece->kind == PIECE_ARGUMENTS)
        return frame_call(r, c, index, piece, part);
    *(piece->kind == PIECE_REASONING ? &part->reasoning : &part->text) = piece->text;
    return answer_frame_text(&r->answer, &r->frames, index, part, &c->text_offset);
}

/* A frame for each piece; the tokens go with the first. */
static int frame_pieces(struct request *r, struct choice *c, unsigned index,
                        const struct output *out)
{
    static const struct piece none = {.kind = PIECE_CONTENT};
    unsigned frames = out->choice_count ? MAX(out->piece_count, 1) : out->piece_count;
    int err = 0;
    for (unsigned i = 0; !err && i < frames; i++) {
        struct answer_choice part = {.finish = FINISH_NONE};
        if (i == 0) part.tokens = out->choices;
        if (i == 0) part.token_count = out->choice_count;
        err = frame_piece(r, c, index, i < out->piece_count ? &out->pieces[i] : &none, &part);
    }
    return err;
}

/* What clients are told of an answer's end. */
static enum finish finish_of(const struct choice *c, enum finish finish)
{
    return finish == FINISH_STOP && c->called ? FINISH_CALLS : finish;
}

static int frame_output(struct request *r, struct choice *c, unsigned index,
                        const struct output *out)
{
    int err = 0;
    if (!c->begun) {
        c->begun = true;
        err = answer_frame_role(&r->answer, &r->frames, index);
    }
    if (!err) err = frame_pieces(r, c, index, out);
    if (!err && out->finish != FINISH_NONE)
        err = answer_frame_finish(&r->answer, &r->frames, index, finish_of(c, out->finish));
    return err;
}

static int gather_piece(const struct request *r, struct choice *c, const struct piece *p)
{
    switch (p->kind) {
    case PIECE_CONTENT: return buf_append(&c->text, p->text);
    case PIECE_REASONING: return buf_append(&c->reasoning, p->text);
    case PIECE_CALL: c->called++; return call_list_add(&c->calls, p->text, has_short_ids(r));
    case PIECE_ARGUMENTS: return call_list_go_on(&c->calls, p->text);
    }
    return 0;
}

static int gather_output(const struct request *r, struct choice *c, const struct output *out)
{
    int err = 0;
    for (unsigned i = 0; !err && i < out->piece_count; i++)
        err = gather_piece(r, c, &out->pieces[i]);
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
        choices[i] = (struct answer_choice){.reasoning = buf_str(&c->reasoning),
                                            .text = buf_str(&c->text),
                                            .calls = &c->calls,
                                            .finish = finish_of(c, c->finish),
                                            .tokens = c->tokens,
                                            .token_count = c->token_count};
    }
    int err = answer_whole(&r->answer, &body, choices, r->choice_count, &r->usage);
    if (err) {
        fail(r, &too_long);
    } else {
        log_request(r, "ok");
        server_reply_json(give_up_call(r), 200, buf_str(&body));
    }
    buf_fini(&body);
    free(choices);
}

static void begin_answer(struct request *r)
{
    r->first_us = loop_now(r->server->loop);
    histogram_observe_span_us(&r->server->stats.ttft, r->first_us - r->started_us);
    if (r->stream)
        call_begin(r->call, 200, stream_fields, ARRAY_LEN(stream_fields), HTTP_LENGTH_UNKNOWN);
}

/* NULL: it is none. */
static const struct refusal *failure_of(enum finish finish)
{
    switch (finish) {
    case FINISH_LATE: return &too_late;
    case FINISH_REFUSED: return &too_hard;
    case FINISH_FAILED: return &model_failed;
    case FINISH_CANCELLED: return &shutting_down;
    default: return NULL;
    }
}

static void take_output(struct request *r, const struct output *out, unsigned index)
{
    struct choice *c = &r->choices[index];
    const struct refusal *failure = failure_of(out->finish);
    if (failure) {
        fail(r, failure);
        return;
    }
    if (!r->first_us) begin_answer(r);
    int err = r->stream ? frame_output(r, c, index, out) : gather_output(r, c, out);
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

static void on_output(const struct output *out)
{
    struct request *r = out->sequence->owner;
    unsigned index = out->sequence->index;
    if (out->finish != FINISH_NONE) {
        r->choices[index].sequence = NULL;
        r->choices[index].finish = out->finish;
        r->usage.completion += out->generated;
        r->usage.reasoning += out->reasoned;
        r->waited_us = MAX(r->waited_us, out->waited_us);
        r->prefill_us = MAX(r->prefill_us, out->prefill_us);
        if (r->choices[index].leads) r->usage.cached += out->cached_tokens;
        r->running--;
        compute_dispose(r->hosted->compute, dispose_sequence, out->sequence);
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

/* One prompt's sequences; the first leads, so that the prompt is computed once. */
static void add_choices(struct request *r, const struct token_list *prompt)
{
    const struct hosted *h = r->hosted;
    const struct body_generate *asked = &r->asked;
    uint32_t left = h->context->length - prompt->count;
    const struct calls_spec calls = {.marks = chat_template_calls(h->template),
                                     .tools = asked->tools.called,
                                     .tool_count = asked->tools.count,
                                     .begun = r->calls,
                                     .single = asked->tools.single,
                                     .shaped = !asked->tools.must && asked->shape.field};
    struct sequence_spec spec = {
        .prompt = prompt->tokens,
        .prompt_count = prompt->count,
        .max_tokens = asked->max_tokens ? MIN(asked->max_tokens, left) : left,
        .ignore_end = asked->ignore_end,
        .ends = asked->ends,
        .end_count = asked->end_count,
        .sampling = asked->sampling,
        .min_tokens = asked->min_tokens,
        .grammar = r->grammar,
        .words = r->words,
        .reasoning = r->kind == BODY_CHAT ? chat_template_markers(h->template) : NULL,
        .reasoning_begun = r->thinks,
        .thinking_budget = asked->thinking_budget,
        .calls = calls.tool_count ? &calls : NULL,
        .stops = asked->stops,
        .stop_count = asked->stop_count,
        .tenant = r->standing.tenant,
        .salt = r->standing.tenant,
        .priority = r->standing.priority,
        .deadline_us = r->standing.deadline_us,
    };
    for (uint32_t i = 0; i < asked->n; i++) {
        struct choice *c = &r->choices[r->choice_count];
        buf_init(&c->reasoning, SERVER_ANSWER_MAX);
        buf_init(&c->text, SERVER_ANSWER_MAX);
        call_list_init(&c->calls, SERVER_ANSWER_MAX);
        if (asked->seeded)
            spec.sampling.seed = asked->sampling.seed + i;
        else
            rand_bytes(&spec.sampling.seed, sizeof spec.sampling.seed);
        c->sequence = sequence_new(&spec, vocab_info(h->vocab));
        c->sequence->owner = r;
        c->sequence->on_output = on_output;
        c->sequence->index = (unsigned)r->choice_count++;
        c->leads = i == 0;
        if (i == 0) spec.leader = c->sequence;
    }
    r->usage.prompt += prompt->count;
}

static void start(struct preparation *p)
{
    struct request *r = CONTAINER_OF(p, struct request, preparation);
    const struct body_generate *asked = &r->asked;
    r->state = REQUEST_ANSWERING;
    r->call = p->call;
    r->call->task = &r->task;
    p->work.cut = cut;
    r->stream = asked->stream;
    answer_init(&r->answer, r->kind);
    r->answer.vocab = r->hosted->vocab;
    r->answer.model = r->hosted->name;
    r->answer.include_usage = asked->include_usage;
    r->answer.logprobs = asked->sampling.logprobs;
    r->choices = mem_must_zero(p->count * asked->n, sizeof *r->choices);
    for (size_t i = 0; i < p->count; i++)
        add_choices(r, &p->tokens[i]);
    preparation_release(p);
    r->running = r->choice_count;
    for (size_t i = 0; i < r->choice_count; i++)
        compute_add(r->hosted->compute, r->choices[i].sequence);
}

static void on_refused(struct preparation *p)
{
    request_free(CONTAINER_OF(p, struct request, preparation));
}

static void begin(struct server *s, struct http_call *call, enum body_kind kind)
{
    static const struct preparation_handler texts = {
        .read = read_request, .on_prepared = start, .on_refused = on_refused};
    static const struct preparation_handler chat = {.read = read_request,
                                                    .begin_prompt = begin_chat,
                                                    .on_prepared = start,
                                                    .on_refused = on_refused};
    struct standing standing;
    struct refusal error;
    if (standing_read(call, clock_mono_us(), &standing, &error)) {
        server_reply_error(call, &error);
        return;
    }
    struct request *r = mem_must_zero(1, sizeof *r);
    r->server = s;
    r->standing = standing;
    r->kind = kind;
    r->started_us = call->started_us;
    task_init(&r->task, run);
    buf_init(&r->frames, SERVER_ANSWER_MAX);
    preparation_begin(&r->preparation, s, call, kind == BODY_CHAT ? &chat : &texts);
    r->hosted = r->preparation.hosted;
}

void post_chat(struct server *s, struct http_call *call)
{
    begin(s, call, BODY_CHAT);
}

void post_completion(struct server *s, struct http_call *call)
{
    begin(s, call, BODY_COMPLETION);
}
