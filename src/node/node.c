/* SPDX-License-Identifier: Apache-2.0 */
/* Starting, reloading, draining, ending.
 *
 *   start --> RUNNING --signal--> DRAINING --no exchange left, drain timeout, 2nd signal--> STOPPING
 *
 * STOPPING: workers end, then the engines, then the loop. The main thread waits for them in its
 * loop, so that a second signal is heard there, too: it kills the engines at once, and the process
 * itself when a thread does not end. */
#include "node/node.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/host.h"
#include "base/machine.h"
#include "base/mem.h"
#include "base/rand.h"
#include "gate/archive.h"
#include "gate/via.h"
#include "node/listen.h"
#include "node/manager.h"
#include "node/node_priv.h"
#include "node/routes.h"
#include "obs/log.h"

enum { DRAIN_LOOK_US = 20 * USEC_PER_MS, CUT_US = USEC_PER_SEC };

static const struct machine machine = {
    .name = "node",
    .count = NODE_STOPPING + 1,
    .names = (const char *const[]){"RUNNING", "DRAINING", "STOPPING"},
    .moves =
        (const uint32_t[]){
            [NODE_RUNNING] = MACHINE_BIT(NODE_DRAINING) | MACHINE_BIT(NODE_STOPPING),
            [NODE_DRAINING] = MACHINE_BIT(NODE_STOPPING),
            [NODE_STOPPING] = 0,
        },
};

static void enter(struct node *n, enum node_phase phase)
{
    n->phase = machine_move(&machine, n->phase, phase);
}

/* --- draining and stopping --- */

static void on_engines_gone(struct task *task)
{
    struct node *n = CONTAINER_OF(task, struct node, engines_gone);
    if (n->workers.running == 0) loop_stop(n->loop);
}

static void end_engines(struct node *n)
{
    supervisor_drain(n->supervisor, &n->engines_gone);
    if (n->cut) supervisor_drain(n->supervisor, &n->engines_gone); /* the second call kills */
}

static void on_workers_ended(struct task *task)
{
    end_engines(CONTAINER_OF(task, struct node, workers_ended));
}

static void stop(struct node *n)
{
    enter(n, NODE_STOPPING);
    memory_watch_stop(&n->memory);
    timer_stop(n->loop, &n->drain_timer);
    task_cancel(&n->drain_task);
    workers_stop(&n->workers);
}

/* Ends at once: what does not end by itself is killed, in the end the process with it. */
static void cut(struct node *n)
{
    if (n->phase == NODE_DRAINING) stop(n);
    if (n->cut) return;
    n->cut = true;
    end_engines(n);
    timer_start(n->loop, &n->drain_timer, loop_now(n->loop) + CUT_US);
}

static void look_whether_drained(struct task *task)
{
    struct node *n = CONTAINER_OF(task, struct node, drain_task);
    if (n->cut) _exit(1); /* a thread hangs, perhaps in the log; the engines were killed */
    uint64_t active = workers_active(&n->workers), now = loop_now(n->loop);
    if (active == 0) active = workers_lingering(&n->workers);
    if (active > 0 && now < n->drain_until_us) {
        timer_start(n->loop, &n->drain_timer, now + DRAIN_LOOK_US);
        return;
    }
    if (active > 0)
        log_note(LOG_WARN, "drain_timeout", "%llu requests are cut", (unsigned long long)active);
    stop(n);
}

static void drain(struct node *n)
{
    enter(n, NODE_DRAINING);
    n->drain_until_us = loop_now(n->loop) + n->conf->timeouts.drain_us;
    manager_tell_stopping();
    log_note(LOG_INFO, "draining", "%llu requests in progress; a second signal ends at once",
             (unsigned long long)workers_active(&n->workers));
    log_flush();
    workers_drain(&n->workers);
    timer_start(n->loop, &n->drain_timer, loop_now(n->loop) + DRAIN_LOOK_US);
}

static void on_end_signal(void *owner, int signum)
{
    struct node *n = owner;
    (void)signum;
    if (n->phase == NODE_RUNNING)
        drain(n);
    else
        cut(n);
}

/* SIGHUP comes when a terminal closes, too: who began in it then ends with it. */
static bool has_lost_its_terminal(const struct node *n)
{
    return n->at_terminal && !isatty(STDERR_FILENO);
}

static void on_hangup_signal(void *owner, int signum)
{
    struct node *n = owner;
    if (n->phase != NODE_RUNNING) return;
    if (has_lost_its_terminal(n)) {
        on_end_signal(n, signum);
        return;
    }
    manager_tell_reloading();
    node__reload(n);
    manager_tell_ready();
}

/* --- starting --- */

static int watch_signals(struct node *n)
{
    int err = signal_watch_open(n->loop, SIGTERM, on_end_signal, n, &n->signals[0]);
    if (!err) err = signal_watch_open(n->loop, SIGINT, on_end_signal, n, &n->signals[1]);
    if (!err) err = signal_watch_open(n->loop, SIGHUP, on_hangup_signal, n, &n->signals[2]);
    if (!err) err = process_adopt_orphans(n->loop, &n->signals[3]);
    return err;
}

static unsigned worker_count_of(const struct conf *c)
{
    return c->threads ? (unsigned)c->threads : host_processors("");
}

static uint64_t count_active(void *owner)
{
    return workers_active(&((struct node *)owner)->workers);
}

/* Without loops or threads yet. */
static void set_home(struct node *n)
{
    uint64_t seed;
    rand_bytes(&seed, sizeof seed);
    snprintf(n->via, sizeof n->via, "1.1 " VIA_PSEUDONYM "%016llx", (unsigned long long)seed);
    n->home = (struct lane_home){
        .loop = n->loop,
        .via = str_of(n->via),
        .write_metrics = node__write_metrics,
        .count_active = count_active,
        .owner = n,
    };
    n->home.routes = node_routes(&n->home.route_count);
    assert(n->home.route_count <= ROUTES_MAX);
    n->home.archive = archive_new();
}

static int start_workers(struct node *n)
{
    int err = workers_open(&n->workers, &n->home, n->mesh, n->keyring);
    if (!err) err = listen_all(&n->workers, n->tls, n->conf, &n->reachable);
    return err ? err : workers_start(&n->workers);
}

static int open_mesh(struct node *n)
{
    const struct conf *c = n->conf;
    struct h1_limits limits = {.head_max = c->limits.upstream_head_max,
                               .header_max = (unsigned)c->limits.header_count_max};
    http_client_init(&n->client, n->loop, &limits, 2, c->timeouts.upstream_idle_us);
    int err = supervisor_new(n->loop, &n->client, &n->supervisor);
    if (err) return err;
    struct mesh_hooks hooks = supervisor_hooks(n->supervisor);
    err = mesh_new(n->workers.count, &hooks, &n->mesh);
    if (!err) err = lists_new(n->loop, &n->client, node__take_lists, n, &n->lists);
    if (err) return err;
    n->tls = tls_watch_new(n->loop, n->mesh, n->lists);
    return lists_load(n->lists, n->conf);
}

static int start(struct node *n)
{
    node__log_problems(LOG_WARN, "config_warning", &n->conf->warnings);
    node__fit_connections(n->conf, n->workers.count);
    int err = open_mesh(n);
    if (!err) err = node__load(n, n->conf, &n->keyring);
    if (err) return err;
    err = start_workers(n);
    if (!err) err = watch_signals(n);
    if (!err) err = prober_new(n->loop, &n->client, n->mesh, &n->prober);
    if (err) return err;
    n->memory.percent = n->conf->overload.memory_percent;
    memory_watch_start(&n->memory, n->loop, &n->home.memory_short);
    node__tell_supervisor(n);
    node__log_configuration(n, "started");
    manager_tell_ready();
    mem_trim();
    log_flush();
    return 0;
}

/* Lets everything go; also after a start that failed halfway. */
static void node_free(struct node *n)
{
    workers_fini(&n->workers);
    archive_free(n->home.archive);
    for (unsigned i = 0; i < NODE_SIGNALS; i++)
        signal_watch_close(n->signals[i]);
    prober_free(n->prober);
    tls_watch_free(n->tls);
    lists_free(n->lists);
    supervisor_free(n->supervisor);
    http_client_fini(&n->client);
    timer_stop(n->loop, &n->drain_timer);
    task_cancel(&n->drain_task);
    task_cancel(&n->workers_ended);
    task_cancel(&n->engines_gone);
    keyring_unref(n->keyring);
    key_labels_fini(&n->key_labels);
    if (n->mesh) mesh_free(n->mesh);
    loop_free(n->loop);
    conf_unref(n->conf);
    free(n);
}

int node_run(struct conf *conf)
{
    struct node *n = mem_must_zero(1, sizeof *n);
    n->conf = conf;
    n->at_terminal = isatty(STDERR_FILENO);
    int err = loop_new_real(&n->loop);
    if (err) {
        conf_unref(conf);
        free(n);
        return err;
    }
    task_init(&n->drain_task, look_whether_drained);
    timer_init(&n->drain_timer, &n->drain_task);
    task_init(&n->workers_ended, on_workers_ended);
    task_init(&n->engines_gone, on_engines_gone);
    workers_init(&n->workers, worker_count_of(conf), n->loop, &n->workers_ended);
    n->started_us = loop_now(n->loop);
    key_labels_init(&n->key_labels);
    set_home(n);
    err = start(n);
    if (!err) {
        loop_run(n->loop);
        log_note(LOG_INFO, "ended", "all workers and engines have stopped");
    } else if (n->workers.running > 0) {
        stop(n);
        loop_run(n->loop);
    }
    node_free(n);
    log_flush();
    return err;
}
