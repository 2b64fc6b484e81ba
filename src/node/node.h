/* SPDX-License-Identifier: Apache-2.0 */
/* The process as a whole: the main thread with its configuration, mesh, supervisor and signals,
 * and the workers.
 *
 * SIGHUP reloads the configuration, SIGTERM or SIGINT drains, a second one ends at once; so does the
 * SIGHUP of a terminal that closes. */
#ifndef HOSTLER_NODE_NODE_H
#define HOSTLER_NODE_NODE_H

#include "base/base.h"
#include "conf/conf.h"

/* `hostler serve`: serves until a signal ends it. `conf` is taken over. Returns 0 after a clean
 * end, a negative error when it could not start (the reason is in the log). */
MUST_CHECK int node_run(struct conf *conf);

#endif
