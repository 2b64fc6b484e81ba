/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/attempt.h"

#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "dialect/runtime.h"
#include "dialect/surface.h"
#include "gate/forward.h"
#include "obs/log.h"

/* Whether this attempt asks for the usage of a stream on our own account. */
static bool wants_usage(const struct attempt *a, const struct endpoint *e)
{
    const struct exchange *x = a->x;
    bool can_stream = a->surface == SURFACE_CHAT || a->surface == SURFACE_COMPLETIONS;
    bool told = x->ask.asks_usage && !a->conversion;
    if (!can_stream || !x->ask.stream || told || endpoint_kind(e)->no_usage) return false;
    if (e->usage == USAGE_AUTO)
        return !a->no_usage && endpoint_usage(e->state) != ENDPOINT_USAGE_REFUSED;
    return e->usage == USAGE_ASK;
}

static void end_conversion(struct attempt *a)
{
    if (a->conversion) translator_fini(&a->conversion->answer);
    a->conversion = NULL;
}

/* Makes the endpoint's request of the client's. */
static int convert(struct attempt *a, const struct endpoint *e, struct refusal *why)
{
    struct exchange *x = a->x;
    struct arena *arena = x->call->arena;
    char id[REQUEST_ID_MAX + 1];
    struct conversion *c = a->conversion;
    lane_new_id(x->lane, id);
    c->request = (struct translation){
        .arena = arena,
        .past = x->past,
        .asked = x->ask.surface,
        .sent = a->surface,
        .kind = endpoint_kind(e),
        .model = x->ask.model,
        .id = arena_try_dup(arena, str_skip(str_of(id), sizeof "req_" - 1)),
        .created_us = clock_wall_us(),
        .began_us = x->call->started_us,
        .stream = x->ask.stream,
        .asks_usage = x->ask.asks_usage,
        .ask_usage = a->asked_usage,
        .prompt_estimate = x->call->body.len / 4,
    };
    a->fetch.request.body_count = 1;
    if (!c->request.id.ptr) return -ENOMEM;
    int err = translate_request(&c->request, e->model, x->call->body, &a->slices[0], why);
    if (err) return err;
    return call_hold(x->call, a->slices[0].len) ? 0 : ERR_FULL;
}

static int splice(struct attempt *a, const struct endpoint *e)
{
    struct exchange *x = a->x;
    struct edits edits = {
        .model = e->model, .ask_usage = a->asked_usage, .drop_ask = endpoint_kind(e)->no_usage};
    a->fetch.request.body_count =
        x->match.dialect->splice(&x->ask, x->call->body, &edits, x->call->arena, a->slices);
    return a->fetch.request.body_count ? 0 : -ENOMEM;
}

/* On which surface the endpoint is asked, and whether that takes a translation. */
static int choose_surface(struct attempt *a, const struct endpoint *e)
{
    end_conversion(a);
    enum surface asked = a->surface = a->x->ask.surface;
    if (a->x->bodiless) return 0; /* whoever keeps a response can tell of it */
    uint32_t offered = a->grant.surfaces;
    bool beyond = a->x->ask.other_tools && endpoint_kind(e)->functions_only;
    a->surface = surface_choose(asked, offered);
    if (a->x->past || beyond) { /* it must be translated, or had better be */
        enum surface other = surface_choose(asked, offered & ~SURFACE_BIT(asked));
        if (a->x->past || other != SURFACE_NONE) a->surface = other;
    }
    if (a->surface == a->x->ask.surface || a->surface == SURFACE_NONE) return 0;
    a->conversion = arena_try_zero(a->x->call->arena, sizeof *a->conversion);
    return a->conversion ? 0 : -ENOMEM;
}

int attempt_start(struct attempt *a, struct refusal *why)
{
    struct exchange *x = a->x;
    const struct endpoint *e = a->grant.endpoint;
    bool counts = !a->again;
    a->endpoint_name = arena_try_dup(x->call->arena, e->name);
    a->reported = a->began = false;
    a->verdict = VERDICT_OK;
    a->error_word = STR_NULL;
    a->sent_us = exchange_now(x);
    exchange_set_total(x, e->timeouts.total_us);
    if (choose_surface(a, e)) return -ENOMEM;
    a->asked_usage = wants_usage(a, e);
    a->fetch = (struct fetch){
        .client = &x->lane->client,
        .arena = x->call->arena,
        .task = &x->task,
        .way = e->way,
        .key = e->pool_key,
        .no_reuse = a->fresh,
    };
    a->again = a->fresh = false;
    int err = forward_request(x, e, a->surface, &a->fetch.request);
    a->fetch.request.body = a->slices;
    if (!err && !x->bodiless) err = a->conversion ? convert(a, e, why) : splice(a, e);
    a->reported = err == ERR_INVALID && counts; /* nobody was asked */
    if (err || !a->endpoint_name.ptr) return err ? err : -ENOMEM;
    if (counts && a->count++ > 0) metric_add(&x->lane->stats.retries, 1);
    fetch_start(&a->fetch);
    return 0;
}

void attempt_report(struct attempt *a, enum verdict verdict, uint64_t retry_after_us,
                    const char *what)
{
    struct lane *l = a->x->lane;
    if (!a->grant.endpoint || a->reported) return;
    a->reported = true;
    a->verdict = verdict;
    endpoint_report(&a->grant, l->index, verdict, retry_after_us, what, exchange_now(a->x),
                    &l->rng);
}

void attempt_end(struct attempt *a)
{
    fetch_end(&a->fetch);
    end_conversion(a);
    if (a->grant.endpoint) endpoint_release(&a->grant, exchange_now(a->x));
}

uint64_t attempt_first_byte_due(const struct attempt *a)
{
    const struct endpoint_timeouts *t = &a->grant.endpoint->timeouts;
    return a->sent_us + (a->x->ask.stream ? t->first_byte_us : t->whole_us);
}

uint64_t attempt_due(const struct attempt *a)
{
    const struct endpoint_timeouts *t = &a->grant.endpoint->timeouts;
    if (a->fetch.state == FETCH_CONNECTING) return a->sent_us + t->connect_us;
    if (a->paused) return 0; /* the server watches slow clients */
    if (a->first_us) return a->fetch.last_read_us + t->between_us;
    return attempt_first_byte_due(a);
}

bool attempt_read_as(struct attempt *a, const struct http_head *head)
{
    bool is_stream = forward_is_stream(head);
    relay_fini(&a->relay); /* an earlier attempt's */
    const struct dialect *dialect =
        a->conversion ? surface_row(a->surface)->dialect : a->x->match.dialect;
    relay_init(&a->relay, dialect->reader, is_stream, a->x->ask.stream && !a->x->ask.asks_usage);
    bool good = head->status < 400;
    a->relay.keeps = a->keeps && good && !a->conversion;
    if (!a->conversion || !good) return is_stream;
    translator_fini(&a->conversion->answer);
    if (translator_init(&a->conversion->answer, &a->conversion->request)) a->relay.starved = true;
    relay_translate(&a->relay, &a->conversion->answer);
    return is_stream;
}

bool attempt_streams(const struct attempt *a)
{
    return a->conversion ? a->x->ask.stream : a->relay.is_stream;
}

unsigned attempt_feed(struct attempt *a, struct str bytes, bool last, struct str out[RELAY_SLICES])
{
    /* Without [DONE] a stream is whole when all that was asked for has ended. */
    if (last && a->relay.is_stream && !a->relay.done)
        a->relay.wanted = a->conversion ? 1 : a->x->match.dialect->choices(a->x->call->body);
    return relay_feed(&a->relay, bytes, last, out);
}

/* An older product: what it lacks is translated from here on. */
static void learn_lack(const struct attempt *a)
{
    if (a->no_native && a->conversion)
        endpoint_note_lack(a->grant.endpoint->state, SURFACE_BIT(a->x->ask.surface));
}

static void learn_usage(const struct attempt *a)
{
    const struct endpoint *e = a->grant.endpoint;
    if (e->usage != USAGE_AUTO) return;
    if (a->asked_usage)
        endpoint_note_usage(e->state, ENDPOINT_USAGE_GIVEN);
    else if (a->no_usage)
        endpoint_note_usage(e->state, ENDPOINT_USAGE_REFUSED);
}

void attempt_note_first(struct attempt *a)
{
    a->first_us = a->piece_us = exchange_now(a->x);
    if (a->x->ask.stream) exchange_end_patience(a->x);
}

void attempt_note_begin(struct attempt *a)
{
    a->began = true;
    learn_lack(a);
    learn_usage(a);
    endpoint_answered(&a->grant, exchange_now(a->x));
}

void attempt_log_protocol(const struct attempt *a)
{
    struct log_line l;
    if (!a->fetch.why) return;
    log_begin(&l, LOG_WARN, "upstream_protocol");
    if (!l.on) return;
    log_cstr(&l, "request_id", a->x->id);
    log_str(&l, "model", a->x->asked->name);
    log_str(&l, "endpoint", a->endpoint_name);
    log_cstr(&l, "rule", a->fetch.why);
    log_end(&l);
}
