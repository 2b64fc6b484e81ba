/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/text.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"

/* --- parts --- */

/* The run of equal origin that holds the byte. */
static size_t run_at(const struct marks *marks, size_t at)
{
    size_t low = 0, high = marks->count - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (marks->list[middle].end > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

bool text_own_at(const struct value *v, size_t at)
{
    return v->marks ? v->marks->list[run_at(v->marks, at)].own : v->own;
}

/* The marks of the bytes from..to, which the runs first..last hold. */
static int part_of_marks(struct run *r, const struct marks *marks, size_t first, size_t last,
                         size_t from, size_t to, struct value *out)
{
    struct marks *part;
    struct mark *list;
    size_t count = last - first + 1;
    int err = run_alloc(r, 1, sizeof *part + count * sizeof *list, &part);
    if (err) return err;
    list = (struct mark *)(void *)(part + 1);
    for (size_t i = 0; i < count; i++) {
        list[i] = marks->list[first + i];
        list[i].end = (uint32_t)(MIN((size_t)list[i].end, to) - from);
    }
    *part = (struct marks){(uint32_t)count, list};
    out->marks = part;
    return 0;
}

int text_part(struct run *r, const struct value *v, size_t from, size_t to, struct value *out)
{
    const struct marks *marks = v->marks;
    assert(from <= to && to <= v->len);
    struct value part = value_text(str_n(v->bytes + from, to - from), v->own);
    if (from == to) part = value_text(STR(""), true);
    part.markup = v->markup;
    if (marks && from < to) {
        size_t first = run_at(marks, from), last = run_at(marks, to - 1);
        part.own = marks->list[first].own;
        if (first != last) {
            int err = part_of_marks(r, marks, first, last, from, to, &part);
            if (err) return err;
        }
    }
    *out = part;
    return 0;
}

size_t text_step(struct str s, size_t at)
{
    const unsigned char *p = (const unsigned char *)s.ptr + at;
    if (*p < 0x80) return 1;
    int step = utf8_step(p, (const unsigned char *)s.ptr + s.len);
    return step > 0 ? (size_t)step : 1;
}

size_t text_step_back(struct str s, size_t at)
{
    size_t start = at - 1;
    while (start > 0 && at - start < 4 && ((unsigned char)s.ptr[start] & 0xc0) == 0x80)
        start--;
    return text_step(s, start) == at - start ? at - start : 1;
}

bool text_is_ascii(struct str s)
{
    size_t i = 0;
    for (uint64_t word; i + 8 <= s.len; i += 8) {
        memcpy(&word, s.ptr + i, 8);
        if (word & UINT64_MAX / 255 * 0x80) return false;
    }
    for (; i < s.len; i++)
        if ((unsigned char)s.ptr[i] >= 0x80) return false;
    return true;
}

size_t text_length(struct str s)
{
    size_t count = 0;
    if (text_is_ascii(s)) return s.len;
    for (size_t at = 0; at < s.len; at += text_step(s, at))
        count++;
    return count;
}

size_t text_offset(struct str s, size_t character)
{
    size_t at = 0;
    if (text_is_ascii(s)) return MIN(character, s.len);
    for (; at < s.len && character; character--)
        at += text_step(s, at);
    return at;
}

uint32_t text_code(struct str s, size_t at, size_t *bytes)
{
    static const unsigned char lead[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t step = text_step(s, at);
    uint32_t code = (unsigned char)s.ptr[at] & lead[step];
    if (step == 1) code = (unsigned char)s.ptr[at];
    for (size_t i = 1; i < step; i++)
        code = code << 6 | ((unsigned char)s.ptr[at + i] & 0x3f);
    *bytes = step;
    return code;
}

ptrdiff_t text_find(struct str s, struct str needle, size_t from)
{
    if (needle.len == 0) return from <= s.len ? (ptrdiff_t)from : -1;
    if (from >= s.len) return -1;
    const char *hit = memmem(s.ptr + from, s.len - from, needle.ptr, needle.len);
    return hit ? hit - s.ptr : -1;
}

int text_find_last(struct run *r, struct str s, struct str needle, ptrdiff_t *out)
{
    int err = run_charge_bytes(r, s.len);
    *out = -1;
    if (err || needle.len > s.len) return err;
    for (size_t at = s.len - needle.len + 1; !err && at-- > 0;) {
        if (needle.len && s.ptr[at] != needle.ptr[0]) continue;
        if (str_eq(str_n(s.ptr + at, needle.len), needle)) {
            *out = (ptrdiff_t)at;
            return 0;
        }
        err = run_charge_bytes(r, needle.len);
    }
    return err;
}

int text_order(const struct value *a, const struct value *b)
{
    return str_cmp(value_str(a), value_str(b));
}

/* --- writing --- */

/* Room for `cap` bytes. */
static int widen(struct run *r, struct sink *s, size_t cap)
{
    char *grown;
    int err = run_alloc(r, cap, 1, &grown);
    if (err) return err;
    if (s->len) memcpy(grown, s->bytes, s->len);
    s->bytes = grown;
    s->cap = cap;
    return 0;
}

static int reserve(struct run *r, struct sink *s, size_t more)
{
    if (more > r->output_max || s->len > r->output_max - more)
        return run_fail(r, ERR_TOO_LARGE, "too long a text");
    if (more <= s->cap - s->len) return 0;
    return widen(r, s, MAX(MAX(s->len + more, s->cap * 2), (size_t)64));
}

/* Ends the last run when the next one is of another origin. */
static int mark(struct run *r, struct sink *s, bool own)
{
    if (s->len && s->last != own) {
        int err = run_grow(r, &s->marks, s->marks_count, &s->marks_cap, sizeof *s->marks);
        if (err) return err;
        s->marks[s->marks_count++] = (struct mark){(uint32_t)s->len, s->last};
    }
    s->last = own;
    return 0;
}

int sink_put(struct run *r, struct sink *s, struct str bytes, bool own)
{
    if (bytes.len == 0) return 0;
    int err = run_charge_bytes(r, bytes.len);
    if (!err) err = reserve(r, s, bytes.len);
    if (!err && (s->last != own || !s->len)) err = mark(r, s, own);
    if (err) return err;
    memcpy(s->bytes + s->len, bytes.ptr, bytes.len);
    s->len += bytes.len;
    return 0;
}

int sink_put_part(struct run *r, struct sink *s, const struct value *text, size_t from, size_t to)
{
    if (!text->marks) return sink_put(r, s, str_n(text->bytes + from, to - from), text->own);
    for (size_t i = from < to ? run_at(text->marks, from) : 0; from < to; i++) {
        size_t end = MIN((size_t)text->marks->list[i].end, to);
        struct str bytes = str_n(text->bytes + from, end - from);
        int err = sink_put(r, s, bytes, text->marks->list[i].own);
        if (err) return err;
        from = end;
    }
    return 0;
}

int sink_put_text(struct run *r, struct sink *s, const struct value *text)
{
    return sink_put_part(r, s, text, 0, text->len);
}

int sink_fill(struct run *r, struct sink *s, char c, size_t times, bool own)
{
    if (times == 0) return 0;
    int err = run_charge_bytes(r, times);
    if (!err) err = reserve(r, s, times);
    if (!err) err = mark(r, s, own);
    if (err) return err;
    memset(s->bytes + s->len, c, times);
    s->len += times;
    return 0;
}

int sink_printf(struct run *r, struct sink *s, bool own, const char *fmt, ...)
{
    char room[512];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(room, sizeof room, fmt, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof room) return run_raise(r, "too long a number");
    return sink_put(r, s, str_n(room, (size_t)len), own);
}

int sink_end(struct run *r, struct sink *s, struct value *out)
{
    struct marks *marks;
    *out = value_text(str_n(s->len ? s->bytes : "", s->len), s->last || !s->len);
    if (!s->marks_count) return 0;
    int err = run_grow(r, &s->marks, s->marks_count, &s->marks_cap, sizeof *s->marks);
    if (!err) err = run_alloc(r, 1, sizeof *marks, &marks);
    if (err) return err;
    s->marks[s->marks_count++] = (struct mark){(uint32_t)s->len, s->last};
    *marks = (struct marks){(uint32_t)s->marks_count, s->marks};
    out->marks = marks;
    return 0;
}

/* b's bytes behind a's, which are the last ones that were written. */
static void grow_in_place(struct run *r, const struct value *a, const struct value *b,
                          struct value *out)
{
    memcpy(r->tail, b->bytes, b->len);
    r->tail += b->len;
    *out = value_text(value_str(a), a->own);
    out->len += b->len;
}

int text_join(struct run *r, const struct value *a, const struct value *b, struct value *out)
{
    struct sink s = {0};
    bool alike = !a->marks && !b->marks && a->own == b->own;
    if (b->len == 0 || a->len == 0) {
        *out = b->len ? *b : *a;
        out->markup = false;
        return 0;
    }
    if (alike && a->bytes + a->len == r->tail && b->len <= (size_t)(r->tail_limit - r->tail) &&
        a->len + (size_t)b->len <= r->output_max) {
        grow_in_place(r, a, b, out);
        return run_charge_bytes(r, b->len);
    }
    size_t wanted = (size_t)a->len + b->len;
    if (wanted > r->output_max) return run_fail(r, ERR_TOO_LARGE, "too long a text");
    int err = widen(r, &s, wanted > 256 ? wanted + wanted / 2 : wanted);
    if (!err) err = sink_put_text(r, &s, a);
    if (!err) err = sink_put_text(r, &s, b);
    if (!err) err = sink_end(r, &s, out);
    if (err) return err;
    r->tail = s.bytes + s.len;
    r->tail_limit = s.bytes + s.cap;
    return 0;
}

int text_copy(struct run *r, struct str bytes, bool own, struct value *out)
{
    struct sink s = {0};
    int err = sink_put(r, &s, bytes, own);
    return err ? err : sink_end(r, &s, out);
}
