/* SPDX-License-Identifier: Apache-2.0 */
/* What answers say. */
#include "dialect/openai/openai_priv.h"
#include "json/skim.h"

/* An event that is being read. */
struct reading {
    struct str data;
    bool strip_usage;
    struct event_facts *facts;
    struct str list; /* the choices' value and what follows it; ptr NULL: no such member */
};

/* --- usage --- */

static uint64_t read_count(const struct json_span *span)
{
    int64_t n;
    return json_span_i64(span, &n) && n > 0 ? (uint64_t)n : 0;
}

/* Reads a usage object. */
static void read_usage(struct str object, struct usage *u)
{
    static const struct str names[] = {STR_INIT("prompt_tokens"), STR_INIT("completion_tokens"),
                                       STR_INIT("prompt_tokens_details"),
                                       STR_INIT("completion_tokens_details")};
    static const struct str in[] = {STR_INIT("cached_tokens"), STR_INIT("cache_write_tokens")};
    static const struct str out[] = {STR_INIT("reasoning_tokens")};
    struct json_span fields[ARRAY_LEN(names)], cached[2], reasoning[1];
    if (json_scan(object, names, ARRAY_LEN(names), fields, NULL)) return;
    *u = (struct usage){
        .known = true, .prompt = read_count(&fields[0]), .completion = read_count(&fields[1])};
    if (fields[2].type == JSON_OBJECT && json_scan_span(&fields[2], in, 2, cached, NULL) == 0) {
        u->cached = read_count(&cached[0]);
        u->written = read_count(&cached[1]);
    }
    if (fields[3].type == JSON_OBJECT && json_scan_span(&fields[3], out, 1, reasoning, NULL) == 0)
        u->reasoning = read_count(&reasoning[0]);
}

/* --- events --- */

static void see_usage(const struct json_member *m, struct reading *r)
{
    struct json_span value = json_skim_value(m->value);
    if (value.type == JSON_NULL && r->strip_usage)
        r->facts->hole = json_member_hole(r->data, m, value.raw.len);
    if (value.type != JSON_OBJECT) return;
    r->facts->has_usage = true;
    read_usage(value.raw, &r->facts->usage);
}

static void see_error(const struct json_member *m, struct reading *r)
{
    static const struct str names[] = {STR_INIT("message")};
    if (json_skim_empty(m->value)) return;
    struct json_span value = json_skim_value(m->value), message[1];
    r->facts->error = true;
    if (value.type == JSON_OBJECT && json_scan_span(&value, names, 1, message, NULL) == 0)
        value = message[0];
    if (value.type == JSON_STRING) r->facts->error_message = value;
}

/* The bit of the choice with the index that `value` begins with. */
static uint64_t choice_bit(struct str value)
{
    unsigned index = 0;
    for (size_t i = 0; i < value.len && value.ptr[i] >= '0' && value.ptr[i] <= '9'; i++)
        index = MIN(index * 10 + (unsigned)(value.ptr[i] - '0'), (unsigned)READER_CHOICES_MAX);
    return UINT64_C(1) << index;
}

/* Takes note of the choices that have their finish_reason in this event. */
static void see_ends(struct str choices, struct reading *r)
{
    struct str rest = json_skim_value(choices).raw;
    struct json_span choice;
    while (json_skim_element(&rest, &choice)) {
        struct json_skim s;
        struct json_member m;
        uint64_t bit = 1;
        bool ends = false;
        json_skim_init(&s, choice.raw);
        while (json_skim_next(&s, &m)) {
            if (m.depth != 1) continue;
            if (json_member_is(&m, STR("index"))) bit = choice_bit(m.value);
            if (json_member_is(&m, STR("finish_reason"))) ends = !json_skim_empty(m.value);
        }
        if (ends && bit >> READER_CHOICES_MAX == 0) r->facts->ended |= bit;
    }
}

/* An outermost member. */
static void see_member(const struct json_member *m, struct reading *r)
{
    if (json_member_is(m, STR("choices"))) {
        r->list = m->value;
        r->facts->answer = true;
        r->facts->choice = !json_skim_empty(m->value);
    } else if (json_member_is(m, STR("usage"))) {
        see_usage(m, r);
    } else if (json_member_is(m, STR("error"))) {
        see_error(m, r);
    }
}

/* A member of a choice that has something of the answer, if it has anything. */
static void see_piece(const struct json_member *m, struct reading *r)
{
    if (json_skim_empty(m->value)) return;
    r->facts->content = true;
    if (m->value.ptr[0] == '"') r->facts->piece = m->value;
}

static void see_choice(const struct json_member *m, struct reading *r)
{
    if (json_member_is(m, STR("index"))) {
        r->facts->begun |= choice_bit(m->value);
    } else if (json_member_is(m, STR("finish_reason"))) {
        if (!json_skim_empty(m->value)) r->facts->ends = r->facts->content = true;
    } else if (json_member_is(m, STR("text")) || json_member_is(m, STR("message"))) {
        see_piece(m, r);
    }
}

static void read_event(struct str data, bool strip_usage, struct event_facts *out)
{
    struct reading r = {.data = data, .strip_usage = strip_usage, .facts = out};
    struct json_skim s;
    struct json_member m;
    bool in_choices = false, in_delta = false;
    json_skim_init(&s, data);
    while (json_skim_next(&s, &m)) {
        if (m.depth == 1) {
            see_member(&m, &r);
            in_choices = r.list.ptr && r.list.ptr == m.value.ptr;
        } else if (in_choices && m.depth == 3) {
            see_choice(&m, &r);
            in_delta = json_member_is(&m, STR("delta"));
        } else if (in_choices && in_delta && m.depth == 4) {
            if (!json_member_is(&m, STR("role"))) see_piece(&m, &r);
        }
    }
    if (out->ends) see_ends(r.list, &r);
}

static bool is_last(struct str data)
{
    return str_starts(data, STR("[DONE]")) && str_trim(data).len == 6;
}

const struct answer_reader openai__reader = {
    .read_event = read_event,
    .is_last = is_last,
    .last_event = STR_INIT("data: [DONE]\n\n"),
    .usage_member = STR_INIT("usage"),
    .read_usage = read_usage,
};
