/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/answer.h"

#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "dialect/error.h"
#include "dialect/surface.h"
#include "gate/account.h"
#include "gate/forward.h"
#include "gate/history.h"

/* The credit goes back first: whoever has the whole answer may ask again, on another connection and
 * thread, and must not meet itself. */
enum step answer_whole(struct attempt *a, const struct str *out, unsigned n)
{
    /* Unless it was reported with the head. */
    if (a->keeps && !a->relay.error && a->fetch.head->status < 400) history_keep(a->history, a);
    attempt_report(a, a->relay.error ? VERDICT_ERROR : VERDICT_OK, 0, NULL);
    endpoint_give_back(&a->grant, exchange_now(a->x));
    call_write(a->x->call, out, n, true);
    fetch_leave(&a->fetch);
    if (a->x->call->gone) return STEP_NEXT;
    if (a->fetch.head->status >= 400) return exchange_finish(a->x, OUTCOME_UPSTREAM_STATUS);
    return exchange_finish(a->x, a->relay.error ? OUTCOME_UPSTREAM_BROKEN : OUTCOME_OK);
}

/* Why a stream ends here, for its client. */
static struct refusal last_words(const struct attempt *a, enum verdict verdict,
                                 enum outcome outcome, const char *what)
{
    if (outcome == OUTCOME_DRAINING)
        return (struct refusal){.status = 503,
                                .message = STR("The server is shutting down."),
                                .code = "draining",
                                .id = a->x->id};
    /* A verdict without an answer of its own: the client's time is over. */
    const struct verdict_row *row =
        verdict_row(verdict == VERDICT_CANCELLED ? VERDICT_STALLED : verdict);
    struct str message = arena_say(a->x->call->arena, "The runtime '%" STR_FMT "' %s.",
                                   STR_ARG(a->endpoint_name), what);
    return (struct refusal){
        .status = row->status, .message = message, .code = row->code, .id = a->x->id};
}

/* The error event of a stream that ends here. */
static void write_last_words(struct attempt *a, struct buf *event, const struct refusal *why)
{
    if (!a->conversion)
        a->x->match.dialect->write_error_event(event, why, &a->relay.mark);
    else if (a->relay.translator && buf_append(event, relay_fail(&a->relay, why)))
        buf_clear(event);
}

enum step answer_break(struct attempt *a, enum verdict verdict, enum outcome outcome,
                       const char *what)
{
    struct str out[RELAY_SLICES];
    unsigned n = attempt_feed(a, STR_NULL, true, out);
    if (a->relay.is_stream && !relay_cut(&a->relay)) /* it lacks nothing but the body's end */
        return answer_whole(a, out, n);
    if (n) call_write(a->x->call, out, n, false);
    attempt_report(a, verdict, 0, what);
    fetch_end(&a->fetch);
    endpoint_give_back(&a->grant, exchange_now(a->x));
    if (a->x->call->gone) return STEP_NEXT;
    if (attempt_streams(a) && !a->relay.done && !relay_inside(&a->relay)) {
        struct buf event;
        struct refusal why = last_words(a, verdict, outcome, what);
        buf_init(&event, ANSWER_HELD_MAX);
        write_last_words(a, &event, &why);
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
    if (a->relay.oversized)
        return answer_break(a, VERDICT_CUT, OUTCOME_UPSTREAM_BROKEN,
                            "answered more than can be translated");
    if (a->relay.alien)
        return answer_break(a, VERDICT_CUT, OUTCOME_UPSTREAM_BROKEN,
                            "sent what is not of its dialect in the middle of the answer");
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

/* The head of an answer that is made here. */
static struct forward_made made_of(const struct attempt *a, uint64_t length)
{
    const struct translation *t = &a->conversion->request;
    bool lines = a->x->match.dialect->reader && a->x->match.dialect->reader->lines;
    struct str dropped = STR("");
    for (unsigned i = 0; i < t->dropped_count; i++)
        dropped =
            arena_say(t->arena, "%" STR_FMT "%s%s", STR_ARG(dropped), i ? ", " : "", t->dropped[i]);
    return (struct forward_made){
        .content_type = !t->stream ? STR("application/json")
                        : lines    ? STR("application/x-ndjson")
                                   : STR("text/event-stream; charset=utf-8"),
        .length = length,
        .sent = t->sent,
        .dropped = dropped,
    };
}

static int begin_head(struct attempt *a, uint64_t length)
{
    struct forward_made made;
    if (!a->conversion) return forward_response_head(a->x, a->fetch.head, attempt_streams(a), NULL);
    made = made_of(a, length);
    return forward_response_head(a->x, a->fetch.head, attempt_streams(a), &made);
}

/* What keeps the client's stream alive. */
static struct str ping_of(const struct attempt *a)
{
    if (!attempt_streams(a)) return STR("");
    if (a->conversion) return surface_row(a->x->ask.surface)->writer->ping;
    return a->x->match.dialect->ping;
}

int answer_begin(struct attempt *a, uint64_t length)
{
    bool begun = a->x->streaming; /* its head has gone */
    int err = begun ? 0 : begin_head(a, length);
    if (err) return err;
    a->ping = ping_of(a);
    a->wrote_us = exchange_now(a->x);
    call_set_low_mark(a->x->call, exchange_settings(a->x)->stream_buffer / 2);
    return 0;
}

static void give(struct attempt *a, const struct str *out, unsigned n)
{
    call_write(a->x->call, out, n, false);
    a->wrote_us = exchange_now(a->x);
}

uint64_t answer_ping_due(const struct attempt *a)
{
    bool pings = a->ping.len && !a->paused && !relay_inside(&a->relay);
    return pings ? a->wrote_us + PING_US : 0;
}

/* Tells the client of a quiet stream that it is alive. */
static void ping(struct attempt *a)
{
    uint64_t due = answer_ping_due(a);
    if (due && exchange_now(a->x) >= due) give(a, &a->ping, 1);
}

enum step answer_pass(struct attempt *a, const struct str *out, unsigned n)
{
    bool ended = fetch_ended(&a->fetch);
    /* How the bytes ended does not matter to a stream: it is whole with its [DONE] (or the
     * runtime's own error), or with the finish_reason of every choice. Behind [DONE] nothing
     * comes, even where the bytes go on. */
    bool broken =
        a->relay.starved || a->relay.alien ||
        (a->relay.is_stream ? ended && relay_cut(&a->relay) : a->fetch.state == FETCH_FAILED);
    if (!broken && (ended || a->relay.done)) return answer_whole(a, out, n);
    if (n)
        give(a, out, n);
    else if (!a->x->call->head_sent)
        call_flush(a->x->call);
    else if (!broken)
        ping(a);
    if (a->x->call->gone) return STEP_NEXT;
    if (broken) return broke_off(a);
    adjust_flow(a);
    uint64_t due = attempt_due(a);
    if (due && exchange_now(a->x) >= due)
        return answer_break(a, VERDICT_STALLED, OUTCOME_TIMEOUT, "sent nothing for too long");
    return STEP_WAIT;
}

/* For the log, where the first read brought all of it, as it mostly does. */
static void note_refusal(struct attempt *a, struct str body)
{
    struct refusal why;
    error_read(a->x->call->arena, a->fetch.head->status, body, &why);
    a->error_word = error_word(&why);
}

enum step answer_relay(struct attempt *a)
{
    bool ended = fetch_ended(&a->fetch);
    struct str out[RELAY_SLICES], body = fetch_take(&a->fetch);
    bool first = body.len && !a->first_us;
    if (first && a->fetch.head->status >= 400) note_refusal(a, body);
    if (first)
        attempt_note_first(a);
    else if (body.len && a->relay.is_stream)
        account_piece(a->x, &a->piece_us);
    unsigned n = attempt_feed(a, body, ended, out);
    if (a->relay.content && !a->began) attempt_note_begin(a);
    return answer_pass(a, out, n);
}
