/* SPDX-License-Identifier: Apache-2.0 */
/* The schema table: one row per setting, grouped as the file nests them.
 *
 * The loader, the environment overrides, the JSON Schema, the manual and `hostler config show`
 * walk these rows; a setting is added by a field in conf.h and a row in schema.c or
 * schema_model.c. Constant data, any thread. */
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
    CONF_TIME,     /* uint64_t, microseconds since 1970, 0: not written: "2026-12-31T23:59:59Z" */
    CONF_PACE,     /* struct str, which base/pace.h reads: "auto", "2x", "50ms" */

    /* how values are nested */
    CONF_TEXTS,    /* struct str *, and a count */
    CONF_PAIRS,    /* struct conf_pair *, and a count */
    CONF_GROUP,    /* a struct within the struct */
    CONF_OPTIONAL, /* pointer to a struct, NULL when not written */
    CONF_LIST,     /* pointer to structs, and a count */
};

enum conf_flag {
    CONF_REQUIRED = 1,  /* must be written; alternatives: one of them must */
    CONF_SECRET = 2,    /* never shown, wiped at the end */
    CONF_RESTART = 4,   /* a reload does not change it */
    CONF_MULTILINE = 8, /* may hold line breaks and tabs */
    CONF_PATH = 16,     /* a relative one is against the file's folder */
    CONF_PLACES = 32,   /* ${socket} and ${port} stay in it */
    CONF_INHERIT = 64,  /* not written: CONF_UNSET, another place decides */
};

struct conf_group;

struct conf_row {
    const char *name;
    const char *former; /* its old name, which is still read, or NULL */
    const char *doc;    /* what it does, a sentence or two */
    enum conf_type type;
    unsigned flags;      /* enum conf_flag */
    size_t offset;       /* where the field is in the group's struct */
    size_t count_offset; /* texts, pairs, lists: where their count is */
    size_t added_offset; /* lists: where a bool tells that the last was not written; 0: nowhere */
    const struct conf_group *group; /* groups and lists of them */

    /* values */
    uint64_t min;             /* numbers: the least value; 0 is fine besides when `zero` names it */
    uint64_t max;             /* numbers: the greatest; texts: most bytes; lists: most items */
    const char *const *words; /* allowed words, NULL at the end */
    const char *zero;         /* the word that stands for 0: "auto", "none" */
    const char *off;          /* counts and sizes with `zero`: the word for CONF_OFF, or NULL */
    const char *unit;         /* what a count or size counts, when not bytes */
    const char *scheme;       /* paths: how a value begins that is none, or NULL */

    /* not written */
    const char *standard; /* the default as the file would write it; NULL: empty */
    const char *implied;  /* what it means then, where no default says it */
    const char *wanted;   /* required ones: what to write; alternatives: what it is */

    /* alternatives */
    unsigned choice; /* at most one of the group's rows with this number is written; 0: free */
    const char *belongs_to; /* the alternative that it has a meaning with; NULL: with any */
    const char *instead; /* an alternative: what to do with rows that belong to another, or NULL */
};

struct conf_group {
    const char *name; /* how the manual calls it: "models[].engine" */
    size_t size;      /* its struct's, bytes */
    const struct conf_row *rows;
    size_t row_count;

    /* Its short form: one text in place of the group is this row's value. NULL: none. */
    const char *text_row;

    /* Where an unsigned gets the group's line in the file, 0 where it is not from there. 0:
     * nowhere. */
    size_t line_offset;

    const char *doc;
    const char *example; /* YAML */
};

extern const struct conf_group conf__root;

/* True for types whose value is one text in the file. */
static inline bool conf__scalar(enum conf_type type)
{
    return type < CONF_TEXTS;
}

#endif
