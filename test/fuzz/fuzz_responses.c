/* SPDX-License-Identifier: Apache-2.0 */
/* Responses: any body becomes a chat or is refused, for either kind of runtime and going on from
 * anything that was stored; what is kept of it is JSON; any event is read. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "dialect/responses/responses.h"
#include "dialect/surface.h"
#include "dialect/translator.h"
#include "json/scan.h"

#define CHECK(fact) ((fact) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_json(struct arena *arena, struct str text, enum json_type type)
{
    const struct json *doc;
    CHECK(json_parse(arena, text, &doc, NULL) == 0);
    CHECK(json_type(doc) == type);
}

/* Each tool has a name of its own that runtimes take. */
static void check_names(const struct json *chat)
{
    struct json_iter it = {0};
    const struct json *tool;
    while (json_next_item(json_get(chat, "tools"), &it, &tool)) {
        struct str name = json_str_or(json_get(tool, "function"), "name", STR(""));
        CHECK(name.len > 0 && name.len <= 64);
        for (size_t i = 0; i < name.len; i++)
            CHECK(memchr("_-", name.ptr[i], 2) || (name.ptr[i] >= '0' && name.ptr[i] <= '9') ||
                  ((name.ptr[i] | 32) >= 'a' && (name.ptr[i] | 32) <= 'z'));
    }
}

/* An answer that calls each tool is a stream that can be read. */
static void answer(struct translation *t, const struct json *chat)
{
    const struct answer_writer_ops *ops = &responses_writer;
    struct answer_writer *w = arena_zalloc(t->arena, ops->size);
    struct json_iter it = {0};
    const struct json *tool;
    struct buf out;
    unsigned call = 0;
    *w = (struct answer_writer){.ops = ops, .t = t};
    buf_init(&out, 64 << 20);
    ops->init(w);
    while (json_next_item(json_get(chat, "tools"), &it, &tool)) {
        struct str name = json_str_or(json_get(tool, "function"), "name", STR(""));
        struct answer_event e = {.kind = ANSWER_CALL, .call = call, .name = name};
        CHECK(ops->put(w, &e, &out) == 0);
        e = (struct answer_event){
            .kind = ANSWER_ARGUMENTS, .call = call++, .text = STR("{\\\"input\\\":\\\"x\\\"}")};
        CHECK(ops->put(w, &e, &out) == 0);
    }
    CHECK(ops->put(w, &(struct answer_event){.kind = ANSWER_END}, &out) == 0);
    buf_clear(&out);
    CHECK(responses_write_response(w, &out) == 0);
    check_json(t->arena, buf_str(&out), JSON_OBJECT);
    ops->fini(w);
    buf_fini(&out);
}

static void translate(enum surface sent, struct str body, const struct responses_past *past)
{
    struct arena arena;
    struct refusal why = {0};
    struct str out;
    if (json_scan(body, NULL, 0, NULL, NULL)) return; /* nor does peek accept it */
    arena_init(&arena, SIZE_MAX, 4096);
    struct translation t = {.arena = &arena,
                            .asked = SURFACE_RESPONSES,
                            .sent = sent,
                            .model = STR("m"),
                            .id = STR("1"),
                            .past = past};
    int err = translate_request(&t, STR("m"), body, &out, &why);
    CHECK(err == 0 || (err == ERR_INVALID && why.status == 400 && why.message.len));
    if (!err && sent == SURFACE_CHAT) {
        const struct json *chat;
        CHECK(json_parse(&arena, out, &chat, NULL) == 0);
        check_names(chat);
        if (json_count(json_get(chat, "tools")) < 64) answer(&t, chat);
    }
    arena_fini(&arena);
}

static void keep(struct str body)
{
    struct arena arena;
    struct buf out;
    struct responses_wants wants;
    arena_init(&arena, SIZE_MAX, 4096);
    buf_init(&out, 64 << 20);
    struct translation t = {.arena = &arena, .asked = SURFACE_RESPONSES, .id = STR("1")};
    CHECK(responses_read_wants(&arena, body, &wants) == 0);
    int err = responses_write_input(&t, body, &out);
    CHECK(err == 0 || err == ERR_INVALID);
    if (!err) check_json(&arena, buf_str(&out), JSON_ARRAY);
    (void)responses_output(body);
    buf_fini(&out);
    arena_fini(&arena);
}

static void read_event(struct str data)
{
    struct stream_mark mark = {0};
    struct event_facts facts = {.mark = &mark};
    struct usage usage = {0};
    dialect_responses.reader->read_event(data, false, &facts);
    dialect_responses.reader->read_usage(data, &usage);
    CHECK(strlen(mark.id) < sizeof mark.id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    CHECK(copy);
    if (size) memcpy(copy, data, size);
    struct str body = str_n(copy, size);
    struct responses_past past = {&body, 1, &body, 1};
    translate(SURFACE_CHAT, body, NULL);
    translate(SURFACE_MESSAGES, body, NULL);
    translate(SURFACE_CHAT, STR("{\"model\":\"m\",\"input\":\"go on\"}"), &past);
    keep(body);
    read_event(body);
    free(copy);
    return 0;
}
