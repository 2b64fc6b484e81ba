/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/bench_answer.h"

#include "json/scan.h"

void bench_answer_usage(struct bench_answer *a, struct str object)
{
    static const struct str outer = STR_INIT("usage");
    static const struct str inner[] = {STR_INIT("prompt_tokens"), STR_INIT("completion_tokens")};
    struct json_span usage;
    struct json_span counts[2];
    int64_t v;
    if (json_scan(object, &outer, 1, &usage, NULL) || usage.type != JSON_OBJECT) return;
    if (json_scan_span(&usage, inner, 2, counts, NULL)) return;
    if (json_span_i64(&counts[0], &v) && v >= 0) a->prompt_tokens = (uint64_t)v;
    if (json_span_i64(&counts[1], &v) && v >= 0) a->announced = (uint64_t)v;
}

/* Follows the mock's numbering; other text ends the following. */
static void check_number(struct bench_answer *a, struct str text)
{
    uint64_t index;
    ptrdiff_t blank = str_find_char(text, ' ');
    if (text.len < 2 || text.ptr[0] != 't' || blank < 2 ||
        str_to_u64(str_sub(text, 1, (size_t)blank - 1), &index)) {
        a->foreign = true;
        return;
    }
    if (index > a->next_index) a->lost += index - a->next_index;
    if (index < a->next_index) a->repeated++;
    a->next_index = index + 1;
}

enum bench_frame bench_answer_frame(struct bench_answer *a, enum bench_api api, struct str data)
{
    static const struct str keys[] = {STR_INIT("\"content\":\""), STR_INIT("\"text\":\""),
                                      STR_INIT("\"reasoning_content\":\"")};
    const unsigned first = api == BENCH_CHAT ? 0 : 1;
    for (unsigned i = first; i < ARRAY_LEN(keys); i += 2 - first) {
        ptrdiff_t at = str_find(data, keys[i]);
        struct str text = at < 0 ? STR("\"") : str_skip(data, (size_t)at + keys[i].len);
        if (text.len == 0 || text.ptr[0] == '"') continue;
        if (!a->foreign) check_number(a, text);
        return BENCH_FRAME_TEXT;
    }
    if (str_eq(data, STR("[DONE]"))) {
        a->done_seen = true;
    } else if (str_starts(data, STR("{\"error\""))) {
        a->error_seen = true;
        return BENCH_FRAME_ERROR;
    } else if (str_find(data, STR("\"usage\":{")) >= 0) {
        bench_answer_usage(a, data);
    }
    return BENCH_FRAME_OTHER;
}

void bench_answer_end(struct bench_answer *a)
{
    if (!a->foreign && a->next_index && a->announced > a->next_index)
        a->lost += a->announced - a->next_index;
}
