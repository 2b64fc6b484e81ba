/* SPDX-License-Identifier: Apache-2.0 */
/* Active health probes, on the main thread.
 *
 * An endpoint that has a health path is asked at the configured interval: down after
 * health.failures failures in a row, up again after one success. Any answer below 500 is
 * a success (a runtime that does not know the path is alive); no answer in time, a
 * broken one or 5xx is a failure.
 *
 * Every endpoint is looked at once when it first appears: whether a connection can be made. Where
 * not, and when requests could not reach it, it cools down and is asked each second: its health
 * path, else GET /models of its API. Engines that Hostler runs are watched by the supervisor; only
 * their cooldowns are ended here. Also runs mesh_tick, and asks endpoints what they are
 * (mesh/inquiries.h). */
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
