/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/getter.h"

#include "jinja/attribute.h"
#include "jinja/letters.h"
#include "jinja/walk.h"

int getter_init(struct run *r, struct getter *g, const struct value *attribute, bool fold)
{
    *g = (struct getter){.attribute = VALUE_NONE, .fold = fold};
    if (attribute->kind == KIND_MISSING || attribute->kind == KIND_NONE) return 0;
    if (attribute->kind != KIND_TEXT && attribute->kind != KIND_INT)
        return run_raise(r, "an attribute is a string or a number, not %s", value_type(attribute));
    g->attribute = *attribute;
    return 0;
}

int getter_fold(struct run *r, struct value *v)
{
    struct value text = *v;
    return v->kind == KIND_TEXT ? text_in_case(r, &text, CASE_LOWER, v) : 0;
}

static bool is_number(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] < '0' || name.ptr[i] > '9') return false;
    return name.len > 0;
}

/* One step of "a.0.b". */
static int take(struct run *r, const struct getter *g, struct str name, struct value *v)
{
    int64_t index;
    struct value from = *v, key = value_text(name, true);
    if (is_number(name) && !str_to_i64(name, &index)) key = value_int(index);
    int err = attribute_item(r, &from, &key, v);
    if (!err && v->kind == KIND_UNDEFINED && g->otherwise.kind != KIND_MISSING) *v = g->otherwise;
    return err;
}

static int get_path(struct run *r, const struct getter *g, struct str path,
                    const struct value *member, struct value *out)
{
    struct str name;
    int err = 0;
    *out = *member;
    while (!err && str_cut(&path, '.', &name))
        err = take(r, g, name, out);
    if (!err && g->fold) err = getter_fold(r, out);
    return err;
}

int getter_get(struct run *r, const struct getter *g, const struct value *member, struct value *out)
{
    if (g->attribute.kind == KIND_TEXT)
        return get_path(r, g, value_str(&g->attribute), member, out);
    *out = *member;
    int err = 0;
    if (g->attribute.kind == KIND_INT) err = attribute_item(r, member, &g->attribute, out);
    if (!err && out->kind == KIND_UNDEFINED && g->otherwise.kind != KIND_MISSING)
        *out = g->otherwise;
    if (!err && g->fold) err = getter_fold(r, out);
    return err;
}

int getter_get_all(struct run *r, const struct getter *g, const struct value *member,
                   struct value *out)
{
    struct items items = {0};
    struct str rest = value_str(&g->attribute), path;
    struct value one;
    int err = 0;
    if (g->attribute.kind != KIND_TEXT) {
        err = getter_get(r, g, member, &one);
        if (!err) err = items_add(r, &items, &one);
        return err ? err : items_end(r, &items, KIND_TUPLE, out);
    }
    while (!err && str_cut(&rest, ',', &path)) {
        err = get_path(r, g, path, member, &one);
        if (!err) err = items_add(r, &items, &one);
    }
    return err ? err : items_end(r, &items, KIND_TUPLE, out);
}

int getter_map(struct run *r, const struct getter *g, const struct value *list, struct value *out)
{
    struct walk w;
    struct items items = {0};
    struct value member, one;
    int err = walk_start(r, list, &w);
    while (!err && !(err = walk_next(r, &w, &member))) {
        err = getter_get(r, g, &member, &one);
        if (!err) err = items_add(r, &items, &one);
    }
    return err == WALK_END ? stream_of(r, &items, out) : err;
}
