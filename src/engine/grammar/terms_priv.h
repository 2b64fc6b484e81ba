/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of terms share. */
#ifndef HOSTLER_ENGINE_GRAMMAR_TERMS_PRIV_H
#define HOSTLER_ENGINE_GRAMMAR_TERMS_PRIV_H

#include <stdatomic.h>

#include "engine/grammar/terms.h"

enum { UNKNOWN = UINT32_MAX }; /* in a row: not yet computed */

static inline struct byte_set byte_set_or(struct byte_set a, const struct byte_set *b)
{
    for (unsigned i = 0; i < 4; i++)
        a.bits[i] |= b->bits[i];
    return a;
}

enum possible { POSSIBLE_UNKNOWN, POSSIBLE_YES, POSSIBLE_NO };

struct node {
    uint8_t kind;
    bool may_end;
    bool has_rules;   /* calls some, itself or within */
    uint8_t possible; /* enum possible: of an AND or NOT; in a finished set of all */
    uint32_t a, b;    /* parts; a list's place and length; a rule; a multiple's numbers */
    uint32_t least, most;
    uint32_t *next; /* row of 256; NULL: none yet */
    struct byte_set starts;
};

struct rule {
    term body;       /* UNKNOWN: not set, or not yet imported */
    bool may_end;    /* from here on: of a finished set's */
    bool possible;   /* takes some text */
    uint8_t visited; /* for terms_finish */
    struct byte_set starts;
    uint32_t source; /* an imported one's: which of `sources`, and its number there */
    uint32_t number;
};

/* A finished set that was imported. */
struct source {
    struct terms *from;
    term *map; /* of its terms: ours; UNKNOWN: not yet imported */
    uint32_t first_rule;
};

struct terms {
    _Atomic uint32_t owners;
    bool failed;
    bool finished;
    unsigned depth;     /* of the derivative in progress */
    unsigned factoring; /* likewise of ORs that are made */
    size_t bytes, bytes_max;
    uint64_t work, work_max; /* derivatives that were computed */
    uint64_t effort, effort_max;
    bool exhausted; /* failed, by effort */
    struct node *nodes;
    uint32_t count, cap;
    term *lists; /* of ORs and ANDs */
    uint32_t list_count, list_cap;
    term *table; /* by hash; TERM_NONE: free */
    uint32_t table_size;
    term *scratch; /* lists in the making, one above the other */
    uint32_t scratch_count, scratch_cap;
    struct rule *rules;
    uint32_t rule_count, rule_cap;
    struct source *sources;
    uint32_t source_count, source_cap;
    term root;
};

/* Room for one more of what *array has; false, and failed: there is none. */
bool terms__grow(struct terms *t, void *array, uint32_t count, uint32_t *cap, size_t size);

/* Memory that counts; NULL, and failed: there is none. */
void *terms__take(struct terms *t, size_t size);

/* The term that is made like this one; a new one when there is none. */
term terms__intern(struct terms *t, const struct node *n);

/* On top of the scratch. */
void terms__push(struct terms *t, term a);

/* An OR of what lies on the scratch from `from` on, which is taken off. */
term terms__or_from(struct terms *t, uint32_t from);

/* These two do not look whether a text is left. */
term terms__and_from(struct terms *t, uint32_t from);
term terms__not(struct terms *t, term a);

/* A rule's body, imported when it was not. */
term terms__rule_body(struct terms *t, uint32_t rule);

#endif
