/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of regex share. */
#ifndef HOSTLER_ENGINE_GRAMMAR_REGEX_PRIV_H
#define HOSTLER_ENGINE_GRAMMAR_REGEX_PRIV_H

#include "engine/grammar/regex.h"

/* A pattern that is being read. */
struct pattern {
    struct terms *t;
    struct str text;
    size_t at; /* the byte that is read next */
    enum chars_form form;
    bool any_case;       /* (?i) */
    bool dot_all;        /* (?s) */
    bool inverted;       /* within [^...] */
    unsigned categories; /* how many \p{...} there were */
    struct grammar_why *why;
};

/* Notes that what begins at a byte cannot be enforced, or is no pattern; ERR_UNSUPPORTED,
 * ERR_SYNTAX. */
int regex__refuse(struct pattern *p, const char *what, size_t at);
int regex__wrong(struct pattern *p, const char *what, size_t at);

/* Goes over `text` if it stands here; false: it does not. */
bool regex__skip(struct pattern *p, struct str text);

/* What takes one character: [...], a backslash and what belongs to it, a dot, a character that means
 * itself. */
MUST_CHECK int regex__class(struct pattern *p, term *out);
MUST_CHECK int regex__escape(struct pattern *p, term *out);
term regex__dot(struct pattern *p);
term regex__literal(struct pattern *p);

#endif
