/* SPDX-License-Identifier: Apache-2.0 */
/* Answers on streams of HTTP/2. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "http/server_h2_priv.h"

/* Bodies that are wanted may be on their way in such pieces. */
enum { BODY_WINDOW = 512 * 1024 };

static void body_failed(struct h2_call *c, int err)
{
    if (!c->call.body_err) c->call.body_err = err;
    h2__tell(c);
}

static void read_body(struct http_call *call, size_t max)
{
    struct h2_call *c = h2__call_of(call);
    if (c->body.wanted || call->gone) return;
    int err = call_body_want(call, &c->body, max, !c->message_end);
    if (err) {
        body_failed(c, err);
        return;
    }
    if (c->message_end) {
        call->body_done = true;
        h2__tell(c);
        return;
    }
    h2_consume(&c->stream, c->stream.unconsumed);
    if (!call->head->has_length || call->head->length > H2_STREAM_WINDOW)
        h2_widen(&c->stream, BODY_WINDOW);
    struct str expect = http_head_get(call->head, HDR_EXPECT);
    if (call->body.len == 0 && str_eq_nocase(expect, STR("100-continue")) &&
        h2_respond_interim(&c->stream, 100)) {
        body_failed(c, -ENOMEM);
        return;
    }
    h2__progress(c);
    h2__watch(c->conn);
}

static bool hold(struct http_call *call, size_t more)
{
    return call_body_hold(call, &h2__call_of(call)->body, more);
}

/* --- answering --- */

/* The fields are kept until the head leaves, with what the framing of HTTP/1.1 says by itself. */
static bool keep_fields(struct h2_call *c, const struct http_field *fields, unsigned count,
                        uint64_t length)
{
    enum { MORE = 2 };
    struct http_field *kept = arena_try(&c->arena, (count + MORE) * sizeof *kept);
    char *digits = arena_try(&c->arena, STR_U64_ROOM);
    unsigned n = 0;
    if (!kept || !digits) return false;
    if (!http_fields_have(fields, count, HDR_DATE))
        kept[n++] = (struct http_field)HTTP_FIELD(DATE, http_date());
    for (unsigned i = 0; i < count; i++, n++) {
        kept[n] = (struct http_field){.id = fields[i].id};
        if (fields[i].id == HDR_OTHER) kept[n].name = arena_try_dup(&c->arena, fields[i].name);
        kept[n].value = arena_try_dup(&c->arena, fields[i].value);
        if (!http_field_name(&kept[n]).ptr || !kept[n].value.ptr) return false;
    }
    if (c->has_length)
        kept[n++] = (struct http_field)HTTP_FIELD(CONTENT_LENGTH, str_of_u64(length, 10, digits));
    c->fields = kept;
    c->field_count = n;
    return true;
}

static void begin(struct http_call *call, int status, const struct http_field *fields,
                  unsigned count, uint64_t length)
{
    struct h2_call *c = h2__call_of(call);
    assert(!c->status);
    c->status = status;
    c->has_length = length != HTTP_LENGTH_UNKNOWN && !call_is_bodiless(status);
    c->left = c->has_length ? length : 0;
    c->silent = call_is_bodiless(status) || call->head->method == METHOD_HEAD;
    if (!keep_fields(c, fields, count, length)) h2__gone(c, -ENOMEM);
}

/* The head with the first bytes; an answer without any ends with its head. */
static int send(struct h2_call *c, const struct str *slices, unsigned count, size_t total)
{
    bool begins = !c->responded, bare = begins && c->complete && total == 0;
    int err = 0;
    c->responded = true;
    if (begins) err = h2_respond(&c->stream, c->status, c->fields, c->field_count, bare);
    if (err) return err;
    if (!bare) return h2_write(&c->stream, slices, count, c->complete);
    h2_go_on(c->conn->h2);
    return 0;
}

/* Counts what is about to leave. */
static void count_out(struct h2_call *c, size_t total, bool last)
{
    c->complete = last;
    if (c->silent || !c->has_length) return;
    assert(total <= c->left);
    c->left -= total;
    if (c->left) c->complete = false; /* end will reset the stream */
}

static void write_body(struct http_call *call, const struct str *slices, unsigned count, bool last)
{
    struct h2_call *c = h2__call_of(call);
    size_t total = 0;
    assert(c->status && !c->complete);
    for (unsigned i = 0; i < count; i++)
        total += slices[i].len;
    count_out(c, total, last);
    if (call->gone) return;
    if (c->silent) total = count = 0;
    bool idle = h2_pending(&c->stream) == 0;
    int err = send(c, slices, count, total);
    if (err) {
        c->complete = false;
        h2__gone(c, err);
        return;
    }
    call->head_sent = true;
    call->bytes_out += total;
    metric_add(&c->conn->base.server->stats.bytes_out, total);
    if (h2_pending(&c->stream) == 0) return;
    if (idle) h2__progress(c);
    h2__watch(c->conn);
}

static void abort_call(struct http_call *call, bool reset)
{
    struct h2_call *c = h2__call_of(call);
    assert(!call->ended);
    call->ended = true;
    if (c->stream.h2) h2_flush(c->stream.h2); /* a reset would overtake what was written */
    h2_reset(&c->stream, reset ? H2_CANCEL : H2_INTERNAL_ERROR);
    h2__put_away(c);
}

static void end(struct http_call *call)
{
    struct h2_call *c = h2__call_of(call);
    assert(!call->ended);
    call->task = NULL; /* the handler is done; what fails now is nobody's news */
    if (c->status && !c->complete && !call->gone && (c->silent || (c->has_length && c->left == 0)))
        write_body(call, NULL, 0, true);
    if (call->gone || !c->complete) {
        abort_call(call, false);
        return;
    }
    call->ended = true;
    /* The client need not send the rest of a long body (RFC 9113 section 8.1). That of a short one
     * is thrown away, and the stream ends as it should. */
    if (!c->message_end && h2__rest(c) > H2_STREAM_WINDOW && h2_pending(&c->stream) == 0)
        h2_reset(&c->stream, H2_NO_ERROR);
    h2_consume(&c->stream, c->stream.unconsumed);
    h2__progress(c);
    h2__watch(c->conn);
    h2__put_away(c);
}

static size_t pending(const struct http_call *call)
{
    return h2_pending(&h2__call_of(call)->stream);
}

static const struct stream_facts *facts(const struct http_call *c)
{
    return conn__facts(&h2__call_of(c)->conn->base);
}

static void set_low_mark(struct http_call *call, size_t low)
{
    h2_set_low_mark(&h2__call_of(call)->stream, low);
}

const struct call_ops h2__call_ops = {
    .read_body = read_body,
    .hold = hold,
    .begin = begin,
    .write = write_body,
    .end = end,
    .abort = abort_call,
    .pending = pending,
    .facts = facts,
    .set_low_mark = set_low_mark,
};
