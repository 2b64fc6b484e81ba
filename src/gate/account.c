/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/account.h"

#include "base/utf8.h"

enum { PATH_MAX_LOGGED = 200, MODEL_MAX_LOGGED = 200 }; /* bytes */

/* Behind the last route are the requests that found none. */
static size_t route_place(const struct exchange *x)
{
    const struct lane_home *home = x->lane->home;
    return x->match.route ? (size_t)(x->match.route - home->routes) : home->route_count;
}

static void count(const struct exchange *x, uint64_t now)
{
    struct lane_stats *own = &x->lane->stats;
    enum service_code code = service_code(x->status);
    metric_add(&own->outcomes[x->outcome], 1);
    metric_add(&own->routes[route_place(x)].codes[code], 1);
    metric_add(&own->keys[key_label(x->key)].codes[code], 1);
    if (!x->asked) {
        metric_add(&own->answers.codes[code], 1);
        return;
    }
    struct service_stats *stats = service_stats(x->asked, x->lane->index);
    metric_add(&stats->answers.codes[code], 1);
    metric_sub(&stats->active, 1);
    histogram_observe_span_us(&stats->seconds, now - x->call->started_us);
}

/* We or a runtime failed, be it in the middle of an answer that began well. */
static bool has_failed(const struct exchange *x)
{
    return x->status >= 500 || x->outcome == OUTCOME_UPSTREAM_BROKEN ||
           (x->outcome == OUTCOME_TIMEOUT && x->status < 400);
}

/* Probes come all the time, and what they are answered is no news: that an endpoint is down has a
 * line of its own. */
static enum log_level level_of(const struct exchange *x, const struct handler *h)
{
    if (h && route_is(&x->match, ROUTE_QUIET)) return LOG_DEBUG;
    return has_failed(x) ? LOG_WARN : LOG_INFO;
}

/* What was asked for that is not served. */
static void log_unknown(const struct exchange *x, struct log_line *l)
{
    const struct http_head *head = x->call->head;
    if (x->call->refused || (x->match.route && x->match.method_ok)) return;
    log_str(l, "method", head->method_name);
    log_str(l, "path", utf8_cut(head->path, PATH_MAX_LOGGED));
}

static void begin_line(const struct exchange *x, const struct handler *h, const char *state,
                       struct log_line *l)
{
    log_begin(l, level_of(x, h), "exchange");
    if (!l->on) return;
    log_cstr(l, "route", route_name(&x->match));
    log_unknown(x, l);
    log_i64(l, "status", x->status);
    log_cstr(l, "outcome", outcome_name(x->outcome));
    if (x->error_code) log_cstr(l, "code", x->error_code);
    if (x->call->refused) log_cstr(l, "reason", x->call->refused_why);
    if (x->outcome == OUTCOME_CLIENT_GONE) log_cstr(l, "state", state);
    if (x->key) log_str(l, "key", key_name(x->key));
    if (x->asked)
        log_str(l, "model", x->asked->name);
    else if (x->ask.model.len)
        log_str(l, "model_asked", utf8_cut(x->ask.model, MODEL_MAX_LOGGED));
}

/* Where the client is, and how it came. */
static void log_way(const struct exchange *x, struct log_line *l)
{
    char room[IP_TEXT_ROOM];
    log_str(l, "peer", x->call->peer);
    if (x->forwarded.known) log_str(l, "client", ip_text(&x->forwarded.client, room));
    if (exchange_is_secure(x)) log_bool(l, "secure", true);
}

/* What a reader on a terminal looks for least stands last. */
static void end_line(const struct exchange *x, uint64_t now, struct log_line *l)
{
    uint64_t from = x->call->started_us;
    if (from && x->body_us >= from) log_u64(l, "body_us", x->body_us - from);
    if (from && now >= from) log_u64(l, "total_us", now - from);
    log_u64(l, "bytes_in", x->call->body.len);
    log_u64(l, "bytes_out", x->call->bytes_out);
    log_way(x, l);
    log_cstr(l, "request_id", x->id);
    log_end(l);
}

void account_piece(struct exchange *x, uint64_t *last_us)
{
    uint64_t now = exchange_now(x);
    histogram_observe_us(&service_stats(x->asked, x->lane->index)->piece_gap, now - *last_us);
    *last_us = now;
}

void account(struct exchange *x, const struct handler *h, const char *state)
{
    uint64_t now = exchange_now(x);
    NOT_ZEROED struct log_line line;
    line.on = false;
    count(x, now);
    /* What nobody could read is told in any case. */
    if (exchange_settings(x)->log_requests || x->call->refused) begin_line(x, h, state, &line);
    if (h && h->account) h->account(x, now, line.on ? &line : NULL);
    if (line.on) end_line(x, now, &line);
}
