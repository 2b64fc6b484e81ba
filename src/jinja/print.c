/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/print.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "jinja/dict.h"
#include "jinja/iteration.h"
#include "jinja/letters.h"
#include "jinja/macro.h"

/* --- numbers --- */

/* Significant digits and exponent of the shortest form: "d.ddde+XX". */
static void shortest(double real, char room[PRINT_DOUBLE_ROOM])
{
    int least = real < 0x1p-1022 ? 1 : 15; /* the smallest ones have fewer that count */
    for (int digits = least; digits <= 17; digits++) {
        snprintf(room, PRINT_DOUBLE_ROOM, "%.*e", digits - 1, real);
        if (strtod(room, NULL) == real) return;
    }
}

/* The digits of "d.ddde+XX" without trailing zeros; the exponent. */
static int split_exponent(const char *text, char digits[20])
{
    size_t n = 0;
    for (; *text && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9') digits[n++] = *text;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    digits[n] = 0;
    return *text ? atoi(text + 1) : 0;
}

static int print_fixed(char *room, size_t size, const char *digits, int exponent)
{
    int n = (int)strlen(digits);
    if (exponent < 0) return snprintf(room, size, "0.%.*s%s", -exponent - 1, "0000", digits);
    if (n <= exponent + 1)
        return snprintf(room, size, "%s%.*s.0", digits, exponent + 1 - n, "0000000000000000");
    return snprintf(room, size, "%.*s.%s", exponent + 1, digits, digits + exponent + 1);
}

struct str print_double(double real, char room[PRINT_DOUBLE_ROOM])
{
    char text[PRINT_DOUBLE_ROOM], digits[20];
    if (isnan(real)) return STR("nan");
    if (isinf(real)) return real < 0 ? STR("-inf") : STR("inf");
    shortest(fabs(real), text);
    int exponent = split_exponent(text, digits), len = 0;
    if (signbit(real)) room[len++] = '-';
    char *rest = room + len;
    size_t size = PRINT_DOUBLE_ROOM - (size_t)len;
    if (exponent >= -4 && exponent < 16)
        len += print_fixed(rest, size, digits, exponent);
    else
        len += snprintf(rest, size, "%c%s%se%c%02d", digits[0], digits[1] ? "." : "", digits + 1,
                        exponent < 0 ? '-' : '+', abs(exponent));
    return str_n(room, (size_t)len);
}

/* --- texts --- */

static int put_escaped(struct run *r, struct sink *s, uint32_t code, bool own)
{
    switch (code) {
    case '\n': return sink_put(r, s, STR("\\n"), own);
    case '\r': return sink_put(r, s, STR("\\r"), own);
    case '\t': return sink_put(r, s, STR("\\t"), own);
    case '\\': return sink_put(r, s, STR("\\\\"), own);
    default: break;
    }
    if (code < 0x100) return sink_printf(r, s, own, "\\x%02x", (unsigned)code);
    if (code < 0x10000) return sink_printf(r, s, own, "\\u%04x", (unsigned)code);
    return sink_printf(r, s, own, "\\U%08x", (unsigned)code);
}

static int put_character(struct run *r, struct sink *s, const struct value *v, size_t at,
                         char quote, size_t *bytes)
{
    uint32_t code = text_code(value_str(v), at, bytes);
    bool own = text_own_at(v, at);
    if (code == (unsigned char)quote)
        return sink_put(r, s, quote == '\'' ? STR("\\'") : STR("\\\""), own);
    if (code == '\\' || !(code == ' ' || letter_is_printable(r, code)))
        return put_escaped(r, s, code, own);
    return sink_put(r, s, str_n(v->bytes + at, *bytes), own);
}

static int repr_text(struct run *r, struct sink *s, const struct value *v, bool own)
{
    struct str text = value_str(v);
    bool apostrophe = text.len && memchr(text.ptr, '\'', text.len);
    char quote = apostrophe && !memchr(text.ptr, '"', text.len) ? '"' : '\'';
    size_t bytes;
    int err = sink_put(r, s, str_n(&quote, 1), own);
    for (size_t at = 0; !err && at < text.len; at += bytes)
        err = put_character(r, s, v, at, quote, &bytes);
    return err ? err : sink_put(r, s, str_n(&quote, 1), own);
}

static int repr_markup(struct run *r, struct sink *s, const struct value *v, bool own)
{
    int err = sink_put(r, s, STR("Markup("), own);
    if (!err) err = repr_text(r, s, v, own);
    return err ? err : sink_put(r, s, STR(")"), own);
}

/* --- values within values --- */

static int repr_within(struct run *r, struct sink *s, const struct value *v, bool own,
                       unsigned depth);

static int repr_items(struct run *r, struct sink *s, const struct list *list, const char *brackets,
                      bool own, unsigned depth)
{
    int err = sink_put(r, s, str_n(brackets, 1), own);
    for (size_t i = 0; !err && i < list->count; i++) {
        if (i) err = sink_put(r, s, STR(", "), own);
        if (!err) err = repr_within(r, s, &list->items[i], own, depth);
    }
    if (!err && *brackets == '(' && list->count == 1) err = sink_put(r, s, STR(","), own);
    return err ? err : sink_put(r, s, str_n(brackets + 1, 1), own);
}

static int repr_entry(struct run *r, struct sink *s, const struct entry *e, bool own,
                      unsigned depth)
{
    int err = repr_within(r, s, &e->key, own, depth);
    if (!err) err = sink_put(r, s, STR(": "), own);
    return err ? err : repr_within(r, s, &e->value, own, depth);
}

static int repr_dict(struct run *r, struct sink *s, const struct dict *d, bool own, unsigned depth)
{
    int err = sink_put(r, s, STR("{"), own);
    for (size_t i = 0; !err && i < d->count; i++) {
        if (i) err = sink_put(r, s, STR(", "), own);
        if (!err) err = repr_entry(r, s, &d->entries[i], own, depth);
    }
    return err ? err : sink_put(r, s, STR("}"), own);
}

static int repr_range(struct run *r, struct sink *s, const struct range *range, bool own)
{
    if (range->step == 1)
        return sink_printf(r, s, own, "range(%" PRId64 ", %" PRId64 ")", range->start, range->stop);
    return sink_printf(r, s, own, "range(%" PRId64 ", %" PRId64 ", %" PRId64 ")", range->start,
                       range->stop, range->step);
}

static int repr_view(struct run *r, struct sink *s, const struct value *v, bool own, unsigned depth)
{
    int err = sink_printf(r, s, own, "%s(", v->list->name);
    if (!err) err = repr_items(r, s, v->list, "[]", own, depth + 1);
    return err ? err : sink_put(r, s, STR(")"), own);
}

static int repr_double(struct run *r, struct sink *s, const struct value *v)
{
    char room[PRINT_DOUBLE_ROOM];
    return sink_put(r, s, print_double(v->real, room), v->own);
}

static int repr_space(struct run *r, struct sink *s, const struct value *v, bool own,
                      unsigned depth)
{
    int err = sink_put(r, s, STR("<Namespace "), own);
    if (!err) err = repr_dict(r, s, v->space->dict, own, depth + 1);
    return err ? err : sink_put(r, s, STR(">"), own);
}

static int repr_object(struct run *r, struct sink *s, const struct value *v)
{
    struct str name;
    switch ((enum kind)v->kind) {
    case KIND_MACRO:
        name = macro_name(v->macro);
        return sink_printf(r, s, true, "<Macro '%.*s'>", (int)MIN(name.len, (size_t)200), name.ptr);
    case KIND_LOOP: return iteration_print(r, s, v->loop);
    default: return sink_printf(r, s, true, "<%s object>", value_type(v));
    }
}

static int repr_within(struct run *r, struct sink *s, const struct value *v, bool own,
                       unsigned depth)
{
    if (depth > VALUE_DEPTH_MAX) return run_fail(r, ERR_DEPTH, "values are nested too deeply");
    int err = run_charge(r, 1);
    if (err) return err;
    switch ((enum kind)v->kind) {
    case KIND_MISSING:
    case KIND_UNDEFINED: return sink_put(r, s, STR("Undefined"), own);
    case KIND_NONE: return sink_put(r, s, STR("None"), v->own);
    case KIND_BOOL: return sink_put(r, s, v->truth ? STR("True") : STR("False"), v->own);
    case KIND_INT: return sink_printf(r, s, v->own, "%" PRId64, v->integer);
    case KIND_BIG: return sink_put(r, s, value_str(v), v->own);
    case KIND_FLOAT: return repr_double(r, s, v);
    case KIND_TEXT: return v->markup ? repr_markup(r, s, v, own) : repr_text(r, s, v, own);
    case KIND_LIST: return repr_items(r, s, v->list, "[]", own, depth + 1);
    case KIND_TUPLE: return repr_items(r, s, v->list, "()", own, depth + 1);
    case KIND_DICT: return repr_dict(r, s, v->dict, own, depth + 1);
    case KIND_VIEW: return repr_view(r, s, v, own, depth);
    case KIND_RANGE: return repr_range(r, s, v->range, v->own);
    case KIND_SPACE: return repr_space(r, s, v, own, depth);
    default: return repr_object(r, s, v);
    }
}

/* Brackets and quotes around data count as data, too. */
int print_repr(struct run *r, struct sink *s, const struct value *v)
{
    return repr_within(r, s, v, value_is_own(r, v), 0);
}

int print_str(struct run *r, struct sink *s, const struct value *v)
{
    if (v->kind == KIND_TEXT) return sink_put_text(r, s, v);
    if (v->kind == KIND_UNDEFINED || v->kind == KIND_MISSING) return 0;
    return print_repr(r, s, v);
}

int value_to_text(struct run *r, const struct value *v, struct value *out)
{
    struct sink s = {0};
    if (v->kind == KIND_TEXT) {
        *out = *v;
        return 0;
    }
    int err = print_str(r, &s, v);
    return err ? err : sink_end(r, &s, out);
}
