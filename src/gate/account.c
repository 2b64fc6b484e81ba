/* SPDX-License-Identifier: Apache-2.0 */
/* What an ended exchange leaves behind: counters and one log line. */
#include "gate/exchange.h"
#include "gate/gate.h"
#include "obs/log.h"

static void count(const struct exchange *x, uint64_t now)
{
    struct worker_stats *own = &x->worker->stats;
    metric_add(&own->outcomes[x->outcome], 1);
    if (!x->asked) {
        metric_add(&own->codes[service_code(x->status)], 1);
        return;
    }
    struct service_stats *stats = service_stats(x->asked, x->worker->index);
    metric_add(&stats->codes[service_code(x->status)], 1);
    metric_sub(&stats->active, 1);
    histogram_observe_us(&stats->seconds, now - x->call->started_us);
    if (x->first_us && x->relay.is_sse)
        histogram_observe_us(&stats->ttft, x->first_us - x->call->started_us);
    if (!x->relay.usage.known) return;
    metric_add(&stats->tokens_prompt, x->relay.usage.prompt);
    metric_add(&stats->tokens_completion, x->relay.usage.completion);
    metric_add(&stats->tokens_cached, x->relay.usage.cached);
}

/* Microseconds between two marks, where both were reached. */
static void log_phase(struct log_line *l, const char *key, uint64_t from, uint64_t to)
{
    if (from && to >= from) log_u64(l, key, to - from);
}

static void log_model(struct log_line *l, const struct exchange *x)
{
    if (x->asked) log_str(l, "model", x->asked->name);
    if (x->service && x->service != x->asked) log_str(l, "fallback", x->service->name);
    if (x->endpoint_name.len) log_str(l, "endpoint", x->endpoint_name);
    if (x->attempts) log_u64(l, "attempts", x->attempts);
    if (x->request.stream) log_bool(l, "stream", true);
}

static void log_exchange(const struct exchange *x, uint64_t now)
{
    struct log_line l;
    bool quiet = x->match.route >= API_LIVEZ && x->status < 400;
    log_begin(&l, quiet ? LOG_DEBUG : LOG_INFO, "exchange");
    if (!l.on) return;
    log_cstr(&l, "request_id", x->id);
    log_cstr(&l, "route", api_route_name(x->match.route));
    log_i64(&l, "status", x->status);
    log_cstr(&l, "outcome", outcome_name(x->outcome));
    if (x->error_code) log_cstr(&l, "code", x->error_code);
    if (x->call->refused) log_cstr(&l, "reason", x->call->refused_why);
    if (x->outcome == OUTCOME_CLIENT_GONE) log_cstr(&l, "state", exchange_state_name(x->state));
    if (x->key) log_str(&l, "key", key_name(x->key));
    log_model(&l, x);
    log_phase(&l, "body_us", x->call->started_us, x->body_us);
    if (x->waited_us) log_u64(&l, "queue_us", x->waited_us);
    log_phase(&l, "await_us", x->sent_us, x->head_us);
    log_phase(&l, "ttft_us", x->call->started_us, x->first_us);
    log_phase(&l, "total_us", x->call->started_us, now);
    if (x->relay.usage.known) {
        log_u64(&l, "prompt_tokens", x->relay.usage.prompt);
        log_u64(&l, "completion_tokens", x->relay.usage.completion);
        log_u64(&l, "cached_tokens", x->relay.usage.cached);
        if (x->relay.usage.estimated) log_cstr(&l, "usage", "estimated");
    }
    log_u64(&l, "bytes_in", x->call->body.len);
    log_u64(&l, "bytes_out", x->call->bytes_out);
    log_str(&l, "peer", x->call->peer);
    log_end(&l);
}

void exchange_account(struct exchange *x)
{
    uint64_t now = loop_now(x->worker->loop);
    relay_estimate(&x->relay, x->call->body.len);
    count(x, now);
    if (snapshot_conf(x->snapshot)->log.requests) log_exchange(x, now);
}
