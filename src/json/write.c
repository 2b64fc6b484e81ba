/* SPDX-License-Identifier: Apache-2.0 */
#include "json/write.h"

#include <math.h>
#include <yyjson.h>

#include "base/err.h"
#include "base/utf8.h"
#include "json/json_priv.h"

void json_write_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

int json_write_end(struct json_writer *w)
{
    assert(w->err || (w->depth == 0 && !w->after_key));
    return w->err;
}

static void put(struct json_writer *w, struct str s)
{
    if (!w->err) w->err = buf_append(w->out, s);
}

/* The comma before an element that is not the first of its level; none
 * between a key and its value. */
static void separate(struct json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->depth == 0) return;
    uint64_t bit = (uint64_t)1 << (w->depth - 1);
    if (w->filled & bit) put(w, STR(","));
    w->filled |= bit;
}

static void put_value(struct json_writer *w, struct str text)
{
    if (w->err) return;
    separate(w);
    put(w, text);
}

static void open_level(struct json_writer *w, struct str bracket)
{
    put_value(w, bracket);
    if (w->err) return;
    assert(w->depth < JSON_MAX_DEPTH);
    w->filled &= ~((uint64_t)1 << w->depth);
    w->depth++;
}

static void close_level(struct json_writer *w, struct str bracket)
{
    if (w->err) return;
    assert(w->depth > 0 && !w->after_key);
    w->depth--;
    put(w, bracket);
}

void json_write_object(struct json_writer *w)
{
    open_level(w, STR("{"));
}

void json_write_object_end(struct json_writer *w)
{
    close_level(w, STR("}"));
}

void json_write_array(struct json_writer *w)
{
    open_level(w, STR("["));
}

void json_write_array_end(struct json_writer *w)
{
    close_level(w, STR("]"));
}

static void put_quoted(struct json_writer *w, struct str s)
{
    put(w, STR("\""));
    if (!w->err) w->err = json_escape(w->out, s);
    put(w, STR("\""));
}

void json_write_key(struct json_writer *w, const char *name)
{
    json_write_key_str(w, str_of(name));
}

void json_write_key_str(struct json_writer *w, struct str name)
{
    if (w->err) return;
    assert(w->depth > 0 && !w->after_key);
    separate(w);
    put_quoted(w, name);
    put(w, STR(":"));
    w->after_key = true;
}

void json_write_str(struct json_writer *w, struct str s)
{
    if (w->err) return;
    separate(w);
    put_quoted(w, s);
}

/* The digits of v at the end of text; returns where they start. */
static char *digits(uint64_t v, char *end)
{
    do {
        *--end = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    return end;
}

enum { DIGITS_MAX = 21 };

void json_write_i64(struct json_writer *w, int64_t v)
{
    char text[DIGITS_MAX], *end = text + sizeof text;
    char *p = digits(v < 0 ? 0 - (uint64_t)v : (uint64_t)v, end);
    if (v < 0) *--p = '-';
    put_value(w, str_n(p, (size_t)(end - p)));
}

void json_write_u64(struct json_writer *w, uint64_t v)
{
    char text[DIGITS_MAX], *end = text + sizeof text;
    char *p = digits(v, end);
    put_value(w, str_n(p, (size_t)(end - p)));
}

static void put_real(struct json_writer *w, const yyjson_val *val)
{
    _Alignas(16) char room[512];
    yyjson_alc alc;
    size_t len = 0;
    bool ready = yyjson_alc_pool_init(&alc, room, sizeof room);
    assert(ready);
    char *text = yyjson_val_write_opts(val, YYJSON_WRITE_NOFLAG, &alc, &len, NULL);
    assert(text);
    put_value(w, str_n(text, len));
}

/* A number beyond the range of 64 bits is as it was written. */
static void put_number(struct json_writer *w, const yyjson_val *val)
{
    yyjson_val *v = (yyjson_val *)(uintptr_t)val;
    if (unsafe_yyjson_is_uint(v))
        json_write_u64(w, unsafe_yyjson_get_uint(v));
    else if (unsafe_yyjson_is_sint(v))
        json_write_i64(w, unsafe_yyjson_get_sint(v));
    else if (unsafe_yyjson_is_raw(v))
        put_value(w, str_n(v->uni.str, unsafe_yyjson_get_len(v)));
    else
        put_real(w, v);
}

void json_write_double(struct json_writer *w, double v)
{
    yyjson_val val = {0};
    if (!isfinite(v)) {
        json_write_null(w);
        return;
    }
    unsafe_yyjson_set_real(&val, v);
    put_real(w, &val);
}

static void put_members(struct json_writer *w, const struct json *object)
{
    struct json_iter it = {0};
    const struct json *v;
    struct str name;
    json_write_object(w);
    while (json_next_member(object, &it, &name, &v)) {
        json_write_key_str(w, name);
        json_write_json(w, v);
    }
    json_write_object_end(w);
}

static void put_items(struct json_writer *w, const struct json *array)
{
    struct json_iter it = {0};
    const struct json *v;
    json_write_array(w);
    while (json_next_item(array, &it, &v))
        json_write_json(w, v);
    json_write_array_end(w);
}

void json_write_json(struct json_writer *w, const struct json *v)
{
    const yyjson_val *val = (const yyjson_val *)(const void *)v;
    struct str text = STR_NULL;
    bool truth = false;
    if (w->depth == JSON_MAX_DEPTH && !w->err) w->err = ERR_DEPTH;
    if (w->err) return;
    switch (json_type(v)) {
    case JSON_NONE:
    case JSON_NULL: json_write_null(w); break;
    case JSON_BOOL: json_write_bool(w, json_to_bool(v, &truth) && truth); break;
    case JSON_STRING:
        (void)json_to_str(v, &text);
        json_write_str(w, text);
        break;
    case JSON_NUMBER: put_number(w, val); break;
    case JSON_ARRAY: put_items(w, v); break;
    case JSON_OBJECT: put_members(w, v); break;
    }
}

void json_write_bool(struct json_writer *w, bool v)
{
    put_value(w, v ? STR("true") : STR("false"));
}

void json_write_null(struct json_writer *w)
{
    put_value(w, STR("null"));
}

void json_write_raw(struct json_writer *w, struct str json)
{
    put_value(w, json);
}

void json_write_str_member(struct json_writer *w, const char *name, struct str v)
{
    json_write_key(w, name);
    json_write_str(w, v);
}

void json_write_u64_member(struct json_writer *w, const char *name, uint64_t v)
{
    json_write_key(w, name);
    json_write_u64(w, v);
}

void json_write_i64_member(struct json_writer *w, const char *name, int64_t v)
{
    json_write_key(w, name);
    json_write_i64(w, v);
}

void json_write_double_member(struct json_writer *w, const char *name, double v)
{
    json_write_key(w, name);
    json_write_double(w, v);
}

void json_write_bool_member(struct json_writer *w, const char *name, bool v)
{
    json_write_key(w, name);
    json_write_bool(w, v);
}

void json_write_null_member(struct json_writer *w, const char *name)
{
    json_write_key(w, name);
    json_write_null(w);
}

/* The escape for a quote, a backslash or a control character, and its length. */
static size_t escape_of(unsigned char c, char out[6])
{
    static const char letters[] = "btnvfr"; /* for 8..13; \v is no JSON escape */
    static const char hex[] = "0123456789abcdef";
    out[0] = '\\';
    out[1] = c < ' ' ? 'u' : (char)c;
    if (c >= 8 && c <= 13 && c != 11) out[1] = letters[c - 8];
    if (out[1] != 'u') return 2;
    memcpy(out + 2, "00", 2);
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    return 6;
}

/* Goes over what needs no change. */
static const unsigned char *kept_end(const unsigned char *p, const unsigned char *end)
{
    for (;;) {
        p = json__plain_end(p, end);
        if (p == end || *p < 0x80) return p;
        for (int n; p < end && *p >= 0x80; p += n)
            if ((n = utf8_step(p, end)) < 0) return p;
    }
}

/* What stands for the byte at *p, which cannot stay, and how many bytes it has; *p goes on. */
static size_t change(const unsigned char **p, const unsigned char *end, char out[6])
{
    unsigned char c = **p;
    *p += c < 0x80 ? 1 : -utf8_step(*p, end);
    if (c < 0x80) return escape_of(c, out);
    memcpy(out, "\xef\xbf\xbd", 3);
    return 3;
}

int json_escape(struct buf *out, struct str s)
{
    const unsigned char *p = (const unsigned char *)(s.ptr ? s.ptr : ""), *end = p + s.len;
    while (p < end) {
        const unsigned char *from = p;
        char *room, changed[6];
        p = kept_end(p, end);
        size_t kept = (size_t)(p - from), n = p < end ? change(&p, end, changed) : 0;
        int err = buf_reserve(out, kept + n, &room);
        if (err) return err;
        if (kept) memcpy(room, from, kept);
        if (n) memcpy(room + kept, changed, 2); /* nearly all have two */
        if (n > 2) memcpy(room + kept + 2, changed + 2, n - 2);
        buf_commit(out, kept + n);
    }
    return 0;
}
