/* SPDX-License-Identifier: Apache-2.0 */
/* One answer in the making: the prompt's tokens and those chosen so far, how to choose, when to
 * stop.
 *
 * Made by whoever asks, handed to a scheduler, which alone touches it until it has reported the end
 * (output.h); then the asker frees it.
 *
 *     WAITING --slot--> PREFILL --all decoded--> RUNNING --stop, length, failure--> ENDED
 *        ^                                          |
 *        +---reader is back--- PARKED <--paused, and others need the slot (the cache keeps it)
 *
 * A cancelled one goes from any state to ENDED. */
#ifndef HOSTLER_ENGINE_SEQUENCE_H
#define HOSTLER_ENGINE_SEQUENCE_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/list.h"
#include "base/str.h"
#include "engine/fair.h"
#include "engine/mask_grammar.h"
#include "engine/model/vocab.h"
#include "engine/sampler.h"
#include "engine/text/calls.h"
#include "engine/text/reasoning.h"
#include "engine/text/stop.h"
#include "engine/words.h"

enum sequence_state {
    SEQUENCE_NEW,
    SEQUENCE_WAITING,
    SEQUENCE_PREFILL,
    SEQUENCE_RUNNING,
    SEQUENCE_PARKED,
    SEQUENCE_ENDED
};

struct output;

struct sequence_spec {
    const int32_t *prompt; /* copied */
    uint32_t prompt_count; /* at least 1, less than the context */
    uint32_t max_tokens;   /* at least 1; prompt and answer fit the context */
    bool ignore_end;       /* goes on after an end token, up to max_tokens */
    const int32_t *ends;   /* tokens that end the answer besides the model's own; copied */
    uint32_t end_count;
    struct sampler_params sampling;
    uint32_t min_tokens; /* none of the ends, the model's or its own, before so many others */
    const struct reasoning_markers *reasoning; /* NULL: all of the answer is content; borrowed */
    bool reasoning_begun;                      /* the prompt ends within the thoughts */
    int64_t thinking_budget;                   /* tokens of thoughts; negative: any number */
    const struct calls_spec *calls;            /* what tools may be called; NULL: none */
    const struct str *stops;
    unsigned stop_count;
    struct terms *grammar; /* what the answer must be; NULL: any text; finished, shared */
    struct words *words;   /* what it must not have; NULL: nothing; shared */
    uint64_t salt;         /* what it computes only serves others of the same */
    uint64_t tenant;       /* whose it is; 0: nobody was named */
    uint8_t priority;      /* among the tenant's: 0 to FAIR_CLASS_TOP */
    uint64_t deadline_us;  /* on the scheduler's clock; 0: none */
    /* Has the same prompt and was added before: its work is copied; or NULL. */
    struct sequence *leader;
};

struct sequence {
    struct list link; /* in the scheduler's list of its state */
    enum sequence_state state;
    void *owner;                                 /* the asker's */
    unsigned index;                              /* the asker's: which choice */
    void (*on_output)(const struct output *out); /* the asker's, on its loop */

    int32_t *tokens; /* prompt, then the answer */
    uint32_t count;
    uint32_t cap;
    uint32_t prompt_count;
    uint32_t max_tokens;
    uint64_t salt;
    bool ignore_end;
    int32_t *ends; /* tokens that end it besides the model's own */
    uint32_t end_count;
    bool paused;             /* the reader is slow: no more tokens for now */
    atomic_bool abandoned;   /* nobody waits for it: its cancel is on the way */
    struct sequence *leader; /* this one waits until its slot has `shared` tokens */
    uint32_t shared;         /* tokens that both begin with */
    unsigned followers;      /* how many wait for this one */
    bool followed;           /* it has waited for another one */
    uint64_t came;           /* the scheduler's step before which it came */

    uint32_t slot; /* in PREFILL and RUNNING */
    uint32_t done; /* tokens that the slot's cache holds */
    uint32_t goal; /* tokens to decode before it runs: the prompt, or all when it comes back */
    uint32_t
        checkpoint;     /* a slice ends there, if it is behind `done`: the cache wants to keep it */
    uint32_t cached;    /* prompt tokens found in the cache */
    uint32_t generated; /* tokens of the answer, with the end token */
    uint64_t queued_us; /* when it came */
    uint64_t waited_us; /* until it had a slot */
    uint64_t prefill_us;  /* from then to its first token */
    uint64_t deadline_us; /* 0: none */

    uint64_t tenant;
    uint8_t priority;
    uint64_t rank_us;            /* its place among its tenant's that wait */
    struct fair_account account; /* open while the scheduler has it */

    struct masker *masks;
    struct mask_grammar *grammar; /* one of them; NULL: none */
    bool forces;                  /* what the grammar leaves no choice about is not sampled */
    struct sampler sampler;
    struct stop stop;
    struct reasoning reasoning;
    struct calls calls;
    uint32_t reasoned;              /* tokens of the thoughts */
    struct sampler_choice *pending; /* chosen, text still held back; only with logprobs */
    unsigned pending_count;
    unsigned pending_cap;
};

struct sequence *sequence_new(const struct sequence_spec *spec, const struct vocab_info *vocab);
void sequence_free(struct sequence *q);

/* True for a token that ends this answer, whatever the model says of it. */
bool sequence_ends_at(const struct sequence *q, int32_t token);

/* Up to which token the next slice may go. */
uint32_t sequence_slice_end(const struct sequence *q);

/* Any thread: the cancel comes, and what is being computed for it alone need not be ended. */
static inline void sequence_abandon(struct sequence *q)
{
    atomic_store_explicit(&q->abandoned, true, memory_order_relaxed);
}

static inline bool sequence_abandoned(const struct sequence *q)
{
    return atomic_load_explicit(&q->abandoned, memory_order_relaxed);
}

/* It waits for no other one any more. */
void sequence_leave_leader(struct sequence *q);

/* Appends a token of the answer. */
void sequence_push(struct sequence *q, int32_t token);

#endif
