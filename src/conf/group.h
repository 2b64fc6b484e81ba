/* SPDX-License-Identifier: Apache-2.0 */
/* What can be done with any struct that a group of the schema describes. `base` is that struct. */
#ifndef HOSTLER_CONF_GROUP_H
#define HOSTLER_CONF_GROUP_H

#include "conf/schema.h"

/* The field that `row` describes. */
static inline void *conf__field(const struct conf_row *row, const void *base)
{
    return (char *)(uintptr_t)base + row->offset;
}

/* The row called so, or NULL. */
const struct conf_row *conf__row(const struct conf_group *group, struct str name);

/* The first row of the choice behind `after`, or the first of all where that is NULL. NULL:
 * there is none. */
const struct conf_row *conf__alternative(const struct conf_group *group, unsigned choice,
                                         const struct conf_row *after);

/* Texts, pairs, lists: how many there are, one that was not written left out. */
size_t conf__count(const struct conf_row *row, const void *base);

/* Texts, pairs, lists: their first item, NULL where there is none. */
const void *conf__items(const struct conf_row *row, const void *base);
void conf__set_items(const struct conf_row *row, void *base, void *items, size_t count);

/* Lists: the struct of item `i`. Optional groups: the struct, or NULL. */
void *conf__item(const struct conf_row *row, const void *base, size_t i);

/* True when nothing was written for the row. Never true for values that are always there, such
 * as numbers. */
bool conf__empty(const struct conf_row *row, const void *base);

bool conf__equal(const struct conf_row *row, const void *a, const void *b);

/* Overwrites every secret. */
void conf__wipe(const struct conf_group *group, void *base);

#endif
