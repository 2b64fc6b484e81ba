/* SPDX-License-Identifier: Apache-2.0 */
/* Ollama's dialect. The first line is taken for a request and the others for an answer: what is
 * accepted becomes JSON for the runtime, and an answer becomes lines of JSON, or one object. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "dialect/surface.h"
#include "dialect/translator.h"
#include "json/json.h"
#include "json/scan.h"

#define CHECK(fact) ((fact) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    enum surface asked, sent;
} ways[] = {
    {SURFACE_OLLAMA_CHAT, SURFACE_CHAT},
    {SURFACE_OLLAMA_GENERATE, SURFACE_CHAT},
    {SURFACE_OLLAMA_RAW, SURFACE_COMPLETIONS},
    {SURFACE_OLLAMA_EMBED, SURFACE_EMBEDDINGS},
    {SURFACE_OLLAMA_EMBEDDINGS, SURFACE_EMBEDDINGS},
};

static void begin(struct translation *t, struct arena *arena, size_t way, bool stream)
{
    *t = (struct translation){.arena = arena,
                              .asked = ways[way].asked,
                              .sent = ways[way].sent,
                              .model = STR("a \"b\""),
                              .id = STR("0123456789abcdef"),
                              .stream = stream,
                              .asks_usage = true};
}

static void check_object(struct arena *arena, struct str text)
{
    const struct json *doc;
    CHECK(json_parse(arena, text, &doc, NULL) == 0 && json_type(doc) == JSON_OBJECT);
}

/* --- requests --- */

static void check_spliced(struct arena *arena, const struct ask *ask, struct str body)
{
    struct str slices[DIALECT_SLICES_MAX];
    struct ask after = {.surface = ask->surface};
    struct refusal why;
    struct buf out;
    buf_init(&out, (size_t)64 << 20);
    const struct edits edits = {.model = STR("new \"name\"")};
    unsigned n = dialect_ollama.splice(ask, body, &edits, arena, slices);
    CHECK(n >= 1 && n <= DIALECT_SLICES_MAX);
    for (unsigned i = 0; i < n; i++)
        CHECK(buf_append(&out, slices[i]) == 0);
    CHECK(dialect_ollama.peek(arena, buf_str(&out), &after, &why) == 0);
    CHECK(str_eq(after.model, edits.model) && after.stream == ask->stream);
    CHECK(after.surface == ask->surface && after.purpose == ask->purpose);
    buf_fini(&out);
}

static void check_request(struct arena *arena, struct str body, size_t way)
{
    struct ask ask = {.surface = ways[way].asked};
    struct refusal why = {0};
    struct translation t;
    struct str out;
    int err = dialect_ollama.peek(arena, body, &ask, &why);
    if (err) CHECK(err == ERR_INVALID && why.message.len);
    if (!err) check_spliced(arena, &ask, body);
    begin(&t, arena, way, ask.stream);
    err = translate_request(&t, STR("served"), body, &out, &why);
    CHECK(err == 0 || err == ERR_INVALID);
    if (err)
        CHECK(why.message.len && why.status == 400);
    else
        check_object(arena, out);
}

/* --- answers --- */

/* The runtime's texts pass as they stand between their quotes, half a surrogate pair too: the other
 * half may come in the next piece. */
static void check_passed(struct str text)
{
    CHECK(json_scan(text, NULL, 0, NULL, NULL) == 0);
}

static void check_lines(struct str lines)
{
    struct str line;
    CHECK(str_ends(lines, STR("\n")));
    lines.len--;
    while (str_cut(&lines, '\n', &line))
        check_passed(line);
}

static void check_stream(struct arena *arena, struct str events, size_t way)
{
    struct translation t;
    struct translator tr = {0};
    struct str event;
    int err = 0;
    begin(&t, arena, way, true);
    CHECK(translator_init(&tr, &t) == 0);
    while (!err && str_cut(&events, '\n', &event))
        err = translator_event(&tr, STR(""), event);
    CHECK(err == 0 || err == ERR_INVALID || err == ERR_TOO_LARGE);
    const struct refusal why = {.status = 502, .message = STR("broken")};
    err = err ? translator_fail(&tr, &why) : translator_end(&tr, &(struct usage){.known = true});
    CHECK(err == 0);
    check_lines(buf_str(&tr.out));
    translator_fini(&tr);
}

static void check_whole(struct arena *arena, struct str body, size_t way)
{
    struct translation t;
    struct translator tr = {0};
    begin(&t, arena, way, false);
    CHECK(translator_init(&tr, &t) == 0);
    int err = translator_whole(&tr, body);
    CHECK(err == 0 || err == ERR_INVALID || err == ERR_TOO_LARGE);
    CHECK(buf_len(&tr.out) == 0);
    if (!err) {
        CHECK(translator_end(&tr, &(struct usage){.prompt = 1}) == 0);
        check_passed(buf_str(&tr.out));
    }
    translator_fini(&tr);
}

/* What is read of lines that pass lies within them. */
static void check_read(struct str lines)
{
    struct str line;
    while (str_cut(&lines, '\n', &line)) {
        struct event_facts f = {0};
        struct usage usage = {0};
        dialect_ollama.reader->read_event(line, false, &f);
        dialect_ollama.reader->read_usage(line, &usage);
        CHECK(!f.piece.ptr || (f.piece.ptr >= line.ptr && f.piece.ptr < line.ptr + line.len));
        CHECK(!f.last || f.ends);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    CHECK(copy);
    if (size) memcpy(copy, data, size);
    struct str answer = str_n(copy, size), request;
    if (!str_cut(&answer, '\n', &request)) request = STR("");
    for (size_t way = 0; way < ARRAY_LEN(ways); way++) {
        struct arena arena;
        arena_init(&arena, SIZE_MAX, 4096);
        check_request(&arena, request, way);
        if (answer.ptr) {
            if (ways[way].sent != SURFACE_EMBEDDINGS) check_stream(&arena, answer, way);
            check_whole(&arena, answer, way);
            check_read(answer);
        }
        arena_fini(&arena);
    }
    free(copy);
    return 0;
}
