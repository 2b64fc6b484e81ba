/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway says of a request in headers: who is believed, and what comes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "engine/standing.h"
#include "engine_world.h"
#include "head_of.h"
#include "loop/stream_impl.h"

/* --- reading --- */

static int standing_of(const char *const *lines, const char *peer, struct standing *out,
                       struct refusal *error, struct arena *arena)
{
    struct http_head head = head_of(lines);
    const struct http_call call = {.head = &head, .peer = str_of(peer), .arena = arena};
    int err = standing_read(&call, 5000, out, error);
    free(head.fields);
    return err;
}

static void headers_say_who_and_when(void **state)
{
    (void)state;
    static const struct {
        const char *lines[4];
        struct standing want;
    } rows[] = {
        {{"x: y"}, {.priority = 5}},
        {{"x-hostler-tenant: 00000000000000ff", "x-hostler-priority: 0"}, {.tenant = 255}},
        {{"X-Hostler-Tenant: FEDCBA9876543210", "x-hostler-deadline: 0"},
         {.tenant = 0xfedcba9876543210, .priority = 5, .deadline_us = 5000}},
        {{"x-hostler-priority: 9", "x-hostler-deadline: 4294967295"},
         {.priority = 9, .deadline_us = 5000 + 4294967295000}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct standing got;
        struct refusal error;
        struct arena arena;
        arena_init(&arena, 4096, 1024);
        assert_int_equal(standing_of(rows[i].lines, "unix", &got, &error, &arena), 0);
        assert_int_equal(got.tenant, rows[i].want.tenant);
        assert_int_equal(got.priority, rows[i].want.priority);
        assert_int_equal(got.deadline_us, rows[i].want.deadline_us);
        /* Anybody's word is none. */
        assert_int_equal(standing_of(rows[i].lines, "127.0.0.1:4711", &got, &error, &arena), 0);
        assert_int_equal(got.tenant, 0);
        assert_int_equal(got.priority, FAIR_CLASS_STANDARD);
        assert_int_equal(got.deadline_us, 0);
        arena_fini(&arena);
    }
}

static void malformed_ones_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
    } rows[] = {
        {"x-hostler-tenant", ""},
        {"x-hostler-tenant", "0123456789abcde"},
        {"x-hostler-tenant", "0123456789abcdef0"},
        {"x-hostler-tenant", "0123456789abcdeg"},
        {"x-hostler-tenant", "0x23456789abcdef"},
        {"x-hostler-priority", "10"},
        {"x-hostler-priority", "-1"},
        {"x-hostler-priority", "high"},
        {"x-hostler-priority", ""},
        {"x-hostler-deadline", "4294967296"},
        {"x-hostler-deadline", "99999999999999999999999"},
        {"x-hostler-deadline", "1.5"},
        {"x-hostler-deadline", "-1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char line[80];
        const char *const lines[] = {line, NULL};
        struct standing got;
        struct refusal error;
        struct arena arena;
        arena_init(&arena, 4096, 1024);
        (void)snprintf(line, sizeof line, "%s: %s", rows[i].name, rows[i].value);
        if (!standing_of(lines, "unix", &got, &error, &arena)) fail_msg("taken: %s", line);
        assert_int_equal(error.status, 400);
        assert_true(str_find(error.message, str_of(rows[i].name)) >= 0);
        assert_int_equal(standing_of(lines, "127.0.0.1:4711", &got, &error, &arena), 0);
        arena_fini(&arena);
    }
}

/* --- serving --- */

static struct sim_peer *ask(struct world *w, bool by_socket, const char *path, const char *headers,
                            const char *body)
{
    char text[1024];
    struct sim_peer *p =
        sim_connect_from(w->sim, by_socket ? "unix" : "127.0.0.1:40000", &w->server.http.acceptor);
    int n = snprintf(text, sizeof text,
                     "POST %s HTTP/1.1\r\nhost: x\r\n%scontent-length: %zu\r\n\r\n%s", path,
                     headers, strlen(body), body);
    assert_in_range(n, 1, sizeof text - 1);
    sim_send(p, str_n(text, (size_t)n));
    return p;
}

static void a_malformed_header_is_refused(void **state)
{
    (void)state;
    static const char *const paths[] = {CHAT, "/v1/completions"};
    struct world *w = world_new("fake:mode echo", 2);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        const char *body = i ? "{\"prompt\":\"a\",\"max_tokens\":1}" : "{" HELLO "}";
        struct sim_peer *p = ask(w, true, paths[i], "x-hostler-tenant: me\r\n", body);
        assert_int_equal(answered(w, p, "'x-hostler-tenant' must be 16 hexadecimal digits"), 400);
        p = ask(w, false, paths[i], "x-hostler-tenant: me\r\n", body);
        assert_int_equal(answered(w, p, "\"usage\""), 200);
    }
    world_free(w);
}

static void a_request_ends_at_its_deadline(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo;decode_us 5000", 1);
    const char *whole = "{\"prompt\":\"abc\",\"max_tokens\":400}",
               *stream = "{\"prompt\":\"abc\",\"max_tokens\":400,\"stream\":true}";
    struct sim_peer *p = ask(w, true, "/v1/completions", "x-hostler-deadline: 0\r\n", whole);
    assert_int_equal(answered(w, p, "\"code\":\"deadline_exceeded\""), 504);
    p = ask(w, true, "/v1/completions", "x-hostler-deadline: 300\r\n", stream);
    assert_int_equal(answered(w, p, "\"code\":\"deadline_exceeded\""), 200);
    assert_true(occurrences(p, "\"text\":") > 0);
    p = ask(w, false, "/v1/completions", "x-hostler-deadline: 0\r\n",
            "{\"prompt\":\"abc\",\"max_tokens\":4}");
    assert_int_equal(answered(w, p, "\"finish_reason\":\"length\""), 200);
    world_free(w);
}

/* Also when nobody reads its answer and there is nothing else to compute. */
static void a_paused_one_ends_at_its_deadline(void **state)
{
    (void)state;
    struct world *w = world_with("fake:mode echo", NULL, 1, 4000);
    struct sim_peer *p = ask(w, true, "/v1/completions", "x-hostler-deadline: 500\r\n",
                             "{\"prompt\":\"abc\",\"max_tokens\":3900,\"stream\":true,"
                             "\"ignore_eos\":true}");
    p->window = 0;
    const struct scheduler_stats *stats = compute_stats(w->server.hosted.compute);
    UNTIL(w, metric_read(&stats->late) == 1);
    assert_in_range(metric_read(&stats->output_tokens), 1, 3800);
    sim_take(p, SIZE_MAX / 2);
    assert_int_equal(answered(w, p, "\"code\":\"deadline_exceeded\""), 200);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_say_who_and_when),
        cmocka_unit_test(malformed_ones_are_named),
        cmocka_unit_test(a_malformed_header_is_refused),
        cmocka_unit_test(a_request_ends_at_its_deadline),
        cmocka_unit_test(a_paused_one_ends_at_its_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
