/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/mock_turn.h"

#include <string.h>

#include "base/err.h"
#include "base/utf8.h"
#include "cmd/mock_knobs.h"
#include "json/scan.h"
#include "json/write.h"

enum {
    OUT_MAX = 64 << 20,
    ARGUMENT_PIECE = 8, /* characters of a call's arguments in a piece */
};

/* --- cutting --- */

/* A blank belongs to the word before it, and a word is at least one byte and its blank. */
static size_t next_word(struct str text)
{
    ptrdiff_t blank = str_find_char(str_skip(text, 1), ' ');
    return blank < 0 ? text.len : (size_t)blank + 2;
}

/* One character or escape. */
static size_t next_unit(struct str text)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    if (*p == '\\') return MIN((size_t)(text.len > 1 && p[1] == 'u' ? 6 : 2), text.len);
    int step = utf8_step(p, p + text.len);
    return step < 0 ? (size_t)-step : (size_t)step;
}

static size_t next_bit(struct str text)
{
    size_t len = 0;
    for (unsigned i = 0; i < ARGUMENT_PIECE && len < text.len; i++)
        len += next_unit(str_skip(text, len));
    return len;
}

static size_t next_all(struct str text)
{
    return text.len;
}

void mock_cut_words(struct arena *arena, struct str text, const struct str **words, uint32_t *count)
{
    uint32_t n = 0;
    size_t most = MIN(text.len / 2 + 1, (size_t)MOCK_TOKENS_MAX);
    struct str *out = arena_alloc(arena, sizeof *out * most);
    while (text.len && n < MOCK_TOKENS_MAX - 1) {
        size_t len = next_word(text);
        out[n++] = str_sub(text, 0, len);
        text = str_skip(text, len);
    }
    if (n == 0 || text.len) out[n++] = text.len ? text : STR("");
    *words = out;
    *count = n;
}

/* --- pieces --- */

struct reader {
    struct arena *arena;
    struct mock_piece *pieces;
    uint32_t count;
    uint32_t cap;
    unsigned calls; /* begun so far */
    size_t at;      /* the item of "say" that is read */
    const char *wrong;
};

static int refuse(struct reader *r, const char *why)
{
    r->wrong = arena_printf(r->arena, "say[%zu] %s", r->at, why).ptr;
    return ERR_INVALID;
}

static int add(struct reader *r, const struct mock_piece *piece)
{
    if (r->count == MOCK_TOKENS_MAX) return refuse(r, "is beyond the longest answer");
    if (r->count == r->cap) {
        uint32_t cap = r->cap ? r->cap * 2 : 16;
        struct mock_piece *more = arena_alloc(r->arena, cap * sizeof *more);
        if (r->count) memcpy(more, r->pieces, r->count * sizeof *more);
        r->pieces = more;
        r->cap = cap;
    }
    r->pieces[r->count++] = *piece;
    return 0;
}

static struct str escaped(struct reader *r, struct str text)
{
    struct buf b;
    buf_init(&b, OUT_MAX);
    struct str out = json_escape(&b, text) ? STR("") : arena_dup(r->arena, buf_str(&b));
    buf_fini(&b);
    return out;
}

/* Pieces like this one with the parts of its text. */
static int add_cut(struct reader *r, struct mock_piece piece, size_t (*cut)(struct str))
{
    struct str rest = piece.text;
    int err = 0;
    do {
        size_t len = rest.len ? cut(rest) : 0;
        piece.text = str_sub(rest, 0, len);
        rest = str_skip(rest, len);
        err = add(r, &piece);
    } while (!err && rest.len);
    return err;
}

/* Pieces as they are told. */
static int add_list(struct reader *r, struct mock_piece piece, const struct json *list)
{
    struct json_iter it = {0};
    const struct json *item;
    struct str text;
    int err = 0;
    while (!err && json_next_item(list, &it, &item)) {
        if (!json_to_str(item, &text)) return refuse(r, "has a piece that is no string");
        piece.text = piece.raw ? text : escaped(r, text);
        err = add(r, &piece);
    }
    return err;
}

/* An object's JSON text. */
static struct str text_of(struct reader *r, const struct json *value)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, OUT_MAX);
    json_write_init(&w, &b);
    json_write_json(&w, value);
    struct str out = json_write_end(&w) ? STR("") : arena_dup(r->arena, buf_str(&b));
    buf_fini(&b);
    return out;
}

static int read_pieces(struct reader *r, struct mock_piece piece, const struct json *value,
                       size_t (*cut)(struct str))
{
    struct str text;
    if (json_type(value) == JSON_ARRAY) return add_list(r, piece, value);
    if (json_type(value) == JSON_OBJECT && piece.kind == ANSWER_ARGUMENTS) {
        text = text_of(r, value);
    } else if (!json_to_str(value, &text)) {
        return refuse(r, "is neither a string nor a list of strings");
    }
    piece.text = piece.raw ? text : escaped(r, text);
    return add_cut(r, piece, cut);
}

static int read_arguments(struct reader *r, const struct json *value, unsigned call)
{
    const struct mock_piece piece = {.kind = ANSWER_ARGUMENTS, .call = call};
    return value ? read_pieces(r, piece, value, next_bit) : 0;
}

static int read_call(struct reader *r, const struct json *call)
{
    struct mock_piece piece = {.kind = ANSWER_CALL, .call = r->calls++};
    struct str name, id;
    if (!json_to_str(json_get(call, "name"), &name)) return refuse(r, "has a call without a name");
    piece.name = escaped(r, name);
    if (json_to_str(json_get(call, "id"), &id)) piece.id = id.len ? escaped(r, id) : STR("");
    int err = add(r, &piece);
    return err ? err : read_arguments(r, json_get(call, "arguments"), piece.call);
}

/* More arguments of a call that has begun: the last, or the one that "of" says. */
static int read_more(struct reader *r, const struct json *item, const struct json *value)
{
    int64_t of = json_i64_or(item, "of", (int64_t)r->calls - 1);
    if (of < 0 || of >= (int64_t)r->calls) return refuse(r, "has arguments of no call before it");
    return read_arguments(r, value, (unsigned)of);
}

/* What an item may say. */
static const struct word {
    const char *name;
    struct mock_piece piece;
    size_t (*cut)(struct str);
} words[] = {
    {"text", {.kind = ANSWER_TEXT}, next_word},
    {"reasoning", {.kind = ANSWER_REASONING}, next_word},
    {"refusal", {.kind = ANSWER_REFUSAL}, next_word},
    {"signature", {.kind = ANSWER_SIGNATURE}, next_all},
    {"redacted", {.kind = ANSWER_REDACTED}, next_all},
    {"raw", {.raw = true}, next_all},
};

static int read_item(struct reader *r, const struct json *item)
{
    if (json_type(item) == JSON_STRING) return read_pieces(r, words[0].piece, item, next_word);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        const struct json *value = json_get(item, words[i].name);
        if (value) return read_pieces(r, words[i].piece, value, words[i].cut);
    }
    if (json_get(item, "call")) return read_call(r, json_get(item, "call"));
    const struct json *arguments = json_get(item, "arguments");
    if (arguments) return read_more(r, item, arguments);
    return refuse(
        r, "has none of text, reasoning, refusal, call, arguments, signature, redacted, raw");
}

static int read_items(struct reader *r, const struct json *say)
{
    struct json_iter it = {0};
    const struct json *item;
    int err = 0;
    if (json_type(say) == JSON_STRING) return read_item(r, say);
    if (json_type(say) != JSON_ARRAY) {
        r->wrong = "say is neither a string nor a list";
        return ERR_INVALID;
    }
    for (; !err && json_next_item(say, &it, &item); r->at++)
        err = read_item(r, item);
    return err;
}

static int read_say(struct arena *arena, const struct json_span *span, struct mock_turn *out,
                    const char **wrong)
{
    const struct mock_piece nothing = {.empty = true};
    struct reader r = {.arena = arena};
    const struct json *say;
    int err = json_parse(arena, span->raw, &say, NULL);
    if (!err) err = read_items(&r, say);
    if (!err && r.count == 0) err = add(&r, &nothing);
    out->says = true;
    out->pieces = r.pieces;
    out->count = r.count;
    *wrong = r.wrong;
    return err;
}

/* --- the rest of a turn --- */

enum { T_SAY, T_FINISH, T_STOP, T_USAGE, T_BODY, T_KNOBS, T_COUNT };

const char *const mock_turn_names[] = {"say",   "finish", "stop_sequence", "usage", "body",
                                       "knobs", NULL};

static const struct finish_word {
    struct str name;
    enum finish finish;
} finish_words[] = {
    {STR_INIT("stop"), FINISH_STOP},        {STR_INIT("length"), FINISH_LENGTH},
    {STR_INIT("tool_calls"), FINISH_CALLS}, {STR_INIT("content_filter"), FINISH_FILTER},
    {STR_INIT("pause"), FINISH_PAUSE},
};

static int read_finish(struct arena *arena, const struct json_span *span, struct mock_turn *out)
{
    struct str name;
    if (json_span_str(span, arena, &name)) return ERR_INVALID;
    for (size_t i = 0; i < ARRAY_LEN(finish_words); i++) {
        if (!str_eq(finish_words[i].name, name)) continue;
        out->ends = true;
        out->finish = finish_words[i].finish;
        return 0;
    }
    return ERR_INVALID;
}

struct str mock_finish_name(enum finish finish)
{
    for (size_t i = 0; i < ARRAY_LEN(finish_words); i++)
        if (finish_words[i].finish == finish) return finish_words[i].name;
    return STR("stop");
}

/* Without a word of the script, calls are what an answer ends with. */
static enum finish usual_finish(const struct mock_turn *turn)
{
    for (uint32_t i = 0; i < turn->count; i++)
        if (turn->pieces[i].kind == ANSWER_CALL && !turn->pieces[i].raw) return FINISH_CALLS;
    return FINISH_STOP;
}

static bool told(const struct json_span *span)
{
    return span->type != JSON_NONE && span->type != JSON_NULL;
}

/* An object of knobs that are all there. */
static int read_knobs(struct arena *arena, const struct json_span *span, struct str *out,
                      const char **wrong)
{
    static const char *const nothing_else[] = {NULL};
    struct mock_knobs scratch;
    if (!told(span)) return 0;
    mock_knobs_init(&scratch);
    *wrong = mock_knobs_unknown(arena, span->raw, nothing_else);
    if (*wrong || mock_knobs_set_object(&scratch, span->raw)) return ERR_INVALID;
    *out = span->raw;
    return 0;
}

int mock_turn_read(struct arena *arena, struct str json, struct mock_turn *out, const char **wrong)
{
    struct str names[T_COUNT];
    struct json_span spans[T_COUNT];
    for (unsigned i = 0; i < T_COUNT; i++)
        names[i] = str_of(mock_turn_names[i]);
    *out = (struct mock_turn){0};
    *wrong = NULL;
    if (json_scan(json, names, T_COUNT, spans, NULL)) {
        *wrong = "an answer is told by a JSON object";
        return ERR_INVALID;
    }
    int err = told(&spans[T_SAY]) ? read_say(arena, &spans[T_SAY], out, wrong) : 0;
    out->finish = usual_finish(out);
    if (!err) err = read_knobs(arena, &spans[T_USAGE], &out->usage, wrong);
    if (!err) err = read_knobs(arena, &spans[T_KNOBS], &out->knobs, wrong);
    if (!err && told(&spans[T_FINISH])) err = read_finish(arena, &spans[T_FINISH], out);
    if (!err && told(&spans[T_BODY])) out->body = spans[T_BODY].raw;
    struct str stop;
    if (!err && told(&spans[T_STOP])) {
        err = json_span_str(&spans[T_STOP], arena, &stop);
        if (!err) out->stop = escaped(&(struct reader){.arena = arena}, stop);
    }
    if (err && !*wrong) *wrong = "finish, stop_sequence, usage or knobs is wrong";
    return err ? ERR_INVALID : 0;
}
