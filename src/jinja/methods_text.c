/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/methods_text.h"

#include "jinja/args.h"
#include "jinja/format.h"
#include "jinja/letters.h"
#include "jinja/markup.h"
#include "jinja/print.h"
#include "jinja/text_parts.h"
#include "jinja/walk.h"

#define METHOD(name)                                                                         \
    static int name(struct run *r, const struct value *self, const struct args *args UNUSED, \
                    struct value *out)

/* --- ends --- */

static int strip(struct run *r, const struct value *self, const struct value *chars, bool left,
                 bool right, struct value *out)
{
    bool blank = !arg_given(chars) || chars->kind == KIND_NONE;
    if (!blank && chars->kind != KIND_TEXT) return run_raise(r, "strip arg must be None or str");
    return text_strip(r, self, blank ? NULL : chars, left, right, out);
}

METHOD(on_strip)
{
    return strip(r, self, args->items, true, true, out);
}

METHOD(on_lstrip)
{
    return strip(r, self, args->items, true, false, out);
}

METHOD(on_rstrip)
{
    return strip(r, self, args->items, false, true, out);
}

METHOD(on_removeprefix)
{
    struct value prefix;
    int err = arg_text(r, &args->items[0], &prefix);
    if (err) return err;
    bool there = str_starts(value_str(self), value_str(&prefix));
    return text_part(r, self, there ? prefix.len : 0, self->len, out);
}

METHOD(on_removesuffix)
{
    struct value suffix;
    int err = arg_text(r, &args->items[0], &suffix);
    if (err) return err;
    bool there = str_ends(value_str(self), value_str(&suffix));
    return text_part(r, self, 0, self->len - (there ? suffix.len : 0), out);
}

/* --- parts of a text, by optional character positions --- */

static size_t clamp(int64_t i, int64_t count)
{
    if (i < 0) i = MAX(i + count, 0);
    return (size_t)MIN(i, count);
}

/* The bytes of self[start:stop], and how many characters are before. False: start is beyond the
 * end, where even "" is not found. */
static int range_of(struct run *r, const struct value *self, const struct value *bounds,
                    struct str *part, size_t *before, bool *there)
{
    struct str s = value_str(self);
    struct value none[2] = {bounds[0], bounds[1]};
    int64_t start, stop, count = INT64_MAX / 2;
    *part = s;
    *before = 0;
    *there = true;
    for (size_t i = 0; i < 2; i++)
        if (none[i].kind == KIND_NONE) none[i] = VALUE_MISSING;
    if (!arg_given(&none[0]) && !arg_given(&none[1])) return run_charge_bytes(r, s.len);
    count = (int64_t)text_length(s);
    int err = arg_int(r, &none[0], 0, &start);
    if (!err) err = arg_int(r, &none[1], count, &stop);
    if (!err) err = run_charge_bytes(r, s.len);
    if (err) return err;
    size_t from = clamp(start, count), to = clamp(stop, count);
    *there = start <= count && from <= to;
    *before = from;
    from = text_offset(s, from);
    *part = *there ? str_n(s.ptr + from, text_offset(s, to) - from) : STR("");
    return 0;
}

/* The first or the last one. */
static int find_either(struct run *r, struct str s, struct str needle, bool last, ptrdiff_t *out)
{
    if (last) return text_find_last(r, s, needle, out);
    *out = text_find(s, needle, 0);
    return 0;
}

static int find(struct run *r, const struct value *self, const struct args *args, bool last,
                int64_t *out)
{
    struct value needle;
    struct str part;
    size_t before;
    bool there;
    int err = arg_text(r, &args->items[0], &needle);
    if (!err) err = range_of(r, self, &args->items[1], &part, &before, &there);
    if (err) return err;
    ptrdiff_t hit = -1;
    err = find_either(r, part, value_str(&needle), last, &hit);
    *out = !there || hit < 0 ? -1 : (int64_t)(before + text_length(str_n(part.ptr, (size_t)hit)));
    return err;
}

static int find_as(struct run *r, const struct value *self, const struct args *args, bool last,
                   bool must, struct value *out)
{
    int64_t at = -1;
    int err = find(r, self, args, last, &at);
    if (!err && must && at < 0) return run_raise(r, "substring not found");
    *out = value_int(at);
    return err;
}

METHOD(on_find)
{
    return find_as(r, self, args, false, false, out);
}

METHOD(on_rfind)
{
    return find_as(r, self, args, true, false, out);
}

METHOD(on_index)
{
    return find_as(r, self, args, false, true, out);
}

METHOD(on_rindex)
{
    return find_as(r, self, args, true, true, out);
}

METHOD(on_count)
{
    struct value needle;
    struct str part;
    size_t before, from = 0;
    bool there;
    int64_t count = 0;
    int err = arg_text(r, &args->items[0], &needle);
    if (!err) err = range_of(r, self, &args->items[1], &part, &before, &there);
    if (err) return err;
    if (needle.len == 0) count = there ? (int64_t)text_length(part) + 1 : 0;
    for (ptrdiff_t hit; needle.len && (hit = text_find(part, value_str(&needle), from)) >= 0;
         count++)
        from = (size_t)hit + needle.len;
    *out = value_int(count);
    return 0;
}

typedef bool (*affix_fn)(struct str s, struct str affix);

static bool starts(struct str s, struct str prefix)
{
    return str_starts(s, prefix);
}

static int affix(struct run *r, const struct value *self, const struct args *args, affix_fn is,
                 struct value *out)
{
    const struct value *wanted = &args->items[0];
    struct str part;
    size_t before;
    bool there, found = false;
    int err = range_of(r, self, &args->items[1], &part, &before, &there);
    if (err) return err;
    size_t count = wanted->kind == KIND_TUPLE ? wanted->list->count : 1;
    for (size_t i = 0; i < count; i++) {
        const struct value *one = wanted->kind == KIND_TUPLE ? &wanted->list->items[i] : wanted;
        if (one->kind != KIND_TEXT)
            return run_raise(r, "the first argument must be str or a tuple of str, not %s",
                             value_type(one));
        found = found || (there && is(part, value_str(one)));
    }
    *out = value_bool(found);
    return 0;
}

METHOD(on_startswith)
{
    return affix(r, self, args, starts, out);
}

METHOD(on_endswith)
{
    return affix(r, self, args, str_ends, out);
}

/* --- taking apart --- */

static int split(struct run *r, const struct value *self, const struct args *args, bool from_right,
                 struct value *out)
{
    int64_t max;
    struct value separator = args->items[0];
    if (!arg_given(&separator)) separator = VALUE_NONE;
    if (separator.kind != KIND_NONE && separator.kind != KIND_TEXT)
        return run_raise(r, "must be str or None, not %s", value_type(&separator));
    int err = arg_int(r, &args->items[1], -1, &max);
    return err ? err : text_split(r, self, &separator, max, from_right, out);
}

METHOD(on_split)
{
    return split(r, self, args, false, out);
}

METHOD(on_rsplit)
{
    return split(r, self, args, true, out);
}

METHOD(on_splitlines)
{
    return text_lines(r, self, arg_true(&args->items[0]), out);
}

/* Three parts around the separator; without one the text and two empty ones. */
static int partition(struct run *r, const struct value *self, const struct args *args, bool last,
                     struct value *out)
{
    struct value separator;
    int err = arg_text(r, &args->items[0], &separator);
    if (!err && separator.len == 0) err = run_raise(r, "empty separator");
    if (!err) err = run_charge_bytes(r, self->len);
    if (!err) err = list_new(r, KIND_TUPLE, 3, out);
    if (err) return err;
    struct str s = value_str(self), needle = value_str(&separator);
    ptrdiff_t hit = -1;
    err = find_either(r, s, needle, last, &hit);
    if (err) return err;
    size_t from = hit >= 0 ? (size_t)hit : last ? 0 : s.len;
    size_t to = hit >= 0 ? from + needle.len : from;
    struct value *parts = out->list->items;
    err = text_part(r, self, 0, from, &parts[0]);
    if (!err) err = text_part(r, self, from, to, &parts[1]);
    if (!err && hit >= 0) parts[1] = separator;
    parts[1].markup = self->markup;
    return err ? err : text_part(r, self, to, s.len, &parts[2]);
}

METHOD(on_partition)
{
    return partition(r, self, args, false, out);
}

METHOD(on_rpartition)
{
    return partition(r, self, args, true, out);
}

METHOD(on_replace)
{
    int64_t max;
    struct value old, replacement;
    int err = arg_text(r, &args->items[0], &old);
    if (!err) err = arg_text(r, &args->items[1], &replacement);
    if (!err) err = arg_int(r, &args->items[2], -1, &max);
    if (!err && self->markup) err = markup_escape(r, &replacement, &replacement);
    return err ? err : text_replace(r, self, &old, &replacement, max, out);
}

/* Markup takes what is no text, too. */
static int join_escaped(struct run *r, const struct value *self, const struct value *list,
                        struct value *out)
{
    struct walk w;
    struct items items = {0};
    struct value item, text;
    int err = walk_start(r, list, &w);
    while (!err && !(err = walk_next(r, &w, &item))) {
        err = value_to_text(r, &item, &text);
        if (!err) err = markup_escape(r, &text, &text);
        if (!err) err = items_add(r, &items, &text);
    }
    if (err != WALK_END) return err;
    err = items_end(r, &items, KIND_LIST, &item);
    return err ? err : text_join_all(r, self, &item, false, out);
}

METHOD(on_join)
{
    return self->markup ? join_escaped(r, self, &args->items[0], out)
                        : text_join_all(r, self, &args->items[0], false, out);
}

METHOD(on_format)
{
    return format_braces(r, self, args, r->hooks->member, out);
}

/* --- case --- */

METHOD(on_upper)
{
    return text_in_case(r, self, CASE_UPPER, out);
}

METHOD(on_lower)
{
    return text_in_case(r, self, CASE_LOWER, out);
}

METHOD(on_title)
{
    return text_in_case(r, self, CASE_TITLE, out);
}

METHOD(on_capitalize)
{
    return text_in_case(r, self, CASE_CAPITAL, out);
}

METHOD(on_swapcase)
{
    return text_in_case(r, self, CASE_SWAPPED, out);
}

/* --- width --- */

static int justify(struct run *r, const struct value *self, const struct args *args,
                   enum justify how, struct value *out)
{
    int64_t width;
    const struct value *fill = arg_given(&args->items[1]) ? &args->items[1] : NULL;
    if (fill && (fill->kind != KIND_TEXT || text_length(value_str(fill)) != 1))
        return run_raise(r, "the fill character must be exactly one character long");
    int err = arg_int(r, &args->items[0], 0, &width);
    return err ? err : text_justify(r, self, width, fill, how, out);
}

METHOD(on_ljust)
{
    return justify(r, self, args, JUSTIFY_LEFT, out);
}

METHOD(on_rjust)
{
    return justify(r, self, args, JUSTIFY_RIGHT, out);
}

METHOD(on_center)
{
    return justify(r, self, args, JUSTIFY_CENTER, out);
}

METHOD(on_zfill)
{
    int64_t width;
    struct sink s = {0};
    size_t len = text_length(value_str(self));
    bool sign = self->len && (self->bytes[0] == '-' || self->bytes[0] == '+');
    int err = arg_int(r, &args->items[0], 0, &width);
    if (err) return err;
    size_t missing = width > (int64_t)len ? (size_t)width - len : 0;
    if (sign) err = sink_put_part(r, &s, self, 0, 1);
    if (!err) err = sink_fill(r, &s, '0', missing, self->own && !self->marks);
    if (!err) err = sink_put_part(r, &s, self, sign, self->len);
    return err ? err : sink_end(r, &s, out);
}

METHOD(on_expandtabs)
{
    int64_t size;
    struct sink s = {0};
    struct str text = value_str(self);
    size_t column = 0;
    int err = arg_int(r, &args->items[0], 8, &size);
    for (size_t at = 0, step; !err && at < text.len; at += step) {
        char c = text.ptr[at];
        step = text_step(text, at);
        if (c == '\t') {
            size_t width = size > 0 ? (size_t)size - column % (size_t)size : 0;
            err = sink_fill(r, &s, ' ', width, text_own_at(self, at));
            column += width;
            continue;
        }
        err = sink_put_part(r, &s, self, at, at + step);
        column = c == '\n' || c == '\r' ? 0 : column + 1;
    }
    return err ? err : sink_end(r, &s, out);
}

/* --- questions --- */

enum question { IS_DIGIT, IS_ALPHA, IS_ALNUM, IS_SPACE, IS_ASCII, IS_PRINTABLE };

static bool is(const struct run *r, enum question q, uint32_t code)
{
    switch (q) {
    case IS_DIGIT: return letter_is_digit(code);
    case IS_ALPHA: return letter_is_alpha(r, code);
    case IS_ALNUM: return letter_is_alpha(r, code) || letter_is_digit(code);
    case IS_SPACE: return letter_is_space(code);
    case IS_ASCII: return code < 0x80;
    case IS_PRINTABLE: return letter_is_printable(r, code);
    }
    return false;
}

static int all_are(struct run *r, const struct value *self, enum question q, struct value *out)
{
    struct str s = value_str(self);
    bool all = s.len > 0 || q == IS_ASCII || q == IS_PRINTABLE;
    size_t bytes;
    for (size_t at = 0; all && at < s.len; at += bytes)
        all = is(r, q, text_code(s, at, &bytes));
    *out = value_bool(all);
    return run_charge_bytes(r, s.len);
}

METHOD(on_isdigit)
{
    return all_are(r, self, IS_DIGIT, out);
}

METHOD(on_isalpha)
{
    return all_are(r, self, IS_ALPHA, out);
}

METHOD(on_isalnum)
{
    return all_are(r, self, IS_ALNUM, out);
}

METHOD(on_isspace)
{
    return all_are(r, self, IS_SPACE, out);
}

METHOD(on_isascii)
{
    return all_are(r, self, IS_ASCII, out);
}

METHOD(on_isprintable)
{
    return all_are(r, self, IS_PRINTABLE, out);
}

METHOD(on_isupper)
{
    return text_is_cased(r, self, true, out);
}

METHOD(on_islower)
{
    return text_is_cased(r, self, false, out);
}

METHOD(on_istitle)
{
    struct str s = value_str(self);
    bool in_word = false, any = false, fits = true;
    size_t bytes;
    for (size_t at = 0; fits && at < s.len; at += bytes) {
        uint32_t code = text_code(s, at, &bytes);
        bool up = letter_is_upper(r, code), low = letter_is_lower(r, code);
        fits = !(up && in_word) && !(low && !in_word);
        in_word = up || low;
        any = any || in_word;
    }
    *out = value_bool(fits && any);
    return run_charge_bytes(r, s.len);
}

METHOD(on_refused)
{
    (void)self;
    (void)out;
    return run_fail(r, ERR_UNSUPPORTED, "this method of str is not supported");
}

const struct builtin text_methods[] = {
    {"strip", on_strip, "?chars"},
    {"split", on_split, "?sep ?maxsplit"},
    {"startswith", on_startswith, "prefix ?start ?end"},
    {"endswith", on_endswith, "suffix ?start ?end"},
    {"lstrip", on_lstrip, "?chars"},
    {"rstrip", on_rstrip, "?chars"},
    {"replace", on_replace, "old new ?count"},
    {"upper", on_upper, ""},
    {"lower", on_lower, ""},
    {"title", on_title, ""},
    {"capitalize", on_capitalize, ""},
    {"swapcase", on_swapcase, ""},
    {"casefold", on_lower, ""},
    {"join", on_join, "iterable"},
    {"format", on_format, "*"},
    {"rsplit", on_rsplit, "?sep ?maxsplit"},
    {"splitlines", on_splitlines, "?keepends"},
    {"partition", on_partition, "sep"},
    {"rpartition", on_rpartition, "sep"},
    {"find", on_find, "sub ?start ?end"},
    {"rfind", on_rfind, "sub ?start ?end"},
    {"index", on_index, "sub ?start ?end"},
    {"rindex", on_rindex, "sub ?start ?end"},
    {"count", on_count, "sub ?start ?end"},
    {"removeprefix", on_removeprefix, "prefix"},
    {"removesuffix", on_removesuffix, "suffix"},
    {"isdigit", on_isdigit, ""},
    {"isdecimal", on_isdigit, ""},
    {"isnumeric", on_isdigit, ""},
    {"isalpha", on_isalpha, ""},
    {"isalnum", on_isalnum, ""},
    {"isspace", on_isspace, ""},
    {"isupper", on_isupper, ""},
    {"islower", on_islower, ""},
    {"istitle", on_istitle, ""},
    {"isascii", on_isascii, ""},
    {"isprintable", on_isprintable, ""},
    {"zfill", on_zfill, "width"},
    {"ljust", on_ljust, "width ?fillchar"},
    {"rjust", on_rjust, "width ?fillchar"},
    {"center", on_center, "width ?fillchar"},
    {"expandtabs", on_expandtabs, "?tabsize"},
    {"encode", on_refused, "*"},
    {"translate", on_refused, "*"},
    {"format_map", on_refused, "*"},
    {"isidentifier", on_refused, "*"},
};

const size_t text_methods_count = ARRAY_LEN(text_methods);
