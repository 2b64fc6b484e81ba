/* SPDX-License-Identifier: Apache-2.0 */
/* dialect: what Anthropic's answers say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dialect/dialect.h"

static struct event_facts facts_of(const char *data, struct usage known, struct stream_mark *mark)
{
    struct event_facts f = {.usage = known, .mark = mark};
    char *copy = malloc(strlen(data)); /* no terminator: reading on is an error */
    memcpy(copy, data, strlen(data));
    dialect_anthropic.reader->read_event(str_n(copy, strlen(data)), false, &f);
    /* what is borrowed is borrowed from the caller's text */
    if (f.piece.ptr) f.piece.ptr = data + (f.piece.ptr - copy);
    if (f.error_message.raw.ptr) f.error_message.raw.ptr = data + (f.error_message.raw.ptr - copy);
    free(copy);
    return f;
}

static void events_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        const char *facts; /* b: begun, c: content, e: ends, l: last, !: error, u: usage */
        const char *piece;
    } rows[] = {
        {"{\"type\":\"message_start\",\"message\":{\"content\":[],\"usage\":{\"input_tokens\":1}}}",
         "bu", NULL},
        {"{\"message\":{\"usage\":{}},\"type\":\"message_start\"}", "bu", NULL},
        {"{\"type\":\"ping\"}", "", NULL},
        {"{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\","
         "\"text\":\"\"}}",
         "", NULL},
        {"{\"content_block\":{\"text\":\"a\",\"type\":\"text\"},\"type\":\"content_block_start\"}",
         "c", NULL},
        {"{\"type\":\"content_block_start\",\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\","
         "\"name\":\"f\",\"input\":{}}}",
         "c", NULL},
        {"{\"type\":\"content_block_start\",\"content_block\":{\"type\":\"redacted_thinking\","
         "\"data\":\"d\"}}",
         "c", NULL},
        {"{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}",
         "c", "\"hi\""},
        {"{\"delta\":{\"text\":\"hi\",\"type\":\"text_delta\"},\"type\":\"content_block_delta\"}",
         "c", "\"hi\""},
        {"{\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}}", "c", "\"hm\""},
        {"{\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\"}}", "c", "\"{\""},
        {"{\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"\"}}", "", NULL},
        {"{\"delta\":{\"type\":\"signature_delta\",\"signature\":\"s\"}}", "", NULL},
        {"{\"type\":\"content_block_stop\",\"index\":0}", "", NULL},
        {"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{"
         "\"output_tokens\":2}}",
         "ceu", NULL},
        {"{\"usage\":{\"output_tokens\":2},\"delta\":{\"stop_reason\":\"end_turn\"}}", "ceu", NULL},
        {"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":null}}", "", NULL},
        {"{\"type\":\"message_stop\"}", "l", NULL},
        {"{\"error\":{\"message\":\"m\",\"type\":\"api_error\"},\"type\":\"error\"}", "!", NULL},
        {"{\"error\":\"m\"}", "!", NULL},
        {"{\"type\":\"error\"}", "!", NULL},
        {"{\"error\":null}", "", NULL},
        {"{\"x\":{\"delta\":{\"text\":\"no\"}}}", "", NULL},
        {"{\"error\":{\"message\":", "!", NULL},
        {"{\"delta\":{\"text\":", "", NULL},
        {"{\"type\":", "", NULL},
        {"null", "", NULL},
        {"[", "", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct stream_mark mark = {0};
        struct event_facts f = facts_of(rows[i].data, (struct usage){0}, &mark);
        char told[8];
        snprintf(told, sizeof told, "%s%s%s%s%s%s", f.begun ? "b" : "", f.content ? "c" : "",
                 f.ends && f.ended == 1 ? "e" : "", f.last ? "l" : "", f.error ? "!" : "",
                 f.has_usage ? "u" : "");
        if (strcmp(told, rows[i].facts)) fail_msg("%s: %s", rows[i].data, told);
        if (!rows[i].piece != !f.piece.ptr) fail_msg("%s: its piece", rows[i].data);
        if (f.piece.ptr) assert_true(str_starts(f.piece, str_of(rows[i].piece)));
    }
}

static void errors_are_told(void **state)
{
    (void)state;
    const char *data = "{\"error\":{\"message\":\"m\",\"type\":\"x\"},\"type\":\"error\"}";
    struct stream_mark mark = {0};
    struct event_facts f = facts_of(data, (struct usage){0}, &mark);
    assert_true(str_eq(f.error_message.raw, STR("\"m\"")));
}

static void check_usage(struct usage u, uint64_t prompt, uint64_t completion, uint64_t cached,
                        uint64_t written)
{
    assert_true(u.known);
    assert_int_equal(u.prompt, prompt);
    assert_int_equal(u.completion, completion);
    assert_int_equal(u.cached, cached);
    assert_int_equal(u.written, written);
}

/* Counts are totals: each replaces an earlier one and none is added, and what is not told again
 * stays. */
static void usage_is_merged(void **state)
{
    (void)state;
    struct stream_mark mark = {0};
    struct usage u = {0};
    u = facts_of("{\"message\":{\"usage\":{\"cache_read_input_tokens\":60,\"input_tokens\":30,"
                 "\"cache_creation_input_tokens\":10,\"output_tokens\":1}},\"type\":"
                 "\"message_start\"}",
                 u, &mark)
            .usage;
    check_usage(u, 100, 1, 60, 10);
    u = facts_of("{\"type\":\"message_delta\",\"usage\":{\"output_tokens\":5}}", u, &mark).usage;
    check_usage(u, 100, 5, 60, 10);
    u = facts_of("{\"usage\":{\"input_tokens\":31,\"output_tokens\":9,\"output_tokens_details\":{"
                 "\"thinking_tokens\":4}},\"type\":\"message_delta\"}",
                 u, &mark)
            .usage;
    check_usage(u, 101, 9, 60, 10);
    assert_int_equal(u.reasoning, 4);
    /* a total at first, and later without the cache's */
    u = (struct usage){0};
    u = facts_of("{\"message\":{\"usage\":{\"input_tokens\":100}}}", u, &mark).usage;
    u = facts_of("{\"usage\":{\"input_tokens\":40,\"cache_read_input_tokens\":60}}", u, &mark)
            .usage;
    check_usage(u, 100, 0, 60, 0);
    u = facts_of("{\"usage\":{\"input_tokens\":null,\"output_tokens\":-1}}", u, &mark).usage;
    check_usage(u, 100, 0, 60, 0);
}

static void usage_of_a_whole_answer_is_read(void **state)
{
    (void)state;
    struct usage u = {.known = true, .prompt = 9, .cached = 9};
    const struct answer_reader *r = dialect_anthropic.reader;
    r->read_usage(STR("{\"output_tokens\":2,\"input_tokens\":3,\"cache_read_input_tokens\":4}"),
                  &u);
    check_usage(u, 7, 2, 4, 0);
    assert_true(str_eq(r->usage_member, STR("usage")));
    assert_true(
        str_eq(r->last_event, STR("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_read),
        cmocka_unit_test(errors_are_told),
        cmocka_unit_test(usage_is_merged),
        cmocka_unit_test(usage_of_a_whole_answer_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
