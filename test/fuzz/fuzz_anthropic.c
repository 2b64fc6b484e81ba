/* SPDX-License-Identifier: Apache-2.0 */
/* Anthropic's dialect. The first byte says what the others are: a request ('c': whose tokens are
 * counted), which becomes a chat that keeps to the rules of chats or is refused with words; an
 * event, which is read; or what becomes a stream that keeps to the rules of Messages: events of a
 * chat, a line each, or ('w') events of the pivot. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "dialect/surface.h"
#include "dialect/translator.h"
#include "json/json.h"
#include "json/scan.h"

#define CHECK(fact) ((fact) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct translation translation_of(struct arena *arena, enum surface asked, bool stream)
{
    return (struct translation){.arena = arena,
                                .asked = asked,
                                .sent = SURFACE_CHAT,
                                .model = STR("asked"),
                                .id = STR("0123"),
                                .stream = stream};
}

static struct str text_of(const struct json *object, const char *name)
{
    return json_str_or(object, name, STR(""));
}

/* --- requests --- */

/* Each call has one message behind it, and no such message is without a call. */
static void check_messages(const struct json *messages)
{
    struct json_iter it = {0};
    const struct json *m;
    size_t due = 0;
    while (json_next_item(messages, &it, &m)) {
        bool tool = str_eq(text_of(m, "role"), STR("tool"));
        CHECK(tool ? due > 0 : due == 0);
        due = tool ? due - 1 : json_count(json_get(m, "tool_calls"));
        enum json_type content = json_type(json_get(m, "content"));
        CHECK(content == JSON_STRING || content == JSON_ARRAY || (content == JSON_NULL && due));
    }
    CHECK(due == 0);
}

static void check_request(struct str body, enum surface asked)
{
    struct arena arena;
    struct refusal why = {0};
    struct str chat = STR_NULL;
    const struct json *doc;
    if (json_scan(body, NULL, 0, NULL, NULL)) return; /* nor does peek accept it */
    arena_init(&arena, SIZE_MAX, 4096);
    struct translation t = translation_of(&arena, asked, body.len & 1);
    int err = translate_request(&t, STR("m"), body, &chat, &why);
    CHECK(err == 0 || err == ERR_INVALID);
    if (err) {
        CHECK(why.status == 400 && why.message.len);
    } else {
        CHECK(json_parse(&arena, chat, &doc, NULL) == 0);
        CHECK(str_eq(text_of(doc, "model"), STR("m")));
        check_messages(json_get(doc, "messages"));
    }
    arena_fini(&arena);
}

/* --- events that are read --- */

static bool within(struct str part, struct str all)
{
    return !part.ptr || (part.ptr >= all.ptr && part.ptr + part.len <= all.ptr + all.len);
}

static void check_read(struct str data)
{
    struct stream_mark mark = {0};
    struct event_facts f = {.mark = &mark};
    struct usage u;
    dialect_anthropic.reader->read_event(data, false, &f);
    CHECK(within(f.piece, data) && within(f.hole, data) && within(f.error_message.raw, data));
    CHECK(!f.ends || f.content);
    dialect_anthropic.reader->read_usage(data, &u);
}

/* --- streams that are written --- */

/* What a reader of the stream knows of it. */
struct follower {
    struct arena arena;
    bool started, open, ended, stopped;
    int64_t index;
    struct str kind;
};

static void follow_start(struct follower *f, const struct json *block)
{
    CHECK(f->started && !f->open && !f->ended);
    f->open = true;
    f->kind = text_of(block, "type");
    CHECK(f->kind.len);
}

static void follow_delta(struct follower *f, const struct json *delta)
{
    struct str type = text_of(delta, "type");
    CHECK(f->open);
    if (str_eq(f->kind, STR("text")))
        CHECK(str_eq(type, STR("text_delta")));
    else if (str_eq(f->kind, STR("thinking")))
        CHECK(str_eq(type, STR("thinking_delta")) || str_eq(type, STR("signature_delta")));
    else
        CHECK(str_eq(f->kind, STR("tool_use")) && str_eq(type, STR("input_json_delta")));
}

static void follow(struct follower *f, struct str type, const struct json *doc)
{
    CHECK(!f->stopped);
    if (str_eq(type, STR("message_start"))) {
        CHECK(!f->started);
        f->started = true;
    } else if (str_eq(type, STR("content_block_start"))) {
        follow_start(f, json_get(doc, "content_block"));
    } else if (str_eq(type, STR("content_block_delta"))) {
        follow_delta(f, json_get(doc, "delta"));
    } else if (str_eq(type, STR("content_block_stop"))) {
        CHECK(f->open);
        f->open = false;
    } else if (str_eq(type, STR("message_delta"))) {
        CHECK(f->started && !f->open && !f->ended);
        f->ended = true;
    } else {
        CHECK(str_eq(type, STR("message_stop")) && f->ended);
        f->stopped = true;
    }
    if (json_get(doc, "index")) CHECK(json_i64_or(doc, "index", -1) == f->index);
    if (str_eq(type, STR("content_block_stop"))) f->index++;
}

static void follow_frame(struct follower *f, struct str frame)
{
    struct str event, data;
    const struct json *doc;
    CHECK(str_cut(&frame, '\n', &event) && str_starts(event, STR("event: ")));
    CHECK(str_cut(&frame, '\n', &data) && str_starts(data, STR("data: ")) && !frame.ptr);
    CHECK(json_parse(&f->arena, str_skip(data, 6), &doc, NULL) == 0);
    CHECK(str_eq(text_of(doc, "type"), str_skip(event, 7)));
    follow(f, str_skip(event, 7), doc);
}

static void check_stream(struct str stream)
{
    struct follower f = {.index = 0};
    arena_init(&f.arena, SIZE_MAX, 4096);
    while (stream.len) {
        ptrdiff_t at = str_find(stream, STR("\n\n"));
        CHECK(at > 0);
        follow_frame(&f, str_n(stream.ptr, (size_t)at));
        stream = str_skip(stream, (size_t)at + 2);
    }
    CHECK(f.stopped);
    arena_fini(&f.arena);
}

static void check_whole(struct arena *arena, struct str object)
{
    const struct json *doc, *block;
    struct json_iter it = {0};
    CHECK(json_parse(arena, object, &doc, NULL) == 0);
    CHECK(text_of(doc, "stop_reason").len);
    while (json_next_item(json_get(doc, "content"), &it, &block))
        if (str_eq(text_of(block, "type"), STR("tool_use")))
            CHECK(json_type(json_get(block, "input")) == JSON_OBJECT);
}

static void check_chat_stream(struct str lines)
{
    struct arena arena;
    struct translator tr = {0};
    struct str line;
    int err = 0;
    arena_init(&arena, SIZE_MAX, 4096);
    struct translation t = translation_of(&arena, SURFACE_MESSAGES, true);
    CHECK(translator_init(&tr, &t) == 0);
    while (!err && str_cut(&lines, '\n', &line))
        err = translator_event(&tr, STR(""), line);
    CHECK(err == 0 || err == ERR_INVALID || err == ERR_TOO_LARGE);
    if (err != ERR_TOO_LARGE) {
        CHECK(translator_end(&tr, &(struct usage){.known = true}) == 0);
        check_stream(buf_str(&tr.out));
    }
    translator_fini(&tr);
    arena_fini(&arena);
}

/* --- events that are made up --- */

/* Two bytes are an event: its kind and call, its text. */
static struct answer_event event_of(unsigned char what, unsigned char text)
{
    static const enum answer_kind kinds[] = {ANSWER_TEXT,      ANSWER_REFUSAL,  ANSWER_REASONING,
                                             ANSWER_SIGNATURE, ANSWER_REDACTED, ANSWER_CALL,
                                             ANSWER_ARGUMENTS, ANSWER_FINISH};
    static const struct str texts[] = {STR_INIT(""),   STR_INIT("a"),      STR_INIT(" \\n"),
                                       STR_INIT("{}"), STR_INIT("[1]"),    STR_INIT("{\\\"a\\\":"),
                                       STR_INIT("1}"), STR_INIT("\\ud83d")};
    return (struct answer_event){.kind = kinds[what % ARRAY_LEN(kinds)],
                                 .call = what / ARRAY_LEN(kinds) % 4,
                                 .finish = (enum finish)(text % (FINISH_PAUSE + 1)),
                                 .text = texts[text % ARRAY_LEN(texts)],
                                 .id = texts[text / ARRAY_LEN(texts) % 2],
                                 .name = STR("f")};
}

static void check_events(struct str script, bool stream)
{
    struct arena arena;
    struct buf out;
    const struct answer_writer_ops *ops = surface_row(SURFACE_MESSAGES)->writer;
    struct answer_event end = {.kind = ANSWER_END};
    arena_init(&arena, SIZE_MAX, 4096);
    buf_init(&out, 2 * (size_t)ANSWER_HELD_MAX);
    struct translation t = translation_of(&arena, SURFACE_MESSAGES, stream);
    struct answer_writer *w = arena_try_zero(&arena, ops->size);
    CHECK(w);
    *w = (struct answer_writer){.ops = ops, .t = &t};
    ops->init(w);
    for (size_t i = 0; i + 1 < MIN(script.len, (size_t)2000); i += 2) {
        struct answer_event e =
            event_of((unsigned char)script.ptr[i], (unsigned char)script.ptr[i + 1]);
        CHECK(ops->put(w, &e, &out) == 0);
    }
    CHECK(ops->put(w, &end, &out) == 0);
    if (stream)
        check_stream(buf_str(&out));
    else
        check_whole(&arena, buf_str(&out));
    ops->fini(w);
    buf_fini(&out);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    char *copy = malloc(size);
    CHECK(copy);
    memcpy(copy, data, size);
    struct str rest = str_n(copy + 1, size - 1);
    switch (data[0]) {
    case 'c': check_request(rest, SURFACE_COUNT_MESSAGES); break;
    case 'e': check_read(rest); break;
    case 's': check_chat_stream(rest); break;
    case 'w':
        check_events(rest, true);
        check_events(rest, false);
        break;
    default: check_request(rest, SURFACE_MESSAGES); break;
    }
    free(copy);
    return 0;
}
