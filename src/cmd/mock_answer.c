/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/mock_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/mock_knobs.h"
#include "cmd/mock_turn.h"
#include "json/json.h"
#include "json/skim.h"
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

struct str mock_token(const struct mock_answer *a, uint32_t index)
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
        len += mock_token(a, i).len;
    char *text = arena_alloc(arena, len + 1);
    char *end = text;
    for (uint32_t i = 0; i < a->tokens; i++) {
        struct str t = mock_token(a, i);
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

/* A number that is left out where it is 0. */
static void put_part(struct pen *p, struct str name, uint64_t v)
{
    if (v == 0) return;
    put(p, name);
    put_number(p, v);
}

static void put_usage(struct pen *p, const struct mock_answer *a)
{
    if (!a->with_usage) return;
    put(p, STR(",\"usage\":{\"prompt_tokens\":"));
    put_number(p, a->usage.prompt);
    put(p, STR(",\"completion_tokens\":"));
    put_number(p, a->usage.completion);
    put(p, STR(",\"total_tokens\":"));
    put_number(p, a->usage.prompt + a->usage.completion);
    put(p, STR(",\"prompt_tokens_details\":{\"cached_tokens\":"));
    put_number(p, a->usage.cached);
    put_part(p, STR(",\"cache_write_tokens\":"), a->usage.written);
    put(p, STR("}"));
    put_part(p, STR(",\"completion_tokens_details\":{\"reasoning_tokens\":"), a->usage.reasoning);
    put(p, a->usage.reasoning ? STR("}}") : STR("}"));
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

enum { FIXED = 320 }; /* more than the fixed parts and numbers of a start, a choice or usage */

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
    out[n++] = mock_token(a, index);
    if (a->pad) out[n++] = str_n(a->text->filler, a->pad);
    out[n++] = f->after;
    return n;
}

/* --- echo --- */

/* The role of a message, as it is written; empty: none. */
static struct str role_of(struct str message)
{
    struct json_skim s;
    struct json_member m;
    json_skim_init(&s, message);
    while (json_skim_next(&s, &m))
        if (m.depth == 1 && json_member_is(&m, STR("role"))) return json_skim_value(m.value).raw;
    return STR("");
}

struct str mock_last_message(struct str messages)
{
    const struct str own[] = {STR("\"system\""), STR("\"developer\""), STR("\"assistant\"")};
    struct json_span element, last = {.raw = messages}, others = last;
    if (messages.len == 0 || messages.ptr[0] != '[') return messages;
    for (struct str rest = messages; json_skim_element(&rest, &element);) {
        bool other = true;
        struct str role = role_of(element.raw);
        for (size_t i = 0; i < ARRAY_LEN(own); i++)
            other = other && !str_eq(role, own[i]);
        if (other) others = element;
        last = element;
    }
    return others.raw.ptr == messages.ptr ? last.raw : others.raw;
}

/* The text of a value: a string, or what the last part of a list says, or the text, content or
 * output of an object. */
static struct str text_of(const struct json *v)
{
    static const char *const members[] = {"text", "content", "output"};
    struct str text = STR("");
    while (v && !json_to_str(v, &text)) {
        const struct json *inner = json_count(v) ? json_at(v, json_count(v) - 1) : NULL;
        for (size_t i = 0; json_type(v) == JSON_OBJECT && i < ARRAY_LEN(members) && !inner; i++)
            inner = json_get(v, members[i]);
        v = inner;
    }
    return text;
}

int mock_echo(struct arena *arena, struct str messages, const struct str **pieces, uint32_t *count)
{
    const struct json *doc;
    int err = json_parse(arena, mock_last_message(messages), &doc, NULL);
    if (err) return err;
    struct buf escaped;
    buf_init(&escaped, SIZE_MAX / 2);
    err = json_escape(&escaped, text_of(doc));
    struct str all = arena_dup(arena, buf_str(&escaped));
    buf_fini(&escaped);
    if (!err) mock_cut_words(arena, all, pieces, count);
    return err;
}
