/* SPDX-License-Identifier: Apache-2.0 */
/* dialect: answers as Anthropic's clients get them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/json.h"
#include "translate.h"

enum how { WHOLE, STREAM, COUNT };

/* A writer on its own: events in, bytes out. */
struct written {
    struct translate x;
    struct answer_writer *writer;
    struct buf out;
};

static void begin(struct written *w, enum how how)
{
    enum surface asked = how == COUNT ? SURFACE_COUNT_MESSAGES : SURFACE_MESSAGES;
    translate_begin(&w->x, asked, SURFACE_CHAT, how == STREAM);
    const struct answer_writer_ops *ops = surface_row(asked)->writer;
    w->writer = arena_try_zero(&w->x.arena, ops->size);
    *w->writer = (struct answer_writer){.ops = ops, .t = &w->x.t};
    if (ops->init) ops->init(w->writer);
    buf_init(&w->out, 2 * (size_t)ANSWER_HELD_MAX);
}

static void finish(struct written *w)
{
    if (w->writer->ops->fini) w->writer->ops->fini(w->writer);
    buf_fini(&w->out);
    translate_end(&w->x);
}

static void put(struct written *w, struct answer_event e)
{
    assert_int_equal(w->writer->ops->put(w->writer, &e, &w->out), 0);
}

static void put_all(struct written *w, const struct answer_event *events, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put(w, events[i]);
}

#define EVENT(k, ...) ((struct answer_event){.kind = ANSWER_##k, __VA_ARGS__})
#define EVENT_TEXT(s) EVENT(TEXT, .text = STR_INIT(s))
#define EVENT_THOUGHT(s) EVENT(REASONING, .text = STR_INIT(s))
#define EVENT_CALL(n, i, f) EVENT(CALL, .call = (n), .id = STR_INIT(i), .name = STR_INIT(f))
#define EVENT_ARGUMENTS(n, s) EVENT(ARGUMENTS, .call = (n), .text = STR_INIT(s))
#define EVENT_FINISH(f) EVENT(FINISH, .finish = FINISH_##f)
#define EVENT_END                         \
    EVENT(END, .usage = {.known = true,   \
                         .prompt = 100,   \
                         .completion = 9, \
                         .cached = 60,    \
                         .written = 10,   \
                         .reasoning = 4})

static const char usage_text[] =
    "\"usage\":{\"input_tokens\":30,\"cache_creation_input_tokens\":10,"
    "\"cache_read_input_tokens\":60,\"output_tokens\":9,"
    "\"output_tokens_details\":{\"thinking_tokens\":4}}";

/* The frames of a stream in short: its blocks' starts as "+TYPE", deltas as their text or ~SIGNATURE,
 * stops as "-", its end as "STOP_REASON(STOP_SEQUENCE)"; while checking what all streams keep to. */
struct frames {
    struct arena arena;
    char told[2048];
    bool started, open, ended;
    int64_t index; /* of the open block, or the next */
    char kind[32];
};

static void tell(struct frames *f, const char *fmt, const char *a, const char *b)
{
    size_t n = strlen(f->told);
    snprintf(f->told + n, sizeof f->told - n, fmt, a, b);
}

static const char *member(struct frames *f, const struct json *object, const char *name)
{
    return arena_dup(&f->arena, json_str_or(object, name, STR(""))).ptr;
}

static void see_start(struct frames *f, const struct json *data)
{
    const struct json *message = json_get(data, "message");
    assert_false(f->started);
    f->started = true;
    assert_string_equal(member(f, message, "id"), "msg_0123456789abcdef");
    assert_string_equal(member(f, message, "type"), "message");
    assert_string_equal(member(f, message, "role"), "assistant");
    assert_string_equal(member(f, message, "model"), "asked");
    assert_int_equal(json_type(json_get(message, "content")), JSON_ARRAY);
    assert_int_equal(json_count(json_get(message, "content")), 0);
    assert_int_equal(json_type(json_get(message, "stop_reason")), JSON_NULL);
    assert_int_equal(json_type(json_get(message, "stop_sequence")), JSON_NULL);
    assert_int_equal(json_i64_or(json_get(message, "usage"), "input_tokens", -1), 7);
    assert_int_equal(json_i64_or(json_get(message, "usage"), "output_tokens", -1), 0);
}

static void see_block(struct frames *f, const struct json *data)
{
    const struct json *block = json_get(data, "content_block");
    assert_true(f->started && !f->open && !f->ended);
    f->open = true;
    assert_int_equal(json_i64_or(data, "index", -1), f->index);
    snprintf(f->kind, sizeof f->kind, "%s", member(f, block, "type"));
    tell(f, "+%s%s", f->kind, "");
    if (strcmp(f->kind, "tool_use") == 0) {
        tell(f, "(%s,%s)", member(f, block, "id"), member(f, block, "name"));
        assert_int_equal(json_type(json_get(block, "input")), JSON_OBJECT);
        assert_int_equal(json_count(json_get(block, "input")), 0);
    } else if (strcmp(f->kind, "redacted_thinking") == 0) {
        tell(f, "(%s)%s", member(f, block, "data"), "");
    } else {
        assert_string_equal(member(f, block, f->kind), "");
        assert_int_equal(json_type(json_get(block, f->kind)), JSON_STRING);
    }
}

static void see_delta(struct frames *f, const struct json *data)
{
    static const struct {
        const char *block, *delta, *member, *told;
    } kinds[] = {
        {"text", "text_delta", "text", "[%s]%s"},
        {"thinking", "thinking_delta", "thinking", "[%s]%s"},
        {"thinking", "signature_delta", "signature", "~%s%s"},
        {"tool_use", "input_json_delta", "partial_json", "[%s]%s"},
    };
    const struct json *delta = json_get(data, "delta");
    assert_true(f->open);
    assert_int_equal(json_i64_or(data, "index", -1), f->index);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i].block, f->kind) || strcmp(kinds[i].delta, member(f, delta, "type")))
            continue;
        assert_true(*member(f, delta, kinds[i].member));
        tell(f, kinds[i].told, member(f, delta, kinds[i].member), "");
        return;
    }
    fail_msg("%s in a block %s", member(f, delta, "type"), f->kind);
}

static void see_stop(struct frames *f, const struct json *data)
{
    assert_true(f->open);
    f->open = false;
    assert_int_equal(json_i64_or(data, "index", -1), f->index++);
    tell(f, "%s%s", "-", "");
}

static void see_end(struct frames *f, const struct json *data)
{
    const struct json *delta = json_get(data, "delta");
    assert_true(f->started && !f->open && !f->ended);
    f->ended = true;
    assert_int_equal(json_type(json_get(data, "usage")), JSON_OBJECT);
    tell(f, " %s(%s)", member(f, delta, "stop_reason"), member(f, delta, "stop_sequence"));
}

static void see_last(struct frames *f, const struct json *data)
{
    (void)data;
    assert_true(f->ended);
    tell(f, "%s%s", ".", "");
}

static void see_error(struct frames *f, const struct json *data)
{
    tell(f, "!%s%s", member(f, json_get(data, "error"), "type"), "");
}

static void see_frame(struct frames *f, struct str frame)
{
    static const struct {
        const char *name;
        void (*see)(struct frames *f, const struct json *data);
    } names[] = {
        {"message_start", see_start},
        {"content_block_start", see_block},
        {"content_block_delta", see_delta},
        {"content_block_stop", see_stop},
        {"message_delta", see_end},
        {"message_stop", see_last},
        {"error", see_error},
    };
    struct str event, data;
    const struct json *doc;
    assert_true(str_cut(&frame, '\n', &event) && str_cut(&frame, '\n', &data));
    assert_null(frame.ptr);
    assert_true(str_starts(event, STR("event: ")) && str_starts(data, STR("data: ")));
    assert_int_equal(json_parse(&f->arena, str_skip(data, 6), &doc, NULL), 0);
    assert_true(str_eq(json_str_or(doc, "type", STR("")), str_skip(event, 7)));
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(str_skip(event, 7), str_of(names[i].name))) {
            names[i].see(f, doc);
            return;
        }
    fail_msg("event %" STR_FMT, STR_ARG(event));
}

static void check_frames(struct str stream, const char *want)
{
    struct frames f = {.index = 0};
    arena_init(&f.arena, SIZE_MAX, 4096);
    while (stream.len) {
        ptrdiff_t at = str_find(stream, STR("\n\n"));
        assert_true(at > 0);
        see_frame(&f, str_n(stream.ptr, (size_t)at));
        stream = str_skip(stream, (size_t)at + 2);
    }
    assert_string_equal(f.told, want);
    arena_fini(&f.arena);
}

/* The content of a whole answer, and what ends it; with ' for ". */
static void check_object(struct str got, const char *content, const char *ending)
{
    char want[4096];
    snprintf(want, sizeof want,
             "{'id':'msg_0123456789abcdef','type':'message','role':'assistant','model':'asked',"
             "'content':[%s],%s,",
             content, ending);
    for (char *p = want; *p; p++)
        if (*p == '\'') *p = '"';
    strcat(strcat(want, usage_text), "}");
    if (!str_eq(got, str_of(want))) fail_msg("%" STR_FMT "\n%s", STR_ARG(got), want);
}

static void check_both(const struct answer_event *events, size_t count, const char *frames,
                       const char *content, const char *ending)
{
    struct written w;
    begin(&w, STREAM);
    put_all(&w, events, count);
    check_frames(buf_str(&w.out), frames);
    finish(&w);
    begin(&w, WHOLE);
    put_all(&w, events, count - 1);
    assert_int_equal(buf_len(&w.out), 0);
    put(&w, events[count - 1]);
    check_object(buf_str(&w.out), content, ending);
    finish(&w);
}

#define CHECK_BOTH(events, frames, content, ending) \
    check_both(events, ARRAY_LEN(events), frames, content, ending)
#define ENDING(reason) "'stop_reason':'" reason "','stop_sequence':null"

static void a_stream_is_written_to_the_letter(void **state)
{
    (void)state;
    struct written w;
    begin(&w, STREAM);
    put(&w, EVENT_TEXT("a\\n\\\"b"));
    put(&w, EVENT_FINISH(STOP));
    put(&w, EVENT_END);
    char want[2048];
    snprintf(
        want, sizeof want,
        "event: message_start\n"
        "data: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_0123456789abcdef\","
        "\"type\":\"message\",\"role\":\"assistant\",\"model\":\"asked\",\"content\":[],"
        "\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":7,"
        "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":0}}}"
        "\n\n"
        "event: content_block_start\n"
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":"
        "\"text\",\"text\":\"\"}}\n\n"
        "event: content_block_delta\n"
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
        "\"text_delta\",\"text\":\"a\\n\\\"b\"}}\n\n"
        "event: content_block_stop\n"
        "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
        "event: message_delta\n"
        "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
        "\"stop_sequence\":null},%s}\n\n"
        "event: message_stop\n"
        "data: {\"type\":\"message_stop\"}\n\n",
        usage_text);
    assert_string_equal(arena_dup(&w.x.arena, buf_str(&w.out)).ptr, want);
    assert_true(str_eq(w.writer->ops->ping, STR("event: ping\ndata: {\"type\":\"ping\"}\n\n")));
    finish(&w);
}

static void texts_are_one_block(void **state)
{
    (void)state;
    const struct answer_event events[] = {EVENT_TEXT("a"), EVENT_TEXT(""), EVENT_TEXT("b"),
                                          EVENT_FINISH(STOP), EVENT_END};
    CHECK_BOTH(events, "+text[a][b]- end_turn().", "{'type':'text','text':'ab'}",
               ENDING("end_turn"));
}

#define SEAL "aG9zdGxlcg=="

static void thoughts_are_signed(void **state)
{
    (void)state;
    const struct answer_event events[] = {EVENT_THOUGHT("t"), EVENT_THOUGHT("u"), EVENT_TEXT("a"),
                                          EVENT_FINISH(STOP), EVENT_END};
    CHECK_BOTH(events, "+thinking[t][u]~" SEAL "-+text[a]- end_turn().",
               "{'type':'thinking','thinking':'tu','signature':'" SEAL "'},"
               "{'type':'text','text':'a'}",
               ENDING("end_turn"));
    const struct answer_event theirs[] = {EVENT_THOUGHT("t"),
                                          EVENT(SIGNATURE, .text = STR_INIT("s")),
                                          EVENT_THOUGHT("u"),
                                          EVENT(REDACTED, .text = STR_INIT("d")),
                                          EVENT(SIGNATURE, .text = STR_INIT("alone")),
                                          EVENT_FINISH(STOP),
                                          EVENT_END};
    CHECK_BOTH(theirs,
               "+thinking[t]~s-+thinking[u]~" SEAL "-+redacted_thinking(d)-+thinking~alone- "
               "end_turn().",
               "{'type':'thinking','thinking':'t','signature':'s'},"
               "{'type':'thinking','thinking':'u','signature':'" SEAL "'},"
               "{'type':'redacted_thinking','data':'d'},"
               "{'type':'thinking','thinking':'','signature':'alone'}",
               ENDING("end_turn"));
}

static void calls_are_blocks(void **state)
{
    (void)state;
    const struct answer_event events[] = {EVENT_TEXT("a"),
                                          EVENT_CALL(0, "c1", "f"),
                                          EVENT_ARGUMENTS(0, "{\\\"x\\\":"),
                                          EVENT_ARGUMENTS(0, "[1.0]}"),
                                          EVENT_FINISH(CALLS),
                                          EVENT_END};
    CHECK_BOTH(events, "+text[a]-+tool_use(c1,f)[{\"x\":][[1.0]}]- tool_use().",
               "{'type':'text','text':'a'},"
               "{'type':'tool_use','id':'c1','name':'f','input':{'x':[1.0]}}",
               ENDING("tool_use"));
    const struct answer_event empty[] = {EVENT_CALL(0, "", "f"), EVENT_ARGUMENTS(0, ""),
                                         EVENT_FINISH(STOP), EVENT_END};
    CHECK_BOTH(empty, "+tool_use(toolu_0123456789abcdef0,f)[{}]- tool_use().",
               "{'type':'tool_use','id':'toolu_0123456789abcdef0','name':'f','input':{}}",
               ENDING("tool_use"));
}

static void calls_at_once_are_told_one_by_one(void **state)
{
    (void)state;
    const struct answer_event events[] = {EVENT_CALL(0, "a", "f"),
                                          EVENT_CALL(1, "b", "g"),
                                          EVENT_ARGUMENTS(1, "{\\\"y"),
                                          EVENT_ARGUMENTS(0, "{"),
                                          EVENT_TEXT(" \\n"),
                                          EVENT_CALL(2, "", "h"),
                                          EVENT_ARGUMENTS(1, "\\\":2}"),
                                          EVENT_ARGUMENTS(0, "}"),
                                          EVENT_TEXT("end"),
                                          EVENT_ARGUMENTS(9, "nobody's"),
                                          EVENT_THOUGHT("t"),
                                          EVENT_FINISH(CALLS),
                                          EVENT_END};
    CHECK_BOTH(events,
               "+tool_use(a,f)[{][}]-+tool_use(b,g)[{\"y\":2}]-"
               "+tool_use(toolu_0123456789abcdef2,h)[{}]-+text[end]-+thinking[t]~" SEAL
               "- tool_use().",
               "{'type':'tool_use','id':'a','name':'f','input':{}},"
               "{'type':'tool_use','id':'b','name':'g','input':{'y':2}},"
               "{'type':'tool_use','id':'toolu_0123456789abcdef2','name':'h','input':{}},"
               "{'type':'text','text':'end'},"
               "{'type':'thinking','thinking':'t','signature':'" SEAL "'}",
               ENDING("tool_use"));
}

static void the_first_call_does_not_wait(void **state)
{
    (void)state;
    struct written w;
    begin(&w, STREAM);
    put(&w, EVENT_CALL(0, "a", "f"));
    put(&w, EVENT_ARGUMENTS(0, "{"));
    check_frames(buf_str(&w.out), "+tool_use(a,f)[{]");
    put(&w, EVENT_CALL(1, "b", "g"));
    put(&w, EVENT_ARGUMENTS(1, "{}"));
    put(&w, EVENT_ARGUMENTS(0, "}"));
    check_frames(buf_str(&w.out), "+tool_use(a,f)[{][}]");
    put(&w, EVENT_FINISH(CALLS));
    check_frames(buf_str(&w.out), "+tool_use(a,f)[{][}]-+tool_use(b,g)[{}]-");
    put(&w, EVENT_END);
    check_frames(buf_str(&w.out), "+tool_use(a,f)[{][}]-+tool_use(b,g)[{}]- tool_use().");
    finish(&w);
}

/* Whoever gives a block of blanks back to Anthropic is refused. */
static void blank_text_is_no_block(void **state)
{
    (void)state;
    const struct answer_event events[] = {EVENT_THOUGHT("t"),    EVENT_TEXT("\\n"),
                                          EVENT_TEXT(" \\t\\r"), EVENT_CALL(0, "a", "f"),
                                          EVENT_FINISH(STOP),    EVENT_END};
    CHECK_BOTH(events, "+thinking[t]~" SEAL "-+tool_use(a,f)[{}]- tool_use().",
               "{'type':'thinking','thinking':'t','signature':'" SEAL "'},"
               "{'type':'tool_use','id':'a','name':'f','input':{}}",
               ENDING("tool_use"));
    const struct answer_event led[] = {EVENT_TEXT("\\n"), EVENT_TEXT("\\n"),  EVENT_TEXT("a"),
                                       EVENT_TEXT("\\n"), EVENT_FINISH(STOP), EVENT_END};
    CHECK_BOTH(led, "+text[\n\n][a][\n]- end_turn().", "{'type':'text','text':'\\n\\na\\n'}",
               ENDING("end_turn"));
    const struct answer_event only[] = {EVENT_TEXT(" "), EVENT_FINISH(LENGTH), EVENT_END};
    CHECK_BOTH(only, " max_tokens().", "", ENDING("max_tokens"));
}

static void reasons_are_translated(void **state)
{
    (void)state;
    static const struct {
        struct answer_event finish;
        bool called, refused;
        const char *reason, *sequence;
    } rows[] = {
        {{.kind = ANSWER_FINISH, .finish = FINISH_STOP}, false, false, "end_turn", NULL},
        {{.kind = ANSWER_FINISH, .finish = FINISH_STOP}, true, false, "tool_use", NULL},
        {{.kind = ANSWER_FINISH, .finish = FINISH_STOP}, false, true, "refusal", NULL},
        {{.kind = ANSWER_FINISH, .finish = FINISH_STOP, .text = STR_INIT("\\nx")},
         false,
         false,
         "stop_sequence",
         "\\nx"},
        {{.kind = ANSWER_FINISH, .finish = FINISH_STOP, .text = STR_INIT("x")},
         true,
         false,
         "tool_use",
         NULL},
        {{.kind = ANSWER_FINISH, .finish = FINISH_LENGTH}, false, false, "max_tokens", NULL},
        {{.kind = ANSWER_FINISH, .finish = FINISH_LENGTH}, true, false, "max_tokens", NULL},
        {{.kind = ANSWER_FINISH, .finish = FINISH_CALLS}, true, false, "tool_use", NULL},
        {{.kind = ANSWER_FINISH, .finish = FINISH_CALLS}, false, false, "end_turn", NULL},
        {{.kind = ANSWER_FINISH, .finish = FINISH_FILTER}, false, false, "refusal", NULL},
        {{.kind = ANSWER_FINISH, .finish = FINISH_PAUSE}, true, false, "pause_turn", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct written w;
        char want[256];
        begin(&w, WHOLE);
        if (rows[i].called) put(&w, EVENT_CALL(0, "a", "f"));
        if (rows[i].refused) put(&w, EVENT(REFUSAL, .text = STR_INIT("no")));
        put(&w, rows[i].finish);
        put(&w, EVENT_END);
        snprintf(want, sizeof want, "\"stop_reason\":\"%s\",\"stop_sequence\":%s%s%s,",
                 rows[i].reason, rows[i].sequence ? "\"" : "",
                 rows[i].sequence ? rows[i].sequence : "null", rows[i].sequence ? "\"" : "");
        if (str_find(buf_str(&w.out), str_of(want)) < 0)
            fail_msg("%zu: %" STR_FMT, i, STR_ARG(buf_str(&w.out)));
        finish(&w);
    }
}

static void a_refusal_is_a_text(void **state)
{
    (void)state;
    const struct answer_event events[] = {EVENT(REFUSAL, .text = STR_INIT("no")),
                                          EVENT(REFUSAL, .text = STR_INIT("!")), EVENT_FINISH(STOP),
                                          EVENT_END};
    CHECK_BOTH(events, "+text[no][!]- refusal().", "{'type':'text','text':'no!'}",
               ENDING("refusal"));
}

static void an_end_needs_nothing_before_it(void **state)
{
    (void)state;
    const struct answer_event events[] = {EVENT_END};
    CHECK_BOTH(events, " end_turn().", "", ENDING("end_turn"));
}

static void input_is_always_an_object(void **state)
{
    (void)state;
    static const struct {
        struct str arguments;
        const char *input;
    } rows[] = {
        {STR_INIT("{\\\"a\\\" : \\\"\\\\n\\u00e9\\\"}"), "{\"a\" : \"\\n\xc3\xa9\"}"},
        {STR_INIT("[1]"), "{\"_raw\":\"[1]\"}"},
        {STR_INIT("{\\\"a\\\":"), "{\"_raw\":\"{\\\"a\\\":\"}"},
        {STR_INIT("null"), "{\"_raw\":\"null\"}"},
        {STR_INIT("\\ud83d"), "{\"_raw\":\"\\ud83d\"}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct written w;
        char want[128];
        begin(&w, WHOLE);
        put(&w, EVENT_CALL(0, "a", "f"));
        put(&w, EVENT(ARGUMENTS, .text = rows[i].arguments));
        put(&w, EVENT_END);
        snprintf(want, sizeof want, "\"input\":%s}", rows[i].input);
        if (str_find(buf_str(&w.out), str_of(want)) < 0)
            fail_msg("%zu: %" STR_FMT, i, STR_ARG(buf_str(&w.out)));
        finish(&w);
    }
}

static void unknown_usage_is_the_estimate(void **state)
{
    (void)state;
    struct written w;
    begin(&w, WHOLE);
    put(&w, EVENT(END, .usage = {.known = false}));
    assert_true(str_find(buf_str(&w.out), STR("\"usage\":{\"input_tokens\":7,")) > 0);
    finish(&w);
    begin(&w, WHOLE); /* counts that contradict each other */
    put(&w, EVENT(END, .usage = {.known = true, .prompt = 5, .cached = 9}));
    assert_true(str_find(buf_str(&w.out), STR("\"usage\":{\"input_tokens\":0,")) > 0);
    finish(&w);
}

static void errors_end_streams(void **state)
{
    (void)state;
    struct refusal why = {.status = 502, .message = STR("gone")};
    struct written w;
    begin(&w, STREAM);
    put(&w, EVENT_TEXT("a"));
    put(&w, EVENT(ERROR, .refusal = &why));
    check_frames(buf_str(&w.out), "+text[a]!api_error");
    finish(&w);
    begin(&w, STREAM);
    put(&w, EVENT(ERROR, .refusal = &why));
    check_frames(buf_str(&w.out), "!api_error");
    finish(&w);
}

static void what_is_held_has_a_limit(void **state)
{
    (void)state;
    enum { PIECE = 1 << 20 };
    char *piece = malloc(PIECE);
    assert_non_null(piece);
    memset(piece, 'x', PIECE);
    for (int how = WHOLE; how <= STREAM; how++) {
        struct written w;
        int err = 0, pieces = 0;
        struct answer_event e = EVENT(ARGUMENTS, .call = 1, .text = {piece, PIECE});
        begin(&w, (enum how)how);
        put(&w, EVENT_CALL(0, "a", "f"));
        put(&w, EVENT_CALL(1, "b", "g"));
        for (; !err; pieces++)
            err = w.writer->ops->put(w.writer, &e, &w.out);
        assert_int_equal(err, ERR_TOO_LARGE);
        assert_int_equal(pieces, ANSWER_HELD_MAX / PIECE);
        finish(&w);
    }
    struct written w;
    struct answer_event e = EVENT_CALL(1, "b", "g");
    int err = 0;
    begin(&w, STREAM);
    put(&w, EVENT_CALL(0, "a", "f"));
    for (unsigned n = 0; !err && n < 10000; n++)
        err = w.writer->ops->put(w.writer, &e, &w.out);
    assert_int_equal(err, ERR_TOO_LARGE);
    finish(&w);
    free(piece);
}

/* Clients that say so cannot cope with thoughts, or do not want to see them. */
static void thoughts_that_nobody_wants_are_left_out(void **state)
{
    (void)state;
    for (int stream = 0; stream <= 1; stream++) {
        struct translate x;
        translate_begin(&x, SURFACE_MESSAGES, SURFACE_CHAT, stream);
        assert_non_null(translate_ask(&x, "{\"max_tokens\":1,\"thinking\":{\"type\":\"disabled\"},"
                                          "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}")
                            .ptr);
        translate_answer(&x);
        if (stream)
            translate_event(&x, "", "{\"choices\":[{\"delta\":{\"reasoning_content\":\"t\"}}]}");
        else
            assert_int_equal(
                translator_whole(&x.translator, STR("{\"choices\":[{\"message\":{\"content\":\"a\","
                                                    "\"reasoning\":\"t\"}}]}")),
                0);
        assert_int_equal(translator_end(&x.translator, &(struct usage){.known = true}), 0);
        assert_null(strstr(translate_got(&x), "thinking"));
        translate_end(&x);
    }
}

static void counts_are_told(void **state)
{
    (void)state;
    struct written w;
    begin(&w, COUNT);
    put(&w, EVENT(COUNT, .usage = {.known = true, .prompt = 42}));
    put(&w, EVENT(END, .usage = {.known = false}));
    assert_true(str_eq(buf_str(&w.out), STR("{\"input_tokens\":42}")));
    finish(&w);
}

/* --- through a chat's answer --- */

static void chats_are_translated(void **state)
{
    (void)state;
    struct translate x;
    translate_begin(&x, SURFACE_MESSAGES, SURFACE_CHAT, true);
    translate_answer(&x);
    translate_event(&x, "",
                    "{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
                    "\"content\":\"\"}}]}");
    translate_event(&x, "", "{\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}");
    translate_event(&x, "", "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}");
    translate_event(&x, "",
                    "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\","
                    "\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}]}");
    translate_event(&x, "",
                    "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{"
                    "\"arguments\":\"{\\\"a\\\":1}\"}}]}}]}");
    translate_event(&x, "", "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}");
    assert_int_equal(translator_end(&x.translator, &(struct usage){.known = true}), 0);
    check_frames(buf_str(&x.translator.out),
                 "+thinking[hm]~" SEAL "-+text[a]-+tool_use(c,f)[{\"a\":1}]- tool_use().");
    translate_end(&x);
}

/* A runtime that loses count, or tells an id again and again, makes no calls without names. */
static void calls_begin_with_their_names(void **state)
{
    (void)state;
#define PIECE(call) "{\"choices\":[{\"delta\":{\"tool_calls\":[{" call "}]}}]}"
    static const char *const pieces[] = {
        PIECE("\"index\":0,\"function\":{\"arguments\":\"lost\"}"),
        PIECE("\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}"),
        PIECE("\"index\":0,\"id\":\"d\",\"function\":{\"arguments\":\"{\"}"),
        PIECE("\"index\":7,\"function\":{\"name\":\"\",\"arguments\":\"}\"}"),
        PIECE("\"index\":0,\"id\":\"e\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}"),
    };
    struct translate x;
    translate_begin(&x, SURFACE_MESSAGES, SURFACE_CHAT, true);
    translate_answer(&x);
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        translate_event(&x, "", pieces[i]);
    translate_event(&x, "", "{\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}");
    assert_int_equal(translator_end(&x.translator, &(struct usage){.known = true}), 0);
    check_frames(buf_str(&x.translator.out),
                 "+tool_use(c,f)[{][}]-+tool_use(e,g)[{}]- tool_use().");
    translate_end(&x);
}

/* A piece like the one before costs what it is and a frame. */
static void pieces_pass_again(void **state)
{
    (void)state;
    struct translate x;
    const char *data = "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}";
    translate_begin(&x, SURFACE_MESSAGES, SURFACE_CHAT, true);
    translate_answer(&x);
    translate_event(&x, "", data);
    assert_true(translator_is_piece(&x.translator, strstr(data, "a\"}")));
    assert_int_equal(translator_again(&x.translator, STR("bc")), 0);
    check_frames(buf_str(&x.translator.out), "+text[a][bc]");
    assert_true(surface_row(SURFACE_MESSAGES)->writer->size < 1024);
    assert_int_equal(translator_end(&x.translator, &(struct usage){.known = true}), 0);
    translate_end(&x);
}

/* What is written is read again as it was meant. */
static void a_written_stream_is_read(void **state)
{
    (void)state;
    const struct answer_event events[] = {EVENT_THOUGHT("t"), EVENT_CALL(0, "a", "f"),
                                          EVENT_FINISH(STOP), EVENT_END};
    struct written w;
    struct stream_mark mark = {0};
    struct event_facts f = {.mark = &mark};
    bool ends = false, last = false;
    begin(&w, STREAM);
    put_all(&w, events, ARRAY_LEN(events));
    struct str rest = buf_str(&w.out), line;
    while (str_cut(&rest, '\n', &line)) {
        if (!str_starts(line, STR("data: "))) continue;
        f = (struct event_facts){.usage = f.usage, .mark = &mark};
        dialect_anthropic.reader->read_event(str_skip(line, 6), false, &f);
        ends |= f.ends;
        last |= f.last;
        assert_false(f.error);
    }
    assert_true(ends && last);
    assert_true(f.usage.prompt == 100 && f.usage.completion == 9 && f.usage.cached == 60);
    finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_written_to_the_letter),
        cmocka_unit_test(texts_are_one_block),
        cmocka_unit_test(thoughts_are_signed),
        cmocka_unit_test(calls_are_blocks),
        cmocka_unit_test(calls_at_once_are_told_one_by_one),
        cmocka_unit_test(the_first_call_does_not_wait),
        cmocka_unit_test(blank_text_is_no_block),
        cmocka_unit_test(reasons_are_translated),
        cmocka_unit_test(a_refusal_is_a_text),
        cmocka_unit_test(an_end_needs_nothing_before_it),
        cmocka_unit_test(input_is_always_an_object),
        cmocka_unit_test(unknown_usage_is_the_estimate),
        cmocka_unit_test(errors_end_streams),
        cmocka_unit_test(what_is_held_has_a_limit),
        cmocka_unit_test(thoughts_that_nobody_wants_are_left_out),
        cmocka_unit_test(counts_are_told),
        cmocka_unit_test(chats_are_translated),
        cmocka_unit_test(calls_begin_with_their_names),
        cmocka_unit_test(pieces_pass_again),
        cmocka_unit_test(a_written_stream_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
