/* SPDX-License-Identifier: Apache-2.0 */
/* Paces (base/pace.h): a struct str, which base/pace.h reads. */
#include "base/pace.h"

#include "base/err.h"
#include "conf/types.h"

static struct str pace_describe(struct arena *a, const struct conf_row *row)
{
    (void)a;
    (void)row;
    return STR(PACE_RANGE);
}

static bool pace_parse(const struct conf_row *row, struct conf_input *in, void *field)
{
    struct pace pace;
    int err = pace_read(in->text, &pace);
    if (err == ERR_RANGE)
        return conf__refuse(in, "%s is out of range: " PACE_RANGE, conf__shown(row, in));
    if (err) return conf__refuse(in, "%s is not " PACE_HINT, conf__shown(row, in));
    *(struct str *)field = in->text;
    return true;
}

static struct str pace_print(struct arena *a, const struct conf_row *row, const void *field)
{
    (void)a;
    (void)row;
    return *(const struct str *)field;
}

static const struct conf_def pace_def = {
    .name = "pace",
    .doc = "auto, 2x, 1.5x, 50ms or 1s.",
    .pattern = "^auto$|^[0-9]+([.][0-9]+)?x$|^[0-9]+ *(us|ms|s)$",
};

static void pace_schema(struct json_writer *w, const struct conf_row *row)
{
    (void)row;
    json_write_key(w, "anyOf");
    json_write_array(w);
    conf__schema_ref(w, pace_def.name);
    conf__schema_ref(w, "reference");
    json_write_array_end(w);
}

static bool pace_equal(const void *a, const void *b)
{
    return str_eq(*(const struct str *)a, *(const struct str *)b);
}

const struct conf_kind conf__kind_pace = {
    .size = sizeof(struct str),
    .describe = pace_describe,
    .parse = pace_parse,
    .print = pace_print,
    .schema = pace_schema,
    .equal = pace_equal,
    .def = &pace_def,
};
