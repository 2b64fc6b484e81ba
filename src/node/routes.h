/* SPDX-License-Identifier: Apache-2.0 */
/* Every route of the process, one row each. */
#ifndef HOSTLER_NODE_ROUTES_H
#define HOSTLER_NODE_ROUTES_H

#include "gate/routes.h"

/* Constant data; *count gets how many. */
const struct route *node_routes(size_t *count);

#endif
