/* SPDX-License-Identifier: Apache-2.0 */
/* Which settings differ between two snapshots. */
#include "conf/conf_priv.h"

static bool addresses_equal(const struct conf_row *row, const void *a, const void *b)
{
    const struct conf_listen *x = *(struct conf_listen **)conf__field(row, a);
    const struct conf_listen *y = *(struct conf_listen **)conf__field(row, b);
    size_t count = conf__count(row, a);
    if (count != conf__count(row, b)) return false;
    for (size_t i = 0; i < count; i++)
        if (!str_eq(x[i].text, y[i].text)) return false;
    return true;
}

/* Rows with CONF_RESTART are addresses or of scalar types. */
static bool equal(const struct conf_row *row, const void *a, const void *b)
{
    const void *x = conf__field(row, a);
    const void *y = conf__field(row, b);
    switch (row->type) {
    case CONF_ADDRESSES: return addresses_equal(row, a, b);
    case CONF_TEXT:
    case CONF_WORD: return str_eq(*(const struct str *)x, *(const struct str *)y);
    case CONF_ENUM: return *(const unsigned *)x == *(const unsigned *)y;
    case CONF_BOOL: return *(const bool *)x == *(const bool *)y;
    case CONF_COUNT:
    case CONF_SIZE:
    case CONF_DURATION: return *(const uint64_t *)x == *(const uint64_t *)y;
    default: assert(!"no such row needs a restart"); return true;
    }
}

static int compare(const struct conf_group *group, const void *a, const void *b, const char *prefix,
                   struct buf *names)
{
    int err = 0;
    for (size_t i = 0; i < group->row_count && !err; i++) {
        const struct conf_row *row = &group->rows[i];
        if (row->type == CONF_GROUP)
            err = compare(row->group, conf__field(row, a), conf__field(row, b), row->name, names);
        else if ((row->flags & CONF_RESTART) && row->type != CONF_LIST && !equal(row, a, b))
            err = buf_printf(names, "%s%s%s%s", buf_len(names) ? ", " : "", prefix,
                             *prefix ? "." : "", row->name);
    }
    return err;
}

int conf_needs_restart(const struct conf *running, const struct conf *loaded, struct buf *names)
{
    return compare(&conf__root, running, loaded, "", names);
}
