/* SPDX-License-Identifier: Apache-2.0 */
/* One rendering's limits, memory and first error: what every part of the interpreter is handed.
 *
 * All memory is the arena's and lives as long as the rendering. The first failure wins. */
#ifndef HOSTLER_JINJA_RUN_H
#define HOSTLER_JINJA_RUN_H

#include <locale.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/err.h"
#include "base/str.h"
#include "jinja/jinja.h"

struct value;
struct args;
struct run;
struct builtin;
struct activation;
struct sink;
struct iteration;
struct macro;

/* Evaluations within each other, and values within each other: what the C stack must hold. */
enum { RUN_DEPTH_MAX = 800, VALUE_DEPTH_MAX = 100 };

/* What lower files need of higher ones. */
struct hooks {
    const struct builtin *(*filter)(struct str name);
    const struct builtin *(*test)(struct str name);
    int (*macro)(struct run *r, const struct macro *m, const struct args *args, struct value *out);
    int (*recurse)(struct run *r, struct iteration *loop, const struct args *args,
                   struct value *out);
    int (*member)(struct run *r, const struct value *v, struct str name, bool attribute,
                  struct value *out);
};

struct run {
    struct arena *arena;
    struct jinja_error *why;
    struct str source;    /* of the template, for lines and columns */
    uint32_t at;          /* offset in it of what is being evaluated */
    uint64_t steps_left;  /* of jinja_limits.steps */
    uint64_t deadline;    /* clock_mono_us; 0: none */
    unsigned until_clock; /* steps until the clock is looked at again */
    unsigned depth;       /* of evaluations within each other */
    size_t output_max;    /* bytes of a text that is written */
    char *tail;           /* end of the text that may grow in place, and how far */
    char *tail_limit;
    const struct hooks *hooks;
    struct value *globals;      /* of the template, by the number that compiling gave each */
    struct activation *here;    /* variables of the function that runs */
    struct sink *out;           /* where statements write */
    const struct value *caught; /* what a block's filter is applied to */
    int64_t now;
    locale_t locale; /* 0: letters beyond ASCII have no case */
    int failure;     /* the first one's code; then there are no steps left either */
};

/* Says why, and gives the code of the first failure. Code that has no way to report one goes on, and
 * the next step ends the rendering. */
int run_fail(struct run *r, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* ERR_INVALID: what Python has an exception for. */
#define run_raise(r, ...) run_fail(r, ERR_INVALID, __VA_ARGS__)

/* The line and column of an offset, and the text. */
void jinja__locate(struct jinja_error *why, struct str source, uint32_t at);

/* ERR_TOO_LARGE when the steps are used up, ERR_TIMEOUT. */
MUST_CHECK int run_charge_slowly(struct run *r, uint64_t steps);

MUST_CHECK static inline int run_charge(struct run *r, uint64_t steps)
{
    if (steps >= r->steps_left || steps >= r->until_clock) return run_charge_slowly(r, steps);
    r->steps_left -= steps;
    r->until_clock -= (unsigned)steps;
    return 0;
}

/* For work on so many bytes. */
MUST_CHECK static inline int run_charge_bytes(struct run *r, size_t bytes)
{
    return run_charge(r, bytes / 64);
}

/* `count` objects of `size` bytes, not zeroed. ERR_TOO_LARGE, -ENOMEM. */
MUST_CHECK int run_alloc(struct run *r, size_t count, size_t size, void *out);

/* Room for more: *items holds *cap objects of `size`, `count` of which are used. */
MUST_CHECK int run_grow(struct run *r, void *items, size_t count, size_t *cap, size_t size);

MUST_CHECK int run_enter(struct run *r); /* one level deeper; ERR_DEPTH */

static inline void run_leave(struct run *r)
{
    r->depth--;
}

#endif
