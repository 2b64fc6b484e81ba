/* SPDX-License-Identifier: Apache-2.0 */
/* How models write calls of tools, a row for each family. Constant data, any thread.
 *
 *     open lead NAME behind_name {...} tail close           CALL_NAMED
 *     open lead {"name": NAME, "arguments": {...}} tail close    CALL_OBJECT
 *     open lead [{...}, {...}] tail close                   CALL_LIST, of such objects; read, but
 *                                                           not written, are both in place of each
 *     open lead NAME behind_name (key_open KEY key_close VALUE value_close)... tail close
 *                                                           CALL_TAGGED
 *     open [NAME(KEY=VALUE, ...), ...] close                CALL_PYTHON, of literals
 *
 * White space may stand between any of these. What is empty is not there. */
#ifndef HOSTLER_ENGINE_TEXT_CALL_FORMATS_H
#define HOSTLER_ENGINE_TEXT_CALL_FORMATS_H

#include "base/base.h"
#include "base/str.h"

enum call_shape { CALL_NAMED, CALL_OBJECT, CALL_LIST, CALL_TAGGED, CALL_PYTHON };

enum { CALL_NOISE_MAX = 6 };

struct call_format {
    const char *name; /* for people */
    enum call_shape shape;
    struct str open;        /* what in a text shows that a call may begin */
    struct str lead;        /* follows it */
    struct str behind_name; /* CALL_NAMED, CALL_TAGGED */
    bool skips;             /* other words may stand before behind_name */
    struct str filler;      /* one that the family writes there */
    struct str key_open, key_close, value_open, value_close; /* CALL_TAGGED */
    struct str tail, close;
    bool close_ends;                  /* the close is a token that ends the answer */
    struct str noise[CALL_NOISE_MAX]; /* stands around calls and answers, and is nobody's */
    bool lines;                       /* written with line ends between its parts */
    bool bare;                        /* an answer, or what follows a call, may do without `open` */
    bool short_ids;                   /* ids of calls must be nine letters and digits */
    struct str name_key, arguments_key; /* CALL_OBJECT, CALL_LIST: as the family writes them */
    struct str sign; /* in a template that writes no calls: its model uses this format */
};

extern const struct call_format call_formats[];
extern const size_t call_format_count;

/* For templates that know nothing of tools: the model is told to use it. */
const struct call_format *call_format_generic(void);

/* The row of that name, or NULL. */
const struct call_format *call_format_named(const char *name);

#endif
