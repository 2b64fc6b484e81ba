/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/url.h"
#include "mesh/mesh_priv.h"

struct addr endpoint_addr(const struct url *u)
{
    return (struct addr){
        .is_unix = u->scheme == URL_UNIX, .host = u->host, .port = u->port, .path = u->path};
}

struct str endpoint_target(struct arena *arena, const struct endpoint *e, struct str rest,
                           bool beside)
{
    static const struct str version = STR_INIT("/v1");
    struct str prefix = e->prefix;
    if (beside && str_ends(prefix, version)) prefix.len -= version.len;
    struct str path = arena_try_cat(arena, prefix, rest);
    return path.ptr && e->query.len ? arena_try_cat(arena, path, e->query) : path;
}

/* --- life --- */

struct endpoint_state *endpoint__new(struct service_state *service, struct str identity)
{
    struct endpoint_state *s = mem_must_zero(1, sizeof *s);
    s->workers = mem_must_aligned(_Alignof(struct endpoint_worker), service->mesh->workers,
                                  sizeof *s->workers);
    s->identity = str_n(str_dup(identity), identity.len);
    s->service = service;
    pthread_mutex_init(&s->mutex, NULL);
    endpoint__set_rules(s, &(struct breaker_rules){.failures = 1});
    return s;
}

void endpoint__free(struct endpoint_state *s)
{
    assert(atomic_load(&s->inflight) == 0);
    pthread_mutex_destroy(&s->mutex);
    free((char *)(uintptr_t)s->identity.ptr);
    free(s->workers);
    free(s);
}

void endpoint__set_rules(struct endpoint_state *s, const struct breaker_rules *rules)
{
    pthread_mutex_lock(&s->mutex);
    s->transport_rules = s->answers_rules = *rules;
    s->answers_rules.by_rate = true;
    pthread_mutex_unlock(&s->mutex);
}

/* --- the breakers, mirrored in atomics so that healthy requests need no mutex --- */

/* Stands for the end of a cooldown while the trial runs: no other request, however late it is. */
#define TRIAL_RUNS UINT64_MAX

static uint64_t shown_until(const struct breaker *b)
{
    return !b->tripped ? 0 : b->trial ? TRIAL_RUNS : MAX(b->until_us, 1);
}

/* Under the mutex, after each change of a breaker. */
static void mirror_breakers(struct endpoint_state *s)
{
    const struct breaker *t = &s->transport, *a = &s->answers;
    atomic_store(&s->closed_until, shown_until(t));
    atomic_store(&s->shunned_until, shown_until(a));
    if (!a->tripped) atomic_store(&s->rest_until, 0);
    atomic_store(&s->troubled, t->tripped || t->failures || a->tripped || a->failures);
}

/* What one attempt changed. */
struct change {
    bool began; /* a cooldown, or being shunned */
    bool ended;
    const char *state; /* then, for the log */
};

/* Under the mutex. A straggler from before the cooldown proves nothing. */
static void count_success(struct breaker *b, const struct breaker_rules *rules, bool proves,
                          uint64_t now_us, struct change *change)
{
    if (b->tripped && !proves) return;
    if (b->tripped) change->ended = true;
    breaker_success(b, rules, now_us);
}

static void count_failure(struct breaker *b, const struct breaker_rules *rules,
                          uint64_t retry_after_us, const char *state, uint64_t now_us,
                          struct rng *rng, struct change *change)
{
    bool was_tripped = b->tripped;
    breaker_failure(b, rules, retry_after_us, now_us, rng);
    if (b->tripped && !was_tripped) *change = (struct change){.began = true, .state = state};
}

/* Under the mutex. A pause that it asked for holds for everybody, but without others only for as
 * long as a first cooldown: one client can provoke it. */
static void rest(struct endpoint_state *s, uint64_t retry_after_us, uint64_t now_us)
{
    uint64_t length = MIN(retry_after_us, s->answers_rules.cooldown_us);
    if (length) atomic_store(&s->rest_until, now_us + length);
}

/* Gives up the trials that the grant is, without a verdict. Under the mutex. */
static void abandon_trials(struct endpoint_state *s, const struct grant *g)
{
    if (g->trial) breaker_abandon(&s->transport);
    if (g->probation) breaker_abandon(&s->answers);
}

/* Under the mutex: what the verdict means for both breakers. */
static void judge(struct endpoint_state *s, const struct grant *g, enum verdict_blame blame,
                  uint64_t retry_after_us, uint64_t now_us, struct rng *rng, struct change *change)
{
    if (blame == BLAME_TRANSPORT) {
        atomic_store(&s->unreached, true);
        count_failure(&s->transport, &s->transport_rules, 0, "cooling", now_us, rng, change);
        if (g->probation) breaker_abandon(&s->answers);
        return;
    }
    count_success(&s->transport, &s->transport_rules, g->trial, now_us, change);
    if (blame == BLAME_NOBODY) {
        count_success(&s->answers, &s->answers_rules, g->probation || g->last, now_us, change);
        return;
    }
    uint64_t asked = blame == BLAME_LIMIT ? retry_after_us : 0;
    rest(s, asked, now_us);
    count_failure(&s->answers, &s->answers_rules, asked, "shunned", now_us, rng, change);
}

/* Under the mutex: what the breakers say; "" for nothing. */
static void write_trouble(const struct endpoint_state *s, uint64_t now_us,
                          char out[ENDPOINT_REASON_MAX])
{
    const struct breaker *t = &s->transport, *a = &s->answers;
    double left = 0;
    out[0] = '\0';
    if (t->tripped) {
        snprintf(out, ENDPOINT_REASON_MAX, "%s", s->failure);
    } else if (a->tripped) {
        if (a->until_us > now_us) left = (double)(a->until_us - now_us) / 1e6;
        snprintf(out, ENDPOINT_REASON_MAX,
                 "%u of its answers failed of late; others are preferred for %.1f s", a->failures,
                 left);
    }
}

static void log_change(struct endpoint_state *s, const struct endpoint *e,
                       const struct change *change, uint64_t now_us)
{
    char why[ENDPOINT_REASON_MAX];
    if (!change->began) {
        endpoint_log(e, LOG_INFO, "up", "");
        return;
    }
    pthread_mutex_lock(&s->mutex);
    write_trouble(s, now_us, why);
    pthread_mutex_unlock(&s->mutex);
    endpoint_log(e, LOG_WARN, change->state, why);
}

void endpoint_log(const struct endpoint *e, enum log_level level, const char *state,
                  const char *reason)
{
    struct log_line l;
    log_begin(&l, level, "endpoint_health");
    log_str(&l, "model", e->service->name);
    log_str(&l, "endpoint", e->name);
    log_cstr(&l, "state", state);
    if (reason[0]) log_cstr(&l, "reason", reason);
    log_end(&l);
}

/* The breakers are not closed: may this request go, and which trials is it? */
static bool begin_trials(struct endpoint_state *s, uint64_t now_us, struct grant *g)
{
    pthread_mutex_lock(&s->mutex);
    bool allowed =
        breaker_allows(&s->transport, now_us) && (g->last || breaker_allows(&s->answers, now_us));
    if (allowed) {
        g->trial = breaker_begin(&s->transport, now_us);
        g->probation = !g->last && breaker_begin(&s->answers, now_us);
    }
    mirror_breakers(s);
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

bool endpoint__take(const struct endpoint *e, bool last, uint64_t now_us, struct grant *out)
{
    struct endpoint_state *s = e->state;
    struct grant g = {.endpoint = e, .last = last};
    if (!add_inflight(s, e->capacity)) return false;
    /* Looked at only now: endpoint_retire changes the phase first and counts the credits after. */
    bool ok = atomic_load(&s->phase) == ENDPOINT_UP;
    if (ok && (atomic_load(&s->closed_until) || atomic_load(&s->shunned_until)))
        ok = begin_trials(s, now_us, &g);
    if (!ok) atomic_fetch_sub(&s->inflight, 1);
    if (ok) *out = g;
    return ok;
}

/* The operator's fault, and nobody else sees it: once, until the key is accepted. */
static void tell_key(struct endpoint_state *s, const struct endpoint *e, bool refused)
{
    if (atomic_load_explicit(&s->told_key, memory_order_relaxed) == refused) return;
    if (atomic_exchange(&s->told_key, refused) == refused || !refused) return;
    struct log_line l;
    log_begin(&l, LOG_ERROR, "endpoint_key");
    log_str(&l, "model", e->service->name);
    log_str(&l, "endpoint", e->name);
    log_cstr(&l, "problem",
             e->has_key ? "the runtime refuses the `key` of this endpoint (401)"
                        : "the runtime asks for a key (401): set `key` of this endpoint");
    log_end(&l);
}

/* What the verdict means for the breakers, and what follows for the log and for who waits. Ends the
 * grant's trials. `failure`: why it could not be reached, in words; else NULL. */
static void conclude(struct grant *g, enum verdict_blame blame, const char *failure,
                     uint64_t retry_after_us, uint64_t now_us, struct rng *rng)
{
    struct endpoint_state *s = g->endpoint->state;
    struct change change = {0};
    pthread_mutex_lock(&s->mutex);
    if (failure) snprintf(s->failure, sizeof s->failure, "%s", failure);
    judge(s, g, blame, retry_after_us, now_us, rng, &change);
    mirror_breakers(s);
    pthread_mutex_unlock(&s->mutex);
    g->trial = g->probation = g->last = false;
    if (!change.began && !change.ended) return;
    log_change(s, g->endpoint, &change, now_us);
    s->service->offer(s->service, now_us, change.began);
}

void endpoint_report(struct grant *g, unsigned worker, enum verdict verdict,
                     uint64_t retry_after_us, const char *what, uint64_t now_us, struct rng *rng)
{
    struct endpoint_state *s = g->endpoint->state;
    const struct verdict_row *row = verdict_row(verdict);
    metric_add(&s->workers[worker].stats.attempts[verdict], 1);
    if (verdict == VERDICT_CANCELLED || verdict == VERDICT_LOCAL) return;
    tell_key(s, g->endpoint, verdict == VERDICT_UNAUTHORIZED);
    if (row->blame == BLAME_NOBODY && !atomic_load_explicit(&s->troubled, memory_order_relaxed))
        return;
    const char *failure = row->blame != BLAME_TRANSPORT ? NULL : what ? what : row->event;
    conclude(g, row->blame, failure, retry_after_us, now_us, rng);
}

void endpoint_answered(struct grant *g, uint64_t now_us)
{
    if (g->trial || g->probation || g->last) conclude(g, BLAME_NOBODY, NULL, 0, now_us, NULL);
}

enum endpoint_usage endpoint_usage(const struct endpoint_state *s)
{
    return (enum endpoint_usage)atomic_load_explicit(&s->usage, memory_order_relaxed);
}

void endpoint_note_usage(struct endpoint_state *s, enum endpoint_usage usage)
{
    if (endpoint_usage(s) != usage) atomic_store_explicit(&s->usage, usage, memory_order_relaxed);
}

unsigned endpoint_loading(const struct endpoint_state *s)
{
    if (endpoint_phase(s) != ENDPOINT_STARTING) return 0;
    return atomic_load_explicit(&s->loading, memory_order_relaxed);
}

void endpoint_note_loading(struct endpoint_state *s, unsigned percent)
{
    atomic_store_explicit(&s->loading, percent, memory_order_relaxed);
}

void endpoint_give_back(struct grant *g, uint64_t now_us)
{
    if (!g->endpoint || g->given_back) return;
    struct endpoint_state *s = g->endpoint->state;
    g->given_back = true;
    if (g->trial || g->probation) {
        pthread_mutex_lock(&s->mutex);
        abandon_trials(s, g);
        mirror_breakers(s);
        pthread_mutex_unlock(&s->mutex);
    }
    g->trial = g->probation = g->last = false;
    atomic_store_explicit(&s->released_us, now_us, memory_order_relaxed);
    atomic_fetch_sub(&s->inflight, 1);
    s->service->offer(s->service, now_us, false);
}

void endpoint_release(struct grant *g, uint64_t now_us)
{
    endpoint_give_back(g, now_us);
    snapshot_unref(g->snapshot);
    *g = (struct grant){0};
}

/* --- phases --- */

struct str endpoint_model(const struct endpoint_state *s)
{
    return s->service->name;
}

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
    return endpoint_phase(s) == ENDPOINT_UP && now_us >= atomic_load(&s->closed_until);
}

bool endpoint_shunned(const struct endpoint_state *s, uint64_t now_us)
{
    return now_us < atomic_load(&s->shunned_until);
}

bool endpoint_cooling(const struct endpoint_state *s)
{
    return endpoint_phase(s) == ENDPOINT_UP && atomic_load(&s->closed_until) != 0;
}

/* Under the mutex. */
static void copy_reason(struct endpoint_state *s, struct str reason)
{
    size_t len = MIN(reason.len, sizeof s->reason - 1);
    memcpy(s->reason, reason.ptr ? reason.ptr : "", len);
    s->reason[len] = '\0';
}

/* `anew`: what is up now has no past. */
static void change_phase(struct endpoint_state *s, enum endpoint_phase phase, struct str reason,
                         uint64_t retry_at_us, bool anew, uint64_t now_us)
{
    pthread_mutex_lock(&s->mutex);
    copy_reason(s, reason);
    if (phase == ENDPOINT_UP) breaker_reset(&s->transport);
    if (anew) breaker_reset(&s->answers);
    mirror_breakers(s);
    if (endpoint_phase(s) != phase) atomic_store(&s->phase_us, now_us);
    atomic_store(&s->retry_at_us, retry_at_us);
    atomic_store(&s->phase, (uint32_t)phase);
    atomic_store(&s->wanted, false);
    pthread_mutex_unlock(&s->mutex);
    s->service->offer(s->service, now_us, true);
}

void endpoint_set_phase(struct endpoint_state *s, enum endpoint_phase phase, struct str reason,
                        uint64_t retry_at_us, uint64_t now_us)
{
    change_phase(s, phase, reason, retry_at_us, phase == ENDPOINT_UP, now_us);
}

bool endpoint_alive(struct endpoint_state *s, uint64_t now_us)
{
    bool down = endpoint_phase(s) == ENDPOINT_DOWN;
    pthread_mutex_lock(&s->mutex);
    bool cooling = s->transport.tripped;
    breaker_reset(&s->transport);
    mirror_breakers(s);
    pthread_mutex_unlock(&s->mutex);
    if (down || cooling) atomic_store(&s->lacking, 0); /* another may stand there now */
    if (down)
        change_phase(s, ENDPOINT_UP, STR(""), 0, false, now_us);
    else if (cooling)
        s->service->offer(s->service, now_us, true);
    return down || cooling;
}

bool endpoint_absent(struct endpoint_state *s, const char *what, uint64_t now_us, struct rng *rng)
{
    pthread_mutex_lock(&s->mutex);
    bool was_tripped = s->transport.tripped;
    struct breaker_rules rules = s->transport_rules;
    rules.failures = 1;
    snprintf(s->failure, sizeof s->failure, "%s", what);
    if (!was_tripped)
        breaker_failure(&s->transport, &rules, 0, now_us, rng);
    else
        breaker_hold(&s->transport, now_us + 3 * ENDPOINT_RECOVERY_US);
    mirror_breakers(s);
    pthread_mutex_unlock(&s->mutex);
    return !was_tripped;
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
    s->service->offer(s->service, now_us, false);
    return false;
}

void endpoint_reason(struct endpoint_state *s, uint64_t now_us, char out[ENDPOINT_REASON_MAX])
{
    pthread_mutex_lock(&s->mutex);
    if (s->reason[0])
        memcpy(out, s->reason, ENDPOINT_REASON_MAX);
    else
        write_trouble(s, now_us, out);
    pthread_mutex_unlock(&s->mutex);
}
