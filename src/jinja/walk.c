/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/walk.h"

#include "jinja/dict.h"
#include "jinja/text.h"

bool value_is_iterable(const struct value *v)
{
    switch ((enum kind)v->kind) {
    case KIND_MISSING:
    case KIND_UNDEFINED:
    case KIND_TEXT:
    case KIND_LIST:
    case KIND_TUPLE:
    case KIND_DICT:
    case KIND_VIEW:
    case KIND_RANGE:
    case KIND_STREAM: return true;
    default: return false;
    }
}

int walk_start(struct run *r, const struct value *v, struct walk *w)
{
    if (!value_is_iterable(v)) return run_raise(r, "'%s' object is not iterable", value_type(v));
    *w = (struct walk){.of = *v};
    return 0;
}

static int next_character(struct run *r, struct walk *w, struct value *out)
{
    if (w->at >= w->of.len) return WALK_END;
    size_t from = w->at;
    w->at += text_step(value_str(&w->of), from);
    int err = text_part(r, &w->of, from, w->at, out);
    out->markup = false;
    return err;
}

static int next_of_list(struct walk *w, size_t *at, struct value *out)
{
    if (*at >= w->of.list->count) return WALK_END;
    *out = w->of.list->items[(*at)++];
    return 0;
}

static int next_key(struct walk *w, struct value *out)
{
    if (w->at >= w->of.dict->count) return WALK_END;
    *out = w->of.dict->entries[w->at++].key;
    return 0;
}

static int next_of_range(struct walk *w, struct value *out)
{
    if (w->at >= w->of.range->count) return WALK_END;
    *out = value_at(&w->of, w->at++);
    return 0;
}

int walk_next(struct run *r, struct walk *w, struct value *out)
{
    int err = run_charge(r, 1);
    if (err) return err;
    switch ((enum kind)w->of.kind) {
    case KIND_TEXT: return next_character(r, w, out);
    case KIND_LIST:
    case KIND_TUPLE:
    case KIND_VIEW: return next_of_list(w, &w->at, out);
    case KIND_STREAM: return next_of_list(w, &w->of.list->next, out);
    case KIND_DICT: return next_key(w, out);
    case KIND_RANGE: return next_of_range(w, out);
    default: return WALK_END;
    }
}

bool value_length(const struct value *v, size_t *out)
{
    switch ((enum kind)v->kind) {
    case KIND_MISSING:
    case KIND_UNDEFINED: *out = 0; return true;
    case KIND_TEXT: *out = text_length(value_str(v)); return true;
    case KIND_LIST:
    case KIND_TUPLE:
    case KIND_VIEW: *out = v->list->count; return true;
    case KIND_DICT: *out = v->dict->count; return true;
    case KIND_RANGE: *out = v->range->count; return true;
    default: return false;
    }
}

int value_members(struct run *r, const struct value *v, const struct list **out)
{
    struct walk w;
    struct value member;
    struct items items = {0};
    if (value_is_sequence(v) || v->kind == KIND_VIEW) {
        *out = v->list;
        return 0;
    }
    int err = walk_start(r, v, &w);
    while (!err && !(err = walk_next(r, &w, &member)))
        err = items_add(r, &items, &member);
    if (err != WALK_END) return err;
    err = items_end(r, &items, KIND_LIST, &member);
    if (!err) *out = member.list;
    return err;
}

struct value value_at(const struct value *v, size_t i)
{
    if (v->kind != KIND_RANGE) return v->list->items[i];
    struct value out = value_int(v->range->start + v->range->step * (int64_t)i);
    out.own = v->own;
    return out;
}

static int character_at(struct run *r, const struct value *v, size_t i, struct value *out)
{
    struct str s = value_str(v);
    size_t at = text_offset(s, i);
    return text_part(r, v, at, at + text_step(s, at), out);
}

int value_index(struct run *r, const struct value *v, int64_t i, struct value *out)
{
    size_t count = 0;
    *out = VALUE_MISSING;
    if (!value_is_sequence(v) && v->kind != KIND_RANGE && v->kind != KIND_TEXT) return 0;
    if (v->kind == KIND_TEXT) {
        int err = run_charge_bytes(r, v->len);
        if (err) return err;
    }
    value_length(v, &count);
    if (i < 0) i += (int64_t)count;
    if (i < 0 || (size_t)i >= count) return 0;
    if (v->kind == KIND_TEXT) return character_at(r, v, (size_t)i, out);
    *out = value_at(v, (size_t)i);
    return 0;
}

/* --- slices --- */

struct slice {
    int64_t from, step;
    size_t count;
};

static void bound_of(const struct value *v, int64_t otherwise, int64_t low, int64_t high,
                     int64_t count, int64_t *out)
{
    int64_t i = 0;
    *out = otherwise;
    if (v->kind == KIND_NONE) return;
    value_to_int(v, &i);
    if (i < 0) i = i < -count ? low : i + count;
    *out = MAX(low, MIN(i, high));
}

/* Python's slice.indices(). */
static int slice_of(struct run *r, const struct value *from, const struct value *to,
                    const struct value *step, int64_t count, struct slice *out)
{
    int64_t stop;
    out->step = 1;
    if (step->kind != KIND_NONE) value_to_int(step, &out->step);
    if (out->step == 0) return run_raise(r, "slice step cannot be zero");
    bool back = out->step < 0;
    int64_t low = back ? -1 : 0, high = back ? count - 1 : count;
    bound_of(from, back ? high : low, low, high, count, &out->from);
    bound_of(to, back ? low : high, low, high, count, &stop);
    uint64_t span = back ? (uint64_t)(out->from - stop) : (uint64_t)(stop - out->from);
    uint64_t stride = back ? 0 - (uint64_t)out->step : (uint64_t)out->step;
    bool empty = back ? out->from <= stop : stop <= out->from;
    out->count = empty ? 0 : (size_t)((span - 1) / stride + 1);
    return 0;
}

/* Where each character begins. */
static int offsets_of(struct run *r, struct str s, uint32_t **out)
{
    size_t n = 0;
    int err = run_alloc(r, text_length(s), sizeof **out, out);
    for (size_t at = 0; !err && at < s.len; at += text_step(s, at))
        (*out)[n++] = (uint32_t)at;
    return err;
}

static int slice_of_text(struct run *r, const struct value *v, const struct slice *slice,
                         struct value *out)
{
    struct str s = value_str(v);
    struct sink sink = {0};
    uint32_t *offsets = NULL;
    int err;
    if (slice->count == 0) return text_part(r, v, 0, 0, out);
    if (slice->step == 1) {
        size_t from = text_offset(s, (size_t)slice->from);
        size_t len = text_offset(str_skip(s, from), slice->count);
        return text_part(r, v, from, from + len, out);
    }
    err = text_is_ascii(s) ? 0 : offsets_of(r, s, &offsets);
    for (size_t i = 0; !err && i < slice->count; i++) {
        size_t index = (size_t)(slice->from + slice->step * (int64_t)i);
        size_t at = offsets ? offsets[index] : index;
        err = run_charge(r, 1);
        if (!err) err = sink_put_part(r, &sink, v, at, at + text_step(s, at));
    }
    return err ? err : sink_end(r, &sink, out);
}

static int slice_of_list(struct run *r, const struct value *v, const struct slice *slice,
                         struct value *out)
{
    int err = list_new(r, v->kind, slice->count, out);
    if (!err) err = run_charge(r, slice->count / 8);
    for (size_t i = 0; !err && i < slice->count; i++)
        out->list->items[i] = v->list->items[slice->from + slice->step * (int64_t)i];
    return err;
}

static int slice_of_range(struct run *r, const struct value *v, const struct slice *slice,
                          struct value *out)
{
    struct range *range;
    int err = run_alloc(r, 1, sizeof *range, &range);
    if (err) return err;
    int64_t start = v->range->start + v->range->step * slice->from;
    int64_t step = v->range->step * slice->step;
    *range = (struct range){start, start + step * (int64_t)slice->count, step, slice->count};
    *out = (struct value){.kind = KIND_RANGE, .own = v->own, .range = range};
    return 0;
}

static bool can_be_sliced(const struct value *v)
{
    return value_is_sequence(v) || v->kind == KIND_TEXT || v->kind == KIND_RANGE;
}

static bool is_bound(const struct value *v)
{
    return v->kind == KIND_NONE || v->kind == KIND_INT || v->kind == KIND_BOOL;
}

int value_slice(struct run *r, const struct value *v, const struct value *from,
                const struct value *to, const struct value *step, struct value *out)
{
    struct slice slice = {0};
    size_t count = 0;
    if (!can_be_sliced(v)) return run_raise(r, "'%s' object is not subscriptable", value_type(v));
    if (!is_bound(from) || !is_bound(to) || !is_bound(step))
        return run_raise(r, "slice indices must be integers or None");
    value_length(v, &count);
    int err = slice_of(r, from, to, step, (int64_t)count, &slice);
    if (!err && v->kind == KIND_TEXT) err = run_charge_bytes(r, v->len);
    if (err) return err;
    if (v->kind == KIND_TEXT) return slice_of_text(r, v, &slice, out);
    if (v->kind == KIND_RANGE) return slice_of_range(r, v, &slice, out);
    return slice_of_list(r, v, &slice, out);
}

/* --- membership --- */

static int text_contains(struct run *r, const struct value *in, const struct value *v, bool *out)
{
    if (v->kind != KIND_TEXT)
        return run_raise(r, "'in <string>' requires string as left operand, not %s", value_type(v));
    *out = text_find(value_str(in), value_str(v), 0) >= 0;
    return run_charge_bytes(r, in->len);
}

static int dict_contains(struct run *r, const struct value *in, const struct value *v, bool *out)
{
    const struct value *found;
    if (!dict_find(r, in->dict, v, &found))
        return run_raise(r, "unhashable type: '%s'", value_type(v));
    *out = found != NULL;
    return 0;
}

int value_contains(struct run *r, const struct value *in, const struct value *v, bool *out)
{
    struct walk w;
    struct value member;
    if (in->kind == KIND_TEXT) return text_contains(r, in, v, out);
    if (in->kind == KIND_DICT) return dict_contains(r, in, v, out);
    int err = walk_start(r, in, &w);
    *out = false;
    while (!err && !(err = walk_next(r, &w, &member)))
        if (value_equal(r, &member, v)) {
            *out = true;
            return 0;
        }
    return err == WALK_END ? 0 : err;
}

int stream_of(struct run *r, const struct items *items, struct value *out)
{
    return items_end(r, items, KIND_STREAM, out);
}
