/* SPDX-License-Identifier: Apache-2.0 */
/* What stands before and behind a call's arguments, looked for at a text's beginning.
 *
 * Pure functions: whoever has too little text comes again with more, and gets the same as if it had
 * come at once. */
#ifndef HOSTLER_ENGINE_TEXT_CALL_PARTS_H
#define HOSTLER_ENGINE_TEXT_CALL_PARTS_H

#include "base/base.h"
#include "base/str.h"
#include "engine/text/call_formats.h"

/* What may be called. */
struct call_tool {
    struct str name;
    const struct str *texts; /* names of parameters that are texts, for CALL_TAGGED */
    size_t text_count;
};

enum call_place {
    CALL_AT_OPEN, /* the text begins with `open` */
    CALL_AT_BARE, /* it does without */
    CALL_AT_ITEM  /* it is a further one of a list */
};

enum call_found {
    CALL_NONE, /* no call, or none of a tool */
    CALL_FOUND,
    CALL_MORE /* too little text */
};

struct call_head {
    const struct call_tool *tool;
    size_t used; /* bytes before the arguments */
    bool empty;  /* it has none */
};

enum call_found call_find_head(const struct call_format *f, enum call_place place, struct str text,
                               const struct call_tool *tools, size_t count, struct call_head *out);

struct call_tail {
    size_t used;
    bool again; /* a further item of the list follows */
};

/* Behind arguments. Never CALL_NONE: what is missing is nothing, and what the last text ends within
 * belongs to it. */
enum call_found call_find_tail(const struct call_format *f, struct str text, bool last,
                               struct call_tail *out);

/* A parameter of CALL_TAGGED or CALL_PYTHON, with the white space before it. CALL_NONE: none
 * follows. A value that is no text may be JSON, whose strings may have the closing mark in them. */
struct call_parameter {
    struct str key, value;
    size_t used;
};
enum call_found call_find_parameter(const struct call_format *f, const struct call_tool *tool,
                                    struct str text, bool last, struct call_parameter *out);

/* True when a parameter of that name is a text, of whatever form. */
bool call_is_text(const struct call_tool *tool, struct str key);

/* True for the bytes that JSON has outside of strings. */
bool call_is_of_json(char byte);

#endif
