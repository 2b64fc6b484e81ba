/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/lists.h"
#include "gateway.h"
#include "conf/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "gate/archive.h"
#include "node/routes.h"

static int write_metrics(void *owner, struct buf *out)
{
    const struct gateway *g = owner;
    struct metrics_writer writer;
    int err = buf_append(out, STR("# metrics\n"));
    metrics_write_init(&writer, out);
    snapshot_write_metrics(g->snapshot, NULL, &writer, loop_now(g->sim->loop));
    return err ? err : metrics_write_end(&writer);
}

/* --- life --- */

static const char settings[] =
    "log: { requests: false }\n"
    "limits: { body_max: 64k, head_max: 8k, header_count_max: 50, stream_buffer: 64k, upstream_head_max: 4k }\n"
    "timeouts: { head: 10s, body: 20s, idle: 100s, write: 30s, connect: 5s, first_byte: 60s, between: 40s, total: 300s,"
    " upstream_idle: 50s }\n";

/* There is no supervisor that would start them. */
static void bring_engines_up(struct gateway *g)
{
    size_t count;
    const struct service *services = snapshot_services(g->snapshot, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < services[i].endpoint_count; k++)
            if (services[i].endpoints[k].engine)
                endpoint_set_phase(services[i].endpoints[k].state, ENDPOINT_UP, STR(""), 0,
                                   loop_now(g->sim->loop));
}

struct gateway *gateway_new(const char *models)
{
    struct gateway *g = calloc(1, sizeof *g);
    struct conf_problems problems;
    struct conf *conf;
    struct keyring *keyring;
    char text[8192];
    snprintf(text, sizeof text, "%smodels:\n%s", settings, models);
    conf_problems_init(&problems);
    if (conf_parse(str_of(text), "sim.yaml", &conf, &problems))
        fail_msg("%s: line %u: %" STR_FMT, text, problems.items[0].line,
                 STR_ARG(problems.items[0].text));
    conf_problems_fini(&problems);
    g->sim = sim_new(1000 * SEC);
    assert_int_equal(mesh_new(1, NULL, &g->mesh), 0);
    assert_int_equal(mesh_load_conf(g->mesh, conf, NULL, loop_now(g->sim->loop)), 0);
    assert_int_equal(keyring_new(conf, &keyring), 0);
    conf_unref(conf);
    g->snapshot = mesh_current(g->mesh);
    bring_engines_up(g);
    g->home = (struct lane_home){.loop = g->sim->loop,
                                 .via = STR("1.1 hostler-0123"),
                                 .write_metrics = write_metrics,
                                 .owner = g};
    g->home.routes = node_routes(&g->home.route_count);
    g->home.archive = archive_new();
    assert_int_equal(
        worker_init(&g->worker, &g->home, 0, g->sim->loop, mesh_current(g->mesh), keyring, NULL),
        0);
    return g;
}

unsigned gateway_settled(struct gateway *g)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < OUTCOME_COUNT; i++)
        n += metric_read(&g->worker.lane.stats.outcomes[i]);
    return (unsigned)n;
}

const char *gateway_outcomes(struct gateway *g)
{
    static char text[200];
    size_t len = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
        uint64_t n = metric_read(&g->worker.lane.stats.outcomes[i]);
        const char *name = outcome_name((enum outcome)i), *space = len ? " " : "";
        if (n == 1) len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", space, name);
        if (n > 1)
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%s*%u", space, name,
                                    (unsigned)n);
    }
    return text;
}

uint32_t gateway_inflight(struct gateway *g)
{
    size_t count;
    uint32_t n = 0;
    const struct service *services = snapshot_services(g->snapshot, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < services[i].endpoint_count; k++)
            n += endpoint_inflight(services[i].endpoints[k].state);
    return n;
}

size_t gateway_waiting(struct gateway *g)
{
    size_t count, n = 0;
    const struct service *services = snapshot_services(g->snapshot, &count);
    for (size_t i = 0; i < count; i++)
        n += service_waiting(&services[i]);
    return n;
}

static void check_models(struct gateway *g, unsigned exchanges)
{
    size_t count;
    uint64_t codes = 0;
    const struct service *services = snapshot_services(g->snapshot, &count);
    for (unsigned c = 0; c < SERVICE_CODE_COUNT; c++)
        codes += metric_read(&g->worker.lane.stats.answers.codes[c]);
    for (size_t i = 0; i < count; i++) {
        const struct service_stats *stats = service_stats(&services[i], 0);
        assert_int_equal(metric_read(&stats->active), 0);
        for (unsigned c = 0; c < SERVICE_CODE_COUNT; c++)
            codes += metric_read(&stats->answers.codes[c]);
    }
    assert_int_equal(codes, exchanges);
}

static unsigned pooled(struct gateway *g)
{
    unsigned n = 0;
    LIST_EACH(&g->worker.lane.client.all, it)
    n++;
    return n;
}

void gateway_stop(struct gateway *g)
{
    worker_fini(&g->worker);
    g->worker.lane.loop = NULL;
    sim_run(g->sim);
}

void gateway_free(struct gateway *g, unsigned exchanges)
{
    if (g->worker.lane.loop) {
        assert_true(list_empty(&g->worker.lane.exchanges));
        assert_int_equal(pooled(g), sim_open_count(g->sim));
        gateway_stop(g);
    }
    if (gateway_settled(g) != exchanges)
        fail_msg("settled %u, want %u: %s", gateway_settled(g), exchanges, gateway_outcomes(g));
    assert_int_equal(metric_read(&g->worker.lane.stats.active), 0);
    assert_int_equal(gateway_inflight(g), 0);
    assert_int_equal(gateway_waiting(g), 0);
    assert_int_equal(sim_open_count(g->sim), 0);
    check_models(g, exchanges);
    snapshot_unref(g->snapshot);
    archive_free(g->home.archive);
    mesh_free(g->mesh);
    sim_free(g->sim);
    free(g);
}

/* --- talking --- */

struct sim_peer *gateway_client(struct gateway *g)
{
    return sim_connect(g->sim, &g->worker.server.acceptor);
}

void gateway_ask(struct sim_peer *client, const char *headers, const char *body)
{
    gateway_post(client, "/v1/chat/completions", headers, body);
}

void gateway_post(struct sim_peer *client, const char *path, const char *headers, const char *body)
{
    char text[16384];
    int n = snprintf(text, sizeof text,
                     "POST %s HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                     "content-length: %zu\r\n%s\r\n%s",
                     path, strlen(body), headers, body);
    sim_send(client, str_n(text, (size_t)n));
}

void up_json(struct sim_peer *up, int status, const char *headers, const char *text)
{
    char out[8192];
    int n = snprintf(
        out, sizeof out,
        "HTTP/1.1 %d Whatever\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n%s\r\n%s",
        status, strlen(text), headers, text);
    sim_send(up, str_n(out, (size_t)n));
}

void up_chunk(struct sim_peer *up, const char *text)
{
    char *out = malloc(strlen(text) + 32);
    int n = sprintf(out, "%zx\r\n%s\r\n", strlen(text), text);
    sim_send(up, str_n(out, (size_t)n));
    free(out);
}

struct str answer_of(struct sim_peer *client, int status)
{
    static struct sim_answer a;
    sim_answer_fini(&a);
    sim_answer(sim_got(client), false, client->closed, &a);
    if (a.state != SIM_WHOLE || a.status != status)
        fail_msg("state %d, status %d, want %d: %" STR_FMT, (int)a.state, a.status, status,
                 STR_ARG(sim_got(client)));
    return buf_str(&a.body);
}

struct sim_peer *gateway_stream(struct gateway *g)
{
    struct sim_peer *c = gateway_client(g);
    gateway_ask(c, "", ASK_STREAM);
    sim_send_text(up_of(g, 0), SSE_HEAD);
    return c;
}

struct sim_peer *up_of(struct gateway *g, unsigned n)
{
    return sim_dialled(g->sim, n);
}

bool holds(struct str s, const char *what)
{
    return str_find(s, str_of(what)) >= 0;
}

bool same(struct str s, const char *text)
{
    return str_eq(s, str_of(text));
}

void serve(struct gateway *g, unsigned n)
{
    up_json(up_of(g, n), 200, "", JSON_TEXT);
}
