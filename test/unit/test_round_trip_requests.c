/* SPDX-License-Identifier: Apache-2.0 */
/* dialect: a chat goes to a Messages runtime and comes to a chat runtime from there as it was, and a
 * request of Messages likewise. What is lost on the way is in these tests beside what becomes of
 * it; a comment says so ("loss"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "generate.h"
#include "translate.h"

enum { CONVERSATIONS = 200, CALLS_MAX = 3 };

/* What is sent, and what is expected to come back, which is mostly the same. */
struct pair {
    struct generate g;
    struct buf texts[2];
    struct json_writer w[2];
    unsigned calls; /* so far */
};

#define SENT(p) (&(p)->w[0])
#define BACK(p) (&(p)->w[1])
#define BOTH(p) for (struct json_writer *w = (p)->w; w < (p)->w + 2; w++)

static void pair_begin(struct pair *p, unsigned seed)
{
    *p = (struct pair){0};
    generate_begin(&p->g, seed);
    for (int i = 0; i < 2; i++) {
        buf_init(&p->texts[i], 1 << 22);
        json_write_init(&p->w[i], &p->texts[i]);
    }
    BOTH(p) json_write_object(w);
}

static void pair_end(struct pair *p)
{
    buf_fini(&p->texts[0]);
    buf_fini(&p->texts[1]);
    generate_end(&p->g);
}

static bool once_in(struct pair *p, unsigned n)
{
    return generate_once_in(&p->g, n);
}

static struct str text(struct pair *p)
{
    return generate_text(&p->g);
}

static struct str cat(struct pair *p, struct str a, struct str b)
{
    return arena_try_cat(&p->g.arena, a, b);
}

static void str_member(struct pair *p, const char *name, struct str v)
{
    BOTH(p) json_write_str_member(w, name, v);
}

static void raw_member(struct pair *p, const char *name, const char *json)
{
    BOTH(p)
    {
        json_write_key(w, name);
        json_write_raw(w, str_of(json));
    }
}

static void key(struct pair *p, const char *name)
{
    BOTH(p) json_write_key(w, name);
}

static void object(struct pair *p)
{
    BOTH(p) json_write_object(w);
}

static void object_end(struct pair *p)
{
    BOTH(p) json_write_object_end(w);
}

static void array(struct pair *p)
{
    BOTH(p) json_write_array(w);
}

static void array_end(struct pair *p)
{
    BOTH(p) json_write_array_end(w);
}

/* --- comparing --- */

static struct str written(struct pair *p, const struct json *v)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 1 << 22);
    json_write_init(&w, &out);
    json_write_json(&w, v);
    assert_int_equal(json_write_end(&w), 0);
    struct str copy = arena_dup(&p->g.arena, buf_str(&out));
    buf_fini(&out);
    return copy;
}

static void expect_same(unsigned seed, struct str name, struct str got, struct str expected)
{
    size_t at = 0;
    if (str_eq(got, expected)) return;
    while (at < got.len && at < expected.len && got.ptr[at] == expected.ptr[at])
        at++;
    at -= MIN(at, 60u);
    fail_msg("seed %u, %" STR_FMT "\n got      %" STR_FMT "\n expected %" STR_FMT, seed,
             STR_ARG(name), STR_ARG(str_sub(got, at, 240)), STR_ARG(str_sub(expected, at, 240)));
}

static struct str translated(struct pair *p, unsigned seed, enum surface asked, enum surface sent,
                             struct str body)
{
    struct translate x;
    struct str out = STR_NULL;
    translate_begin(&x, asked, sent, false);
    int err = translate_request(&x.t, STR("served"), body, &out, &x.why);
    if (err)
        fail_msg("seed %u: %" STR_FMT " of %" STR_FMT, seed, STR_ARG(x.why.message), STR_ARG(body));
    out = arena_dup(&p->g.arena, out);
    translate_end(&x);
    return out;
}

/* From `first` to `second` and back to `first`; member for member. */
static void go_and_return(struct pair *p, unsigned seed, enum surface first, enum surface second)
{
    const struct json *got, *expected, *value;
    struct str name;
    BOTH(p)
    {
        json_write_object_end(w);
        assert_int_equal(json_write_end(w), 0);
    }
    struct str body = translated(p, seed, first, second, buf_str(&p->texts[0]));
    body = translated(p, seed, second, first, body);
    assert_int_equal(json_parse(&p->g.arena, body, &got, NULL), 0);
    assert_int_equal(json_parse(&p->g.arena, buf_str(&p->texts[1]), &expected, NULL), 0);
    for (struct json_iter it = {0}; json_next_member(expected, &it, &name, &value);) {
        const char *member = arena_dup(&p->g.arena, name).ptr;
        expect_same(seed, name, written(p, json_get(got, member)), written(p, value));
    }
    for (struct json_iter it = {0}; json_next_member(got, &it, &name, &value);)
        if (!json_get(expected, arena_dup(&p->g.arena, name).ptr))
            fail_msg("seed %u: there is %" STR_FMT, seed, STR_ARG(name));
}

/* --- chats --- */

static void begin_message(struct pair *p, const char *role)
{
    object(p);
    str_member(p, "role", str_of(role));
}

static void text_part(struct json_writer *w, struct str text)
{
    json_write_object(w);
    json_write_str_member(w, "type", STR("text"));
    json_write_str_member(w, "text", text);
    json_write_object_end(w);
}

/* Texts alone become one, with line ends between; loss: blank ones. */
static void say_parts(struct pair *p)
{
    struct str all = STR("");
    json_write_key(SENT(p), "content");
    json_write_array(SENT(p));
    for (unsigned n = generate_below(&p->g, 3) + 1; n > 0; n--) {
        struct str one = text(p);
        if (once_in(p, 4)) text_part(SENT(p), STR(" \n"));
        text_part(SENT(p), one);
        all = all.len ? cat(p, cat(p, all, STR("\n")), one) : one;
    }
    json_write_array_end(SENT(p));
    json_write_str_member(BACK(p), "content", all);
}

/* Loss: an image's detail and marks for the cache. */
static void add_image(struct pair *p)
{
    bool web = once_in(p, 2);
    object(p);
    str_member(p, "type", STR("image_url"));
    key(p, "image_url");
    object(p);
    str_member(p, "url",
               web ? STR("https://example.com/a b?c=\"d\"") : STR("data:image/webp;base64,QUJD"));
    if (once_in(p, 3)) json_write_str_member(SENT(p), "detail", STR("high"));
    object_end(p);
    if (once_in(p, 3)) {
        json_write_key(SENT(p), "cache_control");
        json_write_raw(SENT(p), STR("{\"type\":\"ephemeral\"}"));
    }
    object_end(p);
}

static void show_parts(struct pair *p)
{
    key(p, "content");
    array(p);
    for (unsigned n = generate_below(&p->g, 2); n > 0; n--) {
        struct str one = text(p);
        BOTH(p) text_part(w, one);
    }
    add_image(p);
    if (once_in(p, 2)) add_image(p);
    array_end(p);
}

/* Loss: a system message within is a text of the user's that says so; names of users. */
static void say(struct pair *p, bool first)
{
    struct str said = text(p), before = STR("");
    if (!first && once_in(p, 6)) {
        struct str rule = text(p);
        json_write_object(SENT(p));
        json_write_str_member(SENT(p), "role", STR("developer"));
        json_write_str_member(SENT(p), "content", rule);
        json_write_object_end(SENT(p));
        before = cat(p, cat(p, STR("<system>\n\n"), rule), STR("\n\n</system>\n"));
    }
    begin_message(p, "user");
    if (before.len || once_in(p, 2)) {
        json_write_str_member(SENT(p), "content", said);
        json_write_str_member(BACK(p), "content", cat(p, before, said));
    } else if (once_in(p, 2)) {
        say_parts(p);
    } else {
        show_parts(p);
    }
    if (once_in(p, 5)) json_write_str_member(SENT(p), "name", STR("Ann"));
    object_end(p);
}

/* Loss: what is no object becomes one. */
static void arguments(struct pair *p)
{
    struct str args = generate_object(&p->g), back = args;
    if (once_in(p, 8)) {
        args = STR("");
        back = STR("{}");
    } else if (once_in(p, 8)) {
        args = STR("{\"half\":");
        back = STR("{\"_raw\":\"{\\\"half\\\":\"}");
    }
    json_write_str_member(SENT(p), "arguments", args);
    json_write_str_member(BACK(p), "arguments", back);
}

static void call(struct pair *p, struct str id)
{
    object(p);
    str_member(p, "id", id);
    str_member(p, "type", STR("function"));
    key(p, "function");
    object(p);
    str_member(p, "name", arena_printf(&p->g.arena, "tool_%u", generate_below(&p->g, 2)));
    arguments(p);
    object_end(p);
    object_end(p);
}

static void result(struct pair *p, struct str id, struct str sent, struct str back)
{
    begin_message(p, "tool");
    str_member(p, "tool_call_id", id);
    json_write_str_member(SENT(p), "content", sent);
    json_write_str_member(BACK(p), "content", back);
    object_end(p);
}

/* Loss: a call without a result gets one, behind the others. */
static void results(struct pair *p, const struct str *ids, unsigned count)
{
    bool missing = count && once_in(p, 5);
    for (unsigned i = missing; i < count; i++) {
        struct str said = once_in(p, 6) ? STR("") : text(p);
        result(p, ids[i], said, said);
    }
    if (!missing) return;
    struct json_writer *w = BACK(p);
    json_write_object(w);
    json_write_str_member(w, "role", STR("tool"));
    json_write_str_member(w, "tool_call_id", ids[0]);
    json_write_str_member(w, "content", STR("Error: aborted"));
    json_write_object_end(w);
}

/* Loss: thoughts without proofs, and that a text was a refusal. */
static void content(struct pair *p, unsigned calls)
{
    struct str said = text(p);
    if (calls && once_in(p, 2)) {
        raw_member(p, "content", "null");
    } else if (once_in(p, 6)) {
        json_write_null_member(SENT(p), "content");
        json_write_str_member(SENT(p), "refusal", said);
        json_write_str_member(BACK(p), "content", said);
    } else {
        str_member(p, "content", said);
    }
    if (once_in(p, 4)) json_write_str_member(SENT(p), "reasoning_content", text(p));
}

static void answer(struct pair *p)
{
    struct str ids[CALLS_MAX];
    unsigned count = generate_below(&p->g, CALLS_MAX + 1);
    begin_message(p, "assistant");
    content(p, count);
    for (unsigned i = 0; i < count; i++)
        ids[i] = arena_printf(&p->g.arena, "call_%u", p->calls++);
    if (count) {
        key(p, "tool_calls");
        array(p);
        for (unsigned i = 0; i < count; i++)
            call(p, ids[i]);
        array_end(p);
    }
    object_end(p);
    results(p, ids, count);
}

static void converse(struct pair *p)
{
    key(p, "messages");
    array(p);
    if (once_in(p, 2)) {
        struct str rule = text(p);
        json_write_object(SENT(p));
        json_write_str_member(SENT(p), "role", once_in(p, 2) ? STR("system") : STR("developer"));
        json_write_str_member(SENT(p), "content", rule);
        json_write_object_end(SENT(p));
        json_write_object(BACK(p));
        json_write_str_member(BACK(p), "role", STR("system"));
        json_write_str_member(BACK(p), "content", rule);
        json_write_object_end(BACK(p));
    }
    say(p, true);
    for (unsigned n = generate_below(&p->g, 4); n > 0; n--) {
        answer(p);
        say(p, false);
    }
    array_end(p);
}

/* Loss: that they are strict. */
static void offer_tools(struct pair *p)
{
    static const char *const choices[] = {
        "\"auto\"", "\"none\"", "\"required\"",
        "{\"type\":\"function\",\"function\":{\"name\":\"tool_1\"}}"};
    key(p, "tools");
    array(p);
    for (unsigned i = 0; i < 2; i++) {
        object(p);
        str_member(p, "type", STR("function"));
        key(p, "function");
        object(p);
        str_member(p, "name", arena_printf(&p->g.arena, "tool_%u", i));
        if (once_in(p, 2)) str_member(p, "description", text(p));
        raw_member(p, "parameters",
                   "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[\"integer\",\"null\"],"
                   "\"minimum\":1.5}},\"required\":[\"a\"],\"additionalProperties\":false}");
        if (once_in(p, 2)) json_write_bool_member(SENT(p), "strict", true);
        object_end(p);
        object_end(p);
    }
    array_end(p);
    const char *choice = choices[generate_below(&p->g, ARRAY_LEN(choices))];
    bool alone = once_in(p, 3) && strcmp(choice, "\"none\"") != 0;
    json_write_key(SENT(p), "tool_choice");
    json_write_raw(SENT(p), str_of(choice));
    /* "auto" is what there is without it */
    if (alone || strcmp(choice, "\"auto\"") != 0) {
        json_write_key(BACK(p), "tool_choice");
        json_write_raw(BACK(p), str_of(choice));
    }
    if (alone) raw_member(p, "parallel_tool_calls", "false");
}

/* Thinking and sampling exclude each other, and so do thinking and a tool that is forced. */
static void choose_how(struct pair *p, bool forced)
{
    static const char *const efforts[] = {"none", "low", "medium", "high"};
    if (!forced && once_in(p, 2)) {
        str_member(p, "reasoning_effort", str_of(efforts[generate_below(&p->g, 4)]));
        raw_member(p, "max_tokens", "30000");
        return;
    }
    json_write_key(SENT(p), once_in(p, 2) ? "max_tokens" : "max_completion_tokens");
    json_write_i64(SENT(p), 77);
    json_write_i64_member(BACK(p), "max_tokens", 77);
    raw_member(p, once_in(p, 2) ? "temperature" : "top_p", "0.25");
    if (once_in(p, 2)) raw_member(p, "top_k", "40");
}

static void set_fields(struct pair *p, bool tools)
{
    choose_how(p, tools);
    if (once_in(p, 2)) raw_member(p, "stop", "[\"END\",\"\\u00fc\\n\"]");
    if (once_in(p, 2)) str_member(p, "user", STR("somebody"));
    if (once_in(p, 2))
        raw_member(p, "response_format",
                   "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\",\"strict\":true,"
                   "\"schema\":{\"type\":\"object\",\"properties\":{}}}}");
    if (once_in(p, 2)) json_write_i64_member(SENT(p), "seed", 7); /* loss */
}

static void chats_return(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < CONVERSATIONS; seed++) {
        struct pair p;
        pair_begin(&p, seed);
        str_member(&p, "model", STR("served"));
        converse(&p);
        bool tools = p.calls || once_in(&p, 2);
        if (tools) offer_tools(&p);
        set_fields(&p, tools);
        go_and_return(&p, seed, SURFACE_CHAT, SURFACE_MESSAGES);
        pair_end(&p);
    }
}

/* --- Messages --- */

/* Loss: marks for the cache. */
static void block_text(struct pair *p, struct str said)
{
    object(p);
    str_member(p, "type", STR("text"));
    str_member(p, "text", said);
    if (once_in(p, 4)) {
        json_write_key(SENT(p), "cache_control");
        json_write_raw(SENT(p), STR("{\"type\":\"ephemeral\"}"));
    }
    object_end(p);
}

static void block_image(struct pair *p)
{
    bool web = once_in(p, 2);
    object(p);
    str_member(p, "type", STR("image"));
    raw_member(p, "source",
               web ? "{\"type\":\"url\",\"url\":\"https://example.com/a\"}"
                   : "{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"QUJD\"}");
    object_end(p);
}

static void block_document(struct pair *p)
{
    object(p);
    str_member(p, "type", STR("document"));
    raw_member(p, "source",
               "{\"type\":\"base64\",\"media_type\":\"application/pdf\",\"data\":\"QUJD\"}");
    json_write_str_member(BACK(p), "title", STR("document.pdf")); /* loss: that it had no title */
    object_end(p);
}

/* Loss: that a result is an error is in its text. */
static void block_result(struct pair *p, struct str id)
{
    struct str said = text(p);
    bool failed = once_in(p, 4);
    object(p);
    str_member(p, "type", STR("tool_result"));
    str_member(p, "tool_use_id", id);
    json_write_str_member(SENT(p), "content", said);
    json_write_str_member(BACK(p), "content", failed ? cat(p, STR("Error: "), said) : said);
    if (failed) json_write_bool_member(SENT(p), "is_error", true);
    object_end(p);
}

static void turn(struct pair *p, const char *role)
{
    object(p);
    str_member(p, "role", str_of(role));
    key(p, "content");
    array(p);
}

static void turn_end(struct pair *p)
{
    array_end(p);
    object_end(p);
}

/* Loss: where texts end, if there is nothing else. */
static void ask_turn(struct pair *p, const struct str *ids, unsigned count)
{
    struct str first = text(p), second = text(p);
    turn(p, "user");
    for (unsigned i = 0; i < count; i++)
        block_result(p, ids[i]);
    if (count == 0 && once_in(p, 3)) {
        text_part(SENT(p), first);
        text_part(SENT(p), second);
        text_part(BACK(p), cat(p, cat(p, first, STR("\n")), second));
    } else {
        block_text(p, first);
        if (once_in(p, 3)) block_image(p);
        if (once_in(p, 5)) block_document(p);
    }
    turn_end(p);
}

static void use(struct pair *p, struct str id)
{
    object(p);
    str_member(p, "type", STR("tool_use"));
    str_member(p, "id", id);
    str_member(p, "name", arena_printf(&p->g.arena, "tool_%u", generate_below(&p->g, 2)));
    raw_member(p, "input", generate_object(&p->g).ptr);
    object_end(p);
}

/* Loss: thoughts, whose proofs a chat does not carry. */
static unsigned answer_turn(struct pair *p, struct str *ids)
{
    unsigned count = generate_below(&p->g, CALLS_MAX + 1);
    turn(p, "assistant");
    if (once_in(p, 3))
        json_write_raw(SENT(p),
                       STR("{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"s\"}"));
    if (count == 0 || once_in(p, 2)) block_text(p, text(p));
    for (unsigned i = 0; i < count; i++) {
        ids[i] = arena_printf(&p->g.arena, "toolu_%u", p->calls++);
        use(p, ids[i]);
    }
    turn_end(p);
    return count;
}

static void converse_in_turns(struct pair *p)
{
    struct str ids[CALLS_MAX];
    unsigned count = 0;
    if (once_in(p, 2)) {
        struct str rule = text(p);
        json_write_str_member(SENT(p), "system", rule);
        json_write_key(BACK(p), "system");
        json_write_array(BACK(p));
        text_part(BACK(p), rule);
        json_write_array_end(BACK(p));
    }
    key(p, "messages");
    array(p);
    ask_turn(p, ids, 0);
    for (unsigned n = generate_below(&p->g, 4); n > 0; n--) {
        count = answer_turn(p, ids);
        ask_turn(p, ids, count);
    }
    array_end(p);
}

static void offer_schemas(struct pair *p)
{
    static const char *const choices[] = {"{\"type\":\"any\"}", "{\"type\":\"none\"}",
                                          "{\"type\":\"tool\",\"name\":\"tool_0\"}",
                                          "{\"type\":\"auto\",\"disable_parallel_tool_use\":true}",
                                          "{\"type\":\"any\",\"disable_parallel_tool_use\":true}"};
    key(p, "tools");
    array(p);
    for (unsigned i = 0; i < 2; i++) {
        object(p);
        str_member(p, "name", arena_printf(&p->g.arena, "tool_%u", i));
        if (once_in(p, 2)) str_member(p, "description", text(p));
        raw_member(p, "input_schema",
                   "{\"type\":\"object\",\"properties\":{\"a\":{}},\"$defs\":{\"b\":1e3}}");
        if (once_in(p, 2)) json_write_bool_member(SENT(p), "defer_loading", true); /* loss */
        object_end(p);
    }
    array_end(p);
    raw_member(p, "tool_choice", choices[generate_below(&p->g, ARRAY_LEN(choices))]);
}

static void messages_return(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < CONVERSATIONS; seed++) {
        struct pair p;
        pair_begin(&p, seed);
        str_member(&p, "model", STR("served"));
        raw_member(&p, "max_tokens", "77");
        converse_in_turns(&p);
        if (p.calls || once_in(&p, 2)) offer_schemas(&p);
        if (once_in(&p, 2)) raw_member(&p, once_in(&p, 2) ? "temperature" : "top_p", "0.25");
        if (once_in(&p, 2)) raw_member(&p, "top_k", "3");
        if (once_in(&p, 2)) raw_member(&p, "stop_sequences", "[\"a\",\"\\ud83d\\ude00\"]");
        if (once_in(&p, 2)) raw_member(&p, "metadata", "{\"user_id\":\"u\"}");
        if (once_in(&p, 2))
            raw_member(&p, "output_config",
                       "{\"format\":{\"type\":\"json_schema\",\"schema\":{}}}");
        go_and_return(&p, seed, SURFACE_MESSAGES, SURFACE_CHAT);
        pair_end(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chats_return),
        cmocka_unit_test(messages_return),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
