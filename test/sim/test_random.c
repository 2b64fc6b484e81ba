/* SPDX-License-Identifier: Apache-2.0 */
/* Clients, runtimes and the clock do anything in any order, from a seed; whatever happens, every
 * answer is whole and right or visibly cut, and nothing is left behind. HOSTLER_SIM_SEED repeats
 * one round. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "gateway.h"
#include "obs/log.h"

static const char models[] =
    "  - name: m\n    policy: round_robin\n    fallback: [n]\n    queue_max: 3\n    queue_timeout: 20s\n"
    "    endpoints:\n      - { url: 'http://10.0.0.1:80/v1', name: a, capacity: 2 }\n"
    "      - { url: 'http://10.0.0.2:80/v1', name: b, capacity: 1 }\n"
    "  - { name: n, endpoints: [{ url: 'http://10.0.0.3:80/v1', name: c, capacity: 1 }] }\n"
    "health: { failures: 3, cooldown: 2s, cooldown_max: 5s }\n";

enum { CLIENTS = 6, STEPS = 150, EVENTS_MAX = 40, ASKS_MAX = 40 };

/* What a runtime is sending on one connection. */
struct script {
    struct buf out; /* of the current answer, not sent yet */
    size_t seen;    /* bytes of requests answered already */
};

struct client {
    struct sim_peer *peer;
    unsigned asked;
    bool reading;
};

struct world {
    struct gateway *g;
    struct rng rng;
    struct client clients[CLIENTS];
    struct script scripts[SIM_PEERS];
    unsigned asked; /* requests whose every byte was sent */
    bool stopped;
};

static uint64_t below(struct world *w, uint64_t n)
{
    return rng_below(&w->rng, n);
}

/* --- clients --- */

static void client_asks(struct world *w, struct client *c)
{
    char text[1000];
    if (c->peer && (c->peer->closed || c->peer->ending)) c->peer = NULL;
    if (!c->peer) {
        c->peer = gateway_client(w->g);
        c->asked = 0;
        c->peer->window = below(w, 3) ? SIZE_MAX : below(w, 3000);
    }
    if (c->peer->closed) return;
    const char *body = below(w, 2) ? ASK_STREAM : ASK_PLAIN;
    int n = snprintf(
        text, sizeof text,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %zu\r\n%s\r\n%s",
        strlen(body), below(w, 10) ? "" : "x-stainless-timeout: 15\r\n", body);
    struct str rest = str_n(text, (size_t)n);
    while (rest.len && !c->peer->closed) {
        size_t piece = below(w, 3) ? rest.len : 1 + below(w, rest.len);
        sim_send(c->peer, str_sub(rest, 0, piece));
        rest = str_skip(rest, piece);
        if (rest.len && below(w, 10) == 0)
            return; /* never sends the rest: what comes next makes it malformed */
    }
    c->asked++;
}

static void client_acts(struct world *w, struct client *c)
{
    if (!c->peer || c->peer->closed || c->peer->ending) {
        client_asks(w, c);
        return;
    }
    switch (below(w, 8)) {
    case 0: sim_fin(c->peer); break;
    case 1: sim_reset(c->peer); break;
    case 2:
    case 3: sim_take(c->peer, below(w, 5000)); break;
    case 4: sim_take(c->peer, 1000000); break;
    default:
        if (c->asked < 3) client_asks(w, c);
    }
}

/* --- runtimes --- */

static void add(struct buf *out, const char *text)
{
    assert_int_equal(buf_append(out, str_of(text)), 0);
}

static void add_chunk(struct buf *out, const char *text)
{
    assert_int_equal(buf_printf(out, "%zx\r\n%s\r\n", strlen(text), text), 0);
}

static void write_stream(struct world *w, struct buf *out)
{
    char event[400];
    uint64_t events = below(w, EVENTS_MAX);
    add(out, SSE_HEAD);
    for (uint64_t i = 0; i < events; i++) {
        int size = (int)below(w, 200);
        snprintf(
            event, sizeof event, "data: {\"n\":%d,\"x\":\"%.*s\"}\n\n", (int)i, size,
            "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac");
        add_chunk(out, event);
    }
    add_chunk(out, USAGE_EVENT);
    add_chunk(out, DONE_EVENT);
    add(out, LAST_CHUNK);
}

static void write_answer(struct world *w, bool stream, struct buf *out)
{
    static const char *const errors[] = {
        "HTTP/1.1 500 X\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 429 X\r\nretry-after: 1\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 400 X\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 503 X\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}", "garbage\r\n\r\n"};
    buf_clear(out);
    if (below(w, 8) == 0)
        add(out, errors[below(w, ARRAY_LEN(errors))]);
    else if (stream)
        write_stream(w, out);
    else
        assert_int_equal(buf_printf(out, "HTTP/1.1 200 OK\r\ncontent-length: %zu\r\n\r\n%s",
                                    strlen(JSON_TEXT), JSON_TEXT),
                         0);
}

static void runtime_acts(struct world *w, unsigned n)
{
    struct sim_peer *up = w->g->sim->dialled[n];
    struct script *s = &w->scripts[n];
    if (up->closed || up->ending) return;
    if (up->opening) {
        sim_open(up, below(w, 4) ? 0 : -ECONNREFUSED);
        return;
    }
    if (!s->out.max) buf_init(&s->out, 1 << 20);
    struct str asked = str_skip(sim_got(up), s->seen);
    if (buf_len(&s->out) == 0 && asked.len) {
        write_answer(w, str_find(asked, STR("\"stream\":true")) >= 0, &s->out);
        s->seen += asked.len;
    }
    switch (below(w, 12)) {
    case 0: sim_fin(up); return;
    case 1: sim_reset(up); return;
    default: break;
    }
    size_t piece = below(w, 3) ? buf_len(&s->out) : below(w, buf_len(&s->out) + 1);
    struct str text = str_sub(buf_str(&s->out), 0, piece);
    char *copy = str_dup(text);
    buf_consume(&s->out, piece);
    sim_send(up, str_n(copy, piece));
    free(copy);
}

/* --- what must hold --- */

/* A stream's body: events in order without a hole, no usage that nobody asked for, one end. */
static const char *check_stream_body(struct str body, bool whole)
{
    struct str rest = body;
    int next = 0;
    bool over = false;
    while (rest.len) {
        ptrdiff_t end = str_find(rest, STR("\n\n"));
        if (end < 0) return "part of an event";
        struct str event = str_sub(rest, 0, (size_t)end);
        rest = str_skip(rest, (size_t)end + 2);
        char want[32];
        snprintf(want, sizeof want, "data: {\"n\":%d,", next);
        if (over) return "more behind the end";
        if (str_starts(event, str_of(want)))
            next++;
        else if (str_eq(event, STR("data: [DONE]")) || str_starts(event, STR("data: {\"error\":")))
            over = true;
        else
            return "an event that does not belong there";
    }
    return whole && !over ? "whole without an end" : NULL;
}

static const char *check_answers(const struct client *c)
{
    struct str bytes = sim_got(c->peer);
    for (unsigned n = 0; bytes.len; n++) {
        struct sim_answer a;
        const char *wrong = NULL;
        sim_answer(bytes, false, c->peer->closed, &a);
        struct str body = buf_str(&a.body);
        bool whole = a.state == SIM_WHOLE;
        if (a.state == SIM_MALFORMED)
            wrong = "malformed";
        else if (str_eq(sim_answer_header(&a, "content-type"), STR("text/event-stream")))
            wrong = whole || !a.chunked ? check_stream_body(body, whole) : NULL;
        else if (whole && a.status == 200 && !str_eq(body, STR(JSON_TEXT)))
            wrong = "another body";
        bytes = whole ? str_skip(bytes, a.used) : STR_NULL;
        sim_answer_fini(&a);
        if (wrong) return wrong;
    }
    return NULL;
}

static void look(struct world *w, uint64_t seed, int at)
{
    for (int i = 0; i < CLIENTS; i++) {
        const char *wrong = w->clients[i].peer ? check_answers(&w->clients[i]) : NULL;
        if (wrong)
            fail_msg("HOSTLER_SIM_SEED=%llu, step %d, client %d: %s: %" STR_FMT,
                     (unsigned long long)seed, at, i, wrong, STR_ARG(sim_got(w->clients[i].peer)));
    }
    assert_in_range(gateway_inflight(w->g), 0, 4);
    assert_in_range(gateway_waiting(w->g), 0, CLIENTS);
}

static void act(struct world *w)
{
    switch (below(w, 20)) {
    case 0: w->g->sim->on_dial = (enum sim_dialled)below(w, 4); break;
    case 1:
    case 2: w->g->sim->on_dial = SIM_ACCEPT; break;
    case 3: sim_advance(w->g->sim, below(w, 30) * SEC); break;
    case 4:
    case 5: sim_advance(w->g->sim, below(w, 1000) * MSEC); break;
    case 6:
        if (below(w, 20) == 0) worker_drain(&w->g->worker);
        sim_run(w->g->sim);
        break;
    case 7: mesh_tick(w->g->mesh, loop_now(w->g->sim->loop)); break;
    default:
        if (below(w, 3) && w->g->sim->dials)
            runtime_acts(w, (unsigned)(w->g->sim->dials - 1 - below(w, MIN(w->g->sim->dials, 5))));
        else
            client_acts(w, &w->clients[below(w, CLIENTS)]);
    }
}

static void round_of(uint64_t seed)
{
    struct world *w = calloc(1, sizeof *w);
    rng_seed(&w->rng, seed);
    w->g = gateway_new(models);
    rng_seed(&w->g->worker.lane.rng, seed);
    for (int i = 0; i < STEPS && w->g->sim->dials < SIM_PEERS - 40; i++) {
        act(w);
        if (i % 10 == 9) look(w, seed, i);
    }
    if (below(w, 2)) { /* time ends everything; else the worker's end does */
        w->g->sim->on_dial = SIM_STALL;
        sim_advance(w->g->sim, 2000 * SEC);
        look(w, seed, STEPS);
        if (!list_empty(&w->g->worker.lane.exchanges) || gateway_inflight(w->g) ||
            sim_open_count(w->g->sim))
            fail_msg("HOSTLER_SIM_SEED=%llu: something goes on for ever", (unsigned long long)seed);
    } else {
        gateway_stop(w->g);
    }
    gateway_free(w->g, gateway_settled(w->g));
    for (unsigned i = 0; i < SIM_PEERS; i++)
        buf_fini(&w->scripts[i].out);
    free(w);
}

static void anything_may_happen(void **state)
{
    (void)state;
    const char *seed = getenv("HOSTLER_SIM_SEED"), *rounds = getenv("HOSTLER_SIM_ROUNDS");
    if (seed) {
        round_of(strtoull(seed, NULL, 10));
        return;
    }
    uint64_t n = rounds ? strtoull(rounds, NULL, 10) : 1000;
    for (uint64_t i = 1; i <= n; i++)
        round_of(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(anything_may_happen)};
    log_set(LOG_FORMAT_JSON, LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
