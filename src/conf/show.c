/* SPDX-License-Identifier: Apache-2.0 */
/* The effective configuration as YAML or JSON: structs become a tree again, and that is printed.
 * Secrets have no way through here, since no kind prints them. */
#include "base/err.h"
#include "conf/conf_priv.h"
#include "conf/group.h"
#include "conf/types.h"
#include "json/write.h"

/* What is written for a group's struct. */

static struct node *group_node(struct arena *a, const struct conf_group *group, const void *base);

static struct node *value_node(struct arena *a, const struct conf_row *row, enum conf_type type,
                               const void *field)
{
    const struct conf_kind *kind = conf__kind(type);
    struct node *n = tree_new(a, NODE_SCALAR, 0);
    n->text = kind->print(a, row, field);
    n->quoted = kind->quoted;
    n->plain = kind->plain;
    return n;
}

static struct node *texts_node(struct arena *a, const struct conf_row *row, const void *base)
{
    const struct str *texts = conf__items(row, base);
    struct node *list = tree_new(a, NODE_LIST, 0);
    for (size_t i = 0; i < conf__count(row, base); i++)
        tree_append(list, value_node(a, row, CONF_TEXT, &texts[i]));
    return list;
}

static struct node *pairs_node(struct arena *a, const struct conf_row *row, const void *base)
{
    const struct conf_pair *pairs = conf__items(row, base);
    struct node *map = tree_new(a, NODE_MAP, 0);
    map->quoted = true;
    for (size_t i = 0; i < conf__count(row, base); i++) {
        struct node *n = value_node(a, row, CONF_TEXT, &pairs[i].value);
        n->name = pairs[i].name;
        tree_append(map, n);
    }
    return map;
}

static struct node *list_node(struct arena *a, const struct conf_row *row, const void *base)
{
    struct node *list = tree_new(a, NODE_LIST, 0);
    for (size_t i = 0; i < conf__count(row, base); i++)
        tree_append(list, group_node(a, row->group, conf__item(row, base, i)));
    return list;
}

static struct node *row_node(struct arena *a, const struct conf_row *row, const void *base)
{
    switch (row->type) {
    case CONF_TEXTS: return texts_node(a, row, base);
    case CONF_PAIRS: return pairs_node(a, row, base);
    case CONF_LIST: return list_node(a, row, base);
    case CONF_GROUP: return group_node(a, row->group, conf__field(row, base));
    case CONF_OPTIONAL: return group_node(a, row->group, conf__item(row, base, 0));
    default: return value_node(a, row, row->type, conf__field(row, base));
    }
}

/* Lists of groups are shown when they are empty, too; what belongs to another alternative is
 * not. */
static bool hidden(const struct conf_group *group, const struct conf_row *row, const void *base)
{
    if (row->belongs_to && conf__empty(conf__row(group, str_of(row->belongs_to)), base))
        return true;
    return conf__empty(row, base) && (row->type != CONF_LIST || row->choice);
}

/* The row that says all there is to say, or NULL. */
static const struct conf_row *short_form(struct arena *a, const struct conf_group *group,
                                         const void *base)
{
    if (!group->text_row) return NULL;
    const struct conf_row *text = conf__row(group, str_of(group->text_row));
    void *defaults = arena_zalloc(a, group->size);
    conf__defaults(group, a, defaults);
    for (size_t i = 0; i < group->row_count; i++) {
        const struct conf_row *row = &group->rows[i];
        if (row != text && !conf__equal(row, base, defaults)) return NULL;
    }
    return conf__empty(text, base) ? NULL : text;
}

static struct node *group_node(struct arena *a, const struct conf_group *group, const void *base)
{
    const struct conf_row *text = short_form(a, group, base);
    if (text) return row_node(a, text, base);
    struct node *map = tree_new(a, NODE_MAP, 0);
    for (size_t i = 0; i < group->row_count; i++) {
        const struct conf_row *row = &group->rows[i];
        if (hidden(group, row, base)) continue;
        struct node *n = row_node(a, row, base);
        n->name = str_of(row->name);
        tree_append(map, n);
    }
    return map;
}

/* YAML */

struct yaml_out {
    struct buf *out;
    int err;
};

static void put_str(struct yaml_out *y, struct str text)
{
    if (!y->err) y->err = buf_append(y->out, text);
}

static void put(struct yaml_out *y, const char *text)
{
    put_str(y, str_of(text));
}

static void put_text(struct yaml_out *y, struct str text, bool quoted)
{
    if (quoted) put(y, "\"");
    if (!quoted)
        put_str(y, text);
    else if (!y->err)
        y->err = json_escape(y->out, text);
    if (quoted) put(y, "\"");
}

static void indent(struct yaml_out *y, unsigned depth)
{
    while (depth--)
        put(y, "  ");
}

static bool all_scalars(const struct node *list)
{
    for (const struct node *n = list->first; n; n = n->next)
        if (n->kind != NODE_SCALAR) return false;
    return true;
}

static void yaml_map(struct yaml_out *y, const struct node *map, unsigned depth, bool in_item);

/* [a, b] */
static void yaml_line(struct yaml_out *y, const struct node *list)
{
    put(y, " [");
    for (const struct node *n = list->first; n; n = n->next) {
        put_text(y, n->text, n->quoted);
        if (n->next) put(y, ", ");
    }
    put(y, "]\n");
}

static void yaml_list(struct yaml_out *y, const struct node *list, unsigned depth)
{
    put(y, "\n");
    for (const struct node *n = list->first; n; n = n->next) {
        indent(y, depth);
        put(y, "-");
        if (n->kind == NODE_MAP && n->count) {
            put(y, " ");
            yaml_map(y, n, depth + 1, true);
        } else {
            put(y, " ");
            put_text(y, n->kind == NODE_MAP ? STR("{}") : n->text, n->quoted);
            put(y, "\n");
        }
    }
}

/* What stands behind "name:". */
static void yaml_value(struct yaml_out *y, const struct node *n, unsigned depth)
{
    if (n->kind == NODE_LIST && all_scalars(n)) {
        yaml_line(y, n);
    } else if (n->kind == NODE_LIST) {
        yaml_list(y, n, depth);
    } else if (n->kind == NODE_MAP && n->count) {
        put(y, "\n");
        yaml_map(y, n, depth, false);
    } else {
        put(y, " ");
        put_text(y, n->kind == NODE_MAP ? STR("{}") : n->text, n->quoted);
        put(y, "\n");
    }
}

/* `in_item`: the first line stands behind "- " already. */
static void yaml_map(struct yaml_out *y, const struct node *map, unsigned depth, bool in_item)
{
    for (const struct node *n = map->first; n; n = n->next) {
        if (!in_item) indent(y, depth);
        in_item = false;
        put_text(y, n->name, map->quoted);
        put(y, ":");
        yaml_value(y, n, depth + 1);
    }
}

int conf__write_yaml(const struct conf_group *schema, const void *base, struct buf *out)
{
    struct yaml_out y = {.out = out};
    struct arena a;
    arena_init(&a, SIZE_MAX, 1024);
    yaml_map(&y, group_node(&a, schema, base), 0, false);
    arena_fini(&a);
    return y.err;
}

int conf_write_yaml(const struct conf *c, struct buf *out)
{
    return conf__write_yaml(&conf__root, c, out);
}

/* JSON: durations and sizes as the file writes them, plain numbers as numbers. */

static void json_node(struct json_writer *w, const struct node *n)
{
    if (n->kind == NODE_SCALAR) {
        conf__write_value(w, n->plain, n->text);
    } else if (n->kind == NODE_LIST) {
        json_write_array(w);
        for (const struct node *item = n->first; item; item = item->next)
            json_node(w, item);
        json_write_array_end(w);
    } else {
        json_write_object(w);
        for (const struct node *item = n->first; item; item = item->next) {
            json_write_key_str(w, item->name);
            json_node(w, item);
        }
        json_write_object_end(w);
    }
}

int conf__write_json(const struct conf_group *schema, const void *base, struct buf *out)
{
    struct json_writer w;
    struct arena a;
    json_write_init(&w, out);
    arena_init(&a, SIZE_MAX, 1024);
    json_node(&w, group_node(&a, schema, base));
    arena_fini(&a);
    return json_write_end(&w);
}

int conf_write_json(const struct conf *c, struct buf *out)
{
    return conf__write_json(&conf__root, c, out);
}
