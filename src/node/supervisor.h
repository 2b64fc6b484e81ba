/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the processes behind models: our own engine on a GGUF file, or any configured command.
 *
 *   STOPPED --wanted, or at start--> STARTING --health answers 200--> READY
 *      ^                                |  exit, start_timeout          |  |  idle_stop, reload,
 *      |                                v                               |  |  shutdown
 *      +-- nobody wants it --------- BACKOFF <------------exit----------+  v
 *      |                                |                               STOPPING
 *      |                                |  SUPERVISOR_QUICK_MAX quick      |
 *      |                                v  failures in a row, or a refusal |
 *      +-- backoff maximum ---------- FAILED                               |
 *      +---------------------------------------------------------- exit ---+
 *
 * A process's state is mirrored in its endpoint's phase: STOPPED is startable, STARTING and
 * BACKOFF are starting (requests wait, and know when the start is given up), READY is up, FAILED is
 * down with the reason. A process takes its group with it: nothing starts, and STOPPING does not
 * end, before the last member has. Belongs to the main thread's loop. */
#ifndef HOSTLER_NODE_SUPERVISOR_H
#define HOSTLER_NODE_SUPERVISOR_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "conf/conf.h"
#include "http/client.h"
#include "loop/loop.h"
#include "mesh/service.h"
#include "obs/metrics.h"

struct supervisor;

enum engine_state {
    ENGINE_STOPPED,
    ENGINE_STARTING,
    ENGINE_READY,
    ENGINE_STOPPING,
    ENGINE_BACKOFF,
    ENGINE_FAILED,
    ENGINE_STATES
};

const char *engine_state_name(enum engine_state s); /* "stopped" ...; static */

/* Stands in the reason of a model whose process did not come up. */
#define ENGINE_FAILED_TO_START "failed to start"

/* Makes a private folder for sockets (node/engine_folder.h). `client` belongs to `loop`. */
MUST_CHECK int supervisor_new(struct loop *loop, struct http_client *client,
                              struct supervisor **out);

/* All processes must have ended (supervisor_drain) or are killed; removes the folder. NULL is
 * fine. */
void supervisor_free(struct supervisor *s);

/* For mesh_new. The hooks' ctx is the supervisor, which must outlive the mesh's workers. */
struct mesh_hooks supervisor_hooks(struct supervisor *s);

/* After mesh_load, with the new current snapshot (a reference is taken): starts what starts at
 * start, drains and restarts processes whose settings changed, stops those that are gone. */
void supervisor_apply(struct supervisor *s, struct snapshot *snapshot);

/* Shutdown: no starts any more, SIGTERM to all, SIGKILL after each one's stop_timeout; `done` is
 * woken when none is left (also when there was none). A second call kills at once. */
void supervisor_drain(struct supervisor *s, struct task *done);

/* ENGINE_STOPPED when the model has no process here. */
enum engine_state supervisor_state(const struct supervisor *s, struct str model);

/* Writes the rows of engines. Main thread. */
void supervisor_write_metrics(const struct supervisor *s, struct metrics_writer *w);

#endif
