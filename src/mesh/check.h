/* SPDX-License-Identifier: Apache-2.0 */
/* One health check: GET a path of an endpoint over a new connection, or only connect to it,
 * within a time.
 *
 * Embedded in its owner; belongs to the loop's thread. */
#ifndef HOSTLER_MESH_CHECK_H
#define HOSTLER_MESH_CHECK_H

#include "base/arena.h"
#include "base/base.h"
#include "http/client.h"
#include "loop/loop.h"
#include "loop/stream.h"
#include "mesh/endpoint.h"

struct health_check {
    struct loop *loop;
    /* Runs once per start, from a task, unless stopped: the answer's status, or 0 and err
     * (ERR_TIMEOUT, -ECONNREFUSED ...; 0 when it was only to connect). May start the check again
     * or free its owner. */
    void (*done)(struct health_check *c, int status, int err);
    bool running;
    bool connected;   /* when done: a connection was made */
    unsigned loading; /* when done: the share of its model that our engine has loaded, in % */
    struct http_client *client;
    struct arena arena;
    struct fetch fetch;
    struct http_field fields[3]; /* the request's */
    struct stream *bare;         /* only to connect; else NULL */
    int bare_err;
    const char *why; /* more of the error, as a fetch's; or NULL */
    bool bare_open;  /* bare_err is known */
    struct task task;
    struct timer timer;
};

void health_check_init(struct health_check *c, struct loop *loop, struct http_client *client,
                       void (*done)(struct health_check *c, int status, int err));
void health_check_fini(struct health_check *c); /* stops it */

/* Without a path (empty) nothing is sent. `e` lives until it is done or stopped. Not while it
 * runs. */
void health_check_start(struct health_check *c, const struct endpoint *e, struct str path,
                        uint64_t timeout_us);
void health_check_stop(struct health_check *c); /* legal when it does not run */

#endif
