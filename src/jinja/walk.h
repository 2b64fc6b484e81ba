/* SPDX-License-Identifier: Apache-2.0 */
/* Going through what Python calls iterables, and taking parts of sequences. */
#ifndef HOSTLER_JINJA_WALK_H
#define HOSTLER_JINJA_WALK_H

#include "jinja/value.h"

struct walk {
    struct value of;
    size_t at; /* bytes of a text, else members */
};

/* ERR_INVALID: not iterable. Undefined values have no members. */
MUST_CHECK int walk_start(struct run *r, const struct value *v, struct walk *w);

enum { WALK_END = 1 };

/* 0 and the next member; WALK_END. Each costs a step. */
MUST_CHECK int walk_next(struct run *r, struct walk *w, struct value *out);

bool value_is_iterable(const struct value *v);

/* len(); false: it has none. */
bool value_length(const struct value *v, size_t *out);

/* All members, as a list that is not shared with a stream; a list or tuple itself is borrowed. */
MUST_CHECK int value_members(struct run *r, const struct value *v, const struct list **out);

/* The member of a sequence or range, below its length. */
struct value value_at(const struct value *v, size_t i);

/* v[i]: KIND_MISSING when there is none. */
MUST_CHECK int value_index(struct run *r, const struct value *v, int64_t i, struct value *out);

/* v[from:to:step]; ERR_INVALID when v has no slices, or these are no integers. */
MUST_CHECK int value_slice(struct run *r, const struct value *v, const struct value *from,
                           const struct value *to, const struct value *step, struct value *out);

/* `in`. */
MUST_CHECK int value_contains(struct run *r, const struct value *in, const struct value *v,
                              bool *out);

/* A stream over the items. */
MUST_CHECK int stream_of(struct run *r, const struct items *items, struct value *out);

#endif
