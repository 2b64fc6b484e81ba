/* SPDX-License-Identifier: Apache-2.0 */
#include "json/skim.h"

#include <string.h>

#include "json/json_priv.h"

/* Brackets are { } [ ]; with them come the backslash, which is wanted, and the
 * bar, which is passed over. */
#ifdef __SSE2__
static inline uint64_t marks_of_16(const unsigned char *p)
{
    __m128i quote = _mm_set1_epi8('"'), bit = _mm_set1_epi8(0x20), below = _mm_set1_epi8('{' - 1),
            above = _mm_set1_epi8('}' + 1);
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p), w = _mm_or_si128(v, bit);
    __m128i bracket = _mm_and_si128(_mm_cmpgt_epi8(w, below), _mm_cmplt_epi8(w, above));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(bracket, _mm_cmpeq_epi8(v, quote)));
}
#else
static inline uint64_t marks_of_16(const unsigned char *p)
{
    uint64_t marks = 0;
    for (unsigned i = 0; i < 16; i++)
        marks |= (uint64_t)(p[i] == '"' || ((p[i] | 0x20) >= '{' && (p[i] | 0x20) <= '}')) << i;
    return marks;
}
#endif

static inline uint64_t marks_of_64(const unsigned char *p)
{
    return marks_of_16(p) | marks_of_16(p + 16) << 16 | marks_of_16(p + 32) << 32 |
           marks_of_16(p + 48) << 48;
}

static void next_block(struct json_skim *s)
{
    size_t n = (size_t)(s->end - s->next);
    s->block = s->next;
    if (n >= 64) {
        s->marks = marks_of_64(s->block);
        s->next += 64;
    } else {
        unsigned char padded[64] = {0};
        memcpy(padded, s->block, n);
        s->marks = marks_of_64(padded);
        s->next = s->end;
    }
}

/* The next mark, or the end. */
static inline const unsigned char *next_mark(struct json_skim *s)
{
    while (s->marks == 0) {
        if (s->next == s->end) return s->end;
        next_block(s);
    }
    const unsigned char *p = s->block + __builtin_ctzll(s->marks);
    s->marks &= s->marks - 1;
    return p;
}

/* Passes over the byte at p, the next one, whatever it is. */
static inline void pass_byte(struct json_skim *s, const unsigned char *p)
{
    if (p == s->end) return;
    if (p == s->next) next_block(s);
    s->marks &= ~(UINT64_C(1) << (p - s->block));
}

/* Within a string: the quote that ends it, or the end of the text. */
static inline const unsigned char *string_end(struct json_skim *s, bool *escaped)
{
    const unsigned char *p;
    *escaped = false;
    while ((p = next_mark(s)) < s->end && *p != '"') {
        if (*p != '\\') continue;
        *escaped = true;
        pass_byte(s, p + 1);
    }
    return p;
}

/* Counts a bracket; passes over what else next_mark stops at. */
static inline void count_bracket(unsigned *depth, unsigned char c)
{
    if (c == '{' || c == '[') ++*depth;
    if ((c == '}' || c == ']') && *depth) --*depth;
}

/* --- a whole text --- */

void json_skim_init(struct json_skim *s, struct str text)
{
    const unsigned char *p = (const unsigned char *)(text.ptr ? text.ptr : "");
    *s = (struct json_skim){.block = p, .next = p, .end = p + text.len};
}

bool json_skim_next(struct json_skim *s, struct json_member *m)
{
    const unsigned char *end = s->end, *name, *p;
    while ((name = next_mark(s)) < end) {
        if (*name != '"') {
            count_bracket(&s->depth, *name);
            continue;
        }
        const unsigned char *close = string_end(s, &m->escaped);
        if (close == end) break;
        for (p = close + 1; p < end && json_is_blank(*p);)
            p++;
        if (p == end || *p != ':') continue; /* a value */
        for (p++; p < end && json_is_blank(*p);)
            p++;
        m->depth = s->depth;
        m->name = (struct str){(const char *)name + 1, (size_t)(close - name) - 1};
        m->value = (struct str){(const char *)p, (size_t)(end - p)};
        return true;
    }
    return false;
}

bool json__member_unescaped_is(const struct json_member *m, struct str name)
{
    return json__string_is(str_n(m->name.ptr - 1, m->name.len + 2), name);
}

/* Length of the string or the bracketed value that `text` begins with, 0
 * when it is not all there. */
static size_t enclosed(struct str text)
{
    struct json_skim s;
    const unsigned char *p;
    bool escaped;
    json_skim_init(&s, text);
    while ((p = next_mark(&s)) < s.end) {
        if (*p == '"')
            p = string_end(&s, &escaped);
        else
            count_bracket(&s.depth, *p);
        if (s.depth == 0) return p < s.end ? (size_t)((const char *)p - text.ptr) + 1 : 0;
    }
    return 0;
}

/* Length of the number or word that `text` begins with. */
static size_t scalar(struct str text)
{
    size_t n = 0;
    while (n < text.len && text.ptr[n] && !strchr(" \t\r\n,:\"{}[]", text.ptr[n]))
        n++;
    return n;
}

struct json_span json_skim_value(struct str text)
{
    struct json_span none = {.type = JSON_NONE};
    if (text.len == 0) return none;
    enum json_type type = json__type_by_first((unsigned char)text.ptr[0]);
    if (type == JSON_NONE) return none;
    bool long_one = type == JSON_OBJECT || type == JSON_ARRAY || type == JSON_STRING;
    size_t n = long_one ? enclosed(text) : scalar(text);
    return n ? (struct json_span){.type = type, .raw = str_n(text.ptr, n)} : none;
}

static struct str without_blanks(struct str s)
{
    while (s.len && json_is_blank((unsigned char)s.ptr[0]))
        s = str_n(s.ptr + 1, s.len - 1);
    return s;
}

bool json_skim_element(struct str *rest, struct json_span *element)
{
    if (rest->len == 0) return false;
    /* "[" before the first one, "," before the others */
    *element = json_skim_value(without_blanks(str_n(rest->ptr + 1, rest->len - 1)));
    if (element->type == JSON_NONE) return false;
    const char *behind = element->raw.ptr + element->raw.len;
    *rest = without_blanks(str_n(behind, rest->len - (size_t)(behind - rest->ptr)));
    return true;
}

bool json_skim_empty(struct str text)
{
    switch (text.len ? text.ptr[0] : 'n') {
    case 'n':
    case 'f': return true; /* null, false */
    case '"': return str_starts(text, STR("\"\""));
    case '{':
    case '[': break;
    default: return false;
    }
    struct str inside = without_blanks(str_n(text.ptr + 1, text.len - 1));
    return inside.len == 0 || inside.ptr[0] == (text.ptr[0] == '{' ? '}' : ']');
}

struct str json_member_hole(struct str text, const struct json_member *m, size_t len)
{
    const char *from = m->name.ptr - 1, *to = m->value.ptr + len, *end = text.ptr + text.len;
    const char *before = from, *behind = to;
    while (before > text.ptr && json_is_blank((unsigned char)before[-1]))
        before--;
    while (behind < end && json_is_blank((unsigned char)*behind))
        behind++;
    if (before > text.ptr && before[-1] == ',') return str_n(before - 1, (size_t)(to - before + 1));
    if (behind < end && *behind == ',') return str_n(from, (size_t)(behind + 1 - from));
    return STR_NULL;
}

static bool is_escaped(char c)
{
    return c != '\0' && strchr("\"\\/bfnrtu", c);
}

bool json_skim_inside(struct str text)
{
    const unsigned char *p = (const unsigned char *)text.ptr, *end = p + text.len;
    while (p < end) {
        unsigned char c = *p++;
        if (c >= ' ' && c != '"' && c != '\\') continue;
        if (c != '\\' || p == end || !is_escaped((char)*p++)) return false;
    }
    return true;
}

/* --- pieces --- */

enum find_state {
    LOOK,  /* for the next outermost string */
    NAMED, /* behind one, which is a name if a colon follows */
    VALUE, /* behind our name's colon */
    TAKE,  /* within its object */
    COUNT, /* within one of the numbers */
};

void json_find_init(struct json_find *f, struct str name, size_t value_max)
{
    *f = (struct json_find){.name = name};
    buf_init(&f->value, value_max);
}

void json_find_fini(struct json_find *f)
{
    buf_fini(&f->value);
}

struct str json_find_value(const struct json_find *f)
{
    return f->whole ? buf_str(&f->value) : STR_NULL;
}

static struct str between(const unsigned char *from, const unsigned char *to)
{
    return str_n((const char *)from, (size_t)(to - from));
}

static void keep(struct json_find *f, const unsigned char *from, const unsigned char *to)
{
    struct str bytes = between(from, to);
    if (f->state == TAKE) {
        if (!f->lost && buf_append(&f->value, bytes)) f->lost = true;
        return;
    }
    size_t n = MIN(bytes.len, sizeof f->text - f->text_len);
    memcpy(f->text + f->text_len, bytes.ptr, n);
    f->text_len = (unsigned char)(f->text_len + n); /* full: longer than any name */
}

static bool has_name(const struct json_find *f)
{
    if (f->text_len == sizeof f->text) return false;
    if (f->name.len == 0) return true;
    struct json_member m = {.name = str_n(f->text + 1, f->text_len - 2u)};
    m.escaped = str_find_char(m.name, '\\') >= 0;
    return json_member_is(&m, f->name);
}

static bool in_number(unsigned char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* Begins a further member of the object of numbers, where its end was. False: there is no room. */
static bool begin_number(struct json_find *f)
{
    bool first = buf_len(&f->value) == 0;
    if (f->lost) return false;
    if (!first) f->value.end--;
    f->whole = false;
    f->lost = buf_append(&f->value, first ? STR("{") : STR(",")) ||
              buf_append(&f->value, str_n(f->text, f->text_len)) || buf_append(&f->value, STR(":"));
    return !f->lost;
}

/* Goes on within a number, whose end may be in a later piece. */
static const unsigned char *pass_number(struct json_find *f, const unsigned char *p,
                                        const unsigned char *end)
{
    const unsigned char *from = p;
    while (p < end && in_number(*p))
        p++;
    f->lost = f->lost || buf_append(&f->value, between(from, p));
    if (p == end) return p;
    f->lost = f->lost || buf_append(&f->value, STR("}"));
    f->whole = !f->lost;
    f->state = LOOK;
    return p;
}

/* Behind an outermost string, or behind our name's colon, with the next byte that is not blank. */
static void decide(struct json_find *f, unsigned char c)
{
    if (f->state == NAMED) {
        f->state = c == ':' && has_name(f) ? VALUE : LOOK;
    } else if (f->name.len == 0) {
        f->state = in_number(c) && begin_number(f) ? COUNT : LOOK;
    } else {
        f->state = c == '{' ? TAKE : LOOK;
        f->whole = f->lost = false;
        buf_clear(&f->value);
    }
}

/* Goes on behind an outermost string or our name's colon, at p, as far
 * as blanks and the colon go. */
static const unsigned char *pass_colon(struct json_find *f, const unsigned char *p,
                                       const unsigned char *end)
{
    while (p < end && (f->state == NAMED || f->state == VALUE)) {
        if (!json_is_blank(*p)) decide(f, *p);
        if (f->state == NAMED || f->state == VALUE) p++;
    }
    return f->state == COUNT ? pass_number(f, p, end) : p;
}

/* Goes on behind an outermost string, which stands between `from` and the quote at p, if it can be
 * our name: nearly all that are here whole are not. */
static const unsigned char *end_string(struct json_find *f, const unsigned char *from,
                                       const unsigned char *p, const unsigned char *end,
                                       bool escaped)
{
    f->state = LOOK;
    bool any = f->name.len == 0;
    if (!any && f->text_len == 0 && !escaped && !str_eq(between(from + 1, p), f->name)) return p;
    keep(f, from, p + 1);
    f->state = NAMED;
    return pass_colon(f, p + 1, end);
}

/* The loop runs on copies of what it changes with each mark, which the
 * compiler keeps in registers. */
void json_find_feed(struct json_find *f, struct str piece)
{
    struct json_skim s;
    json_skim_init(&s, piece);
    const unsigned char *p = s.next, *from; /* where what is kept begins */
    unsigned depth = f->depth;
    bool quoted = f->quoted, escaped = true; /* for all we know of what came before */
    if (f->escape) pass_byte(&s, p);
    if (piece.len) f->escape = false;
    from = f->state == TAKE || (quoted && depth == 1) ? p : NULL;
    p = pass_colon(f, p, s.end);
    if (f->state == TAKE && !from) from = p;
    while ((p = next_mark(&s)) < s.end) {
        if (*p == '"') {
            quoted = !quoted;
            if (depth != 1) continue;
            if (quoted) {
                from = p;
                f->text_len = 0;
                escaped = false;
                continue;
            }
            p = end_string(f, from, p, s.end, escaped);
            from = f->state == TAKE ? p : NULL;
        } else if (*p == '\\') {
            if (!quoted) continue;
            escaped = true;
            f->escape = p + 1 == s.end;
            pass_byte(&s, p + 1);
        } else if (!quoted) {
            count_bracket(&depth, *p);
            if (depth != 1 || f->state != TAKE) continue;
            keep(f, from, p + 1);
            from = NULL;
            f->whole = !f->lost;
            f->state = LOOK;
        }
    }
    f->depth = depth;
    f->quoted = quoted;
    if (from) keep(f, from, s.end);
}
