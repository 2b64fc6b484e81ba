/* SPDX-License-Identifier: Apache-2.0 */
/* What follows a response head: the answer is relayed, held back until it is one, or gathered until
 * it can be told in the client's dialect. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/utf8.h"
#include "dialect/error.h"
#include "dialect/surface.h"
#include "gate/answer.h"
#include "gate/forward.h"
#include "gate/model_call_priv.h"
#include "http/retry_after.h"

enum {
    SEEN_MAX = 200, /* bytes of an answer that is none, for the log */
};

/* A 400 or 422 may be about the `stream_options` that only we added. Asks without them, once:
 * when that goes well, they are left out from then on. */
static bool may_refuse_usage(const struct model_call *m, int status)
{
    const struct endpoint *e = m->attempt.grant.endpoint;
    return (status == 400 || status == 422) && m->attempt.asked_usage && e->usage == USAGE_AUTO &&
           endpoint_usage(e->state) == ENDPOINT_USAGE_UNKNOWN;
}

/* A product that is older than its kind's row does not know the route. Asks for what it can be
 * translated to, once: when that goes well, it is done so from then on. */
static bool may_lack_route(const struct model_call *m, int status)
{
    const struct attempt *a = &m->attempt;
    enum surface asked = m->x->ask.surface;
    bool unknown = status == 404 || status == 405 || status == 501;
    if (!unknown || a->conversion || m->x->bodiless || !m->x->match.dialect->tells_errors)
        return false;
    return surface_choose(asked, a->grant.surfaces & ~SURFACE_BIT(asked)) != SURFACE_NONE;
}

static void log_redirect(const struct model_call *m, const struct http_head *head)
{
    struct log_line l;
    log_begin(&l, LOG_WARN, "endpoint_redirect");
    log_cstr(&l, "request_id", m->x->id);
    log_str(&l, "model", m->admission.service->name);
    log_str(&l, "endpoint", m->attempt.endpoint_name);
    log_i64(&l, "status", head->status);
    log_str(&l, "location", str_sub(http_head_get(head, HDR_LOCATION), 0, 256));
    log_end(&l);
}

/* The answer is none that the client could use. */
static enum step refuse_answer(struct model_call *m, enum verdict verdict)
{
    if (verdict == VERDICT_UNAUTHORIZED)
        return model_call__fail(m, verdict, "refuses the gateway's credentials");
    log_redirect(m, m->attempt.fetch.head);
    return model_call__fail(
        m, verdict, "answers with a redirect; the endpoint's url must be set to where the API is");
}

static enum step begin_relay(struct model_call *m)
{
    int err = answer_begin(&m->attempt, HTTP_LENGTH_UNKNOWN);
    return err ? model_call__lack(m, err) : model_call__go(m, MODEL_CALL_RELAY);
}

/* An answer that tells of an error goes to the client as it is, or in the client's dialect. */
static enum step begin_error(struct model_call *m)
{
    (void)attempt_read_as(&m->attempt, m->attempt.fetch.head);
    if (m->attempt.conversion || m->x->match.dialect->tells_errors)
        return model_call__go(m, MODEL_CALL_GATHER);
    return begin_relay(m);
}

/* The runtime is overloaded or failing: elsewhere, or its answer after all. */
static enum step failing_answer(struct model_call *m, enum verdict verdict)
{
    const struct http_head *head = m->attempt.fetch.head;
    uint64_t retry_after_us = http_retry_after(head, clock_wall_us());
    enum model_retry retry = model_call__take_retry(m);
    if (retry != RETRY_NO)
        return model_call__failed(m, verdict, retry_after_us, retry, "is overloaded or failing");
    attempt_report(&m->attempt, verdict, retry_after_us, NULL);
    return begin_error(m);
}

/* What came is no answer of the dialect in which the endpoint was asked. */
static enum step refuse_alien(struct model_call *m)
{
    if (m->attempt.relay.oversized)
        return model_call__fail(m, VERDICT_UNREADABLE, "answered more than can be translated");
    const struct http_head *head = m->attempt.fetch.head;
    struct str type = str_sub(http_head_get(head, HDR_CONTENT_TYPE), 0, 100);
    struct str what = arena_say(
        m->x->call->arena, "answered outside its dialect: status %d, content type '%" STR_FMT "'",
        head->status, STR_ARG(type));
    return model_call__fail(m, VERDICT_UNREADABLE, what.ptr);
}

/* The answer to the request is on its way. */
static enum step begin_answer(struct model_call *m)
{
    struct attempt *a = &m->attempt;
    bool is_stream = attempt_read_as(a, a->fetch.head);
    if (a->relay.starved) return model_call__lack(m, -ENOMEM);
    if (a->conversion && !attempt_streams(a)) return model_call__go(m, MODEL_CALL_GATHER);
    if (a->conversion || is_stream) return model_call__go(m, MODEL_CALL_HOLD);
    if (m->x->streaming) return refuse_alien(m);
    endpoint_answered(&a->grant, exchange_now(m->x));
    return begin_relay(m);
}

/* The response head is there: relay it, or try elsewhere. */
static enum step take_head(struct model_call *m)
{
    const struct http_head *head = m->attempt.fetch.head;
    enum verdict verdict = verdict_of_status(head->status);
    const char *why;
    m->attempt.head_us = exchange_now(m->x);
    if (may_refuse_usage(m, head->status)) {
        m->attempt.no_usage = true;
        return model_call__send_again(m);
    }
    if (may_lack_route(m, head->status)) {
        m->attempt.no_native = true;
        m->attempt.grant.surfaces &= ~SURFACE_BIT(m->x->ask.surface);
        return model_call__send_again(m);
    }
    if (verdict_row(verdict)->status) return refuse_answer(m, verdict);
    if (!forward_readable(head, &why)) return model_call__fail(m, VERDICT_UNREADABLE, why);
    if (verdict_row(verdict)->retry == RETRY_ELSEWHERE) return failing_answer(m, verdict);
    if (verdict != VERDICT_OK) {
        attempt_report(&m->attempt, verdict, 0, NULL);
        return begin_error(m);
    }
    return begin_answer(m);
}

/* What came with a head before the bytes broke off may be a whole stream, whose end does not
 * matter. */
static bool began_stream(struct model_call *m)
{
    const struct http_head *head = m->attempt.fetch.head;
    const char *why;
    return head && verdict_of_status(head->status) == VERDICT_OK && forward_readable(head, &why) &&
           attempt_read_as(&m->attempt, head) && attempt_streams(&m->attempt);
}

enum step model_call__await(struct model_call *m)
{
    if (m->attempt.fetch.state == FETCH_FAILED) {
        /* else even behind a head: the client has nothing of it */
        if (!began_stream(m)) return model_call__fetch_failed(m);
        m->attempt.head_us = exchange_now(m->x);
        return model_call__go(m, MODEL_CALL_HOLD);
    }
    if (m->attempt.fetch.head) return take_head(m);
    if (exchange_now(m->x) < model_call__due(m)) return STEP_WAIT;
    if (m->attempt.fetch.state == FETCH_CONNECTING)
        return model_call__fail(m, VERDICT_CONNECT_TIMEOUT,
                                "did not accept the connection in time");
    return model_call__fail(m, VERDICT_TIMEOUT, "did not answer in time");
}

/* --- HOLD: the client has nothing yet, so that a stream which comes to nothing can be tried
 * elsewhere --- */

/* Begins the client's answer with what was held. */
static enum step release(struct model_call *m, const struct str *out, unsigned n)
{
    enum step step = begin_relay(m);
    if (step == STEP_DONE) return step;
    struct str held = buf_str(&m->held);
    if (held.len) call_write(m->x->call, &held, 1, false);
    buf_release(&m->held);
    return m->x->call->gone ? STEP_NEXT : answer_pass(&m->attempt, out, n);
}

/* All of it or nothing. */
static bool keep(struct model_call *m, const struct str *out, unsigned n)
{
    size_t size = 0;
    char *room;
    for (unsigned i = 0; i < n; i++)
        size += out[i].len;
    if (buf_reserve(&m->held, size, &room)) return false;
    for (unsigned i = 0; i < n; i++)
        if (out[i].len) room = mempcpy(room, out[i].ptr, out[i].len);
    buf_commit(&m->held, size);
    return true;
}

/* True when nothing is missing though the bytes broke off. */
static bool is_whole_stream(const struct attempt *a)
{
    return a->relay.is_stream && !relay_cut(&a->relay);
}

/* An error, or the end, before anything of an answer. */
static enum step came_to_nothing(struct model_call *m, const struct str *out, unsigned n)
{
    const char *what =
        m->attempt.relay.error ? "failed before answering" : "ended the stream before answering";
    enum model_retry retry = model_call__take_retry(m);
    if (retry != RETRY_NO) return model_call__failed(m, VERDICT_EMPTY, 0, retry, what);
    attempt_report(&m->attempt, VERDICT_EMPTY, 0, NULL);
    return release(m, out, n);
}

/* The first bytes of such an answer. */
static void log_alien(const struct model_call *m, struct str bytes)
{
    struct log_line l;
    log_begin(&l, LOG_DEBUG, "upstream_alien");
    if (!l.on) return;
    log_cstr(&l, "request_id", m->x->id);
    log_str(&l, "endpoint", m->attempt.endpoint_name);
    log_str(&l, "bytes", str_sub(bytes, 0, SEEN_MAX));
    log_end(&l);
}

enum step model_call__hold(struct model_call *m)
{
    uint64_t now = exchange_now(m->x);
    bool failed = m->attempt.fetch.state == FETCH_FAILED, whole = fetch_ended(&m->attempt.fetch);
    struct str out[RELAY_SLICES], body = fetch_take(&m->attempt.fetch);
    unsigned n = attempt_feed(&m->attempt, body, whole, out);
    if (m->attempt.relay.starved) return model_call__lack(m, -ENOMEM);
    if (failed && !is_whole_stream(&m->attempt)) return model_call__fetch_failed(m);
    if (m->attempt.relay.alien) {
        log_alien(m, body);
        return refuse_alien(m);
    }
    if (m->attempt.relay.content) {
        attempt_note_first(&m->attempt);
        attempt_note_begin(&m->attempt);
        return release(m, out, n);
    }
    if (whole || m->attempt.relay.error) return came_to_nothing(m, out, n);
    if (now >= attempt_first_byte_due(&m->attempt))
        return model_call__fail(m, VERDICT_TIMEOUT, "did not answer in time");
    if (now >= m->attempt.head_us + HOLD_US || !keep(m, out, n)) return release(m, out, n);
    return STEP_WAIT;
}

/* --- GATHER: what is told in another way than it came, when it is whole --- */

/* A stream said that it failed; its client wants one answer. */
static enum step failed_inside(struct model_call *m)
{
    struct str text = STR_NULL;
    const struct json_span *message = &m->attempt.relay.error_message;
    if (message->type == JSON_STRING) (void)!json_span_str(message, m->x->call->arena, &text);
    struct str what = arena_say(m->x->call->arena, "failed%s%" STR_FMT, text.len ? ": " : "",
                                STR_ARG(utf8_cut(text, 500)));
    return model_call__fail(m, VERDICT_BROKEN, what.ptr);
}

static enum step tell_whole(struct model_call *m, const struct str *out, unsigned n)
{
    struct attempt *a = &m->attempt;
    uint64_t length = 0;
    for (unsigned i = 0; i < n; i++)
        length += out[i].len;
    attempt_note_begin(a);
    int err = answer_begin(a, length);
    return err ? model_call__lack(m, err) : answer_whole(a, out, n);
}

static enum step gather_answer(struct model_call *m)
{
    struct attempt *a = &m->attempt;
    bool failed = a->fetch.state == FETCH_FAILED, ended = fetch_ended(&a->fetch);
    struct str out[RELAY_SLICES], body = fetch_take(&a->fetch);
    if (body.len && !a->first_us) attempt_note_first(a);
    unsigned n = attempt_feed(a, body, ended && (!failed || a->relay.is_stream), out);
    if (a->relay.starved) return model_call__lack(m, -ENOMEM);
    if (a->relay.alien) {
        log_alien(m, body);
        return refuse_alien(m);
    }
    if (a->relay.error) return failed_inside(m);
    if (a->relay.done) return tell_whole(m, out, n);
    if (failed) return model_call__fetch_failed(m);
    if (ended) return model_call__fail(m, VERDICT_BROKEN, "ended before its answer was whole");
    if (exchange_now(m->x) >= model_call__due(m))
        return model_call__fail(m, VERDICT_TIMEOUT, "did not answer in time");
    return STEP_WAIT;
}

/* As it is where it is an error of the client's dialect, else in that. */
static enum step tell_error(struct model_call *m)
{
    struct exchange *x = m->x;
    struct attempt *a = &m->attempt;
    const struct http_head *head = a->fetch.head;
    struct str body = buf_str(&m->held);
    struct refusal why;
    error_read(x->call->arena, head->status, body, &why);
    a->error_word = error_word(&why);
    if (!a->conversion && !x->streaming && x->match.dialect->is_error(body)) {
        int err = answer_begin(a, body.len);
        return err ? model_call__lack(m, err) : answer_whole(a, &body, 1);
    }
    if (a->conversion) translate_refusal(&a->conversion->request, &why);
    return exchange_refuse(x, OUTCOME_UPSTREAM_STATUS, &why,
                           http_retry_after(head, clock_wall_us()));
}

static enum step gather_error(struct model_call *m)
{
    struct attempt *a = &m->attempt;
    bool ended = fetch_ended(&a->fetch), late = exchange_now(m->x) >= model_call__due(m);
    struct str body = fetch_take(&a->fetch);
    if (body.len && !a->first_us) attempt_note_first(a);
    bool full = buf_append(&m->held, body) != 0;
    return ended || late || full ? tell_error(m) : STEP_WAIT;
}

enum step model_call__gather(struct model_call *m)
{
    return m->attempt.fetch.head->status >= 400 ? gather_error(m) : gather_answer(m);
}
