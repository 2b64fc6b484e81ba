/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer may be that calls tools as a family of models does, as a term.
 *
 * An answer that must call is calls and nothing else. One that may is any text, and calls in it;
 * what opens a call is then always one. So calls that a text's mark begins lazily are again only a
 * term.
 *
 * Between the parts of a call, and around calls, may be a space or a line end. Arguments are
 * objects; of a tool with a schema they are valid by it. Where that cannot be enforced, a strict
 * tool is refused, and of another one they are any object. In families that write parameters
 * without quotes (CALL_TAGGED), texts are what does not hold the closing mark. */
#ifndef HOSTLER_ENGINE_GRAMMAR_CALL_TERM_H
#define HOSTLER_ENGINE_GRAMMAR_CALL_TERM_H

#include "base/base.h"
#include "base/str.h"
#include "engine/grammar/terms.h"
#include "engine/grammar/why.h"
#include "engine/text/call_formats.h"
#include "json/json.h"

enum { CALLS_MUST_MAX = 16 }; /* calls of an answer that must have one */

struct tool {
    struct str name;
    const struct json *parameters; /* a well-formed schema (schema_check); NULL: any object */
    bool strict;                   /* its arguments must be valid, or it is refused */
    size_t index;                  /* its place in the request */
};

/* True when a parameter's schema says that it is a text. Families that write parameters without
 * quotes leave that open. */
static inline bool tool_takes_text(const struct json *schema)
{
    return str_eq(json_str_or(schema, "type", STR("")), STR("string"));
}

/* True when a tool's schema takes objects, as arguments are; one without a type does, too. */
bool tool_takes_objects(const struct json *schema);

struct call_demand {
    const struct call_format *format;
    const struct tool *tools;
    size_t count;
    bool must;   /* it calls, and says nothing else */
    bool single; /* once at most */
    bool begun;  /* the prompt ends with what opens the first call */
    bool shaped; /* or the answer is something else, so that calls need their mark */
};

/* ERR_UNSUPPORTED or ERR_SYNTAX, and why, with the tool and the path in its parameters;
 * ERR_TOO_LARGE. */
MUST_CHECK int call_term(struct terms *t, const struct call_demand *demand, struct grammar_why *why,
                         term *out);

#endif
