/* SPDX-License-Identifier: Apache-2.0 */
/* A second dialect is a table of its own and a row of the routes: this one is spoken by nobody,
 * and the gateway relays, counts and refuses in it like in any other.
 *
 * A request is "MODEL WORDS". An answer is {"count":{"words":N}}, or a stream whose events are
 * words and whose last one is "end". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "gate/model_call.h"
#include "gateway.h"

/* --- the dialect --- */

static int peek(struct arena *arena, struct str body, struct ask *out, struct refusal *why)
{
    ptrdiff_t blank = str_find_char(body, ' ');
    (void)arena;
    *out = (struct ask){.surface = out->surface};
    if (blank <= 0) {
        *why =
            (struct refusal){.status = 400, .message = STR("no model"), .code = "model_not_found"};
        return ERR_INVALID;
    }
    out->model = str_n(body.ptr, (size_t)blank);
    out->stream = str_ends(body, STR("slowly"));
    return 0;
}

static unsigned splice(const struct ask *ask, struct str body, const struct edits *edits,
                       struct arena *arena, struct str slices[DIALECT_SLICES_MAX])
{
    (void)arena;
    slices[0] = edits->model;
    slices[1] = str_skip(body, ask->model.len);
    return 2;
}

static unsigned choices(struct str body)
{
    (void)body;
    return 1;
}

static void read_event(struct str data, bool strip_usage, struct event_facts *out)
{
    (void)data;
    (void)strip_usage;
    out->answer = out->choice = out->content = true;
    out->begun = 1;
}

static bool is_last(struct str data)
{
    return str_eq(data, STR("end"));
}

static void read_usage(struct str object, struct usage *out)
{
    static const struct str names[] = {STR_INIT("words")};
    struct json_span words;
    int64_t n;
    if (json_scan(object, names, 1, &words, NULL) || !json_span_i64(&words, &n)) return;
    *out = (struct usage){.completion = (uint64_t)n, .known = true};
}

static const struct answer_reader reader = {
    .read_event = read_event,
    .is_last = is_last,
    .last_event = STR_INIT("data: end\n\n"),
    .usage_member = STR_INIT("count"),
    .read_usage = read_usage,
};

static void write_error(struct buf *out, const struct refusal *why)
{
    assert_int_equal(buf_printf(out, "no: %" STR_FMT, STR_ARG(why->message)), 0);
}

static void write_error_event(struct buf *out, const struct refusal *why,
                              const struct stream_mark *mark)
{
    (void)mark;
    assert_int_equal(buf_printf(out, "data: no, %s\n\n", why->code), 0);
}

static const struct dialect plain = {
    .name = "plain",
    .peek = peek,
    .splice = splice,
    .choices = choices,
    .reader = &reader,
    .write_error = write_error,
    .write_error_event = write_error_event,
};

static const struct route routes[] = {
    {STR_INIT("/say"), "say", ROUTE_POST | ROUTE_MODEL, SURFACE_CHAT, &plain, &model_call_handler},
};

/* --- its tests --- */

static struct gateway *begin(void)
{
    struct gateway *g = gateway_new(
        "  - name: m\n    endpoints: [{ url: 'http://10.0.0.1:80/base', name: a, model: other }]\n");
    g->home.routes = routes;
    g->home.route_count = ARRAY_LEN(routes);
    return g;
}

static void ask(struct sim_peer *c, const char *body)
{
    char text[300];
    int n = snprintf(text, sizeof text,
                     "POST /say HTTP/1.1\r\nhost: localhost\r\ncontent-length: %zu\r\n\r\n%s",
                     strlen(body), body);
    sim_send(c, str_n(text, (size_t)n));
}

static uint64_t words_counted(struct gateway *g)
{
    size_t count;
    const struct service *services = snapshot_services(g->snapshot, &count);
    return metric_read(&service_stats(&services[0], 0)->tokens_completion);
}

static void whole_answers_pass_and_are_counted(void **state)
{
    (void)state;
    struct gateway *g = begin();
    struct sim_peer *c = gateway_client(g);
    ask(c, "m say two");
    assert_true(sim_has(up_of(g, 0), "POST /base/say HTTP/1.1\r\n"));
    assert_true(str_ends(sim_got(up_of(g, 0)), STR("\r\n\r\nother say two")));
    up_json(up_of(g, 0), 200, "", "{\"count\":{\"words\":2}}");
    assert_true(same(answer_of(c, 200), "{\"count\":{\"words\":2}}"));
    assert_int_equal(words_counted(g), 2);
    gateway_free(g, 1);
}

static void streams_end_and_break_in_its_own_way(void **state)
{
    (void)state;
    for (int broken = 0; broken < 2; broken++) {
        struct gateway *g = begin();
        struct sim_peer *c = gateway_client(g);
        ask(c, "m say slowly");
        sim_send_text(up_of(g, 0), SSE_HEAD);
        up_chunk(up_of(g, 0), "data: one\n\n");
        if (broken)
            sim_fin(up_of(g, 0));
        else
            up_chunk(up_of(g, 0), "data: end\n\n");
        sim_run(g->sim);
        assert_true(same(answer_of(c, 200), broken ? "data: one\n\ndata: no, upstream_error\n\n"
                                                   : "data: one\n\ndata: end\n\n"));
        assert_string_equal(gateway_outcomes(g), broken ? "upstream_broken" : "ok");
        sim_fin(up_of(g, 0));
        gateway_free(g, 1);
    }
}

static void refusals_are_its_own(void **state)
{
    (void)state;
    struct gateway *g = begin();
    struct sim_peer *c = gateway_client(g);
    ask(c, "nothing");
    assert_true(same(answer_of(c, 400), "no: no model"));
    buf_clear(&c->got);
    ask(c, "x say");
    assert_true(same(answer_of(c, 404), "no: The model 'x' does not exist."));
    gateway_free(g, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_answers_pass_and_are_counted),
        cmocka_unit_test(streams_end_and_break_in_its_own_way),
        cmocka_unit_test(refusals_are_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
