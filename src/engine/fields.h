/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of a request's body, read with type and range. What does not fit is refused by the
 * field's name: each reader returns 0, or ERR_INVALID and *error. A field that is missing or null
 * leaves *out as it was. */
#ifndef HOSTLER_ENGINE_FIELDS_H
#define HOSTLER_ENGINE_FIELDS_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"
#include "dialect/dialect.h"
#include "json/json.h"

/* A body that is being read. */
struct fields {
    struct arena *arena;
    const struct json *body;
    struct refusal *error;
    uint32_t vocab; /* bounds token ids */
};

/* Text, or tokens that the client has made itself. */
struct body_prompt {
    struct str text;
    const int32_t *tokens; /* NULL: text */
    uint32_t token_count;
};

/* Parses a body, which must be an object that has none of the fields that are read twice. */
MUST_CHECK int fields_begin(struct fields *f, struct arena *arena, struct str body, uint32_t vocab,
                            struct refusal *error);

/* True for what is missing or null. */
bool fields_absent(const struct json *v);

/* Refuses: 'name' must be `wanted`. */
int fields_wrong_type(struct fields *f, const char *name, const char *wanted);

/* Refuses: 'name' is missing. */
int fields_missing(struct fields *f, const char *name);

MUST_CHECK int fields_int(struct fields *f, const char *name, int64_t least, int64_t most,
                          int64_t *out);
MUST_CHECK int fields_float(struct fields *f, const char *name, double least, double most,
                            float *out);
MUST_CHECK int fields_bool(struct fields *f, const char *name, bool *out);
MUST_CHECK int fields_str(struct fields *f, const char *name, struct str *out);

/* An array of tokens, which is the field or in it. */
MUST_CHECK int fields_tokens(struct fields *f, const char *name, const struct json *array,
                             struct body_prompt *out);

/* What may be a string, strings, tokens, or arrays of tokens: at most `most`, at least one. */
MUST_CHECK int fields_prompts(struct fields *f, const char *name, size_t most,
                              struct body_prompt **out, size_t *count);

#endif
