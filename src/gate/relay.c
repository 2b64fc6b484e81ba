/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/relay.h"

#include <string.h>

#include "json/scan.h"

void relay_init(struct relay *r, bool is_sse, bool strip_usage)
{
    *r = (struct relay){.is_sse = is_sse, .strip_usage = strip_usage && is_sse};
    sse_init(&r->sse, RELAY_EVENT_MAX);
    buf_init(&r->tail, 2 * RELAY_TAIL);
}

void relay_fini(struct relay *r)
{
    sse_fini(&r->sse);
    buf_fini(&r->tail);
}

static uint64_t read_count(const struct json_span *span)
{
    int64_t n;
    return json_span_i64(span, &n) && n > 0 ? (uint64_t)n : 0;
}

/* Reads a usage object. */
static void read_usage(struct usage *u, const struct json_span *span)
{
    static const struct str names[] = {STR_INIT("prompt_tokens"), STR_INIT("completion_tokens"),
                                       STR_INIT("prompt_tokens_details")};
    static const struct str details[] = {STR_INIT("cached_tokens")};
    struct json_span fields[ARRAY_LEN(names)], cached[1];
    if (span->type != JSON_OBJECT || json_scan_span(span, names, ARRAY_LEN(names), fields, NULL))
        return;
    u->known = true;
    u->prompt = read_count(&fields[0]);
    u->completion = read_count(&fields[1]);
    if (fields[2].type == JSON_OBJECT && json_scan_span(&fields[2], details, 1, cached, NULL) == 0)
        u->cached = read_count(&cached[0]);
}

static bool is_empty_array(const struct json_span *span)
{
    if (span->type != JSON_ARRAY) return false;
    for (size_t i = 1; i + 1 < span->raw.len; i++)
        if (!strchr(" \t\r\n", span->raw.ptr[i])) return false;
    return true;
}

static bool begins_as_error(struct str data)
{
    return str_starts(data, STR("{")) && str_starts(str_trim(str_skip(data, 1)), STR("\"error\""));
}

/* Looks into an event. False when it is to be left out. */
static bool pass_event(struct relay *r, const struct sse_event *event)
{
    static const struct str names[] = {STR_INIT("choices"), STR_INIT("usage"), STR_INIT("error")};
    struct json_span spans[ARRAY_LEN(names)];
    if (!event->data.ptr || event->multi) return true;
    if (str_starts(event->data, STR("[DONE]")) && str_trim(event->data).len == 6) {
        r->done = true;
        return true;
    }
    if (str_eq(event->event, STR("error"))) r->error = true;
    bool has_usage = str_find(event->data, STR("\"usage\"")) >= 0;
    if (!has_usage && !begins_as_error(event->data)) return true;
    if (json_scan(event->data, names, ARRAY_LEN(names), spans, NULL)) return true;
    if (spans[2].type == JSON_OBJECT || spans[2].type == JSON_STRING) r->error = true;
    if (spans[1].type != JSON_OBJECT) return true;
    read_usage(&r->usage, &spans[1]);
    return !(r->strip_usage && is_empty_array(&spans[0]));
}

/* Adds `piece`, joining it to the last slice when it follows in the same bytes. False: no room. */
static bool add_slice(struct str out[RELAY_SLICES], unsigned *n, struct str piece)
{
    if (*n && out[*n - 1].ptr + out[*n - 1].len == piece.ptr) {
        out[*n - 1].len += piece.len;
        return true;
    }
    if (*n == RELAY_SLICES) return false;
    out[(*n)++] = piece;
    return true;
}

static unsigned feed_events(struct relay *r, struct str in, struct str out[RELAY_SLICES])
{
    struct sse_event event;
    unsigned n = 0;
    for (;;) {
        int got = sse_next(&r->sse, &in, &event);
        if (got == 0) return n;
        if (got < 0) {
            sse_skip(&r->sse, &in, &event.raw);
        } else if (!pass_event(r, &event)) {
            continue;
        } else {
            r->events++;
        }
        if (event.raw.len && !add_slice(out, &n, event.raw)) {
            /* Many holes in one read: fills the last one, loses nothing. */
            struct str *last = &out[RELAY_SLICES - 1];
            r->crowded = true;
            last->len = (size_t)(event.raw.ptr + event.raw.len - last->ptr);
        }
    }
}

static void keep_tail(struct relay *r, struct str in)
{
    struct str last = in.len > RELAY_TAIL ? str_skip(in, in.len - RELAY_TAIL) : in;
    if (buf_len(&r->tail) + last.len > 2 * RELAY_TAIL) {
        size_t drop = buf_len(&r->tail) - (RELAY_TAIL - MIN(last.len, (size_t)RELAY_TAIL));
        buf_consume(&r->tail, MIN(drop, buf_len(&r->tail)));
    }
    if (buf_append(&r->tail, last)) buf_clear(&r->tail); /* usage is then unknown, nothing else */
}

/* The last "usage" member's object in the end of a JSON body. Within strings the quotes would be escaped, so the name with a colon can
 * only be a member's. */
static void find_usage(struct usage *u, struct str text)
{
    static const struct str name = STR_INIT("\"usage\"");
    if (text.len > 2 * RELAY_TAIL) text = str_skip(text, text.len - 2 * RELAY_TAIL);
    struct str value = STR_NULL;
    /* Usage stands near the end: look from there. */
    for (struct str before = text; before.len && !value.ptr;) {
        const char *quote = memrchr(before.ptr, '"', before.len);
        if (!quote) return;
        before.len = (size_t)(quote - before.ptr);
        struct str from = str_skip(text, before.len);
        if (str_starts(from, name)) value = str_skip(from, name.len);
    }
    while (value.len && strchr(" \t\r\n:", value.ptr[0]))
        value = str_skip(value, 1);
    size_t depth = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '{') depth++;
        if (value.ptr[i] == '}') depth--;
        if (depth > 0) continue;
        struct json_span span = {JSON_OBJECT, str_n(value.ptr, i + 1)};
        if (i > 0) read_usage(u, &span);
        return;
    }
}

unsigned relay_feed(struct relay *r, struct str in, bool last, struct str out[RELAY_SLICES])
{
    if (in.len && r->is_sse) return feed_events(r, in, out);
    if (!r->is_sse) {
        bool in_one_piece = last && buf_len(&r->tail) == 0;
        if (!in_one_piece) keep_tail(r, in);
        if (last) find_usage(&r->usage, in_one_piece ? in : buf_str(&r->tail));
    }
    out[0] = in;
    return in.len ? 1 : 0;
}

struct str relay_last(const struct relay *r)
{
    struct str rest = sse_rest(&r->sse);
    if (!r->is_sse || !str_starts(rest, STR("data:"))) return STR_NULL;
    struct str value = str_trim(str_skip(rest, 5));
    while (value.len && strchr("\r\n", value.ptr[value.len - 1]))
        value.len--;
    return str_eq(value, STR("[DONE]")) ? STR("data: [DONE]\n\n") : STR_NULL;
}

bool relay_inside(const struct relay *r)
{
    return r->sse.skipping;
}

bool relay_cut(const struct relay *r)
{
    return r->is_sse && !(r->done || r->error || relay_last(r).len);
}
