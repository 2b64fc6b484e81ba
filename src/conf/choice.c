/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a group of which one is written, and rows that belong to one of them. */
#include "conf/conf_priv.h"
#include "conf/group.h"

/* One group that was read. */
struct chooser {
    struct conf__load *load;
    const struct conf_group *group;
    const void *base;
    const struct node *map;
    struct str path;
};

/* An empty text or list is as good as none. */
static bool written(const struct chooser *c, const struct conf_row *row)
{
    const struct node *n = tree_get(c->map, str_of(row->name));
    return n && n->kind != NODE_NULL && !conf__empty(row, c->base);
}

/* The first written alternative behind `after`, which is NULL or one of them. */
static const struct conf_row *next_written(const struct chooser *c, unsigned choice,
                                           const struct conf_row *after)
{
    const struct conf_row *row = after;
    while ((row = conf__alternative(c->group, choice, row)))
        if (written(c, row)) return row;
    return NULL;
}

/* "`file` (a GGUF file) or `command` (another runtime)" */
static struct str wanted(const struct chooser *c, unsigned choice)
{
    const struct conf_row *row = conf__alternative(c->group, choice, NULL), *next;
    struct str text = STR("");
    for (const char *between = ""; row; row = next) {
        next = conf__alternative(c->group, choice, row);
        text = arena_printf(&c->load->scratch, "%" STR_FMT "%s`%s` (%s)", STR_ARG(text), between,
                            row->name, row->wanted);
        between = next && conf__alternative(c->group, choice, next) ? ", " : " or ";
    }
    return text;
}

static void check_choice(const struct chooser *c, unsigned choice, bool required)
{
    const struct conf_row *first = next_written(c, choice, NULL);
    const struct conf_row *second = first ? next_written(c, choice, first) : NULL;
    if (second)
        conf__finding(c->load, c->path, "has both `%s` and `%s`: keep one", first->name,
                      second->name);
    else if (!first && required)
        conf__finding(c->load, c->path, "needs %" STR_FMT, STR_ARG(wanted(c, choice)));
}

static void check_belonging(const struct chooser *c, const struct conf_row *row)
{
    const struct conf_row *owner = conf__row(c->group, str_of(row->belongs_to));
    if (written(c, owner) || !written(c, row)) return;
    const struct conf_row *other = next_written(c, owner->choice, NULL);
    struct str setting = conf__setting(c->load, c->path, str_of(row->name));
    if (other)
        conf__finding(c->load, setting, "belongs to `%s`, not to `%s`%s%s", row->belongs_to,
                      other->name, other->instead ? ": " : "",
                      other->instead ? other->instead : "");
    else if (!(owner->flags & CONF_REQUIRED))
        conf__finding(c->load, setting, "belongs to `%s`, which is not written", row->belongs_to);
}

void conf__choices(struct conf__load *l, const struct conf_group *group, const void *base,
                   const struct node *map, struct str path)
{
    const struct chooser c = {l, group, base, map, path};
    l->reading_problems = l->problems->count;
    for (size_t i = 0; i < group->row_count; i++) {
        const struct conf_row *row = &group->rows[i];
        if (row->choice && row == conf__alternative(group, row->choice, NULL))
            check_choice(&c, row->choice, row->flags & CONF_REQUIRED);
        if (row->belongs_to) check_belonging(&c, row);
    }
}
