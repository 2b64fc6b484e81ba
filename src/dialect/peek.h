/* SPDX-License-Identifier: Apache-2.0 */
/* What peeking has in common, whatever the dialect: one scan of the body, its failures in words, and
 * the fields that all have. */
#ifndef HOSTLER_DIALECT_PEEK_H
#define HOSTLER_DIALECT_PEEK_H

#include "dialect/dialect.h"

/* Scans a request body for the members `names`, whose strings have terminators. ERR_INVALID: *why
 * says what is wrong: no JSON object, a name that is there twice, or one that differs by case or
 * escapes only, which a runtime's parser may take for it. */
MUST_CHECK int peek_scan(struct arena *arena, struct str body, const struct str *names,
                         size_t count, struct json_span *spans, struct refusal *why);

/* out->model and its span. ERR_INVALID, -ENOMEM. */
MUST_CHECK int peek_model(struct arena *arena, const struct json_span *span, struct ask *out,
                          struct refusal *why);

/* A flag that may be missing or null, and then is `standard`. `name` is static. */
MUST_CHECK int peek_flag(struct arena *arena, const struct json_span *span, const char *name,
                         bool standard, bool *out, struct refusal *why);

/* Sets *why to a 400. Returns ERR_INVALID. */
int peek_refuse(struct refusal *why, struct str message, const char *param);

/* --- splice.c --- */

/* One replacement in a body: the bytes at [start, start+len) become `text`. */
struct body_edit {
    size_t start;
    size_t len;
    struct str text;
};

/* The body with edits that do not overlap, at most two, in any order: as slices. */
unsigned splice_edits(struct str body, struct body_edit *edits, unsigned count,
                      struct str slices[DIALECT_SLICES_MAX]);

/* Adds the edit that gives the body another model's name, where it has another. False: no
 * memory. */
bool splice_model(const struct ask *ask, struct str body, struct str model, struct arena *arena,
                  struct body_edit *edits, unsigned *count);

/* A dialect's `splice` where only the name is changed. */
unsigned splice_name(const struct ask *ask, struct str body, const struct edits *wanted,
                     struct arena *arena, struct str slices[DIALECT_SLICES_MAX]);

/* A dialect's `choices` where an answer has one. */
unsigned one_choice(struct str body);

#endif
