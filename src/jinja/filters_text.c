/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/args.h"
#include "jinja/dict.h"
#include "jinja/filter_tables.h"
#include "jinja/format.h"
#include "jinja/letters.h"
#include "jinja/markup.h"
#include "jinja/print.h"
#include "jinja/text_parts.h"
#include "jinja/walk.h"
#include "jinja/wrap.h"

#define FILTER(name)                                                                      \
    static int name(struct run *r, const struct value *v, const struct args *args UNUSED, \
                    struct value *out)

/* --- case and ends --- */

static int in_case(struct run *r, const struct value *v, enum letter_case wanted, struct value *out)
{
    struct value text;
    int err = value_to_text(r, v, &text);
    if (!err) err = text_in_case(r, &text, wanted, out);
    if (!err) out->markup = text.markup;
    return err;
}

FILTER(filter_upper)
{
    return in_case(r, v, CASE_UPPER, out);
}

FILTER(filter_lower)
{
    return in_case(r, v, CASE_LOWER, out);
}

FILTER(filter_capitalize)
{
    return in_case(r, v, CASE_CAPITAL, out);
}

static bool begins_word(uint32_t code)
{
    return letter_is_space(code) || (code < 0x80 && code && strchr("-({[<", (int)code));
}

static int put_part_in_case(struct run *r, struct sink *s, const struct value *text, size_t from,
                            size_t to, enum letter_case wanted)
{
    struct value part, changed;
    int err = text_part(r, text, from, to, &part);
    if (!err) err = text_in_case(r, &part, wanted, &changed);
    return err ? err : sink_put_text(r, s, &changed);
}

/* Words are what stands between blanks, '-' and brackets. */
FILTER(filter_title)
{
    struct sink s = {0};
    struct value text;
    size_t bytes;
    int err = value_to_text(r, v, &text);
    struct str all = value_str(&text);
    for (size_t at = 0; !err && at < all.len;) {
        size_t end = at;
        while (end < all.len && begins_word(text_code(all, end, &bytes)))
            end += bytes;
        err = sink_put_part(r, &s, &text, at, end);
        if (err || end == all.len) break;
        at = end + text_step(all, end);
        err = put_part_in_case(r, &s, &text, end, at, CASE_UPPER);
        for (end = at; end < all.len && !begins_word(text_code(all, end, &bytes));)
            end += bytes;
        if (!err) err = put_part_in_case(r, &s, &text, at, end, CASE_LOWER);
        at = end;
    }
    return err ? err : sink_end(r, &s, out);
}

FILTER(filter_trim)
{
    const struct value *chars = &args->items[0];
    struct value text;
    bool blank = !arg_given(chars) || chars->kind == KIND_NONE;
    if (!blank && chars->kind != KIND_TEXT) return run_raise(r, "strip arg must be None or str");
    int err = value_to_text(r, v, &text);
    return err ? err : text_strip(r, &text, blank ? NULL : chars, true, true, out);
}

FILTER(filter_center)
{
    int64_t width;
    struct value text;
    int err = arg_int(r, &args->items[0], 80, &width);
    if (!err) err = value_to_text(r, v, &text);
    if (!err) err = text_justify(r, &text, width, NULL, JUSTIFY_CENTER, out);
    if (!err) out->markup = text.markup;
    return err;
}

/* --- parts --- */

FILTER(filter_replace)
{
    int64_t max = -1;
    struct value text, old, replacement;
    int err = value_to_text(r, v, &text);
    if (!err) err = value_to_text(r, &args->items[0], &old);
    if (!err) err = value_to_text(r, &args->items[1], &replacement);
    if (!err && args->items[2].kind != KIND_NONE) err = arg_int(r, &args->items[2], -1, &max);
    if (!err) err = text_replace(r, &text, &old, &replacement, max, out);
    if (!err) out->markup = false;
    return err;
}

static int text_only(struct run *r, const struct value *v)
{
    if (v->kind == KIND_TEXT) return 0;
    if (v->kind == KIND_UNDEFINED) return run_raise(r, "the value is undefined");
    return run_raise(r, "a string is wanted, not %s", value_type(v));
}

static int indentation(struct run *r, const struct value *width, struct value *out)
{
    struct sink s = {0};
    int64_t count;
    if (width->kind == KIND_TEXT) {
        *out = *width;
        return 0;
    }
    int err = arg_int(r, width, 4, &count);
    if (!err) err = sink_fill(r, &s, ' ', (size_t)MAX(count, 0), true);
    return err ? err : sink_end(r, &s, out);
}

static int put_indented(struct run *r, struct sink *s, const struct list *lines,
                        const struct value *indent, bool first, bool blank)
{
    int err = first ? sink_put_text(r, s, indent) : 0;
    for (size_t i = 0; !err && i < lines->count; i++) {
        const struct value *line = &lines->items[i];
        if (i) err = sink_put(r, s, STR("\n"), true);
        if (!err && i && (blank || line->len)) err = sink_put_text(r, s, indent);
        if (!err) err = sink_put_text(r, s, line);
    }
    return err;
}

FILTER(filter_indent)
{
    const struct value newline = value_text(STR("\n"), true);
    struct value indent, text, lines;
    struct sink s = {0};
    int err = text_only(r, v);
    if (!err) err = indentation(r, &args->items[0], &indent);
    if (!err) err = text_join(r, v, &newline, &text);
    if (!err) err = text_lines(r, &text, false, &lines);
    if (!err)
        err = put_indented(r, &s, lines.list, &indent, arg_true(&args->items[1]),
                           arg_true(&args->items[2]));
    if (!err) err = sink_end(r, &s, out);
    if (!err) out->markup = v->markup;
    return err;
}

/* Up to the last blank of the first `end` bytes, all of them without one. */
static size_t word_end(const struct value *v, size_t end)
{
    for (size_t at = end; at > 0; at--)
        if (v->bytes[at - 1] == ' ') return at - 1;
    return end;
}

FILTER(filter_truncate)
{
    int64_t length, leeway;
    size_t has = 0;
    struct value end = value_text(STR("..."), true), part;
    int err = arg_int(r, &args->items[0], 255, &length);
    if (!err && arg_given(&args->items[2])) err = arg_text(r, &args->items[2], &end);
    if (!err)
        err = args->items[3].kind == KIND_NONE ? (leeway = 5, 0)
                                               : arg_int(r, &args->items[3], 5, &leeway);
    if (err) return err;
    int64_t end_length = (int64_t)text_length(value_str(&end));
    if (length < end_length || leeway < 0) return run_raise(r, "too short a length to truncate to");
    *out = *v;
    if (!value_length(v, &has)) return text_only(r, v);
    if ((int64_t)has - leeway <= length) return 0;
    if (v->kind != KIND_TEXT) return text_only(r, v);
    size_t stop = text_offset(value_str(v), (size_t)(length - end_length));
    if (!arg_true(&args->items[1])) stop = word_end(v, stop);
    err = text_part(r, v, 0, stop, &part);
    return err ? err : markup_add(r, &part, &end, out);
}

static bool is_word(const struct run *r, uint32_t code)
{
    return code == '_' || letter_is_digit(code) || letter_is_alpha(r, code);
}

FILTER(filter_wordcount)
{
    struct value text;
    int64_t count = 0;
    bool in_word = false;
    size_t bytes;
    int err = value_to_text(r, v, &text);
    if (!err) err = run_charge_bytes(r, text.len * 4);
    if (err) return err;
    for (size_t at = 0; at < text.len; at += bytes) {
        bool word = is_word(r, text_code(value_str(&text), at, &bytes));
        count += word && !in_word;
        in_word = word;
    }
    *out = value_int(count);
    return 0;
}

FILTER(filter_wordwrap)
{
    struct wrap wrap = {.long_words = true, .hyphens = true};
    struct value newline = value_text(STR("\n"), true);
    int err = text_only(r, v);
    if (!err) err = arg_int(r, &args->items[0], 79, &wrap.width);
    if (!err && args->items[2].kind != KIND_NONE && arg_given(&args->items[2]))
        err = arg_text(r, &args->items[2], &newline);
    if (arg_given(&args->items[1])) wrap.long_words = arg_true(&args->items[1]);
    if (arg_given(&args->items[3])) wrap.hyphens = arg_true(&args->items[3]);
    return err ? err : wrap_text(r, v, &wrap, &newline, out);
}

FILTER(filter_format)
{
    struct value values, text;
    int err = value_to_text(r, v, &text);
    if (err) return err;
    if (args->count && args->named_count)
        return run_raise(r, "can't handle positional and keyword arguments at the same time");
    if (args->named_count) {
        err = dict_new(r, args->named_count, &values);
        for (size_t i = 0; !err && i < args->named_count; i++) {
            struct value name = value_text(args->named[i].name, true);
            err = dict_put(r, values.dict, &name, &args->named[i].value);
        }
    } else {
        err = list_new(r, KIND_TUPLE, args->count, &values);
        if (!err && args->count)
            memcpy(values.list->items, args->items, args->count * sizeof values);
    }
    return err ? err : format_percent(r, &text, &values, out);
}

/* --- markup and addresses --- */

FILTER(filter_escape)
{
    struct value text;
    int err = value_to_text(r, v, &text);
    return err ? err : markup_escape(r, &text, out);
}

FILTER(filter_forceescape)
{
    struct value text;
    int err = value_to_text(r, v, &text);
    text.markup = false;
    return err ? err : markup_escape(r, &text, out);
}

FILTER(filter_safe)
{
    int err = value_to_text(r, v, out);
    out->markup = true;
    return err;
}

FILTER(filter_striptags)
{
    struct value text;
    int err = value_to_text(r, v, &text);
    return err ? err : markup_strip(r, &text, out);
}

static int put_quoted(struct run *r, struct sink *s, const struct value *text, bool query)
{
    int err = 0;
    for (size_t at = 0; !err && at < text->len; at++) {
        char c = text->bytes[at];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c && strchr(query ? "_.-~" : "_.-~/", c));
        bool own = text_own_at(text, at);
        if (plain)
            err = sink_put(r, s, str_n(&c, 1), own);
        else if (query && c == ' ')
            err = sink_put(r, s, STR("+"), own);
        else
            err = sink_printf(r, s, own, "%%%02X", (unsigned)(unsigned char)c);
    }
    return err;
}

static int put_quoted_value(struct run *r, struct sink *s, const struct value *v, bool query)
{
    struct value text;
    int err = value_to_text(r, v, &text);
    return err ? err : put_quoted(r, s, &text, query);
}

static int put_query(struct run *r, struct sink *s, const struct value *key, const struct value *v)
{
    int err = s->len ? sink_put(r, s, STR("&"), true) : 0;
    if (!err) err = put_quoted_value(r, s, key, true);
    if (!err) err = sink_put(r, s, STR("="), true);
    return err ? err : put_quoted_value(r, s, v, true);
}

FILTER(filter_urlencode)
{
    struct sink s = {0};
    struct walk w;
    struct value pair;
    const struct list *members;
    int err = 0;
    if (v->kind == KIND_DICT) {
        for (size_t i = 0; !err && i < v->dict->count; i++)
            err = put_query(r, &s, &v->dict->entries[i].key, &v->dict->entries[i].value);
    } else if (v->kind == KIND_TEXT || !value_is_iterable(v)) {
        err = put_quoted_value(r, &s, v, false);
    } else {
        err = walk_start(r, v, &w);
        while (!err && !(err = walk_next(r, &w, &pair))) {
            err = value_members(r, &pair, &members);
            if (!err && members->count != 2) err = run_raise(r, "pairs are wanted");
            if (!err) err = put_query(r, &s, &members->items[0], &members->items[1]);
        }
        err = err == WALK_END ? 0 : err;
    }
    return err ? err : sink_end(r, &s, out);
}

static int put_attribute(struct run *r, struct sink *s, const struct entry *e, bool blank)
{
    struct value text;
    if (e->key.kind != KIND_TEXT) return run_raise(r, "an attribute's name is no string");
    for (size_t i = 0; i < e->key.len; i++)
        if (strchr(" \t\n\r\f\v/>=", e->key.bytes[i]))
            return run_raise(r, "Invalid character in attribute name");
    int err = value_to_text(r, &e->value, &text);
    if (!err && blank) err = sink_put(r, s, STR(" "), true);
    if (!err) err = markup_put_escaped(r, s, &e->key);
    if (!err) err = sink_put(r, s, STR("=\""), true);
    if (!err) err = markup_put_escaped(r, s, &text);
    return err ? err : sink_put(r, s, STR("\""), true);
}

FILTER(filter_xmlattr)
{
    struct sink s = {0};
    bool blank = !arg_given(&args->items[0]) || arg_true(&args->items[0]);
    int err = 0;
    if (v->kind != KIND_DICT) return run_raise(r, "a mapping is wanted, not %s", value_type(v));
    for (size_t i = 0; !err && i < v->dict->count; i++) {
        const struct entry *e = &v->dict->entries[i];
        if (e->value.kind == KIND_NONE || e->value.kind == KIND_UNDEFINED) continue;
        err = put_attribute(r, &s, e, blank || s.len);
    }
    return err ? err : sink_end(r, &s, out);
}

const struct builtin filters_of_text[] = {
    {"trim", filter_trim, "?chars"},
    {"upper", filter_upper, ""},
    {"lower", filter_lower, ""},
    {"capitalize", filter_capitalize, ""},
    {"title", filter_title, ""},
    {"replace", filter_replace, "old new ?count"},
    {"indent", filter_indent, "?width ?first ?blank"},
    {"center", filter_center, "?width"},
    {"truncate", filter_truncate, "?length ?killwords ?end ?leeway"},
    {"wordcount", filter_wordcount, ""},
    {"wordwrap", filter_wordwrap, "?width ?break_long_words ?wrapstring ?break_on_hyphens"},
    {"format", filter_format, "*"},
    {"escape", filter_escape, ""},
    {"e", filter_escape, ""},
    {"forceescape", filter_forceescape, ""},
    {"safe", filter_safe, ""},
    {"striptags", filter_striptags, ""},
    {"urlencode", filter_urlencode, ""},
    {"xmlattr", filter_xmlattr, "?autospace"},
};

const size_t filters_of_text_count = ARRAY_LEN(filters_of_text);
