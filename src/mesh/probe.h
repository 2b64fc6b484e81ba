/* SPDX-License-Identifier: Apache-2.0 */
/* Active health probes: the main thread asks each endpoint that has a health path, at the
 * configured interval.
 *
 * An endpoint is down after health.failures failures in a row and up again after one success.
 * Any answer below 500 is a success (a runtime that does not know the path is alive); no answer
 * in time, a broken one or 5xx is a failure. Engines that Hostler runs are watched by the
 * supervisor instead. Also runs mesh_tick. */
#ifndef HOSTLER_MESH_PROBE_H
#define HOSTLER_MESH_PROBE_H

#include "base/base.h"
#include "http/client.h"
#include "loop/loop.h"
#include "mesh/service.h"

struct prober;

/* Begins to probe what the mesh's current snapshot names. `client` belongs to `loop`, the main
 * thread's. */
MUST_CHECK int prober_new(struct loop *loop, struct http_client *client, struct mesh *mesh,
                          struct prober **out);
void prober_free(struct prober *p); /* ends probes on the way; NULL is fine */

/* After mesh_load: probes the endpoints of the new snapshot. */
void prober_reload(struct prober *p);

#endif
