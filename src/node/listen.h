/* SPDX-License-Identifier: Apache-2.0 */
/* Opens what the configuration lists under `listen`, for all workers. */
#ifndef HOSTLER_NODE_LISTEN_H
#define HOSTLER_NODE_LISTEN_H

#include "conf/conf.h"
#include "node/tls.h"
#include "node/workers.h"

/* *reachable becomes true when an address is open to other machines, whoever they are. An error was logged. Main
 * thread, before the workers start. */
MUST_CHECK int listen_all(struct workers *ws, struct tls_watch *tls, const struct conf *c,
                          bool *reachable);

/* How many listeners each worker has for it: a name may stand for an address of each family of IP. */
size_t listen_places(const struct conf *c);

#endif
