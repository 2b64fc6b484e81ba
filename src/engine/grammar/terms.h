/* SPDX-License-Identifier: Apache-2.0 */
/* What texts a grammar takes, as terms: regular expressions over bytes, which may also call rules,
 * themselves and each other.
 *
 * Each term is there once, so equal ones have equal numbers. What may follow after a byte is again a
 * term, the derivative (Brzozowski, "Derivatives of Regular Expressions", 1964): a state of the
 * automaton is a term, its stack is what a TERM_CAT still has to come. States are made when they are
 * first reached, and remembered.
 *
 * A set of terms is made twice: the compiler's (rules, what they mean), which is constant once
 * terms_finish was called and may then be read by any thread; and an automaton's, one for each
 * model, which imports from those what it reaches. Both are one thread's while they change.
 *
 * Limits: a set has at most `bytes` of memory. One that has reached it, or has no memory, is
 * `failed`: all that is made from then on is TERM_NONE and means nothing. Whoever makes terms looks
 * at the end. */
#ifndef HOSTLER_ENGINE_GRAMMAR_TERMS_H
#define HOSTLER_ENGINE_GRAMMAR_TERMS_H

#include "base/base.h"
#include "base/str.h"

typedef uint32_t term;

enum {
    TERM_NONE = 0,  /* no text at all */
    TERM_EMPTY = 1, /* the empty text */
};

#define TERM_ANY_NUMBER UINT32_MAX /* of times: as often as one likes */

enum term_kind {
    TERM_KIND_NONE,
    TERM_KIND_EMPTY,
    TERM_KIND_BYTE,     /* one byte of a set: its starts */
    TERM_KIND_CAT,      /* a, then b; a is none */
    TERM_KIND_OR,       /* one of a list */
    TERM_KIND_AND,      /* all of a list; no rules in it */
    TERM_KIND_NOT,      /* any text but a's; no rules in it */
    TERM_KIND_REPEAT,   /* a, from `least` to `most` times */
    TERM_KIND_RULE,     /* what a rule takes */
    TERM_KIND_MULTIPLE, /* decimal digits that go on a number which is a multiple */
};

struct byte_set {
    uint64_t bits[4];
};

/* How deep terms may begin with each other: OR in CAT in OR and so on; rules half as deep. ORs that
 * share more of their beginnings than a quarter of it are left as they are. */
enum { TERMS_DEPTH_MAX = 1000 };

struct terms;

/* `bytes`: the most that it may take of memory. NULL: there is none. */
MUST_CHECK struct terms *terms_new(size_t bytes);
void terms_free(struct terms *t); /* also NULL */

bool terms_failed(const struct terms *t);
size_t terms_bytes(const struct terms *t); /* in use */

/* From now on so many derivatives may be computed, which searches do (term_and, term_not); then it
 * has failed. A limit of time that is the same on each machine; without one there is none. */
void terms_limit_work(struct terms *t, uint64_t derivatives);

/* The same of all that takes time: derivatives, terms that are joined, and what else is spent. One is
 * some 60 ns. */
void terms_limit_effort(struct terms *t, uint64_t effort);

uint64_t terms_effort_left(const struct terms *t); /* of that */

/* True when that is why it has failed. */
bool terms_exhausted(const struct terms *t);

/* Counts effort of the caller's own. False: it has failed. */
bool terms_spend(struct terms *t, uint64_t effort);

/* --- making them --- */

term term_bytes(struct terms *t, const struct byte_set *set);
term term_byte(struct terms *t, unsigned char byte);
term term_range(struct terms *t, unsigned char first, unsigned char last); /* both in it */
term term_text(struct terms *t, struct str text);
term term_cat(struct terms *t, term a, term b);
term term_or(struct terms *t, term a, term b);
term term_or_all(struct terms *t, const term *all, size_t count);

/* Without rules in them. TERM_NONE where no text is left, which takes a search. */
term term_and(struct terms *t, term a, term b);
term term_not(struct terms *t, term a);

/* `most` TERM_ANY_NUMBER: no limit. */
term term_repeat(struct terms *t, term a, uint32_t least, uint32_t most);
term term_optional(struct terms *t, term a);

/* One or more decimal digits d such that (remainder followed by d), as a number, is a multiple of
 * `of`; no digits at all, too, when `remainder` is 0. `of`: 1 to 2^31. */
term term_multiple(struct terms *t, uint32_t of, uint32_t remainder);

/* A new rule, which takes nothing until it is set. Set once. */
uint32_t terms_add_rule(struct terms *t);
void terms_set_rule(struct terms *t, uint32_t rule, term body);
term term_rule(struct terms *t, uint32_t rule);

/* Ends the making of a compiler's set, whose texts are those of `root`: branches that take no text
 * are cut. ERR_INVALID: a rule may begin with itself (left recursion), and *rule (may be NULL) is
 * one that does. ERR_TOO_LARGE: it has failed. The root may then be TERM_NONE: it takes no text. */
MUST_CHECK int terms_finish(struct terms *t, term root, uint32_t *rule);
term terms_root(const struct terms *t);

/* The root of a finished set in this one. Keeps a reference to `from` as long as this set lives. */
term terms_import(struct terms *t, struct terms *from);

/* One more owner, and one less (terms_free). Any thread. */
struct terms *terms_share(struct terms *t);

/* --- looking at them --- */

enum term_kind term_kind(const struct terms *t, term a);
term term_first(const struct terms *t, term a); /* of a CAT or REPEAT: what it begins with */
term term_rest(const struct terms *t, term a);  /* of a CAT */
const term *term_list(const struct terms *t, term a, size_t *count); /* of an OR or AND */
void term_times(const struct terms *t, term a, uint32_t *least, uint32_t *most); /* of a REPEAT */

/* True when the empty text is one of a's: here it may end. */
bool term_may_end(const struct terms *t, term a);

/* Bytes that may come first: some of these may turn out to lead nowhere. */
const struct byte_set *term_starts(const struct terms *t, term a);

/* What may follow once `byte` has come; TERM_NONE: it must not. */
term term_next(struct terms *t, term a, unsigned char byte);

/* The same after all of a text. */
term term_after(struct terms *t, term a, struct str text);

/* True when `a` takes the text, and false when the set has failed, too. */
bool term_takes(struct terms *t, term a, struct str text);

/* The one byte that must come next; -1: there are several, or it may end. */
int term_forced(struct terms *t, term a);

/* --- sets of bytes --- */

static inline void byte_set_add(struct byte_set *s, unsigned char byte)
{
    s->bits[byte / 64] |= UINT64_C(1) << (byte % 64);
}

static inline bool byte_set_has(const struct byte_set *s, unsigned char byte)
{
    return s->bits[byte / 64] >> (byte % 64) & 1;
}

static inline unsigned byte_set_count(const struct byte_set *s)
{
    unsigned n = 0;
    for (unsigned i = 0; i < 4; i++)
        n += (unsigned)__builtin_popcountll(s->bits[i]);
    return n;
}

#endif
