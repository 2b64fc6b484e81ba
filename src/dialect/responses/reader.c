/* SPDX-License-Identifier: Apache-2.0 */
/* What answers say. */
#include <string.h>

#include "dialect/responses/responses_priv.h"
#include "json/skim.h"

/* --- usage --- */

static uint64_t read_count(const struct json_span *span)
{
    int64_t n;
    return json_span_i64(span, &n) && n > 0 ? (uint64_t)n : 0;
}

static uint64_t read_detail(const struct json_span *details, struct str name)
{
    struct json_span count[1];
    if (details->type != JSON_OBJECT || json_scan_span(details, &name, 1, count, NULL)) return 0;
    return read_count(&count[0]);
}

void responses__read_usage(struct str object, struct usage *u)
{
    static const struct str names[] = {STR_INIT("input_tokens"), STR_INIT("output_tokens"),
                                       STR_INIT("input_tokens_details"),
                                       STR_INIT("output_tokens_details")};
    struct json_span fields[ARRAY_LEN(names)];
    if (json_scan(object, names, ARRAY_LEN(names), fields, NULL)) return;
    *u = (struct usage){
        .known = true,
        .prompt = read_count(&fields[0]),
        .completion = read_count(&fields[1]),
        .cached = read_detail(&fields[2], STR("cached_tokens")),
        .written = read_detail(&fields[2], STR("cache_write_tokens")),
        .reasoning = read_detail(&fields[3], STR("reasoning_tokens")),
    };
}

/* --- events --- */

/* Its id and its usage; of a failed one the error's message. */
static void see_response(struct str response, struct event_facts *facts)
{
    static const struct str names[] = {STR_INIT("id"), STR_INIT("usage"), STR_INIT("error")};
    static const struct str inner[] = {STR_INIT("message")};
    struct json_span fields[ARRAY_LEN(names)], message[1];
    if (json_scan(response, names, ARRAY_LEN(names), fields, NULL)) return;
    struct str id = fields[0].raw;
    if (facts->mark && fields[0].type == JSON_STRING && id.len - 2 < sizeof facts->mark->id) {
        memcpy(facts->mark->id, id.ptr + 1, id.len - 2);
        facts->mark->id[id.len - 2] = '\0';
    }
    if (fields[1].type == JSON_OBJECT) {
        facts->has_usage = true;
        responses__read_usage(fields[1].raw, &facts->usage);
    }
    if (!json_scan_span(&fields[2], inner, 1, message, NULL) && message[0].type == JSON_STRING)
        facts->error_message = message[0];
}

/* What `type` says of the whole event. */
static void see_type(struct str type, struct event_facts *facts)
{
    if (str_ends(type, STR(".delta\"")) || str_ends(type, STR(".done\""))) facts->content = true;
    if (str_eq(type, STR("\"response.completed\"")) || str_eq(type, STR("\"response.incomplete\"")))
        facts->last = facts->content = facts->ends = true;
    if (str_eq(type, STR("\"response.failed\""))) facts->last = facts->error = true;
    if (str_eq(type, STR("\"error\""))) facts->error = true;
}

static void see_number(const struct json_member *m, struct event_facts *facts)
{
    struct json_span value = json_skim_value(m->value);
    int64_t n;
    if (facts->mark && json_span_i64(&value, &n) && n >= 0) facts->mark->next = (uint64_t)n + 1;
}

/* Of an event `error`, some runtimes nest what it says. */
static void see_error(const struct json_member *m, struct event_facts *facts)
{
    static const struct str names[] = {STR_INIT("message")};
    struct json_span value = json_skim_value(m->value), message[1];
    if (!json_scan_span(&value, names, 1, message, NULL) && message[0].type == JSON_STRING)
        facts->error_message = message[0];
}

static void see_member(const struct json_member *m, struct event_facts *facts)
{
    if (json_member_is(m, STR("type"))) {
        see_type(json_skim_value(m->value).raw, facts);
    } else if (json_member_is(m, STR("sequence_number"))) {
        see_number(m, facts);
    } else if (json_member_is(m, STR("delta"))) {
        if (m->value.len && m->value.ptr[0] == '"') facts->piece = m->value;
    } else if (json_member_is(m, STR("response"))) {
        struct json_span value = json_skim_value(m->value);
        facts->whole = value.raw; /* of the last event it is that */
        if (value.type == JSON_OBJECT) see_response(value.raw, facts);
    } else if (json_member_is(m, STR("error"))) {
        see_error(m, facts);
    } else if (json_member_is(m, STR("message"))) {
        struct json_span value = json_skim_value(m->value); /* of an event `error` */
        if (value.type == JSON_STRING) facts->error_message = value;
    }
}

static void read_event(struct str data, bool strip_usage UNUSED, struct event_facts *out)
{
    struct json_skim s;
    struct json_member m;
    out->answer = out->choice = true;
    out->begun = 1;
    json_skim_init(&s, data);
    while (json_skim_next(&s, &m))
        if (m.depth == 1) see_member(&m, out);
}

const struct answer_reader responses__reader = {
    .read_event = read_event,
    .usage_member = STR_INIT("usage"),
    .read_usage = responses__read_usage,
};
