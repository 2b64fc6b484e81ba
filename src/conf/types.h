/* SPDX-License-Identifier: Apache-2.0 */
/* The types of values: how each is read, shown, described and compared.
 *
 * One struct conf_kind per type, in the table behind conf__kind; whatever reads or writes
 * settings asks that table, and knows only how values are nested. A type is added by a word in
 * enum conf_type, its kind in a type_*.c, and a line in types.c. Constant data, any thread. */
#ifndef HOSTLER_CONF_TYPES_H
#define HOSTLER_CONF_TYPES_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"
#include "conf/schema.h"
#include "json/write.h"

/* A value's text on its way into a field. */
struct conf_input {
    struct str text;     /* with its references replaced; lives as long as the field */
    struct str written;  /* as the file has it, for messages */
    struct arena *arena; /* for words */
    struct str problem;  /* what is wrong with it, set where reading fails */
};

/* A pattern that the JSON Schema knows by a name. */
struct conf_def {
    const char *name;
    const char *doc;
    const char *pattern; /* a regular expression of ECMA-262; NULL: none */
    const char *format;  /* as JSON Schema calls it; NULL: none */
};

struct conf_kind {
    size_t size; /* the field's, bytes */

    /* What may be written, for the manual: "duration: 10ms to 1d". On the arena or constant. */
    struct str (*describe)(struct arena *a, const struct conf_row *row);

    /* Sets the field. False: in->problem says what is wrong, and the field is untouched. */
    bool (*parse)(const struct conf_row *row, struct conf_input *in, void *field);

    /* The text that parses back as what the field holds, a secret's stand-in apart. On the arena
     * or borrowed. */
    struct str (*print)(struct arena *a, const struct conf_row *row, const void *field);

    /* Members of an open object of JSON Schema. */
    void (*schema)(struct json_writer *w, const struct conf_row *row);

    bool (*equal)(const void *a, const void *b);
    bool (*empty)(const void *field); /* nothing was written; NULL: it always has a value */
    void (*wipe)(void *field);        /* NULL: no row of this type is secret */

    bool quoted;                /* stands in quotes in YAML, since it may look like anything else */
    bool plain;                 /* numbers and booleans stand for themselves in JSON */
    bool sized;                 /* the row's `max` is a number of bytes */
    const struct conf_def *def; /* NULL: the JSON Schema needs none */
};

/* type_text.c */
extern const struct conf_kind conf__kind_text, conf__kind_word, conf__kind_enum, conf__kind_bool;
/* type_number.c */
extern const struct conf_kind conf__kind_count, conf__kind_size, conf__kind_duration;
/* type_time.c */
extern const struct conf_kind conf__kind_time;
/* type_pace.c */
extern const struct conf_kind conf__kind_pace;

/* The kind of a type that conf__scalar is true for. */
const struct conf_kind *conf__kind(enum conf_type type);

/* in->text with the row's secret left out, or the reference that stands for it: in quotes, for
 * messages. */
const char *conf__shown(const struct conf_row *row, const struct conf_input *in);

/* Sets in->problem. Returns false. */
bool conf__refuse(struct conf_input *in, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* `text` as the JSON value that it is for the kind: a number, a boolean or a string. */
void conf__write_value(struct json_writer *w, bool plain, struct str text);

/* Elements of an open array: {"$ref": "#/$defs/NAME"}, {"const": TEXT}. */
void conf__schema_ref(struct json_writer *w, const char *name);
void conf__schema_const(struct json_writer *w, const char *text);

#endif
