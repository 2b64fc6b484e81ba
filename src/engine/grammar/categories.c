/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/grammar/categories.h"

#include <string.h>

static const char table[] =
#include "engine/grammar/categories.def"
    ;

static const struct {
    struct str name, long_name;
    const char *signs; /* of the table */
} categories[] = {
    {STR_INIT("L"), STR_INIT("Letter"), "ulL"},
    {STR_INIT("Lu"), STR_INIT("Uppercase_Letter"), "u"},
    {STR_INIT("Ll"), STR_INIT("Lowercase_Letter"), "l"},
    {STR_INIT("M"), STR_INIT("Mark"), "M"},
    {STR_INIT("N"), STR_INIT("Number"), "dN"},
    {STR_INIT("Nd"), STR_INIT("Decimal_Number"), "d"},
    {STR_INIT("P"), STR_INIT("Punctuation"), "P"},
    {STR_INIT("S"), STR_INIT("Symbol"), "S"},
    {STR_INIT("Z"), STR_INIT("Separator"), "zZ"},
    {STR_INIT("Zs"), STR_INIT("Space_Separator"), "z"},
};

/* A number, 1 if none is written, and a sign for each run of characters. */
static void add_runs(struct chars *c, const char *signs)
{
    uint32_t first = 0;
    for (const char *p = table; *p; p++) {
        uint32_t count = 0;
        for (; *p >= '0' && *p <= '9'; p++)
            count = count * 10 + (uint32_t)(*p - '0');
        if (!count) count = 1;
        if (strchr(signs, *p)) chars_add(c, first, first + count - 1);
        first += count;
    }
}

bool categories_add(struct chars *c, struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(categories); i++) {
        if (!str_eq(name, categories[i].name) && !str_eq(name, categories[i].long_name)) continue;
        add_runs(c, categories[i].signs);
        return true;
    }
    return false;
}
