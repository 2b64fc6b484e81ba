/* SPDX-License-Identifier: Apache-2.0 */
/* The states of a model call, and what follows when an attempt fails. */
#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/machine.h"
#include "dialect/surface.h"
#include "gate/answer.h"
#include "gate/model_call_priv.h"

enum {
    /* a pooled connection that had been closed already shows it within a round trip */
    STALE_US = 500 * USEC_PER_MS,
    LACK_TELL_US = 10 * USEC_PER_SEC, /* between two lines of the log about it */
};

static const struct machine machine = {
    .name = "model call",
    .count = MODEL_CALL_STATE_COUNT,
    .names =
        (const char *const[]){
#define X(name) [MODEL_CALL_##name] = #name,
            MODEL_CALL_STATES(X)
#undef X
        },
    .moves =
        (const uint32_t[]){
            [MODEL_CALL_ADMIT] = MACHINE_BIT(MODEL_CALL_ADMIT) | MACHINE_BIT(MODEL_CALL_QUEUE) |
                                 MACHINE_BIT(MODEL_CALL_SEND),
            [MODEL_CALL_QUEUE] = MACHINE_BIT(MODEL_CALL_ADMIT) | MACHINE_BIT(MODEL_CALL_SEND),
            [MODEL_CALL_SEND] = MACHINE_BIT(MODEL_CALL_ADMIT) | MACHINE_BIT(MODEL_CALL_AWAIT),
            [MODEL_CALL_AWAIT] = MACHINE_BIT(MODEL_CALL_ADMIT) | MACHINE_BIT(MODEL_CALL_SEND) |
                                 MACHINE_BIT(MODEL_CALL_HOLD) | MACHINE_BIT(MODEL_CALL_GATHER) |
                                 MACHINE_BIT(MODEL_CALL_RELAY),
            [MODEL_CALL_HOLD] = MACHINE_BIT(MODEL_CALL_ADMIT) | MACHINE_BIT(MODEL_CALL_SEND) |
                                MACHINE_BIT(MODEL_CALL_RELAY),
            [MODEL_CALL_GATHER] = MACHINE_BIT(MODEL_CALL_ADMIT) | MACHINE_BIT(MODEL_CALL_SEND),
            [MODEL_CALL_RELAY] = 0,
        },
};

enum step model_call__go(struct model_call *m, enum model_call_state state)
{
    m->state = machine_move(&machine, m->state, state);
    return STEP_NEXT;
}

const char *model_call__state_name(const struct model_call *m)
{
    return machine.names[m->state];
}

bool model_call__is_attempt(enum model_call_state s)
{
    return s == MODEL_CALL_AWAIT || s == MODEL_CALL_HOLD || s == MODEL_CALL_GATHER ||
           s == MODEL_CALL_RELAY;
}

uint64_t model_call__due(const struct model_call *m)
{
    if (m->state == MODEL_CALL_QUEUE) return service_wait_until(m->admission.service, m->queued_us);
    if (!model_call__is_attempt(m->state)) return 0;
    uint64_t attempt = attempt_due(&m->attempt);
    bool holds = m->state == MODEL_CALL_HOLD && !m->attempt.first_us;
    return holds ? MIN(attempt, m->attempt.head_us + HOLD_US) : attempt;
}

/* Whether a fallback model may be asked, and in the way that this one was. */
static bool can_stand_in(const struct model_call *m, const struct service *s)
{
    return exchange_may_use(m->x, s) && admit_served(s, m->admission.surfaces);
}

bool model_call__next_fallback(struct model_call *m)
{
    if (surface_row(m->x->ask.surface)->own) return false;
    while (m->fallbacks < m->x->asked->fallback_count) {
        const struct service *s = m->x->asked->fallback[m->fallbacks++];
        if (!can_stand_in(m, s)) continue;
        m->admission.service = s;
        m->admission.tried = (struct tried){0};
        return true;
    }
    return false;
}

enum step model_call__lack(struct model_call *m, int err)
{
    const struct verdict_row *row = verdict_row(VERDICT_LOCAL);
    struct lane *lane = m->x->lane;
    uint64_t now = exchange_now(m->x);
    attempt_report(&m->attempt, VERDICT_LOCAL, 0, NULL);
    attempt_end(&m->attempt);
    if (!lane->lack_told_us || now - lane->lack_told_us >= LACK_TELL_US) {
        lane->lack_told_us = now;
        log_note(
            LOG_ERROR, "overloaded",
            "a request cannot be passed on: %s; see limits.connections_max, ulimit -n and the memory",
            err_text(err));
    }
    return exchange_refuse(
        m->x, OUTCOME_OVERLOADED,
        &(struct refusal){.status = row->status,
                          .message = arena_say(m->x->call->arena, "The gateway is overloaded: %s.",
                                               err_text(err)),
                          .code = row->code},
        1 * USEC_PER_SEC);
}

/* A fallback model that the key allows has not been tried yet. */
static bool has_fallback(const struct model_call *m)
{
    for (size_t i = m->fallbacks; i < m->x->asked->fallback_count; i++)
        if (can_stand_in(m, m->x->asked->fallback[i])) return true;
    return false;
}

enum model_retry model_call__take_retry(struct model_call *m)
{
    struct admission next = m->admission;
    if (m->attempt.count >= exchange_settings(m->x)->attempts_max) return RETRY_NO;
    tried_add(&next.tried, m->attempt.grant.endpoint);
    bool here = admit_hopeful(&next, exchange_now(m->x));
    if (here && service_may_retry(m->x->asked, m->x->lane->index, exchange_now(m->x)))
        return RETRY_HERE;
    if (has_fallback(m)) return RETRY_FALLBACK;
    if (!here) return RETRY_NO;
    metric_add(&m->x->lane->stats.retries_denied, 1);
    m->x->no_retry = true;
    return RETRY_NO;
}

enum step model_call__send_again(struct model_call *m)
{
    fetch_end(&m->attempt.fetch);
    m->attempt.again = true;
    return model_call__go(m, MODEL_CALL_SEND);
}

enum step model_call__failed(struct model_call *m, enum verdict verdict, uint64_t retry_after_us,
                             enum model_retry retry, const char *what)
{
    const struct verdict_row *row = verdict_row(verdict);
    attempt_report(&m->attempt, verdict, retry_after_us, what);
    m->attempt.no_usage = m->attempt.no_native = false;
    buf_release(&m->held);
    m->attempt.relay.usage = (struct usage){0}; /* nobody got what it counts */
    m->attempt.relay.deltas = 0;
    tried_add(&m->admission.tried, m->attempt.grant.endpoint);
    attempt_end(&m->attempt);
    if (retry == RETRY_HERE) {
        uint64_t wait_us = 0;
        int got = admit_try(&m->admission, &m->x->lane->rng, exchange_now(m->x), &m->attempt.grant,
                            &wait_us);
        if (got == ADMIT_OK) return model_call__go(m, MODEL_CALL_SEND);
        if (got != ADMIT_NONE) return model_call__go(m, MODEL_CALL_ADMIT);
    }
    if (retry != RETRY_NO && model_call__next_fallback(m))
        return model_call__go(m, MODEL_CALL_ADMIT);
    return exchange_refuse(
        m->x, row->status == 504 ? OUTCOME_TIMEOUT : OUTCOME_UPSTREAM_FAILED,
        &(struct refusal){.status = row->status,
                          .message = arena_say(m->x->call->arena, "The runtime '%" STR_FMT "' %s.",
                                               STR_ARG(m->attempt.endpoint_name), what),
                          .code = row->code},
        retry_after_us);
}

enum step model_call__fail(struct model_call *m, enum verdict verdict, const char *what)
{
    bool elsewhere = verdict_row(verdict)->retry == RETRY_ELSEWHERE;
    return model_call__failed(m, verdict, 0, elsewhere ? model_call__take_retry(m) : RETRY_NO,
                              what);
}

/* The pooled connection was closed as we wrote; or the peer says that it has not begun with the
 * request (RFC 9113 section 8.7), as when it has too many or is about to leave. Once. */
static bool was_not_begun(const struct model_call *m)
{
    const struct fetch *f = &m->attempt.fetch;
    if (f->any_byte || f->no_reuse) return false;
    if (f->err == ERR_REFUSED) return true;
    return f->reused && exchange_now(m->x) - m->attempt.sent_us < STALE_US;
}

enum step model_call__fetch_failed(struct model_call *m)
{
    const char *why = fetch_error_text(&m->attempt.fetch);
    if (was_not_begun(m)) {
        m->attempt.fresh = true;
        return model_call__send_again(m);
    }
    enum verdict verdict = verdict_of_error(m->attempt.fetch.err, m->attempt.fetch.sent);
    if (verdict == VERDICT_LOCAL) return model_call__lack(m, m->attempt.fetch.err);
    const char *what = m->attempt.fetch.sent ? "broke off before answering" : "cannot be reached";
    attempt_log_protocol(&m->attempt);
    return model_call__fail(m, verdict, arena_say(m->x->call->arena, "%s: %s", what, why).ptr);
}
