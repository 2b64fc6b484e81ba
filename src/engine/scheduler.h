/* SPDX-License-Identifier: Apache-2.0 */
/* Decides what the model computes next. No thread, no I/O and no clock of its own:
 * compute.c runs it, tests step it.
 *
 * A step is: (1) one token for every running sequence, in one decode; then, unless the running
 * sequences are still owed time for the last ones (plan.h), (2) a slice of the waiting prompts and
 * (3) a batch of embeddings. What one part gives goes out before the next is computed, and so do
 * the first tokens of a slice, group by group.
 *
 * Waiting sequences get slots by turns of their tenants (fair.h), and of one tenant in the order in
 * which they came, but for one with little to compute, which passes those with much. One whose
 * beginning another one is computing waits for that. What a sequence has computed is kept when it
 * has ended, and a new prompt goes on from the longest beginning that anybody has (cache/cache.h).
 * A sequence whose deadline has passed ends before the next step. */
#ifndef HOSTLER_ENGINE_SCHEDULER_H
#define HOSTLER_ENGINE_SCHEDULER_H

#include "base/base.h"
#include "base/list.h"
#include "base/pace.h"
#include "engine/cache/cache_stats.h"
#include "engine/model/model.h"
#include "engine/model/vocab.h"
#include "engine/output.h"
#include "engine/sequence.h"
#include "obs/metrics.h"

struct scheduler;

/* Why a sequence did not get a slot at once. */
enum wait_cause {
    WAIT_NONE,
    WAIT_SLOT,      /* others had them all */
    WAIT_BEGINNING, /* another one was computing what it begins with */
};

enum { WAIT_CAUSES = WAIT_BEGINNING + 1 };

const char *wait_cause_text(unsigned cause);

/* Written by the scheduler's thread, read by any. */
struct scheduler_stats {
#define SCHEDULER_METRIC METRIC_MEMBER
#include "obs/metrics.def"
    struct metric_cell cache_used; /* positions held by sequences with a slot */
    struct cache_stats cache;
};

/* Whether somebody waits for the end of the step: asked many times while it computes. */
struct newcomers {
    bool (*any)(void *user); /* NULL: never */
    void *user;
};

struct scheduler_options {
    struct model *model; /* borrowed */
    unsigned threads;    /* 0: adapt, up to threads_most */
    unsigned threads_most;
    struct pace inter_token; /* plan_options.pace */
    uint64_t slice_us;       /* plan_options.slice_us; 0: SCHEDULER_SLICE_US */
    uint64_t slice_alone_us; /* plan_options.slice_alone_us; 0: SCHEDULER_SLICE_ALONE_US */
    uint64_t slice_long_us;  /* plan_options.slice_long_us; 0: SCHEDULER_SLICE_LONG_US */
    struct newcomers newcomers;
    uint64_t (*now_us)(void); /* NULL: clock_mono_us */
    size_t cache_ram;         /* bytes of saved states at most; 0: none are saved */
    size_t grammar_bytes;     /* of what is known of grammars; 0: SCHEDULER_GRAMMAR_BYTES */
    struct output_sink sink;
};

enum { SCHEDULER_GRAMMAR_BYTES = 256 << 20 };
enum {
    SCHEDULER_SLICE_US = 400 * 1000,
    SCHEDULER_SLICE_ALONE_US = 1000 * 1000,
    SCHEDULER_SLICE_LONG_US = 4000 * 1000,
};

struct embed_job {
    struct list link;
    void *owner;                                     /* the asker's */
    void (*on_done)(struct embed_job *job, int err); /* the asker's, on its loop */
    const struct token_list *inputs; /* each 1..input_max tokens; borrowed until on_embedded */
    uint32_t count;
    uint32_t next; /* first input still to do */
    float *out;    /* [count][length]; borrowed */
};

struct scheduler *scheduler_new(const struct scheduler_options *options);

/* All sequences must have ended (scheduler_cancel_all). */
void scheduler_free(struct scheduler *s);

/* Takes over until the last output. */
void scheduler_add(struct scheduler *s, struct sequence *q);
void scheduler_embed(struct scheduler *s, struct embed_job *job);

/* Ends it now with FINISH_CANCELLED, unless it has ended. Its slot is free for the next step. */
void scheduler_cancel(struct scheduler *s, struct sequence *q);
void scheduler_cancel_embed(struct scheduler *s, struct embed_job *job);
void scheduler_cancel_all(struct scheduler *s);

/* A paused sequence gets no tokens. It keeps its slot as long as no other needs it. */
void scheduler_pause(struct scheduler *s, struct sequence *q, bool paused);

/* One step; where nothing is to be computed, a piece of the cache's housekeeping. False: there is
 * nothing to do now. */
bool scheduler_step(struct scheduler *s);

/* When a step has something to do at the latest, though nothing is asked meanwhile; UINT64_MAX: never. */
uint64_t scheduler_due_us(const struct scheduler *s);

/* Its prefix cache, between two steps. */
struct cache *scheduler_cache(struct scheduler *s);

const struct scheduler_stats *scheduler_stats(const struct scheduler *s);

#endif
