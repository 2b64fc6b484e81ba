/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/text_parts.h"

#include "jinja/letters.h"
#include "jinja/print.h"
#include "jinja/walk.h"

/* --- replace --- */

/* Between all characters, and at both ends. */
static int replace_nothing(struct run *r, const struct value *text, const struct value *replacement,
                           int64_t max, struct sink *s)
{
    struct str all = value_str(text);
    int err = 0;
    for (size_t at = 0; !err && at <= all.len; max -= max > 0) {
        if (max) err = sink_put_text(r, s, replacement);
        if (!err) err = run_charge(r, 1);
        if (err || at == all.len) break;
        size_t step = text_step(all, at);
        err = sink_put_part(r, s, text, at, at + step);
        at += step;
    }
    return err;
}

int text_replace(struct run *r, const struct value *text, const struct value *old,
                 const struct value *replacement, int64_t max, struct value *out)
{
    struct sink s = {0};
    size_t at = 0;
    ptrdiff_t hit;
    int err = run_charge_bytes(r, text->len);
    if (!err && old->len == 0) {
        err = replace_nothing(r, text, replacement, max, &s);
        return err ? err : sink_end(r, &s, out);
    }
    while (!err && max && (hit = text_find(value_str(text), value_str(old), at)) >= 0) {
        err = sink_put_part(r, &s, text, at, (size_t)hit);
        if (!err) err = sink_put_text(r, &s, replacement);
        if (!err) err = run_charge(r, 1);
        at = (size_t)hit + old->len;
        max -= max > 0;
    }
    if (err) return err;
    if (at == 0) {
        *out = *text;
        return 0;
    }
    err = sink_put_part(r, &s, text, at, text->len);
    return err ? err : sink_end(r, &s, out);
}

/* --- split --- */

static int add_part(struct run *r, struct items *items, const struct value *text, size_t from,
                    size_t to)
{
    struct value part;
    int err = run_charge(r, 1);
    if (!err) err = text_part(r, text, from, to, &part);
    return err ? err : items_add(r, items, &part);
}

static int split_at(struct run *r, const struct value *text, struct str separator, int64_t max,
                    struct items *items)
{
    size_t from = 0;
    ptrdiff_t hit;
    int err = 0;
    while (!err && max && (hit = text_find(value_str(text), separator, from)) >= 0) {
        err = add_part(r, items, text, from, (size_t)hit);
        from = (size_t)hit + separator.len;
        max -= max > 0;
    }
    return err ? err : add_part(r, items, text, from, text->len);
}

static int split_at_from_right(struct run *r, const struct value *text, struct str separator,
                               int64_t max, struct items *items)
{
    size_t to = text->len;
    ptrdiff_t hit = -1;
    int err = 0;
    while (!err && max) {
        err = text_find_last(r, str_n(text->bytes, to), separator, &hit);
        if (err || hit < 0) break;
        err = add_part(r, items, text, (size_t)hit + separator.len, to);
        to = (size_t)hit;
        max -= max > 0;
    }
    return err ? err : add_part(r, items, text, 0, to);
}

static bool space_at(struct str s, size_t at, size_t *bytes)
{
    return letter_is_space(text_code(s, at, bytes));
}

static size_t skip_space(struct str s, size_t at)
{
    size_t bytes;
    while (at < s.len && space_at(s, at, &bytes))
        at += bytes;
    return at;
}

static int split_at_space(struct run *r, const struct value *text, int64_t max, struct items *items)
{
    struct str s = value_str(text);
    size_t bytes, at = skip_space(s, 0);
    int err = 0;
    while (!err && at < s.len) {
        size_t from = at;
        if (max == 0) return add_part(r, items, text, from, s.len);
        while (at < s.len && !space_at(s, at, &bytes))
            at += bytes;
        err = add_part(r, items, text, from, at);
        at = skip_space(s, at);
        max -= max > 0;
    }
    return err;
}

static size_t skip_back(struct str s, size_t at, bool space)
{
    while (at > 0) {
        size_t bytes, step = text_step_back(s, at);
        if (space_at(s, at - step, &bytes) != space) break;
        at -= step;
    }
    return at;
}

static int split_at_space_from_right(struct run *r, const struct value *text, int64_t max,
                                     struct items *items)
{
    struct str s = value_str(text);
    size_t to = skip_back(s, s.len, true);
    int err = 0;
    while (!err && to > 0) {
        if (max == 0) return add_part(r, items, text, 0, to);
        size_t from = skip_back(s, to, false);
        err = add_part(r, items, text, from, to);
        to = skip_back(s, from, true);
        max -= max > 0;
    }
    return err;
}

static void reverse(struct items *items)
{
    for (size_t i = 0, j = items->count; i + 1 < j; i++) {
        struct value v = items->list[i];
        items->list[i] = items->list[--j];
        items->list[j] = v;
    }
}

int text_split(struct run *r, const struct value *text, const struct value *separator, int64_t max,
               bool from_right, struct value *out)
{
    struct items items = {0};
    int err = run_charge_bytes(r, text->len);
    if (err) return err;
    if (separator->kind == KIND_NONE)
        err = from_right ? split_at_space_from_right(r, text, max, &items)
                         : split_at_space(r, text, max, &items);
    else if (separator->len == 0)
        err = run_raise(r, "empty separator");
    else
        err = from_right ? split_at_from_right(r, text, value_str(separator), max, &items)
                         : split_at(r, text, value_str(separator), max, &items);
    if (from_right) reverse(&items);
    return err ? err : items_end(r, &items, KIND_LIST, out);
}

int text_lines(struct run *r, const struct value *text, bool keep_ends, struct value *out)
{
    struct str s = value_str(text);
    struct items items = {0};
    size_t from = 0;
    int err = run_charge_bytes(r, s.len);
    for (size_t at = 0; !err && at < s.len;) {
        size_t end = text_line_break(s, at);
        if (!end) {
            at += text_step(s, at);
            continue;
        }
        err = add_part(r, &items, text, from, keep_ends ? at + end : at);
        at += end;
        from = at;
    }
    if (!err && from < s.len) err = add_part(r, &items, text, from, s.len);
    return err ? err : items_end(r, &items, KIND_LIST, out);
}

/* --- together --- */

static int put_fill(struct run *r, struct sink *s, const struct value *fill, bool own, size_t times)
{
    if (!fill) return sink_fill(r, s, ' ', times, own);
    int err = 0;
    for (size_t i = 0; !err && i < times; i++)
        err = sink_put_text(r, s, fill);
    return err;
}

int text_justify(struct run *r, const struct value *text, int64_t width, const struct value *fill,
                 enum justify how, struct value *out)
{
    struct sink s = {0};
    size_t len = text_length(value_str(text)), wanted = (size_t)MAX(width, 0);
    if (wanted <= len) {
        *out = *text;
        return 0;
    }
    if (wanted > r->output_max) return run_fail(r, ERR_TOO_LARGE, "too long a text");
    size_t missing = wanted - len, left = how == JUSTIFY_RIGHT ? missing : 0;
    if (how == JUSTIFY_CENTER) left = missing / 2 + (missing & wanted & 1);
    bool own = text->own && !text->marks;
    int err = run_charge(r, fill ? missing : 0);
    if (!err) err = put_fill(r, &s, fill, own, left);
    if (!err) err = sink_put_text(r, &s, text);
    if (!err) err = put_fill(r, &s, fill, own, missing - left);
    return err ? err : sink_end(r, &s, out);
}

int text_join_all(struct run *r, const struct value *text, const struct value *items, bool convert,
                  struct value *out)
{
    struct sink s = {0};
    struct walk w;
    struct value item;
    bool first = true;
    int err = walk_start(r, items, &w);
    while (!err && !(err = walk_next(r, &w, &item))) {
        if (!convert && item.kind != KIND_TEXT)
            return run_raise(r, "sequence item: expected str instance, %s found",
                             value_type(&item));
        if (!first) err = sink_put_text(r, &s, text);
        if (!err) err = print_str(r, &s, &item);
        first = false;
    }
    return err == WALK_END ? sink_end(r, &s, out) : err;
}
