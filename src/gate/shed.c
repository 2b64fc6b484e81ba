/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/shed.h"

#include "base/clock.h"
#include "gate/caller.h"
#include "gate/routes.h"
#include "loop/lag.h"
#include "obs/log.h"

enum { TELL_US = 10 * USEC_PER_SEC }; /* between two log lines */

#define SHED_MESSAGE "The gateway is overloaded. Retry later."

struct str shed_text(struct str path)
{
    if (str_find(path, STR("/messages")) >= 0)
        return STR("{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":"
                   "\"" SHED_MESSAGE "\"}}");
    if (str_starts(path, STR("/api/"))) return STR("{\"error\":\"" SHED_MESSAGE "\"}");
    return STR("{\"error\":{\"message\":\"" SHED_MESSAGE "\",\"type\":\"server_error\","
               "\"param\":null,\"code\":\"overloaded\"}}");
}

/* Probes and metrics: who looks after the process must see it. */
static bool is_probe(const struct lane *l, const struct http_head *head)
{
    for (size_t i = 0; i < l->home->route_count; i++) {
        const struct route *r = &l->home->routes[i];
        if ((r->flags & ROUTE_QUIET) && str_eq(r->path, head->path)) return true;
    }
    return false;
}

/* Whether somebody says that the request is theirs; the key is looked up later. */
static bool has_key(const struct http_head *head)
{
    struct str key;
    return caller_key(head, &key) == 0 && key.len > 0;
}

static bool too_many_requests(const struct lane *l, const struct http_call *call)
{
    if (call->crowded) return true;
    uint64_t most = snapshot_settings(l->snapshot)->requests_max;
    return most && l->home->count_active && l->home->count_active(l->home->owner) >= most;
}

/* All is well nearly always. */
static bool is_tight(const struct lane *l, const struct http_call *call)
{
    return call->spare || call->crowded || loop_lag(l->loop)->behind ||
           metric_read(&l->home->memory_short) || snapshot_settings(l->snapshot)->requests_max;
}

/* SHED_CAUSES: nothing speaks against it. */
static enum shed_cause cause_of(const struct lane *l, const struct http_call *call)
{
    if (call->refused || is_probe(l, call->head)) return SHED_CAUSES;
    if (call->spare) return SHED_CONNECTIONS;
    if (metric_read(&l->home->memory_short)) return SHED_MEMORY;
    if (too_many_requests(l, call)) return SHED_REQUESTS;
    return lag_begin(loop_lag(l->loop), has_key(call->head)) ? SHED_CAUSES : SHED_LAG;
}

static void count(struct lane *l, enum shed_cause cause)
{
    uint64_t now = loop_now(l->loop);
    metric_add(&l->stats.shed[cause], 1);
    metric_add(&l->stats.outcomes[OUTCOME_OVERLOADED], 1);
    metric_add(&l->stats.answers.codes[service_code(503)], 1);
    if (l->shed_told_us && now - l->shed_told_us < TELL_US) return;
    l->shed_told_us = now;
    log_note(LOG_WARN, "overload", "new requests are refused (%s; %llu so far by this thread)",
             shed_cause_text(cause), (unsigned long long)metric_read(&l->stats.shed[cause]));
}

static void refuse(struct lane *l, struct http_call *call)
{
    char id[REQUEST_ID_MAX + 1];
    lane_new_id(l, id);
    const struct http_field fields[] = {
        HTTP_FIELD(CONTENT_TYPE, STR("application/json")),
        HTTP_FIELD(X_REQUEST_ID, str_of(id)),
        HTTP_FIELD(RETRY_AFTER, STR("1")),
        HTTP_FIELD(X_SHOULD_RETRY, STR("false")),
    };
    call_skip_body(call);
    call_reply(call, 503, fields, ARRAY_LEN(fields), shed_text(call->head->path));
}

bool shed_call(struct lane *l, struct http_call *call)
{
    if (!is_tight(l, call)) return false;
    enum shed_cause cause = cause_of(l, call);
    if (cause == SHED_CAUSES) return false;
    count(l, cause);
    refuse(l, call);
    return true;
}
