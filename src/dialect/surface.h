/* SPDX-License-Identifier: Apache-2.0 */
/* Surfaces: a row for each API that clients ask or runtimes answer, and how a request gets from one
 * to the other.
 *
 * Where a runtime has the surface that the client asked, the client's own bytes go there. Else the
 * request is translated to one that it has. Constant data, any thread. */
#ifndef HOSTLER_DIALECT_SURFACE_H
#define HOSTLER_DIALECT_SURFACE_H

#include "dialect/dialect.h"
#include "dialect/pivot.h"
#include "dialect/wording.h"

struct surface_row {
    const char *name; /* for logs and messages */
    struct str path;  /* at a runtime, below its /v1 */
    bool beside;      /* ... or beside that */
    bool streams;     /* its answers may be streams */
    bool own;         /* the answer is about one model: a fallback's is none */
    const struct dialect *dialect;
    to_pivot_fn to_pivot; /* as a client's surface; NULL: its body is the pivot's */
    const struct answer_writer_ops *writer;
    const struct wording *words;            /* what its clients call the pivot's fields; or NULL */
    from_pivot_fn from_pivot;               /* as a runtime's; NULL: the pivot's body is its own */
    const struct answer_source_ops *source; /* NULL: nothing is translated to it */
};

/* Never NULL. */
const struct surface_row *surface_row(enum surface s);

/* The surfaces that a word of the setting `dialects` names ("chat", "ollama"); 0: no such word. */
uint32_t surface_set(struct str word);

/* On which of the surfaces in `offered` a request for `asked` is best served: that one, else one
 * that it can be translated to. SURFACE_NONE: on none. */
enum surface surface_choose(enum surface asked, uint32_t offered);

/* All that serve it, as a set. */
uint32_t surface_ways(enum surface asked);

#endif
