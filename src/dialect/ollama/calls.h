/* SPDX-License-Identifier: Apache-2.0 */
/* Tool calls that are collected until they are complete: Ollama's clients get each in one piece,
 * with arguments that are an object. */
#ifndef HOSTLER_DIALECT_OLLAMA_CALLS_H
#define HOSTLER_DIALECT_OLLAMA_CALLS_H

#include "dialect/pivot.h"

struct ollama__call;

/* Zeroed: none. */
struct ollama__calls {
    struct ollama__call *first,
        *last;      /* those that are not written, in their order; on the arena */
    unsigned count; /* that have begun */
    size_t held;    /* bytes */
};

void ollama__calls_fini(struct ollama__calls *k);

/* Takes ANSWER_CALL or ANSWER_ARGUMENTS. What belongs to no call that is held is passed over.
 * -ENOMEM, ERR_TOO_LARGE. */
MUST_CHECK int ollama__calls_take(struct ollama__calls *k, const struct translation *t,
                                  const struct answer_event *e);

/* Appends calls as elements of a JSON list, with commas between them, and forgets them. `all`: also
 * those whose arguments are not whole; else as many, from the first on, as are. Arguments that are
 * no object become one with the member "_raw", which has their text. -ENOMEM, ERR_TOO_LARGE. */
MUST_CHECK int ollama__calls_write(struct ollama__calls *k, const struct translation *t, bool all,
                                   struct buf *out);

#endif
