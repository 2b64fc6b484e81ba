/* SPDX-License-Identifier: Apache-2.0 */
/* Members of text that passes by: a quick walk that tells strings from brackets
 * and validates nothing else.
 *
 * For what runtimes send, where json_scan would cost too much for each event, or where only a piece
 * is there. Text that is no JSON gives members or none, never harm. Any thread. */
#ifndef HOSTLER_JSON_SKIM_H
#define HOSTLER_JSON_SKIM_H

#include <string.h>

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "json/scan.h"

/* A walk over a text that is all there. */
struct json_skim {
    const unsigned char *block; /* the present one, at most 64 bytes */
    const unsigned char *next;  /* behind it */
    const unsigned char *end;
    uint64_t marks; /* a bit for each quote, bracket and backslash of the block that is to come */
    unsigned depth; /* brackets open */
};

/* Borrowed from the text. */
struct json_member {
    unsigned depth;   /* 1: a member of the outermost value */
    bool escaped;     /* the name has escapes */
    struct str name;  /* as written, without its quotes */
    struct str value; /* from its first byte to the end of the whole text */
};

void json_skim_init(struct json_skim *s, struct str text);

/* The next member in the order of the text, those within other members'
 * values too. False: no more. */
bool json_skim_next(struct json_skim *s, struct json_member *m);

bool json__member_unescaped_is(const struct json_member *m, struct str name);

/* True when the member has that name, however escaped. */
static inline bool json_member_is(const struct json_member *m, struct str name)
{
    if (m->escaped) return json__member_unescaped_is(m, name);
    return m->name.len == name.len && memcmp(m->name.ptr, name.ptr, name.len) == 0;
}

/* The bytes of a member of `text`, whose value has `len` bytes, with one comma, so that what is left
 * without them is JSON, too. Empty when it has no comma. */
struct str json_member_hole(struct str text, const struct json_member *m, size_t len);

/* The value that `text` begins with, as far as it is there. JSON_NONE: none begins there. */
struct json_span json_skim_value(struct str text);

/* The next element of an array: *rest begins as the array's raw text and is
 * shortened. False: no more. */
bool json_skim_element(struct str *rest, struct json_span *element);

/* True for null, false, "", [] and {} at the beginning of `text`, and for no value at all. */
bool json_skim_empty(struct str text);

/* True for text that may stand within a string as it is: quotes and control characters are escaped,
 * and no escape is cut or none of JSON's. */
bool json_skim_inside(struct str text);

/* --- a text that comes in pieces --- */

/* Looks for the last outermost member of one name, which counts if its value is an object. Without
 * a name: for all outermost members that are numbers and makes an object of these, which is how
 * counts are found that stand beside something of any size. */
struct json_find {
    struct str name;
    struct buf value; /* the object as far as it has come; see json_find_value */
    unsigned depth;   /* brackets open */
    unsigned char state;
    bool quoted;            /* within a string */
    bool escape;            /* behind a backslash in it */
    bool lost;              /* the object is too large: it is passed over */
    bool whole;             /* the object has ended */
    unsigned char text_len; /* bytes in text */
    char text[64];          /* the outermost string that is read, with its quotes */
};

/* `name` must outlive it, and have at most 10 bytes, which escaped fit into `text`; empty: numbers,
 * whose names fit into it. An object of more than value_max bytes is not found. */
void json_find_init(struct json_find *f, struct str name, size_t value_max);
void json_find_fini(struct json_find *f);

/* Takes the next piece. */
void json_find_feed(struct json_find *f, struct str piece);

/* The object's text; ptr NULL when none has come, or not all of it.
 * Borrowed until the next piece. */
struct str json_find_value(const struct json_find *f);

#endif
