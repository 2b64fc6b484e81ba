/* SPDX-License-Identifier: Apache-2.0 */
/* Settings that have a new name: the old one is still read, with a warning. */
#include "conf/conf_priv.h"

static bool has_former(const struct conf_group *group)
{
    for (size_t i = 0; i < group->row_count; i++) {
        const struct conf_row *row = &group->rows[i];
        if (row->former || (row->group && has_former(row->group))) return true;
    }
    return false;
}

static void rename_row(struct conf__load *l, const struct conf_row *row, struct node *map,
                       struct str path)
{
    struct node *old = tree_get(map, str_of(row->former));
    if (!old) return;
    struct str setting = conf__setting(l, path, old->name);
    if (tree_get(map, str_of(row->name))) {
        conf__problem(l, old, setting, "is the old name of `%s`, which is written too: keep `%s`",
                      row->name, row->name);
        tree_remove(map, old);
    } else {
        conf__warn(l, old, setting, "has a new name: write `%s`", row->name);
        old->written = old->name;
        old->name = str_of(row->name);
    }
}

static void rename_group(struct conf__load *l, const struct conf_group *group, struct node *map,
                         struct str path);

static void rename_list(struct conf__load *l, const struct conf_group *group, struct node *list,
                        struct str path)
{
    size_t i = 0;
    for (struct node *item = list->first; item; item = item->next)
        rename_group(l, group, item,
                     arena_printf(&l->scratch, "%" STR_FMT "[%zu]", STR_ARG(path), i++));
}

static void rename_group(struct conf__load *l, const struct conf_group *group, struct node *map,
                         struct str path)
{
    if (map->kind != NODE_MAP) return;
    for (size_t i = 0; i < group->row_count; i++) {
        const struct conf_row *row = &group->rows[i];
        if (row->former) rename_row(l, row, map, path);
        if (!row->group || !has_former(row->group)) continue;
        struct node *n = tree_get(map, str_of(row->name));
        struct str setting = conf__setting(l, path, str_of(row->name));
        if (n && n->kind == NODE_LIST)
            rename_list(l, row->group, n, setting);
        else if (n)
            rename_group(l, row->group, n, setting);
    }
}

void conf__former_names(struct conf__load *l)
{
    rename_group(l, l->schema, l->root, STR(""));
}
