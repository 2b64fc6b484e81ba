/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/routes.h"
#include "loop/stream_impl.h"

static void on_failed(void *user, const char *why)
{
    struct world *w = user;
    w->failed = true;
    (void)snprintf(w->why, sizeof w->why, "%s", why);
}

static void on_drained(void *user)
{
    ((struct world *)user)->drained++;
}

struct world *world_start(const char *script, const char *template, uint32_t slots,
                          uint32_t context)
{
    struct world *w = calloc(1, sizeof *w);
    const struct server_options options = {
        .hosted = {.compute = {.model = {.path = script,
                                         .slots = slots,
                                         .batch = 64,
                                         .context = context,
                                         .threads = 1},
                               .threads = 1},
                   .template = {.text = template},
                   .alias = "fake"},
        .routes = engine_routes,
        .queue_max = 100,
        .drain_us = 5 * SEC,
    };
    assert_non_null(w);
    w->sim = sim_new(1000 * SEC);
    assert_int_equal(server_init(&w->server, w->sim->loop, &options), 0);
    w->server.hosted.on_failed = on_failed;
    w->server.hosted.user = w;
    w->server.on_drained = on_drained;
    w->server.user = w;
    return w;
}

struct world *world_with(const char *script, const char *template, uint32_t slots, uint32_t context)
{
    struct world *w = world_start(script, template, slots, context);
    UNTIL(w, w->server.hosted.model);
    return w;
}

struct world *world_new(const char *script, uint32_t slots)
{
    return world_with(script, NULL, slots, WORLD_CONTEXT);
}

void world_free(struct world *w)
{
    http_server_close_all(&w->server.http);
    UNTIL(w, w->server.request_count == 0);
    server_fini(&w->server);
    sim_run(w->sim);
    sim_free(w->sim);
    free(w);
}

static struct sim_peer *ask(struct world *w, const char *from, const char *method, const char *path,
                            const char *body)
{
    static char text[2 << 20];
    struct sim_peer *p = sim_connect_from(w->sim, from, &w->server.http.acceptor);
    int n =
        snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nhost: x\r\ncontent-length: %zu\r\n\r\n%s",
                 method, path, strlen(body), body);
    assert_in_range(n, 1, sizeof text - 1);
    sim_send(p, str_n(text, (size_t)n));
    return p;
}

struct sim_peer *request(struct world *w, const char *method, const char *path, const char *body)
{
    return ask(w, "127.0.0.1:40000", method, path, body);
}

struct sim_peer *request_by_socket(struct world *w, const char *method, const char *path,
                                   const char *body)
{
    return ask(w, "unix", method, path, body);
}

int answered(struct world *w, struct sim_peer *p, const char *text)
{
    struct sim_answer a;
    int status;
    for (unsigned tries = 0;; tries++) {
        sim_run(w->sim);
        sim_answer(sim_got(p), false, p->closed, &a);
        if (a.state == SIM_WHOLE) break;
        sim_answer_fini(&a);
        assert_true(tries < 20000);
        usleep(1000);
    }
    status = a.status;
    if (str_find(buf_str(&a.body), str_of(text)) < 0)
        fail_msg("no '%s' in %.*s", text, (int)buf_len(&a.body), buf_str(&a.body).ptr);
    sim_answer_fini(&a);
    return status;
}

unsigned occurrences(const struct sim_peer *p, const char *text)
{
    unsigned n = 0;
    struct str rest = sim_got(p);
    for (ptrdiff_t at; (at = str_find(rest, str_of(text))) >= 0; n++)
        rest = str_skip(rest, (size_t)at + strlen(text));
    return n;
}
