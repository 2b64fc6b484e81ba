/* SPDX-License-Identifier: Apache-2.0 */
/* What an exchange sends where, however its bytes are cut: requests, answers, streams, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"

/* --- what is sent --- */

static void requests_and_answers_pass_through(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(
        "  - name: m\n    aliases: [nick]\n    endpoints: [{ url: 'http://10.0.0.1:8000/base/v1', model: "
        "org/real, key: up-secret }]\n");
    struct sim_peer *c = gateway_client(g);
    gateway_ask(
        c,
        "x-request-id: my-id.1\r\nauthorization: Bearer mine\r\nx-api-key: mine\r\ncookie: a=b\r\naccept-encoding: gzip\r\n"
        "connection: x-mine\r\nx-mine: 1\r\nte: trailers\r\nkeep-alive: 5\r\nX-Other: kept\r\nuser-agent: t\r\n",
        "{\"messages\":[ {\"x\":1.50} ], \"model\" : \"nick\" }");
    struct str sent = sim_got(up_of(g, 0));
    assert_string_equal(up_of(g, 0)->address, "10.0.0.1:8000");
    assert_true(str_starts(sent, STR("POST /base/v1/chat/completions HTTP/1.1\r\n")));
    assert_true(
        str_ends(sent, STR("\r\n\r\n{\"messages\":[ {\"x\":1.50} ], \"model\" : \"org/real\" }")));
    static const char *const there[] = {"\r\nhost: 10.0.0.1:8000\r\n",
                                        "\r\nx-request-id: my-id.1\r\n",
                                        "\r\nX-Other: kept\r\n",
                                        "\r\nauthorization: Bearer up-secret\r\n",
                                        "\r\ncontent-length: 50\r\n",
                                        "\r\nuser-agent: t\r\n",
                                        "\r\ncontent-type: application/json\r\n"};
    static const char *const absent[] = {"mine", "cookie",     "gzip",
                                         "te:",  "keep-alive", "localhost"};
    for (size_t i = 0; i < ARRAY_LEN(there); i++)
        if (!holds(sent, there[i])) fail_msg("%s missing in %" STR_FMT, there[i], STR_ARG(sent));
    for (size_t i = 0; i < ARRAY_LEN(absent); i++)
        if (holds(sent, absent[i])) fail_msg("%s stands in %" STR_FMT, absent[i], STR_ARG(sent));
    assert_int_equal(up_of(g, 0)->writes, 1);

    up_json(up_of(g, 0), 200,
            "x-up: 1\r\nconnection: x-hop\r\nx-hop: 1\r\nx-request-id: theirs\r\nset-cookie: s\r\n",
            JSON_TEXT);
    assert_true(same(answer_of(c, 200), JSON_TEXT));
    struct str got = sim_got(c);
    assert_true(holds(got, "\r\nx-up: 1\r\n") && holds(got, "\r\nx-request-id: my-id.1\r\n"));
    assert_false(holds(got, "x-hop") || holds(got, "theirs"));
    assert_int_equal(c->writes, 1);
    assert_false(c->closed);
    gateway_free(g, 1);
}

/* Every further Connection header counts as well. */
static void all_connection_headers_name_hop_headers(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_client(g);
    gateway_ask(c, "connection: x-one\r\nconnection: x-two\r\nx-one: 1\r\nx-two: 2\r\n", ASK_PLAIN);
    assert_false(holds(sim_got(up_of(g, 0)), "x-one") || holds(sim_got(up_of(g, 0)), "x-two"));
    serve(g, 0);
    answer_of(c, 200);
    gateway_free(g, 1);
}

static void streams_go_out_as_they_come_in(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_client(g);
    gateway_ask(c, "", ASK_STREAM);
    assert_true(holds(sim_got(up_of(g, 0)), ",\"stream_options\":{\"include_usage\":true}}"));
    sim_send_text(
        up_of(g, 0),
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        "f\r\ndata: {\"a\":1}\n\n\r\n");
    assert_int_equal(c->writes, 1); /* head and first event */
    assert_true(str_ends(sim_got(c), STR("f\r\ndata: {\"a\":1}\n\n\r\n")));
    sim_send_text(up_of(g, 0), "f\r\ndata: {\"a\":2}\n\n\r\nf\r\ndata: {\"a\":3}\n\n\r\n");
    assert_int_equal(c->writes, 2); /* one read, one write */
    up_chunk(up_of(g, 0), USAGE_EVENT);
    assert_int_equal(c->writes, 2);
    sim_send_text(up_of(g, 0), "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
    assert_int_equal(c->writes, 3);
    assert_true(same(answer_of(c, 200),
                     "data: {\"a\":1}\n\ndata: {\"a\":2}\n\ndata: {\"a\":3}\n\ndata: [DONE]\n\n"));
    assert_int_equal(
        metric_read(&service_stats(snapshot_service(g->snapshot, STR("m")), 0)->tokens_completion),
        2);
    gateway_free(g, 1);
}

/* The upstream's bytes cut at every place give the client the same bytes. */
static void cuts_do_not_matter(void **state)
{
    (void)state;
    static const char *const asks[] = {
        ASK_STREAM, "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
        ASK_PLAIN};
    static const char json[] =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 41\r\n\r\n"
        "{\"choices\":[],\"usage\":{\"a\":\"\xf0\x9f\x98\x80\",\"b\":1}}";
    static const char *const chunks[] = {EVENT("\xe2\x82\xac"), ": ",       "\n", "\n",
                                         USAGE_EVENT,           DONE_EVENT, ""};
    char events[1000] = SSE_HEAD;
    for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
        size_t len = strlen(events);
        snprintf(events + len, sizeof events - len, "%zx\r\n%s\r\n", strlen(chunks[i]), chunks[i]);
    }
    for (size_t ask = 0; ask < ARRAY_LEN(asks); ask++) {
        struct str text = str_of(ask == 2 ? json : events);
        char want[1000] = "";
        size_t want_len = 0;
        for (size_t cut = 0; cut < text.len; cut++) {
            struct gateway *g = gateway_new(ONE);
            struct sim_peer *c = gateway_client(g);
            gateway_ask(c, "x-request-id: i\r\n", asks[ask]);
            sim_send(up_of(g, 0), str_sub(text, 0, cut));
            sim_send(up_of(g, 0), str_skip(text, cut));
            struct str body = answer_of(c, 200);
            if (cut == 0) {
                want_len = body.len;
                memcpy(want, body.ptr, body.len);
                assert_true(holds(body, "\"usage\"") == (ask > 0));
            }
            if (!str_eq(body, str_n(want, want_len)))
                fail_msg("cut at %zu: %" STR_FMT, cut, STR_ARG(body));
            assert_string_equal(gateway_outcomes(g), "ok");
            assert_int_equal(sim_open_count(g->sim), 1);
            gateway_free(g, 1);
        }
    }
}

static void the_clients_request_may_come_in_any_pieces(void **state)
{
    (void)state;
    static const struct str text = STR_INIT(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
        "10\r\n{\"messages\":[],\"\r\nb\r\nmodel\":\"m\"}\r\n0\r\n\r\n");
    for (size_t cut = 1; cut < text.len; cut++) {
        struct gateway *g = gateway_new(ONE);
        struct sim_peer *c = gateway_client(g);
        sim_send_pieces(c, text, cut);
        assert_true(str_ends(sim_got(up_of(g, 0)),
                             STR("content-length: 27\r\n\r\n{\"messages\":[],\"model\":\"m\"}")));
        serve(g, 0);
        answer_of(c, 200);
        gateway_free(g, 1);
    }
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_client(g);
    char two[1000];
    snprintf(
        two, sizeof two,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx-request-id: first\r\ncontent-length: %zu\r\n\r\n%s"
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx-request-id: second\r\ncontent-length: %zu\r\n\r\n%s"
        "GET /livez HTTP/1.1\r\nhost: localhost\r\nx-request-id: third\r\n\r\n",
        strlen(ASK_PLAIN), ASK_PLAIN, strlen(ASK_PLAIN), ASK_PLAIN);
    sim_send_text(c, two);
    assert_int_equal(g->sim->dials, 1);
    assert_true(holds(sim_got(up_of(g, 0)), "first") && !holds(sim_got(up_of(g, 0)), "second"));
    serve(g, 0);
    assert_int_equal(g->sim->dials, 1);
    assert_true(holds(sim_got(up_of(g, 0)), "second"));
    assert_false(holds(sim_got(c), "third"));
    serve(g, 0);
    struct str got = sim_got(c);
    ptrdiff_t first = str_find(got, STR("first")), second = str_find(got, STR("second")),
              third = str_find(got, STR("third"));
    assert_true(first > 0 && second > first && third > second);
    assert_string_equal(gateway_outcomes(g), "ok*3");
    gateway_free(g, 3);
}

/* --- answers of all kinds --- */

static void odd_answers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;       /* the client gets */
        const char *body; /* NULL: an error of ours */
        const char *outcome;
        bool pooled;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", 200, "hi", "ok", true},
        {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhiHTTP/1.1 200", 200, "hi", "ok", false},
        {"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, "", "ok", true},
        {"HTTP/1.1 204 No Content\r\n\r\n", 204, "", "ok", true},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", 200, "hi",
         "ok", true},
        {"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
         200, "hi", "ok", true},
        {"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", 200, "hi", "ok", false},
        {"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi", 200, "hi", "ok",
         false},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 200, "hi",
         "ok", true},
        {"HTTP/1.1 400 Bad\r\ncontent-length: 2\r\n\r\nno", 400, "no", "upstream_status", true},
        {"HTTP/1.1 404 N\r\ncontent-length: 2\r\n\r\nno", 404, "no", "upstream_status", true},
        {"HTTP/1.1 422 N\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", 422, "no",
         "upstream_status", true},
        {"HTTP/1.1 500 N\r\ncontent-length: 2\r\n\r\nno", 500, "no", "upstream_status", true},
        {"HTTP/1.1 429 N\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\nno", 429, "no",
         "upstream_status", true},
        {"HTTP/1.1 401 N\r\ncontent-length: 2\r\n\r\nno", 502, NULL, "upstream_failed", true},
        {"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n", 502, NULL,
         "upstream_failed", true},
        {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
         502, NULL, "upstream_failed", false},
        {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi", 502, NULL,
         "upstream_failed", false},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n", 502, NULL,
         "upstream_failed", false},
        {"SMTP ready\r\n", 502, NULL, "upstream_failed", false},
        {"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 29\r\n\r\ndata: {\"a\":1}\n\ndata: [DONE]\n\n",
         200, "data: {\"a\":1}\n\ndata: [DONE]\n\n", "ok", true},
        {"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 33\r\n\r\ndata: {\"error\":{\"message\":\"x\"}}\n\n",
         200, "data: {\"error\":{\"message\":\"x\"}}\n\n", "upstream_broken", true},
        /* called an event stream, and none */
        {"HTTP/1.1 400 Bad\r\ncontent-type: text/event-stream\r\ncontent-length: 15\r\n\r\n{\"error\":\"x y\"}",
         400, "{\"error\":\"x y\"}", "upstream_status", true},
        {"HTTP/1.1 422 No\r\ncontent-type: text/event-stream\r\ncontent-length: 15\r\n\r\n<html>no</html>",
         422, "<html>no</html>", "upstream_status", true},
        {"HTTP/1.1 400 Bad\r\ncontent-type: text/event-stream\r\ncontent-length: 9\r\n\r\ndata: {}\n",
         400, "data: {}\n", "upstream_status", true},
        {"HTTP/1.1 400 Bad\r\ncontent-type: text/event-stream\r\ncontent-length: 0\r\n\r\n", 400,
         "", "upstream_status", true},
        {"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 16\r\n\r\n{\"error\":\"x y\"}\n",
         200, "data: {\"error\":\"x y\"}\n\n", "upstream_broken", true},
        {"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 22\r\n\r\ndata: {\"error\":\"x y\"}\n",
         200, "data: {\"error\":\"x y\"}\n\n", "upstream_broken", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t piece = 1; piece < 3000; piece += 2900) {
            char text[1000];
            struct gateway *g = gateway_new(ONE);
            struct sim_peer *c = gateway_client(g);
            gateway_ask(c, "", ASK_PLAIN);
            snprintf(text, sizeof text, "%s", rows[i].text);
            sim_send_pieces(up_of(g, 0), str_of(text), piece);
            struct str body = answer_of(c, rows[i].status);
            if (rows[i].body && !same(body, rows[i].body))
                fail_msg("%s: %" STR_FMT, text, STR_ARG(body));
            if (strcmp(gateway_outcomes(g), rows[i].outcome) != 0)
                fail_msg("%s: %s", text, gateway_outcomes(g));
            if (piece > 1 && (sim_open_count(g->sim) == 1) != rows[i].pooled)
                fail_msg("%s: pooled or not", text);
            gateway_free(g, 1);
        }
}

static void a_head_over_the_limit_is_a_failure(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_client(g);
    gateway_ask(c, "", ASK_PLAIN);
    sim_send_text(up_of(g, 0), "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 100 && !up_of(g, 0)->closed; i++)
        sim_send_text(
            up_of(g, 0),
            "x-header: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n");
    assert_true(holds(answer_of(c, 502), "upstream_error"));
    gateway_free(g, 1);
}

/* --- ends of streams --- */

static void ends_of_streams(void **state)
{
    (void)state;
    static const struct {
        const char *text; /* behind an event */
        bool end;         /* the body's regular end; else the connection is reset */
        const char *body; /* what the client has behind the event; NULL: an error of ours */
        const char *outcome;
    } rows[] = {
        {DONE_EVENT, true, DONE_EVENT, "ok"},
        {DONE_EVENT, false, DONE_EVENT, "ok"},
        {"data: [DONE]\n", true, DONE_EVENT, "ok"},
        {"data: [DONE]", false, DONE_EVENT, "ok"},
        {"data:[DONE]\r\n\r\n", true, "data:[DONE]\r\n\r\n", "ok"},
        {END_EVENT, true, END_EVENT DONE_EVENT, "ok"},
        {END_EVENT, false, END_EVENT DONE_EVENT, "ok"},
        {END_EVENT USAGE_EVENT, true, END_EVENT DONE_EVENT, "ok"},
        {END_EVENT DONE_EVENT, true, END_EVENT DONE_EVENT, "ok"},
        {END_EVENT "data: {\"half", true, END_EVENT DONE_EVENT, "ok"},
        {"", true, NULL, "upstream_broken"},
        {"", false, NULL, "upstream_broken"},
        {"data: [DON", true, NULL, "upstream_broken"},
        {"data: {\"half", true, NULL, "upstream_broken"},
        {"data: {\"error\":{\"message\":\"x\"}}\n\n", true,
         "data: {\"error\":{\"message\":\"x\"}}\n\n", "upstream_broken"},
        {"data: {\"error\":{\"message\":\"x\"}}\n\n", false,
         "data: {\"error\":{\"message\":\"x\"}}\n\n", "upstream_broken"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct gateway *g = gateway_new(ONE);
        struct sim_peer *c = gateway_stream(g);
        up_chunk(up_of(g, 0), EVENT("x"));
        if (rows[i].text[0]) up_chunk(up_of(g, 0), rows[i].text);
        if (rows[i].end)
            sim_send_text(up_of(g, 0), LAST_CHUNK);
        else
            sim_reset(up_of(g, 0));
        struct str rest = str_skip(answer_of(c, 200), strlen(EVENT("x")));
        bool fine = rows[i].body ? same(rest, rows[i].body)
                                 : str_starts(rest, STR("data: {\"error\":")) &&
                                       !holds(rest, "DON") && !holds(rest, "half");
        if (!fine || strcmp(gateway_outcomes(g), rows[i].outcome) != 0)
            fail_msg("%s, %d: %s, %" STR_FMT, rows[i].text, rows[i].end, gateway_outcomes(g),
                     STR_ARG(rest));
        gateway_free(g, 1);
    }
}

/* [DONE] is the end for the client and for the credit, whatever the body does; the connection is
 * kept if that ends soon. */
static void done_ends_the_answer(void **state)
{
    (void)state;
    static const struct {
        const char *then; /* comes behind; NULL: the connection's end */
        bool pooled;
    } rows[] = {{LAST_CHUNK, true},
                {"5\r\n: bye\r\n0\r\n\r\n", true},
                {"0\r\n\r\nHTTP/1.1 200 OK\r\n", false},
                {"", false},
                {"5\r\n: bye\r\n", false},
                {"what is this", false},
                {NULL, false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct gateway *g = gateway_new(ONE_OF(1, ""));
        struct sim_peer *c = gateway_stream(g);
        up_chunk(up_of(g, 0), EVENT("x") DONE_EVENT);
        assert_true(same(answer_of(c, 200), EVENT("x") DONE_EVENT));
        assert_string_equal(gateway_outcomes(g), "ok");
        assert_int_equal(gateway_inflight(g), 0);
        assert_false(up_of(g, 0)->closed);
        if (rows[i].then && rows[i].then[0]) sim_send_text(up_of(g, 0), rows[i].then);
        if (!rows[i].then) sim_fin(up_of(g, 0));
        sim_advance(g->sim, 2 * SEC);
        if (up_of(g, 0)->closed == rows[i].pooled) fail_msg("%zu: kept or not", i);
        gateway_ask(c, "", ASK_PLAIN);
        assert_int_equal(g->sim->dials, rows[i].pooled ? 1 : 2);
        serve(g, rows[i].pooled ? 0 : 1);
        sim_advance(g->sim, 60 * SEC);
        gateway_free(g, 2);
    }
}

/* A runtime that says nothing more behind its finish_reason has given the whole answer. */
static void a_timeout_behind_the_finish_reason_is_an_end(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_stream(g);
    up_chunk(up_of(g, 0), EVENT("x") END_EVENT);
    sim_advance(g->sim, 50 * SEC);
    assert_true(same(answer_of(c, 200), EVENT("x") END_EVENT DONE_EVENT));
    assert_string_equal(gateway_outcomes(g), "ok");
    gateway_free(g, 1);
}

static uint64_t completion_tokens(struct gateway *g)
{
    return metric_read(
        &service_stats(snapshot_service(g->snapshot, STR("m")), 0)->tokens_completion);
}

/* A stream that ends without usage is counted by its deltas, whoever ends it. */
static void streams_without_usage_are_estimated(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct gateway *g = gateway_new(ONE);
        struct sim_peer *c = gateway_stream(g);
        up_chunk(up_of(g, 0), EVENT("") EVENT("x") EVENT("y") EVENT("z"));
        if (how == 0) sim_fin(c);
        if (how == 1) sim_reset(up_of(g, 0));
        if (how == 2) up_chunk(up_of(g, 0), DONE_EVENT);
        assert_int_equal(completion_tokens(g), 3);
        sim_advance(g->sim, 2 * SEC);
        gateway_free(g, 1);
    }
}

/* The rule that a runtime breaks is named. */
static void a_broken_rule_is_named(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi", "Content-Length"},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n", "transfer coding"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct gateway *g = gateway_new(ONE);
        struct sim_peer *c = gateway_client(g);
        gateway_ask(c, "", ASK_PLAIN);
        sim_send_text(up_of(g, 0), rows[i][0]);
        assert_true(holds(answer_of(c, 502), rows[i][1]));
        gateway_free(g, 1);
    }
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_stream(g);
    up_chunk(up_of(g, 0), EVENT("x"));
    sim_send_text(up_of(g, 0), "xyz\r\n");
    assert_true(holds(answer_of(c, 200), "chunk size"));
    gateway_free(g, 1);
}

/* --- refusals of our own --- */

static void requests_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        int status;
        const char *outcome;
        const char *holds;
    } rows[] = {
        {"GET /x HTTP/1.1\r\nhost: localhost\r\n\r\n", 404, "not_found", "unknown_url"},
        {"GET /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n\r\n", 405, "bad_request",
         "allow: POST"},
        {"GET /livez HTTP/1.1\r\nhost: evil.example\r\n\r\n", 403, "forbidden", "foreign_host"},
        {"GET /livez HTTP/1.1\r\nhost: localhost\r\norigin: http://evil.example\r\n\r\n", 403,
         "forbidden", "foreign_host"},
        {"GET /livez HTTP/1.1\r\nhost: localhost.evil.example\r\n\r\n", 403, "forbidden",
         "foreign_host"},
        {"GET /livez HTTP/1.1\r\nhost: 127.0.0.1.evil.example\r\n\r\n", 403, "forbidden",
         "foreign_host"},
        {"GET /livez HTTP/1.1\r\nhost: localhost\r\norigin: null\r\n\r\n", 403, "forbidden",
         "foreign_host"},
        {"GET /livez HTTP/1.1\r\nhost: 127.0.0.1:8080\r\norigin: http://localhost:3000\r\n\r\n",
         200, "ok", "\"ok\""},
        {"GET /livez HTTP/1.1\r\nhost: [::1]:8080\r\n\r\n", 200, "ok", "\"ok\""},
        {"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}", 400,
         "bad_request", "'model' is missing"},
        {"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n", 400,
         "bad_request", "no body"},
        {"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\r\n{\"a\"", 400,
         "bad_request", "not valid JSON"},
        {"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 13\r\n\r\n{\"model\":\"x\"}",
         404, "not_found", "model_not_found"},
        {"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
         415, "bad_request", "unsupported_encoding"},
        {"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 65537\r\n\r\n", 413,
         "bad_request", "request_too_large"},
        {"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
         400, "bad_request", "bad_framing"},
        {"POST /v1/completions HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}", 400, "bad_request",
         "Host"},
        {"OPTIONS /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n", 204, "ok", "allow: GET"},
        {"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n", 200, "ok", "\"id\":\"m\""},
        {"GET /v1/models/m HTTP/1.1\r\nhost: localhost\r\n\r\n", 200, "ok", "\"id\":\"m\""},
        {"GET /v1/models/x HTTP/1.1\r\nhost: localhost\r\n\r\n", 404, "not_found",
         "model_not_found"},
        {"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n", 200, "ok", "\"ready\""},
        {"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n", 200, "ok", "# metrics"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct gateway *g = gateway_new(ONE);
        struct sim_peer *c = gateway_client(g);
        sim_send_text(c, rows[i].request);
        struct sim_answer a;
        sim_answer(sim_got(c), false, c->closed, &a);
        if (a.state != SIM_WHOLE || a.status != rows[i].status ||
            !holds(sim_got(c), rows[i].holds) || strcmp(gateway_outcomes(g), rows[i].outcome) != 0)
            fail_msg("%s: %s: %" STR_FMT, rows[i].request, gateway_outcomes(g),
                     STR_ARG(sim_got(c)));
        sim_answer_fini(&a);
        assert_int_equal(g->sim->dials, 0);
        sim_advance(g->sim, 5 * SEC);
        gateway_free(g, 1);
    }
}

static void keys_are_needed_when_there_are_some(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        const char *model;
        int status;
    } rows[] = {
        {"", "m", 401},
        {"authorization: Bearer wrong-key\r\n", "m", 401},
        {"authorization: Bearer secret-key-1\r\n", "m", 200},
        {"authorization: bearer secret-key-1\r\n", "m", 200},
        {"x-api-key: secret-key-1\r\n", "m", 200},
        {"api-key: secret-key-1\r\n", "m", 200},
        {"authorization: Basic secret-key-1\r\n", "m", 401},
        {"authorization: Bearer secret-key-1\r\n", "n", 403},
        {"authorization: Bearer secret-key-2\r\n", "n", 200},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct gateway *g = gateway_new(
            "  - { name: m, endpoints: [{ url: 'http://10.0.0.1:80' }] }\n"
            "  - { name: n, endpoints: [{ url: 'http://10.0.0.1:80' }] }\n"
            "keys: [{ name: one, key: secret-key-1, models: [m] }, { name: two, key: secret-key-2, models: ['*'] }]\n");
        struct sim_peer *c = gateway_client(g);
        char body[100];
        snprintf(body, sizeof body, "{\"model\":\"%s\"}", rows[i].model);
        gateway_ask(c, rows[i].header, body);
        if (rows[i].status == 200) {
            assert_false(holds(sim_got(up_of(g, 0)), "secret-key"));
            serve(g, 0);
        } else {
            assert_int_equal(g->sim->dials, 0);
        }
        answer_of(c, rows[i].status);
        gateway_free(g, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_and_answers_pass_through),
        cmocka_unit_test(all_connection_headers_name_hop_headers),
        cmocka_unit_test(streams_go_out_as_they_come_in),
        cmocka_unit_test(cuts_do_not_matter),
        cmocka_unit_test(the_clients_request_may_come_in_any_pieces),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(odd_answers),
        cmocka_unit_test(a_head_over_the_limit_is_a_failure),
        cmocka_unit_test(requests_that_are_refused),
        cmocka_unit_test(keys_are_needed_when_there_are_some),
        cmocka_unit_test(ends_of_streams),
        cmocka_unit_test(done_ends_the_answer),
        cmocka_unit_test(a_timeout_behind_the_finish_reason_is_an_end),
        cmocka_unit_test(streams_without_usage_are_estimated),
        cmocka_unit_test(a_broken_rule_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
