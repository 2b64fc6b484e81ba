/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics page of an engine, read again every few seconds while the engine is ready, so that
 * nobody who asks for the gateway's has to wait for it. What does not come in time, or is too large,
 * is not told. Main thread. */
#ifndef HOSTLER_NODE_ENGINE_PAGE_H
#define HOSTLER_NODE_ENGINE_PAGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "http/client.h"
#include "loop/loop.h"
#include "mesh/service.h"
#include "obs/metrics.h"

enum { ENGINE_PAGE_MAX = 256 << 10 }; /* bytes */

/* Embedded in its engine. */
struct engine_page {
    struct loop *loop;
    struct http_client *client;
    const struct endpoint *const
        *endpoint;             /* the engine's, which reloads change; NULL: it has none */
    struct snapshot *snapshot; /* of the one that is asked; NULL: none is */
    struct fetch fetch;
    struct arena arena;
    struct buf coming; /* what has come of the page that is read */
    struct buf last;   /* the last whole one; empty: none that is recent */
    struct task task;
    struct timer timer;
};

/* The rows that engines tell and the gateway passes on. */
extern const struct metric_set engine_page_rows;

void engine_page_init(struct engine_page *p, struct loop *loop, struct http_client *client,
                      const struct endpoint *const *endpoint);
void engine_page_fini(struct engine_page *p); /* stops */

void engine_page_start(struct engine_page *p);
void engine_page_stop(
    struct engine_page *p); /* and forgets what it read; legal when it is stopped */

#endif
