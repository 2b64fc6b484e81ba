/* SPDX-License-Identifier: Apache-2.0 */
/* One process behind a model. See node/supervisor.h for the happy path and the states. What can
 * go wrong: the program is missing, it ends before it is healthy (a broken model file), it never
 * gets healthy (start_timeout), it dies later, it does not stop (stop_timeout). Each of the
 * first four is a failure: the reason is kept for those who ask, the next start is later than
 * the last one, and a quick failure too many makes the model unavailable for a while. When our
 * own engine gives the cause itself, it is unavailable at once. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/machine.h"
#include "node/engine_command.h"
#include "node/supervisor_priv.h"
#include "obs/log.h"

enum {
    SUPERVISOR_QUICK_MAX = 5, /* failures in a row until FAILED */
};

#define HEALTH_EVERY_US ((uint64_t)50 * USEC_PER_MS)
#define HEALTH_TIMEOUT_US ((uint64_t)5 * USEC_PER_SEC)
#define DRAIN_LOOK_US ((uint64_t)50 * USEC_PER_MS)
#define SOCKET_LOOK_US ((uint64_t)USEC_PER_SEC) /* whether a running process can still be found */
#define BACKOFF_FIRST_US ((uint64_t)250 * USEC_PER_MS)
#define BACKOFF_MAX_US ((uint64_t)60 * USEC_PER_SEC)
/* a process that ran this long failed for another reason than the last one */
#define LIVED_WELL_US ((uint64_t)60 * USEC_PER_SEC)

static const char *const state_names[ENGINE_STATES] = {
    [ENGINE_STOPPED] = "stopped",   [ENGINE_STARTING] = "starting", [ENGINE_READY] = "ready",
    [ENGINE_STOPPING] = "stopping", [ENGINE_BACKOFF] = "backoff",   [ENGINE_FAILED] = "failed",
};

/* A process that was told to end may be told so again, and what failed may fail again. */
static const struct machine machine = {
    .name = "engine",
    .count = ENGINE_STATES,
    .names = state_names,
    .moves =
        (const uint32_t[]){
            [ENGINE_STOPPED] = MACHINE_BIT(ENGINE_STARTING) | MACHINE_BIT(ENGINE_BACKOFF) |
                               MACHINE_BIT(ENGINE_FAILED) | MACHINE_BIT(ENGINE_STOPPED),
            [ENGINE_STARTING] = MACHINE_BIT(ENGINE_READY) | MACHINE_BIT(ENGINE_STOPPING) |
                                MACHINE_BIT(ENGINE_BACKOFF) | MACHINE_BIT(ENGINE_FAILED),
            [ENGINE_READY] = MACHINE_BIT(ENGINE_STOPPING) | MACHINE_BIT(ENGINE_BACKOFF) |
                             MACHINE_BIT(ENGINE_FAILED),
            [ENGINE_STOPPING] = MACHINE_BIT(ENGINE_STOPPED) | MACHINE_BIT(ENGINE_STOPPING),
            [ENGINE_BACKOFF] = MACHINE_BIT(ENGINE_STARTING) | MACHINE_BIT(ENGINE_STOPPED) |
                               MACHINE_BIT(ENGINE_STOPPING) | MACHINE_BIT(ENGINE_BACKOFF) |
                               MACHINE_BIT(ENGINE_FAILED),
            [ENGINE_FAILED] = MACHINE_BIT(ENGINE_STARTING) | MACHINE_BIT(ENGINE_STOPPED) |
                              MACHINE_BIT(ENGINE_STOPPING) | MACHINE_BIT(ENGINE_BACKOFF) |
                              MACHINE_BIT(ENGINE_FAILED),
        },
};

const char *engine_state_name(enum engine_state s)
{
    return state_names[s];
}

uint64_t engine__now(const struct engine *e)
{
    return loop_now(e->sup->loop);
}

void engine__look_in(struct engine *e, uint64_t wait_us)
{
    timer_start(e->sup->loop, &e->timer, engine__now(e) + wait_us);
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

void engine__enter(struct engine *e, enum engine_state state, enum endpoint_phase phase,
                   const char *reason, uint64_t retry_at_us)
{
    uint64_t now = engine__now(e), lasted = now - e->since_us;
    e->state = machine_move(&machine, e->state, state);
    e->since_us = now;
    timer_stop(e->sup->loop, &e->timer);
    if (state != ENGINE_READY)
        engine_page_stop(&e->page);
    else if (e->output.own)
        engine_page_start(&e->page);
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
    int err = engine_output_open(&e->output, loop, e->model, own, &spec.output_fd);
    if (err) return err;
    err = process_start(loop, &spec, &e->process);
    close(spec.output_fd);
    if (err) engine_output_end(&e->output);
    if (!err) e->sup->processes++;
    return err;
}

/* When a start that begins after `wait_us` is given up; those who need the process wait that
 * long. */
static uint64_t start_deadline(const struct engine *e, uint64_t wait_us)
{
    return engine__now(e) + wait_us + e->endpoint->engine->start_timeout_us;
}

void engine__start(struct engine *e)
{
    struct supervisor *s = e->sup;
    if (s->drained || !e->endpoint) return;
    e->wanted = e->again = e->signalled = e->overdue = false;
    arena_reset(&e->arena);
    e->argv = engine_arguments(&e->arena, e->endpoint);
    e->env = engine_environment(&e->arena, e->endpoint->engine);
    unlink(e->socket.ptr);
    metric_add(&e->stats.starts, 1);
    int err = engine_folder_ensure(&s->folder);
    const char *failed = err ? s->folder.path : e->argv[0];
    if (!err) err = spawn_engine(e);
    if (err) {
        char what[ENDPOINT_REASON_MAX];
        e->process = NULL;
        e->since_us = engine__now(e);
        snprintf(what, sizeof what, "%s cannot be %s: %s", failed,
                 failed == s->folder.path ? "made" : "started", err_text(err));
        fail_engine(e, what, true);
        return;
    }
    e->deadline_us = start_deadline(e, 0);
    engine__enter(e, ENGINE_STARTING, ENDPOINT_STARTING, "its process is starting", e->deadline_us);
    engine__look_in(e, HEALTH_EVERY_US);
}

static void ready_engine(struct engine *e)
{
    e->wanted = false;
    e->why[0] = '\0';
    engine__enter(e, ENGINE_READY, ENDPOINT_UP, "", 0);
    engine__look_in(e, SOCKET_LOOK_US);
}

/* STARTING: ask for its health, again and again. */
static void step_starting(struct engine *e)
{
    if (engine__now(e) >= e->deadline_us) {
        e->overdue = true;
        health_check_stop(&e->check);
        process_signal(e->process, SIGKILL);
        return;
    }
    if (e->check.running) return;
    uint64_t left = e->deadline_us - engine__now(e);
    health_check_start(&e->check, e->endpoint, e->endpoint->engine->health,
                       MIN(left, HEALTH_TIMEOUT_US));
}

static void wait_for_it(struct engine *e, unsigned loading)
{
    endpoint_note_loading(e->endpoint->state, loading);
    engine__look_in(e, HEALTH_EVERY_US);
}

void engine__on_checked(struct health_check *c, int status, int err)
{
    struct engine *e = CONTAINER_OF(c, struct engine, check);
    (void)err; /* it is still loading, or has died, which on_exit_of_process tells */
    if (e->state != ENGINE_STARTING) return;
    if (status == 200)
        ready_engine(e);
    else
        wait_for_it(e, c->loading);
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

/* The process is gone, or never was. When it is hopeless, those who wait are told now, and not
 * after the last try. */
static void fail_engine(struct engine *e, const char *what, bool hopeless)
{
    bool ran_well = e->state == ENGINE_READY && engine__now(e) - e->since_us > LIVED_WELL_US;
    bool was_ready = e->state == ENGINE_READY;
    e->quick = ran_well ? 1 : e->quick + 1;
    snprintf(e->why, sizeof e->why, "the engine for model %" STR_FMT " %s: %s; see the log",
             STR_ARG(e->model), was_ready ? "ended" : ENGINE_FAILED_TO_START, what);
    bool often = e->quick >= SUPERVISOR_QUICK_MAX;
    uint64_t pause = often ? BACKOFF_MAX_US : backoff_after(e);
    if (often || hopeless)
        engine__enter(e, ENGINE_FAILED, ENDPOINT_DOWN, e->why, engine__now(e) + pause);
    else
        engine__enter(e, ENGINE_BACKOFF, ENDPOINT_STARTING, e->why, start_deadline(e, pause));
    engine__look_in(e, pause);
}

bool engine__starts_by_itself(const struct engine *e)
{
    return e->endpoint->engine->start == CONF_START_AT_START;
}

/* BACKOFF and FAILED: the time is over. One that failed too often gets one more chance, not
 * SUPERVISOR_QUICK_MAX. Nothing starts beside what is left of the last process, which holds its
 * memory. */
static void step_retry(struct engine *e)
{
    if (e->process) {
        engine__look_in(e, DRAIN_LOOK_US);
        return;
    }
    e->quick = MIN(e->quick, SUPERVISOR_QUICK_MAX - 1);
    if (e->wanted || engine__starts_by_itself(e) || service_waiting(e->endpoint->service) > 0)
        engine__start(e);
    else
        engine__enter(e, ENGINE_STOPPED, ENDPOINT_STARTABLE, e->why, 0);
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
    e->deadline_us = engine__now(e) + stop_patience(e);
    engine__look_in(e, stop_patience(e));
}

static uint32_t inflight_of(const struct engine *e)
{
    const struct endpoint *served = served_by(e);
    return served ? endpoint_inflight(served->state) : 0;
}

void engine__stop(struct engine *e, enum endpoint_phase phase, const char *reason, bool polite)
{
    health_check_stop(&e->check);
    e->signalled = false;
    e->deadline_us = engine__now(e) + snapshot_settings(e->sup->snapshot)->drain_us;
    uint64_t stopped_us = e->deadline_us - engine__now(e) + stop_patience(e);
    engine__enter(e, ENGINE_STOPPING, phase, reason,
                  phase == ENDPOINT_STARTING ? start_deadline(e, stopped_us) : 0);
    if (polite && inflight_of(e) > 0)
        engine__look_in(e, DRAIN_LOOK_US);
    else
        send_term(e);
}

void engine__restart(struct engine *e, const char *reason)
{
    e->again = true;
    engine__stop(e, ENDPOINT_STARTING, reason, true);
}

void engine__start_after_stop(struct engine *e)
{
    if (e->again) return;
    uint64_t now = engine__now(e), left = MAX(e->deadline_us, now) - now;
    e->again = true;
    endpoint_set_phase(e->endpoint->state, ENDPOINT_STARTING,
                       STR("starting again when it has stopped"),
                       start_deadline(e, left + (e->signalled ? 0 : stop_patience(e))), now);
}

/* STOPPING: the last requests have ended, or the patience has. */
static void step_stopping(struct engine *e)
{
    bool late = engine__now(e) >= e->deadline_us;
    if (e->signalled)
        process_signal(e->process, SIGKILL);
    else if (late || inflight_of(e) == 0)
        send_term(e);
    else
        engine__look_in(e, DRAIN_LOOK_US);
}

/* Where its socket was nothing is: somebody cleaned up, and no new connection will find the
 * process. */
static bool socket_gone(const struct engine *e)
{
    struct stat st;
    const struct addr *a = &e->endpoint->way.addr;
    char path[128];
    if (!a->is_unix || a->path.len >= sizeof path) return false;
    snprintf(path, sizeof path, "%" STR_FMT, STR_ARG(a->path));
    return lstat(path, &st) != 0 && errno == ENOENT;
}

/* When it will have been idle for the configured time, if nobody comes. */
static uint64_t idle_due(const struct engine *e)
{
    const struct endpoint_state *state = e->endpoint->state;
    uint64_t idle_stop_us = e->endpoint->engine->idle_stop_us;
    if (idle_stop_us == 0) return UINT64_MAX;
    if (endpoint_inflight(state) > 0) return engine__now(e) + idle_stop_us;
    return MAX(endpoint_released_at(state), e->since_us) + idle_stop_us;
}

/* READY: stop it when nobody has used it for the configured time. */
static void step_ready(struct engine *e)
{
    uint64_t now = engine__now(e), due = idle_due(e);
    if (socket_gone(e))
        engine__restart(e, "its socket is gone, starting again");
    else if (now < due || !endpoint_retire(e->endpoint->state, ENDPOINT_STARTABLE, STR(""), now))
        engine__look_in(e, MIN(SOCKET_LOOK_US, MAX(due, now + DRAIN_LOOK_US) - now));
    else
        engine__stop(e, ENDPOINT_STARTABLE, "stopping: idle", false);
}

void engine__dismiss(struct engine *e)
{
    uint64_t now = engine__now(e);
    if (e->state == ENGINE_READY &&
        endpoint_retire(e->endpoint->state, ENDPOINT_STARTABLE, STR(""), now))
        engine__stop(e, ENDPOINT_STARTABLE, "stopping: a client asked for it", false);
}

void engine__free(struct engine *e)
{
    engine_output_end(&e->output);
    snapshot_unref(e->former_snapshot);
    timer_stop(e->sup->loop, &e->timer);
    task_cancel(&e->task);
    health_check_fini(&e->check);
    engine_page_fini(&e->page);
    unlink(e->socket.ptr);
    map_remove(&e->sup->by_model, e->model);
    list_remove(&e->link);
    arena_fini(&e->arena);
    free((char *)(uintptr_t)e->socket.ptr);
    free((char *)(uintptr_t)e->model.ptr);
    free(e);
}

void engine__tell_when_drained(struct supervisor *s)
{
    if (s->drained && s->processes == 0) loop_wake(s->loop, s->drained);
}

static void stopped_engine(struct engine *e)
{
    struct supervisor *s = e->sup;
    bool start = e->again || e->wanted;
    unlink(e->socket.ptr);
    if (!e->endpoint)
        engine__free(e);
    else if (s->drained)
        engine__enter(e, ENGINE_STOPPED, ENDPOINT_DOWN, "shutting down", 0);
    else {
        engine__enter(e, ENGINE_STOPPED, ENDPOINT_STARTABLE, "", 0);
        if (start) engine__start(e);
    }
    engine__tell_when_drained(s);
}

/* Our own engine says by its exit code that it was refused, by the file or the machine, and why
 * in its last line; the next start would end the same way. A signal or another runtime's code
 * tells nothing of the kind. */
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
        snprintf(what, sizeof what, "its health path did not answer 200 in time");
    else if (signal)
        snprintf(what, sizeof what, "killed by signal %d (%s)", signal, strsignal(signal));
    else if (engine_output_reason(&e->output)[0])
        snprintf(what, sizeof what, "%s", engine_output_reason(&e->output));
    else
        snprintf(what, sizeof what, "exit code %lld", (long long)status);
    fail_engine(e, what, is_refusal(e, status));
}

static void on_process_gone(void *owner)
{
    struct engine *e = owner;
    e->process = NULL;
    e->sup->processes--;
    if (e->state == ENGINE_STOPPING) stopped_engine(e);
}

void engine__step(struct task *task)
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
