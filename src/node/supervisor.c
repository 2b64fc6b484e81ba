/* SPDX-License-Identifier: Apache-2.0 */
/* See the header for the happy path and the states. What can go wrong: the program is missing,
 * it ends before it is healthy (a broken model file), it never gets healthy (start_timeout), it
 * dies later, it does not stop (stop_timeout). Each of the first four is a failure: the reason
 * is kept for those who ask, the next start is later than the last one, and a quick failure too
 * many makes the model unavailable for a while. When our own engine gives the cause itself, it is
 * unavailable at once. */
#include "node/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/map.h"
#include "node/engine_command.h"
#include "node/engine_folder.h"
#include "node/engine_output.h"
#include "loop/process.h"
#include "mesh/check.h"
#include "obs/log.h"

enum {
    SUPERVISOR_QUICK_MAX = 5, /* failures in a row until FAILED */
    ENGINE_ARENA_BLOCK = 4096,
};

#define HEALTH_EVERY_US ((uint64_t)50 * USEC_PER_MS)
#define HEALTH_TIMEOUT_US ((uint64_t)5 * USEC_PER_SEC)
#define DRAIN_LOOK_US ((uint64_t)50 * USEC_PER_MS)
#define SOCKET_LOOK_US ((uint64_t)USEC_PER_SEC) /* whether a running process can still be found */
#define BACKOFF_FIRST_US ((uint64_t)250 * USEC_PER_MS)
#define BACKOFF_MAX_US ((uint64_t)60 * USEC_PER_SEC)
/* a process that ran this long failed for another reason than the last one */
#define LIVED_WELL_US ((uint64_t)60 * USEC_PER_SEC)

/* A model's process. Lives while the model is configured or the process runs. */
struct engine {
    struct list link;
    struct supervisor *sup;
    struct str model; /* owned */
    /* owned; where it listens unless its configuration says otherwise */
    struct str socket;
    /* in the supervisor's snapshot; NULL: not configured any more */
    const struct endpoint *endpoint;
    /* then: what it was, whose requests may finish; kept by a reference on its snapshot */
    const struct endpoint *former;
    struct snapshot *former_snapshot;
    struct arena arena; /* of the arguments */
    char **argv;        /* what the process was, or will be, started with */
    char **env;

    enum engine_state state;
    /* STARTING, READY, STOPPING; in BACKOFF and FAILED what is left of its group, which ends */
    struct process *process;
    struct engine_output output;
    struct health_check check; /* STARTING */
    struct task task;
    struct timer timer;            /* the state's next look at things */
    uint64_t since_us;             /* when the state began */
    uint64_t deadline_us;          /* STARTING: healthy by then; STOPPING: killed then */
    bool wanted;                   /* a request waits for it */
    bool again;                    /* STOPPING: start when it has stopped */
    bool away;                     /* STOPPING: the model was taken out of the configuration */
    bool signalled;                /* STOPPING: SIGTERM was sent */
    bool overdue;                  /* STARTING: killed because of start_timeout */
    unsigned quick;                /* quick failures in a row */
    char why[ENDPOINT_REASON_MAX]; /* of the last failure; "": it has been ready since */
    uint64_t starts;
};

/* Where threads leave their wishes; outlives the supervisor while mail is on its way. */
struct box {
    _Atomic unsigned refs;
    struct supervisor *sup; /* main thread; NULL: gone */
};

struct supervisor {
    struct loop *loop;
    struct http_client *client;
    struct snapshot *snapshot; /* one reference, or NULL */
    struct list engines;
    struct map by_model; /* of the engines */
    size_t processes;    /* not gone yet */
    struct box *box;
    struct rng rng;
    struct engine_folder folder;
    struct task *drained; /* woken when the last process has ended; NULL: not draining */
};

static const char *const state_names[ENGINE_STATES] = {
    [ENGINE_STOPPED] = "stopped",   [ENGINE_STARTING] = "starting", [ENGINE_READY] = "ready",
    [ENGINE_STOPPING] = "stopping", [ENGINE_BACKOFF] = "backoff",   [ENGINE_FAILED] = "failed",
};

const char *engine_state_name(enum engine_state s)
{
    return state_names[s];
}

static uint64_t now_of(const struct engine *e)
{
    return loop_now(e->sup->loop);
}

static void look_in(struct engine *e, uint64_t wait_us)
{
    timer_start(e->sup->loop, &e->timer, now_of(e) + wait_us);
}

/* `lasted_us`: how long the state before lasted. */
static void log_engine(const struct engine *e, uint64_t lasted_us, const char *reason)
{
    bool bad = e->state == ENGINE_BACKOFF || e->state == ENGINE_FAILED;
    struct log_line l;
    log_begin(&l, bad ? LOG_ERROR : LOG_INFO, "engine");
    log_str(&l, "model", e->model);
    log_cstr(&l, "state", engine_state_name(e->state));
    if (e->process) log_i64(&l, "pid", process_pid(e->process));
    if (e->state == ENGINE_READY) log_u64(&l, "start_ms", lasted_us / USEC_PER_MS);
    if (reason[0]) log_cstr(&l, "reason", reason);
    log_end(&l);
}

/* The one mover: state, what the endpoint shows, one log line. */
static void enter(struct engine *e, enum engine_state state, enum endpoint_phase phase,
                  const char *reason, uint64_t retry_at_us)
{
    uint64_t now = now_of(e), lasted = now - e->since_us;
    e->state = state;
    e->since_us = now;
    timer_stop(e->sup->loop, &e->timer);
    log_engine(e, lasted, reason);
    /* One that stops because nobody needs it is as good as one that stands still. */
    bool idle = state == ENGINE_STOPPING && phase == ENDPOINT_STARTABLE;
    if (e->endpoint)
        endpoint_set_phase(e->endpoint->state, phase, str_of(idle ? "" : reason), retry_at_us, now);
}

/* --- starting --- */

static void fail_engine(struct engine *e, const char *what, bool hopeless);
static void on_exit_of_process(void *owner, int64_t status, int signal);
static void on_process_gone(void *owner);

static int spawn_engine(struct engine *e)
{
    struct loop *loop = e->sup->loop;
    struct process_spec spec = {.argv = e->argv,
                                .env = e->env,
                                .on_exit = on_exit_of_process,
                                .on_gone = on_process_gone,
                                .owner = e};
    bool own = e->endpoint->engine->command_count == 0;
    int rc = engine_output_open(&e->output, loop, e->model, own, &spec.output_fd);
    if (rc) return rc;
    rc = process_start(loop, &spec, &e->process);
    close(spec.output_fd);
    if (rc) engine_output_end(&e->output);
    if (!rc) e->sup->processes++;
    return rc;
}

/* When a start that begins after `wait_us` is given up; those who need the process wait that long. */
static uint64_t start_deadline(const struct engine *e, uint64_t wait_us)
{
    return now_of(e) + wait_us + e->endpoint->engine->start_timeout_us;
}

static void start_engine(struct engine *e)
{
    struct supervisor *s = e->sup;
    if (s->drained || !e->endpoint) return;
    e->wanted = e->again = e->signalled = e->overdue = false;
    arena_reset(&e->arena);
    e->argv = engine_arguments(&e->arena, e->endpoint);
    e->env = engine_environment(&e->arena, e->endpoint->engine);
    unlink(e->socket.ptr);
    e->starts++;
    int rc = engine_folder_ensure(&s->folder);
    const char *failed = rc ? s->folder.path : e->argv[0];
    if (!rc) rc = spawn_engine(e);
    if (rc) {
        char what[ENDPOINT_REASON_MAX];
        e->process = NULL;
        e->since_us = now_of(e);
        snprintf(what, sizeof(what), "%s cannot be %s: %s", failed,
                 failed == s->folder.path ? "made" : "started", err_text(rc));
        fail_engine(e, what, true);
        return;
    }
    e->deadline_us = start_deadline(e, 0);
    enter(e, ENGINE_STARTING, ENDPOINT_STARTING, "its process is starting", e->deadline_us);
    look_in(e, HEALTH_EVERY_US);
}

static void ready_engine(struct engine *e)
{
    e->wanted = false;
    e->why[0] = '\0';
    enter(e, ENGINE_READY, ENDPOINT_UP, "", 0);
    look_in(e, SOCKET_LOOK_US);
}

/* STARTING: ask for its health, again and again. */
static void step_starting(struct engine *e)
{
    if (now_of(e) >= e->deadline_us) {
        e->overdue = true;
        health_check_stop(&e->check);
        process_signal(e->process, SIGKILL);
        return;
    }
    if (e->check.running) return;
    uint64_t left = e->deadline_us - now_of(e);
    health_check_start(&e->check, e->endpoint, e->endpoint->engine->health,
                       MIN(left, HEALTH_TIMEOUT_US));
}

static void on_checked(struct health_check *c, int status, int err)
{
    struct engine *e = CONTAINER_OF(c, struct engine, check);
    (void)err; /* it is still loading, or has died, which on_exit_of_process tells */
    if (e->state != ENGINE_STARTING) return;
    if (status == 200)
        ready_engine(e);
    else
        look_in(e, HEALTH_EVERY_US);
}

/* --- failing --- */

static uint64_t backoff_after(struct engine *e)
{
    uint64_t us = BACKOFF_FIRST_US;
    for (unsigned i = 1; i < e->quick && us < BACKOFF_MAX_US; i++)
        us *= 2;
    us = MIN(us, BACKOFF_MAX_US);
    return us - us / 10 + rng_below(&e->sup->rng, us / 5);
}

/* The process is gone, or never was. When it is hopeless, those who wait are told now, and not after the last try. */
static void fail_engine(struct engine *e, const char *what, bool hopeless)
{
    bool ran_well = e->state == ENGINE_READY && now_of(e) - e->since_us > LIVED_WELL_US;
    bool was_ready = e->state == ENGINE_READY;
    e->quick = ran_well ? 1 : e->quick + 1;
    snprintf(e->why, sizeof(e->why), "the engine for model %" STR_FMT " %s: %s; see the log",
             STR_ARG(e->model), was_ready ? "ended" : "failed to start", what);
    bool often = e->quick >= SUPERVISOR_QUICK_MAX;
    uint64_t pause = often ? BACKOFF_MAX_US : backoff_after(e);
    if (often || hopeless)
        enter(e, ENGINE_FAILED, ENDPOINT_DOWN, e->why, now_of(e) + pause);
    else
        enter(e, ENGINE_BACKOFF, ENDPOINT_STARTING, e->why, start_deadline(e, pause));
    look_in(e, pause);
}

static bool starts_by_itself(const struct engine *e)
{
    return e->endpoint->engine->start == CONF_START_AT_START;
}

/* BACKOFF and FAILED: the time is over. One that failed too often gets one more chance, not
 * SUPERVISOR_QUICK_MAX. Nothing starts beside what is left of the last process, which holds its memory. */
static void step_retry(struct engine *e)
{
    if (e->process) {
        look_in(e, DRAIN_LOOK_US);
        return;
    }
    e->quick = MIN(e->quick, SUPERVISOR_QUICK_MAX - 1);
    if (e->wanted || starts_by_itself(e) || service_waiting(e->endpoint->service) > 0)
        start_engine(e);
    else
        enter(e, ENGINE_STOPPED, ENDPOINT_STARTABLE, e->why, 0);
}

/* --- stopping --- */

/* Whom it serves, or served when its model is not configured any more. */
static const struct endpoint *served_by(const struct engine *e)
{
    return e->endpoint ? e->endpoint : e->former;
}

static uint64_t stop_patience(const struct engine *e)
{
    const struct endpoint *served = served_by(e);
    return served ? served->engine->stop_timeout_us : (uint64_t)10 * USEC_PER_SEC;
}

static void send_term(struct engine *e)
{
    e->signalled = true;
    process_signal(e->process, SIGTERM);
    e->deadline_us = now_of(e) + stop_patience(e);
    look_in(e, stop_patience(e));
}

static uint32_t inflight_of(const struct engine *e)
{
    const struct endpoint *served = served_by(e);
    return served ? endpoint_inflight(served->state) : 0;
}

/* Begins to stop. The phase says what requests do meanwhile. With `polite`, those in flight may
 * finish first, for as long as at a shutdown. */
static void stop_engine(struct engine *e, enum endpoint_phase phase, const char *reason,
                        bool polite)
{
    health_check_stop(&e->check);
    e->signalled = false;
    e->deadline_us = now_of(e) + snapshot_conf(e->sup->snapshot)->timeouts.drain_us;
    uint64_t stopped_us = e->deadline_us - now_of(e) + stop_patience(e);
    enter(e, ENGINE_STOPPING, phase, reason,
          phase == ENDPOINT_STARTING ? start_deadline(e, stopped_us) : 0);
    if (polite && inflight_of(e) > 0)
        look_in(e, DRAIN_LOOK_US);
    else
        send_term(e);
}

/* Those who ask wait until it stands and runs anew. */
static void restart_engine(struct engine *e, const char *reason)
{
    e->again = true;
    stop_engine(e, ENDPOINT_STARTING, reason, true);
}

/* STOPPING, and wanted again meanwhile. */
static void start_after_stop(struct engine *e)
{
    if (e->again) return;
    uint64_t now = now_of(e), left = MAX(e->deadline_us, now) - now;
    e->again = true;
    endpoint_set_phase(e->endpoint->state, ENDPOINT_STARTING,
                       STR("starting again when it has stopped"),
                       start_deadline(e, left + (e->signalled ? 0 : stop_patience(e))), now);
}

/* STOPPING: the last requests have ended, or the patience has. */
static void step_stopping(struct engine *e)
{
    bool late = now_of(e) >= e->deadline_us;
    if (e->signalled)
        process_signal(e->process, SIGKILL);
    else if (late || inflight_of(e) == 0)
        send_term(e);
    else
        look_in(e, DRAIN_LOOK_US);
}

/* Where its socket was nothing is: somebody cleaned up, and no new connection will find the process. */
static bool socket_gone(const struct engine *e)
{
    struct stat st;
    const struct addr *a = &e->endpoint->addr;
    char path[128];
    if (!a->is_unix || a->path.len >= sizeof(path)) return false;
    snprintf(path, sizeof(path), "%" STR_FMT, STR_ARG(a->path));
    return lstat(path, &st) != 0 && errno == ENOENT;
}

/* When it will have been idle for the configured time, if nobody comes. */
static uint64_t idle_due(const struct engine *e)
{
    const struct endpoint_state *state = e->endpoint->state;
    uint64_t idle_stop_us = e->endpoint->engine->idle_stop_us;
    if (idle_stop_us == 0) return UINT64_MAX;
    if (endpoint_inflight(state) > 0) return now_of(e) + idle_stop_us;
    return MAX(endpoint_released_at(state), e->since_us) + idle_stop_us;
}

/* READY: stop it when nobody has used it for the configured time. */
static void step_ready(struct engine *e)
{
    uint64_t now = now_of(e), due = idle_due(e);
    if (socket_gone(e))
        restart_engine(e, "its socket is gone, starting again");
    else if (now < due || !endpoint_retire(e->endpoint->state, ENDPOINT_STARTABLE, STR(""), now))
        look_in(e, MIN(SOCKET_LOOK_US, MAX(due, now + DRAIN_LOOK_US) - now));
    else
        stop_engine(e, ENDPOINT_STARTABLE, "stopping: idle", false);
}

static void engine_free(struct engine *e)
{
    engine_output_end(&e->output);
    snapshot_unref(e->former_snapshot);
    timer_stop(e->sup->loop, &e->timer);
    task_cancel(&e->task);
    health_check_fini(&e->check);
    unlink(e->socket.ptr);
    map_remove(&e->sup->by_model, e->model);
    list_remove(&e->link);
    arena_fini(&e->arena);
    free((char *)(uintptr_t)e->socket.ptr);
    free((char *)(uintptr_t)e->model.ptr);
    free(e);
}

static void tell_when_drained(struct supervisor *s)
{
    if (s->drained && s->processes == 0) loop_wake(s->loop, s->drained);
}

static void stopped_engine(struct engine *e)
{
    struct supervisor *s = e->sup;
    bool start = e->again || e->wanted;
    unlink(e->socket.ptr);
    if (!e->endpoint)
        engine_free(e);
    else if (s->drained)
        enter(e, ENGINE_STOPPED, ENDPOINT_DOWN, "shutting down", 0);
    else {
        enter(e, ENGINE_STOPPED, ENDPOINT_STARTABLE, "", 0);
        if (start) start_engine(e);
    }
    tell_when_drained(s);
}

/* Our own engine says by its exit code that it was refused, by the file or the machine, and why in its last line; the
 * next start would end the same way. A signal or another runtime's code tells nothing of the kind. */
static bool is_refusal(const struct engine *e, int64_t status)
{
    return e->state == ENGINE_STARTING && status != 0 && engine_output_reason(&e->output)[0];
}

static void on_exit_of_process(void *owner, int64_t status, int signal)
{
    struct engine *e = owner;
    char what[ENDPOINT_REASON_MAX];
    health_check_stop(&e->check);
    engine_output_end(&e->output);
    if (e->state == ENGINE_STOPPING) return; /* until nobody is left */
    if (e->overdue)
        snprintf(what, sizeof(what), "its health path did not answer 200 in time");
    else if (signal)
        snprintf(what, sizeof(what), "killed by signal %d (%s)", signal, strsignal(signal));
    else if (engine_output_reason(&e->output)[0])
        snprintf(what, sizeof(what), "%s", engine_output_reason(&e->output));
    else
        snprintf(what, sizeof(what), "exit code %lld", (long long)status);
    fail_engine(e, what, is_refusal(e, status));
}

static void on_process_gone(void *owner)
{
    struct engine *e = owner;
    e->process = NULL;
    e->sup->processes--;
    if (e->state == ENGINE_STOPPING) stopped_engine(e);
}

static void step_engine(struct task *task)
{
    struct engine *e = CONTAINER_OF(task, struct engine, task);
    switch (e->state) {
    case ENGINE_STARTING: step_starting(e); break;
    case ENGINE_READY: step_ready(e); break;
    case ENGINE_STOPPING: step_stopping(e); break;
    case ENGINE_BACKOFF:
    case ENGINE_FAILED: step_retry(e); break;
    case ENGINE_STOPPED:
    case ENGINE_STATES: break;
    }
}

/* --- engines by name --- */

static struct engine *find_engine(const struct supervisor *s, struct str model)
{
    return map_get(&s->by_model, model);
}

static struct engine *engine_for(struct supervisor *s, struct str model)
{
    struct engine *e = find_engine(s, model);
    if (e) return e;
    e = calloc(1, sizeof(*e));
    if (!e) abort();
    e->sup = s;
    e->model = str_n(str_dup(model), model.len);
    e->socket = engine_folder_socket(&s->folder);
    arena_init(&e->arena, SIZE_MAX, ENGINE_ARENA_BLOCK);
    health_check_init(&e->check, s->loop, s->client, on_checked);
    task_init(&e->task, step_engine);
    timer_init(&e->timer, &e->task);
    list_push_back(&s->engines, &e->link);
    map_put(&s->by_model, e->model, e);
    return e;
}

/* --- hooks --- */

static int engine_addr(void *ctx, const struct conf_model *model, struct arena *arena,
                       struct addr *out)
{
    struct engine *e = engine_for(ctx, model->name);
    *out = (struct addr){.is_unix = true, .path = arena_dup(arena, e->socket)};
    return 0;
}

/* A wish, on its way to the main thread. */
struct wish {
    struct mail mail;
    struct box *box;
    const struct endpoint_state *who; /* compared only */
    size_t model_len;
    char model[];
};

static void box_unref(struct box *b)
{
    if (atomic_fetch_sub(&b->refs, 1) == 1) free(b);
}

static void fulfil(struct supervisor *s, struct str model, const struct endpoint_state *who)
{
    struct engine *e = find_engine(s, model);
    if (!e || !e->endpoint || e->endpoint->state != who) return;
    if (e->state == ENGINE_STOPPED)
        start_engine(e);
    else if (e->state == ENGINE_STOPPING && !s->drained)
        start_after_stop(e);
    else if (e->state != ENGINE_READY)
        e->wanted = true;
}

static void on_wish(struct mail *mail)
{
    struct wish *w = CONTAINER_OF(mail, struct wish, mail);
    if (w->box->sup) fulfil(w->box->sup, str_n(w->model, w->model_len), w->who);
    box_unref(w->box);
    free(w);
}

static void want(void *ctx, struct endpoint_state *who)
{
    struct supervisor *s = ctx;
    struct str model = endpoint_model(who);
    struct wish *w = malloc(sizeof(*w) + model.len);
    if (!w) abort();
    *w = (struct wish){
        .mail = {.deliver = on_wish}, .box = s->box, .who = who, .model_len = model.len};
    memcpy(w->model, model.ptr, model.len);
    atomic_fetch_add(&s->box->refs, 1);
    loop_post(s->loop, &w->mail);
}

struct mesh_hooks supervisor_hooks(struct supervisor *s)
{
    return (struct mesh_hooks){.ctx = s, .engine_addr = engine_addr, .want = want};
}

/* --- configuration --- */

static bool same_strings(char *const *a, char *const *b)
{
    while (*a && *b && strcmp(*a, *b) == 0)
        a++, b++;
    return !*a && !*b;
}

/* True when the process was started as the configuration now says. */
static bool is_current(const struct engine *e)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX, ENGINE_ARENA_BLOCK);
    bool same = same_strings(e->argv, engine_arguments(&arena, e->endpoint)) &&
                same_strings(e->env, engine_environment(&arena, e->endpoint->engine));
    arena_fini(&arena);
    return same;
}

static void point_at_endpoints(struct supervisor *s)
{
    size_t count;
    const struct service *services = snapshot_services(s->snapshot, &count);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < services[i].endpoint_count; j++) {
            const struct endpoint *e = &services[i].endpoints[j];
            if (e->engine) engine_for(s, services[i].name)->endpoint = e;
        }
    }
}

/* The model was configured no more, and is again before its process has ended. */
static void come_back(struct engine *e)
{
    if (starts_by_itself(e))
        start_after_stop(e);
    else
        endpoint_set_phase(e->endpoint->state, ENDPOINT_STARTABLE, STR(""), 0, now_of(e));
}

/* The model is still configured, with the same settings or others. */
static void adjust(struct engine *e)
{
    bool running = e->state == ENGINE_STARTING || e->state == ENGINE_READY;
    /* An old request may have kept the state of a model that was taken out: it shows how that one ended, or a wish that came to nothing. */
    if (e->state == ENGINE_STOPPED)
        endpoint_set_phase(e->endpoint->state, ENDPOINT_STARTABLE, str_of(e->why), 0, now_of(e));
    if (running && !is_current(e)) {
        restart_engine(e, "starting again with new settings");
    } else if (e->state == ENGINE_STOPPING && e->away) {
        come_back(e);
    } else if (e->state == ENGINE_BACKOFF || e->state == ENGINE_FAILED) {
        e->quick = 0; /* new settings may have cured it */
        look_in(e, 0);
    } else if (e->state == ENGINE_STOPPED && starts_by_itself(e) && e->starts == 0) {
        start_engine(e);
    } else if (running) {
        look_in(e, 0);
    }
    e->away = false;
}

static void put_away(struct engine *e)
{
    e->away = true;
    e->again = e->wanted = false;
    if (e->process && e->state != ENGINE_STOPPING)
        stop_engine(e, ENDPOINT_DOWN, "not configured any more", true);
    else if (!e->process)
        engine_free(e);
}

/* The endpoint of the snapshot that goes, for as long as its process may have requests. */
static void keep_former(struct engine *e, struct snapshot *old)
{
    if (!e->endpoint) return;
    e->former = e->endpoint;
    e->former_snapshot = snapshot_ref(old);
    e->endpoint = NULL;
}

static void drop_former(struct engine *e)
{
    snapshot_unref(e->former_snapshot);
    e->former = NULL;
    e->former_snapshot = NULL;
}

void supervisor_apply(struct supervisor *s, struct snapshot *snapshot)
{
    struct snapshot *old = s->snapshot;
    s->snapshot = snapshot_ref(snapshot);
    LIST_EACH(&s->engines, it)
    {
        struct engine *e = LIST_ITEM(it, struct engine, link);
        health_check_stop(&e->check); /* it borrows from the old snapshot */
        keep_former(e, old);
    }
    point_at_endpoints(s);
    LIST_EACH_SAFE(&s->engines, it, next)
    {
        struct engine *e = LIST_ITEM(it, struct engine, link);
        if (e->endpoint) drop_former(e);
        if (s->drained) continue;
        if (e->endpoint)
            adjust(e);
        else
            put_away(e);
    }
    snapshot_unref(old);
}

/* --- life --- */

int supervisor_new(struct loop *loop, struct http_client *client, struct supervisor **out)
{
    struct supervisor *s = calloc(1, sizeof(*s));
    struct box *box = calloc(1, sizeof(*box));
    if (!s || !box) abort();
    int rc = engine_folder_open(&s->folder);
    if (rc) {
        free(box);
        free(s);
        return rc;
    }
    s->loop = loop;
    s->client = client;
    list_init(&s->engines);
    map_init(&s->by_model);
    rng_seed_random(&s->rng);
    atomic_init(&box->refs, 1);
    box->sup = s;
    s->box = box;
    *out = s;
    return 0;
}

void supervisor_free(struct supervisor *s)
{
    if (!s) return;
    LIST_EACH_SAFE(&s->engines, it, next)
    {
        struct engine *e = LIST_ITEM(it, struct engine, link);
        if (e->process) {
            process_signal(e->process, SIGKILL);
            process_forget(e->process);
        }
        engine_free(e);
    }
    s->box->sup = NULL;
    box_unref(s->box);
    snapshot_unref(s->snapshot);
    map_fini(&s->by_model);
    engine_folder_close(&s->folder);
    free(s);
}

void supervisor_drain(struct supervisor *s, struct task *done)
{
    bool again = s->drained;
    s->drained = done;
    LIST_EACH(&s->engines, it)
    {
        struct engine *e = LIST_ITEM(it, struct engine, link);
        if (e->process && again)
            process_signal(e->process, SIGKILL);
        else if (e->process && (e->state != ENGINE_STOPPING || !e->signalled))
            stop_engine(e, ENDPOINT_DOWN, "shutting down", false);
        else if (!e->process && e->endpoint)
            enter(e, ENGINE_STOPPED, ENDPOINT_DOWN, "shutting down", 0);
    }
    tell_when_drained(s);
}

enum engine_state supervisor_state(const struct supervisor *s, struct str model)
{
    const struct engine *e = find_engine(s, model);
    return e ? e->state : ENGINE_STOPPED;
}

void supervisor_write_metrics(const struct supervisor *s, struct metrics_writer *w)
{
    LIST_EACH(&s->engines, it)
    {
        const struct engine *e = LIST_ITEM(it, struct engine, link);
        const struct metric_label labels[] = {{"model", e->model}};
        metrics_write_u64(w, METRIC_ENGINE_STARTS, labels, 1, e->starts);
    }
    LIST_EACH(&s->engines, it)
    {
        const struct engine *e = LIST_ITEM(it, struct engine, link);
        for (int state = 0; state < ENGINE_STATES; state++) {
            const struct metric_label labels[] = {
                {"model", e->model},
                {"state", str_of(engine_state_name((enum engine_state)state))}};
            metrics_write_u64(w, METRIC_ENGINE_STATE, labels, 2, (int)e->state == state);
        }
    }
}
