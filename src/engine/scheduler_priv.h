/* SPDX-License-Identifier: Apache-2.0 */
/* What the scheduler's files share: scheduler.c (the door), admit.c (who gets a slot), step.c (what
 * is computed), token.c (what a chosen token means) and tell.c (what is said of it). */
#ifndef HOSTLER_ENGINE_SCHEDULER_PRIV_H
#define HOSTLER_ENGINE_SCHEDULER_PRIV_H

#include "engine/cache/cache.h"
#include "engine/fair.h"
#include "engine/grammar/automaton.h"
#include "engine/model/context.h"
#include "engine/model/embed.h"
#include "engine/plan.h"
#include "engine/scheduler.h"
#include "engine/threads.h"

/* A prompt's part in a slice. */
struct part {
    struct sequence *sequence;
    uint32_t count;
    uint32_t last_item;
    bool oldest; /* no other prompt has waited longer */
};

struct scheduler {
    struct scheduler_options options;
    struct model *model;
    const struct vocab *vocab;
    struct context *context; /* NULL: the model does not generate */
    const struct context_info *info;
    struct fair fair;    /* whose lists have those that wait for a slot */
    struct list prefill; /* with slot, prompt not yet decoded, in order of arrival */
    struct list parked;  /* paused, without slot */
    struct list embeds;  /* struct embed_job */
    struct cache cache;
    struct automaton automaton;
    struct context_item *items;  /* info->batch */
    struct plan_prompt *prompts; /* info->sequences */
    struct part *parts;          /* info->sequences */
    struct sampler_scratch scratch;
    struct threads decode_threads;
    struct threads prefill_threads;
    struct plan plan;
    uint64_t steps;
    uint64_t deadline_us; /* no sequence's is earlier */
    struct cost embed_cost;
    struct scheduler_stats stats;
};

/* --- tell.c --- */

/* A longer computation follows. */
void tell__pause(struct scheduler *s);

/* The sequence has come to this text (NULL: none), and perhaps to its end. */
void tell__text(struct scheduler *s, struct sequence *q, const struct pieces *pieces,
                enum finish finish);

/* The end of a sequence on every path, with its last text. Its slot keeps what the cache holds. */
void tell__end(struct scheduler *s, struct sequence *q, const struct pieces *pieces,
               enum finish finish);

/* --- token.c --- */

/* Chooses the next token of `q` from its row of logits and tells it, with those behind it that need
 * no choice; may end the sequence. */
void token__take(struct scheduler *s, struct sequence *q, float *logits);

/* --- admit.c --- */

/* Gives slots to sequences that wait, by turns of their tenants (fair.h). */
void admit__waiting(struct scheduler *s);

/* --- step.c --- */

/* Computes what the plan has for one step. False: nothing is to be computed. */
bool step__run(struct scheduler *s);

#endif
