/* SPDX-License-Identifier: Apache-2.0 */
/* What a request will be answered, read out of its body: its fields, its knobs, its turn of the
 * script, its words and their number. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "cmd/mock_chat.h"
#include "cmd/mock_priv.h"
#include "json/json.h"

enum { CHAT_MAX = 256 << 20 }; /* a request, translated */

enum {
    F_NONE,
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
    F_OPENAI, /* what follows is not looked for in OpenAI's dialect */
    F_MAX_OUTPUT = F_OPENAI,
    F_OPTIONS,
    F_QUERY,
    F_NAME,
    F_COUNT
};

static const struct str fields[F_COUNT] = {
    STR_INIT(""), /* none; nobody has it */
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
    STR_INIT("max_output_tokens"),
    STR_INIT("options"),
    STR_INIT("query"),
    STR_INIT("name"),
};

/* Where a surface's requests say what. */
static const struct shape {
    unsigned char input[2]; /* what is asked: the first that is there */
    unsigned char limit[2]; /* how long the answer may be: the same */
    bool needs_limit;       /* it must be there */
    bool any_model;         /* there need not be a model */
    bool streams;           /* unless it says that it does not */
} shapes[SURFACE_COUNT] = {
    [SURFACE_CHAT] = {{F_MESSAGES}, {F_MAX_COMPLETION, F_MAX_TOKENS}},
    [SURFACE_COMPLETIONS] = {{F_PROMPT}, {F_MAX_COMPLETION, F_MAX_TOKENS}},
    [SURFACE_EMBEDDINGS] = {{F_INPUT}},
    [SURFACE_RERANK] = {{F_QUERY}},
    [SURFACE_TEMPLATE] = {{F_MESSAGES}, .any_model = true},
    [SURFACE_RESPONSES] = {{F_INPUT}, {F_MAX_OUTPUT}},
    [SURFACE_MESSAGES] = {{F_MESSAGES}, {F_MAX_TOKENS}, .needs_limit = true},
    [SURFACE_OLLAMA_CHAT] = {{F_MESSAGES}, .streams = true},
    [SURFACE_OLLAMA_GENERATE] = {{F_PROMPT}, .streams = true},
    [SURFACE_OLLAMA_EMBED] = {{F_INPUT}},
    [SURFACE_OLLAMA_EMBEDDINGS] = {{F_PROMPT}},
    [SURFACE_COUNT_CHAT] = {{F_MESSAGES}, .any_model = true},
    [SURFACE_COUNT_RESPONSES] = {{F_INPUT}, .any_model = true},
    [SURFACE_COUNT_MESSAGES] = {{F_MESSAGES}},
    [SURFACE_COUNT_TOKENIZE] = {{F_MESSAGES, F_PROMPT}, .any_model = true},
};

static const struct shape *shape_of(const struct request *r)
{
    return &shapes[r->path->surface];
}

/* The first of two fields that is there. */
static const struct json_span *either(const struct json_span *spans, const unsigned char names[2])
{
    return &spans[names[0] && spans[names[0]].type != JSON_NONE ? names[0] : names[1]];
}

static bool refuse(struct request *r, int status, const char *code, const char *message)
{
    r->why = (struct refusal){.status = status, .message = str_of(message), .code = code};
    return false;
}

/* A chat, a completion or embeddings: what is measured with. */
static bool is_openai(const struct request *r)
{
    return r->path->surface >= SURFACE_CHAT && r->path->surface <= SURFACE_EMBEDDINGS;
}

/* --- fields --- */

static bool read_fields(struct request *r, struct json_span *spans)
{
    const size_t count = is_openai(r) ? F_OPENAI : F_COUNT;
    memset(spans, 0, F_COUNT * sizeof *spans);
    if (json_scan(r->call->body, fields + 1, count - 1, spans + 1, NULL))
        return refuse(r, 400, NULL, "the body is not valid JSON");
    return true;
}

static void read_id(struct request *r, const struct json_span *mock)
{
    const struct str name = STR("id");
    struct json_span span;
    struct str id;
    r->id = http_head_get(r->call->head, HDR_X_REQUEST_ID);
    struct str given = http_head_get_name(r->call->head, STR("x-mock-id"));
    if (given.ptr) r->id = given;
    if (mock->type == JSON_OBJECT && json_scan(mock->raw, &name, 1, &span, NULL) == 0 &&
        json_span_str(&span, r->call->arena, &id) == 0)
        r->id = id;
}

/* --- the script and the knobs --- */

static bool has_turn(const struct mock_turn *t)
{
    return t->says || t->ends || t->usage.len || t->body.len;
}

/* The turn of the request's own member, or of the script that is played. */
static bool read_turn(struct request *r, const struct json_span *spans)
{
    struct mock_script *script = &r->worker->mock->script;
    const struct json_span *mock = &spans[F_MOCK];
    struct arena *arena = r->call->arena;
    const char *wrong;
    if (mock->type == JSON_OBJECT && mock_turn_read(arena, mock->raw, &r->turn, &wrong))
        return refuse(r, 400, NULL, wrong);
    bool played = !r->path->object && atomic_load_explicit(&script->count, memory_order_relaxed);
    if (!played || has_turn(&r->turn)) return true;
    struct str last = mock_last_message(either(spans, shape_of(r)->input)->raw);
    struct str taken = mock_script_take(script, arena, last, r->call->body);
    if (taken.ptr && mock_turn_read(arena, taken, &r->turn, &wrong))
        return refuse(r, 500, NULL, wrong);
    return true;
}

/* From all sources, those that win last. */
static int set_knobs(struct request *r, const struct json_span *mock)
{
    struct mock *m = r->worker->mock;
    pthread_rwlock_rdlock(&m->knobs_lock);
    r->knobs = m->knobs;
    pthread_rwlock_unlock(&m->knobs_lock);
    int err = 0;
    if (r->turn.knobs.len) err = mock_knobs_set_object(&r->knobs, r->turn.knobs);
    if (!err) err = mock_knobs_set_headers(&r->knobs, r->call->head);
    if (!err && mock->type == JSON_OBJECT) err = mock_knobs_set_object(&r->knobs, mock->raw);
    if (!err && r->turn.usage.len) err = mock_knobs_set_object(&r->knobs, r->turn.usage);
    return err;
}

static bool read_knobs(struct request *r, const struct json_span *mock)
{
    static const char *const besides[] = {"id",    "say",  "finish", "stop_sequence",
                                          "usage", "body", NULL};
    const char *unknown = NULL;
    if (set_knobs(r, mock)) return refuse(r, 400, NULL, "a mock knob is out of range");
    if (mock->type == JSON_OBJECT) unknown = mock_knobs_unknown(r->call->arena, mock->raw, besides);
    return unknown ? refuse(r, 400, NULL, unknown) : true;
}

/* --- what is asked --- */

static bool read_model(struct request *r, const struct json_span *spans)
{
    struct mock *m = r->worker->mock;
    const struct json_span *span = &spans[spans[F_MODEL].type == JSON_NONE ? F_NAME : F_MODEL];
    if (span->type == JSON_NONE && shape_of(r)->any_model) {
        r->model = r->answer.model = m->models[0];
        return true;
    }
    if (json_span_str(span, r->call->arena, &r->model))
        return refuse(r, 400, NULL, "model is missing");
    r->answer.model = str_sub(span->raw, 1, span->raw.len - 2);
    if (!m->any_model && !map_get(&m->known, r->model))
        return refuse(r, 404, "model_not_found", "no such model");
    return true;
}

static bool read_limit(struct request *r, const struct json_span *spans, int64_t *limit)
{
    const struct str name = STR("num_predict");
    const struct json_span *span = either(spans, shape_of(r)->limit);
    struct json_span predict;
    *limit = 0;
    if (shape_of(r)->needs_limit && span->type == JSON_NONE)
        return refuse(r, 400, NULL, "max_tokens: Field required");
    if (span->type == JSON_NONE && spans[F_OPTIONS].type == JSON_OBJECT &&
        json_scan_span(&spans[F_OPTIONS], &name, 1, &predict, NULL) == 0)
        span = &predict;
    json_span_i64(span, limit);
    *limit = MIN(MAX(*limit, (int64_t)0), (int64_t)MOCK_TOKENS_MAX);
    return true;
}

/* Ollama takes a request without a prompt as the wish that the model be loaded. */
static bool is_load(const struct request *r)
{
    return r->path->surface == SURFACE_OLLAMA_CHAT || r->path->surface == SURFACE_OLLAMA_GENERATE;
}

static struct str load_body(const struct request *r)
{
    const bool chat = r->path->surface == SURFACE_OLLAMA_CHAT;
    char date[CLOCK_RFC3339_SIZE];
    clock_rfc3339(clock_wall_us(), date);
    return arena_printf(r->call->arena,
                        "{\"model\":\"%" STR_FMT "\",\"created_at\":\"%s\",%s,"
                        "\"done\":true,\"done_reason\":\"load\"}",
                        STR_ARG(r->answer.model), date,
                        chat ? "\"message\":{\"role\":\"assistant\",\"content\":\"\"}"
                             : "\"response\":\"\"");
}

static bool read_input(struct request *r, const struct json_span *spans)
{
    const struct shape *shape = shape_of(r);
    const struct json_span *input = either(spans, shape->input);
    if (shape->input[0] && input->type == JSON_NONE && is_load(r))
        r->turn.body = load_body(r);
    else if (shape->input[0] && input->type == JSON_NONE)
        return refuse(r, 400, NULL, "messages, prompt or input is missing");
    r->input = shape->input[0] ? input->raw : r->call->body;
    r->stream = shape->streams;
    if (surface_row(r->path->surface)->streams && !r->path->object)
        json_span_bool(&spans[F_STREAM], &r->stream);
    const struct runtime_kind *kind = r->worker->mock->kind;
    if (kind && kind->no_usage && spans[F_STREAM_OPTIONS].type != JSON_NONE)
        return refuse(r, 422, NULL, "stream_options: Extra inputs are not permitted");
    return true;
}

static bool read_choices(struct request *r, const struct json_span *spans)
{
    int64_t n = 1;
    if (is_openai(r)) json_span_i64(&spans[F_N], &n);
    if (n < 1 || n > MOCK_CHOICES_MAX) return refuse(r, 400, NULL, "n must be 1 to 8");
    if (n > 1 && r->turn.says && r->path->surface == SURFACE_CHAT)
        return refuse(r, 400, NULL, "a scripted chat has one choice");
    r->answer.choices = (unsigned)n;
    return true;
}

static void read_embedding(struct request *r, const struct json_span *spans)
{
    int64_t dimensions = 8;
    struct str format;
    json_span_i64(&spans[F_DIMENSIONS], &dimensions);
    r->dimensions = (unsigned)MIN(MAX(dimensions, (int64_t)1), (int64_t)4096);
    r->base64 =
        !json_span_str(&spans[F_FORMAT], r->call->arena, &format) && str_eq(format, STR("base64"));
}

static bool asks_usage(const struct request *r, const struct json_span *spans)
{
    const struct str name = STR("include_usage");
    struct json_span include;
    bool asked = false;
    if (spans[F_STREAM_OPTIONS].type == JSON_OBJECT &&
        json_scan_span(&spans[F_STREAM_OPTIONS], &name, 1, &include, NULL) == 0)
        json_span_bool(&include, &asked);
    return asked || r->knobs.usage_always ||
           (r->worker->mock->kind && r->worker->mock->kind->no_usage);
}

/* --- what is said --- */

/* A text of the script for slices: its words alone. */
static void say_text(struct request *r)
{
    struct str *texts = arena_alloc(r->call->arena, r->turn.count * sizeof *texts);
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->turn.count; i++) {
        const struct mock_piece *p = &r->turn.pieces[i];
        if (p->kind == ANSWER_TEXT && !p->raw && !p->empty) texts[n++] = p->text;
    }
    if (n == 0) texts[n++] = STR("");
    r->answer.echo = texts;
    r->answer.tokens = n;
}

/* What would be said without a limit: how many pieces. 0: nobody says. */
static uint32_t plan_words(struct request *r)
{
    struct mock_answer *a = &r->answer;
    if (r->turn.says && r->path->surface != SURFACE_COMPLETIONS) return r->turn.count;
    if (r->turn.says)
        say_text(r);
    else if (r->knobs.echo && mock_echo(r->call->arena, r->input, &a->echo, &a->tokens))
        a->echo = NULL;
    return a->echo ? a->tokens : r->knobs.tokens;
}

/* Calls of the script whose id it leaves to us get one that no other answer has. */
static void name_calls(struct request *r)
{
    struct mock_piece *pieces = NULL;
    for (uint32_t i = 0; i < r->turn.count; i++) {
        const struct mock_piece *p = &r->turn.pieces[i];
        if (p->kind != ANSWER_CALL || p->id.ptr) continue;
        if (!pieces) {
            pieces = arena_alloc(r->call->arena, r->turn.count * sizeof *pieces);
            memcpy(pieces, r->turn.pieces, r->turn.count * sizeof *pieces);
            r->turn.pieces = pieces;
        }
        pieces[i].id =
            arena_printf(r->call->arena, "call_mock%08x%u", (unsigned)r->answer.number, p->call);
    }
}

static void plan_tokens(struct request *r, int64_t limit)
{
    uint32_t wanted = plan_words(r);
    uint32_t tokens = wanted ? wanted : limit ? (uint32_t)limit : MOCK_TOKENS_DEFAULT;
    if (limit && tokens > limit) tokens = (uint32_t)limit;
    bool cut = limit && tokens == limit && tokens != wanted;
    r->answer.tokens = r->path->object ? 1 : tokens;
    r->finish = cut ? FINISH_LENGTH : r->turn.finish;
    r->answer.finish = mock_finish_name(r->finish);
}

static uint32_t count_reasoning(const struct request *r)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->turn.count && i < r->answer.tokens; i++)
        n += r->turn.pieces[i].kind == ANSWER_REASONING;
    return n;
}

static void plan_usage(struct request *r, const struct json_span *spans)
{
    const struct mock_knobs *k = &r->knobs;
    struct mock_answer *a = &r->answer;
    a->with_usage = !k->no_usage && (!r->stream || asks_usage(r, spans));
    a->usage = (struct usage){
        .prompt = k->prompt_tokens ? k->prompt_tokens : r->input.len / 4 + 1,
        .cached = k->cached_tokens,
        .written = k->written_tokens,
        .completion = k->completion_tokens ? k->completion_tokens : a->tokens * a->choices,
        .reasoning = k->reasoning_tokens ? k->reasoning_tokens : count_reasoning(r),
        .known = !k->no_usage,
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

/* What the writer must know of the request, such as which of its tools are in a namespace. A request
 * that cannot be translated is answered all the same. */
static void read_memo(struct request *r, struct translation *t)
{
    const to_pivot_fn to_pivot = surface_row(t->asked)->to_pivot;
    const struct json *doc;
    struct refusal why = {0};
    struct json_writer w;
    struct buf chat;
    if (!to_pivot || json_parse(t->arena, r->call->body, &doc, NULL)) return;
    buf_init(&chat, CHAT_MAX);
    json_write_init(&w, &chat);
    if (to_pivot(t, r->model, doc, &w, &why)) t->memo = NULL;
    buf_fini(&chat);
}

static struct mock_voice *open_voice(struct request *r, const struct answer_writer_ops *ops)
{
    struct arena *arena = r->call->arena;
    struct mock_voice *v = arena_zalloc(arena, sizeof *v);
    v->t = (struct translation){
        .arena = arena,
        .asked = r->path->surface,
        .sent = r->path->surface,
        .model = r->model,
        .id = arena_printf(arena, "mock%08x", (unsigned)r->answer.number),
        .created_us = clock_wall_us(),
        .began_us = loop_now(r->worker->loop),
        .stream = r->stream,
        .asks_usage = r->answer.with_usage,
        .prompt_estimate = r->answer.usage.prompt,
    };
    if (ops == &mock_chat_writer)
        v->t.memo = &r->knobs;
    else
        read_memo(r, &v->t);
    mock_voice_open(v, ops);
    return v;
}

/* Who says it: slices, or a writer. */
static bool plan_voice(struct request *r)
{
    enum surface s = r->path->surface;
    if (r->path->object || r->turn.body.len) return true;
    if (s == SURFACE_COMPLETIONS || (s == SURFACE_CHAT && !r->turn.says)) {
        if (r->stream) mock_frames_make(&r->frames, &r->answer, r->call->arena);
        return true;
    }
    const struct answer_writer_ops *ops =
        s == SURFACE_CHAT ? &mock_chat_writer : surface_row(s)->writer;
    if (!ops) return refuse(r, 501, NULL, "the mock cannot say that yet");
    r->voice = open_voice(r, ops);
    return true;
}

static bool plan_answer(struct request *r, const struct json_span *spans)
{
    struct mock *m = r->worker->mock;
    struct mock_answer *a = &r->answer;
    int64_t limit;
    if (!read_limit(r, spans, &limit)) return false;
    a->kind = r->path->surface == SURFACE_COMPLETIONS ? MOCK_TEXT : MOCK_CHAT;
    a->text = &m->text;
    a->number = atomic_fetch_add_explicit(&m->next_number, 1, memory_order_relaxed);
    a->created = m->started_s;
    a->pad = r->knobs.pad;
    plan_tokens(r, limit);
    name_calls(r);
    plan_usage(r, spans);
    plan_error(r);
    if (r->stream) mock_count(&m->stats.streams);
    return plan_voice(r);
}

bool mock__plan(struct request *r)
{
    struct json_span spans[F_COUNT];
    if (!read_fields(r, spans)) return false;
    read_id(r, &spans[F_MOCK]);
    mock_stats_record(&r->worker->mock->stats, r->call->head, r->id, r->call->body);
    if (!read_turn(r, spans) || !read_knobs(r, &spans[F_MOCK]) || !read_model(r, spans) ||
        !read_input(r, spans) || !read_choices(r, spans))
        return false;
    read_embedding(r, spans);
    return plan_answer(r, spans);
}
