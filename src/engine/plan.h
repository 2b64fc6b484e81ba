/* SPDX-License-Identifier: Apache-2.0 */
/* How much of which waiting prompt is computed in a step: pure decisions, which the scheduler
 * carries out.
 *
 * How much. While nothing runs, only newcomers wait for a slice's end, and those for a second at
 * most: one that takes longer is interrupted for them, which loses what it has computed. After that
 * slices last a second at most, until no prompt waits any more, so that a prompt loses once. Beside
 * running sequences each of their steps allows prompts some time, so that tokens come as
 * far apart as the pace says, as an average: a slice that takes longer makes a debt, which
 * the next steps pay off before another slice comes. So its size is free to be one that computes
 * well: the largest that one step's allowance pays for, or the smallest whose tokens cost little
 * more than the cheapest ones. Cut prompts go in multiples of PLAN_ROWS tokens, never in fewer than
 * a BLAS library needs. Where the pace is automatic and more prompts wait than sequences run, the
 * share grows with their number: to wait costs more than to run a little slower.
 *
 * Whose. Half of the time goes to the shortest prompts (what is left of them, divided by how many
 * wait for it), and half to the oldest one: a short prompt passes a long one, and no prompt waits
 * for ever.
 *
 * No clock, no model: times are told. The scheduler's thread. */
#ifndef HOSTLER_ENGINE_PLAN_H
#define HOSTLER_ENGINE_PLAN_H

#include "base/base.h"
#include "base/pace.h"
#include "engine/cost.h"

enum { PLAN_ROWS = 64 };

#define PLAN_TIMES 3.0       /* the pace, where it is automatic */
#define PLAN_SHARE_LEAST 0.1 /* whatever the pace: prompts must come to their end */

struct plan_options {
    struct pace pace;        /* of running sequences while prompts wait */
    uint64_t slice_us;       /* longest one beside others, unless smaller ones compute badly */
    uint64_t slice_alone_us; /* longest one while nothing runs, if it cannot be interrupted */
    uint64_t slice_long_us;  /* longest one that can */
    uint32_t batch;          /* tokens of a slice at most */
    uint32_t blas_from;      /* model_info.blas_from */
};

struct plan {
    struct plan_options options;
    struct cost cost;
    bool charging;   /* slices make debts: something runs beside them */
    bool wary;       /* one was interrupted */
    double step_us;  /* what a step of the running sequences takes, smoothed */
    double debt_us;  /* what slices took beyond their share and steps have yet to make up for;
                        below 0: what is left of the last step's allowance */
    double ahead_us; /* what the shortest have got beyond the oldest */
};

struct plan_prompt {
    uint32_t rest;    /* tokens to compute, at least 1 */
    uint32_t depth;   /* tokens before them */
    unsigned waiters; /* others that want what it computes */
    uint32_t take;    /* tokens of the rest that this slice computes: the decision */
};

void plan_init(struct plan *p, const struct plan_options *options);

/* `running` sequences got a token each, which took `us`, while so many prompts waited. */
void plan_ran(struct plan *p, size_t running, size_t prompts, uint64_t us);

/* True when something besides the running sequences may be computed. */
bool plan_may(struct plan *p, size_t running);

/* Sets what each prompt, in order of arrival, gets of the next slice; call it after plan_may only.
 * Returns the tokens in all, at least 1 unless there are no prompts. */
uint32_t plan_slice(const struct plan *p, struct plan_prompt *prompts, size_t count,
                    size_t running);

/* Tells of a decode of a slice: of the `oldest` prompt, with or without others, or of others. What
 * it took is charged besides. */
void plan_prefilled(struct plan *p, uint32_t tokens, uint32_t depth, uint64_t us, bool oldest);

/* A slice was interrupted for a newcomer; and no prompt waits any more. */
void plan_interrupted(struct plan *p);
void plan_calm(struct plan *p);

/* Slices, or other work, took so long; steps must make up for it. */
void plan_charge(struct plan *p, uint64_t us);

/* Microseconds for other work in one step, beside so many sequences. */
double plan_budget_us(const struct plan *p, size_t running, size_t prompts);

/* Tokens that can be computed in so many microseconds by what `c` knows: a multiple
 * of PLAN_ROWS, at least one. */
uint32_t plan_fit(const struct cost *c, double us, uint32_t depth, uint32_t most);

#endif
