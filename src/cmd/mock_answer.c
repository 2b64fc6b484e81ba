/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/mock_answer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "cmd/mock_knobs.h"
#include "dialect/openai/write.h"
#include "json/json.h"
#include "json/write.h"

/* --- tokens --- */

enum { TOKEN_TEXT_MAX = 8 }; /* "t99999 " */

void mock_text_init(struct mock_text *t)
{
    t->bytes = mem_must((size_t)MOCK_TOKENS_MAX * TOKEN_TEXT_MAX);
    t->starts = mem_must((MOCK_TOKENS_MAX + 1) * sizeof *t->starts);
    t->filler = mem_must(MOCK_PAD_MAX);
    memset(t->filler, 'x', MOCK_PAD_MAX);
    uint32_t end = 0;
    for (unsigned i = 0; i < MOCK_TOKENS_MAX; i++) {
        t->starts[i] = end;
        end += (uint32_t)snprintf(t->bytes + end, TOKEN_TEXT_MAX + 1, "t%u ", i);
    }
    t->starts[MOCK_TOKENS_MAX] = end;
}

void mock_text_fini(struct mock_text *t)
{
    free(t->bytes);
    free(t->starts);
    free(t->filler);
}

static struct str token(const struct mock_answer *a, uint32_t index)
{
    if (a->echo) return a->echo[index];
    const uint32_t *starts = a->text->starts;
    return str_n(a->text->bytes + starts[index], starts[index + 1] - starts[index]);
}

/* All tokens of one choice in a row. */
static struct str whole_text(const struct mock_answer *a, struct arena *arena)
{
    if (!a->echo && a->pad == 0) return str_n(a->text->bytes, a->text->starts[a->tokens]);
    size_t len = (size_t)a->pad * a->tokens;
    for (uint32_t i = 0; i < a->tokens; i++)
        len += token(a, i).len;
    char *text = arena_alloc(arena, len + 1);
    char *end = text;
    for (uint32_t i = 0; i < a->tokens; i++) {
        struct str t = token(a, i);
        if (t.len) memcpy(end, t.ptr, t.len);
        memset(end + t.len, 'x', a->pad);
        end += t.len + a->pad;
    }
    return str_n(text, len);
}

/* --- objects --- */

/* Writes into room that was measured before; several times cheaper than printf. */
struct pen {
    char *at;
};

static void put(struct pen *p, struct str s)
{
    if (s.len) memcpy(p->at, s.ptr, s.len);
    p->at += s.len;
}

static void put_number(struct pen *p, uint64_t v)
{
    char digits[20];
    unsigned n = 0;
    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    while (n)
        *p->at++ = digits[--n];
}

static void put_number_hex8(struct pen *p, uint64_t v)
{
    for (int shift = 28; shift >= 0; shift -= 4)
        *p->at++ = "0123456789abcdef"[v >> shift & 15];
}

static void put_usage(struct pen *p, const struct mock_answer *a)
{
    if (!a->with_usage) return;
    put(p, STR(",\"usage\":{\"prompt_tokens\":"));
    put_number(p, a->usage.prompt);
    put(p, STR(",\"completion_tokens\":"));
    put_number(p, a->usage.completion);
    put(p, STR(",\"total_tokens\":"));
    put_number(p, (uint64_t)a->usage.prompt + a->usage.completion);
    put(p, STR(",\"prompt_tokens_details\":{\"cached_tokens\":"));
    put_number(p, a->usage.cached);
    put(p, STR("}}"));
}

/* An answer's or a frame's start: from the brace to the choices' bracket. */
static void put_start(struct pen *p, const struct mock_answer *a, struct str object)
{
    put(p, a->kind == MOCK_CHAT ? STR("{\"id\":\"chatcmpl-mock-") : STR("{\"id\":\"cmpl-mock-"));
    put_number_hex8(p, a->number);
    put(p, STR("\",\"object\":\""));
    put(p, object);
    put(p, STR("\",\"created\":"));
    put_number(p, a->created);
    put(p, STR(",\"model\":\""));
    put(p, a->model);
    put(p, STR("\",\"choices\":["));
}

static void put_choice(struct pen *p, const struct mock_answer *a, unsigned index, struct str text)
{
    const bool chat = a->kind == MOCK_CHAT;
    put(p, index ? STR(",{\"index\":") : STR("{\"index\":"));
    put_number(p, index);
    put(p, chat ? STR(",\"message\":{\"role\":\"assistant\",\"content\":\"") : STR(",\"text\":\""));
    put(p, text);
    put(p, chat ? STR("\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"")
                : STR("\",\"logprobs\":null,\"finish_reason\":\""));
    put(p, a->finish);
    put(p, STR("\"}"));
}

enum { FIXED = 256 }; /* more than the fixed parts and numbers of a start, a choice or usage */

struct str mock_answer_object(const struct mock_answer *a, struct arena *arena)
{
    struct str text = whole_text(a, arena);
    char *out = arena_alloc(arena, 2 * FIXED + a->model.len + a->choices * (text.len + FIXED));
    struct pen p = {out};
    put_start(&p, a, a->kind == MOCK_CHAT ? STR("chat.completion") : STR("text_completion"));
    for (unsigned c = 0; c < a->choices; c++)
        put_choice(&p, a, c, text);
    put(&p, STR("]"));
    put_usage(&p, a);
    put(&p, STR("}"));
    return str_n(out, (size_t)(p.at - out));
}

/* --- frames --- */

static void append(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void append(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (buf_vprintf(b, fmt, args)) abort();
    va_end(args);
}

/* A frame's bytes up to its choices. */
static struct str frame_start(const struct mock_answer *a, struct arena *arena)
{
    char *out = arena_alloc(arena, FIXED + a->model.len);
    struct pen p = {out};
    put(&p, STR("data: "));
    put_start(&p, a, a->kind == MOCK_CHAT ? STR("chat.completion.chunk") : STR("text_completion"));
    return str_n(out, (size_t)(p.at - out));
}

static struct str usage_text(const struct mock_answer *a, struct arena *arena)
{
    char *out = arena_alloc(arena, FIXED);
    struct pen p = {out};
    put_usage(&p, a);
    return str_n(out, (size_t)(p.at - out));
}

static void append_role(struct buf *b, const struct mock_answer *a, struct str start,
                        const char *end)
{
    for (unsigned c = 0; c < a->choices; c++) {
        append(b,
               "%.*s{\"index\":%u,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
               "\"finish_reason\":null}]%s",
               STR_ARG(start), c, end);
    }
}

static void append_finish(struct buf *b, const struct mock_answer *a, struct str start,
                          const char *end)
{
    const char *empty = a->kind == MOCK_CHAT ? "\"delta\":{}" : "\"text\":\"\",\"logprobs\":null";
    for (unsigned c = 0; c < a->choices; c++) {
        append(b, "%.*s{\"index\":%u,%s,\"finish_reason\":\"%.*s\"}]%s", STR_ARG(start), c, empty,
               STR_ARG(a->finish), end);
    }
}

void mock_frames_make(struct mock_frames *f, const struct mock_answer *a, struct arena *arena)
{
    const bool chat = a->kind == MOCK_CHAT;
    const char *end = a->with_usage ? ",\"usage\":null}\n\n" : "}\n\n";
    struct str start = frame_start(a, arena);
    f->answer = a;
    for (unsigned c = 0; c < a->choices; c++) {
        f->before[c] = arena_printf(arena, "%.*s{\"index\":%u,%s", STR_ARG(start), c,
                                    chat ? "\"delta\":{\"content\":\"" : "\"text\":\"");
    }
    f->after = arena_printf(arena, "\"%s,\"finish_reason\":null}]%s",
                            chat ? "}" : ",\"logprobs\":null", end);
    struct buf b;
    buf_init(&b, SIZE_MAX / 2);
    if (chat) append_role(&b, a, start, end);
    f->head = arena_dup(arena, buf_str(&b));
    buf_clear(&b);
    append_finish(&b, a, start, end);
    if (a->with_usage) append(&b, "%.*s]%.*s}\n\n", STR_ARG(start), STR_ARG(usage_text(a, arena)));
    append(&b, "data: [DONE]\n\n");
    f->tail = arena_dup(arena, buf_str(&b));
    buf_fini(&b);
}

unsigned mock_frames_token(const struct mock_frames *f, uint32_t index, unsigned choice,
                           struct str out[MOCK_FRAME_SLICES])
{
    const struct mock_answer *a = f->answer;
    unsigned n = 0;
    out[n++] = f->before[choice];
    out[n++] = token(a, index);
    if (a->pad) out[n++] = str_n(a->text->filler, a->pad);
    out[n++] = f->after;
    return n;
}

/* --- errors --- */

struct str mock_error_body(struct arena *arena, int status, const char *code, const char *message)
{
    const struct refusal why = {.status = status, .message = str_of(message), .code = code};
    return openai_error_body(arena, &why);
}

/* --- embeddings --- */

enum { DIMENSIONS_MAX = 4096 };

static void vector_of(struct str input, float *v, unsigned dimensions)
{
    uint64_t h = hash_fnv(input);
    double sum = 0;
    for (unsigned i = 0; i < dimensions; i++) {
        h = h * 6364136223846793005u + 1442695040888963407u;
        v[i] = (float)((double)(h >> 33) / (double)(1u << 30) - 1.0);
        sum += (double)v[i] * (double)v[i];
    }
    double scale = sum > 0 ? 1 / sqrt(sum) : 0;
    for (unsigned i = 0; i < dimensions; i++)
        v[i] = (float)((double)v[i] * scale);
}

static void write_base64(struct json_writer *w, struct arena *arena, const void *bytes, size_t len)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = bytes;
    char *out = arena_alloc(arena, len / 3 * 4 + 8);
    size_t n = 0;
    for (size_t i = 0; i < len; i += 3) {
        unsigned have = (unsigned)MIN(len - i, (size_t)3);
        uint32_t v = (uint32_t)in[i] << 16;
        if (have > 1) v |= (uint32_t)in[i + 1] << 8;
        if (have > 2) v |= in[i + 2];
        for (unsigned d = 0; d < 4; d++)
            out[n++] = d <= have ? alphabet[v >> (18 - 6 * d) & 63] : '=';
    }
    json_write_str(w, str_n(out, n));
}

static void write_embedding(struct json_writer *w, struct arena *arena, struct str input,
                            size_t index, unsigned dimensions, bool base64)
{
    float v[DIMENSIONS_MAX];
    vector_of(input, v, dimensions);
    json_write_object(w);
    json_write_str_member(w, "object", STR("embedding"));
    json_write_u64_member(w, "index", index);
    json_write_key(w, "embedding");
    if (base64) {
        write_base64(w, arena, v, dimensions * sizeof v[0]);
    } else {
        json_write_array(w);
        for (unsigned i = 0; i < dimensions; i++)
            json_write_double(w, (double)v[i]);
        json_write_array_end(w);
    }
    json_write_object_end(w);
}

/* True for an array of token ids, which is one input as a string is. */
static bool is_one(const struct json *input)
{
    return json_type(input) == JSON_STRING || json_type(json_at(input, 0)) == JSON_NUMBER;
}

int mock_embeddings(struct arena *arena, struct str input, struct str model, unsigned dimensions,
                    bool base64, uint32_t prompt_tokens, struct buf *out)
{
    const struct json *doc;
    int err = json_parse(arena, input, &doc, NULL);
    if (err) return err;
    if (json_type(doc) != JSON_STRING && json_count(doc) == 0) return ERR_TYPE;
    dimensions = MIN(MAX(dimensions, 1u), (unsigned)DIMENSIONS_MAX);
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_str_member(&w, "object", STR("list"));
    json_write_key(&w, "data");
    json_write_array(&w);
    size_t count = is_one(doc) ? 1 : json_count(doc);
    for (size_t i = 0; i < count; i++) {
        struct str text = input;
        const struct json *item = is_one(doc) ? doc : json_at(doc, i);
        /* Inputs of token ids differ by place only; the mock has no vocabulary. */
        if (!json_to_str(item, &text))
            text = arena_printf(arena, "ids %zu of %.*s", i, STR_ARG(input));
        write_embedding(&w, arena, text, i, dimensions, base64);
    }
    json_write_array_end(&w);
    json_write_key(&w, "model");
    json_write_raw(&w, arena_printf(arena, "\"%.*s\"", STR_ARG(model)));
    json_write_key(&w, "usage");
    json_write_object(&w);
    json_write_u64_member(&w, "prompt_tokens", prompt_tokens);
    json_write_u64_member(&w, "total_tokens", prompt_tokens);
    json_write_object_end(&w);
    json_write_object_end(&w);
    return json_write_end(&w);
}

/* --- echo --- */

/* The text of a message: its content, or that of the last text part. */
static struct str text_of(const struct json *message)
{
    struct str text;
    if (json_to_str(message, &text)) return text;
    const struct json *content = json_get(message, "content");
    if (json_to_str(content, &text)) return text;
    const struct json *part = json_at(content, json_count(content) ? json_count(content) - 1 : 0);
    return json_str_or(part, "text", STR(""));
}

int mock_echo(struct arena *arena, struct str messages, const struct str **pieces, uint32_t *count)
{
    const struct json *doc;
    int err = json_parse(arena, messages, &doc, NULL);
    if (err) return err;
    bool list = json_type(doc) == JSON_ARRAY && json_count(doc) > 0;
    struct str text = text_of(list ? json_at(doc, json_count(doc) - 1) : doc);
    struct buf escaped;
    buf_init(&escaped, SIZE_MAX / 2);
    err = json_escape(&escaped, text);
    struct str all = arena_dup(arena, buf_str(&escaped));
    buf_fini(&escaped);
    if (err) return err;
    uint32_t n = 0;
    struct str *out =
        arena_alloc(arena, sizeof *out * MIN(all.len / 2 + 1, (size_t)MOCK_TOKENS_MAX));
    while (all.len && n < MOCK_TOKENS_MAX - 1) {
        /* A blank belongs to the word before it, and a word is at least one byte and its blank. */
        ptrdiff_t blank = str_find_char(str_skip(all, 1), ' ');
        size_t len = blank < 0 ? all.len : (size_t)blank + 2;
        out[n++] = str_sub(all, 0, len);
        all = str_skip(all, len);
    }
    if (n == 0 || all.len) out[n++] = all.len ? all : STR("");
    *pieces = out;
    *count = n;
    return 0;
}
