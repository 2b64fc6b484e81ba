/* SPDX-License-Identifier: Apache-2.0 */
/* Every phase of an exchange times everything that can go wrong in it.
 *
 * After each: the exchange is settled exactly once, no credit and no upstream connection is
 * left, and the client has a whole, well-formed answer or a cut connection; a stream ends with
 * [DONE] or with an error event, never with both. */
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

#define ONE_BUSY \
    "  - name: m\n    endpoints: [{ url: 'http://10.0.0.1:80/v1', name: a, capacity: 1 }]\n    queue_timeout: 30s\n"

enum phase {
    HEAD,   /* part of the request's head is there */
    BODY,   /* head, and part of the body */
    QUEUED, /* another exchange has the only credit */
    CONNECTING,
    AWAITING,   /* the request was sent */
    UP_HEAD,    /* part of the answer's head is there */
    ALL_HEAD,   /* a stream's whole head, no event */
    EVENTS,     /* and an event */
    MID_EVENT,  /* and part of the next */
    MID_UTF8,   /* which ends within a character */
    AFTER_DONE, /* [DONE], but the body has not ended */
    PLAIN,      /* part of a JSON body with its length */
    CHUNKED,    /* part of a JSON body in chunks */
    UNTIL_END,  /* part of a JSON body that ends with the connection */
    PHASES
};

static const char *const phase_names[] = {
    "head",   "body",      "queued",   "connecting", "awaiting", "up_head", "all_head",
    "events", "mid_event", "mid_utf8", "after_done", "plain",    "chunked", "until_end"};

enum event {
    CLIENT_FIN,
    CLIENT_RESET,
    NO_MORE, /* time passes */
    UP_FIN,  /* CONNECTING: refused */
    UP_RESET,
    GARBAGE, /* the upstream breaks the protocol */
    STOP,    /* the worker ends */
    EVENT_COUNT
};

static const char *const event_names[] = {"client_fin", "client_reset", "no_more", "up_fin",
                                          "up_reset",   "garbage",      "stop"};

/* How the exchange ends; NULL: it cannot happen. "-": there was none yet. A status before it is
 * the answer's; without one the answer is cut, or was never begun. "200!" is a stream that ends
 * with an error event. */
static const char *const want[PHASES][EVENT_COUNT] = {
    /*               client_fin     client_reset   no_more                up_fin                 up_reset               garbage                stop */
    [HEAD] = {"-", "-", "-", NULL, NULL, NULL, "-"},
    [BODY] = {"client_gone", "client_gone", "408 timeout", NULL, NULL, NULL, "503 draining"},
    [QUEUED] = {"client_gone", "client_gone", "503 queue_timeout", NULL, NULL, NULL,
                "503 draining"},
    [CONNECTING] = {"client_gone", "client_gone", "504 timeout", "502 upstream_failed",
                    "502 upstream_failed", NULL, "503 draining"},
    [AWAITING] = {"client_gone", "client_gone", "504 timeout", "502 upstream_failed",
                  "502 upstream_failed", "502 upstream_failed", "503 draining"},
    [UP_HEAD] = {"client_gone", "client_gone", "504 timeout", "502 upstream_failed",
                 "502 upstream_failed", "502 upstream_failed", "503 draining"},
    [ALL_HEAD] = {"client_gone", "client_gone", "200! timeout", "502 upstream_failed",
                  "502 upstream_failed", "502 upstream_failed", "503 draining"},
    [EVENTS] = {"client_gone", "client_gone", "200! timeout", "200! upstream_broken",
                "200! upstream_broken", "200! upstream_broken", "200! draining"},
    [MID_EVENT] = {"client_gone", "client_gone", "200! timeout", "200! upstream_broken",
                   "200! upstream_broken", "200! upstream_broken", "200! draining"},
    [MID_UTF8] = {"client_gone", "client_gone", "200! timeout", "200! upstream_broken",
                  "200! upstream_broken", "200! upstream_broken", "200! draining"},
    [AFTER_DONE] = {"200 ok", "200 ok", "200 ok", "200 ok", "200 ok", "200 ok", "200 ok"},
    [PLAIN] = {"client_gone", "client_gone", "timeout", "upstream_broken", "upstream_broken", NULL,
               "draining"},
    [CHUNKED] = {"client_gone", "client_gone", "timeout", "upstream_broken", "upstream_broken",
                 "upstream_broken", "draining"},
    [UNTIL_END] = {"client_gone", "client_gone", "timeout", "200 ok", "upstream_broken", NULL,
                   "draining"},
};

struct scene {
    struct gateway *g;
    struct sim_peer *client, *up;
    struct sim_peer *other, *other_up; /* QUEUED: who has the credit */
};

static void get_to(struct scene *s, enum phase phase)
{
    s->g = gateway_new(ONE_BUSY);
    struct sim *sim = s->g->sim;
    if (phase == QUEUED) {
        s->other = gateway_client(s->g);
        gateway_ask(s->other, "", ASK_STREAM);
        s->other_up = sim_dialled(sim, 0);
        sim_send_text(s->other_up, SSE_HEAD);
    }
    s->client = gateway_client(s->g);
    if (phase == HEAD) {
        sim_send_text(s->client, "POST /v1/chat/comp");
        return;
    }
    if (phase == BODY) {
        sim_send_text(
            s->client,
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{\"mod");
        return;
    }
    sim->on_dial = phase == CONNECTING ? SIM_STALL : SIM_ACCEPT;
    gateway_ask(s->client, "", phase >= PLAIN ? ASK_PLAIN : ASK_STREAM);
    if (phase == QUEUED) {
        assert_int_equal(gateway_waiting(s->g), 1);
        return;
    }
    s->up = sim_dialled(sim, 0);
    if (phase == UP_HEAD) sim_send_text(s->up, "HTTP/1.1 200 OK\r\ncontent-ty");
    if (phase >= ALL_HEAD && phase < PLAIN) sim_send_text(s->up, SSE_HEAD);
    if (phase >= EVENTS && phase < PLAIN) up_chunk(s->up, EVENT("one"));
    if (phase == MID_EVENT) up_chunk(s->up, "data: {\"choices\":[");
    if (phase == MID_UTF8)
        up_chunk(s->up, "data: {\"choices\":[{\"delta\":{\"content\":\"\xe2\x82");
    if (phase == AFTER_DONE) up_chunk(s->up, DONE_EVENT);
    if (phase == PLAIN)
        sim_send_text(s->up, "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"choices\":[");
    if (phase == CHUNKED)
        sim_send_text(s->up, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{\"c\r\n");
    if (phase == UNTIL_END) sim_send_text(s->up, "HTTP/1.1 200 OK\r\n\r\n{\"choices\":[");
}

static void happen(struct scene *s, enum phase phase, enum event event)
{
    switch (event) {
    case CLIENT_FIN: sim_fin(s->client); break;
    case CLIENT_RESET: sim_reset(s->client); break;
    case NO_MORE: sim_advance(s->g->sim, 400 * SEC); break;
    case UP_FIN:
        if (phase == CONNECTING)
            sim_open(s->up, -ECONNREFUSED);
        else
            sim_fin(s->up);
        break;
    case UP_RESET:
        if (phase == CONNECTING)
            sim_open(s->up, -ECONNRESET);
        else
            sim_reset(s->up);
        break;
    case GARBAGE: sim_send_text(s->up, "\x01 what is this\r\n\r\n"); break;
    case STOP: gateway_stop(s->g); break;
    default: fail();
    }
}

/* What the client holds, against what was wanted. */
static const char *check_answer(const struct scene *s, const char *expected)
{
    struct sim_answer a;
    const char *wrong = NULL;
    sim_answer(sim_got(s->client), false, s->client->closed, &a);
    struct str body = buf_str(&a.body);
    int status = expected[0] >= '0' && expected[0] <= '9' ? atoi(expected) : 0;
    bool error_wanted = status && strchr(expected, '!');
    bool event_stream = str_starts(sim_answer_header(&a, "content-type"), STR("text/event-stream"));
    bool done = holds(body, "data: [DONE]\n\n"), error = holds(body, "data: {\"error\":");
    if (a.state == SIM_MALFORMED)
        wrong = "malformed answer";
    else if (status && a.state != SIM_WHOLE)
        wrong = "no whole answer";
    else if (status && a.status != status)
        wrong = "wrong status";
    else if (!status && a.state == SIM_WHOLE && !(done && !error))
        wrong = "a whole answer where none is";
    else if (!status && !s->client->closed && strcmp(expected, "client_gone") != 0)
        wrong = "neither answered nor closed";
    else if (done && error)
        wrong = "[DONE] and an error";
    else if (error_wanted && (!error || !str_ends(body, STR("}}\n\n"))))
        wrong = "the stream's error event is missing";
    else if (event_stream && status && !error_wanted && !done)
        wrong = "a whole stream without [DONE]";
    else if (event_stream && body.len && !str_ends(body, STR("\n\n")))
        wrong = "part of an event";
    else if (status >= 400 &&
             !(holds(body, "{\"error\":{\"message\":\"") && holds(body, "\"type\":")))
        wrong = "an error in another shape";
    sim_answer_fini(&a);
    return wrong;
}

static void check_cell(enum phase phase, enum event event)
{
    struct scene s = {0};
    const char *expected = want[phase][event];
    get_to(&s, phase);
    happen(&s, phase, event);
    const char *wrong = check_answer(&s, expected);
    const char *outcome = strrchr(expected, ' ') ? strrchr(expected, ' ') + 1 : expected;
    unsigned exchanges = strcmp(expected, "-") == 0 ? 0 : 1;
    if (s.other && event != STOP &&
        event != NO_MORE) { /* the one that had the credit is not disturbed */
        assert_int_equal(gateway_inflight(s.g), 1);
        up_chunk(s.other_up, EVENT("x") DONE_EVENT);
        sim_send_text(s.other_up, LAST_CHUNK);
        answer_of(s.other, 200);
    }
    char outcomes[100] = "";
    if (exchanges) snprintf(outcomes, sizeof outcomes, "%s", outcome);
    if (s.other && event == STOP) snprintf(outcomes, sizeof outcomes, "%s*2", outcome);
    if (s.other && event == NO_MORE) snprintf(outcomes, sizeof outcomes, "queue_timeout timeout");
    if (s.other && event <= CLIENT_RESET) snprintf(outcomes, sizeof outcomes, "ok %s", outcome);
    if (wrong || strcmp(gateway_outcomes(s.g), outcomes) != 0)
        fail_msg("%s, %s: %s; outcome %s, want %s; client has %" STR_FMT "%s", phase_names[phase],
                 event_names[event], wrong ? wrong : "answer fine", gateway_outcomes(s.g), outcomes,
                 STR_ARG(sim_got(s.client)), s.client->closed ? " (closed)" : "");
    if (event != STOP) sim_advance(s.g->sim, 500 * SEC);
    gateway_free(s.g, exchanges + (s.other != NULL));
}

static void check_phase(void **state)
{
    enum phase phase = (enum phase)(uintptr_t)*state;
    for (unsigned event = 0; event < EVENT_COUNT; event++)
        if (want[phase][event]) check_cell(phase, (enum event)event);
}

int main(void)
{
    struct CMUnitTest tests[PHASES];
    for (unsigned i = 0; i < PHASES; i++)
        tests[i] = (struct CMUnitTest){.name = phase_names[i],
                                       .test_func = check_phase,
                                       .initial_state = (void *)(uintptr_t)i};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
