/* SPDX-License-Identifier: Apache-2.0 */
/* Fills structs from the tree, row by row. */
#include "base/nearest.h"
#include "conf/conf_priv.h"
#include "conf/group.h"

static void read_group(struct conf__load *l, const struct conf_group *group, void *base,
                       const struct node *map, struct str path);

static bool is_map(struct conf__load *l, const struct conf_group *group, const struct node *n,
                   struct str setting)
{
    if (n->kind == NODE_MAP) return true;
    conf__problem(l, n, setting, "is %s; settings such as `%s:` are expected below it",
                  node_kind_text(n->kind), group->rows[0].name);
    return false;
}

/* A group as a map, or as the one text that is its short form. */
static void read_inner(struct conf__load *l, const struct conf_group *group, void *base,
                       const struct node *n, struct str setting)
{
    struct node empty = *n;
    if (group->text_row && n->kind == NODE_NULL) empty.kind = NODE_SCALAR;
    if (group->text_row && empty.kind == NODE_SCALAR)
        n = tree_wrap(&l->scratch, &empty, str_of(group->text_row));
    read_group(l, group, base, is_map(l, group, n, setting) ? n : NULL, setting);
}

/* Whether `n` is a list, or one item that may stand in place of a list. */
static bool is_list(struct conf__load *l, const struct conf_row *row, const struct node *n,
                    struct str setting)
{
    if (n->kind == NODE_LIST || row->group->text_row) return true;
    conf__problem(l, n, setting, "is %s; a list is expected, each item of it begins with \"- %s:\"",
                  node_kind_text(n->kind), row->group->rows[0].name);
    return false;
}

static void read_list(struct conf__load *l, const struct conf_row *row, void *base,
                      const struct node *n, struct str setting)
{
    if (!is_list(l, row, n, setting)) return;
    size_t count = n->kind == NODE_LIST ? n->count : 1;
    if (count > row->max) {
        conf__problem(l, n, setting, "has more than %zu items", (size_t)row->max);
        return;
    }
    conf__set_items(row, base, count ? arena_zalloc(l->arena, count * row->group->size) : NULL,
                    count);
    const struct node *item = n->kind == NODE_LIST ? n->first : n;
    for (size_t i = 0; i < count; i++, item = item->next) {
        struct str path = arena_printf(&l->scratch, "%" STR_FMT "[%zu]", STR_ARG(setting), i);
        read_inner(l, row->group, conf__item(row, base, i), item, path);
    }
}

static void read_optional(struct conf__load *l, const struct conf_row *row, void *base,
                          const struct node *n, struct str setting)
{
    void *inner = arena_zalloc(l->arena, row->group->size);
    read_inner(l, row->group, inner, n, setting);
    *(void **)conf__field(row, base) = inner;
}

static void read_row(struct conf__load *l, const struct conf_row *row, void *base,
                     const struct node *n, struct str setting)
{
    switch (row->type) {
    case CONF_TEXTS: conf__read_texts(l, row, base, n, setting); break;
    case CONF_PAIRS: conf__read_pairs(l, row, base, n, setting); break;
    case CONF_LIST: read_list(l, row, base, n, setting); break;
    case CONF_GROUP: read_inner(l, row->group, conf__field(row, base), n, setting); break;
    case CONF_OPTIONAL: read_optional(l, row, base, n, setting); break;
    default: conf__read_value(l, row, base, n, setting); break;
    }
}

/* Defaults are text in the table and go through the same readers. */
static void set_default(struct conf__load *l, const struct conf_row *row, void *base)
{
    if (row->type == CONF_GROUP) read_group(l, row->group, conf__field(row, base), NULL, STR(""));
    if (row->flags & CONF_INHERIT) *(uint64_t *)conf__field(row, base) = CONF_UNSET;
    if (!row->standard) return;
    struct node n = {.kind = NODE_SCALAR, .text = str_of(row->standard)};
    read_row(l, row, base, &n, str_of(row->name));
}

/* The names of all rows, then their former ones. */
static struct str row_candidate(const void *ctx, size_t i)
{
    const struct conf_group *group = ctx;
    const struct conf_row *row = &group->rows[i % group->row_count];
    return str_of(i < group->row_count || !row->former ? row->name : row->former);
}

/* The row that is or was called so. */
static const char *name_now(const struct conf_group *group, struct str name)
{
    for (size_t i = 0; i < group->row_count; i++)
        if (str_eq(name, str_of(group->rows[i].former))) return group->rows[i].name;
    return NULL;
}

static void unknown(struct conf__load *l, const struct conf_group *group, const struct node *n,
                    struct str setting)
{
    struct str near = nearest_word(n->name, row_candidate, group, 2 * group->row_count);
    const char *now = near.len ? name_now(group, near) : NULL;
    if (now) near = str_of(now);
    if (near.len) {
        conf__problem(l, n, setting, "unknown setting; did you mean \"%" STR_FMT "\"?",
                      STR_ARG(near));
        return;
    }
    struct str known = STR("");
    for (size_t i = 0; i < group->row_count; i++)
        known = arena_printf(&l->scratch, "%" STR_FMT "%s%s", STR_ARG(known), i ? ", " : "",
                             group->rows[i].name);
    conf__problem(l, n, setting, "unknown setting; known here are %" STR_FMT, STR_ARG(known));
}

static void require(struct conf__load *l, const struct conf_group *group, const struct node *map,
                    struct str path)
{
    for (size_t i = 0; i < group->row_count; i++) {
        const struct conf_row *row = &group->rows[i];
        const struct node *n = tree_get(map, str_of(row->name));
        bool required = (row->flags & CONF_REQUIRED) && !row->choice;
        if (!required || (n && n->kind != NODE_NULL)) continue;
        conf__problem(l, n ? n : map, conf__setting(l, path, str_of(row->name)),
                      "is missing: write %s", row->wanted);
    }
}

/* `map` NULL: defaults only. */
static void read_group(struct conf__load *l, const struct conf_group *group, void *base,
                       const struct node *map, struct str path)
{
    for (size_t i = 0; i < group->row_count; i++)
        set_default(l, &group->rows[i], base);
    if (!map) return;
    if (group->line_offset) *(unsigned *)(void *)((char *)base + group->line_offset) = map->line;
    for (const struct node *n = map->first; n; n = n->next) {
        const struct conf_row *row = conf__row(group, n->name);
        struct str setting =
            n->unnamed ? path : conf__setting(l, path, n->written.len ? n->written : n->name);
        if (!row)
            unknown(l, group, n, setting);
        else if (n->kind != NODE_NULL)
            read_row(l, row, base, n, setting);
    }
    require(l, group, map, path);
    conf__choices(l, group, base, map, path);
}

void conf__read(struct conf__load *l)
{
    if (!l->root || is_map(l, l->schema, l->root, STR("")))
        read_group(l, l->schema, l->base, l->root, STR(""));
}
