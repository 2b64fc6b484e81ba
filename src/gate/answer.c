/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/answer.h"

#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "gate/forward.h"

/* Gives the client the last of its answer. The credit goes back first: whoever has the whole
 * answer may ask again, on another connection and thread, and must not meet itself. */
static enum step relay_whole(struct attempt *a, const struct str *out, unsigned n)
{
    /* Unless it was reported with the head. */
    attempt_report(a, a->relay.error ? VERDICT_ERROR : VERDICT_OK, 0, NULL);
    endpoint_give_back(&a->grant, exchange_now(a->x));
    call_write(a->x->call, out, n, true);
    fetch_leave(&a->fetch);
    if (a->x->call->gone) return STEP_NEXT;
    if (a->fetch.head->status >= 400) return exchange_finish(a->x, OUTCOME_UPSTREAM_STATUS);
    return exchange_finish(a->x, a->relay.error ? OUTCOME_UPSTREAM_BROKEN : OUTCOME_OK);
}

/* The error event of a stream that ends here. */
static void write_last_words(const struct attempt *a, struct buf *event, enum verdict verdict,
                             enum outcome outcome, const char *what)
{
    const struct dialect *dialect = a->x->match.dialect;
    if (outcome == OUTCOME_DRAINING) {
        dialect->write_error_event(event,
                                   &(struct refusal){.status = 503,
                                                     .message = STR("The server is shutting down."),
                                                     .code = "draining"},
                                   &a->relay.mark);
        return;
    }
    /* A verdict without an answer of its own: the client's time is over. */
    const struct verdict_row *row =
        verdict_row(verdict == VERDICT_CANCELLED ? VERDICT_STALLED : verdict);
    struct str message = arena_say(a->x->call->arena, "The runtime '%" STR_FMT "' %s.",
                                   STR_ARG(a->endpoint_name), what);
    dialect->write_error_event(
        event, &(struct refusal){.status = row->status, .message = message, .code = row->code},
        &a->relay.mark);
}

enum step answer_break(struct attempt *a, enum verdict verdict, enum outcome outcome,
                       const char *what)
{
    struct str out[RELAY_SLICES];
    unsigned n = attempt_feed(a, STR_NULL, true, out);
    if (a->relay.is_sse && !relay_cut(&a->relay)) /* it lacks nothing but the body's end */
        return relay_whole(a, out, n);
    if (n) call_write(a->x->call, out, n, false);
    attempt_report(a, verdict, 0, what);
    attempt_end(a);
    if (a->x->call->gone) return STEP_NEXT;
    if (a->relay.is_sse && !a->relay.done && !relay_inside(&a->relay)) {
        struct buf event;
        buf_init(&event, 16384);
        write_last_words(a, &event, verdict, outcome, what);
        struct str text = buf_str(&event);
        if (text.len) call_write(a->x->call, &text, 1, true); /* else the connection is cut */
        buf_fini(&event);
    }
    return exchange_finish(a->x, outcome);
}

/* Holds the upstream back while the client has much to read still, and lets it go on. */
static void adjust_flow(struct attempt *a)
{
    size_t max = exchange_settings(a->x)->stream_buffer;
    size_t pending = call_pending(a->x->call);
    if (!a->paused && pending > max) {
        a->paused = true;
        fetch_pause(&a->fetch, true);
    } else if (a->paused && pending <= max / 2) {
        a->paused = false;
        a->fetch.last_read_us = exchange_now(a->x);
        fetch_pause(&a->fetch, false);
    }
}

/* The bytes have ended and the answer has not, or we cannot go on with it. */
static enum step broke_off(struct attempt *a)
{
    int err = a->relay.starved ? -ENOMEM : a->fetch.state == FETCH_FAILED ? a->fetch.err : 0;
    if (err && verdict_of_error(err, true) == VERDICT_LOCAL)
        return answer_break(a, VERDICT_LOCAL, OUTCOME_OVERLOADED,
                            "was given up: the gateway is out of memory");
    const char *what = a->relay.data ? "ended the stream before the answer was whole"
                                     : "sent no event in the stream that it began";
    if (a->fetch.state == FETCH_FAILED)
        what = arena_say(a->x->call->arena, "broke off in the middle of the answer: %s",
                         fetch_error_text(&a->fetch))
                   .ptr;
    attempt_log_protocol(a);
    return answer_break(a, VERDICT_CUT, OUTCOME_UPSTREAM_BROKEN, what);
}

int answer_begin(struct attempt *a)
{
    int err = forward_response_head(a->x, a->fetch.head, a->relay.is_sse);
    if (err) return err;
    call_set_low_mark(a->x->call, exchange_settings(a->x)->stream_buffer / 2);
    return 0;
}

enum step answer_pass(struct attempt *a, const struct str *out, unsigned n)
{
    bool ended = fetch_ended(&a->fetch);
    /* How the bytes ended does not matter to a stream: it is whole with its [DONE] (or the
     * runtime's own error), or with the finish_reason of every choice. Behind [DONE] nothing
     * comes, even where the bytes go on. */
    bool broken = a->relay.starved || (a->relay.is_sse ? ended && relay_cut(&a->relay)
                                                       : a->fetch.state == FETCH_FAILED);
    if (!broken && (ended || a->relay.done)) return relay_whole(a, out, n);
    if (n)
        call_write(a->x->call, out, n, false);
    else if (!a->x->call->head_sent)
        call_flush(a->x->call);
    if (a->x->call->gone) return STEP_NEXT;
    if (broken) return broke_off(a);
    adjust_flow(a);
    uint64_t due = attempt_due(a);
    if (due && exchange_now(a->x) >= due)
        return answer_break(a, VERDICT_STALLED, OUTCOME_TIMEOUT, "sent nothing for too long");
    return STEP_WAIT;
}

enum step answer_relay(struct attempt *a)
{
    bool ended = fetch_ended(&a->fetch);
    struct str out[RELAY_SLICES], body = fetch_take(&a->fetch);
    if (body.len && !a->first_us) attempt_note_first(a);
    unsigned n = attempt_feed(a, body, ended, out);
    if (a->relay.content && !a->began) attempt_note_begin(a);
    return answer_pass(a, out, n);
}
