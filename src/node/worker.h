/* SPDX-License-Identifier: Apache-2.0 */
/* A worker: one thread with its loop, its lane, its client connections and its listeners.
 *
 * What main wants of it comes by mail (node/workers.h). */
#ifndef HOSTLER_NODE_WORKER_H
#define HOSTLER_NODE_WORKER_H

#include <pthread.h>

#include "base/base.h"
#include "gate/lane.h"
#include "http/server.h"
#include "transport/proxied.h"
#include "transport/tls.h"

struct workers;

/* Where a worker accepts. */
struct worker_listener {
    struct listener *listener;
    struct proxied_acceptor proxied; /* first */
    struct tls_acceptor tls;         /* then; without a context: it is not */
    struct http_door door;           /* into the server */
};

struct worker {
    struct lane lane;
    struct http_server server;
    struct worker_listener **listeners;
    size_t listener_count;
    struct workers *all; /* it is one of them; NULL: it stands alone */
    pthread_t thread;
    struct mail ended; /* the thread's last word to main, which joins it */
    bool started;
};

/* Sets up everything but listeners, on `loop`. Takes over one reference of each of snapshot and
 * keyring. `bodies`: see http/server.h. After a failure, too, worker_fini must follow. */
MUST_CHECK int worker_init(struct worker *w, const struct lane_home *home, unsigned index,
                           struct loop *loop, struct snapshot *snapshot, struct keyring *keyring,
                           _Atomic uint64_t *bodies);
void worker_fini(struct worker *w); /* cancels what is in progress; fine on a zeroed one */

/* Serves what is accepted on `fd`, which is taken over unless it fails; by TLS if there is a
 * context. That and the quota must outlive the worker. Before worker_start. */
MUST_CHECK int worker_listen(struct worker *w, int fd, struct tls_context *tls,
                             struct http_quota *quota);

/* Starts the thread, which runs until its loop is stopped, finishes the worker and then sends
 * `ended`, whose `deliver` is set. */
MUST_CHECK int worker_start(struct worker *w);

/* --- the worker's thread --- */

/* From here on with this configuration. Takes over the references. */
void worker_apply(struct worker *w, struct snapshot *snapshot, struct keyring *keyring);

/* Refuses new requests, closes idle connections; exchanges in progress go on. */
void worker_drain(struct worker *w);

#endif
