/* SPDX-License-Identifier: Apache-2.0 */
/* A runtime that speaks Anthropic's Messages: what clients ask becomes a request that Anthropic would
 * take, or is refused; what comes back becomes answers of every client's dialect. The first byte
 * says which: a request begins with '{', events are lines behind another byte. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "dialect/surface.h"
#include "dialect/translator.h"
#include "json/scan.h"

#define CHECK(fact) ((fact) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- requests --- */

static bool is(const struct json *object, const char *name, const char *value)
{
    return str_eq(json_str_or(object, name, STR("")), str_of(value));
}

static bool has_letter(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] != ' ' && (s.ptr[i] < '\t' || s.ptr[i] > '\r')) return true;
    return false;
}

static size_t count_blocks(const struct json *message, const char *type)
{
    const struct json *block;
    size_t count = 0;
    for (struct json_iter it = {0}; json_next_item(json_get(message, "content"), &it, &block);)
        if (is(block, "type", type)) count++;
    return count;
}

/* What Anthropic refuses of a block is not there. */
static void check_block(const struct json *block, bool assistant, bool *behind)
{
    if (is(block, "type", "text")) {
        CHECK(has_letter(json_str_or(block, "text", STR(""))));
        *behind = true;
    } else if (is(block, "type", "tool_result")) {
        CHECK(!assistant && !*behind); /* results come first */
    } else if (is(block, "type", "tool_use")) {
        CHECK(assistant && json_type(json_get(block, "input")) == JSON_OBJECT);
        *behind = true;
    } else if (is(block, "type", "thinking")) {
        CHECK(assistant && !*behind && json_str_or(block, "signature", STR("")).len);
    } else if (is(block, "type", "redacted_thinking")) {
        CHECK(assistant && !*behind && json_str_or(block, "data", STR("")).len);
    } else {
        CHECK(!assistant && (is(block, "type", "image") || is(block, "type", "document")));
        *behind = true;
    }
}

static void check_messages(const struct json *messages)
{
    const struct json *message, *block;
    size_t calls = 0;
    bool assistant = true;
    CHECK(json_count(messages) > 0);
    for (struct json_iter it = {0}; json_next_item(messages, &it, &message);) {
        assistant = !assistant;
        CHECK(is(message, "role", assistant ? "assistant" : "user"));
        CHECK(json_count(json_get(message, "content")) > 0);
        if (!assistant) CHECK(count_blocks(message, "tool_result") == calls);
        calls = count_blocks(message, "tool_use");
        bool behind = false;
        for (struct json_iter in = {0}; json_next_item(json_get(message, "content"), &in, &block);)
            check_block(block, assistant, &behind);
    }
    CHECK(calls == 0);
}

static void check_request(const struct json *request)
{
    const struct json *tool;
    CHECK(json_type(json_get(request, "model")) == JSON_STRING);
    for (struct json_iter it = {0}; json_next_item(json_get(request, "tools"), &it, &tool);)
        CHECK(is(json_get(tool, "input_schema"), "type", "object"));
    CHECK(!json_get(request, "tool_choice") || json_count(json_get(request, "tools")));
    check_messages(json_get(request, "messages"));
}

static struct translation translation_of(struct arena *arena, enum surface asked, enum surface sent,
                                         bool stream)
{
    return (struct translation){.arena = arena,
                                .asked = asked,
                                .sent = sent,
                                .model = STR("a \"model\""),
                                .id = STR("0123456789abcdef"),
                                .stream = stream,
                                .asks_usage = true};
}

static void ask(struct str body, enum surface asked, enum surface sent)
{
    struct arena arena;
    struct refusal why = {0};
    struct str out;
    const struct json *doc;
    if (json_scan(body, NULL, 0, NULL, NULL)) return; /* nor does peek accept it */
    arena_init(&arena, SIZE_MAX, 4096);
    struct translation t = translation_of(&arena, asked, sent, true);
    int err = translate_request(&t, STR("served"), body, &out, &why);
    CHECK(err == 0 || err == ERR_INVALID);
    if (err) {
        CHECK(why.status == 400 && why.message.len);
    } else {
        err = json_parse(&arena, out, &doc, NULL);
        CHECK(err == 0 || err == ERR_DEPTH || err == ERR_SYNTAX); /* arguments pass as they are */
        if (!err && sent == SURFACE_MESSAGES) check_request(doc);
        if (err) CHECK(json_scan(out, NULL, 0, NULL, NULL) != ERR_SYNTAX);
    }
    arena_fini(&arena);
}

/* --- answers --- */

/* Chunks of a chat are JSON, one of them is the end, and one of them tells why. */
static void check_chunks(struct str out)
{
    static const struct str names[] = {STR_INIT("choices")};
    struct json_span choices[1];
    struct str line;
    size_t ends = 0;
    while (str_cut(&out, '\n', &line)) {
        if (line.len == 0) continue;
        CHECK(str_starts(line, STR("data: ")));
        line = str_skip(line, 6);
        if (str_eq(line, STR("[DONE]"))) continue;
        CHECK(json_scan(line, names, 1, choices, NULL) == 0);
        if (str_find(line, STR("\"finish_reason\":\"")) >= 0) ends++;
    }
    CHECK(ends >= 1);
}

static int feed(struct translator *tr, struct str lines, bool stream)
{
    struct str line;
    int err = 0;
    if (!stream) return translator_whole(tr, lines);
    while (!err && str_cut(&lines, '\n', &line)) {
        err = translator_event(tr, STR(""), line);
        if (err == ERR_INVALID) err = 0;
    }
    return err;
}

static void answer(struct str lines, enum surface asked, bool stream)
{
    struct arena arena;
    struct translator tr = {0};
    struct usage usage = {.known = true, .prompt = 3};
    arena_init(&arena, SIZE_MAX, 4096);
    struct translation t = translation_of(&arena, asked, SURFACE_MESSAGES, stream);
    CHECK(translator_init(&tr, &t) == 0);
    int err = feed(&tr, lines, stream);
    CHECK(err == 0 || err == ERR_INVALID || err == ERR_TOO_LARGE);
    if (!err) {
        CHECK(translator_end(&tr, &usage) == 0);
        if (asked == SURFACE_CHAT && stream) check_chunks(buf_str(&tr.out));
        if (asked == SURFACE_CHAT && !stream)
            CHECK(json_scan(buf_str(&tr.out), NULL, 0, NULL, NULL) == 0);
    }
    translator_fini(&tr);
    arena_fini(&arena);
}

static void count(struct str body, enum surface sent)
{
    struct arena arena;
    struct translator tr = {0};
    arena_init(&arena, SIZE_MAX, 4096);
    struct translation t = translation_of(&arena, SURFACE_COUNT_CHAT, sent, false);
    CHECK(translator_init(&tr, &t) == 0);
    int err = translator_whole(&tr, body);
    CHECK(err == 0 || err == ERR_INVALID);
    if (!err) CHECK(translator_end(&tr, &(struct usage){0}) == 0 && buf_len(&tr.out));
    translator_fini(&tr);
    arena_fini(&arena);
}

/* --- both, for each client that a Messages runtime may serve --- */

static bool is_served(int asked)
{
    uint32_t ways = surface_ways((enum surface)asked);
    return asked != SURFACE_MESSAGES && ways & SURFACE_BIT(SURFACE_MESSAGES);
}

static void ask_all(struct str body)
{
    for (int asked = 0; asked < SURFACE_COUNT; asked++)
        if (is_served(asked)) ask(body, (enum surface)asked, SURFACE_MESSAGES);
    ask(body, SURFACE_COUNT_CHAT, SURFACE_COUNT_MESSAGES);
    ask(body, SURFACE_COUNT_CHAT, SURFACE_COUNT_TOKENIZE);
}

static void answer_all(struct str lines)
{
    for (int asked = 0; asked < SURFACE_COUNT; asked++) {
        if (!is_served(asked)) continue;
        answer(lines, (enum surface)asked, true);
        answer(lines, (enum surface)asked, false);
    }
    count(lines, SURFACE_COUNT_MESSAGES);
    count(lines, SURFACE_COUNT_TOKENIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    CHECK(copy);
    if (size) memcpy(copy, data, size);
    struct str text = str_n(copy, size);
    if (size && copy[0] == '{')
        ask_all(text);
    else if (size)
        answer_all(str_skip(text, 1));
    free(copy);
    return 0;
}
