/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the schema table write their rows with. */
#ifndef HOSTLER_CONF_SCHEMA_ROWS_H
#define HOSTLER_CONF_SCHEMA_ROWS_H

#include "conf/conf.h"
#include "conf/schema.h"

#define ROW(owner, field) .offset = offsetof(struct owner, field)
#define ROWS(owner, field, count) ROW(owner, field), .count_offset = offsetof(struct owner, count)
#define GROUP_ROWS(table) .rows = table, .row_count = ARRAY_LEN(table)

#define MS 1000ull
#define SEC (1000 * MS)
#define HOUR (3600 * SEC)
#define DAY (24 * HOUR)
#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

enum {
    NAME_MAX_BYTES = CONF_NAME_MAX,
    TEXT_MAX_BYTES = 4096,
    LIST_MAX = 10000,
    RUNTIMES_MAX = 256
};

extern const struct conf_group conf__models, conf__runtimes;         /* schema_model.c */
extern const struct conf_group conf__listen_tls, conf__endpoint_tls; /* schema_tls.c */

#endif
