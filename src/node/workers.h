/* SPDX-License-Identifier: Apache-2.0 */
/* The workers of a node, as the main thread sees them: starts them, sends them mail, joins them. */
#ifndef HOSTLER_NODE_WORKERS_H
#define HOSTLER_NODE_WORKERS_H

#include "mesh/service.h"
#include "node/worker.h"

struct workers {
    struct worker *items;
    unsigned count;
    unsigned running;          /* threads not joined yet */
    struct loop *loop;         /* the main thread's */
    struct task *ended;        /* woken when the last thread was joined */
    _Atomic uint64_t bodies;   /* bytes of request bodies that they hold */
    struct http_quota *quotas; /* of the configuration's `listen`, for all workers */
};

/* Room for `count` of them; a failure aborts. */
void workers_init(struct workers *ws, unsigned count, struct loop *loop, struct task *ended);
void workers_fini(struct workers *ws); /* all threads were joined; frees the workers' loops */

/* Sets all up, each on a loop of its own, with the mesh's current snapshot. */
MUST_CHECK int workers_open(struct workers *ws, const struct lane_home *home, struct mesh *mesh,
                            struct keyring *keyring);
MUST_CHECK int workers_start(struct workers *ws);

/* To all: new requests get the mesh's current snapshot and this keyring. */
void workers_apply(struct workers *ws, struct mesh *mesh, struct keyring *keyring);
void workers_drain(struct workers *ws);
void workers_stop(struct workers *ws);

uint64_t workers_bodies(const struct workers *ws); /* bytes of request bodies that they hold */
uint64_t workers_active(const struct workers *ws); /* exchanges in progress */

/* Connections whose last answer may not have been taken yet by a client that reads slowly. */
uint64_t workers_lingering(const struct workers *ws);

#endif
