/* SPDX-License-Identifier: Apache-2.0 */
/* http: the server's side of HTTP/2 before clients that write their frames by hand: what breaks
 * rules, what floods, what holds memory.
 *
 * What RFC 9113 says otherwise than RFC 7540, which h2spec tests by, is among it: there is no upgrade
 * from HTTP/1.1 (section 3.2); the fields about priorities have no effect and break nothing (5.3.2);
 * values with blanks around them or with control characters are malformed (8.2.1), and so is a Host
 * that differs from the authority (8.3.1); only "trailers" may be in TE (8.2.2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../sim/frames.h"
#include "../sim/sim.h"
#include "base/clock.h"
#include "base/err.h"
#include "http/server.h"

#define SEC ((uint64_t)USEC_PER_SEC)

enum { CALLS = 8192, OUT_MAX = 8 << 20 };

static const struct http_server_limits limits = {
    .head = {.head_max = 16 * 1024, .header_max = 100},
    .body_max = 1 << 20,
    .connections_max = 10,
    .head_timeout_us = 5 * SEC,
    .body_timeout_us = 7 * SEC,
    .idle_timeout_us = 20 * SEC,
    .write_timeout_us = 9 * SEC,
    .h2_streams_max = 100,
};

/* How calls are handled, by the first letter of the path behind the slash. */
enum handling { ANSWER = 0, ABORT = 'a', HOLD = 'h', STREAM = 's' };

struct seen {
    struct world *world;
    bool spare;             /* its connection was one too many */
    bool crowded;           /* it was one request too many of its quota */
    struct http_call *call; /* NULL: ended */
    struct task task;
};

struct world {
    struct sim *sim;
    struct http_server server;
    struct sim_peer *peer;
    struct buf out; /* frames to be sent */
    struct told told;
    struct seen calls[CALLS];
    unsigned count; /* of calls */
    unsigned gone;
    int refused; /* the last refused head's status */
};

/* --- the handler --- */

static void forget(struct seen *s)
{
    task_cancel(&s->task);
    s->call = NULL;
}

static void write_more(struct http_call *c)
{
    static const char bytes[4096];
    enum { MARK = 32 * 1024 };
    struct str piece = str_n(bytes, sizeof bytes);
    while (!c->gone && call_pending(c) < MARK)
        call_write(c, &piece, 1, false);
}

static void go_on(struct seen *s)
{
    struct http_call *c = s->call;
    char path = c->head->path.len > 1 ? c->head->path.ptr[1] : ANSWER;
    if (c->gone) {
        s->world->gone++;
        forget(s);
        call_end(c);
    } else if (c->head_sent) {
        write_more(c);
    } else if (c->body_err) {
        forget(s);
        call_reply(c, 400, NULL, 0, STR("no"));
    } else if (c->body_done && path == ABORT) {
        forget(s);
        call_abort(c);
    } else if (c->body_done && path == STREAM) {
        call_begin(c, 200, NULL, 0, HTTP_LENGTH_UNKNOWN);
        write_more(c);
    } else if (c->body_done && path != HOLD) {
        forget(s);
        call_reply(c, 200, NULL, 0, STR("ok"));
    }
}

static void on_fact(struct task *task)
{
    struct seen *s = CONTAINER_OF(task, struct seen, task);
    if (s->call) go_on(s);
}

static void on_call(void *user, struct http_call *call)
{
    struct world *w = user;
    assert_in_range(w->count, 0, CALLS - 1);
    struct seen *s = &w->calls[w->count++];
    *s = (struct seen){.world = w, .call = call, .spare = call->spare, .crowded = call->crowded};
    task_init(&s->task, on_fact);
    call->task = &s->task;
    if (call->refused) {
        w->refused = call->refused;
        forget(s);
        call_reply(call, call->refused, NULL, 0, str_of(call->refused_why));
        return;
    }
    call_read_body(call, limits.body_max);
    if (s->call) go_on(s);
}

/* --- the world --- */

static void send_out(struct world *w)
{
    if (!w->peer->closed) sim_send(w->peer, buf_str(&w->out));
    buf_clear(&w->out);
    frames_told(sim_got(w->peer), &w->told);
}

static struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof *w);
    w->sim = sim_new(1000 * SEC);
    buf_init(&w->out, OUT_MAX);
    http_server_init(&w->server, w->sim->loop, &limits);
    w->server.on_call = on_call;
    w->server.user = w;
    return w;
}

/* A connection that has begun, with nothing to be sent or told. */
static struct world *connected(void)
{
    struct world *w = world_new();
    w->peer = sim_connect(w->sim, &w->server.acceptor);
    sim_send_text(w->peer, H2_PREFACE);
    frame_put(&w->out, FRAME_SETTINGS, 0, 0, STR_NULL);
    frame_put(&w->out, FRAME_SETTINGS, FRAME_ACK, 0, STR_NULL);
    send_out(w);
    assert_int_equal(w->told.frames[FRAME_SETTINGS], 2);
    assert_int_equal(w->told.acks, 1);
    sim_forget(w->peer);
    return w;
}

static void world_free(struct world *w)
{
    http_server_close_all(&w->server);
    sim_run(w->sim);
    for (unsigned i = 0; i < w->count; i++) {
        struct http_call *c = w->calls[i].call;
        if (!c) continue;
        forget(&w->calls[i]);
        call_end(c);
    }
    sim_run(w->sim);
    http_server_fini(&w->server);
    assert_int_equal(w->server.conn_count, 0);
    buf_fini(&w->out);
    sim_free(w->sim);
    free(w);
}

static void ask(struct world *w, uint32_t stream, const char *path)
{
    frame_put_request(&w->out, stream, true, "GET", path);
    send_out(w);
}

/* The session has been ended for that reason, and the connection closes within a second, whatever
 * else comes. */
static void check_ended(struct world *w, unsigned code)
{
    assert_true(w->told.goaways > 0);
    assert_int_equal(w->told.goaway_code, code);
    assert_int_equal(metric_read(&w->server.stats.h2_errors), 1);
    frame_put(&w->out, FRAME_PING, 0, 0, STR("01234567"));
    send_out(w);
    sim_advance(w->sim, 2 * SEC);
    assert_true(w->peer->closed && !w->peer->closed_by_reset);
    assert_int_equal(w->server.conn_count, 0);
}

/* Others are served. */
static void check_serves(struct world *w)
{
    struct sim_peer *other = sim_connect(w->sim, &w->server.acceptor);
    sim_send_text(other, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(sim_has(other, "HTTP/1.1 200 OK\r\n"));
    sim_fin(other);
}

/* --- as it should be --- */

static void requests_are_answered(void **state)
{
    (void)state;
    struct world *w = connected();
    ask(w, 1, "/");
    assert_int_equal(w->told.status[1], 200);
    assert_int_equal(w->told.data[1], 2);
    assert_true(w->told.ended[1] && !w->told.code[1]);
    frame_put_request(&w->out, 3, false, "POST", "/");
    frame_put(&w->out, FRAME_DATA, FRAME_PADDED, 3, STR("\3abc\0\0\0"));
    send_out(w);
    assert_int_equal(w->told.heads[3], 0);
    frame_put(&w->out, FRAME_DATA, FRAME_END_STREAM, 3, STR("def"));
    send_out(w);
    assert_int_equal(w->told.status[3], 200);
    world_free(w);
}

static void the_preface_may_come_in_pieces(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct buf all;
    buf_init(&all, 1000);
    assert_int_equal(buf_append(&all, STR(H2_PREFACE)), 0);
    frame_put(&all, FRAME_SETTINGS, 0, 0, STR_NULL);
    frame_put_request(&all, 1, true, "GET", "/");
    for (size_t piece = 1; piece < buf_len(&all); piece++) {
        w->peer = sim_connect(w->sim, &w->server.acceptor);
        sim_send_pieces(w->peer, buf_str(&all), piece);
        send_out(w);
        assert_int_equal(w->told.status[1], 200);
        sim_fin(w->peer);
    }
    buf_fini(&all);
    world_free(w);
}

/* One connection too many has its calls marked, begins nothing after them and ends. */
static void a_connection_too_many_ends_after_its_first_calls(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->server.limits.connections_max = 1;
    struct sim_peer *first = sim_connect(w->sim, &w->server.acceptor);
    w->peer = sim_connect(w->sim, &w->server.acceptor);
    sim_send_text(w->peer, H2_PREFACE);
    frame_put(&w->out, FRAME_SETTINGS, 0, 0, STR_NULL);
    send_out(w);
    assert_int_equal(w->told.goaways, 1);
    ask(w, 1, "/");
    assert_int_equal(w->told.status[1], 200);
    assert_true(w->calls[0].spare);
    sim_advance(w->sim, 2 * SEC);
    assert_true(w->peer->closed && !first->closed);
    sim_fin(first);
    world_free(w);
}

/* The quota stays with what was HTTP/1.1 until the preface came, and counts streams. */
static void a_quota_counts_streams(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct http_quota quota = {.connections_max = 5, .requests_max = 1};
    struct http_door door;
    http_door_init(&door, &w->server, &quota);
    w->peer = sim_connect(w->sim, &door.acceptor);
    sim_send_text(w->peer, H2_PREFACE);
    frame_put(&w->out, FRAME_SETTINGS, 0, 0, STR_NULL);
    frame_put_request(&w->out, 1, true, "GET", "/");
    frame_put_request(&w->out, 3, true, "GET", "/");
    send_out(w);
    assert_int_equal(quota.connections, 1);
    assert_true(!w->calls[0].crowded && w->calls[1].crowded);
    assert_int_equal(quota.requests, 0); /* both were answered */
    sim_fin(w->peer);
    sim_run(w->sim);
    assert_int_equal(quota.connections, 0);
    world_free(w);
}

static void where_it_is_not_spoken_its_preface_is_refused(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->server.limits.h2_streams_max = 0;
    w->peer = sim_connect(w->sim, &w->server.acceptor);
    sim_send_text(w->peer, H2_PREFACE);
    assert_true(sim_has(w->peer, "HTTP/1.1 400 "));
    world_free(w);
}

static void there_is_no_upgrade_from_http_1(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->peer = sim_connect(w->sim, &w->server.acceptor);
    sim_send_text(w->peer, "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                           "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n");
    assert_true(sim_has(w->peer, "HTTP/1.1 200 OK\r\n"));
    world_free(w);
}

static void a_client_that_asks_may_continue(void **state)
{
    (void)state;
    struct world *w = connected();
    struct buf block;
    buf_init(&block, 1000);
    field_put(&block, ":method", "POST");
    field_put(&block, ":scheme", "http");
    field_put(&block, ":path", "/");
    field_put(&block, "host", "h"); /* is as good as an authority */
    field_put(&block, "expect", "100-continue");
    field_put(&block, "content-length", "4");
    frame_put_head(&w->out, 1, false, &block);
    send_out(w);
    assert_int_equal(w->told.heads[1], 1);
    assert_false(w->told.ended[1]);
    frame_put(&w->out, FRAME_DATA, FRAME_END_STREAM, 1, STR("body"));
    send_out(w);
    assert_int_equal(w->told.heads[1], 2);
    assert_int_equal(w->told.status[1], 200);
    buf_fini(&block);
    world_free(w);
}

static void trailers_are_dropped(void **state)
{
    (void)state;
    struct world *w = connected();
    struct buf block;
    buf_init(&block, 1000);
    frame_put_request(&w->out, 1, false, "POST", "/hold");
    frame_put(&w->out, FRAME_DATA, 0, 1, STR("body"));
    field_put(&block, "x-checksum", "1");
    frame_put_head(&w->out, 1, true, &block);
    send_out(w);
    const struct http_call *c = w->calls[0].call;
    assert_true(c->body_done && str_eq(c->body, STR("body")));
    assert_null(http_head_get_name(c->head, STR("x-checksum")).ptr);
    buf_fini(&block);
    world_free(w);
}

static void a_client_may_leave(void **state)
{
    (void)state;
    struct world *w = connected();
    ask(w, 1, "/hold");
    frame_put_goaway(&w->out, 0, H2_CODE_NO_ERROR);
    send_out(w);
    sim_advance(w->sim, 60 * SEC);
    assert_false(w->peer->closed);
    call_reply(w->calls[0].call, 200, NULL, 0, STR("ok"));
    forget(&w->calls[0]);
    sim_run(w->sim);
    send_out(w);
    assert_int_equal(w->told.status[1], 200);
    sim_advance(w->sim, 25 * SEC);
    assert_true(w->peer->closed);
    assert_int_equal(metric_read(&w->server.stats.h2_errors), 0);
    world_free(w);
}

/* --- what breaks the protocol --- */

static const struct broken {
    const char *what;
    unsigned type, flags;
    uint32_t stream;
    struct str payload;
    unsigned code;
} broken[] = {
    {"DATA of no stream", FRAME_DATA, 0, 0, STR_INIT("x"), H2_CODE_PROTOCOL},
    {"DATA of an idle stream", FRAME_DATA, 0, 7, STR_INIT("x"), H2_CODE_PROTOCOL},
    {"DATA padded beyond its end", FRAME_DATA, FRAME_PADDED, 1, STR_INIT("\5x"), H2_CODE_PROTOCOL},
    {"HEADERS of no stream", FRAME_HEADERS, FRAME_END_HEADERS, 0, STR_INIT("\x82"),
     H2_CODE_PROTOCOL},
    {"HEADERS of a server's stream", FRAME_HEADERS, FRAME_END_HEADERS, 2, STR_INIT("\x82"),
     H2_CODE_PROTOCOL},
    {"a block that is none", FRAME_HEADERS, FRAME_END_HEADERS, 5, STR_INIT("\xff\xff\xff\xff\xff"),
     H2_CODE_COMPRESSION},
    {"an index that is none", FRAME_HEADERS, FRAME_END_HEADERS, 5, STR_INIT("\x80"),
     H2_CODE_COMPRESSION},
    {"a field of an empty table", FRAME_HEADERS, FRAME_END_HEADERS, 5, STR_INIT("\xbf"),
     H2_CODE_COMPRESSION},
    {"PRIORITY of no stream", FRAME_PRIORITY, 0, 0, STR_INIT("\0\0\0\0\x10"), H2_CODE_PROTOCOL},
    {"RST_STREAM of no stream", FRAME_RST_STREAM, 0, 0, STR_INIT("\0\0\0\x8"), H2_CODE_PROTOCOL},
    {"RST_STREAM of an idle stream", FRAME_RST_STREAM, 0, 9, STR_INIT("\0\0\0\x8"),
     H2_CODE_PROTOCOL},
    {"RST_STREAM that is short", FRAME_RST_STREAM, 0, 1, STR_INIT("\0\0\0"), H2_CODE_FRAME_SIZE},
    {"SETTINGS of a stream", FRAME_SETTINGS, 0, 1, STR_INIT(""), H2_CODE_PROTOCOL},
    {"SETTINGS that are short", FRAME_SETTINGS, 0, 0, STR_INIT("\0\1\0\0\0"), H2_CODE_FRAME_SIZE},
    {"an acknowledgement that says more", FRAME_SETTINGS, FRAME_ACK, 0, STR_INIT("\0\1\0\0\x10\0"),
     H2_CODE_FRAME_SIZE},
    {"ENABLE_PUSH 2", FRAME_SETTINGS, 0, 0, STR_INIT("\0\2\0\0\0\2"), H2_CODE_PROTOCOL},
    {"a window of 2^31", FRAME_SETTINGS, 0, 0, STR_INIT("\0\4\x80\0\0\0"), H2_CODE_FLOW_CONTROL},
    {"frames of 100 bytes", FRAME_SETTINGS, 0, 0, STR_INIT("\0\5\0\0\0\x64"), H2_CODE_PROTOCOL},
    {"PUSH_PROMISE of a client", FRAME_PUSH_PROMISE, FRAME_END_HEADERS, 1, STR_INIT("\0\0\0\2\x82"),
     H2_CODE_PROTOCOL},
    {"PING of a stream", FRAME_PING, 0, 1, STR_INIT("01234567"), H2_CODE_PROTOCOL},
    {"PING that is short", FRAME_PING, 0, 0, STR_INIT("0123456"), H2_CODE_FRAME_SIZE},
    {"GOAWAY of a stream", FRAME_GOAWAY, 0, 1, STR_INIT("\0\0\0\0\0\0\0\0"), H2_CODE_PROTOCOL},
    {"WINDOW_UPDATE by nothing", FRAME_WINDOW_UPDATE, 0, 0, STR_INIT("\0\0\0\0"), H2_CODE_PROTOCOL},
    {"WINDOW_UPDATE over 2^31", FRAME_WINDOW_UPDATE, 0, 0, STR_INIT("\x7f\xff\xff\xff"),
     H2_CODE_FLOW_CONTROL},
    {"WINDOW_UPDATE that is short", FRAME_WINDOW_UPDATE, 0, 0, STR_INIT("\0\0\1"),
     H2_CODE_FRAME_SIZE},
    {"WINDOW_UPDATE of an idle stream", FRAME_WINDOW_UPDATE, 0, 9, STR_INIT("\0\0\0\1"),
     H2_CODE_PROTOCOL},
    {"CONTINUATION of nothing", FRAME_CONTINUATION, FRAME_END_HEADERS, 1, STR_INIT("\x82"),
     H2_CODE_PROTOCOL},
};

static void what_breaks_the_protocol_ends_the_session(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        const struct broken *b = &broken[i];
        struct world *w = connected();
        frame_put_request(&w->out, 1, false, "POST", "/hold");
        send_out(w);
        frame_put(&w->out, b->type, b->flags, b->stream, b->payload);
        send_out(w);
        if (w->told.goaways != 1 || w->told.goaway_code != b->code)
            fail_msg("%s: %u GOAWAY, code %u", b->what, w->told.goaways, w->told.goaway_code);
        assert_int_equal(w->gone, 1);
        check_ended(w, b->code);
        check_serves(w);
        world_free(w);
    }
}

/* Nothing may stand between HEADERS and its CONTINUATION; what is larger than agreed on is not even
 * read; numbers of streams grow. */
static void frames_have_their_order_and_size(void **state)
{
    (void)state;
    static char large[16385];
    for (int i = 0; i < 4; i++) {
        struct world *w = connected();
        ask(w, 5, "/");
        if (i < 2) frame_put(&w->out, FRAME_HEADERS, FRAME_END_STREAM, 7, STR("\x82"));
        if (i == 0) frame_put(&w->out, FRAME_PING, 0, 0, STR("01234567"));
        if (i == 1) frame_put(&w->out, FRAME_CONTINUATION, FRAME_END_HEADERS, 9, STR("\x86"));
        if (i == 2) frame_put(&w->out, FRAME_DATA, 0, 5, str_n(large, sizeof large));
        if (i == 3) frame_put_request(&w->out, 3, true, "GET", "/");
        send_out(w);
        check_ended(w, i == 2 ? H2_CODE_FRAME_SIZE : H2_CODE_PROTOCOL);
        world_free(w);
    }
}

static void a_false_preface_ends_it(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->peer = sim_connect(w->sim, &w->server.acceptor);
    sim_send_text(w->peer, H2_PREFACE);
    frame_put(&w->out, FRAME_PING, 0, 0, STR("01234567")); /* SETTINGS come first */
    send_out(w);
    check_ended(w, H2_CODE_PROTOCOL);
    world_free(w);
}

/* The transport is full when the client breaks a rule: it learns of that once it reads again. */
static void an_error_is_told_when_there_is_room(void **state)
{
    (void)state;
    struct world *w = connected();
    w->peer->window = 1000;
    frame_put_number(&w->out, FRAME_WINDOW_UPDATE, 0, 1 << 20);
    for (uint32_t stream = 1; stream < 9; stream += 2)
        frame_put_request(&w->out, stream, true, "GET", "/stream");
    send_out(w);
    frame_put_setting(&w->out, SETTING_WINDOW, 0x80000000);
    send_out(w);
    assert_int_equal(w->told.goaways, 0);
    sim_take(w->peer, SIZE_MAX);
    send_out(w);
    assert_int_equal(w->gone, 4);
    check_ended(w, H2_CODE_FLOW_CONTROL);
    world_free(w);
}

/* The first call's end tells that the connection is broken; the others have not been handed over. */
static void a_connection_may_break_under_many_new_calls(void **state)
{
    (void)state;
    struct world *w = connected();
    sim_break(w->peer);
    for (uint32_t stream = 1; stream < 9; stream += 2)
        frame_put_request(&w->out, stream, true, "GET", "/abort");
    send_out(w);
    sim_advance(w->sim, SEC);
    assert_true(w->count >= 1 && w->peer->closed);
    assert_int_equal(w->server.conn_count, 0);
    world_free(w);
}

/* --- requests that are malformed --- */

static void put_fields(struct buf *block, const char *const *fields)
{
    for (; *fields; fields += 2)
        field_put(block, fields[0], fields[1]);
}

#define USUAL ":method", "GET", ":scheme", "http", ":authority", "h"

enum { RESET = 0 };

/* What is wrong with a request is answered where it may be, else its stream is reset; others go on. */
static void malformed_requests_go_no_further(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *fields[20];
    } cases[] = {
        {RESET, {USUAL, NULL}},
        {RESET, {USUAL, ":path", "", NULL}},
        {RESET, {":method", "GET", ":authority", "h", ":path", "/", NULL}},
        {RESET, {USUAL, ":path", "/", ":path", "/", NULL}},
        {RESET, {USUAL, ":path", "/", ":status", "200", NULL}},
        {RESET, {USUAL, ":path", "/", ":other", "x", NULL}},
        {RESET, {USUAL, "x", "y", ":path", "/", NULL}},
        {RESET, {USUAL, ":path", "/", "X-Upper", "y", NULL}},
        {RESET, {USUAL, ":path", "/", "na me", "y", NULL}},
        {RESET, {USUAL, ":path", "/", "connection", "close", NULL}},
        {RESET, {USUAL, ":path", "/", "keep-alive", "5", NULL}},
        {RESET, {USUAL, ":path", "/", "proxy-connection", "close", NULL}},
        {RESET, {USUAL, ":path", "/", "transfer-encoding", "chunked", NULL}},
        {RESET, {USUAL, ":path", "/", "upgrade", "h2c", NULL}},
        {RESET, {USUAL, ":path", "/", "te", "gzip", NULL}},
        {RESET, {USUAL, ":path", "/", "x", " blank", NULL}},
        {RESET, {USUAL, ":path", "/", "x", "blank\t", NULL}},
        {RESET, {USUAL, ":path", "/", "x", "line\nline", NULL}},
        {RESET, {USUAL, ":path", "/", "x", "line\rline", NULL}},
        {RESET, {USUAL, ":path", "/a b", NULL}},
        {RESET, {USUAL, ":path", "/", "content-length", "-1", NULL}},
        {RESET, {USUAL, ":path", "/", "content-length", "1", "content-length", "1", NULL}},
        {RESET, {USUAL, ":path", "/", "content-length", "1", NULL}},
        {RESET, {":method", "GET", ":scheme", "http", ":authority", "h/x", ":path", "/", NULL}},
        {RESET, {":method", "GET", ":scheme", "http", ":path", "/", NULL}},
        {400, {":method", "GET", ":scheme", "http", ":authority", "a:b:c", ":path", "/", NULL}},
        {400, {USUAL, ":path", "/#fragment", NULL}},
        {400, {USUAL, ":path", "/", "host", "other", NULL}},
        {501, {":method", "CONNECT", ":authority", "h:1", NULL}},
        {200, {USUAL, ":path", "/", "te", "trailers", NULL}},
        {200, {USUAL, ":path", "/", "host", "H", NULL}},
        {200, {":method", "OPTIONS", ":scheme", "http", ":authority", "h", ":path", "*", NULL}},
    };
    struct world *w = connected();
    uint32_t stream = 1;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++, stream += 2) {
        struct buf block;
        buf_init(&block, 10000);
        put_fields(&block, cases[i].fields);
        frame_put_head(&w->out, stream, true, &block);
        w->refused = 0;
        unsigned count = w->count;
        send_out(w);
        const struct told *t = &w->told;
        bool reset = t->code[stream] == H2_CODE_PROTOCOL + 1 && !t->heads[stream];
        bool answered = !t->code[stream] && t->ended[stream];
        if (cases[i].status == RESET ? !reset || w->count != count : !answered)
            fail_msg("case %zu: code %u, %u heads", i, t->code[stream], t->heads[stream]);
        if (cases[i].status == 200) assert_int_equal(t->status[stream], 200);
        if (cases[i].status >= 400) assert_int_equal(w->refused, cases[i].status);
        buf_fini(&block);
    }
    ask(w, stream, "/");
    assert_int_equal(w->told.status[stream], 200);
    world_free(w);
}

static void heads_over_the_limits_are_answered(void **state)
{
    (void)state;
    static const struct {
        unsigned fields;
        size_t len;
    } cases[] = {{101, 1}, {10, 3000}};
    char value[3001] = "";
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world *w = connected();
        struct buf block;
        buf_init(&block, 100000);
        memset(value, 'x', cases[i].len);
        value[cases[i].len] = '\0';
        put_fields(&block, (const char *const[]){USUAL, ":path", "/", NULL});
        for (unsigned n = 0; n < cases[i].fields; n++)
            field_put(&block, "cookie", value);
        struct str rest = buf_str(&block);
        frame_put(&w->out, FRAME_HEADERS, FRAME_END_STREAM, 1, str_sub(rest, 0, 16000));
        frame_put(&w->out, FRAME_CONTINUATION, FRAME_END_HEADERS, 1,
                  str_sub(str_skip(rest, MIN(rest.len, 16000)), 0, 16000));
        if (cases[i].len > 1000) {
            buf_clear(&w->out);
            frame_put(&w->out, FRAME_HEADERS, FRAME_END_STREAM, 1, str_sub(rest, 0, 16000));
            frame_put(&w->out, FRAME_CONTINUATION, FRAME_END_HEADERS, 1, str_skip(rest, 16000));
        }
        send_out(w);
        assert_int_equal(w->refused, 431);
        assert_true(w->told.ended[1] && w->told.heads[1] == 1);
        ask(w, 3, "/");
        assert_int_equal(w->told.status[3], 200);
        buf_fini(&block);
        world_free(w);
    }
}

/* A body that is longer or shorter than it was said to be is nobody's. */
static void bodies_are_as_long_as_was_said(void **state)
{
    (void)state;
    static const char *const lengths[] = {"3", "5"};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct world *w = connected();
        struct buf block;
        buf_init(&block, 1000);
        put_fields(&block,
                   (const char *const[]){":method", "POST", ":scheme", "http", ":authority", "h",
                                         ":path", "/", "content-length", lengths[i], NULL});
        frame_put_head(&w->out, 1, false, &block);
        frame_put(&w->out, FRAME_DATA, FRAME_END_STREAM, 1, STR("body"));
        send_out(w);
        assert_int_equal(w->told.code[1], H2_CODE_PROTOCOL + 1);
        assert_int_equal(w->told.heads[1], 0);
        ask(w, 3, "/");
        assert_int_equal(w->told.status[3], 200);
        buf_fini(&block);
        world_free(w);
    }
}

/* --- time --- */

static void a_head_that_does_not_end_is_late(void **state)
{
    (void)state;
    struct world *w = connected();
    frame_put(&w->out, FRAME_HEADERS, FRAME_END_STREAM, 1, STR("\x82"));
    send_out(w);
    sim_advance(w->sim, 4 * SEC);
    assert_int_equal(w->told.code[1], 0);
    sim_advance(w->sim, 2 * SEC);
    send_out(w);
    assert_int_equal(w->told.code[1], H2_CODE_CANCEL + 1);
    sim_advance(w->sim, 22 * SEC); /* it idles then */
    assert_int_equal(w->count, 0);
    assert_int_equal(w->server.conn_count, 0);
    world_free(w);
}

/* --- floods --- */

enum flood {
    RAPID_RESET,
    PINGS,
    SETTINGS,
    EMPTY_DATA,
    PRIORITIES,
    RESET_BY_OVERFLOW,
    RESET_BY_LENGTH,
    RESET_BY_HEAD,
    PADDING,
    UPDATES,
    UNKNOWN,
    FLOODS
};

/* One more of it. */
static void put_flood(struct world *w, enum flood flood, uint32_t n)
{
    static const char junk[16384];
    uint32_t stream = 2 * n + 3;
    struct buf block;
    buf_init(&block, 1000);
    switch (flood) {
    case RAPID_RESET:
        frame_put_request(&w->out, stream, true, "GET", "/stream");
        frame_put_number(&w->out, FRAME_RST_STREAM, stream, H2_CODE_CANCEL);
        break;
    case PINGS: frame_put(&w->out, FRAME_PING, 0, 0, STR("01234567")); break;
    case SETTINGS: frame_put_setting(&w->out, SETTING_TABLE_SIZE, n); break;
    case EMPTY_DATA: frame_put(&w->out, FRAME_DATA, 0, 1, STR("")); break;
    case PRIORITIES: frame_put(&w->out, FRAME_PRIORITY, 0, stream, STR("\0\0\0\0\x10")); break;
    case RESET_BY_OVERFLOW:
        frame_put_request(&w->out, stream, true, "GET", "/hold");
        frame_put_number(&w->out, FRAME_WINDOW_UPDATE, stream, 0x7fffffff);
        break;
    case RESET_BY_LENGTH:
        put_fields(&block,
                   (const char *const[]){USUAL, ":path", "/hold", "content-length", "1", NULL});
        frame_put_head(&w->out, stream, false, &block);
        frame_put(&w->out, FRAME_DATA, 0, stream, STR("more"));
        break;
    case RESET_BY_HEAD:
        put_fields(&block, (const char *const[]){USUAL, ":path", "/", "Upper", "x", NULL});
        frame_put_head(&w->out, stream, true, &block);
        break;
    case PADDING: frame_put(&w->out, FRAME_DATA, FRAME_PADDED, 1, STR("\2\0\0")); break;
    case UPDATES: frame_put_number(&w->out, FRAME_WINDOW_UPDATE, 0, 1); break;
    case UNKNOWN: frame_put(&w->out, 0xfa, 0, 1, str_n(junk, sizeof junk)); break;
    case FLOODS: break;
    }
    buf_fini(&block);
}

static void floods_end_the_session(void **state)
{
    (void)state;
    enum { BATCH = 50, MOST = 1000 };
    for (enum flood flood = 0; flood < FLOODS; flood++)
        for (int at_once = 0; at_once < 2; at_once++) {
            struct world *w = connected();
            frame_put_request(&w->out, 1, false, "POST", "/hold");
            send_out(w);
            for (unsigned n = 0; n < MOST && !w->told.goaways; n++) {
                put_flood(w, flood, n);
                if (at_once || n % BATCH == 0) send_out(w);
            }
            if (!w->told.goaways) fail_msg("flood %d goes on", (int)flood);
            check_ended(w, H2_CODE_CALM);
            check_serves(w);
            world_free(w);
        }
}

static void a_head_without_end_ends_the_session(void **state)
{
    (void)state;
    enum { MOST = 10000 };
    struct world *w = connected();
    struct buf block;
    buf_init(&block, 1000);
    field_put(&block, "a", "");
    frame_put(&w->out, FRAME_HEADERS, FRAME_END_STREAM, 1, STR("\x82"));
    for (unsigned n = 0; n < MOST && !w->told.goaways; n++) {
        frame_put(&w->out, FRAME_CONTINUATION, 0, 1, buf_str(&block));
        send_out(w);
    }
    assert_int_equal(w->count, 0);
    check_ended(w, w->told.goaway_code);
    assert_true(w->told.goaway_code == H2_CODE_CALM || w->told.goaway_code == H2_CODE_PROTOCOL ||
                w->told.goaway_code == H2_CODE_INTERNAL);
    buf_fini(&block);
    world_free(w);
}

/* --- memory --- */

enum { MEMORY_MAX = 1 << 20 };

/* Of AddressSanitizer, where that is linked; gcc has no header for it. */
__attribute__((weak)) size_t __sanitizer_get_current_allocated_bytes(void);

/* What is allocated but for what the peer keeps. */
static int64_t allocated(struct world *w)
{
    buf_release(&w->out);
    if (!__sanitizer_get_current_allocated_bytes) return 0;
    size_t all = __sanitizer_get_current_allocated_bytes();
    return (int64_t)(all - w->peer->got.cap - w->peer->pending.cap);
}

/* A request with a field that goes to the table, and one that names it by a byte, many times. */
static void make_bomb(struct buf *fuse, struct buf *bomb, const char *value, unsigned times)
{
    struct buf field;
    buf_init(fuse, 10000);
    buf_init(bomb, 10000);
    buf_init(&field, 10000);
    field_put(&field, "cookie", value);
    put_fields(fuse, (const char *const[]){USUAL, ":path", "/hold", NULL});
    assert_int_equal(buf_append(fuse, STR("\x40")), 0); /* with indexing (section 6.2.1) */
    assert_int_equal(buf_append(fuse, str_skip(buf_str(&field), 1)), 0);
    put_fields(bomb, (const char *const[]){USUAL, ":path", "/hold", NULL});
    for (unsigned i = 0; i < times; i++)
        assert_int_equal(buf_append(bomb, STR("\xbe")), 0); /* the newest of the table */
    buf_fini(&field);
}

/* Large fields that take a byte, or many small ones; as many as are allowed, or far more; their
 * heads end, or do not yet. */
static void small_heads_do_not_become_large(void **state)
{
    (void)state;
    enum { STREAMS = 100 };
    char large[3001] = "";
    memset(large, 'x', sizeof large - 1);
    const struct {
        const char *value;
        unsigned times;
    } cases[] = {{large, 5}, {"", 95}, {large, 1000}, {"", 1000}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world *w = connected();
        struct buf fuse, bomb;
        make_bomb(&fuse, &bomb, cases[i].value, cases[i].times);
        int64_t before = allocated(w), most = 0;
        frame_put_head(&w->out, 1, true, &fuse);
        for (uint32_t n = 1; n < STREAMS; n++) {
            frame_put(&w->out, FRAME_HEADERS, FRAME_END_STREAM, 2 * n + 1, buf_str(&bomb));
            send_out(w);
            most = MAX(most, allocated(w) - before);
            frame_put(&w->out, FRAME_CONTINUATION, FRAME_END_HEADERS, 2 * n + 1, STR_NULL);
            send_out(w);
            most = MAX(most, allocated(w) - before);
        }
        print_message("# %lld bytes at most\n", (long long)most);
        assert_in_range(most, 0, MEMORY_MAX);
        buf_fini(&fuse);
        buf_fini(&bomb);
        world_free(w);
    }
}

/* Many requests of a client that takes nothing. */
static void who_takes_nothing_gets_little(void **state)
{
    (void)state;
    enum { STREAMS = 100 };
    struct world *w = connected();
    int64_t before = allocated(w);
    frame_put_setting(&w->out, SETTING_WINDOW, 0);
    for (uint32_t i = 0; i < STREAMS; i++)
        frame_put_request(&w->out, 2 * i + 1, true, "GET", "/stream");
    send_out(w);
    assert_int_equal(w->count, STREAMS);
    print_message("# %lld bytes with %d answers that wait\n", (long long)(allocated(w) - before),
                  STREAMS);
    sim_advance(w->sim, 8 * SEC);
    assert_int_equal(w->gone, 0);
    sim_advance(w->sim, 3 * SEC);
    assert_int_equal(w->gone, STREAMS);
    send_out(w);
    for (uint32_t i = 0; i < STREAMS; i++)
        assert_int_equal(w->told.code[2 * i + 1], H2_CODE_CANCEL + 1);
    world_free(w);
}

static void more_than_the_windows_allow_is_no_ones(void **state)
{
    (void)state;
    static char bytes[16384];
    struct world *w = connected();
    frame_put_request(&w->out, 1, false, "POST", "/hold");
    w->server.limits.body_max = 10;
    for (int i = 0; i < 100; i++)
        frame_put(&w->out, FRAME_DATA, 0, 1, str_n(bytes, sizeof bytes));
    send_out(w);
    assert_true(w->told.goaways || w->told.code[1]);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_answered),
        cmocka_unit_test(the_preface_may_come_in_pieces),
        cmocka_unit_test(a_connection_too_many_ends_after_its_first_calls),
        cmocka_unit_test(a_quota_counts_streams),
        cmocka_unit_test(where_it_is_not_spoken_its_preface_is_refused),
        cmocka_unit_test(there_is_no_upgrade_from_http_1),
        cmocka_unit_test(a_client_that_asks_may_continue),
        cmocka_unit_test(trailers_are_dropped),
        cmocka_unit_test(a_client_may_leave),
        cmocka_unit_test(what_breaks_the_protocol_ends_the_session),
        cmocka_unit_test(frames_have_their_order_and_size),
        cmocka_unit_test(a_false_preface_ends_it),
        cmocka_unit_test(an_error_is_told_when_there_is_room),
        cmocka_unit_test(a_connection_may_break_under_many_new_calls),
        cmocka_unit_test(malformed_requests_go_no_further),
        cmocka_unit_test(heads_over_the_limits_are_answered),
        cmocka_unit_test(bodies_are_as_long_as_was_said),
        cmocka_unit_test(a_head_that_does_not_end_is_late),
        cmocka_unit_test(floods_end_the_session),
        cmocka_unit_test(a_head_without_end_ends_the_session),
        cmocka_unit_test(small_heads_do_not_become_large),
        cmocka_unit_test(who_takes_nothing_gets_little),
        cmocka_unit_test(more_than_the_windows_allow_is_no_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
