/* SPDX-License-Identifier: Apache-2.0 */
/* Starting, reloading, draining, ending.
 *
 *   start --> RUNNING --signal--> DRAINING --no exchange left, or drain timeout, or second signal--> STOPPING
 *   STOPPING: workers end, then the engines, then the loop. The main thread waits for them in its loop, so that a second signal
 *   is heard there, too: it kills the engines at once, and the process itself when a thread does not end. */
#include "gate/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/rand.h"
#include "conf/url.h"
#include "gate/supervisor.h"
#include "gate/worker.h"
#include "loop/process.h"
#include "mesh/probe.h"
#include "obs/log.h"

enum { DRAIN_LOOK_US = 20 * USEC_PER_MS, CUT_US = USEC_PER_SEC, SIGNAL_COUNT = 4 };

enum gate_phase { GATE_RUNNING, GATE_DRAINING, GATE_STOPPING };

struct gate_worker {
    struct worker worker;
    pthread_t thread;
    struct mail ended; /* the thread's last word to main, which joins it */
    bool started;
};

struct gate {
    struct loop *loop;
    struct conf *conf;
    struct http_client client; /* probes, supervisor */
    struct mesh *mesh;
    struct supervisor *supervisor;
    struct prober *prober;
    struct gate_worker *workers;
    unsigned worker_count;
    unsigned running; /* threads not joined yet */
    struct signal_watch *signals[SIGNAL_COUNT];
    struct task drain_task;
    struct timer drain_timer;
    struct task engines_gone;
    uint64_t drain_until_us;
    uint64_t started_us;
    enum gate_phase phase;
    bool cut;       /* a second signal came: nobody is waited for */
    bool reachable; /* a listener is open to other machines */
    char via[sizeof "1.1 hostler-0123456789abcdef"];
    _Atomic bool draining;
    _Atomic uint64_t bodies; /* bytes of request bodies that the workers hold */
    struct metric_cell reloads_ok;
    struct metric_cell reloads_failed;
};

bool gate_draining(const struct gate *g)
{
    return atomic_load_explicit(&((struct gate *)(uintptr_t)g)->draining, memory_order_relaxed);
}

struct loop *gate_loop(struct gate *g)
{
    return g->loop;
}

struct str gate_via(const struct gate *g)
{
    return str_of(g->via);
}

/* --- mail to the workers --- */

enum order { ORDER_APPLY, ORDER_DRAIN, ORDER_STOP };

struct order_mail {
    struct mail mail;
    enum order order;
    struct worker *worker;
    struct snapshot *snapshot;
    struct keyring *keyring;
};

static void on_order(struct mail *mail)
{
    struct order_mail *m = CONTAINER_OF(mail, struct order_mail, mail);
    switch (m->order) {
    case ORDER_APPLY: worker_apply(m->worker, m->snapshot, m->keyring); break;
    case ORDER_DRAIN: worker_drain(m->worker); break;
    case ORDER_STOP: loop_stop(m->worker->loop); break;
    }
    free(m);
}

static void order(struct gate *g, enum order order, struct keyring *keyring)
{
    for (unsigned i = 0; i < g->worker_count; i++) {
        struct order_mail *m = calloc(1, sizeof *m);
        if (!m) abort();
        *m = (struct order_mail){
            .mail.deliver = on_order, .order = order, .worker = &g->workers[i].worker};
        if (order == ORDER_APPLY) {
            m->snapshot = mesh_current(g->mesh);
            m->keyring = keyring_ref(keyring);
        }
        loop_post(m->worker->loop, &m->mail);
    }
}

/* --- draining and stopping --- */

static uint64_t active_exchanges(const struct gate *g)
{
    uint64_t active = 0;
    for (unsigned i = 0; i < g->worker_count; i++)
        active += metric_read(&g->workers[i].worker.stats.active);
    return active;
}

/* Connections whose last answer may not have been taken yet by a client that reads slowly. */
static uint64_t lingering_connections(const struct gate *g)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < g->worker_count; i++)
        n += metric_read(&g->workers[i].worker.server.lingering);
    return n;
}

static void on_engines_gone(struct task *task)
{
    struct gate *g = CONTAINER_OF(task, struct gate, engines_gone);
    if (g->running == 0) loop_stop(g->loop);
}

static void end_engines(struct gate *g)
{
    supervisor_drain(g->supervisor, &g->engines_gone);
    if (g->cut) supervisor_drain(g->supervisor, &g->engines_gone); /* the second call kills */
}

static void on_worker_ended(struct mail *mail)
{
    struct gate_worker *w = CONTAINER_OF(mail, struct gate_worker, ended);
    struct gate *g = w->worker.gate;
    pthread_join(w->thread, NULL);
    if (--g->running == 0) end_engines(g);
}

static void stop(struct gate *g)
{
    g->phase = GATE_STOPPING;
    timer_stop(g->loop, &g->drain_timer);
    order(g, ORDER_STOP, NULL);
}

/* Ends at once: what does not end by itself is killed, in the end the process with it. */
static void cut(struct gate *g)
{
    if (g->phase == GATE_DRAINING) stop(g);
    if (g->cut) return;
    g->cut = true;
    end_engines(g);
    timer_start(g->loop, &g->drain_timer, loop_now(g->loop) + CUT_US);
}

static void look_whether_drained(struct task *task)
{
    struct gate *g = CONTAINER_OF(task, struct gate, drain_task);
    if (g->cut) _exit(1); /* a thread hangs, perhaps in the log; the engines were killed */
    uint64_t active = active_exchanges(g), now = loop_now(g->loop);
    if (active == 0) active = lingering_connections(g);
    if (active > 0 && now < g->drain_until_us) {
        timer_start(g->loop, &g->drain_timer, now + DRAIN_LOOK_US);
        return;
    }
    if (active > 0)
        log_note(LOG_WARN, "drain_timeout", "%llu requests are cut", (unsigned long long)active);
    stop(g);
}

static void drain(struct gate *g)
{
    g->phase = GATE_DRAINING;
    atomic_store(&g->draining, true);
    g->drain_until_us = loop_now(g->loop) + g->conf->timeouts.drain_us;
    log_note(LOG_INFO, "draining", "%llu requests in progress; a second signal ends at once",
             (unsigned long long)active_exchanges(g));
    log_flush();
    order(g, ORDER_DRAIN, NULL);
    timer_start(g->loop, &g->drain_timer, loop_now(g->loop) + DRAIN_LOOK_US);
}

static void on_end_signal(void *owner, int signum)
{
    struct gate *g = owner;
    (void)signum;
    if (g->phase == GATE_RUNNING)
        drain(g);
    else
        cut(g);
}

/* --- reloading --- */

static void apply_log(const struct conf *c)
{
    log_set(log_format_named(c->log.format), log_level_named(c->log.level));
}

static void log_problems(enum log_level level, const char *event,
                         const struct conf_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct conf_problem *p = &problems->items[i];
        struct log_line l;
        log_begin(&l, level, event);
        log_str(&l, "file", p->file);
        log_u64(&l, "line", p->line);
        log_str(&l, "setting", p->setting);
        log_str(&l, "problem", p->text);
        log_end(&l);
    }
}

static void warn_of_restart(const struct gate *g, const struct conf *loaded)
{
    struct buf names;
    buf_init(&names, 4096);
    if (conf_needs_restart(g->conf, loaded, &names) == 0 && buf_len(&names))
        log_note(LOG_WARN, "reload", "needs a restart to take effect: %" STR_FMT,
                 STR_ARG(buf_str(&names)));
    buf_fini(&names);
}

/* Lowers connections_max to what the limit of open files leaves room for: a client's connection may need one to a runtime as well. */
static void fit_connections(struct conf *c, unsigned workers)
{
    enum { OWN = 32, OWN_OF_WORKER = 8 };
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur == RLIM_INFINITY) return;
    uint64_t own = OWN + (OWN_OF_WORKER + c->listen_count) * workers, all = files.rlim_cur;
    uint64_t room = all > own ? (all - own) / 2 / workers : 0;
    if (c->limits.connections_max <= MAX(room, 1)) return;
    c->limits.connections_max = MAX(room, 1);
    log_note(LOG_WARN, "connections_max",
             "lowered to %llu for each of %u workers: only %llu files may be open (ulimit -n)",
             (unsigned long long)c->limits.connections_max, workers, (unsigned long long)all);
}

/* Everything new is built before anything old is let go. */
static int load(struct gate *g, struct conf *conf, struct keyring **keyring)
{
    int err = keyring_new(conf, keyring);
    if (err) return err;
    err = mesh_load(g->mesh, conf, loop_now(g->loop));
    if (err) {
        keyring_unref(*keyring);
        *keyring = NULL;
    }
    return err;
}

static int reload(struct gate *g)
{
    struct conf_problems problems;
    struct conf *conf;
    struct keyring *keyring;
    char path[4096];
    if (g->conf->path.len >= sizeof path) return ERR_TOO_LARGE;
    memcpy(path, g->conf->path.ptr, g->conf->path.len);
    path[g->conf->path.len] = '\0';
    conf_problems_init(&problems);
    int err = conf_load(path, &conf, &problems);
    if (err) log_problems(LOG_ERROR, "config_problem", &problems);
    conf_problems_fini(&problems);
    if (err) return err;
    if (g->reachable && conf->key_count == 0) {
        log_note(
            LOG_ERROR, "config_problem",
            "no keys, but the listeners that are open can be reached from other machines: restart instead");
        conf_unref(conf);
        return ERR_STATE;
    }
    log_problems(LOG_WARN, "config_warning", &conf->warnings);
    warn_of_restart(g, conf);
    fit_connections(conf, g->worker_count);
    err = load(g, conf, &keyring);
    if (err) {
        conf_unref(conf);
        return err;
    }
    conf_unref(g->conf);
    g->conf = conf;
    apply_log(conf);
    order(g, ORDER_APPLY, keyring);
    keyring_unref(keyring);
    prober_reload(g->prober);
    struct snapshot *snapshot = mesh_current(g->mesh);
    supervisor_apply(g->supervisor, snapshot);
    snapshot_unref(snapshot);
    return 0;
}

/* What is served from now on. */
static void log_configuration(const struct gate *g, const char *event)
{
    struct log_line l;
    log_begin(&l, LOG_INFO, event);
    log_cstr(&l, "version", HOSTLER_VERSION);
    log_u64(&l, "workers", g->worker_count);
    log_u64(&l, "models", g->conf->model_count);
    log_u64(&l, "keys", g->conf->key_count);
    log_end(&l);
}

static void on_reload_signal(void *owner, int signum)
{
    struct gate *g = owner;
    (void)signum;
    if (g->phase != GATE_RUNNING) return;
    int err = reload(g);
    metric_add(err ? &g->reloads_failed : &g->reloads_ok, 1);
    if (err)
        log_note(LOG_ERROR, "reload", "failed (%s); the old configuration stays", err_text(err));
    else
        log_configuration(g, "reload");
    log_flush();
}

/* --- metrics --- */

struct worker_totals {
    uint64_t connections, accepted, refused, pauses, bodies_held, bodies_refused, bytes_in,
        bytes_out, connects, reuses, auth_failures, retries, retries_denied;
    uint64_t codes[SERVICE_CODE_COUNT];
    uint64_t outcomes[OUTCOME_COUNT];
};

static void sum_workers(const struct gate *g, struct worker_totals *t)
{
    *t = (struct worker_totals){.bodies_held = atomic_load_explicit(
                                    &((struct gate *)(uintptr_t)g)->bodies, memory_order_relaxed)};
    for (unsigned i = 0; i < g->worker_count; i++) {
        const struct worker *w = &g->workers[i].worker;
        t->connections += metric_read(&w->server.connections);
        t->accepted += metric_read(&w->server.accepted);
        t->refused += metric_read(&w->server.refused);
        for (size_t k = 0; k < w->listener_count; k++)
            t->pauses += listener_pauses(w->listeners[k]);
        t->bodies_refused += metric_read(&w->server.bodies_refused);
        t->bytes_in += metric_read(&w->server.bytes_in);
        t->bytes_out += metric_read(&w->server.bytes_out);
        t->connects += metric_read(&w->client.connects);
        t->reuses += metric_read(&w->client.reuses);
        t->auth_failures += metric_read(&w->stats.auth_failures);
        t->retries += metric_read(&w->stats.retries);
        t->retries_denied += metric_read(&w->stats.retries_denied);
        for (unsigned k = 0; k < SERVICE_CODE_COUNT; k++)
            t->codes[k] += metric_read(&w->stats.codes[k]);
        for (unsigned k = 0; k < OUTCOME_COUNT; k++)
            t->outcomes[k] += metric_read(&w->stats.outcomes[k]);
    }
}

static void write_process(const struct gate *g, struct metrics_writer *w)
{
    struct metric_label version[] = {{"version", STR(HOSTLER_VERSION)}};
    struct metric_label ok[] = {{"result", STR("ok")}}, failed[] = {{"result", STR("failed")}};
    struct snapshot *snapshot = mesh_current(g->mesh);
    bool ready = snapshot_ready(snapshot, loop_now(g->loop)) && !gate_draining(g);
    snapshot_unref(snapshot);
    metrics_write_u64(w, METRIC_BUILD_INFO, version, 1, 1);
    metrics_write_u64(w, METRIC_UPTIME, NULL, 0,
                      (loop_now(g->loop) - g->started_us) / USEC_PER_SEC);
    metrics_write_u64(w, METRIC_READY, NULL, 0, ready);
    metrics_write_u64(w, METRIC_CONFIG_RELOADS, ok, 1, metric_read(&g->reloads_ok));
    metrics_write_u64(w, METRIC_CONFIG_RELOADS, failed, 1, metric_read(&g->reloads_failed));
    metrics_write_u64(w, METRIC_LOG_DROPPED, NULL, 0, log_dropped());
}

static void write_workers(struct metrics_writer *w, const struct worker_totals *t)
{
    metrics_write_u64(w, METRIC_CONNECTIONS, NULL, 0, t->connections);
    metrics_write_u64(w, METRIC_CONNECTIONS_TOTAL, NULL, 0, t->accepted);
    metrics_write_u64(w, METRIC_CONNECTIONS_REFUSED, NULL, 0, t->refused);
    metrics_write_u64(w, METRIC_ACCEPT_PAUSES, NULL, 0, t->pauses);
    metrics_write_u64(w, METRIC_BYTES_IN, NULL, 0, t->bytes_in);
    metrics_write_u64(w, METRIC_BYTES_OUT, NULL, 0, t->bytes_out);
    metrics_write_u64(w, METRIC_UPSTREAM_CONNECTS, NULL, 0, t->connects);
    metrics_write_u64(w, METRIC_UPSTREAM_REUSES, NULL, 0, t->reuses);
    metrics_write_u64(w, METRIC_BODIES_HELD, NULL, 0, t->bodies_held);
    metrics_write_u64(w, METRIC_BODIES_REFUSED, NULL, 0, t->bodies_refused);
    metrics_write_u64(w, METRIC_AUTH_FAILURES, NULL, 0, t->auth_failures);
    metrics_write_u64(w, METRIC_RETRIES, NULL, 0, t->retries);
    metrics_write_u64(w, METRIC_RETRIES_DENIED, NULL, 0, t->retries_denied);
    for (unsigned k = 0; k < OUTCOME_COUNT; k++) {
        struct metric_label label[] = {{"outcome", str_of(outcome_name(k))}};
        metrics_write_u64(w, METRIC_OUTCOMES, label, 1, t->outcomes[k]);
    }
    for (unsigned k = 0; k < SERVICE_CODE_COUNT; k++) {
        if (!t->codes[k]) continue;
        struct metric_label label[] = {{"model", STR("")}, {"code", str_of(service_code_text(k))}};
        metrics_write_u64(w, METRIC_REQUESTS, label, 2, t->codes[k]);
    }
}

void gate_write_metrics(struct gate *g, struct buf *out)
{
    struct metrics_writer w;
    struct worker_totals totals;
    sum_workers(g, &totals);
    metrics_write_init(&w, out);
    write_process(g, &w);
    write_workers(&w, &totals);
    struct snapshot *snapshot = mesh_current(g->mesh);
    snapshot_write_metrics(snapshot, &w, loop_now(g->loop));
    snapshot_unref(snapshot);
    supervisor_write_metrics(g->supervisor, &w);
    int err = metrics_write_end(&w);
    if (err) log_note(LOG_ERROR, "metrics", "cannot be written: %s", err_text(err));
}

/* --- starting --- */

static void *worker_main(void *arg)
{
    struct gate_worker *w = arg;
    loop_run(w->worker.loop);
    worker_fini(&w->worker);
    loop_post(w->worker.gate->loop, &w->ended);
    return NULL;
}

static int add_listener(struct worker *w, int fd)
{
    int err = listener_open(w->loop, fd, http_server_accept, &w->server,
                            &w->listeners[w->listener_count]);
    w->listener_count += !err;
    return err;
}

/* Sockets that share a port would join those of another instance of ours without a word, and the kernel would spread the
 * clients over both. One that does not share finds out. */
static int find_free(const struct addr *addr)
{
    int fd;
    uint16_t port;
    if (addr->is_unix || addr->port == 0) return 0;
    int err = listen_socket(addr, false, &fd, &port);
    if (!err) close(fd);
    return err;
}

static void log_listening(struct str text, const struct addr *addr)
{
    struct str host = addr->host.len ? addr->host : STR("0.0.0.0");
    bool v6 = str_find_char(host, ':') >= 0;
    if (addr->is_unix)
        log_note(LOG_INFO, "listening", "%" STR_FMT, STR_ARG(text));
    else
        log_note(LOG_INFO, "listening", "http://%s%" STR_FMT "%s:%u", v6 ? "[" : "", STR_ARG(host),
                 v6 ? "]" : "", addr->port);
}

/* Opens one address for all workers: a socket each (the kernel spreads connections), or one shared UNIX socket. */
static int listen_at(struct gate *g, struct str text)
{
    struct url url;
    int first = -1, err = url_parse_listen(text, &url);
    if (err) return err;
    struct addr addr = endpoint_addr(&url);
    err = find_free(&addr);
    for (unsigned i = 0; i < g->worker_count && !err; i++) {
        int fd = -1;
        if (addr.is_unix && i > 0) {
            fd = fcntl(first, F_DUPFD_CLOEXEC, 0);
            err = fd < 0 ? -errno : 0;
        } else {
            uint16_t port = 0;
            err = listen_socket(&addr, g->worker_count > 1, &fd, &port);
            addr.port = port; /* port 0 let the kernel choose; the other workers join it */
            first = fd;
        }
        if (!err) err = add_listener(&g->workers[i].worker, fd);
    }
    if (err)
        log_note(LOG_ERROR, "listen", "%" STR_FMT ": %s", STR_ARG(text), err_text(err));
    else
        log_listening(text, &addr);
    g->reachable = g->reachable || !url_is_loopback(&url);
    return err;
}

static int start_workers(struct gate *g, struct keyring *keyring)
{
    int err = 0;
    for (unsigned i = 0; i < g->worker_count && !err; i++) {
        struct worker *w = &g->workers[i].worker;
        struct loop *loop;
        err = loop_new_real(&loop);
        if (err) break;
        err = worker_init(w, g, i, loop, mesh_current(g->mesh), keyring_ref(keyring));
        w->server.bodies = &g->bodies;
        w->listeners = calloc(g->conf->listen_count, sizeof *w->listeners);
        if (!w->listeners) abort();
    }
    for (size_t i = 0; i < g->conf->listen_count && !err; i++)
        err = listen_at(g, g->conf->listen[i].address);
    for (unsigned i = 0; i < g->worker_count && !err; i++) {
        struct gate_worker *w = &g->workers[i];
        w->ended.deliver = on_worker_ended;
        err = -pthread_create(&w->thread, NULL, worker_main, w);
        w->started = !err;
        g->running += w->started;
    }
    return err;
}

static int watch_signals(struct gate *g)
{
    int err = signal_watch_open(g->loop, SIGTERM, on_end_signal, g, &g->signals[0]);
    if (!err) err = signal_watch_open(g->loop, SIGINT, on_end_signal, g, &g->signals[1]);
    if (!err) err = signal_watch_open(g->loop, SIGHUP, on_reload_signal, g, &g->signals[2]);
    if (!err) err = process_adopt_orphans(g->loop, &g->signals[3]);
    return err;
}

static unsigned worker_count_of(const struct conf *c)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return c->threads ? (unsigned)c->threads : cores > 0 ? (unsigned)cores : 1;
}

static int start(struct gate *g)
{
    const struct conf *c = g->conf;
    struct h1_limits limits = {.head_max = c->limits.upstream_head_max,
                               .header_max = (unsigned)c->limits.header_count_max};
    struct keyring *keyring = NULL;
    log_problems(LOG_WARN, "config_warning", &c->warnings);
    fit_connections(g->conf, g->worker_count);
    http_client_init(&g->client, g->loop, &limits, 2, c->timeouts.upstream_idle_us);
    int err = supervisor_new(g->loop, &g->client, &g->supervisor);
    if (err) return err;
    struct mesh_hooks hooks = supervisor_hooks(g->supervisor);
    err = mesh_new(g->worker_count, &hooks, &g->mesh);
    if (!err) err = load(g, g->conf, &keyring);
    if (err) return err;
    err = start_workers(g, keyring);
    keyring_unref(keyring);
    if (!err) err = watch_signals(g);
    if (!err) err = prober_new(g->loop, &g->client, g->mesh, &g->prober);
    if (err) return err;
    struct snapshot *snapshot = mesh_current(g->mesh);
    supervisor_apply(g->supervisor, snapshot);
    snapshot_unref(snapshot);
    log_configuration(g, "started");
    log_flush();
    return 0;
}

/* Lets everything go; also after a start that failed halfway. */
static void gate_free(struct gate *g)
{
    for (unsigned i = 0; i < g->worker_count; i++)
        if (!g->workers[i].started) worker_fini(&g->workers[i].worker);
    loop_poll(g->loop); /* mail that workers sent while they ended */
    for (unsigned i = 0; i < SIGNAL_COUNT; i++)
        signal_watch_close(g->signals[i]);
    prober_free(g->prober);
    supervisor_free(g->supervisor);
    http_client_fini(&g->client);
    timer_stop(g->loop, &g->drain_timer);
    task_cancel(&g->drain_task);
    for (unsigned i = 0; i < g->worker_count; i++)
        loop_free(g->workers[i].worker.loop);
    if (g->mesh) mesh_free(g->mesh);
    loop_free(g->loop);
    conf_unref(g->conf);
    free(g->workers);
    free(g);
}

int gate_run(struct conf *conf)
{
    struct gate *g = calloc(1, sizeof *g);
    if (!g) return -ENOMEM;
    g->conf = conf;
    g->worker_count = worker_count_of(conf);
    g->workers = calloc(g->worker_count, sizeof *g->workers);
    if (!g->workers) abort();
    int err = loop_new_real(&g->loop);
    if (err) {
        conf_unref(conf);
        free(g->workers);
        free(g);
        return err;
    }
    task_init(&g->drain_task, look_whether_drained);
    timer_init(&g->drain_timer, &g->drain_task);
    task_init(&g->engines_gone, on_engines_gone);
    g->started_us = loop_now(g->loop);
    uint64_t seed;
    rand_bytes(&seed, sizeof seed);
    snprintf(g->via, sizeof g->via, "1.1 hostler-%016llx", (unsigned long long)seed);
    err = start(g);
    if (!err) {
        loop_run(g->loop);
        log_note(LOG_INFO, "ended", "all workers and engines have stopped");
    } else if (g->running > 0) {
        stop(g);
        loop_run(g->loop);
    }
    gate_free(g);
    log_flush();
    return err;
}
