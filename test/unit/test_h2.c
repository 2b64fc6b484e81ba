/* SPDX-License-Identifier: Apache-2.0 */
/* http: HTTP/2 between our own client and our own server, plain and over TLS; and what HTTP/1.1
 * over TLS has in common with it. What other peers may do stands in test_h2_frames.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../sim/pair.h"
#include "base/clock.h"
#include "base/err.h"

#define SEC ((uint64_t)USEC_PER_SEC)

enum {
    STREAM_WINDOW = 64 * 1024, /* of a fetch */
    BODY_WINDOW = 65535,       /* of a request's body that is not wanted yet */
    OUT_FULL = 64 * 1024,      /* frames that wait for the transport */
};

static struct identities files;
static struct identity here;
static char pattern[3 << 20];

static struct pair *new_pair(enum pair_kind kind)
{
    return pair_new(kind, &files, &here);
}

static struct str part(size_t len)
{
    return str_n(pattern, len);
}

static struct pair_fetch *get(struct pair *p, const char *path)
{
    return pair_ask(p, METHOD_GET, path, STR_NULL);
}

#define EACH_KIND(kind) for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++)
#define EACH_H2(kind) \
    EACH_KIND(kind)   \
    if (pair_is_h2(kind))

/* --- messages --- */

static void requests_are_answered(void **state)
{
    (void)state;
    EACH_KIND(kind)
    {
        struct pair *p = new_pair(kind);
        struct pair_fetch *f = get(p, "/a?b");
        struct http_call *c = pair_call(p, 0);
        assert_true(c->head->method == METHOD_GET && str_eq(c->head->path, STR("/a")));
        assert_true(str_eq(c->head->query, STR("b")));
        assert_true(str_eq(c->head->authority, STR("here.test")));
        assert_true(c->body_done && c->body.len == 0);
        assert_int_equal(call_facts(c)->secure, p->server_context != NULL);
        pair_reply(p, 0, 200, STR("fine"));
        assert_true(pair_has(f, 200, STR("fine")));
        assert_true(f->f.sent && f->f.any_byte && !f->f.reused);
        assert_true(http_head_get(f->f.head, HDR_DATE).len > 0);
        assert_true(f->f.head->has_length && f->f.head->length == 4);
        pair_end_fetch(p, f);

        f = pair_ask(p, METHOD_POST, "/p", STR("question"));
        assert_true(pair_call(p, 1)->body_done);
        assert_true(str_eq(pair_call(p, 1)->body, STR("question")));
        pair_reply(p, 1, 404, STR("answer"));
        assert_true(pair_has(f, 404, STR("answer")) && f->f.reused);
        assert_int_equal(p->sim->dials, 1);
        pair_free(p);
    }
}

static void some_answers_have_no_body(void **state)
{
    (void)state;
    static const struct {
        enum http_method method;
        int status;
        bool has_length;
    } cases[] = {{METHOD_HEAD, 200, true}, {METHOD_GET, 204, false}, {METHOD_GET, 304, false}};
    EACH_KIND(kind)
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pair *p = new_pair(kind);
        struct pair_fetch *f = pair_ask(p, cases[i].method, "/", STR_NULL);
        pair_reply(p, 0, cases[i].status, STR("left out"));
        assert_true(pair_has(f, cases[i].status, STR("")));
        assert_int_equal(f->f.head->has_length, cases[i].has_length);
        pair_end_fetch(p, f);
        f = get(p, "/");
        pair_reply(p, 1, 200, STR(""));
        assert_true(pair_has(f, 200, STR("")) && f->f.reused);
        pair_free(p);
    }
}

static void much_goes_both_ways_in_any_pieces(void **state)
{
    (void)state;
    static const struct {
        size_t len, piece, window;
    } cases[] = {{1000, 1, 0}, {1 << 20, 0, 0}, {300000, 7777, 9000}, {1 << 20, 16393, 65536}};
    EACH_KIND(kind)
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pair *p = new_pair(kind);
        p->wires.up.piece = p->wires.down.piece = cases[i].piece;
        p->wires.up.window = p->wires.down.window = cases[i].window;
        struct pair_fetch *f = pair_ask(p, METHOD_POST, "/", part(cases[i].len));
        assert_true(pair_call(p, 0)->body_done);
        assert_true(str_eq(pair_call(p, 0)->body, part(cases[i].len)));
        pair_reply(p, 0, 200, part(cases[i].len));
        assert_true(pair_has(f, 200, part(cases[i].len)));
        pair_free(p);
    }
}

static struct http_field many_fields[12];

static void add_fields(struct fetch *f)
{
    f->request.fields = many_fields;
    f->request.field_count = ARRAY_LEN(many_fields);
}

/* More than a frame holds, and than nghttp2 sends unless it is told to. */
static void heads_may_be_large(void **state)
{
    (void)state;
    enum { VALUE = 8000, HEAD_MAX = 200000 };
    char *value = malloc(VALUE);
    memset(value, 'x', VALUE);
    for (size_t i = 0; i < ARRAY_LEN(many_fields); i++)
        many_fields[i] = (struct http_field){.name = STR("x-large"), .value = str_n(value, VALUE)};
    EACH_H2(kind)
    {
        struct pair *p = new_pair(kind);
        p->client.limits.head_max = p->server.limits.head.head_max = HEAD_MAX;
        struct pair_fetch *f = pair_begin(p, METHOD_GET, "/", STR_NULL, add_fields);
        pair_run(p);
        struct http_call *c = pair_call(p, 0);
        assert_int_equal(c->refused, 0);
        assert_int_equal(c->head->field_count, ARRAY_LEN(many_fields));
        pair_forget_call(&p->calls[0]);
        call_reply(c, 200, many_fields, ARRAY_LEN(many_fields), STR("ok"));
        pair_run(p);
        assert_true(pair_has(f, 200, STR("ok")));
        assert_true(f->f.head->field_count > ARRAY_LEN(many_fields));
        pair_free(p);
    }
    free(value);
}

/* --- many at once --- */

static void many_share_a_connection(void **state)
{
    (void)state;
    enum { MANY = 100, MORE = 50 };
    EACH_H2(kind)
    {
        struct pair *p = new_pair(kind);
        pair_end_fetch(p, get(p, "/")); /* the protocol is known then */
        pair_reply(p, 0, 200, STR(""));
        for (unsigned i = 0; i < MANY; i++)
            get(p, "/");
        assert_int_equal(p->sim->dials, 1);
        assert_int_equal(p->call_count, 1 + MANY);
        for (unsigned i = 0; i < MORE; i++)
            get(p, "/");
        assert_int_equal(p->sim->dials, 2); /* one more where the first has no room */
        for (unsigned i = MANY + MORE; i > 0; i--)
            pair_reply(p, i, 200, part(i * 100));
        for (unsigned i = 1; i <= MANY + MORE; i++)
            assert_true(pair_has(&p->fetches[i], 200, part(i * 100)));
        pair_free(p);
    }
}

static void the_order_of_events_does_not_matter(void **state)
{
    (void)state;
    enum { SEEDS = 20, FETCHES = 12 };
    EACH_KIND(kind)
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        struct pair *p = new_pair(kind);
        struct rng *rng = &p->wires.rng;
        rng_seed(rng, seed);
        p->wires.shuffled = true;
        p->wires.up.window = 1 + rng_below(rng, 50000);
        p->wires.down.window = 1 + rng_below(rng, 50000);
        size_t lens[FETCHES];
        for (unsigned i = 0; i < FETCHES; i++) {
            lens[i] = rng_below(rng, 100000);
            pair_begin(p, METHOD_POST, "/", part(lens[i]), NULL);
            if (rng_below(rng, 2)) pair_run(p);
        }
        pair_run(p);
        assert_int_equal(p->call_count, FETCHES);
        for (unsigned i = 0; i < FETCHES; i++)
            pair_reply(p, i, 200, str_n(pattern, pair_call(p, i)->body.len));
        for (unsigned i = 0; i < FETCHES; i++)
            assert_true(pair_has(&p->fetches[i], 200, part(lens[i])));
        pair_free(p);
    }
}

/* --- who holds whom back --- */

static void ignore(struct pair_call *c UNUSED)
{
}

static void a_body_waits_until_it_is_wanted(void **state)
{
    (void)state;
    enum { LEN = 400000 };
    EACH_H2(kind)
    {
        struct pair *p = new_pair(kind);
        p->on_call = ignore;
        struct pair_fetch *f = pair_ask(p, METHOD_POST, "/", part(LEN));
        struct pair_fetch *other = pair_ask(p, METHOD_POST, "/", STR("short"));
        struct http_call *c = pair_call(p, 0);
        assert_in_range(c->body.len, 1, BODY_WINDOW);
        assert_false(c->body_done);
        pair_advance(p, 100 * SEC); /* nobody is late with what is not wanted */
        assert_int_equal(c->body_err, 0);
        call_read_body(pair_call(p, 1), 100);
        pair_run(p);
        assert_true(pair_call(p, 1)->body_done);
        pair_reply(p, 1, 200, STR("first"));
        assert_true(pair_has(other, 200, STR("first")));
        call_read_body(c, LEN);
        pair_run(p);
        assert_true(c->body_done && str_eq(c->body, part(LEN)));
        pair_reply(p, 0, 200, STR("ok"));
        assert_true(pair_has(f, 200, STR("ok")));
        pair_free(p);
    }
}

/* Writes as long as little waits, as a relay does. */
static void write_more(struct http_call *c, size_t len)
{
    enum { PIECE = 5000, MARK = 32 * 1024 };
    while (!c->gone && c->bytes_out < len && call_pending(c) <= MARK) {
        struct str piece = str_n(pattern + c->bytes_out, MIN(PIECE, len - c->bytes_out));
        call_write(c, &piece, 1, c->bytes_out + piece.len == len);
    }
}

enum { STREAMED = 2 << 20 };

static void stream_on(struct pair_call *c)
{
    if (!c->call->ended) write_more(c->call, STREAMED);
}

static void begin_stream(struct pair_call *c)
{
    call_begin(c->call, 200, NULL, 0, HTTP_LENGTH_UNKNOWN);
    call_set_low_mark(c->call, 16 * 1024);
    stream_on(c);
}

static void a_slow_reader_holds_its_sender_back_alone(void **state)
{
    (void)state;
    EACH_H2(kind)
    {
        struct pair *p = new_pair(kind);
        p->wires.down.window = 50000;
        p->on_call = begin_stream;
        p->on_fact = stream_on;
        struct pair_fetch *slow = pair_begin(p, METHOD_GET, "/", STR_NULL, NULL);
        slow->lazy = true;
        pair_run(p);
        uint64_t written = pair_call(p, 0)->bytes_out;
        assert_in_range(written, STREAM_WINDOW, 4 * STREAM_WINDOW);
        assert_true(slow->f.body.len <= STREAM_WINDOW);
        struct pair_fetch *quick = get(p, "/");
        assert_true(pair_has(quick, 200, part(STREAMED)));
        assert_int_equal(p->sim->dials, 1);
        assert_int_equal(pair_call(p, 0)->bytes_out, written);

        fetch_pause(&slow->f, true); /* taking alone does not let more come */
        assert_int_equal(buf_append(&slow->body, fetch_take(&slow->f)), 0);
        pair_run(p);
        assert_int_equal(pair_call(p, 0)->bytes_out, written);
        slow->lazy = false;
        fetch_pause(&slow->f, false);
        pair_run(p);
        assert_true(pair_has(slow, 200, part(STREAMED)));
        pair_free(p);
    }
}

/* A client that takes nothing at all: not even frames. */
static void a_blocked_transport_holds_all_back(void **state)
{
    (void)state;
    EACH_H2(kind)
    {
        struct pair *p = new_pair(kind);
        p->wires.down.window = 30000;
        p->on_call = begin_stream;
        p->on_fact = stream_on;
        pair_end_fetch(p, get(p, "/"));
        wires_at(&p->wires, 0)->down.stalled = true;
        for (int i = 0; i < 10; i++)
            get(p, "/");
        size_t waiting = wires_at(&p->wires, 0)->accepted->pending_max;
        assert_in_range(waiting, 1, 2 * OUT_FULL);
        wires_at(&p->wires, 0)->down.stalled = false;
        pair_run(p);
        for (int i = 1; i <= 10; i++)
            assert_true(pair_has(&p->fetches[i], 200, part(STREAMED)));
        pair_free(p);
    }
}

/* --- what ends early --- */

/* Asks for something else on the same connection. */
static void check_alive(struct pair *p)
{
    unsigned n = p->call_count, dials = p->sim->dials;
    p->on_call = p->on_fact = NULL;
    struct pair_fetch *f = get(p, "/still-there");
    pair_reply(p, n, 200, STR("yes"));
    assert_true(pair_has(f, 200, STR("yes")));
    assert_int_equal(p->sim->dials, dials);
}

/* How far a call has come when it is aborted. */
enum phase { UNANSWERED, HEAD_SENT, BODY_SENT, ALL_BUT_END, PHASES };

static void advance_to(struct http_call *c, enum phase phase)
{
    struct str bytes = STR("0123456789");
    if (phase >= HEAD_SENT) {
        call_begin(c, 200, NULL, 0, phase == ALL_BUT_END ? 10 : HTTP_LENGTH_UNKNOWN);
        call_flush(c);
    }
    if (phase >= BODY_SENT) {
        bytes.len -= phase == ALL_BUT_END;
        call_write(c, &bytes, 1, false);
    }
}

static void what_the_server_aborts_looks_never_whole(void **state)
{
    (void)state;
    EACH_H2(kind)
    for (enum phase phase = 0; phase < PHASES; phase++)
        for (int by_end = 0; by_end < 2; by_end++) {
            struct pair *p = new_pair(kind);
            struct pair_fetch *f = get(p, "/");
            advance_to(pair_call(p, 0), phase);
            pair_run(p);
            if (by_end)
                pair_end_call(&p->calls[0]);
            else
                pair_abort_call(&p->calls[0]);
            pair_run(p);
            assert_int_equal(f->f.state, FETCH_FAILED);
            assert_int_equal(f->f.err, ERR_CANCELLED);
            assert_int_equal(buf_len(&f->body), phase < BODY_SENT    ? 0
                                                : phase == BODY_SENT ? 10
                                                                     : 9);
            check_alive(p);
            pair_free(p);
        }
}

static void the_server_learns_when_a_client_loses_interest(void **state)
{
    (void)state;
    EACH_H2(kind)
    for (enum phase phase = 0; phase < PHASES; phase++) {
        struct pair *p = new_pair(kind);
        struct pair_fetch *f = get(p, "/");
        advance_to(pair_call(p, 0), phase);
        pair_run(p);
        unsigned wakes = p->calls[0].wakes;
        pair_end_fetch(p, f);
        assert_true(pair_call(p, 0)->gone);
        assert_int_equal(pair_call(p, 0)->gone_why, -ECONNRESET);
        assert_true(p->calls[0].wakes > wakes);
        check_alive(p);
        pair_end_call(&p->calls[0]);
        check_alive(p);
        pair_free(p);
    }
}

/* Parts of bodies have been sent, and others wait for the transport, when nobody wants them any
 * more. */
static void uploads_may_be_given_up(void **state)
{
    (void)state;
    enum { UPLOADS = 4 };
    EACH_H2(kind)
    for (size_t window = 1000; window <= 100000; window *= 10) {
        struct pair *p = new_pair(kind);
        p->wires.up.window = window;
        pair_end_fetch(p, get(p, "/"));
        pair_end_call(&p->calls[0]);
        pair_run(p);
        struct wire *wire = wires_at(&p->wires, 0);
        wire->up.stalled = true;
        struct pair_fetch *uploads[UPLOADS];
        for (int i = 0; i < UPLOADS; i++)
            uploads[i] = pair_ask(p, METHOD_POST, "/", part(1 << 20));
        for (int i = 0; i < UPLOADS; i++)
            pair_end_fetch(p, uploads[i]);
        wire->up.stalled = false;
        pair_run(p);
        for (unsigned i = 1; i < p->call_count; i++) {
            assert_true(pair_call(p, i)->gone);
            pair_end_call(&p->calls[i]);
        }
        check_alive(p);
        pair_free(p);
    }
}

static void answers_may_come_before_the_body(void **state)
{
    (void)state;
    EACH_H2(kind)
    {
        struct pair *p = new_pair(kind);
        p->on_call = ignore;
        struct pair_fetch *f = pair_ask(p, METHOD_POST, "/", part(1 << 20));
        pair_reply(p, 0, 401, STR("no"));
        assert_true(pair_has(f, 401, STR("no")));
        pair_end_fetch(p, f);
        check_alive(p);
        pair_free(p);
    }
}

static void a_body_over_the_limit_is_refused(void **state)
{
    (void)state;
    EACH_H2(kind)
    {
        struct pair *p = new_pair(kind);
        p->server.limits.body_max = 100000;
        struct pair_fetch *f = pair_ask(p, METHOD_POST, "/", part(1 << 20));
        assert_int_equal(pair_call(p, 0)->body_err, ERR_TOO_LARGE);
        pair_reply(p, 0, 413, STR("too large"));
        assert_true(pair_has(f, 413, STR("too large")));
        pair_end_fetch(p, f);
        check_alive(p);
        pair_free(p);
    }
}

/* --- time --- */

static void a_body_that_stops_is_late(void **state)
{
    (void)state;
    EACH_H2(kind)
    {
        struct pair *p = new_pair(kind);
        pair_end_fetch(p, get(p, "/"));
        pair_end_call(&p->calls[0]);
        struct wire_course *up = &wires_at(&p->wires, 0)->up;
        up->cut = WIRE_HOLD;
        up->cut_at = up->moved + 40000;
        struct pair_fetch *f = pair_ask(p, METHOD_POST, "/", part(100000));
        assert_int_equal(p->call_count, 2);
        pair_advance(p, 6 * SEC);
        assert_int_equal(pair_call(p, 1)->body_err, 0);
        pair_advance(p, 2 * SEC);
        assert_int_equal(pair_call(p, 1)->body_err, ERR_TIMEOUT);
        pair_reply(p, 1, 408, STR("late"));
        assert_int_equal(f->f.head->status, 408);
        pair_free(p);
    }
}

/* A client that asks and does not take: its call ends, others on the connection do not. */
static void who_takes_nothing_is_given_up(void **state)
{
    (void)state;
    EACH_H2(kind)
    {
        struct pair *p = new_pair(kind);
        p->on_call = begin_stream;
        p->on_fact = stream_on;
        struct pair_fetch *slow = pair_begin(p, METHOD_GET, "/", STR_NULL, NULL);
        slow->lazy = true;
        pair_run(p);
        pair_advance(p, 8 * SEC);
        assert_false(pair_call(p, 0)->gone);
        pair_advance(p, 2 * SEC);
        assert_true(pair_call(p, 0)->gone);
        assert_int_equal(pair_call(p, 0)->gone_why, ERR_TIMEOUT);
        pair_end_call(&p->calls[0]);
        pair_run(p);
        assert_int_equal(slow->f.state, FETCH_FAILED);
        check_alive(p);
        pair_free(p);
    }
}

static void a_dead_transport_is_given_up(void **state)
{
    (void)state;
    EACH_H2(kind)
    {
        struct pair *p = new_pair(kind);
        p->wires.down.window = 20000;
        p->on_call = begin_stream;
        p->on_fact = stream_on;
        pair_end_fetch(p, get(p, "/"));
        pair_end_call(&p->calls[0]);
        wires_at(&p->wires, 0)->down.stalled = true;
        get(p, "/");
        pair_advance(p, 11 * SEC);
        assert_true(pair_call(p, 1)->gone);
        assert_int_equal(pair_call(p, 1)->gone_why, ERR_TIMEOUT);
        pair_end_call(&p->calls[1]);
        pair_advance(p, 9 * SEC); /* of movement before, it is told when it looks */
        assert_int_equal(p->server.conn_count, 0);
        pair_free(p);
    }
}

static void idle_connections_end(void **state)
{
    (void)state;
    EACH_H2(kind)
    {
        struct pair *p = new_pair(kind);
        struct pair_fetch *f = get(p, "/");
        pair_advance(p, 60 * SEC); /* it is not idle */
        assert_int_equal(p->server.conn_count, 1);
        pair_reply(p, 0, 200, STR(""));
        pair_end_fetch(p, f);
        pair_advance(p, 19 * SEC);
        assert_int_equal(p->server.conn_count, 1);
        pair_advance(p, 3 * SEC);
        assert_int_equal(p->server.conn_count, 0);
        assert_int_equal(sim_open_count(p->sim), 0); /* the client heard of it */
        assert_int_equal(metric_read(&p->server.stats.h2_errors), 0);
        pair_free(p);
    }
}

/* --- the end of all --- */

static void draining_loses_nothing(void **state)
{
    (void)state;
    EACH_H2(kind)
    {
        struct pair *p = new_pair(kind);
        struct pair_fetch *f = get(p, "/");
        http_server_drain(&p->server);
        pair_run(p);
        struct pair_fetch *late = get(p, "/"); /* goes to another connection */
        assert_int_equal(p->sim->dials, 2);
        pair_advance(p, 10 * SEC);
        assert_int_equal(p->server.conn_count, 2);
        pair_reply(p, 0, 200, part(100000));
        pair_reply(p, 1, 200, STR("late"));
        assert_true(pair_has(f, 200, part(100000)) && pair_has(late, 200, STR("late")));
        pair_advance(p, 2 * SEC);
        assert_int_equal(p->server.conn_count, 0);
        pair_free(p);
    }
}

/* The client has not heard of the drain when it asks once more. */
static void what_is_on_its_way_while_draining_is_served(void **state)
{
    (void)state;
    EACH_H2(kind)
    {
        struct pair *p = new_pair(kind);
        pair_end_fetch(p, get(p, "/"));
        pair_end_call(&p->calls[0]);
        pair_run(p);
        struct wire *wire = wires_at(&p->wires, 0);
        wire->down.stalled = true;
        http_server_drain(&p->server);
        pair_run(p);
        struct pair_fetch *f = get(p, "/");
        assert_int_equal(p->sim->dials, 1);
        pair_reply(p, 1, 200, STR("ok"));
        wire->down.stalled = false;
        pair_advance(p, SEC);
        assert_true(pair_has(f, 200, STR("ok")));
        pair_end_fetch(p, f);
        pair_advance(p, 2 * SEC);
        assert_int_equal(p->server.conn_count, 0);
        pair_free(p);
    }
}

/* Slowly, but it takes its answer: draining has patience with it. */
static void a_slow_reader_is_not_cut_by_draining(void **state)
{
    (void)state;
    EACH_H2(kind)
    {
        struct pair *p = new_pair(kind);
        p->wires.down.window = 20000;
        struct pair_fetch *first = get(p, "/");
        pair_reply(p, 0, 200, STR(""));
        pair_end_fetch(p, first);
        struct wire *wire = wires_at(&p->wires, 0);
        wire->down.stalled = true;
        struct pair_fetch *f = get(p, "/");
        pair_reply(p, 1, 200, part(500000));
        http_server_drain(&p->server);
        pair_advance(p, 2 * SEC);
        wire->down.stalled = false;
        pair_advance(p, SEC);
        assert_true(pair_has(f, 200, part(500000)));
        pair_end_fetch(p, f);
        pair_advance(p, 2 * SEC);
        assert_int_equal(p->server.conn_count, 0);
        pair_free(p);
    }
}

static void finishing_leaves_a_last_word(void **state)
{
    (void)state;
    EACH_H2(kind)
    {
        struct pair *p = new_pair(kind);
        struct pair_fetch *f = get(p, "/"), *mute = get(p, "/");
        http_server_finish(&p->server);
        pair_run(p);
        assert_true(pair_call(p, 0)->ending && pair_call(p, 1)->ending);
        struct http_call *c = pair_call(p, 0);
        pair_forget_call(&p->calls[0]);
        call_reply(c, 503, NULL, 0, STR("ending"));
        loop_run_ready(p->sim->loop);
        http_server_close_all(&p->server);
        pair_run(p);
        assert_true(pair_has(f, 503, STR("ending")));
        assert_int_equal(mute->f.state, FETCH_FAILED);
        assert_true(pair_call(p, 1)->gone);
        pair_end_call(&p->calls[1]);
        pair_run(p);
        assert_int_equal(p->server.conn_count, 0);
        pair_free(p);
    }
}

/* --- wires that break --- */

static void begin_short_stream(struct pair_call *c)
{
    struct str bytes = part(3000);
    struct http_call *call = c->call;
    pair_forget_call(c);
    call_begin(call, 200, NULL, 0, HTTP_LENGTH_UNKNOWN);
    call_write(call, &bytes, 1, false);
    call_write(call, NULL, 0, true);
    call_end(call);
}

/* Nothing that was cut looks whole, and nobody waits for ever. */
static void a_wire_may_break_anywhere(void **state)
{
    (void)state;
    enum { STEP = 101, FETCHES = 3 };
    EACH_KIND(kind)
    for (enum wire_cut cut = WIRE_FIN; cut <= WIRE_RST; cut++)
        for (int up = 0; up < 2; up++) {
            uint64_t at = 0, moved;
            do {
                struct pair *p = new_pair(kind);
                struct wire_course *course = up ? &p->wires.up : &p->wires.down;
                at += STEP;
                course->cut = cut;
                course->cut_at = at;
                p->on_call = begin_short_stream;
                for (int i = 0; i < FETCHES; i++)
                    pair_begin(p, METHOD_POST, "/", part(500), NULL);
                pair_advance(p, 30 * SEC);
                moved = up ? wires_at(&p->wires, 0)->up.moved : wires_at(&p->wires, 0)->down.moved;
                for (unsigned i = 0; i < FETCHES; i++) {
                    const struct pair_fetch *f = &p->fetches[i];
                    assert_true(f->f.state == FETCH_FAILED || pair_has(f, 200, part(3000)));
                }
                pair_free(p);
            } while (moved >= at);
        }
}

static const char close_delimited[] = "HTTP/1.1 200 OK\r\n\r\nthe begin";

static void answer_raw(struct acceptor *acceptor UNUSED, struct stream *s);

/* A server that answers without a length and then goes, by farewell or without one. */
static struct stream *raw_server;

static void on_raw_open(void *owner UNUSED, int err UNUSED)
{
}

static void on_raw_data(void *owner UNUSED, struct str bytes UNUSED)
{
    struct iovec iov = {(char *)(uintptr_t)close_delimited, sizeof close_delimited - 1};
    assert_int_equal(stream_write(raw_server, &iov, 1), 0);
}

static void on_raw_end(void *owner UNUSED, int err UNUSED)
{
}

static const struct stream_handler raw_handler = {
    .on_open = on_raw_open, .on_data = on_raw_data, .on_end = on_raw_end};

static void answer_raw(struct acceptor *acceptor UNUSED, struct stream *s)
{
    raw_server = s;
    stream_set_handler(s, &raw_handler, NULL);
    stream_read(s, true);
}

static void a_cut_is_not_the_end_of_a_body_without_length(void **state)
{
    (void)state;
    for (int cut = 0; cut < 2; cut++) {
        struct acceptor raw = {.accept = answer_raw};
        struct pair *p = new_pair(PAIR_TLS_H1);
        p->tls.next = &raw;
        struct pair_fetch *f = get(p, "/");
        struct wire *wire = wires_at(&p->wires, 0);
        assert_int_equal(f->f.state, FETCH_BODY);
        if (cut)
            wire_break(&p->wires, wire, &wire->down, WIRE_FIN);
        else
            stream_close(raw_server);
        pair_run(p);
        assert_true(str_eq(buf_str(&f->body), STR("the begin")));
        assert_int_equal(f->f.state, cut ? FETCH_FAILED : FETCH_DONE);
        if (cut) assert_int_equal(f->f.err, ERR_CUT);
        if (cut) stream_close(raw_server);
        pair_free(p);
    }
}

/* --- the client's pool --- */

static void fetches_wait_for_one_dial(void **state)
{
    (void)state;
    enum { FULL = 100, WAITING = 5 };
    EACH_H2(kind)
    {
        struct pair *p = new_pair(kind);
        for (int i = 0; i < FULL; i++)
            get(p, "/");
        for (int i = 0; i < WAITING; i++)
            pair_begin(p, METHOD_GET, "/", STR_NULL, NULL);
        pair_run(p);
        assert_int_equal(p->sim->dials, 2);
        assert_int_equal(p->call_count, FULL + WAITING);
        pair_free(p);
    }
}

static void those_who_wait_for_a_dial_fail_with_it(void **state)
{
    (void)state;
    struct pair *p = new_pair(PAIR_H2);
    p->sim->on_dial = SIM_STALL;
    struct pair_fetch *first = get(p, "/"), *second = get(p, "/"), *third = get(p, "/");
    assert_int_equal(p->sim->dials, 1);
    pair_end_fetch(p, first); /* the others still wait */
    sim_open(sim_dialled(p->sim, 0), -ECONNREFUSED);
    assert_int_equal(second->f.err, -ECONNREFUSED);
    assert_int_equal(third->f.err, -ECONNREFUSED);
    first = get(p, "/");
    pair_end_fetch(p, first);
    assert_true(sim_dialled(p->sim, 1)->closed);
    pair_free(p);
}

static struct tls_context *server_without_h2(void)
{
    const struct tls_identity one = {str_of(here.certificate), str_of(here.key)};
    return context_make(&(struct tls_settings){
        .server = true, .identities = &one, .identity_count = 1, .no_h2 = true});
}

/* Those who waited for a connection of HTTP/2 get one each when the peer has unlearnt it. */
static void what_the_peer_speaks_may_change(void **state)
{
    (void)state;
    struct pair *p = new_pair(PAIR_TLS_H2);
    struct pair_fetch *first = get(p, "/");
    for (int i = 0; i < 2; i++) {
        pair_begin(p, METHOD_GET, "/", STR_NULL, NULL);
        pair_run(p);
    }
    assert_int_equal(p->sim->dials, 1);
    struct tls_context *old = p->tls.context;
    p->tls.context = server_without_h2();
    struct wire *wire = wires_at(&p->wires, 0);
    wire_break(&p->wires, wire, &wire->down, WIRE_RST);
    assert_int_equal(first->f.err, -ECONNRESET);
    for (int i = 0; i < 3; i++)
        pair_begin(p, METHOD_GET, "/", STR_NULL, NULL);
    pair_run(p);
    unsigned n = p->call_count;
    for (unsigned i = 1; i <= 3; i++) {
        pair_reply(p, n - i, 200, STR("h1"));
        assert_int_equal(pair_has(&p->fetches[p->fetch_count - i], 200, STR("h1")), true);
    }
    for (unsigned i = 0; i < 3; i++)
        pair_end_call(&p->calls[i]);
    pair_run(p);
    tls_context_unref(p->tls.context);
    p->tls.context = old;
    pair_free(p);
}

static void when_a_connection_dies_so_do_its_fetches(void **state)
{
    (void)state;
    EACH_H2(kind)
    {
        struct pair *p = new_pair(kind);
        get(p, "/");
        get(p, "/");
        struct pair_fetch *done = get(p, "/");
        pair_reply(p, 2, 200, STR("done"));
        struct wire *wire = wires_at(&p->wires, 0);
        wire_break(&p->wires, wire, &wire->down, WIRE_FIN);
        pair_run(p);
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(p->fetches[i].f.state, FETCH_FAILED);
            assert_int_equal(p->fetches[i].f.err, kind == PAIR_H2 ? ERR_EOF : ERR_CUT);
        }
        assert_true(pair_has(done, 200, STR("done")));
        pair_end_fetch(p, done);
        struct pair_fetch *f = get(p, "/");
        assert_int_equal(p->sim->dials, 2);
        pair_reply(p, p->call_count - 1, 200, STR("anew"));
        assert_true(pair_has(f, 200, STR("anew")));
        pair_free(p);
    }
}

static void want_alone(struct fetch *f)
{
    f->no_reuse = f->no_keep = true;
}

static void a_connection_may_be_wanted_alone(void **state)
{
    (void)state;
    EACH_H2(kind)
    {
        struct pair *p = new_pair(kind);
        get(p, "/");
        struct pair_fetch *alone = pair_begin(p, METHOD_GET, "/", STR_NULL, want_alone);
        pair_run(p);
        assert_int_equal(p->sim->dials, 2);
        get(p, "/");
        assert_int_equal(p->sim->dials, 2);
        pair_reply(p, 1, 200, STR("alone"));
        assert_true(pair_has(alone, 200, STR("alone")) && !alone->f.reused);
        pair_end_fetch(p, alone);
        assert_int_equal(sim_open_count(p->sim), 1);
        pair_free(p);
    }
}

static void idle_connections_leave_the_pool(void **state)
{
    (void)state;
    EACH_H2(kind)
    {
        struct pair *p = new_pair(kind);
        p->server.limits.idle_timeout_us = 0;
        struct pair_fetch *f = get(p, "/");
        pair_reply(p, 0, 200, STR(""));
        pair_end_fetch(p, f);
        pair_advance(p, 59 * SEC);
        assert_int_equal(sim_open_count(p->sim), 1);
        pair_advance(p, 2 * SEC);
        assert_int_equal(sim_open_count(p->sim), 0);
        pair_advance(p, 2 * SEC);
        assert_int_equal(p->server.conn_count, 0);
        assert_int_equal(metric_read(&p->server.stats.h2_errors), 0); /* that was no error */
        pair_free(p);
    }
}

/* A peer that has gone without a word is asked for a sign of life before anybody else waits
 * for it. */
static void a_silent_peer_is_doubted(void **state)
{
    (void)state;
    EACH_H2(kind)
    {
        struct pair *p = new_pair(kind);
        struct pair_fetch *f = get(p, "/");
        struct wire *wire = wires_at(&p->wires, 0);
        wire->up.stalled = true;
        pair_advance(p, 6 * SEC);
        pair_end_fetch(p, f);
        get(p, "/");
        assert_int_equal(p->sim->dials, 2);
        wire->up.stalled = false; /* it was only slow */
        pair_run(p);
        assert_int_equal(p->client.loop ? sim_open_count(p->sim) : 0, 2);
        pair_free(p);
    }
}

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (char)(i * 31 + i / 251);
    identities_init(&files);
    identity_make(&files, files.ca, "here", "here.test", &here);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    identities_fini(&files);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_answered),
        cmocka_unit_test(some_answers_have_no_body),
        cmocka_unit_test(much_goes_both_ways_in_any_pieces),
        cmocka_unit_test(heads_may_be_large),
        cmocka_unit_test(many_share_a_connection),
        cmocka_unit_test(the_order_of_events_does_not_matter),
        cmocka_unit_test(a_body_waits_until_it_is_wanted),
        cmocka_unit_test(a_slow_reader_holds_its_sender_back_alone),
        cmocka_unit_test(a_blocked_transport_holds_all_back),
        cmocka_unit_test(what_the_server_aborts_looks_never_whole),
        cmocka_unit_test(the_server_learns_when_a_client_loses_interest),
        cmocka_unit_test(uploads_may_be_given_up),
        cmocka_unit_test(answers_may_come_before_the_body),
        cmocka_unit_test(a_body_over_the_limit_is_refused),
        cmocka_unit_test(a_body_that_stops_is_late),
        cmocka_unit_test(who_takes_nothing_is_given_up),
        cmocka_unit_test(a_dead_transport_is_given_up),
        cmocka_unit_test(idle_connections_end),
        cmocka_unit_test(draining_loses_nothing),
        cmocka_unit_test(what_is_on_its_way_while_draining_is_served),
        cmocka_unit_test(a_slow_reader_is_not_cut_by_draining),
        cmocka_unit_test(finishing_leaves_a_last_word),
        cmocka_unit_test(a_wire_may_break_anywhere),
        cmocka_unit_test(a_cut_is_not_the_end_of_a_body_without_length),
        cmocka_unit_test(fetches_wait_for_one_dial),
        cmocka_unit_test(those_who_wait_for_a_dial_fail_with_it),
        cmocka_unit_test(what_the_peer_speaks_may_change),
        cmocka_unit_test(when_a_connection_dies_so_do_its_fetches),
        cmocka_unit_test(a_connection_may_be_wanted_alone),
        cmocka_unit_test(idle_connections_leave_the_pool),
        cmocka_unit_test(a_silent_peer_is_doubted),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
