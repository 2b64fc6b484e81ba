/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "conf/conf_priv.h"

/* The variable that overrides a row of this name; `prefix` is empty or ends with a dot. */
static const char *variable_of(struct conf__load *l, struct str prefix, const char *row)
{
    struct str name = arena_printf(&l->scratch, "HOSTLER_%" STR_FMT "%s", STR_ARG(prefix), row);
    for (char *c = (char *)(uintptr_t)name.ptr; *c; c++) {
        if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A');
        if (*c == '.') *c = '_';
    }
    return name.ptr;
}

/* The variable's text, NULL where it is not set. */
static const char *text_of(const char *variable)
{
    const char *text = getenv(variable);
    return text && *text ? text : NULL;
}

/* The variable that is set for the row, or NULL. The one of its old name counts as well. */
static const char *find_variable(struct conf__load *l, struct str prefix,
                                 const struct conf_row *row)
{
    const char *variable = variable_of(l, prefix, row->name);
    const char *old = row->former ? variable_of(l, prefix, row->former) : NULL;
    const struct node at = {.variable = old};
    if (!old || !text_of(old)) return text_of(variable) ? variable : NULL;
    if (!text_of(variable)) {
        conf__warn(l, &at, STR(""), "has a new name: set %s", variable);
        return old;
    }
    conf__problem(l, &at, STR(""), "is the old name of %s, which is set too: keep %s", variable,
                  variable);
    return variable;
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

/* What one text in a variable can say: a value, a group's short form, or a list of those with
 * commas. */
static void override_row(struct conf__load *l, const struct conf_row *row, struct node *map,
                         struct str prefix)
{
    if (!conf__scalar(row->type) && !(row->group && row->group->text_row)) return;
    const char *variable = find_variable(l, prefix, row);
    if (!variable) return;
    struct str text = str_of(text_of(variable));
    struct node *n = row->type == CONF_LIST ? list(l, variable, text) : scalar(l, variable, text);
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
