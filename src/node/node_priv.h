/* SPDX-License-Identifier: Apache-2.0 */
/* The node as its files share it. Main thread. */
#ifndef HOSTLER_NODE_NODE_PRIV_H
#define HOSTLER_NODE_NODE_PRIV_H

#include "conf/conf.h"
#include "gate/lane.h"
#include "http/client.h"
#include "loop/process.h"
#include "mesh/lists.h"
#include "mesh/probe.h"
#include "node/memory_watch.h"
#include "node/supervisor.h"
#include "node/tls.h"
#include "node/workers.h"
#include "obs/log.h"

enum { NODE_SIGNALS = 4 };

enum node_phase { NODE_RUNNING, NODE_DRAINING, NODE_STOPPING };

enum reload_result { RELOAD_OK, RELOAD_FAILED, RELOAD_RESULTS };

struct node_stats {
#define PROCESS_METRIC METRIC_MEMBER
#define NODE_METRIC METRIC_MEMBER
#include "obs/metrics.def"
};

struct node {
    struct loop *loop;
    struct conf *conf;
    struct http_client client; /* probes, supervisor */
    struct mesh *mesh;
    struct supervisor *supervisor;
    struct prober *prober;
    struct keyring *keyring; /* that workers have */
    struct key_labels key_labels;
    struct lists *lists; /* of runtimes whose models are not configured */
    struct tls_watch *tls;
    struct memory_watch memory;
    struct workers workers;
    struct lane_home home;
    struct signal_watch *signals[NODE_SIGNALS];
    struct task drain_task;
    struct timer drain_timer;
    struct task workers_ended;
    struct task engines_gone;
    uint64_t drain_until_us;
    uint64_t started_us;
    enum node_phase phase;
    bool cut;         /* a second signal came: nobody is waited for */
    bool at_terminal; /* it began where a person reads the log */
    bool reachable;   /* a listener is open to other machines, whoever they are */
    char via[sizeof "1.1 hostler-0123456789abcdef"];
    struct node_stats stats;
};

/* --- reload.c --- */

/* A line of the log for each. */
void node__log_problems(enum log_level level, const char *event,
                        const struct conf_problems *problems);

/* Gives the mesh a configuration and makes its keys. Fails with everything as it was. *keyring
 * has a reference for the caller. */
MUST_CHECK int node__load(struct node *n, struct conf *conf, struct keyring **keyring);

/* Lowers connections_max to what the limit of open files leaves room for: a client's connection
 * may need one to a runtime as well. */
void node__fit_connections(struct conf *c, unsigned workers);

/* What runtimes list now is served. For struct lists; `owner`: a struct node. */
void node__take_lists(void *owner);

/* Tells the supervisor of the mesh's current snapshot. */
void node__tell_supervisor(struct node *n);

/* Reads the file again. What fails changes nothing; it was logged. */
void node__reload(struct node *n);

/* What is served from now on, in a line of the log. */
void node__log_configuration(const struct node *n, const char *event);

/* --- metrics.c --- */

/* Appends all metrics in the text format. `node`: a struct node. Fits struct lane_home. */
MUST_CHECK int node__write_metrics(void *node, struct buf *out);

#endif
