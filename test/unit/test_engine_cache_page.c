/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's page of its prefix cache, at every moment of a server's life. */
#include "engine_world.h"

#include <stdio.h>

static const char question[] = "{\"prompt\":\"a prompt that is worth keeping\",\"max_tokens\":1}";

static int got(struct world *w, const char *text)
{
    return answered(w, request_by_socket(w, "GET", "/cache", ""), text);
}

static int posted(struct world *w, const char *path, const char *text)
{
    return answered(w, request_by_socket(w, "POST", path, ""), text);
}

static void it_is_a_socket_s(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo", 2);
    assert_int_equal(got(w, "\"slots\":[]"), 200);
    assert_int_equal(answered(w, request(w, "GET", "/cache", ""), "There is no GET"), 404);
    world_free(w);
}

/* So that a shell's empty variable is not the whole cache. */
static void without_an_id_nothing_is_changed(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "",        "slot-",   "slot-2", "ram-",
        "slot--1", "slot-1x", "x",      "0123456789abcdef0123456789abcdef"};
    char path[80];
    struct world *w = world_new("fake:mode echo", 2);
    assert_int_equal(answered(w, request(w, "POST", "/v1/completions", question), "\"usage\""),
                     200);
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        (void)snprintf(path, sizeof path, "/cache/drop/%s", odd[i]);
        assert_int_equal(posted(w, path, "not_found"), 404);
        (void)snprintf(path, sizeof path, "/cache/pin/%s", odd[i]);
        assert_int_equal(posted(w, path, "not_found"), 404);
        (void)snprintf(path, sizeof path, "/cache/unpin/%s", odd[i]);
        assert_int_equal(posted(w, path, "not_found"), 404);
    }
    assert_int_equal(got(w, "\"tokens\""), 200);
    assert_int_equal(posted(w, "/cache/drop/slot-0", "\"dropped\":1"), 200);
    assert_int_equal(posted(w, "/cache/drop", "\"dropped\":0"), 200);
    assert_int_equal(got(w, "\"slots\":[]"), 200);
    world_free(w);
}

static void there_is_none_while_the_model_is_loaded(void **state)
{
    (void)state;
    struct world *w = world_start("fake:mode echo;load_us 200000", NULL, 2, WORLD_CONTEXT);
    assert_int_equal(got(w, "model_loading"), 503);
    assert_int_equal(posted(w, "/cache/drop", "model_loading"), 503);
    UNTIL(w, w->server.hosted.model);
    world_free(w);
    w = world_new("fake:ranks 1", 2);
    assert_int_equal(got(w, "the model has no cache"), 404);
    world_free(w);
}

/* The server may be freed as soon as it is drained. */
static void a_drained_server_begins_nothing(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo", 2);
    server_drain(&w->server);
    UNTIL(w, w->drained);
    struct sim_peer *p = request_by_socket(w, "GET", "/cache", "");
    sim_run(w->sim);
    assert_int_equal(w->server.request_count, 0);
    assert_int_equal(answered(w, p, "draining"), 503);
    world_free(w);
}

static void clients_may_leave(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo;decode_us 100000", 1);
    struct sim_peer *runs = request(w, "POST", "/v1/completions", question);
    UNTIL(w, w->server.request_count);
    for (unsigned i = 0; i < 20; i++) {
        struct sim_peer *p = request_by_socket(w, "GET", "/cache", "");
        sim_run(w->sim);
        if (i % 2) sim_reset(p);
    }
    assert_int_equal(answered(w, runs, "\"usage\""), 200);
    UNTIL(w, w->server.request_count == 0);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_a_socket_s),
        cmocka_unit_test(without_an_id_nothing_is_changed),
        cmocka_unit_test(there_is_none_while_the_model_is_loaded),
        cmocka_unit_test(a_drained_server_begins_nothing),
        cmocka_unit_test(clients_may_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
