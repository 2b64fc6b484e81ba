/* SPDX-License-Identifier: Apache-2.0 */
/* http: event streams, cut anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "http/sse.h"

struct row {
    const char *text;
    const char *
        told; /* per event "<data|event>", "+" for several data lines; behind it what is left over */
};

static const struct row rows[] = {
    {"", ""},
    {"data: a\n\n", "<a|->"},
    {"data:a\n\n", "<a|->"},
    {"data:  a\n\n", "< a|->"},
    {"data: a\n\ndata: b\n\n", "<a|-><b|->"},
    {"data: a\r\n\r\ndata: b\r\n\r\n", "<a|-><b|->"},
    {"data: a\r\rdata: b\r\r", "<a|->data: b\r\r"}, /* the last \r may be half of \r\n */
    {"data: a\r\rdata: b\r\rx", "<a|-><b|->x"},
    {"data: a\n\r\ndata: b\r\n\n", "<a|-><b|->"},
    {"event: e\ndata: a\n\n", "<a|e>"},
    {"data: a\nevent: e\nid: 1\nretry: 5\n\n", "<a|e>"},
    {"data: a\ndata: b\n\n", "<a+|->"},
    {": comment\n\n", "<-|->"},
    {": ping\ndata: a\n\n", "<a|->"},
    {"\n\ndata: a\n\n", "<-|-><-|-><a|->"},
    {"data: a\n", "data: a\n"},
    {"data: a", "data: a"},
    {"data: a\n\ndat", "<a|->dat"},
    {"data: a\n\r", "data: a\n\r"},
    {"data\n\n", "<-|->"},
    {"database: x\n\n", "<-|->"},
    {"data:\n\n", "<|->"},
    {"\xef\xbb\xbf"
     "data: a\n\n\xef\xbb\xbf"
     "data: b\n\n",
     "<a|-><-|->"}, /* a mark at the beginning only */
    {"\xef\xbb\xbf\n\ndata: b\n\n", "<-|-><b|->"},
    {"data: \xf0\x9f\x98\x80\n\ndata: [DONE]\n\n", "<\xf0\x9f\x98\x80|-><[DONE]|->"},
};

static void add(struct buf *out, struct str s)
{
    assert_int_equal(buf_append(out, s), 0);
}

static void write_event(struct buf *told, struct buf *raw, const struct sse_event *event)
{
    add(told, STR("<"));
    add(told, event->data.ptr ? event->data : STR("-"));
    if (event->multi) add(told, STR("+"));
    add(told, STR("|"));
    add(told, event->event.ptr ? event->event : STR("-"));
    add(told, STR(">"));
    add(raw, event->raw);
}

static void feed(struct sse *s, struct str piece, struct buf *told, struct buf *raw)
{
    char *copy = malloc(piece.len + 1);
    if (piece.len) memcpy(copy, piece.ptr, piece.len);
    struct str in = str_n(copy, piece.len);
    struct sse_event event;
    int got;
    while ((got = sse_next(s, &in, &event)) == SSE_EVENT)
        write_event(told, raw, &event);
    assert_int_equal(got, 0);
    assert_int_equal(in.len, 0);
    memset(copy, '#', piece.len);
    free(copy);
}

static void read_cut(const struct row *row, size_t cut, size_t step)
{
    struct sse s;
    struct buf told, raw;
    struct str text = str_of(row->text);
    sse_init(&s, 4096);
    buf_init(&told, 4096);
    buf_init(&raw, 4096);
    feed(&s, str_sub(text, 0, cut), &told, &raw);
    for (size_t at = cut; at < text.len; at += step)
        feed(&s, str_sub(text, at, step), &told, &raw);
    add(&told, sse_rest(&s));
    add(&raw, sse_rest(&s));
    if (!str_eq(buf_str(&told), str_of(row->told)))
        fail_msg("%s\ncut at %zu by %zu: %" STR_FMT ", want %s", row->text, cut, step,
                 STR_ARG(buf_str(&told)), row->told);
    assert_true(str_eq(buf_str(&raw), text));
    sse_fini(&s);
    buf_fini(&told);
    buf_fini(&raw);
}

static void events_are_found_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t step = 1; step < 8; step++)
            read_cut(&rows[i], 0, step);
        for (size_t cut = 0; cut <= strlen(rows[i].text); cut++)
            read_cut(&rows[i], cut, 4096);
    }
}

/* What sse_finish makes of the bytes behind the last whole event. */
static void the_last_event_needs_no_blank_line(void **state)
{
    (void)state;
    static const char *const ends[][2] = {
        {"data: a", "<a|->"},
        {"data: a\n", "<a|->"},
        {"data: a\r", "<a|->"},
        {"data: a\r\n", "<a|->"},
        {"data: a\r\r", "<a|->"},
        {"data: a\ndata: b", "<a+|->"},
        {"event: e\ndata: a", "<a|e>"},
        {"data", "<-|->"},
        {"", ""},
        {"data: a\n\n", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        for (size_t step = 1; step < 20; step++) {
            struct sse s;
            struct sse_event event;
            struct buf told, raw;
            struct str text = str_of(ends[i][0]);
            sse_init(&s, 4096);
            buf_init(&told, 4096);
            buf_init(&raw, 4096);
            for (size_t at = 0; at < text.len; at += step)
                feed(&s, str_sub(text, at, step), &told, &raw);
            buf_clear(&told);
            if (sse_finish(&s, &event) == SSE_EVENT) write_event(&told, &raw, &event);
            assert_int_equal(sse_finish(&s, &event), 0);
            if (!str_eq(buf_str(&told), str_of(ends[i][1])))
                fail_msg("%s by %zu: %" STR_FMT, ends[i][0], step, STR_ARG(buf_str(&told)));
            sse_fini(&s);
            buf_fini(&told);
            buf_fini(&raw);
        }
}

static void data_of_several_lines_is_joined(void **state)
{
    (void)state;
    struct sse s;
    struct sse_event event;
    struct buf data;
    struct str in = STR("id: 1\ndata: a\nevent: e\ndata:b\r\ndata\ndatax: y\ndata:  c\n\n");
    sse_init(&s, 4096);
    buf_init(&data, 4096);
    assert_int_equal(sse_next(&s, &in, &event), SSE_EVENT);
    assert_true(event.multi);
    assert_int_equal(sse_join(&event, &data), 0);
    assert_true(str_eq(buf_str(&data), STR("a\nb\n c")));
    sse_fini(&s);
    buf_fini(&data);
}

/* A large event passes in parts, and the one behind it is found, however the bytes come. */
static void a_large_event_is_skipped_without_losing_bytes(void **state)
{
    (void)state;
    static const char *const ends[] = {"\n\n", "\r\n\r\n", "\r\r", "\nid: 7\n\n",
                                       "\r\nid: 7\r\n\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(ends) * 24; i++) {
        char whole[128];
        size_t digits = 12 + i / ARRAY_LEN(ends);
        (void)snprintf(whole, sizeof whole, "data: %.*s%sdata: x\n\n", (int)digits,
                       "012345678901234567890123456789012345", ends[i % ARRAY_LEN(ends)]);
        struct str text = str_of(whole);
        for (size_t step = 1; step <= 20; step++) {
            struct sse s;
            struct sse_event event;
            struct buf all;
            bool found = false;
            sse_init(&s, 20);
            buf_init(&all, 4096);
            for (size_t at = 0; at < text.len; at += step) {
                struct str in = str_sub(text, at, step);
                for (;;) {
                    int got = sse_next(&s, &in, &event);
                    if (got == 0) break;
                    if (got == SSE_EVENT) found = str_eq(event.data, STR("x"));
                    if (got < 0) {
                        assert_int_equal(got, ERR_TOO_LARGE);
                        sse_skip(&s, &in, &event.raw);
                    }
                    add(&all, event.raw);
                }
            }
            if (!found || !str_eq(buf_str(&all), text)) fail_msg("%s by %zu", whole, step);
            sse_fini(&s);
            buf_fini(&all);
        }
    }
}

/* Each byte is looked at once, in whatever pieces it comes. */
static void a_long_line_may_trickle_in(void **state)
{
    (void)state;
    enum { LENGTH = 400000, SECONDS_MAX = 3 };
    struct sse s;
    struct sse_event event;
    sse_init(&s, 2 * LENGTH);
    uint64_t began = clock_mono_us();
    for (size_t i = 0; i < LENGTH; i++) {
        struct str in = STR("x");
        assert_int_equal(sse_next(&s, &in, &event), 0);
    }
    struct str in = STR("\n\n");
    assert_int_equal(sse_next(&s, &in, &event), SSE_EVENT);
    assert_int_equal(event.raw.len, LENGTH + 2);
    assert_in_range(clock_mono_us() - began, 0, SECONDS_MAX * USEC_PER_SEC);
    sse_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_found_however_they_are_cut),
        cmocka_unit_test(the_last_event_needs_no_blank_line),
        cmocka_unit_test(data_of_several_lines_is_joined),
        cmocka_unit_test(a_large_event_is_skipped_without_losing_bytes),
        cmocka_unit_test(a_long_line_may_trickle_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
