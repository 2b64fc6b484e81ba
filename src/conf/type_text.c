/* SPDX-License-Identifier: Apache-2.0 */
/* Texts, words and booleans. */
#include <string.h>

#include "base/err.h"
#include "base/nearest.h"
#include "conf/types.h"

/* texts: struct str */

static struct str text_describe(struct arena *a, const struct conf_row *row)
{
    (void)a;
    return row->flags & CONF_SECRET ? STR("secret text") : STR("text");
}

static bool text_parse(const struct conf_row *row, struct conf_input *in, void *field)
{
    (void)row;
    *(struct str *)field = in->text;
    return true;
}

static bool is_placeholder(const struct conf_row *row, struct str rest)
{
    return (row->flags & CONF_PLACES) &&
           (str_starts(rest, STR("${socket}")) || str_starts(rest, STR("${port}")));
}

/* A secret's stand-in; ${ is written $${. */
static struct str text_print(struct arena *a, const struct conf_row *row, const void *field)
{
    struct str text = *(const struct str *)field;
    size_t n = 0;
    if ((row->flags & CONF_SECRET) && text.len) return STR("[redacted]");
    if (str_find(text, STR("${")) < 0) return text;
    char *out = arena_alloc(a, text.len * 2);
    for (size_t i = 0; i < text.len; i++) {
        struct str rest = str_skip(text, i);
        if (str_starts(rest, STR("${")) && !is_placeholder(row, rest)) out[n++] = '$';
        out[n++] = text.ptr[i];
    }
    return str_n(out, n);
}

/* YAML reads 12345678 as a number where a text is meant, which the loader takes as text. */
static void text_schema(struct json_writer *w, const struct conf_row *row)
{
    (void)row;
    json_write_key(w, "type");
    json_write_array(w);
    json_write_str(w, STR("string"));
    json_write_str(w, STR("number"));
    json_write_str(w, STR("boolean"));
    json_write_array_end(w);
}

static bool text_equal(const void *a, const void *b)
{
    return str_eq(*(const struct str *)a, *(const struct str *)b);
}

static bool text_empty(const void *field)
{
    return ((const struct str *)field)->len == 0;
}

static void text_wipe(void *field)
{
    struct str secret = *(struct str *)field;
    if (secret.len) explicit_bzero((char *)(uintptr_t)secret.ptr, secret.len);
}

const struct conf_kind conf__kind_text = {
    .size = sizeof(struct str),
    .describe = text_describe,
    .parse = text_parse,
    .print = text_print,
    .schema = text_schema,
    .equal = text_equal,
    .empty = text_empty,
    .wipe = text_wipe,
    .quoted = true,
    .sized = true,
};

/* one word of the row's: struct str, or its index as an enum */

static struct str words_describe(struct arena *a, const struct conf_row *row)
{
    struct str text = str_of(row->words[0]);
    for (size_t i = 1; row->words[i]; i++)
        text = arena_printf(a, "%" STR_FMT "%s%s", STR_ARG(text), row->words[i + 1] ? ", " : " or ",
                            row->words[i]);
    return text;
}

static struct str word_candidate(const void *ctx, size_t i)
{
    return str_of(((const struct conf_row *)ctx)->words[i]);
}

static bool refuse_word(const struct conf_row *row, struct conf_input *in, size_t count)
{
    struct str near = nearest_word(in->text, word_candidate, row, count);
    if (near.len)
        return conf__refuse(in, "%s is not known: did you mean \"%" STR_FMT "\"?",
                            conf__shown(row, in), STR_ARG(near));
    return conf__refuse(in, "%s is not known: use %" STR_FMT, conf__shown(row, in),
                        STR_ARG(words_describe(in->arena, row)));
}

static bool find_word(const struct conf_row *row, struct conf_input *in, unsigned *index)
{
    unsigned count = 0;
    for (; row->words[count]; count++) {
        if (!str_eq(in->text, str_of(row->words[count]))) continue;
        *index = count;
        return true;
    }
    return refuse_word(row, in, count);
}

static bool word_parse(const struct conf_row *row, struct conf_input *in, void *field)
{
    unsigned index;
    if (!find_word(row, in, &index)) return false;
    *(struct str *)field = in->text;
    return true;
}

static bool enum_parse(const struct conf_row *row, struct conf_input *in, void *field)
{
    return find_word(row, in, field);
}

static struct str word_print(struct arena *a, const struct conf_row *row, const void *field)
{
    (void)a;
    (void)row;
    return *(const struct str *)field;
}

static struct str enum_print(struct arena *a, const struct conf_row *row, const void *field)
{
    (void)a;
    return str_of(row->words[*(const unsigned *)field]);
}

static void words_schema(struct json_writer *w, const struct conf_row *row)
{
    json_write_key(w, "anyOf");
    json_write_array(w);
    json_write_object(w);
    json_write_key(w, "enum");
    json_write_array(w);
    for (size_t i = 0; row->words[i]; i++)
        json_write_str(w, str_of(row->words[i]));
    json_write_array_end(w);
    json_write_object_end(w);
    conf__schema_ref(w, "reference");
    json_write_array_end(w);
}

static bool enum_equal(const void *a, const void *b)
{
    return *(const unsigned *)a == *(const unsigned *)b;
}

const struct conf_kind conf__kind_word = {
    .size = sizeof(struct str),
    .describe = words_describe,
    .parse = word_parse,
    .print = word_print,
    .schema = words_schema,
    .equal = text_equal,
    .sized = true,
};

const struct conf_kind conf__kind_enum = {
    .size = sizeof(unsigned),
    .describe = words_describe,
    .parse = enum_parse,
    .print = enum_print,
    .schema = words_schema,
    .equal = enum_equal,
    .sized = true,
};

/* booleans */

static struct str bool_describe(struct arena *a, const struct conf_row *row)
{
    (void)a;
    (void)row;
    return STR("true or false");
}

static bool bool_parse(const struct conf_row *row, struct conf_input *in, void *field)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!str_eq_nocase(in->text, str_of(words[i]))) continue;
        *(bool *)field = i % 2;
        return true;
    }
    return conf__refuse(in, "%s is neither true nor false", conf__shown(row, in));
}

static struct str bool_print(struct arena *a, const struct conf_row *row, const void *field)
{
    (void)a;
    (void)row;
    return *(const bool *)field ? STR("true") : STR("false");
}

static void bool_schema(struct json_writer *w, const struct conf_row *row)
{
    (void)row;
    json_write_key(w, "anyOf");
    json_write_array(w);
    json_write_object(w);
    json_write_str_member(w, "type", STR("boolean"));
    json_write_object_end(w);
    conf__schema_ref(w, "reference");
    json_write_array_end(w);
}

static bool bool_equal(const void *a, const void *b)
{
    return *(const bool *)a == *(const bool *)b;
}

const struct conf_kind conf__kind_bool = {
    .size = sizeof(bool),
    .describe = bool_describe,
    .parse = bool_parse,
    .print = bool_print,
    .schema = bool_schema,
    .equal = bool_equal,
    .plain = true,
};
