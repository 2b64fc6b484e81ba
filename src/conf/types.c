/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/types.h"

#include <stdarg.h>
#include <stdio.h>

#include "conf/text.h"

static const struct conf_kind *const kinds[] = {
    [CONF_TEXT] = &conf__kind_text,         [CONF_WORD] = &conf__kind_word,
    [CONF_ENUM] = &conf__kind_enum,         [CONF_BOOL] = &conf__kind_bool,
    [CONF_COUNT] = &conf__kind_count,       [CONF_SIZE] = &conf__kind_size,
    [CONF_DURATION] = &conf__kind_duration, [CONF_TIME] = &conf__kind_time,
    [CONF_PACE] = &conf__kind_pace,
};

const struct conf_kind *conf__kind(enum conf_type type)
{
    assert(conf__scalar(type) && kinds[type]);
    return kinds[type];
}

const char *conf__shown(const struct conf_row *row, const struct conf_input *in)
{
    return row->flags & CONF_SECRET ? "the value" : conf__quoted(in->arena, in->written).ptr;
}

bool conf__refuse(struct conf_input *in, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    in->problem = arena_dup(in->arena, str_of(text));
    return false;
}

void conf__write_value(struct json_writer *w, bool plain, struct str text)
{
    uint64_t number;
    bool yes = str_eq(text, STR("true"));
    if (plain && (yes || str_eq(text, STR("false"))))
        json_write_bool(w, yes);
    else if (plain && !str_to_u64(text, &number))
        json_write_u64(w, number);
    else
        json_write_str(w, text);
}

void conf__schema_ref(struct json_writer *w, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "#/$defs/%s", name);
    json_write_object(w);
    json_write_str_member(w, "$ref", str_of(path));
    json_write_object_end(w);
}

void conf__schema_const(struct json_writer *w, const char *text)
{
    json_write_object(w);
    json_write_str_member(w, "const", str_of(text));
    json_write_object_end(w);
}
