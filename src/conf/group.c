/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/group.h"

#include "conf/conf.h"
#include "conf/types.h"

const struct conf_row *conf__row(const struct conf_group *group, struct str name)
{
    for (size_t i = 0; i < group->row_count; i++)
        if (str_eq(str_of(group->rows[i].name), name)) return &group->rows[i];
    return NULL;
}

const struct conf_row *conf__alternative(const struct conf_group *group, unsigned choice,
                                         const struct conf_row *after)
{
    const struct conf_row *end = group->rows + group->row_count;
    for (const struct conf_row *row = after ? after + 1 : group->rows; row < end; row++)
        if (row->choice == choice) return row;
    return NULL;
}

size_t conf__count(const struct conf_row *row, const void *base)
{
    const char *bytes = base;
    size_t count = *(const size_t *)(const void *)(bytes + row->count_offset);
    return count - (row->added_offset && *(const bool *)(bytes + row->added_offset));
}

const void *conf__items(const struct conf_row *row, const void *base)
{
    return *(const void *const *)conf__field(row, base);
}

void conf__set_items(const struct conf_row *row, void *base, void *items, size_t count)
{
    *(void **)conf__field(row, base) = items;
    *(size_t *)(void *)((char *)base + row->count_offset) = count;
}

void *conf__item(const struct conf_row *row, const void *base, size_t i)
{
    char *first = *(void **)conf__field(row, base);
    return first ? first + i * row->group->size : NULL;
}

bool conf__empty(const struct conf_row *row, const void *base)
{
    const void *field = conf__field(row, base);
    if (row->flags & CONF_INHERIT) return *(const uint64_t *)field == CONF_UNSET;
    switch (row->type) {
    case CONF_GROUP: return false;
    case CONF_OPTIONAL: return conf__item(row, base, 0) == NULL;
    case CONF_TEXTS:
    case CONF_PAIRS:
    case CONF_LIST: return conf__count(row, base) == 0;
    default: break;
    }
    const struct conf_kind *kind = conf__kind(row->type);
    return kind->empty && !row->zero && kind->empty(field);
}

/* comparing */

static bool groups_equal(const struct conf_group *group, const void *a, const void *b)
{
    for (size_t i = 0; i < group->row_count; i++)
        if (!conf__equal(&group->rows[i], a, b)) return false;
    return true;
}

static bool texts_equal(const struct str *a, const struct str *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!str_eq(a[i], b[i])) return false;
    return true;
}

static bool pairs_equal(const struct conf_pair *a, const struct conf_pair *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!str_eq(a[i].name, b[i].name) || !str_eq(a[i].value, b[i].value)) return false;
    return true;
}

static bool lists_equal(const struct conf_row *row, const void *a, const void *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!groups_equal(row->group, conf__item(row, a, i), conf__item(row, b, i))) return false;
    return true;
}

static bool optional_equal(const struct conf_row *row, const void *a, const void *b)
{
    const void *x = conf__item(row, a, 0), *y = conf__item(row, b, 0);
    return x && y ? groups_equal(row->group, x, y) : x == y;
}

bool conf__equal(const struct conf_row *row, const void *a, const void *b)
{
    const void *x = conf__field(row, a), *y = conf__field(row, b);
    if (conf__scalar(row->type)) return conf__kind(row->type)->equal(x, y);
    if (row->type == CONF_GROUP) return groups_equal(row->group, x, y);
    if (row->type == CONF_OPTIONAL) return optional_equal(row, a, b);
    size_t count = conf__count(row, a);
    if (count != conf__count(row, b)) return false;
    x = conf__items(row, a);
    y = conf__items(row, b);
    if (row->type == CONF_LIST) return lists_equal(row, a, b, count);
    if (row->type == CONF_PAIRS) return pairs_equal(x, y, count);
    return texts_equal(x, y, count);
}

/* wiping */

static void wipe_pairs(const struct conf_row *row, void *base)
{
    struct conf_pair *pairs = *(struct conf_pair **)conf__field(row, base);
    for (size_t i = 0; i < conf__count(row, base); i++)
        conf__kind(CONF_TEXT)->wipe(&pairs[i].value);
}

static void wipe_row(const struct conf_row *row, void *base)
{
    void *field = conf__field(row, base);
    bool secret = row->flags & CONF_SECRET;
    if (row->type == CONF_GROUP) {
        conf__wipe(row->group, field);
    } else if (row->type == CONF_OPTIONAL) {
        if (conf__item(row, base, 0)) conf__wipe(row->group, conf__item(row, base, 0));
    } else if (row->type == CONF_LIST) {
        for (size_t i = 0; i < conf__count(row, base); i++)
            conf__wipe(row->group, conf__item(row, base, i));
    } else if (secret && row->type == CONF_PAIRS) {
        wipe_pairs(row, base);
    } else if (secret) {
        assert(conf__scalar(row->type) && conf__kind(row->type)->wipe);
        conf__kind(row->type)->wipe(field);
    }
}

void conf__wipe(const struct conf_group *group, void *base)
{
    for (size_t i = 0; i < group->row_count; i++)
        wipe_row(&group->rows[i], base);
}
