/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of a few megabytes, made so that whoever looks for one thing in each step of a loop over
 * another takes minutes. A translation holds up all exchanges of its thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "dialect/responses/responses.h"
#include "translate.h"

enum { MANY = 40000, SECONDS_MAX = 5 };

/* Each needs a comma between its elements; %d is replaced by the number of each. */
struct list {
    const char *before, *element, *behind;
    unsigned count;
};

static void append(struct buf *out, const char *text)
{
    assert_int_equal(buf_append(out, str_of(text)), 0);
}

static void append_list(struct buf *out, const struct list *l)
{
    if (l->before) append(out, l->before);
    for (unsigned i = 0; i < l->count; i++) {
        const char *number = strstr(l->element, "%d");
        if (i) append(out, ",");
        if (!number) {
            append(out, l->element);
            continue;
        }
        assert_int_equal(buf_append(out, str_n(l->element, (size_t)(number - l->element))), 0);
        assert_int_equal(buf_printf(out, "%u%s", i, number + 2), 0);
    }
    if (l->behind) append(out, l->behind);
}

#define MEMBERS "\"a%d\":0", ",", MANY
#define USER "{\"role\":\"user\",\"content\":\"x\"}"

static const struct row {
    enum surface asked, sent;
    struct list lists[3];
} rows[] = {
    {SURFACE_CHAT,
     SURFACE_MESSAGES,
     {{"{", MEMBERS},
      {"\"messages\":[", USER ",{\"role\":\"assistant\",\"content\":\"x\"}", "]}", MANY}}},
    {SURFACE_CHAT,
     SURFACE_MESSAGES,
     {{"{\"messages\":[" USER ",{", MEMBERS},
      {"\"role\":\"assistant\",\"tool_calls\":[",
       "{\"id\":\"c%d\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}",
       "]}]}", MANY}}},
    {SURFACE_CHAT,
     SURFACE_MESSAGES,
     {{"{\"messages\":[" USER "],\"tools\":[",
       "{\"type\":\"function\",\"function\":{\"name\":\"t\"}}",
       "],\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[{",
       MANY},
      {NULL, MEMBERS},
      {"\"type\":\"function\",\"function\":{\"name\":\"t\"}}]}}}", "", NULL, 0}}},
    {SURFACE_MESSAGES,
     SURFACE_CHAT,
     {{"{", MEMBERS},
      {"\"max_tokens\":5,\"messages\":[",
       "{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"f\",\"input\":{}}]}",
       "]}", MANY}}},
    {SURFACE_RESPONSES,
     SURFACE_CHAT,
     {{"{\"input\":\"x\",\"tools\":[{\"type\":\"namespace\",", MEMBERS},
      {"\"name\":\"n\",\"tools\":[", "{\"name\":\"t\"}", "]}]}", 3 * MANY}}},
    {SURFACE_RESPONSES,
     SURFACE_CHAT,
     {{"{", MEMBERS}, {"\"input\":\"x\",\"include\":[", "\"\"", "]}", 6 * MANY}}},
    {SURFACE_RESPONSES,
     SURFACE_CHAT,
     {{"{\"input\":[{", MEMBERS},
      {"\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":[",
       "{\"type\":\"input_text\",\"text\":\"\"}", "]}]}", MANY}}},
    {SURFACE_RESPONSES,
     SURFACE_CHAT,
     {{"{\"input\":[{", "\"content\":\"\"", ",\"role\":\"user\"}]}", 3 * MANY}}},
    {SURFACE_OLLAMA_CHAT,
     SURFACE_CHAT,
     {{"{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{", MEMBERS},
      {"\"function\":{\"name\":\"f\",\"arguments\":{}}}]},",
       "{\"role\":\"tool\",\"tool_call_id\":\"z\",\"content\":\"x\"}", "]}", MANY}}},
};

static void run_row(const struct row *row)
{
    struct translate x;
    struct buf body, kept;
    uint64_t began = clock_mono_us();
    translate_begin(&x, row->asked, row->sent, true);
    buf_init(&body, SIZE_MAX);
    buf_init(&kept, SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(row->lists); i++)
        append_list(&body, &row->lists[i]);
    append(&body, "");
    struct str text = arena_dup(&x.arena, buf_str(&body));
    struct str out = translate_ask(&x, text.ptr);
    if (!out.ptr) print_message("%.*s\n", STR_ARG(x.why.message));
    assert_non_null(out.ptr);
    if (row->asked == SURFACE_RESPONSES)
        assert_int_equal(responses_write_input(&x.t, text, &kept), 0);
    translate_end(&x);
    buf_fini(&body);
    buf_fini(&kept);
    uint64_t took = clock_mono_us() - began;
    print_message("row %zu: %llu ms\n", (size_t)(row - rows), (unsigned long long)(took / 1000));
    assert_in_range(took, 0, SECONDS_MAX * USEC_PER_SEC);
}

static void test_quick(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        run_row(&rows[i]);
}

/* Each tool of a namespace repeats its name. */
static void test_namespace(void **state UNUSED)
{
    struct translate x;
    struct buf body;
    translate_begin(&x, SURFACE_RESPONSES, SURFACE_CHAT, true);
    buf_init(&body, SIZE_MAX);
    append(&body, "{\"input\":\"x\",\"tools\":[{\"type\":\"namespace\",\"name\":\"");
    for (unsigned i = 0; i < 600; i++)
        append(&body, "n");
    append(&body, "\",\"tools\":[{\"name\":\"t\"}]}]}");
    assert_null(translate_ask(&x, arena_dup(&x.arena, buf_str(&body)).ptr).ptr);
    assert_string_equal(x.why.message.ptr, "The name of a namespace may have at most 512 bytes.");
    translate_end(&x);
    buf_fini(&body);
}

static void give(struct translate *x, struct buf *event)
{
    assert_int_equal(translator_event(&x->translator, STR(""), buf_str(event)), 0);
    buf_clear(event);
}

/* Calls of Ollama's are told when they are whole, which is looked at whenever another one begins: of
 * large arguments only where there are more of them. */
static void test_calls(void **state UNUSED)
{
    enum { CALLS = 64, PIECES = 150 };
    struct translate x;
    struct buf event;
    uint64_t began = clock_mono_us();
    translate_begin(&x, SURFACE_OLLAMA_CHAT, SURFACE_CHAT, true);
    translate_answer(&x);
    buf_init(&event, SIZE_MAX);
    for (unsigned i = 0; i < CALLS; i++) {
        assert_int_equal(
            buf_printf(&event,
                       "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":%u,"
                       "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":\\\"\"}}]}}]}",
                       i),
            0);
        give(&x, &event);
        for (unsigned k = 0; i == 0 && k < PIECES; k++) {
            append(&event, "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{"
                           "\"arguments\":\"");
            for (unsigned n = 0; n < MANY; n++)
                append(&event, "xx");
            append(&event, "\"}}]}}]}");
            give(&x, &event);
        }
    }
    print_message("calls: %llu ms\n", (unsigned long long)((clock_mono_us() - began) / 1000));
    assert_in_range(clock_mono_us() - began, 0, SECONDS_MAX * USEC_PER_SEC);
    buf_fini(&event);
    translate_end(&x);
}

/* Names of calls are kept, too, which has a limit. */
static void test_names(void **state UNUSED)
{
    enum { CALLS = 8 };
    static const enum surface asked[] = {SURFACE_CHAT, SURFACE_MESSAGES, SURFACE_RESPONSES,
                                         SURFACE_OLLAMA_CHAT};
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        struct translate x;
        struct buf event;
        int err = 0;
        translate_begin(&x, asked[i], SURFACE_CHAT, false);
        translate_answer(&x);
        buf_init(&event, SIZE_MAX);
        for (unsigned k = 0; !err && k < CALLS; k++) {
            assert_int_equal(buf_printf(&event,
                                        "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":%u,"
                                        "\"function\":{\"arguments\":\"{}\",\"name\":\"",
                                        k),
                             0);
            for (unsigned n = 0; n < (5 << 20) / 16; n++)
                append(&event, "0123456789abcdef");
            append(&event, "\"}}]}}]}");
            err = translator_event(&x.translator, STR(""), buf_str(&event));
            buf_clear(&event);
        }
        if (err != ERR_TOO_LARGE) fail_msg("%s: %d", surface_row(asked[i])->name, err);
        buf_fini(&event);
        translate_end(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_quick),
                                       cmocka_unit_test(test_namespace),
                                       cmocka_unit_test(test_calls), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
