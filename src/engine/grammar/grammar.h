/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer must look like, as a request says it, compiled to a finished set of terms.
 *
 * Compiling has a budget of memory and time, so a hostile one ends; the same text again is found
 * again. Compiled ones are constant, shared by reference (terms_share, terms_free), any thread's. */
#ifndef HOSTLER_ENGINE_GRAMMAR_GRAMMAR_H
#define HOSTLER_ENGINE_GRAMMAR_GRAMMAR_H

#include "engine/grammar/masks.h"
#include "engine/grammar/terms.h"
#include "engine/grammar/why.h"
#include "json/json.h"

enum grammar_kind {
    GRAMMAR_JSON,   /* any JSON object */
    GRAMMAR_SCHEMA, /* `json` is a schema */
    GRAMMAR_REGEX,  /* all of the answer matches `text` */
    GRAMMAR_CHOICE, /* one of the texts of the array `json` */
    GRAMMAR_GBNF,   /* `text` */
    GRAMMAR_CALLS,  /* `calls`, whose tools are those of `json` that `text` says; or `otherwise` */
};

struct call_demand;

struct grammar_spec {
    enum grammar_kind kind;
    struct str text;
    const struct json *json;
    const struct call_demand *calls;
    const struct grammar_spec *otherwise; /* NULL: nothing else */
};

enum {
    GRAMMAR_BYTES_MAX = 64 << 20, /* of one that is being compiled */
    GRAMMAR_EFFORT_MAX = 1 << 25, /* likewise: a second or two */
};

/* 0: *out is the caller's to terms_free. ERR_UNSUPPORTED, ERR_SYNTAX, ERR_INVALID (left recursion, or
 * no text at all is taken), ERR_TOO_LARGE: `why` says why. */
MUST_CHECK int grammar_compile(const struct grammar_spec *spec, struct grammar_why *why,
                               struct terms **out);

/* Makes what nearly all grammars of JSON need of a vocabulary: what strings and names of properties
 * go on as. It takes some milliseconds, which else the first answer would. */
void grammar_prepare(struct masks *m);

#endif
