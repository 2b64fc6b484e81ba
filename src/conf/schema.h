/* SPDX-License-Identifier: Apache-2.0 */
/* The schema table: one row per setting, grouped as the file nests them.
 *
 * The loader, the environment overrides, the JSON Schema, the manual and `hostler config show` walk
 * these rows; a setting is added by a field in conf.h and a row in schema.c or schema_model.c. Constant data,
 * any thread. */
#ifndef HOSTLER_CONF_SCHEMA_H
#define HOSTLER_CONF_SCHEMA_H

#include "base/base.h"
#include "base/str.h"

enum conf_type {
    /* one value, whose type has a kind in conf/types.h */
    CONF_TEXT,     /* struct str */
    CONF_WORD,     /* struct str, one of `words` */
    CONF_ENUM,     /* enum, the index into `words` */
    CONF_BOOL,     /* bool */
    CONF_COUNT,    /* uint64_t */
    CONF_SIZE,     /* uint64_t: "64KiB", "32k" */
    CONF_DURATION, /* uint64_t, microseconds: "500ms", "30s" */

    /* how values are nested */
    CONF_TEXTS,    /* struct str *, and a count */
    CONF_PAIRS,    /* struct conf_pair *, and a count */
    CONF_GROUP,    /* a struct within the struct */
    CONF_OPTIONAL, /* pointer to a struct, NULL when not written */
    CONF_LIST,     /* pointer to structs, and a count */
};

enum conf_flag {
    CONF_REQUIRED = 1,  /* must be written */
    CONF_SECRET = 2,    /* never shown, wiped at the end */
    CONF_RESTART = 4,   /* a reload does not change it */
    CONF_MULTILINE = 8, /* may hold line breaks and tabs */
    CONF_PATH = 16,     /* a relative one is against the file's folder */
    CONF_PLACES = 32,   /* ${socket} and ${port} stay in it */
    CONF_INHERIT = 128, /* not written: CONF_UNSET, another place decides */
    CONF_OF_FILE = 64,  /* of an engine's `file`; without meaning beside `command` */
};

struct conf_group;

struct conf_row {
    const char *name;
    enum conf_type type;
    unsigned flags;      /* of enum conf_flag */
    size_t offset;       /* of the field in the group's struct */
    size_t count_offset; /* of its count: texts, pairs, lists */
    size_t added_offset; /* lists: of a bool, true when the last item was not written; 0: none */
    uint64_t min;        /* numbers: the least value; 0 is fine besides when `zero` names it */
    uint64_t max;        /* numbers: the greatest; texts: most bytes; lists: most items */
    const char *const *words; /* allowed words, NULL at the end */
    const char *zero;         /* the word that stands for 0: "auto", "none" */
    const char
        *standard; /* the default as the file would write it; NULL: empty; lists: comma-separated */
    const char *unit;               /* of a count or size, when it is not bytes */
    const char *wanted;             /* what to write, where a required setting is missing */
    const char *implied;            /* what an unwritten setting means, where no default says it */
    const struct conf_group *group; /* groups and lists of them */
    const char *doc;                /* what it does, a sentence or two */
};

struct conf_group {
    const char *name; /* how the manual calls it: "models[].engine" */
    size_t size;      /* of its struct */
    const struct conf_row *rows;
    size_t row_count;
    const char *
        text_row; /* its short form: one text in place of the group is this row's value; NULL: none */
    size_t
        line_offset; /* of an unsigned that gets the line in the file, 0 for none; 0: there is none */
    const char *doc;
    const char *example; /* YAML */
};

extern const struct conf_group conf__root;

/* The rows of `models[].engine`. */
extern const struct conf_group conf__engine;

/* True for types whose value is one text in the file. */
static inline bool conf__scalar(enum conf_type type)
{
    return type < CONF_TEXTS;
}

#endif
