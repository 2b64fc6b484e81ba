/* SPDX-License-Identifier: Apache-2.0 */
/* Chat templates: an interpreter for the Jinja that model files carry, rendering what Python's
 * jinja2 renders as transformers sets it up (trim_blocks, lstrip_blocks, loop controls, the
 * generation tag, its own tojson; sandboxed).
 *
 * A template is untrusted, and so is what it is given: compiling and rendering end within limits,
 * whatever they are fed. A compiled template is constant, any thread may render it.
 *
 * The rendering knows where each byte came from. What the template itself wrote (its text, its
 * string literals, variables of JINJA_OWN) may name control tokens; what came out of the request
 * may not, whatever filters it went through. */
#ifndef HOSTLER_JINJA_JINJA_H
#define HOSTLER_JINJA_JINJA_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"
#include "json/json.h"

struct jinja;

enum { JINJA_WHY_MAX = 256 };

/* Where and why a template was refused, or ended. */
struct jinja_error {
    unsigned line; /* from 1 */
    unsigned column;
    bool raised; /* by the template's raise_exception: `text` is its own message */
    char text[JINJA_WHY_MAX];
};

/* ERR_SYNTAX, ERR_UNSUPPORTED (a tag, filter, test or method that is not here), ERR_DEPTH,
 * ERR_TOO_LARGE, -ENOMEM; *why says more. Copies the source. */
MUST_CHECK int jinja_compile(struct str source, struct jinja **out, struct jinja_error *why);
void jinja_free(struct jinja *t); /* does nothing with NULL */

/* True when the template reads the variable or member somewhere: "tools", "enable_thinking". */
bool jinja_mentions(const struct jinja *t, struct str name);

enum jinja_kind {
    JINJA_JSON, /* a value of the request; NULL: none */
    JINJA_OWN,  /* a text that counts as the template's own: bos_token */
    JINJA_BOOL
};

struct jinja_variable {
    struct str name;
    enum jinja_kind kind;
    const struct json *json;
    struct str text;
    bool value;
};

struct jinja_limits {
    uint64_t steps;   /* expressions and statements that are evaluated */
    size_t output;    /* bytes of the rendering */
    uint64_t time_us; /* 0: no limit */
};

struct jinja_piece {
    struct str text; /* not empty */
    bool own;        /* the template's own; else it came with the variables */
};

/* Neighbours differ in `own`. */
struct jinja_output {
    const struct jinja_piece *pieces;
    size_t count;
    size_t bytes; /* of all */
};

/* `now`: seconds since 1970, what strftime_now tells (in local time). All memory is the arena's,
 * whose cap bounds what the template may use. ERR_INVALID: the template raised an exception, or
 * did what Python has an exception for; ERR_TOO_LARGE: a limit or the arena's cap; ERR_DEPTH;
 * ERR_TIMEOUT. */
MUST_CHECK int jinja_render(const struct jinja *t, struct arena *arena,
                            const struct jinja_variable *variables, size_t count, int64_t now,
                            const struct jinja_limits *limits, struct jinja_output *out,
                            struct jinja_error *why);

#endif
