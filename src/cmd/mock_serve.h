/* SPDX-License-Identifier: Apache-2.0 */
/* The mock runtime's requests: each is read, looked at, and answered at the pace that its knobs
 * say.
 *
 * A worker is one thread: a loop, its HTTP server and listeners. What workers share is
 * immutable, atomic or locked. */
#ifndef HOSTLER_CMD_MOCK_SERVE_H
#define HOSTLER_CMD_MOCK_SERVE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/map.h"
#include "base/rand.h"
#include "base/str.h"
#include "cmd/mock_answer.h"
#include "cmd/mock_knobs.h"
#include "cmd/mock_script.h"
#include "cmd/mock_stats.h"
#include "dialect/runtime.h"
#include "http/server.h"
#include "loop/loop.h"

/* Shared by all workers. */
struct mock {
    struct mock_knobs start_knobs; /* from the command line */
    pthread_rwlock_t knobs_lock;
    struct mock_knobs knobs;         /* in force; POST /mock/knobs changes them */
    const struct runtime_kind *kind; /* what it is like; NULL: like all of them at once */
    struct mock_script script;
    struct mock_text text;
    struct mock_stats stats;
    struct str *models;
    size_t model_count;
    bool any_model;        /* names that are not listed are served too */
    struct map known;      /* model name -> its str */
    struct str model_list; /* body of /v1/models */
    struct arena arena;    /* holds the above; not used after the start */
    _Atomic uint64_t next_number;
    uint64_t started_s; /* seconds since 1970: `created` of all objects */
    size_t body_max;
};

/* Sets up what is shared. `models` lists names, comma-separated; empty: "mock", and any other
 * name is served too. A number N makes N models "model-0" ... */
void mock_init(struct mock *m, const struct mock_knobs *knobs, const struct runtime_kind *kind,
               struct str models, size_t record_max);
void mock_fini(struct mock *m);

struct mock_worker {
    struct mock *mock;
    struct loop *loop;
    struct acceptor acceptor; /* takes accepted streams over, and counts them */
    struct http_server server;
    struct rng rng;
};

void mock_worker_init(struct mock_worker *w, struct mock *m, struct loop *loop, uint64_t seed);
void mock_worker_fini(struct mock_worker *w); /* closes all connections */

#endif
