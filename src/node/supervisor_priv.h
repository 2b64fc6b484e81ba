/* SPDX-License-Identifier: Apache-2.0 */
/* Supervisor and engine as their files share them: supervisor.c (all of them), engine.c (the
 * life of one). Main thread. */
#ifndef HOSTLER_NODE_SUPERVISOR_PRIV_H
#define HOSTLER_NODE_SUPERVISOR_PRIV_H

#include "base/list.h"
#include "base/map.h"
#include "base/rand.h"
#include "loop/process.h"
#include "mesh/check.h"
#include "node/engine_folder.h"
#include "node/engine_output.h"
#include "node/engine_page.h"
#include "node/supervisor.h"

struct box;

struct engine_stats {
#define ENGINE_METRIC METRIC_MEMBER
#include "obs/metrics.def"
};

/* A model's process. Lives while the model is configured or the process runs. */
struct engine {
    struct list link;
    struct supervisor *sup;
    struct str model; /* owned */
    /* owned; where it listens unless its configuration says otherwise */
    struct str socket;
    /* in the supervisor's snapshot; NULL: not configured any more */
    const struct endpoint *endpoint;
    /* then: what it was, whose requests may finish; kept by a reference on its snapshot */
    const struct endpoint *former;
    struct snapshot *former_snapshot;
    struct arena arena; /* holds the arguments */
    char **argv;        /* what the process was, or will be, started with */
    char **env;

    enum engine_state state;
    /* STARTING, READY, STOPPING; in BACKOFF and FAILED what is left of its group, which ends */
    struct process *process;
    struct engine_output output;
    struct health_check check; /* STARTING */
    struct engine_page page;   /* READY, of our own engine */
    struct task task;
    struct timer timer;            /* the state's next look at things */
    uint64_t since_us;             /* when the state began */
    uint64_t deadline_us;          /* STARTING: healthy by then; STOPPING: killed then */
    bool wanted;                   /* a request waits for it */
    bool again;                    /* STOPPING: start when it has stopped */
    bool away;                     /* STOPPING: the model was taken out of the configuration */
    bool signalled;                /* STOPPING: SIGTERM was sent */
    bool overdue;                  /* STARTING: killed because of start_timeout */
    unsigned quick;                /* quick failures in a row */
    char why[ENDPOINT_REASON_MAX]; /* the last failure; "": it has been ready since */
    struct engine_stats stats;
};

struct supervisor {
    struct loop *loop;
    struct http_client *client;
    struct snapshot *snapshot; /* one reference, or NULL */
    struct list engines;
    struct map by_model; /* the engines */
    size_t processes;    /* not gone yet */
    struct box *box;
    struct rng rng;
    struct engine_folder folder;
    struct task *drained; /* woken when the last process has ended; NULL: not draining */
};

/* --- engine.c --- */

uint64_t engine__now(const struct engine *e);

/* Looks at it again after this time. */
void engine__look_in(struct engine *e, uint64_t wait_us);

/* The one mover: state, what the endpoint shows, one log line. */
void engine__enter(struct engine *e, enum engine_state state, enum endpoint_phase phase,
                   const char *reason, uint64_t retry_at_us);

void engine__start(struct engine *e);
bool engine__starts_by_itself(const struct engine *e);

/* Begins to stop. The phase says what requests do meanwhile. With `polite`, those in flight may
 * finish first, for as long as at a shutdown. */
void engine__stop(struct engine *e, enum endpoint_phase phase, const char *reason, bool polite);

/* Stops what is ready and has no request in flight, until it is wanted again. */
void engine__dismiss(struct engine *e);

/* Those who ask wait until it stands and runs anew. */
void engine__restart(struct engine *e, const char *reason);

/* STOPPING, and wanted again meanwhile. */
void engine__start_after_stop(struct engine *e);

/* Forgets it; its process has ended. */
void engine__free(struct engine *e);

/* The last process has ended, and somebody waits for that: wakes them. */
void engine__tell_when_drained(struct supervisor *s);

/* For its task and its check. */
void engine__step(struct task *task);
void engine__on_checked(struct health_check *c, int status, int err);

#endif
