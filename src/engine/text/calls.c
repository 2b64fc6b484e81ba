/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/text/calls.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/model/vocab.h"
#include "engine/text/marks.h"
#include "engine/text/python.h"
#include "json/json.h"
#include "json/write.h"

enum {
    BLANKS_MAX = 256,              /* white space that is held back */
    HEAD_MAX = 4096,               /* bytes in which a call must have told what it calls */
    PARAMETER_MAX = 1024 * 1024,   /* bytes of one that is read whole */
    HELD_MAX = 2 * PARAMETER_MAX,  /* one of those, and the text of one call */
    MADE_MAX = 16 * PARAMETER_MAX, /* each byte may need an escape of six */
    STEP_PIECES = 3,               /* most of one step */
};

/* --- tools --- */

static size_t bytes_of(const struct call_tool *tools, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        n += sizeof *tools + tools[i].name.len + tools[i].text_count * sizeof(struct str);
        for (size_t k = 0; k < tools[i].text_count; k++)
            n += tools[i].texts[k].len;
    }
    return n;
}

static struct str copy_text(char **at, struct str text)
{
    struct str copy = str_n(*at, text.len);
    if (text.len) memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return copy;
}

/* The tools, then lists of parameters, then texts. */
static struct call_tool *copy_tools(const struct call_tool *tools, size_t count)
{
    struct call_tool *out = mem_must(bytes_of(tools, count) + 1);
    struct str *texts = (struct str *)(void *)(out + count);
    size_t lists = 0;
    for (size_t i = 0; i < count; i++)
        lists += tools[i].text_count;
    char *at = (char *)(texts + lists);
    for (size_t i = 0; i < count; i++) {
        out[i] = (struct call_tool){copy_text(&at, tools[i].name), texts, tools[i].text_count};
        for (size_t k = 0; k < tools[i].text_count; k++)
            *texts++ = copy_text(&at, tools[i].texts[k]);
    }
    return out;
}

void calls_init(struct calls *c, const struct calls_spec *spec)
{
    *c = (struct calls){.state = CALLS_TEXT};
    buf_init(&c->held, HELD_MAX);
    buf_init(&c->made, MADE_MAX);
    if (!spec || !spec->marks->format) return;
    c->marks = spec->marks;
    c->tools = copy_tools(spec->tools, spec->tool_count);
    c->tool_count = spec->tool_count;
    c->single = spec->single;
    c->shaped = spec->shaped && !spec->begun;
    c->state = c->marks->format->bare && !c->shaped ? CALLS_START : CALLS_TEXT;
    if (spec->begun && buf_append(&c->held, c->marks->format->open)) abort();
}

void calls_fini(struct calls *c)
{
    buf_fini(&c->held);
    buf_fini(&c->made);
    free(c->tools);
}

bool calls_reads_name(const struct calls *c, int32_t token)
{
    return c->marks && tokens_have(c->marks->controls, c->marks->control_count, token);
}

bool calls_done(const struct calls *c)
{
    return c->done;
}

/* --- steps: each returns how many bytes of `text` it is done with; 0: it waits for more, or goes
 * on in another state --- */

/* The mark of noise that a text begins with, the longest; empty: none. */
static struct str noise_at(const struct call_format *f, struct str text)
{
    struct str found = STR("");
    for (size_t i = 0; i < CALL_NOISE_MAX; i++)
        if (f->noise[i].len > found.len && str_starts(text, f->noise[i])) found = f->noise[i];
    return found;
}

static void find_first(struct str text, struct str mark, size_t *at)
{
    ptrdiff_t found = mark.len ? str_find(text, mark) : -1;
    if (found >= 0 && (size_t)found < *at) *at = (size_t)found;
}

/* Where the first mark begins, or the text's length. */
static size_t first_mark(const struct call_format *f, struct str text)
{
    size_t at = text.len;
    find_first(text, f->open, &at);
    for (size_t i = 0; i < CALL_NOISE_MAX; i++)
        find_first(text, f->noise[i], &at);
    return at;
}

static size_t possible_mark(const struct call_format *f, struct str text)
{
    size_t n = mark_begun(f->open, text);
    for (size_t i = 0; i < CALL_NOISE_MAX; i++)
        n = MAX(n, mark_begun(f->noise[i], text));
    return n;
}

/* Without the white space at its end, unless that is more than a margin. */
static size_t trimmed(struct str text)
{
    size_t n = mark_without_blanks(text);
    return text.len - n > BLANKS_MAX ? text.len : n;
}

static void enter_head(struct calls *c, enum call_place place)
{
    c->state = CALLS_HEAD;
    c->place = place;
}

static size_t start(struct calls *c, struct str text, bool last)
{
    size_t white = mark_blanks(text);
    if (white == text.len && white <= BLANKS_MAX && !last) return 0;
    if (c->count && white < text.len && text.ptr[white] == ';') {
        c->skips = true;
        return white + 1;
    }
    c->state = CALLS_TEXT;
    if (white < text.len && strchr("{[", text.ptr[white])) enter_head(c, CALL_AT_BARE);
    return 0;
}

/* True where the answer turns out to be content as a whole. */
static bool is_plain(struct calls *c, size_t content)
{
    if (!c->shaped || c->count || !content) return false;
    c->state = CALLS_PLAIN;
    return true;
}

static size_t read_text(struct calls *c, struct str text, bool last, struct pieces *out)
{
    const struct call_format *f = c->marks->format;
    size_t at = first_mark(f, text);
    if (at == text.len) {
        size_t ready = last ? text.len : text.len - possible_mark(f, text);
        if (!last) ready = trimmed(str_sub(text, 0, ready));
        if (is_plain(c, ready)) return 0;
        pieces_add(out, PIECE_CONTENT, str_sub(text, 0, ready));
        return ready;
    }
    size_t ready = trimmed(str_sub(text, 0, at));
    struct str noise = noise_at(f, str_skip(text, at));
    if (is_plain(c, ready)) return 0;
    pieces_add(out, PIECE_CONTENT, str_sub(text, 0, ready));
    c->skips = noise.len > 0;
    if (noise.len) return at + noise.len;
    enter_head(c, CALL_AT_OPEN);
    return ready;
}

/* It was no call. `white`: bytes before what looked like one. */
static size_t give_up(struct calls *c, struct str text, size_t white, struct pieces *out)
{
    struct str noise = noise_at(c->marks->format, str_skip(text, white));
    size_t used = c->place == CALL_AT_OPEN ? white + c->marks->format->open.len : 0;
    c->state = CALLS_TEXT;
    c->skips = noise.len > 0;
    if (noise.len) return white + noise.len;
    if (is_plain(c, used)) return 0;
    pieces_add(out, PIECE_CONTENT, str_sub(text, 0, used));
    return used;
}

/* The arguments are not JSON as they stand. */
static bool has_parameters(const struct call_format *f)
{
    return f->shape == CALL_TAGGED || f->shape == CALL_PYTHON;
}

static size_t begin_call(struct calls *c, const struct call_head *head, struct pieces *out)
{
    c->tool = head->tool;
    c->count++;
    c->depth = c->parameters = 0;
    c->quoted = c->escaped = false;
    c->state = has_parameters(c->marks->format) ? CALLS_TAGGED : CALLS_ARGUMENTS;
    pieces_add(out, PIECE_CALL, head->tool->name);
    if (head->empty) {
        pieces_add(out, PIECE_ARGUMENTS, STR("{}"));
        c->state = CALLS_TAIL;
    }
    return head->used;
}

static size_t read_head(struct calls *c, struct str text, bool last, struct pieces *out)
{
    struct call_head head;
    size_t white = mark_blanks(text);
    enum call_found found = call_find_head(c->marks->format, c->place, str_skip(text, white),
                                           c->tools, c->tool_count, &head);
    if (found == CALL_FOUND) return white + begin_call(c, &head, out);
    if (found == CALL_MORE && !last && text.len < HEAD_MAX) return 0;
    return give_up(c, text, white, out);
}

/* False behind the last byte of the arguments, or before one that no JSON has there. */
static bool goes_on(struct calls *c, char byte)
{
    if (c->quoted) {
        bool ends = byte == '"' && !c->escaped;
        c->escaped = byte == '\\' && !c->escaped;
        c->quoted = !ends;
        return true;
    }
    c->quoted = byte == '"';
    c->depth += byte == '{' || byte == '[';
    c->depth -= byte == '}' || byte == ']';
    return c->depth > 0;
}

static size_t read_arguments(struct calls *c, struct str text, struct pieces *out)
{
    size_t n = 0;
    while (n < text.len && c->state == CALLS_ARGUMENTS) {
        bool broken = !c->quoted && !call_is_of_json(text.ptr[n]);
        if (broken || !goes_on(c, text.ptr[n])) c->state = CALLS_TAIL;
        n += !broken;
    }
    pieces_add(out, PIECE_ARGUMENTS, str_sub(text, 0, n));
    return n;
}

static size_t read_tail(struct calls *c, struct str text, bool last)
{
    struct call_tail tail;
    if (c->single) {
        c->done = true;
        return text.len;
    }
    if (call_find_tail(c->marks->format, text, last, &tail) == CALL_MORE) {
        if (text.len >= HEAD_MAX) c->state = CALLS_TEXT;
        return 0;
    }
    c->skips = true;
    if (tail.again)
        enter_head(c, CALL_AT_ITEM);
    else
        c->state = c->marks->format->bare ? CALLS_START : CALLS_TEXT;
    return tail.used;
}

/* --- arguments from parameters --- */

static bool is_json(struct str value)
{
    struct arena arena;
    const struct json *v;
    arena_init(&arena, 16 * PARAMETER_MAX, 4096);
    bool json = json_parse(&arena, value, &v, NULL) == 0;
    arena_fini(&arena);
    return json;
}

/* A value as JSON; ptr NULL: it is none, and so a text. Templates print some of them as Python does. */
static struct str json_of(struct str value)
{
    struct str v = python_word(str_trim(value));
    return is_json(v) ? v : STR_NULL;
}

/* Its pointer is set when all is written. */
static void add_made(struct pieces *out, size_t len)
{
    if (len) out->all[out->count++] = (struct piece){PIECE_ARGUMENTS, str_n(NULL, len)};
}

static void place_made(const struct calls *c, struct pieces *out)
{
    const char *at = buf_str(&c->made).ptr;
    for (unsigned i = 0; i < out->count; i++) {
        if (out->all[i].text.ptr) continue;
        out->all[i].text.ptr = at;
        at += out->all[i].text.len;
    }
}

static void write_quoted(struct buf *out, struct str text)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_str(&w, text);
    if (json_write_end(&w)) abort();
}

static void append(struct buf *out, struct str text)
{
    if (buf_append(out, text)) abort();
}

static void write_tagged(struct calls *c, const struct call_parameter *p)
{
    struct str value = call_is_text(c->tool, p->key) ? STR_NULL : json_of(p->value);
    if (value.ptr)
        append(&c->made, value);
    else
        write_quoted(&c->made, p->value);
}

/* What is no literal is taken for a text. */
static void write_python(struct calls *c, const struct call_parameter *p)
{
    struct buf json;
    buf_init(&json, MADE_MAX);
    if (python_to_json(p->value, &json)) abort();
    if (is_json(buf_str(&json)))
        append(&c->made, buf_str(&json));
    else
        write_quoted(&c->made, p->value);
    buf_fini(&json);
}

static void write_parameter(struct calls *c, const struct call_parameter *p, struct pieces *out)
{
    size_t before = buf_len(&c->made);
    append(&c->made, c->parameters++ ? STR(", ") : STR("{"));
    write_quoted(&c->made, p->key);
    append(&c->made, STR(": "));
    if (c->marks->format->shape == CALL_PYTHON)
        write_python(c, p);
    else
        write_tagged(c, p);
    add_made(out, buf_len(&c->made) - before);
}

static size_t read_tagged(struct calls *c, struct str text, bool last, struct pieces *out)
{
    struct call_parameter p;
    enum call_found found = call_find_parameter(c->marks->format, c->tool, text, last, &p);
    if (found == CALL_FOUND) {
        write_parameter(c, &p, out);
        return p.used;
    }
    if (found == CALL_MORE && !last && text.len < PARAMETER_MAX) return 0;
    /* One that was cut off is not told: the arguments then have no end either, nor has the call. */
    if (found == CALL_NONE) pieces_add(out, PIECE_ARGUMENTS, c->parameters ? STR("}") : STR("{}"));
    c->state = found == CALL_MORE && last ? CALLS_TEXT : CALLS_TAIL;
    return found == CALL_NONE ? 0 : text.len;
}

/* --- all of it --- */

static size_t advance(struct calls *c, struct str text, bool last, struct pieces *out)
{
    if (c->skips && mark_blanks(text)) return mark_blanks(text);
    if (text.len) c->skips = false;
    switch (c->state) {
    case CALLS_START: return start(c, text, last);
    case CALLS_TEXT: return read_text(c, text, last, out);
    case CALLS_PLAIN: pieces_add(out, PIECE_CONTENT, text); return text.len;
    case CALLS_HEAD: return read_head(c, text, last, out);
    case CALLS_ARGUMENTS: return read_arguments(c, text, out);
    case CALLS_TAGGED: return read_tagged(c, text, last, out);
    case CALLS_TAIL: return read_tail(c, text, last);
    }
    return 0;
}

bool calls_feed(struct calls *c, struct str text, bool last, struct pieces *out)
{
    if (!c->marks) {
        pieces_add(out, PIECE_CONTENT, text);
        return false;
    }
    /* What is let out stays in the buffers' memory until the next call. */
    append(&c->held, text);
    buf_clear(&c->made);
    bool moves = true;
    while (moves && !c->done && out->count + STEP_PIECES <= PIECES_MAX) {
        enum calls_state before = c->state;
        size_t done = advance(c, buf_str(&c->held), last, out);
        buf_consume(&c->held, done);
        moves = (done && buf_len(&c->held)) || c->state != before;
    }
    place_made(c, out);
    return moves && !c->done;
}
