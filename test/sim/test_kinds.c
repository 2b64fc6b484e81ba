/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds that are found: the prober asks what a runtime is, and requests go as it answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "conf/conf.h"
#include "dialect/runtime.h"
#include "gateway.h"
#include "mesh/lists.h"
#include "mesh/probe.h"

#define AUTO(more)                                                                                \
    "  - name: m\n    endpoints: [{ url: 'http://10.0.0.1:80/v1', name: a, model: up, kind: auto" \
    " " more " }]\n"
#define MESSAGE \
    "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"
#define VLLM \
    "{\"object\":\"list\",\"data\":[{\"id\":\"up\",\"owned_by\":\"vllm\",\"max_model_len\":8192}]}"
#define PLAIN "{\"object\":\"list\",\"data\":[{\"id\":\"up\",\"owned_by\":\"me\"}]}"

struct world {
    struct gateway *g;
    struct http_client client; /* the main thread's */
    struct prober *prober;
    unsigned answered; /* connections that the test is done with */
};

static struct world *world_new(const char *models)
{
    static const struct h1_limits limits = {.head_max = 16384, .header_max = 100};
    struct world *w = calloc(1, sizeof *w);
    w->g = gateway_new(models);
    http_client_init(&w->client, w->g->sim->loop, &limits, 4, 10 * SEC);
    assert_int_equal(prober_new(w->g->sim->loop, &w->client, w->g->mesh, &w->prober), 0);
    sim_advance(w->g->sim, MSEC); /* it has looked whether somebody is there */
    return w;
}

static void world_free(struct world *w, unsigned exchanges)
{
    prober_free(w->prober);
    http_client_fini(&w->client);
    gateway_free(w->g, exchanges);
    free(w);
}

/* The connection on which `target` is asked, or NULL. */
static struct sim_peer *asked(struct world *w, const char *target)
{
    char line[200];
    (void)snprintf(line, sizeof line, "GET %s HTTP/1.1\r\n", target);
    for (unsigned n = w->answered; n < w->g->sim->dials; n++)
        if (str_starts(sim_got(sim_dialled(w->g->sim, n)), str_of(line)))
            return sim_dialled(w->g->sim, n);
    return NULL;
}

/* The runtime is asked for the target and answers that. */
static void answers(struct world *w, const char *target, int status, const char *headers,
                    const char *body)
{
    struct sim_peer *p = asked(w, target);
    char all[200];
    if (!p) fail_msg("%s is not asked", target);
    w->answered = w->g->sim->dials;
    (void)snprintf(all, sizeof all, "connection: close\r\n%s", headers);
    up_json(p, status, all, body);
    assert_true(p->closed);
}

/* It has none of the pages but its list of models, which tells nothing. */
static void answers_nothing(struct world *w)
{
    static const char *const rest[] = {"/api/version", "/props", "/get_model_info", "/info"};
    answers(w, "/v1/models", 200, "", PLAIN);
    for (size_t i = 0; i < ARRAY_LEN(rest); i++)
        answers(w, rest[i], 404, "", "{\"detail\":\"Not Found\"}");
}

static const struct endpoint *endpoint_of(struct world *w)
{
    size_t count;
    return &snapshot_services(w->g->snapshot, &count)->endpoints[0];
}

static const char *kind(struct world *w)
{
    return endpoint_kind(endpoint_of(w))->name.ptr;
}

static bool is_quiet(struct world *w)
{
    unsigned dials = w->g->sim->dials;
    sim_advance(w->g->sim, 300 * SEC);
    return w->g->sim->dials == dials;
}

static struct sim_peer *ask(struct world *w, const char *path, const char *body)
{
    struct sim_peer *c = gateway_client(w->g);
    gateway_post(c, path, "", body);
    return c;
}

static struct str get(struct world *w, const char *path)
{
    char text[200];
    struct sim_peer *c = gateway_client(w->g);
    (void)snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nhost: localhost\r\n\r\n", path);
    sim_send_text(c, text);
    struct str body = answer_of(c, 200);
    sim_fin(c);
    return body;
}

static void load(struct world *w, const char *models)
{
    char text[2000];
    struct conf_problems problems;
    struct conf *conf;
    (void)snprintf(text, sizeof text, "models:\n%s", models);
    conf_problems_init(&problems);
    assert_int_equal(conf_parse(str_of(text), "sim.yaml", &conf, &problems), 0);
    conf_problems_fini(&problems);
    assert_int_equal(mesh_load_conf(w->g->mesh, conf, NULL, loop_now(w->g->sim->loop)), 0);
    conf_unref(conf);
    snapshot_unref(w->g->snapshot);
    w->g->snapshot = mesh_current(w->g->mesh);
    prober_reload(w->prober);
    sim_run(w->g->sim);
}

/* --- finding --- */

static void one_list_tells(void **state)
{
    (void)state;
    struct world *w = world_new(AUTO(", key: secret, headers: { X-Team: red }, query: { a: b }"));
    assert_string_equal(kind(w), "openai");
    assert_true(holds(get(w, "/readyz"), "\"ready\":true,\"kinds\":{\"a\":null}}"));
    struct sim_peer *p = asked(w, "/v1/models?a=b");
    assert_true(sim_has(p, "\r\nauthorization: Bearer secret\r\n"));
    assert_true(sim_has(p, "\r\nX-Team: red\r\n"));
    answers(w, "/v1/models?a=b", 200, "", VLLM);
    assert_string_equal(kind(w), "vllm");
    assert_true(holds(get(w, "/readyz"), "\"kinds\":{\"a\":\"vllm\"}}"));
    assert_true(holds(get(w, "/v1/models"), "\"context_length\":8192,"));
    assert_true(is_quiet(w));
    world_free(w, 3);
}

static void other_pages_tell(void **state)
{
    (void)state;
    static const struct {
        const char *page, *body, *kind;
        unsigned before; /* pages that say nothing */
    } cases[] = {
        {"/api/version", "{\"version\":\"0.12.0\"}", "ollama", 0},
        {"/props", "{\"default_generation_settings\":{}}", "llama-server", 1},
        {"/get_model_info", "{\"model_path\":\"x\"}", "sglang", 2},
        {"/info", "{\"model_id\":\"x\",\"max_total_tokens\":9}", "tgi", 3},
    };
    static const char *const pages[] = {"/api/version", "/props", "/get_model_info"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world *w = world_new(AUTO(""));
        answers(w, "/v1/models", 200, "", PLAIN);
        for (unsigned n = 0; n < cases[i].before; n++)
            answers(w, pages[n], 404, "", "");
        answers(w, cases[i].page, 200, "", cases[i].body);
        assert_string_equal(kind(w), cases[i].kind);
        assert_true(is_quiet(w));
        world_free(w, 0);
    }
}

static void who_shows_no_list_is_asked_for_his_version(void **state)
{
    (void)state;
    struct world *w = world_new(AUTO(""));
    answers(w, "/v1/models", 401, "", "{\"error\":\"Unauthorized\"}");
    answers(w, "/version", 200, "", "{\"version\":\"0.32.0\"}");
    assert_string_equal(kind(w), "vllm");
    assert_true(is_quiet(w));
    world_free(w, 0);
}

static void who_says_nothing_is_nothing_special(void **state)
{
    (void)state;
    struct world *w = world_new(AUTO(""));
    answers_nothing(w);
    assert_string_equal(kind(w), "openai");
    assert_true(holds(get(w, "/readyz"), "\"kinds\":{\"a\":\"openai\"}}"));
    assert_true(is_quiet(w));
    world_free(w, 1);
}

/* Without an answer it is asked again at the interval; a server that is starting may say already
 * what it is, but not yet what it has. */
static void it_is_asked_until_it_has_answered(void **state)
{
    (void)state;
    struct world *w = world_new(AUTO(""));
    sim_advance(w->g->sim, 4 * SEC); /* no answer */
    w->answered = w->g->sim->dials;
    sim_advance(w->g->sim, 11 * SEC);
    answers(w, "/v1/models", 503, "server: llama.cpp\r\n", "{\"error\":\"Loading\"}");
    assert_string_equal(kind(w), "llama-server");
    sim_advance(w->g->sim, 11 * SEC);
    answers(w, "/v1/models", 200, "server: llama.cpp\r\n",
            "{\"data\":[{\"id\":\"x\",\"meta\":{\"n_ctx\":4096}}]}");
    assert_true(holds(get(w, "/v1/models"), "\"context_length\":4096,"));
    assert_true(is_quiet(w));
    world_free(w, 1);
}

/* Bytes that are none, too many, or come to an end too soon. */
static void broken_answers_harm_nobody(void **state)
{
    (void)state;
    struct world *w = world_new(AUTO(""));
    struct sim_peer *p = asked(w, "/v1/models");
    w->answered = w->g->sim->dials;
    sim_send_text(p, "nonsense\r\n\r\n");
    sim_advance(w->g->sim, 11 * SEC);
    p = asked(w, "/v1/models");
    w->answered = w->g->sim->dials;
    sim_send_text(p, "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"data\":[");
    sim_fin(p);
    assert_null(endpoint_found_kind(endpoint_of(w)));
    sim_advance(w->g->sim, 11 * SEC);
    p = asked(w, "/v1/models");
    w->answered = w->g->sim->dials;
    char *much = calloc(1, 3 << 20);
    memset(much, ' ', (3 << 20) - 1);
    sim_send_text(p, "HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n");
    sim_send_text(p, much);
    free(much);
    assert_true(p->closed);
    answers(w, "/api/version", 200, "", "{\"version\":\"1\"}");
    assert_string_equal(kind(w), "ollama");
    world_free(w, 0);
}

static void after_it_was_down_it_is_asked_anew(void **state)
{
    (void)state;
    struct world *w = world_new(AUTO(", health: /health"));
    answers(w, "/v1/models", 200, "", VLLM);
    sim_advance(w->g->sim, SEC);
    w->g->sim->on_dial = SIM_REFUSE;
    sim_advance(w->g->sim, 60 * SEC);
    assert_int_equal(endpoint_phase(endpoint_of(w)->state), ENDPOINT_DOWN);
    assert_string_equal(kind(w), "vllm"); /* as long as nothing else is known */
    w->answered = w->g->sim->dials;
    w->g->sim->on_dial = SIM_ACCEPT;
    sim_advance(w->g->sim, 2 * SEC);
    answers(w, "/health", 200, "", "{}");
    sim_advance(w->g->sim, SEC);
    answers_nothing(w);
    assert_string_equal(kind(w), "openai");
    world_free(w, 0);
}

/* A restart that only requests have noticed. */
static void after_a_request_did_not_reach_it_it_is_asked_anew(void **state)
{
    (void)state;
    struct world *w = world_new(AUTO(""));
    answers(w, "/v1/models", 200, "", VLLM);
    w->g->sim->on_dial = SIM_REFUSE;
    struct sim_peer *c = ask(w, "/v1/chat/completions", ASK_PLAIN);
    (void)answer_of(c, 502);
    w->answered = w->g->sim->dials;
    w->g->sim->on_dial = SIM_ACCEPT;
    sim_advance(w->g->sim, 2 * SEC);
    answers_nothing(w);
    assert_string_equal(kind(w), "openai");
    assert_true(is_quiet(w));
    world_free(w, 1);
}

/* --- reloads --- */

static void what_was_found_survives_a_reload(void **state)
{
    (void)state;
    struct world *w = world_new(AUTO(""));
    answers(w, "/v1/models", 200, "", VLLM);
    load(w, AUTO(", weight: 2"));
    assert_string_equal(kind(w), "vllm");
    assert_true(is_quiet(w));
    load(w, "  - name: m\n    endpoints: [{ url: 'http://10.0.0.1:80/v1', name: a, kind: tgi }]\n");
    assert_string_equal(kind(w), "tgi");
    load(w, AUTO(", dialects: [chat]"));
    assert_string_equal(kind(w), "vllm");
    uint32_t surfaces = endpoint_surfaces(endpoint_of(w));
    assert_true(surfaces & SURFACE_BIT(SURFACE_CHAT));
    assert_true(surfaces & SURFACE_BIT(SURFACE_COUNT_TOKENIZE)); /* which no dialect is */
    assert_false(surfaces & SURFACE_BIT(SURFACE_MESSAGES));
    assert_true(is_quiet(w));
    world_free(w, 0);
}

/* Nothing told it: perhaps for want of a key, which may be there now. */
static void who_told_nothing_is_asked_again_after_a_reload(void **state)
{
    (void)state;
    struct world *w = world_new(AUTO(""));
    answers_nothing(w);
    load(w, AUTO(", key: secret"));
    answers(w, "/v1/models", 200, "", VLLM);
    assert_string_equal(kind(w), "vllm");
    load(w, AUTO(""));
    assert_true(is_quiet(w));
    world_free(w, 0);
}

static void a_reload_stops_inquiries(void **state)
{
    (void)state;
    struct world *w = world_new(AUTO(""));
    struct sim_peer *p = asked(w, "/v1/models");
    load(w, AUTO(", weight: 2"));
    assert_true(p->closed);
    w->answered++;
    answers(w, "/v1/models", 200, "", VLLM);
    assert_string_equal(kind(w), "vllm");
    world_free(w, 0);
}

static void others_are_never_asked(void **state)
{
    (void)state;
    struct world *w = world_new(
        "  - name: m\n    endpoints: [{ url: 'http://10.0.0.1:80/v1', name: a, kind: vllm }]\n");
    assert_int_equal(w->g->sim->dials, 1); /* whether somebody is there */
    assert_true(is_quiet(w));
    assert_true(sim_got(sim_dialled(w->g->sim, 0)).len == 0);
    assert_false(holds(get(w, "/readyz"), "kinds"));
    world_free(w, 1);
}

/* --- requests --- */

/* Until it is known, chats are what everybody has; then the client's own bytes pass. */
static void requests_go_as_the_kind_wants(void **state)
{
    (void)state;
    struct world *w = world_new(AUTO(""));
    unsigned n = w->g->sim->dials;
    struct sim_peer *c = ask(w, "/v1/messages", MESSAGE);
    assert_true(sim_has(up_of(w->g, n), "POST /v1/chat/completions HTTP/1.1\r\n"));
    up_json(up_of(w->g, n), 200, "", JSON_TEXT);
    (void)answer_of(c, 200);
    answers(w, "/v1/models", 200, "", VLLM);
    sim_forget(up_of(w->g, n));
    c = ask(w, "/v1/messages", MESSAGE);
    assert_true(sim_has(up_of(w->g, n), "POST /v1/messages HTTP/1.1\r\n"));
    up_json(up_of(w->g, n), 200, "", "{\"type\":\"message\"}");
    (void)answer_of(c, 200);
    world_free(w, 2);
}

/* Two endpoints that turn out to be of no use for what somebody waits for, and of use. */
static void a_kind_that_is_found_wakes_who_waits(void **state)
{
    (void)state;
    static const char models[] =
        "  - name: m\n    endpoints:\n"
        "      - { url: 'http://10.0.0.1:80/v1', name: a, kind: auto }\n"
        "      - { url: 'http://10.0.0.2:80/v1', name: b, dialects: [embeddings], capacity: 1 }\n";
    static const char embed[] = "{\"model\":\"m\",\"input\":\"x\"}";
    struct world *w = world_new(models);
    struct sim_peer *c[3];
    unsigned n = w->g->sim->dials;
    /* a is no use for a moment: it is made to look like one that only chats */
    endpoint_learn_kind(endpoint_of(w), runtime_kind(STR("tgi")), STR(""), 0);
    for (int i = 0; i < 3; i++)
        c[i] = ask(w, "/v1/embeddings", embed);
    assert_int_equal(w->g->sim->dials, n + 1);
    assert_int_equal(gateway_waiting(w->g), 2);
    answers(w, "/v1/models", 200, "", VLLM);
    assert_int_equal(gateway_waiting(w->g), 0);
    for (unsigned i = 0; i < 3; i++)
        up_json(up_of(w->g, n + i), 200, "", "{}");
    for (int i = 0; i < 3; i++)
        (void)answer_of(c[i], 200);
    world_free(w, 3);
}

/* Who waits for a place at the only one that could, which turns out not to. */
static void a_kind_that_is_found_refuses_who_waits_in_vain(void **state)
{
    (void)state;
    struct world *w = world_new(AUTO(", capacity: 1"));
    unsigned n = w->g->sim->dials;
    struct sim_peer *first = ask(w, "/v1/embeddings", "{\"model\":\"m\",\"input\":\"x\"}");
    struct sim_peer *second = ask(w, "/v1/embeddings", "{\"model\":\"m\",\"input\":\"x\"}");
    assert_int_equal(gateway_waiting(w->g), 1);
    answers(w, "/v1/models", 200, "", "{\"data\":[{\"id\":\"x\",\"owned_by\":\"tensorrt_llm\"}]}");
    assert_int_equal(gateway_waiting(w->g), 0);
    (void)answer_of(second, 503);
    up_json(up_of(w->g, n), 200, "", "{}");
    (void)answer_of(first, 200);
    struct sim_peer *third = ask(w, "/v1/embeddings", "{\"model\":\"m\",\"input\":\"x\"}");
    (void)answer_of(third, 404);
    world_free(w, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_list_tells),
        cmocka_unit_test(other_pages_tell),
        cmocka_unit_test(who_shows_no_list_is_asked_for_his_version),
        cmocka_unit_test(who_says_nothing_is_nothing_special),
        cmocka_unit_test(it_is_asked_until_it_has_answered),
        cmocka_unit_test(broken_answers_harm_nobody),
        cmocka_unit_test(after_it_was_down_it_is_asked_anew),
        cmocka_unit_test(after_a_request_did_not_reach_it_it_is_asked_anew),
        cmocka_unit_test(what_was_found_survives_a_reload),
        cmocka_unit_test(who_told_nothing_is_asked_again_after_a_reload),
        cmocka_unit_test(a_reload_stops_inquiries),
        cmocka_unit_test(others_are_never_asked),
        cmocka_unit_test(requests_go_as_the_kind_wants),
        cmocka_unit_test(a_kind_that_is_found_wakes_who_waits),
        cmocka_unit_test(a_kind_that_is_found_refuses_who_waits_in_vain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
