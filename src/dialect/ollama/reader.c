/* SPDX-License-Identifier: Apache-2.0 */
/* What answers say. Each line of a stream is an object of its own, and the last one, which is done,
 * has the counts; so does an answer that is no stream. */
#include "dialect/ollama/ollama_priv.h"
#include "json/skim.h"

/* --- usage --- */

static uint64_t read_count(const struct json_span *span)
{
    int64_t n;
    return json_span_i64(span, &n) && n > 0 ? (uint64_t)n : 0;
}

static void read_usage(struct str object, struct usage *u)
{
    static const struct str names[] = {STR_INIT("prompt_eval_count"), STR_INIT("eval_count")};
    struct json_span counts[ARRAY_LEN(names)];
    if (json_scan(object, names, ARRAY_LEN(names), counts, NULL)) return;
    if (counts[0].type == JSON_NONE && counts[1].type == JSON_NONE) return;
    *u = (struct usage){
        .known = true, .prompt = read_count(&counts[0]), .completion = read_count(&counts[1])};
}

/* --- events --- */

/* A member with something of the answer, if it has anything. */
static void see_piece(const struct json_member *m, struct event_facts *facts)
{
    if (json_skim_empty(m->value)) return;
    facts->content = true;
    if (m->value.ptr[0] == '"') facts->piece = m->value;
}

static void see_member(const struct json_member *m, struct event_facts *facts)
{
    if (json_member_is(m, STR("response")) || json_member_is(m, STR("thinking"))) {
        see_piece(m, facts);
    } else if (json_member_is(m, STR("done"))) {
        if (str_starts(m->value, STR("true"))) facts->last = facts->ends = facts->content = true;
    } else if (json_member_is(m, STR("error"))) {
        struct json_span value = json_skim_value(m->value);
        facts->error = !json_skim_empty(m->value);
        if (value.type == JSON_STRING) facts->error_message = value;
    }
}

static bool is_piece(const struct json_member *m)
{
    return json_member_is(m, STR("content")) || json_member_is(m, STR("thinking")) ||
           json_member_is(m, STR("tool_calls"));
}

static void read_event(struct str data, bool strip_usage UNUSED, struct event_facts *out)
{
    struct json_skim s;
    struct json_member m;
    bool in_message = false;
    out->answer = out->choice = true;
    out->begun = 1;
    json_skim_init(&s, data);
    while (json_skim_next(&s, &m)) {
        if (m.depth == 1) in_message = json_member_is(&m, STR("message"));
        if (m.depth == 1) see_member(&m, out);
        if (m.depth == 2 && in_message && is_piece(&m)) see_piece(&m, out);
    }
    if (!out->last) return;
    out->ended = 1;
    read_usage(data, &out->usage);
    out->has_usage = out->usage.known;
}

const struct answer_reader ollama__reader = {
    .read_event = read_event,
    .lines = true,
    .read_usage = read_usage,
};
