/* SPDX-License-Identifier: Apache-2.0 */
/* The compute thread: loads the model, runs the scheduler, and talks with the server's loop.
 *
 * Inwards go commands, through a mutex; outwards goes one mail per step with all that the step
 * gave. The functions belong to the loop's thread. What was handed in stays the worker's until its
 * last output has been delivered; that comes exactly once for each, also after a cancel. */
#ifndef HOSTLER_ENGINE_WORKER_H
#define HOSTLER_ENGINE_WORKER_H

#include "base/base.h"
#include "engine/model.h"
#include "engine/output.h"
#include "engine/scheduler.h"
#include "loop/loop.h"

struct worker;

struct worker_options {
    struct model_options model;
    unsigned threads; /* 0: adapt */
    unsigned threads_most;
};

struct worker_handler {
    /* Once: 0 and worker_model is there, or the reason in words. */
    void (*on_loaded)(void *user, int err, const char *why);
    void (*on_output)(void *user, const struct output *out);
    void (*on_embedded)(void *user, struct embed_job *job, int err);
};

/* Starts the thread, which begins to load. */
MUST_CHECK int worker_start(struct loop *loop, const struct worker_options *options,
                            const struct worker_handler *handler, void *user, struct worker **out);

/* After on_loaded. */
struct model *worker_model(struct worker *w);
const struct scheduler_stats *worker_stats(const struct worker *w);

void worker_add(struct worker *w, struct sequence *q);
void worker_cancel(struct worker *w, struct sequence *q);
void worker_pause(struct worker *w, struct sequence *q, bool paused);
void worker_embed(struct worker *w, struct embed_job *job);
void worker_cancel_embed(struct worker *w, struct embed_job *job);

/* Runs dispose(what) when no command given before can touch `what` any more: how sequences and jobs
 * are freed after their last output. On the worker's thread, or at once when that has ended. */
void worker_dispose(struct worker *w, void (*dispose)(void *what), void *what);

/* Waits for the thread, which ends with its present step. What is unfinished is cancelled; to have
 * its outputs delivered, end it before. */
void worker_stop(struct worker *w);
void worker_free(struct worker *w);

#endif
