/* SPDX-License-Identifier: Apache-2.0 */
/* http: the server's connections and calls, on a scripted network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../sim/sim.h"
#include "base/clock.h"
#include "base/err.h"
#include "http/server.h"

#define SEC ((uint64_t)USEC_PER_SEC)

static const struct http_server_limits limits = {
    .head = {.head_max = 500, .header_max = 10},
    .body_max = 20000,
    .connections_max = 3,
    .head_timeout_us = 5 * SEC,
    .body_timeout_us = 7 * SEC,
    .idle_timeout_us = 20 * SEC,
    .write_timeout_us = 9 * SEC,
};

enum { CALLS = 16 };

struct seen {
    struct task task;
    struct http_call *call;
    unsigned wakes;
};

struct world {
    struct sim *sim;
    struct http_server server;
    struct seen calls[CALLS];
    unsigned count;
    bool read_body; /* each call's at once */
    bool later;     /* refused heads are not answered at once */
};

static void on_fact(struct task *task)
{
    CONTAINER_OF(task, struct seen, task)->wakes++;
}

static void on_call(void *user, struct http_call *call)
{
    struct world *w = user;
    assert_in_range(w->count, 0, CALLS - 1);
    struct seen *s = &w->calls[w->count++];
    *s = (struct seen){.call = call};
    task_init(&s->task, on_fact);
    call->task = &s->task;
    if (call->refused && !w->later)
        call_reply(call, call->refused, NULL, 0, str_of(call->refused_why));
    else if (w->read_body)
        call_read_body(call, limits.body_max);
}

static struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof *w);
    w->sim = sim_new(1000 * SEC);
    w->read_body = true;
    http_server_init(&w->server, w->sim->loop, &limits);
    w->server.on_call = on_call;
    w->server.user = w;
    return w;
}

static void world_free(struct world *w)
{
    http_server_fini(&w->server);
    sim_run(w->sim);
    assert_int_equal(w->server.conn_count, 0);
    assert_int_equal(metric_read(&w->server.stats.connections), 0);
    sim_free(w->sim);
    free(w);
}

static struct sim_peer *client(struct world *w)
{
    return sim_connect(w->sim, &w->server.acceptor);
}

/* The n-th call, which must have begun. */
static struct http_call *call(struct world *w, unsigned n)
{
    assert_in_range(n, 0, w->count - 1);
    return w->calls[n].call;
}

static void reply(struct world *w, unsigned n, const char *text)
{
    struct http_field field = HTTP_FIELD(CONTENT_TYPE, STR("text/plain"));
    call_reply(call(w, n), 200, &field, 1, str_of(text));
    task_cancel(&w->calls[n].task);
    sim_run(w->sim);
}

static void end(struct world *w, unsigned n)
{
    call_end(call(w, n));
    task_cancel(&w->calls[n].task);
    sim_run(w->sim);
}

/* The client's first answer; the rest stays. */
static void check_answer(struct sim_peer *c, enum sim_answer_state state, int status,
                         const char *body)
{
    struct sim_answer a;
    sim_answer(sim_got(c), false, c->closed, &a);
    if (a.state != state || (state != SIM_NOTHING && a.status != status) ||
        (body && !str_eq(buf_str(&a.body), str_of(body))))
        fail_msg("state %d: %" STR_FMT, (int)a.state, STR_ARG(sim_got(c)));
    buf_consume(&c->got, a.used);
    sim_answer_fini(&a);
}

static void requests_are_answered_on_one_connection(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *c = client(w);
    for (unsigned i = 0; i < 3; i++) {
        sim_send_text(c, "GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_int_equal(call(w, i)->head->method, METHOD_GET);
        assert_true(str_eq(call(w, i)->head->path, STR("/a")) &&
                    str_eq(call(w, i)->head->query, STR("b")));
        assert_true(call(w, i)->body_done && call(w, i)->body.len == 0);
        assert_true(str_eq(call(w, i)->peer, STR("127.0.0.1:40000")));
        reply(w, i, "fine");
        assert_true(sim_has(c, "\r\ncontent-type: text/plain\r\n") && sim_has(c, "\r\ndate: "));
        assert_false(sim_has(c, "connection:"));
        check_answer(c, SIM_WHOLE, 200, "fine");
        assert_int_equal(c->writes, i + 1);
    }
    assert_false(c->closed);
    world_free(w);
}

static void bodies_are_gathered(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n0123456789",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n012\r\n7\r\n3456789\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(requests); i++)
        for (size_t piece = 1; piece <= strlen(requests[i]); piece++) {
            struct world *w = world_new();
            struct sim_peer *c = client(w);
            sim_send_pieces(c, str_of(requests[i]), piece);
            assert_true(call(w, 0)->body_done);
            assert_true(str_eq(call(w, 0)->body, STR("0123456789")));
            reply(w, 0, "ok");
            check_answer(c, SIM_WHOLE, 200, "ok");
            world_free(w);
        }
}

static void large_bodies_are_gathered(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *c = client(w);
    char *body = malloc(20000);
    for (int i = 0; i < 20000; i++)
        body[i] = (char)('a' + i % 26);
    for (unsigned n = 0; n < 2; n++) {
        sim_send_text(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\n");
        sim_send_pieces(c, str_n(body, 20000), 777);
        assert_true(call(w, n)->body_done && str_eq(call(w, n)->body, str_n(body, 20000)));
        reply(w, n, "ok");
    }
    free(body);
    world_free(w);
}

/* Long bodies are read to their place, and what stands behind them in the same bytes is the next
 * request. */
static void a_long_body_ends_where_the_next_request_begins(void **state)
{
    (void)state;
    static const size_t pieces[] = {1000, 16384, 20000, 30000, 100000};
    struct buf sent;
    buf_init(&sent, 200000);
    for (unsigned n = 0; n < 3; n++) {
        assert_int_equal(
            buf_printf(&sent, "POST /%u HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\n", n),
            0);
        for (unsigned i = 0; i < 20000; i++)
            assert_int_equal(buf_printf(&sent, "%c", 'a' + (int)((i + n) % 26)), 0);
    }
    for (size_t p = 0; p < ARRAY_LEN(pieces); p++) {
        struct world *w = world_new();
        struct sim_peer *c = client(w);
        sim_send_pieces(c, buf_str(&sent), pieces[p]);
        for (unsigned n = 0; n < 3; n++) {
            assert_int_equal(w->count, n + 1);
            assert_true(call(w, n)->body_done);
            struct str body = call(w, n)->body;
            assert_int_equal(body.len, 20000);
            for (unsigned i = 0; i < 20000; i++)
                assert_int_equal(body.ptr[i], 'a' + (int)((i + n) % 26));
            reply(w, n, "ok");
            check_answer(c, SIM_WHOLE, 200, "ok");
        }
        assert_false(c->closed);
        world_free(w);
    }
    buf_fini(&sent);
}

/* Counted as they arrive, given back with the call; a small one never is. */
static void all_bodies_together_are_limited(void **state)
{
    (void)state;
    struct world *w = world_new();
    _Atomic uint64_t held = 0;
    struct sim_peer *c[3] = {client(w), client(w), client(w)};
    char *body = calloc(1, 20000);
    w->server.bodies = &held;
    w->server.limits.bodies_max = 30000;
    for (int i = 0; i < 2; i++)
        sim_send_text(c[i], "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\n");
    assert_int_equal(held, 0);
    sim_send(c[0], str_n(body, 20000));
    sim_send(c[1], str_n(body, 10000));
    assert_int_equal(held, 30000);
    assert_true(call(w, 0)->body_done && !call(w, 1)->body_err);
    sim_send_text(c[2], "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab");
    assert_true(call(w, 2)->body_done);
    sim_send(c[1], str_n(body, 1));
    assert_int_equal(call(w, 1)->body_err, ERR_FULL);
    assert_int_equal(held, 30000);
    assert_int_equal(metric_read(&w->server.stats.bodies_refused), 1);
    reply(w, 1, "no");
    assert_int_equal(held, 20000);
    check_answer(c[1], SIM_WHOLE, 200, "no");
    reply(w, 0, "ok");
    assert_int_equal(held, 0);
    sim_send_text(c[0], "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n");
    sim_send(c[0], str_n(body, 5000));
    assert_int_equal(held, 5000);
    sim_reset(c[0]);
    end(w, 3);
    assert_int_equal(held, 0);
    reply(w, 2, "ok");
    free(body);
    world_free(w);
}

/* Answered before it was whole: nothing may be written to where the rest of it would have gone. */
static void a_long_body_may_be_refused_on_its_way(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *c = client(w);
    char *body = calloc(1, 20000);
    sim_send_text(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\n");
    sim_send(c, str_n(body, 3000));
    reply(w, 0, "no");
    check_answer(c, SIM_WHOLE, 200, "no");
    sim_send(c, str_n(body, 17000));
    sim_fin(c);
    assert_true(c->closed);
    free(body);
    world_free(w);
}

static void pipelined_requests_wait_for_their_turn(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 200; piece += 3) {
        struct world *w = world_new();
        struct sim_peer *c = client(w);
        sim_send_pieces(
            c,
            STR("POST /0 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n0GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"
                "POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n2GET /3 HT"),
            piece);
        for (unsigned i = 0; i < 3; i++) {
            char name[2] = {(char)('0' + i), '\0'};
            assert_int_equal(w->count, i + 1);
            assert_int_equal(call(w, i)->head->path.ptr[1], '0' + (int)i);
            assert_true(call(w, i)->body_done && call(w, i)->body.len == (i != 1));
            reply(w, i, name);
            check_answer(c, SIM_WHOLE, 200, name);
        }
        sim_send_text(c, "TP/1.1\r\nHost: h\r\n\r\n");
        assert_int_equal(w->count, 4);
        reply(w, 3, "3");
        check_answer(c, SIM_WHOLE, 200, "3");
        assert_false(c->closed);
        world_free(w);
    }
}

/* Who sends requests without reading answers or ahead of them is held back. */
static void a_flood_is_held_back(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *c = client(w);
    char *block = malloc(10000);
    memset(block, 'x', 10000);
    sim_send_text(c, "GET /0 HTTP/1.1\r\nHost: h\r\n\r\n");
    for (int i = 0; i < 100; i++)
        sim_post(c, str_n(block, 10000));
    sim_run(w->sim);
    assert_false(sim_reading(c));
    assert_false(list_empty(&c->inbox));
    reply(w, 0, "0");
    check_answer(c, SIM_WHOLE, 200, "0");
    check_answer(c, SIM_WHOLE, 400, NULL);
    sim_advance(w->sim, 2 * SEC);
    assert_true(c->closed);
    free(block);
    world_free(w);
}

/* The answer to a head that nobody can read may take its time; what the client sends meanwhile
 * is nobody's. */
static void a_refusal_may_come_later(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *c = client(w);
    w->later = true;
    sim_send_text(c, "GET / HTTP/1.1\r\nbad\r\n\r\n");
    assert_int_equal(call(w, 0)->refused, 400);
    assert_non_null(call(w, 0)->refused_why);
    assert_int_equal(call(w, 0)->head->field_count, 0);
    assert_int_equal(call(w, 0)->body_err, ERR_PROTOCOL);
    sim_send_text(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(w->count, 1);
    reply(w, 0, "no");
    assert_true(sim_has(c, "connection: close\r\n"));
    check_answer(c, SIM_WHOLE, 200, "no");
    sim_fin(c);
    sim_run(w->sim);
    assert_true(c->closed);
    assert_int_equal(w->count, 1);
    world_free(w);
}

/* Whoever answers may know who asked, when that came before what is wrong. */
static void a_refused_head_has_the_fields_that_were_whole(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        unsigned whole;
    } rows[] = {
        {"GET / HTTP/1.1\r\nOrigin: o\r\nX-A: b\r\n\r\n", 2}, /* no Host */
        {"GET / HTTP/1.1\r\nOrigin: o\r\nX-A: b\r\nbad\r\n\r\n", 2},
        {"GET / HTTP/1.1\r\nOrigin: o\r\nX-A: b\x01c\r\n\r\n", 1},
        {"GET / HTTP/1.1\r\nbad\r\nOrigin: o\r\n\r\n", 0},
        {"GET / HTTQ/1.1\r\nOrigin: o\r\n\r\n", 0},
    };
    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
        struct world *w = world_new();
        struct sim_peer *c = client(w);
        struct str bytes = str_of(rows[i / 2].request);
        w->later = true;
        sim_send_pieces(c, bytes, i % 2 ? 1 : bytes.len);
        if (rows[i / 2].whole) {
            const struct http_head *head = call(w, 0)->head;
            assert_int_equal(head->field_count, rows[i / 2].whole);
            assert_true(str_eq(http_head_get(head, HDR_ORIGIN), STR("o")));
            assert_int_equal(http_head_ids(head) >> HDR_ORIGIN & 1, 1);
            assert_int_equal(http_head_ids(head) & 1, rows[i / 2].whole == 2);
        } else {
            assert_int_equal(call(w, 0)->head->field_count, 0);
        }
        sim_reset(c);
        call_abort(call(w, 0));
        world_free(w);
    }
}

static void malformed_requests_are_answered_and_closed(void **state)
{
    (void)state;
    for (int before = 0; before < 2; before++) {
        struct world *w = world_new();
        struct sim_peer *c = client(w);
        if (before) {
            sim_send_text(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            reply(w, 0, "ok");
            check_answer(c, SIM_WHOLE, 200, "ok");
        }
        sim_send_text(c, "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n");
        assert_true(sim_has(c, "\r\nconnection: close\r\n"));
        check_answer(c, SIM_WHOLE, 400, NULL);
        assert_false(
            c->closed); /* it may be sending still: a close now could take the answer from it */
        sim_send_text(c, "more of it");
        assert_int_equal(sim_got(c).len, 0);
        sim_advance(w->sim, 2 * SEC);
        assert_true(c->closed);
        world_free(w);
    }
}

static void bodies_over_the_limit_are_refused(void **state)
{
    (void)state;
    for (int chunked = 0; chunked < 2; chunked++) {
        struct world *w = world_new();
        struct sim_peer *c = client(w);
        sim_send_text(c, chunked
                             ? "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                             : "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20001\r\n\r\n");
        for (int i = 0; chunked && i < 41; i++) {
            char chunk[600];
            memset(chunk, 'x', sizeof chunk);
            memcpy(chunk, "1f4\r\n", 5);
            memcpy(chunk + 505, "\r\n", 2);
            sim_send(c, str_n(chunk, 507));
        }
        assert_int_equal(call(w, 0)->body_err, ERR_TOO_LARGE);
        assert_false(call(w, 0)->body_done);
        reply(w, 0, "no");
        assert_true(sim_has(c, "\r\nconnection: close\r\n"));
        check_answer(c, SIM_WHOLE, 200, "no");
        assert_false(c->closed);
        sim_send_text(c, "xxxxx");
        sim_fin(c);
        assert_true(c->closed);
        world_free(w);
    }
}

/* Closed before its body has come, a client may never see why. */
static void a_refused_body_is_read_for_a_while(void **state)
{
    (void)state;
    for (int goes_on = 0; goes_on < 2; goes_on++) {
        struct world *w = world_new();
        struct sim_peer *c = client(w);
        sim_send_text(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20001\r\n\r\n");
        reply(w, 0, "no");
        for (int i = 0; i < 20; i++) {
            sim_advance(w->sim, 9 * SEC / 10);
            assert_false(c->closed);
            sim_send_text(c, "xxxxx");
        }
        if (!goes_on) sim_advance(w->sim, 2 * SEC);
        for (int i = 0; goes_on && i < 20; i++) {
            sim_send_text(c, "xxxxx");
            sim_advance(w->sim, 9 * SEC / 10);
        }
        assert_true(c->closed);
        check_answer(c, SIM_WHOLE, 200, "no");
        world_free(w);
    }
}

/* Nor does sending keep a client that does not read. */
static void a_refused_client_that_does_not_read_is_given_up(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *c = client(w);
    c->window = 10;
    sim_send_text(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20001\r\n\r\n");
    reply(w, 0, "no");
    for (int i = 0; i < 21; i++) {
        sim_send_text(c, "xxxxx");
        sim_advance(w->sim, 1 * SEC);
    }
    assert_true(c->closed);
    world_free(w);
}

static void a_broken_body_is_told(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *c = client(w);
    sim_send_text(
        c, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nzz\r\n");
    assert_int_equal(call(w, 0)->body_err, ERR_PROTOCOL);
    assert_string_equal(call(w, 0)->body_why, "a chunk size is not a number, or too large a one");
    reply(w, 0, "no");
    check_answer(c, SIM_WHOLE, 200, "no");
    sim_advance(w->sim, 2 * SEC);
    assert_true(c->closed);
    world_free(w);
}

static void expectations_are_answered(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *c = client(w);
    w->read_body = false;
    sim_send_text(
        c, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_int_equal(sim_got(c).len, 0);
    call_read_body(call(w, 0), 100);
    assert_true(str_eq(sim_got(c), STR("HTTP/1.1 100 Continue\r\n\r\n")));
    sim_forget(c);
    sim_send_text(c, "hi");
    reply(w, 0, "ok");
    check_answer(c, SIM_WHOLE, 200, "ok");
    /* refused without the body */
    sim_send_text(
        c, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    reply(w, 1, "no");
    assert_false(sim_has(c, "100 Continue"));
    assert_true(sim_has(c, "connection: close"));
    sim_fin(c);
    assert_true(c->closed);
    world_free(w);
}

/* --- answers --- */

static void answers_leave_in_one_write_per_step(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *c = client(w);
    static const struct str slices[] = {STR_INIT("ab"), STR_INIT(""), STR_INIT("cde")};
    sim_send_text(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    call_begin(call(w, 0), 200, NULL, 0, HTTP_LENGTH_UNKNOWN);
    assert_int_equal(c->writes, 0);
    assert_false(call(w, 0)->head_sent);
    call_write(call(w, 0), slices, 3, false);
    assert_int_equal(c->writes, 1);
    assert_true(call(w, 0)->head_sent);
    assert_true(str_ends(sim_got(c), STR("\r\n\r\n5\r\nabcde\r\n")));
    call_write(call(w, 0), NULL, 0, false);
    assert_int_equal(c->writes, 1);
    call_write(call(w, 0), slices, 1, true);
    assert_int_equal(c->writes, 2);
    assert_int_equal(call(w, 0)->bytes_out, 7);
    end(w, 0);
    check_answer(c, SIM_WHOLE, 200, "abcdeab");
    assert_int_equal(sim_got(c).len, 0);
    world_free(w);
}

static void an_answer_that_is_not_whole_closes(void **state)
{
    (void)state;
    for (int how = 0; how < 5; how++) {
        struct world *w = world_new();
        struct sim_peer *c = client(w);
        struct str text = STR("abc");
        sim_send_text(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        if (how > 0) call_begin(call(w, 0), 200, NULL, 0, how < 3 ? 4 : HTTP_LENGTH_UNKNOWN);
        if (how > 1) call_write(call(w, 0), &text, 1, how == 2);
        if (how == 4)
            call_abort_reset(call(w, 0));
        else
            call_end(call(w, 0));
        sim_run(w->sim);
        assert_true(c->closed);
        assert_true(c->closed_by_reset == (how == 4));
        check_answer(c, how < 2 ? SIM_NOTHING : SIM_PART, 200, NULL);
        world_free(w);
    }
}

static void a_length_that_is_met_completes(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *c = client(w);
    struct str text = STR("abc");
    sim_send_text(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    call_begin(call(w, 0), 200, NULL, 0, 3);
    call_write(call(w, 0), &text, 1, false);
    end(w, 0);
    check_answer(c, SIM_WHOLE, 200, "abc");
    assert_false(c->closed);
    world_free(w);
}

static void some_answers_have_no_body(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *c = client(w);
    struct str text = STR("hello");
    sim_send_text(c, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    reply(w, 0, "hello");
    assert_true(sim_has(c, "content-length: 5\r\n") && str_ends(sim_got(c), STR("\r\n\r\n")));
    sim_forget(c);
    sim_send_text(c, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    call_begin(call(w, 1), 200, NULL, 0, HTTP_LENGTH_UNKNOWN);
    call_write(call(w, 1), &text, 1, false);
    end(w, 1);
    assert_true(str_ends(sim_got(c), STR("\r\n\r\n")));
    sim_forget(c);
    sim_send_text(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    call_reply(call(w, 2), 204, NULL, 0, STR_NULL);
    sim_run(w->sim);
    assert_true(str_ends(sim_got(c), STR("\r\n\r\n")));
    assert_false(sim_has(c, "content-length") || sim_has(c, "chunked"));
    assert_false(c->closed);
    world_free(w);
}

static void old_clients_get_their_answers(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *c = client(w);
    struct str text = STR("hello");
    sim_send_text(c, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    reply(w, 0, "one");
    assert_true(sim_has(c, "connection: keep-alive\r\n"));
    check_answer(c, SIM_WHOLE, 200, "one");
    sim_send_text(c, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    call_begin(call(w, 1), 200, NULL, 0, HTTP_LENGTH_UNKNOWN);
    call_write(call(w, 1), &text, 1, false);
    call_write(call(w, 1), NULL, 0, true);
    assert_true(sim_has(c, "connection: close\r\n") && !sim_has(c, "chunked"));
    end(w, 1);
    assert_true(c->closed);
    check_answer(c, SIM_WHOLE, 200, "hello");
    world_free(w);
}

/* HTTP/1.0 knows a body's end only by the connection's: a cut one must not look like it. */
static void a_cut_answer_to_an_old_client_is_a_reset(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *c = client(w);
    struct str text = STR("hello");
    sim_send_text(c, "GET / HTTP/1.0\r\n\r\n");
    call_begin(call(w, 0), 200, NULL, 0, HTTP_LENGTH_UNKNOWN);
    call_write(call(w, 0), &text, 1, false);
    end(w, 0);
    assert_true(c->closed && c->closed_by_reset);
    world_free(w);
}

/* --- clients that leave or stall --- */

static void a_client_that_leaves_is_told_to_the_call(void **state)
{
    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        struct world *w = world_new();
        struct sim_peer *c = client(w);
        sim_send_text(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        unsigned before = w->calls[0].wakes;
        if (reset)
            sim_reset(c);
        else
            sim_fin(c);
        assert_true(call(w, 0)->gone && w->calls[0].wakes == before + 1);
        assert_int_equal(call(w, 0)->gone_why, reset ? -ECONNRESET : ERR_EOF);
        end(w, 0);
        assert_true(c->closed);
        world_free(w);
    }
}

static void a_failed_write_is_told_to_the_call(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *c = client(w);
    struct str text = STR("x");
    sim_send_text(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    call_begin(call(w, 0), 200, NULL, 0, HTTP_LENGTH_UNKNOWN);
    sim_break(c);
    call_write(call(w, 0), &text, 1, false);
    assert_true(call(w, 0)->gone);
    call_write(call(w, 0), &text, 1, false);
    call_write(call(w, 0), &text, 1, true);
    end(w, 0);
    assert_true(c->closed);
    world_free(w);
}

static void stalls_end_in_time(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *idle = client(w), *head = client(w), *body = client(w);
    sim_advance(w->sim, 10 * SEC);
    sim_send_text(head, "GET / HT");
    sim_send_text(body, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n");
    sim_advance(w->sim, 4 * SEC);
    sim_send_text(head, "TP/1.1\r\n");
    sim_send_text(body, "0");
    sim_advance(w->sim, 2 * SEC);
    assert_true(head->closed && !idle->closed && !body->closed);
    sim_advance(w->sim, 4 * SEC + SEC / 2);
    assert_true(idle->closed && !body->closed);
    assert_int_equal(call(w, 0)->body_err, 0);
    sim_advance(w->sim, 1 * SEC);
    assert_int_equal(call(w, 0)->body_err, ERR_TIMEOUT);
    reply(w, 0, "late");
    check_answer(body, SIM_WHOLE, 200, "late");
    sim_advance(w->sim, 2 * SEC);
    assert_true(body->closed);
    world_free(w);
}

/* While the handler works nothing times out. */
static void a_call_may_take_long(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *c = client(w);
    sim_send_text(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    sim_advance(w->sim, 1000 * SEC);
    reply(w, 0, "ok");
    sim_advance(w->sim, 19 * SEC);
    assert_false(c->closed);
    sim_advance(w->sim, 2 * SEC);
    assert_true(c->closed);
    world_free(w);
}

static void a_client_that_reads_nothing_is_given_up(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *c = client(w);
    char *text = calloc(1, 100001);
    memset(text, 'x', 100000);
    c->window = 1000;
    sim_send_text(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    struct str s = str_of(text);
    call_begin(call(w, 0), 200, NULL, 0, HTTP_LENGTH_UNKNOWN);
    call_write(call(w, 0), &s, 1, false);
    assert_true(call_pending(call(w, 0)) > 90000);
    for (int i = 0; i < 5; i++) { /* as long as it takes something it may stay */
        sim_advance(w->sim, 8 * SEC);
        assert_false(call(w, 0)->gone);
        sim_take(c, 10);
    }
    sim_advance(w->sim, 19 * SEC);
    assert_true(call(w, 0)->gone);
    assert_int_equal(call(w, 0)->gone_why, ERR_TIMEOUT);
    end(w, 0);
    free(text);
    world_free(w);
}

/* Nor do requests that wait behind the answer keep it here. */
static void a_client_that_only_sends_is_given_up(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n\r\nG",
    };
    char *text = calloc(1, 100001);
    memset(text, 'x', 100000);
    struct str s = str_of(text);
    for (int ended = 0; ended < 2; ended++)
        for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
            struct world *w = world_new();
            struct sim_peer *c = client(w);
            c->window = 1000;
            sim_advance(w->sim, 12 * SEC);
            sim_send_text(c, requests[i]);
            call_begin(call(w, 0), 200, NULL, 0, 100000);
            call_write(call(w, 0), &s, 1, true);
            if (ended) end(w, 0);
            sim_advance(w->sim, 60 * SEC);
            assert_true(c->closed);
            if (!ended) {
                assert_int_equal(call(w, 0)->gone_why, ERR_TIMEOUT);
                end(w, 0);
            }
            world_free(w);
        }
    free(text);
}

/* The time in which a client takes nothing begins when there is something to take. */
static void a_late_answer_may_wait_as_long_as_any(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *c = client(w);
    struct str text = STR("0123456789");
    c->window = 0;
    sim_advance(w->sim, 1 * SEC);
    sim_send_text(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    sim_advance(w->sim, 12 * SEC);
    call_begin(call(w, 0), 200, NULL, 0, HTTP_LENGTH_UNKNOWN);
    call_write(call(w, 0), &text, 1, false);
    sim_advance(w->sim, 8 * SEC);
    assert_false(call(w, 0)->gone);
    sim_advance(w->sim, 2 * SEC);
    assert_true(call(w, 0)->gone);
    end(w, 0);
    world_free(w);
}

/* At the low mark and not before, each time that it was exceeded; without one, when all is
 * taken. */
static void output_at_the_low_mark_wakes_the_call(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *c = client(w);
    char text[1000];
    struct str s = str_n(memset(text, 'x', sizeof text), sizeof text);
    c->window = 0;
    sim_send_text(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    call_begin(call(w, 0), 200, NULL, 0, HTTP_LENGTH_UNKNOWN);
    call_set_low_mark(call(w, 0), 400);
    for (unsigned round = 0; round < 3; round++) {
        call_write(call(w, 0), &s, 1, false);
        unsigned before = w->calls[0].wakes;
        while (call_pending(call(w, 0)) > 401)
            sim_take(c, MIN(call_pending(call(w, 0)) - 401, 100));
        assert_int_equal(w->calls[0].wakes, before);
        sim_take(c, 1);
        assert_int_equal(w->calls[0].wakes, before + 1);
        sim_take(c, 100);
        assert_int_equal(w->calls[0].wakes, before + 1);
    }
    call_write(call(w, 0), NULL, 0, true);
    end(w, 0);
    sim_take(c, 10000);
    check_answer(c, SIM_WHOLE, 200, NULL);
    world_free(w);
}

static void drained_output_wakes_the_call(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *c = client(w);
    struct str text = STR("0123456789");
    c->window = 0;
    sim_send_text(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    call_begin(call(w, 0), 200, NULL, 0, HTTP_LENGTH_UNKNOWN);
    call_write(call(w, 0), &text, 1, false);
    unsigned before = w->calls[0].wakes;
    sim_take(c, 10000);
    assert_int_equal(call_pending(call(w, 0)), 0);
    assert_int_equal(w->calls[0].wakes, before + 1);
    call_write(call(w, 0), NULL, 0, true);
    end(w, 0);
    check_answer(c, SIM_WHOLE, 200, "0123456789");
    world_free(w);
}

/* The answer of a closing connection is not lost while the client reads it slowly. */
static void a_slow_reader_gets_its_last_answer(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *c = client(w);
    c->window = 50;
    sim_send_text(c, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    reply(w, 0, "0123456789");
    assert_false(c->closed);
    sim_advance(w->sim, 5 * SEC);
    assert_false(c->closed);
    sim_take(c, 10000);
    assert_true(c->closed);
    check_answer(c, SIM_WHOLE, 200, "0123456789");
    world_free(w);
}

/* --- the server as a whole --- */

static void drain_closes_what_is_idle(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *idle = client(w), *busy = client(w), *slow = client(w);
    sim_send_text(busy, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    slow->window = 10;
    sim_send_text(slow, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    reply(w, 1, "slow");
    http_server_drain(&w->server);
    sim_run(w->sim);
    assert_true(idle->closed && !busy->closed && !slow->closed);
    reply(w, 0, "ok");
    assert_true(sim_has(busy, "connection: close\r\n") && busy->closed);
    sim_take(slow, 1000);
    check_answer(slow, SIM_WHOLE, 200, "slow");
    assert_true(slow->closed); /* idle now */
    world_free(w);
}

static void connections_are_limited(void **state)
{
    (void)state;
    struct world *w = world_new();
    for (int i = 0; i < 3; i++)
        client(w);
    struct sim_peer *fourth = client(w);
    for (int i = 1; i < HTTP_SERVER_SPARE; i++)
        client(w);
    struct sim_peer *last = client(w);
    assert_true(last->closed && !fourth->closed);
    assert_int_equal(w->server.conn_count, 3 + HTTP_SERVER_SPARE);
    assert_int_equal(metric_read(&w->server.stats.refused), 1);
    assert_int_equal(metric_read(&w->server.stats.accepted), 3 + HTTP_SERVER_SPARE);
    sim_send_text(fourth, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(call(w, 0)->spare);
    reply(w, 0, "too many");
    assert_true(sim_has(fourth, "connection: close\r\n"));
    world_free(w);
}

/* Two ways into one server: what comes by the first is limited, whatever comes by the second. */
static void a_quota_limits_connections(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct http_quota quota = {.connections_max = 1};
    struct http_door door;
    http_door_init(&door, &w->server, &quota);
    w->server.limits.connections_max = 100;
    struct sim_peer *one = sim_connect(w->sim, &door.acceptor), *other = client(w);
    struct sim_peer *extra = sim_connect(w->sim, &door.acceptor);
    for (int i = 1; i < HTTP_SERVER_SPARE; i++)
        sim_connect(w->sim, &door.acceptor);
    assert_true(sim_connect(w->sim, &door.acceptor)->closed);
    assert_int_equal(quota.connections, 1 + HTTP_SERVER_SPARE);
    struct sim_peer *asks[] = {one, other, extra};
    for (unsigned i = 0; i < ARRAY_LEN(asks); i++) {
        sim_send_text(asks[i], "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_true(call(w, i)->spare == (asks[i] == extra));
        reply(w, i, "ok");
    }
    http_server_close_all(&w->server);
    assert_int_equal(quota.connections, 0);
    world_free(w);
}

static void a_quota_marks_requests_beyond_it(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct http_quota quota = {.requests_max = 1};
    struct http_door door;
    http_door_init(&door, &w->server, &quota);
    struct sim_peer *one = sim_connect(w->sim, &door.acceptor),
                    *two = sim_connect(w->sim, &door.acceptor), *other = client(w);
    sim_send_text(one, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    sim_send_text(two, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    sim_send_text(other, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(!call(w, 0)->crowded && call(w, 1)->crowded && !call(w, 2)->crowded);
    assert_int_equal(quota.requests, 2);
    reply(w, 1, "no");
    reply(w, 0, "ok");
    assert_int_equal(quota.requests, 0);
    sim_send_text(two, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_false(call(w, 3)->crowded);
    sim_reset(two); /* its place is free when the connection has gone */
    end(w, 3);
    assert_int_equal(quota.requests, 0);
    reply(w, 2, "ok");
    world_free(w);
}

static void a_quota_limits_bodies(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct http_quota quota = {.bodies_max = 30000};
    struct http_door door;
    _Atomic uint64_t held = 0;
    char *body = calloc(1, 20000);
    http_door_init(&door, &w->server, &quota);
    w->server.bodies = &held;
    w->server.limits.bodies_max = 45000;
    struct sim_peer *c[] = {sim_connect(w->sim, &door.acceptor),
                            sim_connect(w->sim, &door.acceptor), client(w)};
    for (int i = 0; i < 3; i++) {
        sim_send_text(c[i], "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\n");
        sim_send(c[i], str_n(body, 20000));
    }
    assert_true(call(w, 0)->body_done && call(w, 2)->body_done);
    assert_int_equal(call(w, 1)->body_err, ERR_FULL);
    assert_int_equal(quota.bodies, 20000);
    assert_int_equal(held, 40000);
    assert_false(call_hold(call(w, 0), 10000)); /* the quota has room, all together have not */
    assert_int_equal(quota.bodies, 20000);
    for (unsigned i = 0; i < 3; i++)
        reply(w, i, "ok");
    assert_int_equal(quota.bodies, 0);
    assert_int_equal(held, 0);
    free(body);
    world_free(w);
}

/* What is said to that leaves before the close. */
static void a_server_that_ends_tells_the_calls_before(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *idle = client(w), *busy = client(w);
    sim_send_text(busy, "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
    http_server_finish(&w->server);
    sim_run(w->sim);
    assert_true(idle->closed && !busy->closed);
    assert_true(call(w, 0)->ending && !call(w, 0)->gone && w->calls[0].wakes > 0);
    reply(w, 0, "the end");
    assert_true(sim_has(busy, "connection: close\r\n"));
    check_answer(busy, SIM_WHOLE, 200, "the end");
    http_server_close_all(&w->server);
    assert_true(busy->closed);
    assert_int_equal(w->count, 1);
    world_free(w);
}

static void close_all_tells_the_calls(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sim_peer *idle = client(w), *busy = client(w);
    sim_send_text(busy, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    http_server_close_all(&w->server);
    sim_run(w->sim);
    assert_true(idle->closed && busy->closed);
    assert_int_equal(call(w, 0)->gone_why, ERR_CANCELLED);
    end(w, 0);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_answered_on_one_connection),
        cmocka_unit_test(bodies_are_gathered),
        cmocka_unit_test(large_bodies_are_gathered),
        cmocka_unit_test(a_long_body_ends_where_the_next_request_begins),
        cmocka_unit_test(all_bodies_together_are_limited),
        cmocka_unit_test(a_long_body_may_be_refused_on_its_way),
        cmocka_unit_test(pipelined_requests_wait_for_their_turn),
        cmocka_unit_test(a_flood_is_held_back),
        cmocka_unit_test(a_refusal_may_come_later),
        cmocka_unit_test(a_refused_head_has_the_fields_that_were_whole),
        cmocka_unit_test(malformed_requests_are_answered_and_closed),
        cmocka_unit_test(bodies_over_the_limit_are_refused),
        cmocka_unit_test(a_refused_body_is_read_for_a_while),
        cmocka_unit_test(a_refused_client_that_does_not_read_is_given_up),
        cmocka_unit_test(a_broken_body_is_told),
        cmocka_unit_test(expectations_are_answered),
        cmocka_unit_test(answers_leave_in_one_write_per_step),
        cmocka_unit_test(an_answer_that_is_not_whole_closes),
        cmocka_unit_test(a_length_that_is_met_completes),
        cmocka_unit_test(some_answers_have_no_body),
        cmocka_unit_test(old_clients_get_their_answers),
        cmocka_unit_test(a_cut_answer_to_an_old_client_is_a_reset),
        cmocka_unit_test(a_client_that_leaves_is_told_to_the_call),
        cmocka_unit_test(a_failed_write_is_told_to_the_call),
        cmocka_unit_test(stalls_end_in_time),
        cmocka_unit_test(a_call_may_take_long),
        cmocka_unit_test(a_client_that_reads_nothing_is_given_up),
        cmocka_unit_test(a_client_that_only_sends_is_given_up),
        cmocka_unit_test(a_late_answer_may_wait_as_long_as_any),
        cmocka_unit_test(output_at_the_low_mark_wakes_the_call),
        cmocka_unit_test(drained_output_wakes_the_call),
        cmocka_unit_test(a_slow_reader_gets_its_last_answer),
        cmocka_unit_test(drain_closes_what_is_idle),
        cmocka_unit_test(connections_are_limited),
        cmocka_unit_test(a_quota_limits_connections),
        cmocka_unit_test(a_quota_marks_requests_beyond_it),
        cmocka_unit_test(a_quota_limits_bodies),
        cmocka_unit_test(a_server_that_ends_tells_the_calls_before),
        cmocka_unit_test(close_all_tells_the_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
