/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/tojson.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "jinja/dict.h"
#include "jinja/number.h"
#include "jinja/print.h"
#include "jinja/sort.h"
#include "jinja/text.h"

struct writer {
    struct run *r;
    struct sink out;
    struct str item_separator, key_separator;
    struct value indent; /* KIND_MISSING: all in one line */
    bool ascii, sorts, own;
};

static int put(struct writer *w, struct str s)
{
    return sink_put(w->r, &w->out, s, w->own);
}

/* --- scalars --- */

static struct str short_escape(uint32_t code)
{
    switch (code) {
    case '"': return STR("\\\"");
    case '\\': return STR("\\\\");
    case '\n': return STR("\\n");
    case '\r': return STR("\\r");
    case '\t': return STR("\\t");
    case '\f': return STR("\\f");
    case '\b': return STR("\\b");
    default: return STR_NULL;
    }
}

static int put_code(struct writer *w, uint32_t code)
{
    if (code < 0x10000) return sink_printf(w->r, &w->out, w->own, "\\u%04x", (unsigned)code);
    code -= 0x10000;
    return sink_printf(w->r, &w->out, w->own, "\\u%04x\\u%04x", (unsigned)(0xd800 + (code >> 10)),
                       (unsigned)(0xdc00 + (code & 0x3ff)));
}

/* The bytes up to the next one that cannot stand for itself. */
static size_t plain_run(const struct writer *w, struct str s, size_t at)
{
    for (; at < s.len; at++) {
        unsigned char c = (unsigned char)s.ptr[at];
        if (c < 0x20 || c == '"' || c == '\\' || (w->ascii && c >= 0x7f)) break;
    }
    return at;
}

static int put_string(struct writer *w, struct str s)
{
    size_t bytes;
    int err = put(w, STR("\""));
    for (size_t at = 0; !err && at < s.len;) {
        size_t end = plain_run(w, s, at);
        err = put(w, str_n(s.ptr + at, end - at));
        at = end;
        if (err || at == s.len) break;
        uint32_t code = text_code(s, at, &bytes);
        struct str escape = short_escape(code);
        err = escape.ptr ? put(w, escape) : put_code(w, code);
        at += bytes;
    }
    return err ? err : put(w, STR("\""));
}

static int put_double(struct writer *w, double real)
{
    char room[PRINT_DOUBLE_ROOM];
    if (isnan(real)) return put(w, STR("NaN"));
    if (isinf(real)) return put(w, real < 0 ? STR("-Infinity") : STR("Infinity"));
    return put(w, print_double(real, room));
}

static int put_scalar(struct writer *w, const struct value *v)
{
    switch ((enum kind)v->kind) {
    case KIND_NONE: return put(w, STR("null"));
    case KIND_BOOL: return put(w, v->truth ? STR("true") : STR("false"));
    case KIND_INT: return sink_printf(w->r, &w->out, w->own, "%" PRId64, v->integer);
    case KIND_BIG: return put(w, value_str(v));
    case KIND_FLOAT: return put_double(w, v->real);
    case KIND_TEXT: return put_string(w, value_str(v));
    default: return run_raise(w->r, "Object of type %s is not JSON serializable", value_type(v));
    }
}

/* --- arrays and objects --- */

static int put_value(struct writer *w, const struct value *v, unsigned depth);

static int new_line(struct writer *w, unsigned depth)
{
    if (w->indent.kind == KIND_MISSING) return 0;
    int err = put(w, STR("\n"));
    for (unsigned i = 0; !err && i < depth; i++)
        err = put(w, value_str(&w->indent));
    return err;
}

static int put_array(struct writer *w, const struct list *list, unsigned depth)
{
    if (!list->count) return put(w, STR("[]"));
    int err = put(w, STR("["));
    for (size_t i = 0; !err && i < list->count; i++) {
        if (i) err = put(w, w->item_separator);
        if (!err) err = new_line(w, depth + 1);
        if (!err) err = put_value(w, &list->items[i], depth + 1);
    }
    if (!err) err = new_line(w, depth);
    return err ? err : put(w, STR("]"));
}

static int put_key(struct writer *w, const struct value *key)
{
    if (key->kind == KIND_TEXT) return put_string(w, value_str(key));
    if (key->kind == KIND_TUPLE)
        return run_raise(w->r, "keys must be str, int, float, bool or None");
    int err = put(w, STR("\""));
    if (!err) err = put_scalar(w, key);
    return err ? err : put(w, STR("\""));
}

static int put_member(struct writer *w, const struct entry *e, unsigned depth)
{
    int err = new_line(w, depth);
    if (!err) err = put_key(w, &e->key);
    if (!err) err = put(w, w->key_separator);
    return err ? err : put_value(w, &e->value, depth);
}

static int put_object(struct writer *w, const struct dict *d, unsigned depth)
{
    const struct entry *entries = d->entries;
    if (!d->count) return put(w, STR("{}"));
    int err = w->sorts ? sort_entries(w->r, d, &entries) : 0;
    if (!err) err = put(w, STR("{"));
    for (size_t i = 0; !err && i < d->count; i++) {
        if (i) err = put(w, w->item_separator);
        if (!err) err = put_member(w, &entries[i], depth + 1);
    }
    if (!err) err = new_line(w, depth);
    return err ? err : put(w, STR("}"));
}

static int put_value(struct writer *w, const struct value *v, unsigned depth)
{
    if (depth > VALUE_DEPTH_MAX) return run_fail(w->r, ERR_DEPTH, "values are nested too deeply");
    int err = run_charge(w->r, 1);
    if (err) return err;
    if (value_is_sequence(v)) return put_array(w, v->list, depth);
    if (v->kind == KIND_DICT) return put_object(w, v->dict, depth);
    return put_scalar(w, v);
}

/* --- arguments --- */

static int read_indent(struct writer *w, const struct value *v)
{
    int64_t width;
    struct sink s = {0};
    if (!arg_given(v) || v->kind == KIND_NONE) return 0;
    if (v->kind == KIND_TEXT) {
        w->indent = *v;
        return 0;
    }
    if (!value_to_int(v, &width)) return run_raise(w->r, "indent must be a number or a string");
    int err = sink_fill(w->r, &s, ' ', (size_t)MAX(width, 0), true);
    return err ? err : sink_end(w->r, &s, &w->indent);
}

static int read_separators(struct writer *w, const struct value *v)
{
    bool lines = w->indent.kind != KIND_MISSING;
    w->item_separator = lines ? STR(",") : STR(", ");
    w->key_separator = STR(": ");
    if (!arg_given(v) || v->kind == KIND_NONE) return 0;
    bool fits = value_is_sequence(v) && v->list->count == 2 &&
                v->list->items[0].kind == KIND_TEXT && v->list->items[1].kind == KIND_TEXT;
    if (!fits) return run_raise(w->r, "separators must be two strings");
    w->item_separator = value_str(&v->list->items[0]);
    w->key_separator = value_str(&v->list->items[1]);
    return 0;
}

int tojson(struct run *r, const struct value *self, const struct args *args, struct value *out)
{
    /* A text of data is data as a whole, quotes and brackets included. */
    struct writer w = {.r = r, .own = value_is_own(r, self)};
    w.ascii = arg_true(&args->items[0]);
    w.sorts = arg_true(&args->items[3]);
    int err = read_indent(&w, &args->items[1]);
    if (!err) err = read_separators(&w, &args->items[2]);
    if (!err) err = put_value(&w, self, 0);
    return err ? err : sink_end(r, &w.out, out);
}
