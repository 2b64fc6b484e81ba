/* SPDX-License-Identifier: Apache-2.0 */
/* What answers say. */
#include "dialect/anthropic/anthropic_priv.h"
#include "json/skim.h"

/* --- usage --- */

/* False where the count is not there, or no number. */
static bool read_count(const struct json_span *span, uint64_t *out)
{
    int64_t n;
    if (!json_span_i64(span, &n) || n < 0) return false;
    *out = (uint64_t)n;
    return true;
}

void anthropic__read_usage(struct str object, struct usage *u)
{
    static const struct str names[] = {
        STR_INIT("input_tokens"), STR_INIT("output_tokens"), STR_INIT("cache_read_input_tokens"),
        STR_INIT("cache_creation_input_tokens"), STR_INIT("output_tokens_details")};
    static const struct str details[] = {STR_INIT("thinking_tokens")};
    struct json_span fields[ARRAY_LEN(names)], thinking[1];
    if (json_scan(object, names, ARRAY_LEN(names), fields, NULL)) return;
    uint64_t besides = u->cached + u->written,
             input = u->prompt > besides ? u->prompt - besides : 0;
    (void)read_count(&fields[0], &input);
    (void)read_count(&fields[1], &u->completion);
    (void)read_count(&fields[2], &u->cached);
    (void)read_count(&fields[3], &u->written);
    if (fields[4].type == JSON_OBJECT && !json_scan_span(&fields[4], details, 1, thinking, NULL))
        (void)read_count(&thinking[0], &u->reasoning);
    u->prompt = input + u->cached + u->written;
    u->known = true;
}

static void read_usage(struct str object, struct usage *out)
{
    *out = (struct usage){0};
    anthropic__read_usage(object, out);
}

/* --- events --- */

/* An event that is being read: in which of its outermost members the walk is. */
struct reading {
    struct event_facts *facts;
    bool in_message, in_delta, in_block, in_error;
};

static void see_usage(const struct json_member *m, struct event_facts *facts)
{
    struct json_span value = json_skim_value(m->value);
    if (value.type != JSON_OBJECT) return;
    facts->has_usage = true;
    anthropic__read_usage(value.raw, &facts->usage);
}

/* What `type` says of the whole event. */
static void see_type(const struct json_member *m, struct event_facts *facts)
{
    struct str type = json_skim_value(m->value).raw;
    if (str_eq(type, STR("\"message_start\""))) facts->begun = 1;
    if (str_eq(type, STR("\"message_stop\""))) facts->last = true;
    if (str_eq(type, STR("\"error\""))) facts->error = true;
}

static void see_member(const struct json_member *m, struct reading *r)
{
    r->in_message = json_member_is(m, STR("message"));
    r->in_delta = json_member_is(m, STR("delta"));
    r->in_block = json_member_is(m, STR("content_block"));
    r->in_error = json_member_is(m, STR("error"));
    if (r->in_error && !json_skim_empty(m->value)) r->facts->error = true;
    if (json_member_is(m, STR("type"))) see_type(m, r->facts);
    if (json_member_is(m, STR("usage"))) see_usage(m, r->facts);
}

/* A member of an event's delta. */
static void see_delta(const struct json_member *m, struct event_facts *facts)
{
    if (json_skim_empty(m->value) || json_member_is(m, STR("type"))) return;
    if (json_member_is(m, STR("stop_reason"))) {
        facts->content = facts->ends = true;
        facts->ended = 1;
    } else if (json_member_is(m, STR("text")) || json_member_is(m, STR("thinking")) ||
               json_member_is(m, STR("partial_json"))) {
        facts->content = true;
        if (m->value.ptr[0] == '"') facts->piece = m->value;
    }
}

/* A block that begins. Most begin empty, but a tool's name is there at once, and all of what
 * nobody can read. */
static void see_block(const struct json_member *m, struct event_facts *facts)
{
    if (json_skim_empty(m->value)) return;
    if (json_member_is(m, STR("name")) || json_member_is(m, STR("text")) ||
        json_member_is(m, STR("thinking")) || json_member_is(m, STR("data")))
        facts->content = true;
}

static void see_error_message(const struct json_member *m, struct event_facts *facts)
{
    struct json_span message = json_skim_value(m->value);
    if (message.type == JSON_STRING) facts->error_message = message;
}

static void see_inner(const struct json_member *m, struct reading *r)
{
    if (r->in_delta)
        see_delta(m, r->facts);
    else if (r->in_message && json_member_is(m, STR("usage")))
        see_usage(m, r->facts);
    else if (r->in_block)
        see_block(m, r->facts);
    else if (r->in_error && json_member_is(m, STR("message")))
        see_error_message(m, r->facts);
}

static void read_event(struct str data, bool strip_usage UNUSED, struct event_facts *out)
{
    struct reading r = {.facts = out};
    struct json_skim s;
    struct json_member m;
    out->answer = out->choice = true;
    json_skim_init(&s, data);
    while (json_skim_next(&s, &m)) {
        if (m.depth == 1) see_member(&m, &r);
        if (m.depth == 2) see_inner(&m, &r);
    }
}

const struct answer_reader anthropic__reader = {
    .read_event = read_event,
    .last_event = STR_INIT("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
    .usage_member = STR_INIT("usage"),
    .read_usage = read_usage,
};
