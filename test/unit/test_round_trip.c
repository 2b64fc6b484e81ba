/* SPDX-License-Identifier: Apache-2.0 */
/* dialect: what a Messages runtime answers goes to a client of chats and comes back with the next
 * request as it was, field for field. What is lost on the way is listed here:
 *   - several texts of one answer come back as one, behind the thoughts;
 *   - thoughts without proofs do not come back, nor others of their turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "generate.h"
#include "translate.h"

enum { CONVERSATIONS = 200, BLOCKS_MAX = 8 };

/* --- answers that are made up --- */

enum block_kind { BLOCK_TEXT, BLOCK_THINKING, BLOCK_REDACTED, BLOCK_CALL };

struct block {
    enum block_kind kind;
    struct str text;      /* what is said or thought, data that is hidden, arguments */
    struct str signature; /* may be empty */
    struct str id, name;
};

struct answer {
    struct block blocks[BLOCKS_MAX];
    unsigned count;
    unsigned calls;
    bool proved; /* all that is thought */
};

static struct block *add(struct answer *a, enum block_kind kind, struct str text)
{
    a->blocks[a->count] = (struct block){.kind = kind, .text = text};
    return &a->blocks[a->count++];
}

static void think(struct generate *g, struct answer *a)
{
    if (generate_once_in(g, 4)) {
        add(a, BLOCK_REDACTED, generate_text(g));
        return;
    }
    bool hidden = a->proved && generate_once_in(g, 6);
    struct block *b = add(a, BLOCK_THINKING, hidden ? STR("") : generate_text(g));
    b->signature = a->proved ? generate_text(g) : STR("");
}

static void call(struct generate *g, struct answer *a, unsigned turn)
{
    struct block *b = add(a, BLOCK_CALL, generate_object(g));
    b->id = arena_printf(&g->arena, "toolu_%u_%u", turn, a->calls++);
    b->name = arena_printf(&g->arena, "tool_%u", generate_below(g, 3));
}

static struct answer make_answer(struct generate *g, unsigned turn)
{
    struct answer a = {.proved = !generate_once_in(g, 8)};
    for (unsigned n = generate_below(g, 3); n > 0; n--)
        think(g, &a);
    for (unsigned n = generate_below(g, 3); n > 0; n--)
        add(&a, BLOCK_TEXT, generate_text(g));
    for (unsigned n = generate_below(g, 4); n > 0; n--)
        call(g, &a, turn);
    if (a.calls == 0 && (a.count == 0 || a.blocks[a.count - 1].kind != BLOCK_TEXT))
        add(&a, BLOCK_TEXT, generate_text(g));
    a.proved = true;
    for (unsigned i = 0; i < a.count; i++)
        if (a.blocks[i].kind == BLOCK_THINKING && a.blocks[i].signature.len == 0) a.proved = false;
    return a;
}

/* `whole`: with what it says, else as the beginning of a block in a stream. */
static void write_block(struct json_writer *w, const struct block *b, bool whole)
{
    static const char *const types[] = {"text", "thinking", "redacted_thinking", "tool_use"};
    json_write_object(w);
    json_write_str_member(w, "type", str_of(types[b->kind]));
    if (b->kind == BLOCK_TEXT) json_write_str_member(w, "text", whole ? b->text : STR(""));
    if (b->kind == BLOCK_REDACTED) json_write_str_member(w, "data", b->text);
    if (b->kind == BLOCK_THINKING) {
        json_write_str_member(w, "thinking", whole ? b->text : STR(""));
        json_write_str_member(w, "signature", whole ? b->signature : STR(""));
    }
    if (b->kind == BLOCK_CALL) {
        json_write_str_member(w, "id", b->id);
        json_write_str_member(w, "name", b->name);
        json_write_key(w, "input");
        json_write_raw(w, whole ? b->text : STR("{}"));
    }
    json_write_object_end(w);
}

/* --- its way to the client --- */

static void feed(struct translate *x, struct buf *event, struct json_writer *w)
{
    assert_int_equal(json_write_end(w), 0);
    assert_int_equal(translator_event(&x->translator, STR(""), buf_str(event)), 0);
}

static void begin_event(struct buf *event, struct json_writer *w, const char *type)
{
    buf_clear(event);
    json_write_init(w, event);
    json_write_object(w);
    json_write_str_member(w, "type", str_of(type));
    json_write_u64_member(w, "index", 0);
}

static void feed_delta(struct translate *x, struct buf *event, const char *type, const char *member,
                       struct str piece)
{
    struct json_writer w;
    begin_event(event, &w, "content_block_delta");
    json_write_key(&w, "delta");
    json_write_object(&w);
    json_write_str_member(&w, "type", str_of(type));
    json_write_str_member(&w, member, piece);
    json_write_object_end(&w);
    json_write_object_end(&w);
    feed(x, event, &w);
}

static void feed_block(struct generate *g, struct translate *x, struct buf *event,
                       const struct block *b)
{
    static const struct {
        const char *type, *member;
    } deltas[] = {[BLOCK_TEXT] = {"text_delta", "text"},
                  [BLOCK_THINKING] = {"thinking_delta", "thinking"},
                  [BLOCK_CALL] = {"input_json_delta", "partial_json"}};
    struct json_writer w;
    struct str rest = b->text;
    bool whole = b->kind == BLOCK_REDACTED || generate_once_in(g, 6);
    begin_event(event, &w, "content_block_start");
    json_write_key(&w, "content_block");
    write_block(&w, b, whole);
    json_write_object_end(&w);
    feed(x, event, &w);
    while (!whole && rest.len)
        feed_delta(x, event, deltas[b->kind].type, deltas[b->kind].member,
                   generate_piece(g, &rest));
    if (!whole && b->signature.len)
        feed_delta(x, event, "signature_delta", "signature", b->signature);
    begin_event(event, &w, "content_block_stop");
    json_write_object_end(&w);
    feed(x, event, &w);
}

static void feed_stream(struct generate *g, struct translate *x, const struct answer *a)
{
    struct buf event;
    buf_init(&event, 1 << 20);
    for (unsigned i = 0; i < a->count; i++)
        feed_block(g, x, &event, &a->blocks[i]);
    translate_event(x, "",
                    a->calls
                        ? "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"}}"
                        : "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}");
    buf_fini(&event);
}

static void feed_whole(struct translate *x, const struct answer *a)
{
    struct buf body;
    struct json_writer w;
    buf_init(&body, 1 << 20);
    json_write_init(&w, &body);
    json_write_object(&w);
    json_write_str_member(&w, "type", STR("message"));
    json_write_key(&w, "content");
    json_write_array(&w);
    for (unsigned i = 0; i < a->count; i++)
        write_block(&w, &a->blocks[i], true);
    json_write_array_end(&w);
    json_write_str_member(&w, "stop_reason", a->calls ? STR("tool_use") : STR("end_turn"));
    json_write_object_end(&w);
    assert_int_equal(json_write_end(&w), 0);
    assert_int_equal(translator_whole(&x->translator, buf_str(&body)), 0);
    buf_fini(&body);
}

/* --- what the client makes of it --- */

/* A message that is put together of chunks, as SDKs do. */
struct message {
    struct arena *arena;
    struct str content;
    bool has_content;
    struct str id[BLOCKS_MAX], name[BLOCKS_MAX], arguments[BLOCKS_MAX];
    unsigned calls;
    const struct json *thinking_blocks;
    unsigned finishes, roles;
};

static void take_call(struct message *m, const struct json *delta)
{
    const struct json *function = json_get(delta, "function");
    int64_t index = json_i64_or(delta, "index", -1);
    assert_in_range(index, 0, BLOCKS_MAX - 1);
    struct str id = json_str_or(delta, "id", STR(""));
    if (id.len) {
        assert_int_equal(index, m->calls++);
        m->id[index] = id;
        m->name[index] = json_str_or(function, "name", STR(""));
    }
    assert_true((unsigned)index < m->calls);
    m->arguments[index] =
        arena_try_cat(m->arena, m->arguments[index], json_str_or(function, "arguments", STR("")));
}

static void take_delta(struct message *m, const struct json *delta)
{
    const struct json *one;
    struct str text;
    if (json_get(delta, "role")) m->roles++;
    if (json_to_str(json_get(delta, "content"), &text) && text.len) {
        m->content = arena_try_cat(m->arena, m->content, text);
        m->has_content = true;
    }
    for (struct json_iter it = {0}; json_next_item(json_get(delta, "tool_calls"), &it, &one);)
        take_call(m, one);
    if (json_get(delta, "thinking_blocks")) m->thinking_blocks = json_get(delta, "thinking_blocks");
}

static void take_chunks(struct message *m, struct str stream)
{
    struct str line;
    const struct json *chunk;
    while (str_cut(&stream, '\n', &line)) {
        if (line.len == 0 || str_eq(line, STR("data: [DONE]"))) continue;
        assert_true(str_starts(line, STR("data: ")));
        assert_int_equal(json_parse(m->arena, str_skip(line, 6), &chunk, NULL), 0);
        const struct json *choice = json_at(json_get(chunk, "choices"), 0);
        if (json_type(json_get(choice, "finish_reason")) == JSON_STRING) m->finishes++;
        take_delta(m, json_get(choice, "delta"));
    }
    assert_int_equal(m->finishes, 1);
    assert_int_equal(m->roles, 1);
}

static void write_message(const struct message *m, struct json_writer *w)
{
    json_write_object(w);
    json_write_str_member(w, "role", STR("assistant"));
    json_write_key(w, "content");
    if (m->has_content)
        json_write_str(w, m->content);
    else
        json_write_null(w);
    json_write_key(w, "tool_calls");
    json_write_array(w);
    for (unsigned i = 0; i < m->calls; i++) {
        json_write_object(w);
        json_write_str_member(w, "id", m->id[i]);
        json_write_key(w, "function");
        json_write_object(w);
        json_write_str_member(w, "name", m->name[i]);
        json_write_str_member(w, "arguments", m->arguments[i]);
        json_write_object_end(w);
        json_write_object_end(w);
    }
    json_write_array_end(w);
    json_write_key(w, "thinking_blocks");
    json_write_json(w, m->thinking_blocks);
    json_write_object_end(w);
}

/* Sends the answer through, and writes it as the client's next request has it. */
static void through_client(struct generate *g, const struct answer *a, bool stream,
                           struct json_writer *w)
{
    struct translate x;
    struct message m = {.arena = &g->arena};
    const struct json *completion;
    translate_begin(&x, SURFACE_CHAT, SURFACE_MESSAGES, stream);
    translate_answer(&x);
    if (stream)
        feed_stream(g, &x, a);
    else
        feed_whole(&x, a);
    assert_int_equal(translator_end(&x.translator, &(struct usage){0}), 0);
    struct str got = buf_str(&x.translator.out);
    if (stream) {
        take_chunks(&m, got);
        write_message(&m, w);
    } else {
        assert_int_equal(json_parse(&g->arena, got, &completion, NULL), 0);
        json_write_json(w, json_get(json_at(json_get(completion, "choices"), 0), "message"));
    }
    translate_end(&x);
}

/* --- conversations --- */

/* What the runtime is to get of its answer. */
static void write_expected(struct generate *g, const struct answer *a, struct json_writer *w)
{
    struct str text = STR("");
    json_write_object(w);
    json_write_str_member(w, "role", STR("assistant"));
    json_write_key(w, "content");
    json_write_array(w);
    for (unsigned i = 0; i < a->count; i++) {
        const struct block *b = &a->blocks[i];
        bool thought = b->kind == BLOCK_REDACTED || b->kind == BLOCK_THINKING;
        if (thought && a->proved) write_block(w, b, true);
        if (b->kind == BLOCK_TEXT) text = arena_try_cat(&g->arena, text, b->text);
    }
    if (text.len) write_block(w, &(struct block){.kind = BLOCK_TEXT, .text = text}, true);
    for (unsigned i = 0; i < a->count; i++)
        if (a->blocks[i].kind == BLOCK_CALL) write_block(w, &a->blocks[i], true);
    json_write_array_end(w);
    json_write_object_end(w);
}

/* Results for its calls and another question: as the client says it, and as the runtime gets it. */
static void write_question(struct generate *g, const struct answer *a, struct json_writer *chat,
                           struct json_writer *expected)
{
    json_write_object(expected);
    json_write_str_member(expected, "role", STR("user"));
    json_write_key(expected, "content");
    json_write_array(expected);
    for (unsigned i = 0; i < a->count; i++) {
        if (a->blocks[i].kind != BLOCK_CALL) continue;
        struct str result = generate_text(g);
        json_write_object(chat);
        json_write_str_member(chat, "role", STR("tool"));
        json_write_str_member(chat, "tool_call_id", a->blocks[i].id);
        json_write_str_member(chat, "content", result);
        json_write_object_end(chat);
        json_write_object(expected);
        json_write_str_member(expected, "type", STR("tool_result"));
        json_write_str_member(expected, "tool_use_id", a->blocks[i].id);
        json_write_str_member(expected, "content", result);
        json_write_object_end(expected);
    }
    struct block question = {.kind = BLOCK_TEXT, .text = generate_text(g)};
    json_write_object(chat);
    json_write_str_member(chat, "role", STR("user"));
    json_write_str_member(chat, "content", question.text);
    json_write_object_end(chat);
    write_block(expected, &question, true);
    json_write_array_end(expected);
    json_write_object_end(expected);
}

static struct str messages_sent(struct generate *g, struct translate *x, struct str chat)
{
    const struct json *request;
    struct buf out;
    struct json_writer w;
    struct str body = translate_ask(x, arena_dup(&g->arena, chat).ptr);
    assert_non_null(body.ptr);
    assert_int_equal(json_parse(&g->arena, body, &request, NULL), 0);
    buf_init(&out, 1 << 20);
    json_write_init(&w, &out);
    json_write_json(&w, json_get(request, "messages"));
    assert_int_equal(json_write_end(&w), 0);
    struct str text = arena_dup(&g->arena, buf_str(&out));
    buf_fini(&out);
    return text;
}

static void converse(struct generate *g, unsigned turns, struct json_writer *chat,
                     struct json_writer *expected)
{
    struct answer a = {0};
    write_question(g, &a, chat, expected);
    for (unsigned i = 0; i < turns; i++) {
        a = make_answer(g, i);
        through_client(g, &a, generate_once_in(g, 2), chat);
        write_expected(g, &a, expected);
        write_question(g, &a, chat, expected);
    }
}

/* Says where they begin to differ. */
static void expect_same(unsigned seed, struct str got, struct str expected)
{
    size_t at = 0;
    if (str_eq(got, expected)) return;
    while (at < got.len && at < expected.len && got.ptr[at] == expected.ptr[at])
        at++;
    at -= MIN(at, 40u);
    fail_msg("seed %u\n got      %" STR_FMT "\n expected %" STR_FMT, seed,
             STR_ARG(str_sub(got, at, 200)), STR_ARG(str_sub(expected, at, 200)));
}

static void answers_come_back_as_they_were(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < CONVERSATIONS; seed++) {
        struct generate g;
        struct translate x;
        struct buf chat, expected;
        struct json_writer w, e;
        generate_begin(&g, seed);
        translate_begin(&x, SURFACE_CHAT, SURFACE_MESSAGES, false);
        buf_init(&chat, 1 << 20);
        buf_init(&expected, 1 << 20);
        json_write_init(&w, &chat);
        json_write_init(&e, &expected);
        json_write_object(&w);
        json_write_key(&w, "messages");
        json_write_array(&w);
        json_write_array(&e);
        converse(&g, 1 + generate_below(&g, 4), &w, &e);
        json_write_array_end(&w);
        json_write_array_end(&e);
        json_write_object_end(&w);
        assert_int_equal(json_write_end(&w), 0);
        assert_int_equal(json_write_end(&e), 0);
        struct str got = messages_sent(&g, &x, buf_str(&chat));
        expect_same(seed, got, buf_str(&expected));
        buf_fini(&chat);
        buf_fini(&expected);
        translate_end(&x);
        generate_end(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers_come_back_as_they_were)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
