/* SPDX-License-Identifier: Apache-2.0 */
/* http: fetches and their connections, on a scripted network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../sim/sim.h"
#include "base/clock.h"
#include "base/err.h"
#include "http/client.h"

#define SEC ((uint64_t)USEC_PER_SEC)
#define OK_HEAD "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"

enum { IDLE_MAX = 3, FETCHES = 8 };

static const struct str request_body[] = {STR_INIT("h"), STR_INIT(""), STR_INIT("i")};
static const struct http_request request = {
    .method = METHOD_POST,
    .target = STR_INIT("/x"),
    .authority = STR_INIT("h"),
    .body = request_body,
    .body_count = ARRAY_LEN(request_body),
};

struct one {
    struct task task;
    struct fetch f;
    unsigned wakes;
};

struct world {
    struct sim *sim;
    struct http_client client;
    struct arena arena;
    struct one one[FETCHES];
};

static void on_fact(struct task *task)
{
    CONTAINER_OF(task, struct one, task)->wakes++;
}

static struct world *world_new(void)
{
    static const struct h1_limits limits = {.head_max = 500, .header_max = 10};
    struct world *w = calloc(1, sizeof *w);
    w->sim = sim_new(1000 * SEC);
    http_client_init(&w->client, w->sim->loop, &limits, IDLE_MAX, 60 * SEC);
    arena_init(&w->arena, SIZE_MAX, 1024);
    for (int i = 0; i < FETCHES; i++)
        task_init(&w->one[i].task, on_fact);
    return w;
}

static void world_free(struct world *w)
{
    for (int i = 0; i < FETCHES; i++)
        fetch_end(&w->one[i].f);
    http_client_fini(&w->client);
    arena_fini(&w->arena);
    sim_free(w->sim);
    free(w);
}

static struct fetch *start_at(struct world *w, int i, const char *key)
{
    struct fetch *f = &w->one[i].f;
    w->one[i].wakes = 0;
    *f = (struct fetch){.client = &w->client,
                        .arena = &w->arena,
                        .task = &w->one[i].task,
                        .way.addr = {.host = str_of(key), .port = 80},
                        .key = str_of(key),
                        .request = request};
    fetch_start(f);
    sim_run(w->sim);
    return f;
}

static struct fetch *start(struct world *w, int i)
{
    return start_at(w, i, "h");
}

/* Answers fetch `i` on the n-th connection and ends it. */
static void serve(struct world *w, int i, unsigned n)
{
    sim_send_text(sim_dialled(w->sim, n), OK_HEAD "ok");
    assert_int_equal(w->one[i].f.state, FETCH_DONE);
    assert_true(str_eq(fetch_take(&w->one[i].f), STR("ok")));
    fetch_end(&w->one[i].f);
    sim_run(w->sim);
}

static void a_request_leaves_in_one_write(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->sim->on_dial = SIM_STALL;
    struct fetch *f = start(w, 0);
    struct sim_peer *up = sim_dialled(w->sim, 0);
    assert_string_equal(up->address, "h:80");
    assert_int_equal(f->state, FETCH_CONNECTING);
    assert_false(f->sent);
    sim_open(up, 0);
    assert_int_equal(f->state, FETCH_AWAIT);
    assert_true(f->sent && !f->any_byte && !f->reused);
    assert_true(
        str_eq(sim_got(up), STR("POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nhi")));
    assert_int_equal(up->writes, 1);
    sim_send_text(up, "HTTP/1.1 200 OK\r\ncontent-le");
    assert_true(f->any_byte && !f->head);
    sim_send_text(up, "ngth: 5\r\n\r\n");
    assert_int_equal(f->state, FETCH_BODY);
    assert_int_equal(f->head->status, 200);
    assert_int_equal(f->body.len, 0);
    sim_send_text(up, "he");
    assert_true(str_eq(fetch_take(f), STR("he")));
    sim_send_text(up, "l");
    sim_send_text(up, "lo");
    assert_int_equal(f->state, FETCH_DONE);
    assert_true(str_eq(fetch_take(f), STR("llo")));
    assert_int_equal(fetch_take(f).len, 0);
    assert_int_equal(metric_read(&w->client.stats.connects), 1);
    world_free(w);
}

static void chunks_of_one_read_are_joined(void **state)
{
    (void)state;
    static const struct str text = STR_INIT("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
                                            "3\r\nabc\r\n1\r\nd\r\nA\r\n0123456789\r\n0\r\n\r\n");
    for (size_t cut = 1; cut <= text.len; cut++)
        for (int lazy = 0; lazy < 2; lazy++) {
            struct world *w = world_new();
            struct buf body;
            buf_init(&body, 100);
            struct fetch *f = start(w, 0);
            for (size_t at = 0; at < text.len; at += cut) {
                sim_send(sim_dialled(w->sim, 0), str_sub(text, at, cut));
                if (!lazy) assert_int_equal(buf_append(&body, fetch_take(f)), 0);
            }
            assert_int_equal(f->state, FETCH_DONE);
            assert_int_equal(buf_append(&body, fetch_take(f)), 0);
            assert_true(str_eq(buf_str(&body), STR("abcd0123456789")));
            buf_fini(&body);
            world_free(w);
        }
}

static void the_last_used_connection_is_used_again(void **state)
{
    (void)state;
    struct world *w = world_new();
    for (int i = 0; i < 3; i++)
        start(w, i);
    assert_int_equal(w->sim->dials, 3);
    for (unsigned i = 0; i < 3; i++)
        serve(w, (int)i, i);
    struct fetch *f = start(w, 3);
    assert_true(f->reused && f->sent);
    assert_int_equal(w->sim->dials, 3);
    assert_int_equal(buf_len(&sim_dialled(w->sim, 2)->got),
                     2 * buf_len(&sim_dialled(w->sim, 0)->got));
    assert_int_equal(metric_read(&w->client.stats.reuses), 1);
    serve(w, 3, 2);
    start_at(w, 4, "other");
    assert_int_equal(w->sim->dials, 4);
    world_free(w);
}

static void no_more_than_idle_max_are_kept(void **state)
{
    (void)state;
    struct world *w = world_new();
    for (int i = 0; i < 5; i++)
        start(w, i);
    for (unsigned i = 0; i < 5; i++)
        serve(w, (int)i, i);
    assert_int_equal(sim_open_count(w->sim), IDLE_MAX);
    assert_true(sim_dialled(w->sim, 0)->closed && sim_dialled(w->sim, 1)->closed);
    http_client_close_idle(&w->client);
    assert_int_equal(sim_open_count(w->sim), 0);
    w->client.idle_max = 0;
    start(w, 0);
    serve(w, 0, 5);
    assert_int_equal(sim_open_count(w->sim), 0);
    world_free(w);
}

static void idle_connections_are_closed_in_time(void **state)
{
    (void)state;
    struct world *w = world_new();
    start(w, 0);
    start(w, 1);
    serve(w, 0, 0);
    sim_advance(w->sim, 30 * SEC);
    serve(w, 1, 1);
    sim_advance(w->sim, 31 * SEC);
    assert_true(sim_dialled(w->sim, 0)->closed);
    assert_false(sim_dialled(w->sim, 1)->closed);
    sim_advance(w->sim, 30 * SEC);
    assert_true(sim_dialled(w->sim, 1)->closed);
    world_free(w);
}

static void an_idle_connection_that_speaks_or_ends_is_dropped(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct world *w = world_new();
        start(w, 0);
        serve(w, 0, 0);
        struct sim_peer *up = sim_dialled(w->sim, 0);
        if (how == 0) sim_fin(up);
        if (how == 1) sim_reset(up);
        if (how == 2) sim_send_text(up, "HTTP/1.1 408 Timeout\r\n\r\n");
        assert_true(up->closed);
        assert_false(start(w, 1)->reused);
        world_free(w);
    }
}

/* Whether a connection may be used again after its answer. */
static void only_clean_connections_are_used_again(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        bool again;
    } rows[] = {
        {OK_HEAD "ok", true},
        {"HTTP/1.1 204 No Content\r\n\r\n", true},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true},
        {"HTTP/1.1 100 Continue\r\n\r\n" OK_HEAD "ok", true},
        {OK_HEAD "okX", false},
        {OK_HEAD "ok\r\n", false},
        {"HTTP/1.1 204 No Content\r\n\r\nX", false},
        {"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", false},
        {"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", false},
        {"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world *w = world_new();
        struct fetch *f = start(w, 0);
        sim_send_text(sim_dialled(w->sim, 0), rows[i].answer);
        assert_int_equal(f->state, FETCH_DONE);
        fetch_end(f);
        sim_run(w->sim);
        if (sim_dialled(w->sim, 0)->closed == rows[i].again) fail_msg("%s", rows[i].answer);
        world_free(w);
    }
    /* bytes that come behind a whole answer before it is ended */
    struct world *w = world_new();
    struct fetch *f = start(w, 0);
    sim_send_text(sim_dialled(w->sim, 0), OK_HEAD "ok");
    sim_send_text(sim_dialled(w->sim, 0), "HTTP/1.1 200 OK\r\n");
    assert_true(f->state == FETCH_DONE && str_eq(f->body, STR("ok")));
    fetch_end(f);
    assert_true(sim_dialled(w->sim, 0)->closed);
    world_free(w);
}

static void an_answer_to_head_has_no_body(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct fetch *f = &w->one[0].f;
    *f = (struct fetch){.client = &w->client,
                        .arena = &w->arena,
                        .task = &w->one[0].task,
                        .key = STR("h"),
                        .request = request};
    f->request.method = METHOD_HEAD;
    fetch_start(f);
    sim_run(w->sim);
    sim_send_text(sim_dialled(w->sim, 0), "HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n");
    assert_int_equal(f->state, FETCH_DONE);
    fetch_end(f);
    assert_false(sim_dialled(w->sim, 0)->closed);
    world_free(w);
}

/* However many slices a body has, they arrive in order, and what is said of their length is
 * right. */
static void a_body_may_have_many_slices(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct fetch *f = &w->one[0].f;
    struct str slices[100];
    for (size_t i = 0; i < ARRAY_LEN(slices); i++)
        slices[i] = STR("ab");
    *f = (struct fetch){.client = &w->client,
                        .arena = &w->arena,
                        .task = &w->one[0].task,
                        .key = STR("h"),
                        .request = request,
                        .no_keep = true};
    f->request.body = slices;
    f->request.body_count = ARRAY_LEN(slices);
    fetch_start(f);
    sim_run(w->sim);
    struct str got = sim_got(sim_dialled(w->sim, 0));
    assert_true(str_starts(got, STR("POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 200\r\n"
                                    "connection: close\r\n\r\nabab")));
    assert_int_equal(got.len - (size_t)str_find(got, STR("\r\n\r\n")) - 4, 200);
    fetch_end(f);
    world_free(w);
}

static void no_connection_is_a_failure_told_later(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) {
        struct world *w = world_new();
        w->sim->on_dial = how ? SIM_FAIL : SIM_REFUSE;
        struct fetch *f = start(w, 0);
        assert_int_equal(f->state, FETCH_FAILED);
        assert_int_equal(f->err, how ? -ENETUNREACH : -ECONNREFUSED);
        assert_false(f->sent);
        assert_int_equal(w->one[0].wakes, 1);
        fetch_end(f);
        world_free(w);
    }
}

/* What an upstream may do instead of answering, and what becomes of the fetch. */
static void breaks_are_failures(void **state)
{
    (void)state;
    enum { NOTHING, FIN, RESET };
    static const struct {
        const char *sent;
        int then;
        int err; /* 0: done */
        const char *body;
    } rows[] = {
        {"", FIN, ERR_EOF, ""},
        {"", RESET, -ECONNRESET, ""},
        {"HTTP/1.1 20", FIN, ERR_EOF, ""},
        {"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", FIN, ERR_EOF, ""},
        {"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", FIN, ERR_EOF, "abc"},
        {"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", RESET, -ECONNRESET, "abc"},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", FIN, ERR_EOF, "abc"},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", FIN, ERR_EOF,
         "abc"},
        {"HTTP/1.1 200 OK\r\n\r\nabc", FIN, 0, "abc"},
        {"HTTP/1.1 200 OK\r\n\r\n", FIN, 0, ""},
        {"HTTP/1.1 200 OK\r\n\r\nabc", RESET, -ECONNRESET, "abc"},
        {"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", FIN, 0, "abc"},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nx", NOTHING,
         ERR_PROTOCOL, "abc"},
        {"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n", NOTHING,
         ERR_PROTOCOL, ""},
        {"what is this\r\n", NOTHING, ERR_PROTOCOL, ""},
        {"HTTP/1.1 200 OK\r\nx: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n"
         "x: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n"
         "x: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n"
         "x: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n"
         "x: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n"
         "x: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n"
         "x: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n",
         NOTHING, ERR_TOO_LARGE, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t piece = 1; piece < 1000; piece += 999 - piece % 2) {
            struct world *w = world_new();
            struct fetch *f = start(w, 0);
            struct sim_peer *up = sim_dialled(w->sim, 0);
            sim_send_pieces(up, str_of(rows[i].sent), piece);
            if (rows[i].then == FIN) sim_fin(up);
            if (rows[i].then == RESET) sim_reset(up);
            if (f->state != (rows[i].err ? FETCH_FAILED : FETCH_DONE) || f->err != rows[i].err)
                fail_msg("%s then %d: state %d, err %d", rows[i].sent, rows[i].then, (int)f->state,
                         f->err);
            assert_true(str_eq(f->body, str_of(rows[i].body)));
            bool refused = rows[i].err == ERR_PROTOCOL || rows[i].err == ERR_TOO_LARGE;
            assert_true((f->why != NULL) == refused);
            if (f->head) assert_int_equal(f->head->status, 200); /* though its connection is gone */
            fetch_end(f);
            assert_true(up->closed);
            world_free(w);
        }
}

static void a_stale_connection_is_told_apart(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct world *w = world_new();
        start(w, 0);
        serve(w, 0, 0);
        struct sim_peer *up = sim_dialled(w->sim, 0);
        if (how == 0) sim_break(up);
        struct fetch *f = start(w, 1);
        if (how == 1) sim_fin(up);
        if (how == 2) sim_reset(up);
        assert_int_equal(f->state, FETCH_FAILED);
        assert_true(f->reused && !f->any_byte && w->one[1].wakes > 0);
        fetch_end(f);
        world_free(w);
    }
}

static void a_paused_fetch_reads_nothing(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct fetch *f = start(w, 0);
    struct sim_peer *up = sim_dialled(w->sim, 0);
    sim_send_text(up, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab");
    fetch_pause(f, true);
    sim_send_text(up, "cd");
    assert_true(str_eq(fetch_take(f), STR("ab")));
    assert_int_equal(f->state, FETCH_BODY);
    fetch_pause(f, false);
    sim_run(w->sim);
    assert_true(str_eq(fetch_take(f), STR("cd")));
    assert_int_equal(f->state, FETCH_DONE);
    fetch_end(f);
    world_free(w);
}

/* A paused fetch that is done goes to the pool reading again, so that its end is noticed. */
static void a_pooled_connection_reads(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct fetch *f = start(w, 0);
    sim_send_text(sim_dialled(w->sim, 0), OK_HEAD "ok");
    fetch_pause(f, true);
    fetch_end(f);
    assert_true(sim_reading(sim_dialled(w->sim, 0)));
    world_free(w);
}

/* A response that its owner has left goes on for a moment, so that the connection can be kept. */
static void a_response_that_was_left_may_end(void **state)
{
    (void)state;
    static const struct {
        const char *then; /* NULL: the connection's end */
        bool again;
    } rows[] = {{"5\r\nabcde\r\n0\r\n\r\n", true},
                {"0\r\nx: trailer\r\n\r\n", true},
                {"0\r\n\r\nX", false},
                {"5\r\nabcde\r\n", false},
                {"garbage\r\n", false},
                {"", false},
                {NULL, false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t piece = 1; piece < 100; piece += 98) {
            struct world *w = world_new();
            struct fetch *f = start(w, 0);
            struct sim_peer *up = sim_dialled(w->sim, 0);
            sim_send_text(up, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n");
            fetch_pause(f, true);
            fetch_leave(f);
            assert_int_equal(f->body.len, 0);
            fetch_end(f);
            assert_false(up->closed);
            unsigned wakes = w->one[0].wakes;
            if (rows[i].then) sim_send_pieces(up, str_of(rows[i].then), piece);
            if (!rows[i].then) sim_fin(up);
            sim_advance(w->sim, HTTP_CLIENT_GRACE_US + 1);
            if (up->closed == rows[i].again) fail_msg("%zu: kept or not", i);
            assert_int_equal(w->one[0].wakes, wakes);
            assert_true(start(w, 1)->reused == rows[i].again);
            world_free(w);
        }
}

static void one_that_may_not_be_kept_is_left_as_well(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct fetch *f = start(w, 0);
    sim_send_text(sim_dialled(w->sim, 0),
                  "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nab");
    fetch_leave(f);
    assert_false(sim_dialled(w->sim, 0)->closed); /* its peer sees no sudden end */
    sim_send_text(sim_dialled(w->sim, 0), "cd");
    assert_true(sim_dialled(w->sim, 0)->closed);
    f = start(w, 1);
    fetch_leave(f); /* before the head: as fetch_end */
    assert_true(sim_dialled(w->sim, 1)->closed);
    f = start(w, 2);
    sim_send_text(sim_dialled(w->sim, 2), OK_HEAD "ok");
    fetch_leave(f);
    assert_false(sim_dialled(w->sim, 2)->closed);
    world_free(w);
}

/* Addresses come and go with reloads: nothing of them stays. */
static void pools_go_with_their_last_connection(void **state)
{
    (void)state;
    struct world *w = world_new();
    start_at(w, 0, "a");
    start_at(w, 1, "b");
    assert_int_equal(w->client.pools.count, 2);
    serve(w, 0, 0);
    assert_int_equal(w->client.pools.count, 2);
    fetch_end(&w->one[1].f);
    assert_int_equal(w->client.pools.count, 1);
    sim_advance(w->sim, 61 * SEC);
    assert_int_equal(w->client.pools.count, 0);
    w->sim->on_dial = SIM_FAIL;
    fetch_end(start_at(w, 2, "c"));
    assert_int_equal(w->client.pools.count, 0);
    world_free(w);
}

static void ending_early_closes(void **state)
{
    (void)state;
    static const char *const sent[] = {"", "HTTP/1.1",
                                       "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n", OK_HEAD "o"};
    for (size_t i = 0; i < ARRAY_LEN(sent); i++) {
        struct world *w = world_new();
        struct fetch *f = start(w, 0);
        sim_send_text(sim_dialled(w->sim, 0), sent[i]);
        fetch_end(f);
        fetch_end(f);
        assert_true(sim_dialled(w->sim, 0)->closed);
        world_free(w);
    }
    struct world *w = world_new();
    w->sim->on_dial = SIM_STALL;
    struct fetch *f = start(w, 0);
    fetch_end(f);
    assert_true(sim_dialled(w->sim, 0)->closed);
    world_free(w);
}

static void an_untaken_body_is_bounded(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct fetch *f = start(w, 0);
    struct sim_peer *up = sim_dialled(w->sim, 0);
    char *block = calloc(1, 65536);
    sim_send_text(up, "HTTP/1.1 200 OK\r\n\r\n");
    for (int i = 0; i < 20; i++)
        sim_send(up, str_n(block, 65536));
    assert_int_equal(f->state, FETCH_FAILED);
    assert_int_equal(f->err, ERR_TOO_LARGE);
    assert_in_range(f->body.len, 900000, 1100000);
    fetch_end(f);
    free(block);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_leaves_in_one_write),
        cmocka_unit_test(chunks_of_one_read_are_joined),
        cmocka_unit_test(the_last_used_connection_is_used_again),
        cmocka_unit_test(no_more_than_idle_max_are_kept),
        cmocka_unit_test(idle_connections_are_closed_in_time),
        cmocka_unit_test(an_idle_connection_that_speaks_or_ends_is_dropped),
        cmocka_unit_test(only_clean_connections_are_used_again),
        cmocka_unit_test(an_answer_to_head_has_no_body),
        cmocka_unit_test(a_body_may_have_many_slices),
        cmocka_unit_test(no_connection_is_a_failure_told_later),
        cmocka_unit_test(breaks_are_failures),
        cmocka_unit_test(a_stale_connection_is_told_apart),
        cmocka_unit_test(a_paused_fetch_reads_nothing),
        cmocka_unit_test(a_pooled_connection_reads),
        cmocka_unit_test(a_response_that_was_left_may_end),
        cmocka_unit_test(one_that_may_not_be_kept_is_left_as_well),
        cmocka_unit_test(pools_go_with_their_last_connection),
        cmocka_unit_test(ending_early_closes),
        cmocka_unit_test(an_untaken_body_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
