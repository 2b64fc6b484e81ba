/* SPDX-License-Identifier: Apache-2.0 */
/* RELAY: the answer on its way to the client. */
#include "base/clock.h"
#include "base/err.h"
#include "gate/exchange_priv.h"
#include "gate/forward.h"
#include "obs/log.h"

void exchange__log_protocol(const struct exchange *x)
{
    struct log_line l;
    if (!x->fetch.why) return;
    log_begin(&l, LOG_WARN, "upstream_protocol");
    if (!l.on) return;
    log_cstr(&l, "request_id", x->id);
    log_str(&l, "model", x->asked->name);
    log_str(&l, "endpoint", x->endpoint_name);
    log_cstr(&l, "rule", x->fetch.why);
    log_end(&l);
}

unsigned exchange__feed(struct exchange *x, struct str bytes, bool last,
                        struct str out[RELAY_SLICES])
{
    /* Without [DONE] a stream is whole when all that was asked for has ended. */
    if (last && x->relay.is_sse && !x->relay.done) x->relay.wanted = api_choices(x->call->body);
    return relay_feed(&x->relay, bytes, last, out);
}

/* Gives the client the last of its answer. The credit goes back first: whoever has the whole answer may ask again, on
 * another connection and thread, and must not meet itself. */
static enum step relay_whole(struct exchange *x, const struct str *out, unsigned n)
{
    /* Unless it was reported with the head. */
    exchange__report(x, x->relay.error ? VERDICT_ERROR : VERDICT_OK, 0, NULL);
    endpoint_give_back(&x->grant, exchange__now(x));
    call_write(x->call, out, n, true);
    fetch_leave(&x->fetch);
    if (x->call->gone) return STEP_NEXT;
    if (x->fetch.head->status >= 400) return exchange__finish(x, OUTCOME_UPSTREAM_STATUS);
    return exchange__finish(x, x->relay.error ? OUTCOME_UPSTREAM_BROKEN : OUTCOME_OK);
}

/* The error event of a stream that ends here. */
static void write_last_words(const struct exchange *x, struct buf *event, enum verdict verdict,
                             enum outcome outcome, const char *what)
{
    if (outcome == OUTCOME_DRAINING) {
        api_write_error_event(event, 503, STR("The server is shutting down."), "draining");
        return;
    }
    /* A verdict without an answer of its own: the client's time is over. */
    const struct verdict_row *row =
        verdict_row(verdict == VERDICT_CANCELLED ? VERDICT_STALLED : verdict);
    api_write_error_event(event, row->status,
                          arena_printf(x->call->arena, "The runtime '%" STR_FMT "' %s.",
                                       STR_ARG(x->endpoint_name), what),
                          row->code);
}

enum step exchange__break_answer(struct exchange *x, enum verdict verdict, enum outcome outcome,
                                 const char *what)
{
    struct str out[RELAY_SLICES];
    unsigned n = exchange__feed(x, STR_NULL, true, out);
    if (x->relay.is_sse && !relay_cut(&x->relay)) /* it lacks nothing but the body's end */
        return relay_whole(x, out, n);
    if (n) call_write(x->call, out, n, false);
    exchange__report(x, verdict, 0, what);
    exchange__end_attempt(x);
    if (x->call->gone) return STEP_NEXT;
    if (x->relay.is_sse && !x->relay.done && !relay_inside(&x->relay)) {
        struct buf event;
        buf_init(&event, 16384);
        write_last_words(x, &event, verdict, outcome, what);
        struct str text = buf_str(&event);
        call_write(x->call, &text, 1, true);
        buf_fini(&event);
    }
    return exchange__finish(x, outcome);
}

/* Holds the upstream back while the client has much to read still, and lets it go on. */
static void adjust_flow(struct exchange *x)
{
    size_t max = exchange__conf(x)->limits.stream_buffer;
    size_t pending = call_pending(x->call);
    if (!x->paused && pending > max) {
        x->paused = true;
        fetch_pause(&x->fetch, true);
    } else if (x->paused && pending <= max / 2) {
        x->paused = false;
        x->fetch.last_read_us = exchange__now(x);
        fetch_pause(&x->fetch, false);
    }
}

/* The bytes have ended and the answer has not. */
static enum step broke_off(struct exchange *x)
{
    const char *what = x->relay.data ? "ended the stream before the answer was whole"
                                     : "sent no event in the stream that it began";
    if (x->fetch.state == FETCH_FAILED)
        what = arena_printf(x->call->arena, "broke off in the middle of the answer: %s",
                            fetch_error_text(&x->fetch))
                   .ptr;
    exchange__log_protocol(x);
    return exchange__break_answer(x, VERDICT_CUT, OUTCOME_UPSTREAM_BROKEN, what);
}

void exchange__begin_answer(struct exchange *x)
{
    forward_response_head(x, x->fetch.head);
    call_set_low_mark(x->call, exchange__conf(x)->limits.stream_buffer / 2);
    x->state = EXCHANGE_RELAY;
}

enum step exchange__pass(struct exchange *x, const struct str *out, unsigned n)
{
    bool ended = fetch_ended(&x->fetch);
    /* How the bytes ended does not matter to a stream: it is whole with its [DONE] (or the runtime's own error), or with the
     * finish_reason of every choice. Behind [DONE] nothing comes, even where the bytes go on. */
    bool broken = x->relay.is_sse ? ended && relay_cut(&x->relay) : x->fetch.state == FETCH_FAILED;
    if (!broken && (ended || x->relay.done)) return relay_whole(x, out, n);
    if (n)
        call_write(x->call, out, n, false);
    else if (!x->call->head_sent)
        call_flush(x->call);
    if (x->call->gone) return STEP_NEXT;
    if (broken) return broke_off(x);
    adjust_flow(x);
    uint64_t due = exchange__phase_deadline(x);
    if (due && exchange__now(x) >= due)
        return exchange__break_answer(x, VERDICT_STALLED, OUTCOME_TIMEOUT,
                                      "sent nothing for too long");
    return STEP_WAIT;
}

enum step exchange__relay(struct exchange *x)
{
    bool ended = fetch_ended(&x->fetch);
    struct str out[RELAY_SLICES], body = fetch_take(&x->fetch);
    if (body.len && !x->first_us) x->first_us = exchange__now(x);
    unsigned n = exchange__feed(x, body, ended, out);
    if (x->relay.content && !x->began) exchange__note_begin(x);
    return exchange__pass(x, out, n);
}
