/* SPDX-License-Identifier: Apache-2.0 */
/* Which settings differ between two snapshots. */
#include <stdio.h>

#include "conf/conf_priv.h"
#include "conf/group.h"

/* `prefix` is empty or ends with a dot. */
static int compare(const struct conf_group *group, const void *a, const void *b, const char *prefix,
                   struct buf *names)
{
    int err = 0;
    for (size_t i = 0; i < group->row_count && !err; i++) {
        const struct conf_row *row = &group->rows[i];
        if (row->type == CONF_GROUP) {
            char inner[128];
            snprintf(inner, sizeof inner, "%s%s.", prefix, row->name);
            err = compare(row->group, conf__field(row, a), conf__field(row, b), inner, names);
        } else if ((row->flags & CONF_RESTART) && !conf__equal(row, a, b)) {
            err = buf_printf(names, "%s%s%s", buf_len(names) ? ", " : "", prefix, row->name);
        }
    }
    return err;
}

int conf__compare(const struct conf_group *schema, const void *a, const void *b, struct buf *names)
{
    return compare(schema, a, b, "", names);
}

int conf_needs_restart(const struct conf *running, const struct conf *loaded, struct buf *names)
{
    return conf__compare(&conf__root, running, loaded, names);
}
