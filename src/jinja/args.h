/* SPDX-License-Identifier: Apache-2.0 */
/* Calling what is built in. */
#ifndef HOSTLER_JINJA_ARGS_H
#define HOSTLER_JINJA_ARGS_H

#include "jinja/value.h"

enum { PARAMS_MAX = 6 };

/* Calls it with its parameters in order, KIND_MISSING for what was left out; ERR_INVALID when the
 * arguments do not fit. */
MUST_CHECK int builtin_call(struct run *r, const struct builtin *b, const struct value *self,
                            const struct args *args, struct value *out);

/* The row of a table by its name; NULL. */
const struct builtin *builtin_find(const struct builtin *table, size_t count, struct str name);

/* An argument in the wanted type; `otherwise` when it was left out. ERR_INVALID. */
MUST_CHECK int arg_int(struct run *r, const struct value *v, int64_t otherwise, int64_t *out);
MUST_CHECK int arg_text(struct run *r, const struct value *v, struct value *out);

static inline bool arg_given(const struct value *v)
{
    return v->kind != KIND_MISSING;
}

static inline bool arg_true(const struct value *v)
{
    return value_is_true(v);
}

/* An argument by name among those of "*"; NULL. */
const struct value *arg_named(const struct args *args, const char *name);

#endif
