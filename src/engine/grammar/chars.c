/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/grammar/chars.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum {
    SURROGATE_FIRST = 0xd800,
    SURROGATE_LAST = 0xdfff,
    CAP_FIRST = 16,
    CONTINUATION_BITS = 6, /* of a code point in each byte but the first */
    CONTINUATIONS = 1 << CONTINUATION_BITS,
};

/* --- sets --- */

void chars_init(struct chars *c, struct arena *arena)
{
    *c = (struct chars){.arena = arena};
}

/* Room for one more. What overlaps is joined first, so a set never has more than its characters. */
static void make_room(struct chars *c)
{
    if (c->count < c->cap) return;
    chars_order(c);
    if (c->cap && c->count <= c->cap / 2) return;
    size_t cap = c->cap ? c->cap * 2 : CAP_FIRST;
    struct char_range *ranges = arena_alloc(c->arena, cap * sizeof *ranges);
    if (c->count) memcpy(ranges, c->ranges, c->count * sizeof *ranges);
    c->ranges = ranges;
    c->cap = cap;
}

static void add(struct chars *c, uint32_t first, uint32_t last)
{
    if (first > last) return;
    make_room(c);
    c->ranges[c->count++] = (struct char_range){first, last};
}

void chars_add(struct chars *c, uint32_t first, uint32_t last)
{
    add(c, first, MIN(last, SURROGATE_FIRST - 1));
    add(c, MAX(first, SURROGATE_LAST + 1), MIN(last, (uint32_t)CHAR_MAX_POINT));
}

void chars_add_all(struct chars *c, const struct chars *other)
{
    for (size_t i = 0; i < other->count; i++)
        add(c, other->ranges[i].first, other->ranges[i].last);
}

static int by_first(const void *a, const void *b)
{
    const struct char_range *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

static bool is_ordered(const struct chars *c)
{
    for (size_t i = 1; i < c->count; i++)
        if (c->ranges[i].first < c->ranges[i - 1].first) return false;
    return true;
}

void chars_order(struct chars *c)
{
    size_t n = 0;
    if (c->count < 2) return;
    if (!is_ordered(c)) qsort(c->ranges, c->count, sizeof *c->ranges, by_first);
    for (size_t i = 1; i < c->count; i++) {
        struct char_range *x = &c->ranges[n], y = c->ranges[i];
        if (y.first > x->last + 1)
            c->ranges[++n] = y;
        else
            x->last = MAX(x->last, y.last);
    }
    c->count = n + 1;
}

void chars_invert(struct chars *c)
{
    struct chars others;
    uint32_t next = 0;
    chars_order(c);
    chars_init(&others, c->arena);
    for (size_t i = 0; i < c->count; i++) {
        if (c->ranges[i].first > next) chars_add(&others, next, c->ranges[i].first - 1);
        next = c->ranges[i].last + 1;
    }
    if (next <= CHAR_MAX_POINT) chars_add(&others, next, CHAR_MAX_POINT);
    *c = others;
}

/* How many ranges of an ordered set end before `code`. */
static size_t ranges_before(const struct chars *c, uint32_t code)
{
    size_t low = 0, high = c->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c->ranges[middle].last < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool has(const struct chars *c, uint32_t code)
{
    size_t i = ranges_before(c, code);
    return i < c->count && c->ranges[i].first <= code;
}

/* --- reading --- */

uint32_t chars_read(struct str text, size_t *at)
{
    const unsigned char *s = (const unsigned char *)text.ptr + *at;
    int len = utf8_step(s, (const unsigned char *)text.ptr + text.len);
    uint32_t code = len == 1 ? s[0] : s[0] & (0x7fu >> len);
    for (int i = 1; i < len; i++)
        code = code << 6 | (s[i] & 0x3fu);
    *at += (size_t)len;
    return code;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

unsigned chars_read_hex(struct str text, size_t *at, unsigned most, uint32_t *out)
{
    unsigned n = 0;
    *out = 0;
    for (; n < most && *at < text.len && digit_of(text.ptr[*at]) >= 0; n++)
        *out = *out << 4 | (uint32_t)digit_of(text.ptr[(*at)++]);
    return n;
}

bool chars_read_number(struct str text, size_t *at, uint32_t *out)
{
    uint64_t value = 0;
    size_t from = *at;
    for (; *at < text.len && text.ptr[*at] >= '0' && text.ptr[*at] <= '9'; (*at)++)
        value = MIN(value * 10 + (uint64_t)(text.ptr[*at] - '0'), TERM_ANY_NUMBER - 1);
    *out = (uint32_t)value;
    return *at > from;
}

/* --- UTF-8 --- */

/* The characters of a set that have a number of bytes. */
struct writer {
    struct terms *t;
    const struct chars *set;
    uint32_t least; /* the first code point that has so many */
    size_t at;      /* ranges before it end before what is asked for */
};

/* The first range that does not end before `code`, or NULL. Code points are asked for in order. */
static const struct char_range *range_from(struct writer *w, uint32_t code)
{
    const struct chars *c = w->set;
    while (w->at < c->count && c->ranges[w->at].last < code)
        w->at++;
    return w->at < c->count ? &c->ranges[w->at] : NULL;
}

/* What goes on alike is one branch, so that equal sets are equal terms. */
struct branches {
    struct byte_set bytes[CONTINUATIONS];
    term rests[CONTINUATIONS];
    unsigned count;
};

static void branch(struct branches *b, unsigned char byte, term rest)
{
    unsigned i = 0;
    if (rest == TERM_NONE) return;
    while (i < b->count && b->rests[i] != rest)
        i++;
    if (i == b->count) {
        b->rests[b->count] = rest;
        b->bytes[b->count++] = (struct byte_set){{0}};
    }
    byte_set_add(&b->bytes[i], byte);
}

static term join(struct terms *t, const struct branches *b)
{
    term all[CONTINUATIONS];
    for (unsigned i = 0; i < b->count; i++)
        all[i] = term_cat(t, term_bytes(t, &b->bytes[i]), b->rests[i]);
    return term_or_all(t, all, b->count);
}

/* The last byte of those of the set that are from `first` to `last`, which begin alike. */
static term last_byte(struct writer *w, uint32_t first, uint32_t last)
{
    struct byte_set bytes = {{0}};
    for (uint32_t next = first; next <= last;) {
        const struct char_range *r = range_from(w, next);
        if (!r) break;
        for (uint32_t code = MAX(r->first, first); code <= MIN(r->last, last); code++)
            byte_set_add(&bytes, (unsigned char)(0x80 | (code - first)));
        next = r->last + 1;
    }
    return term_bytes(w->t, &bytes);
}

/* `left` bytes that go on any character. */
static term any_last_bytes(struct terms *t, unsigned left)
{
    term any = term_range(t, 0x80, 0xbf), out = any;
    while (--left)
        out = term_cat(t, any, out);
    return out;
}

static term last_bytes(struct writer *w, uint32_t first, unsigned left);

/* By the first of the bytes. */
static term branch_out(struct writer *w, uint32_t first, unsigned left)
{
    struct branches b = {.count = 0};
    uint32_t size = UINT32_C(1) << CONTINUATION_BITS * (left - 1);
    for (unsigned i = 0; i < CONTINUATIONS; i++)
        branch(&b, (unsigned char)(0x80 | i), last_bytes(w, first + i * size, left - 1));
    return join(w->t, &b);
}

/* The last `left` bytes of the characters from `first` on that begin alike. */
static term last_bytes(struct writer *w, uint32_t first, unsigned left)
{
    uint32_t last = first + (UINT32_C(1) << CONTINUATION_BITS * left) - 1;
    const struct char_range *r = range_from(w, first);
    if (!r || r->first > last || last < w->least) return TERM_NONE;
    if (left == 1) return last_byte(w, first, last);
    bool all = first >= w->least && r->first <= first && r->last >= last;
    return all ? any_last_bytes(w->t, left) : branch_out(w, first, left);
}

/* Those whose first byte is one of `leads`, which stand for 0 and up in it. */
static term several_bytes(struct writer *w, unsigned char lead, unsigned leads, unsigned left)
{
    struct branches b = {.count = 0};
    for (unsigned i = 0; i < leads; i++)
        branch(&b, (unsigned char)(lead + i),
               last_bytes(w, (uint32_t)i << CONTINUATION_BITS * left, left));
    return join(w->t, &b);
}

static bool must_escape(unsigned code)
{
    return code < 0x20 || code == '"' || code == '\\';
}

static term one_byte(struct terms *t, const struct chars *c, enum chars_form form)
{
    struct byte_set set = {{0}};
    for (unsigned i = 0; i < 0x80; i++)
        if (has(c, i) && (form == CHARS_PLAIN || !must_escape(i)))
            byte_set_add(&set, (unsigned char)i);
    return term_bytes(t, &set);
}

/* --- escapes --- */

/* A digit that JSON's \u may have for `value`. */
static void add_digit(struct byte_set *set, unsigned value)
{
    byte_set_add(set, (unsigned char)"0123456789abcdef"[value]);
    byte_set_add(set, (unsigned char)"0123456789ABCDEF"[value]);
}

static term digits(struct terms *t, unsigned first, unsigned last)
{
    struct byte_set set = {{0}};
    for (unsigned i = first; i <= last; i++)
        add_digit(&set, i);
    return term_bytes(t, &set);
}

/* What stands behind the backslash for one character; 0: nothing short does. */
static unsigned char short_escape(unsigned code)
{
    switch (code) {
    case '"':
    case '\\': return (unsigned char)code;
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return 0;
    }
}

/* Those of the set that JSON must escape, of 16 that begin with `high`: \u00.. */
static term escaped_row(struct terms *t, const struct chars *c, unsigned high)
{
    struct byte_set low = {{0}};
    for (unsigned i = 0; i < 16; i++)
        if (must_escape(high * 16 + i) && has(c, high * 16 + i)) add_digit(&low, i);
    return term_cat(t, digits(t, high, high), term_bytes(t, &low));
}

static term escaped(struct terms *t, const struct chars *c)
{
    struct byte_set shorts = {{0}};
    term rows[8];
    for (unsigned i = 0; i < 0x80; i++)
        if (must_escape(i) && has(c, i) && short_escape(i)) byte_set_add(&shorts, short_escape(i));
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        rows[i] = escaped_row(t, c, i);
    term all = term_cat(t, term_text(t, STR("u00")), term_or_all(t, rows, ARRAY_LEN(rows)));
    return term_cat(t, term_byte(t, '\\'), term_or(t, term_bytes(t, &shorts), all));
}

term chars_term(struct terms *t, struct chars *c, enum chars_form form)
{
    chars_order(c);
    term all[] = {
        one_byte(t, c, form),
        several_bytes(&(struct writer){t, c, 0x80, 0}, 0xc0, 32, 1),
        several_bytes(&(struct writer){t, c, 0x800, 0}, 0xe0, 16, 2),
        several_bytes(&(struct writer){t, c, 0x10000, 0}, 0xf0, 5, 3),
        form == CHARS_JSON ? escaped(t, c) : TERM_NONE,
    };
    return term_or_all(t, all, ARRAY_LEN(all));
}

/* --- texts --- */

static term escaped_char(struct terms *t, unsigned char byte)
{
    struct char_range range = {byte, byte};
    return escaped(t, &(struct chars){.ranges = &range, .count = 1});
}

term chars_text(struct terms *t, struct str text, enum chars_form form)
{
    term out = TERM_EMPTY;
    if (form == CHARS_PLAIN) return term_text(t, text);
    for (size_t i = text.len; i-- > 0;) {
        unsigned char byte = (unsigned char)text.ptr[i];
        out = term_cat(t, must_escape(byte) ? escaped_char(t, byte) : term_byte(t, byte), out);
    }
    return out;
}

/* \uXXXX, in which the first digits are from `first` to `last`, both 8 bits. */
static term unit(struct terms *t, unsigned first, unsigned last)
{
    term any = digits(t, 0, 15);
    term high = term_cat(t, digits(t, first >> 4, last >> 4), digits(t, first & 15, last & 15));
    return term_cat(t, term_text(t, STR("\\u")), term_cat(t, high, term_cat(t, any, any)));
}

term chars_json_any(struct terms *t)
{
    struct char_range ranges[] = {{' ', '"' - 1},
                                  {'"' + 1, '\\' - 1},
                                  {'\\' + 1, SURROGATE_FIRST - 1},
                                  {SURROGATE_LAST + 1, CHAR_MAX_POINT}};
    struct chars plain = {.ranges = ranges, .count = ARRAY_LEN(ranges)};
    struct byte_set shorts = {{0}};
    for (const char *p = "\"\\/bfnrt"; *p; p++)
        byte_set_add(&shorts, (unsigned char)*p);
    term all[] = {
        chars_term(t, &plain, CHARS_PLAIN),
        term_cat(t, term_byte(t, '\\'), term_bytes(t, &shorts)),
        unit(t, 0x00, 0xcf),
        unit(t, 0xd0, 0xd7),
        unit(t, 0xe0, 0xff),
        term_cat(t, unit(t, 0xd8, 0xdb), unit(t, 0xdc, 0xdf)),
    };
    return term_or_all(t, all, ARRAY_LEN(all));
}

term chars_any(struct terms *t, enum chars_form form)
{
    struct char_range ranges[] = {{0, SURROGATE_FIRST - 1}, {SURROGATE_LAST + 1, CHAR_MAX_POINT}};
    return chars_term(t, &(struct chars){.ranges = ranges, .count = ARRAY_LEN(ranges)}, form);
}
