/* SPDX-License-Identifier: Apache-2.0 */
/* The compute thread: loads the model, runs the scheduler, and talks with the server's loop.
 *
 * Inwards go commands, through a mutex; outwards goes one mail per step with all that the step
 * gave: each sequence's on_output and each job's on_done are called on the loop. The functions
 * belong to the loop's thread. What was handed in stays this thread's until its last output has
 * been delivered; that comes exactly once for each, also after a cancel. */
#ifndef HOSTLER_ENGINE_COMPUTE_H
#define HOSTLER_ENGINE_COMPUTE_H

#include "base/base.h"
#include "base/pace.h"
#include "engine/model/model.h"
#include "engine/output.h"
#include "engine/scheduler.h"
#include "loop/loop.h"

struct compute;

struct compute_options {
    struct model_options model;
    unsigned threads; /* 0: adapt */
    unsigned threads_most;
    uint64_t cache_ram; /* scheduler_options.cache_ram, or COMPUTE_CACHE_AUTO */
    struct pace inter_token;
};

/* A quarter of what is free once the model is there, in equal parts for all engines of the
 * machine. */
#define COMPUTE_CACHE_AUTO UINT64_MAX

/* Starts the thread, which begins to load. on_loaded comes once: 0 and compute_model is there, or
 * the reason in words. */
MUST_CHECK int compute_start(struct loop *loop, const struct compute_options *options,
                             void (*on_loaded)(void *user, int err, const char *why), void *user,
                             struct compute **out);

/* How far loading is, 0..100. */
unsigned compute_progress(const struct compute *c);

/* After on_loaded. */
struct model *compute_model(struct compute *c);
const struct scheduler_stats *compute_stats(const struct compute *c);

void compute_add(struct compute *c, struct sequence *q);
/* A slice that is computed for cancelled sequences alone ends at once. */
void compute_cancel(struct compute *c, struct sequence *q);
void compute_pause(struct compute *c, struct sequence *q, bool paused);
void compute_embed(struct compute *c, struct embed_job *job);
void compute_cancel_embed(struct compute *c, struct embed_job *job);

/* Something to be done with the scheduler between two steps. */
struct compute_errand {
    struct mail mail;
    void (*run)(struct compute_errand *e, struct scheduler *s); /* on the compute thread */
    void (*on_done)(struct compute_errand *e); /* on the loop, once; it is the asker's again */
};

/* Not after compute_stop. */
void compute_ask(struct compute *c, struct compute_errand *e);

/* Runs dispose(what) when no command given before can touch `what` any more: how sequences and jobs
 * are freed after their last output. On the compute thread, or at once when that has ended. */
void compute_dispose(struct compute *c, void (*dispose)(void *what), void *what);

/* Waits for the thread, which ends with its present step. What is unfinished is cancelled; to have
 * its outputs delivered, end it before. */
void compute_stop(struct compute *c);
void compute_free(struct compute *c);

#endif
