/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "mesh/mesh_priv.h"

static const char *const result_names[ATTEMPT_RESULTS] = {
    [ATTEMPT_OK] = "ok",
    [ATTEMPT_CONNECT_FAILED] = "connect_failed",
    [ATTEMPT_TIMEOUT] = "timeout",
    [ATTEMPT_STATUS_429] = "status_429",
    [ATTEMPT_STATUS_5XX] = "status_5xx",
    [ATTEMPT_BROKEN] = "broken",
    [ATTEMPT_CANCELLED] = "cancelled",
};

const char *attempt_result_name(enum attempt_result r)
{
    return result_names[r];
}

struct addr endpoint_addr(const struct url *u)
{
    return (struct addr){
        .is_unix = u->scheme == URL_UNIX, .host = u->host, .port = u->port, .path = u->path};
}

struct str endpoint_target(struct arena *arena, const struct endpoint *e, struct str rest)
{
    return arena_cat(arena, e->prefix, rest);
}

/* --- life --- */

int endpoint__new(struct service_state *service, struct str identity, struct endpoint_state **out)
{
    struct endpoint_state *s = calloc(1, sizeof(*s));
    if (!s) return -ENOMEM;
    size_t counts = service->mesh->workers * sizeof(*s->attempts);
    s->attempts = aligned_alloc(_Alignof(struct attempt_counts), counts);
    if (!s->attempts) {
        free(s);
        return -ENOMEM;
    }
    memset(s->attempts, 0, counts);
    s->identity = str_n(str_dup(identity), identity.len);
    s->service = service;
    s->rules = (struct breaker_rules){.failures = 1};
    pthread_mutex_init(&s->mutex, NULL);
    *out = s;
    return 0;
}

void endpoint__free(struct endpoint_state *s)
{
    assert(atomic_load(&s->inflight) == 0);
    pthread_mutex_destroy(&s->mutex);
    free((char *)(uintptr_t)s->identity.ptr);
    free(s->attempts);
    free(s);
}

void endpoint__set_rules(struct endpoint_state *s, const struct breaker_rules *rules)
{
    pthread_mutex_lock(&s->mutex);
    s->rules = *rules;
    pthread_mutex_unlock(&s->mutex);
}

/* --- the breaker, mirrored in two atomics so that healthy requests need no mutex --- */

/* closed_until while the trial runs: no other request, however late it is. */
#define TRIAL_RUNS UINT64_MAX

/* Under the mutex, after each change of the breaker. */
static void mirror_breaker(struct endpoint_state *s)
{
    const struct breaker *b = &s->breaker;
    uint64_t until = !b->tripped ? 0 : b->trial ? TRIAL_RUNS : MAX(b->until_us, 1);
    atomic_store(&s->closed_until, until);
    atomic_store(&s->troubled, b->tripped || b->failures > 0);
}

static void record_success(struct endpoint_state *s, bool trial, uint64_t now_us)
{
    if (!atomic_load_explicit(&s->troubled, memory_order_relaxed)) return;
    pthread_mutex_lock(&s->mutex);
    bool was_tripped = s->breaker.tripped;
    /* A straggler from before the cooldown proves nothing. */
    if (trial || !was_tripped) breaker_success(&s->breaker);
    mirror_breaker(s);
    pthread_mutex_unlock(&s->mutex);
    if (was_tripped) service__offer(s->service, now_us, false);
}

static void record_failure(struct endpoint_state *s, enum attempt_result result,
                           uint64_t retry_after_us, uint64_t now_us, struct rng *rng)
{
    pthread_mutex_lock(&s->mutex);
    s->unreachable = result != ATTEMPT_STATUS_429 && result != ATTEMPT_STATUS_5XX;
    breaker_failure(&s->breaker, &s->rules, retry_after_us, now_us, rng);
    bool tripped = s->breaker.tripped;
    mirror_breaker(s);
    pthread_mutex_unlock(&s->mutex);
    if (tripped) service__offer(s->service, now_us, true);
}

static void abandon_trial(struct endpoint_state *s)
{
    pthread_mutex_lock(&s->mutex);
    breaker_abandon(&s->breaker);
    mirror_breaker(s);
    pthread_mutex_unlock(&s->mutex);
}

/* The breaker is not closed: may this request go, and is it the trial? */
static bool begin_trial(struct endpoint_state *s, uint64_t now_us, bool *trial)
{
    pthread_mutex_lock(&s->mutex);
    bool allowed = breaker_allows(&s->breaker, now_us);
    *trial = allowed && breaker_begin(&s->breaker, now_us);
    mirror_breaker(s);
    pthread_mutex_unlock(&s->mutex);
    return allowed;
}

/* --- credits --- */

/* One more in flight, unless `capacity` (0: none) is reached. */
static bool add_inflight(struct endpoint_state *s, uint32_t capacity)
{
    if (capacity == 0) {
        atomic_fetch_add(&s->inflight, 1);
        return true;
    }
    uint32_t n = atomic_load_explicit(&s->inflight, memory_order_relaxed);
    do {
        if (n >= capacity) return false;
    } while (!atomic_compare_exchange_weak(&s->inflight, &n, n + 1));
    return true;
}

bool endpoint__take(const struct endpoint *e, uint64_t now_us, bool *trial)
{
    struct endpoint_state *s = e->state;
    *trial = false;
    if (!add_inflight(s, e->capacity)) return false;
    /* Looked at only now: endpoint_retire changes the phase first and counts the credits after. */
    bool ok = atomic_load(&s->phase) == ENDPOINT_UP;
    if (ok && atomic_load(&s->closed_until) != 0) ok = begin_trial(s, now_us, trial);
    if (!ok) atomic_fetch_sub(&s->inflight, 1);
    return ok;
}

void endpoint_report(struct grant *g, unsigned worker, enum attempt_result result,
                     uint64_t retry_after_us, uint64_t now_us, struct rng *rng)
{
    struct endpoint_state *s = g->endpoint->state;
    metric_add(&s->attempts[worker].by[result], 1);
    if (result == ATTEMPT_CANCELLED) return;
    bool trial = g->trial;
    g->trial = false;
    if (result == ATTEMPT_OK)
        record_success(s, trial, now_us);
    else
        record_failure(s, result, retry_after_us, now_us, rng);
}

void endpoint_answered(struct grant *g, uint64_t now_us)
{
    if (!g->trial) return;
    g->trial = false;
    record_success(g->endpoint->state, true, now_us);
}

void endpoint_give_back(struct grant *g, uint64_t now_us)
{
    if (!g->endpoint || g->given_back) return;
    struct endpoint_state *s = g->endpoint->state;
    g->given_back = true;
    if (g->trial) abandon_trial(s);
    g->trial = false;
    atomic_store_explicit(&s->released_us, now_us, memory_order_relaxed);
    atomic_fetch_sub(&s->inflight, 1);
    service__offer(s->service, now_us, false);
}

void endpoint_release(struct grant *g, uint64_t now_us)
{
    endpoint_give_back(g, now_us);
    snapshot_unref(g->snapshot);
    *g = (struct grant){0};
}

/* --- phases --- */

uint32_t endpoint_inflight(const struct endpoint_state *s)
{
    return atomic_load(&s->inflight);
}

enum endpoint_phase endpoint_phase(const struct endpoint_state *s)
{
    return (enum endpoint_phase)atomic_load(&s->phase);
}

uint64_t endpoint_released_at(const struct endpoint_state *s)
{
    return atomic_load_explicit(&s->released_us, memory_order_relaxed);
}

bool endpoint_usable(const struct endpoint_state *s, uint64_t now_us)
{
    if (atomic_load(&s->phase) != ENDPOINT_UP) return false;
    uint64_t until = atomic_load(&s->closed_until);
    return until == 0 || (until != TRIAL_RUNS && now_us >= until);
}

/* Under the mutex. */
static void copy_reason(struct endpoint_state *s, struct str reason)
{
    size_t len = MIN(reason.len, sizeof(s->reason) - 1);
    memcpy(s->reason, reason.ptr ? reason.ptr : "", len);
    s->reason[len] = '\0';
}

void endpoint_set_phase(struct endpoint_state *s, enum endpoint_phase phase, struct str reason,
                        uint64_t retry_at_us, uint64_t now_us)
{
    pthread_mutex_lock(&s->mutex);
    copy_reason(s, reason);
    if (phase == ENDPOINT_UP) breaker_success(&s->breaker);
    mirror_breaker(s);
    atomic_store(&s->retry_at_us, retry_at_us);
    atomic_store(&s->phase, (uint32_t)phase);
    atomic_store(&s->wanted, false);
    pthread_mutex_unlock(&s->mutex);
    service__offer(s->service, now_us, true);
}

void endpoint_alive(struct endpoint_state *s, uint64_t now_us)
{
    bool down = endpoint_phase(s) == ENDPOINT_DOWN;
    pthread_mutex_lock(&s->mutex);
    bool unreachable = s->breaker.tripped && s->unreachable;
    pthread_mutex_unlock(&s->mutex);
    if (down || unreachable) endpoint_set_phase(s, ENDPOINT_UP, STR(""), 0, now_us);
}

bool endpoint_retire(struct endpoint_state *s, enum endpoint_phase to, struct str reason,
                     uint64_t now_us)
{
    bool was_up = atomic_load(&s->phase) == ENDPOINT_UP;
    if (was_up) atomic_store(&s->phase, (uint32_t)to);
    /* A credit taken before the phase changed is seen here; one taken after sees the phase. */
    bool idle = atomic_load(&s->inflight) == 0;
    if (idle || !was_up) {
        pthread_mutex_lock(&s->mutex);
        copy_reason(s, reason);
        pthread_mutex_unlock(&s->mutex);
        return idle;
    }
    atomic_store(&s->phase, ENDPOINT_UP);
    atomic_store(&s->wanted, false);
    service__offer(s->service, now_us, false);
    return false;
}

static void write_cooldown(const struct breaker *b, uint64_t now_us, char out[ENDPOINT_REASON_MAX])
{
    if (!b->tripped)
        out[0] = '\0';
    else if (now_us < b->until_us)
        snprintf(out, ENDPOINT_REASON_MAX, "cooling down for %.1f s after %u failures",
                 (double)(b->until_us - now_us) / 1e6, b->failures);
    else
        snprintf(out, ENDPOINT_REASON_MAX, "one request is trying whether it works again");
}

void endpoint_reason(struct endpoint_state *s, uint64_t now_us, char out[ENDPOINT_REASON_MAX])
{
    pthread_mutex_lock(&s->mutex);
    if (s->reason[0])
        memcpy(out, s->reason, ENDPOINT_REASON_MAX);
    else
        write_cooldown(&s->breaker, now_us, out);
    pthread_mutex_unlock(&s->mutex);
}
