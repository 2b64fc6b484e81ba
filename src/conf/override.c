/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "conf/conf_priv.h"

struct str conf__variable(struct arena *a, struct str prefix, const struct conf_row *row)
{
    struct str name = arena_printf(a, "HOSTLER_%" STR_FMT "%s", STR_ARG(prefix), row->name);
    for (char *c = (char *)(uintptr_t)name.ptr; *c; c++) {
        if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A');
        if (*c == '.') *c = '_';
    }
    return name;
}

static struct node *scalar(struct conf__load *l, const char *variable, struct str text)
{
    struct node *n = tree_new(&l->scratch, NODE_SCALAR, 0);
    n->text = arena_dup(&l->scratch, text);
    n->variable = variable;
    return n;
}

/* "a, b" as a list. */
static struct node *list(struct conf__load *l, const char *variable, struct str text)
{
    struct node *n = tree_new(&l->scratch, NODE_LIST, 0);
    struct str piece;
    n->variable = variable;
    while (str_cut(&text, ',', &piece))
        tree_append(n, scalar(l, variable, str_trim(piece)));
    return n;
}

static void override_group(struct conf__load *l, const struct conf_group *group, struct node *map,
                           struct str prefix);

/* Makes the group's map of its short form. */
static void spread(struct conf__load *l, const struct conf_group *group, struct node *text)
{
    struct node *map = tree_wrap(&l->scratch, text, str_of(group->text_row));
    map->name = text->name;
    map->next = text->next;
    *text = *map;
}

/* Makes the group's map where the file has none; what is no map is left for reading to refuse. */
static void override_inner(struct conf__load *l, const struct conf_row *row, struct node *map,
                           struct str prefix)
{
    struct node *inner = tree_get(map, str_of(row->name));
    bool written = inner && inner->kind != NODE_NULL;
    struct str path = arena_printf(&l->scratch, "%" STR_FMT "%s.", STR_ARG(prefix), row->name);
    if (!written) inner = tree_new(&l->scratch, NODE_MAP, 0);
    if (inner->kind == NODE_SCALAR && row->group->text_row) spread(l, row->group, inner);
    if (inner->kind != NODE_MAP) return;
    override_group(l, row->group, inner, path);
    if (!written && inner->count) tree_put(map, str_of(row->name), inner);
}

/* What one text in a variable can say: a value, a group's short form, or a list of those with commas. */
static void override_row(struct conf__load *l, const struct conf_row *row, struct node *map,
                         struct str prefix)
{
    if (!conf__scalar(row->type) && !(row->group && row->group->text_row)) return;
    const char *variable = conf__variable(&l->scratch, prefix, row).ptr;
    const char *value = getenv(variable);
    if (!value || !*value) return;
    struct node *n = row->type == CONF_LIST ? list(l, variable, str_of(value))
                                            : scalar(l, variable, str_of(value));
    tree_put(map, str_of(row->name), n);
}

static void override_group(struct conf__load *l, const struct conf_group *group, struct node *map,
                           struct str prefix)
{
    for (size_t i = 0; i < group->row_count; i++) {
        override_row(l, &group->rows[i], map, prefix);
        if (group->rows[i].type == CONF_GROUP) override_inner(l, &group->rows[i], map, prefix);
    }
}

void conf__override(struct conf__load *l)
{
    if (l->root->kind == NODE_MAP) override_group(l, l->schema, l->root, STR(""));
}
