/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/relay.h"

#include <errno.h>
#include <string.h>

#include "json/skim.h"

void relay_init(struct relay *r, const struct answer_reader *reader, bool is_sse, bool strip_usage)
{
    *r = (struct relay){.reader = reader, .is_sse = is_sse, .strip_usage = strip_usage && is_sse};
    sse_init(&r->sse, RELAY_EVENT_MAX);
    buf_init(&r->like, RELAY_LIKE_MAX);
    buf_init(&r->joined, RELAY_EVENT_MAX);
    buf_init(&r->made, RELAY_EVENT_MAX + 16);
    json_find_init(&r->find, reader->usage_member, RELAY_USAGE_MAX);
}

void relay_fini(struct relay *r)
{
    sse_fini(&r->sse);
    buf_fini(&r->like);
    buf_fini(&r->joined);
    buf_fini(&r->made);
    json_find_fini(&r->find);
}

void relay_estimate(struct relay *r, size_t request_bytes)
{
    if (r->usage.known || r->deltas == 0) return;
    /* A token is about a delta, and about four bytes of a prompt. */
    r->usage = (struct usage){
        .prompt = request_bytes / 4, .completion = r->deltas, .known = true, .estimated = true};
}

/* --- events that say nothing new --- */

/* Remembers an event that only brings a piece of the answer. */
static void remember(struct relay *r, struct str data, const struct event_facts *look)
{
    struct str piece = json_skim_value(look->piece).raw;
    buf_clear(&r->like);
    if (piece.len == 0) return;
    const char *behind = piece.ptr + piece.len - 1, *end = data.ptr + data.len;
    struct str before = str_n(data.ptr, (size_t)(piece.ptr + 1 - data.ptr)),
               after = str_n(behind, (size_t)(end - behind));
    if (look->hole.len && look->hole.ptr < behind) return;
    if (buf_append(&r->like, before) || buf_append(&r->like, after)) buf_clear(&r->like);
    r->like_before = before.len;
    r->like_hole = look->hole.len ? (size_t)(end - look->hole.ptr) : 0;
    r->like_hole_len = look->hole.len;
}

/* True for an event that differs from the one that is remembered within one string only. Nearly
 * all do, and need no look into. */
static bool same_again(const struct relay *r, struct str data)
{
    struct str like = buf_str(&r->like);
    size_t before = r->like_before, after = like.len - before;
    if (like.len == 0 || data.len < like.len) return false;
    const char *behind = data.ptr + data.len - after;
    return memcmp(data.ptr, like.ptr, before) == 0 &&
           memcmp(behind, like.ptr + before, after) == 0 &&
           json_skim_inside(str_n(data.ptr + before, (size_t)(behind - data.ptr) - before));
}

/* Adds what an event says to what is known of the answer. */
static void take_note(struct relay *r, const struct event_facts *facts)
{
    r->begun |= facts->begun;
    r->ended |= facts->ended;
    if (facts->usage.known) r->usage = facts->usage;
    if (facts->error_message.type != JSON_NONE) r->error_message = facts->error_message;
}

/* Looks into data, of an event that is called an error or not. False when it is to be left out.
 * *hole: of the data, to be left out. */
static bool pass_news(struct relay *r, struct str data, bool error, struct str *hole)
{
    struct event_facts look = {.usage = r->usage, .mark = &r->mark};
    r->reader->read_event(data, r->strip_usage, &look);
    take_note(r, &look);
    if (look.last) r->done = r->content = true;
    if (look.error || error) {
        r->error = true;
        return true;
    }
    if (look.has_usage && !look.choice) { /* an event of its own */
        r->content = true;
        return !r->strip_usage;
    }
    if (look.content || !look.answer) r->content = true;
    if ((look.content || !look.answer) && !look.ends) r->deltas++;
    if (look.piece.ptr && !look.ends && !look.has_usage) remember(r, data, &look);
    *hole = look.hole;
    return true;
}

static bool is_end_mark(const struct relay *r, struct str data)
{
    return r->reader->is_last && r->reader->is_last(data);
}

/* The data of an event; one of several lines is put together. ptr NULL: it has none, or too
 * much. */
static struct str data_of(struct relay *r, const struct sse_event *event)
{
    if (!event->multi) return event->data;
    buf_clear(&r->joined);
    return sse_join(event, &r->joined) ? STR_NULL : buf_str(&r->joined);
}

/* An event with data. False when it is to be left out. *hole: of its raw bytes, to be left out. */
static bool pass_data(struct relay *r, const struct sse_event *event, struct str *hole)
{
    struct str data = r->error ? event->data : data_of(r, event);
    r->data = true;
    if (is_end_mark(r, data)) {
        r->done = r->content = true;
        return true;
    }
    if (r->error) return true; /* nothing that follows changes that */
    bool error = str_eq(event->event, STR("error"));
    if (!event->multi && !error && same_again(r, data)) {
        r->deltas++;
        if (r->like_hole) *hole = str_n(data.ptr + data.len - r->like_hole, r->like_hole_len);
        return true;
    }
    bool pass = pass_news(r, data, error, hole);
    if (event->multi) *hole = STR_NULL;
    return pass;
}

/* A JSON object where the first event should be, a runtime's error mostly: makes it one. */
static void make_event(struct relay *r, struct sse_event *event)
{
    struct str text = event->raw;
    while (text.len && json_is_blank((unsigned char)text.ptr[text.len - 1]))
        text.len--;
    if (json_scan(text, NULL, 0, NULL, NULL)) return;
    buf_clear(&r->made);
    if (buf_append(&r->made, STR("data: ")) || buf_append(&r->made, text) ||
        buf_append(&r->made, STR("\n\n")))
        return;
    struct str made = buf_str(&r->made);
    char *data = (char *)(uintptr_t)made.ptr + 6;
    for (size_t i = 0; i < text.len; i++) /* line ends are between its tokens only */
        if (data[i] == '\n' || data[i] == '\r') data[i] = ' ';
    *event = (struct sse_event){.raw = made, .data = str_n(data, text.len)};
}

/* Looks into an event. False when it is to be left out. */
static bool pass_event(struct relay *r, struct sse_event *event, struct str *hole)
{
    *hole = STR_NULL;
    if (!event->data.ptr && !r->data && str_find_char(event->raw, '{') >= 0) make_event(r, event);
    return event->data.ptr ? pass_data(r, event, hole) : true;
}

/* --- slices --- */

enum { EVENT_SLICES = RELAY_SLICES - 2 }; /* room for what is left at the end, and [DONE] */

/* Adds `piece`, joining it to the last slice when it follows in the same bytes. Where many holes
 * leave no room it is moved to the last one's end: the bytes between are of no use any more. */
static void add_slice(struct str out[RELAY_SLICES], unsigned *n, struct str piece)
{
    if (piece.len == 0) return;
    struct str *last = *n ? &out[*n - 1] : NULL;
    const char *end = last ? last->ptr + last->len : NULL;
    if (*n < EVENT_SLICES && end != piece.ptr) {
        out[(*n)++] = piece;
        return;
    }
    if (end != piece.ptr) memmove((char *)(uintptr_t)end, piece.ptr, piece.len);
    last->len += piece.len;
}

static void add_event(struct relay *r, struct str out[RELAY_SLICES], unsigned *n, struct str raw,
                      struct str hole)
{
    r->events++;
    if (hole.len == 0) {
        add_slice(out, n, raw);
        return;
    }
    const char *behind = hole.ptr + hole.len;
    add_slice(out, n, str_n(raw.ptr, (size_t)(hole.ptr - raw.ptr)));
    add_slice(out, n, str_n(behind, (size_t)(raw.ptr + raw.len - behind)));
}

/* Part of an event that is too large to be looked into as a whole: as far as anybody can tell it
 * is a piece of the answer, and its usage is found wherever it stands. */
static void see_large(struct relay *r, struct str part)
{
    bool begins = !r->large;
    r->data = r->content = r->large = true;
    if (begins) {
        json_find_fini(&r->find);
        json_find_init(&r->find, r->reader->usage_member, RELAY_USAGE_MAX);
        part = str_skip(part, (size_t)MAX(str_find_char(part, '{'), 0));
    }
    json_find_feed(&r->find, part);
    if (relay_inside(r)) return;
    struct str usage = json_find_value(&r->find);
    if (usage.len) r->reader->read_usage(usage, &r->usage);
    r->large = false;
    r->deltas++;
}

static unsigned feed_events(struct relay *r, struct str in, struct str out[RELAY_SLICES])
{
    struct sse_event event;
    struct str hole;
    unsigned n = 0;
    while (!r->done) {
        int got = sse_next(&r->sse, &in, &event);
        r->starved = got == -ENOMEM;
        if (got == 0 || r->starved) break;
        if (got < 0) {
            sse_skip(&r->sse, &in, &event.raw);
            see_large(r, event.raw);
            add_slice(out, &n, event.raw);
        } else if (pass_event(r, &event, &hole)) {
            add_event(r, out, &n, event.raw, hole);
        }
    }
    return n;
}

/* False for half a JSON text. */
static bool is_whole(struct relay *r, const struct sse_event *event)
{
    struct str data = data_of(r, event);
    return is_end_mark(r, data) || json_scan(data, NULL, 0, NULL, NULL) == 0;
}

/* The bytes have ended. What is left is an event if it is a whole one. */
static unsigned end_events(struct relay *r, struct str out[RELAY_SLICES], unsigned n)
{
    struct sse_event event;
    struct str hole;
    if (!r->done && sse_finish(&r->sse, &event) == SSE_EVENT) {
        bool whole = !event.data.ptr || is_whole(r, &event);
        if (whole && pass_event(r, &event, &hole) && event.data.ptr) out[n++] = event.raw;
    }
    if (r->ended && !r->done && !r->error && !relay_cut(r)) {
        r->done = true;
        if (r->reader->last_event.len) out[n++] = r->reader->last_event;
    }
    return n;
}

unsigned relay_feed(struct relay *r, struct str in, bool last, struct str out[RELAY_SLICES])
{
    r->error_message = (struct json_span){.type = JSON_NONE};
    if (r->is_sse) {
        unsigned n = in.len && !r->starved ? feed_events(r, in, out) : 0;
        return last ? end_events(r, out, n) : n;
    }
    out[0] = in;
    if (in.len) json_find_feed(&r->find, in);
    struct str usage = last ? json_find_value(&r->find) : STR_NULL;
    if (usage.len) r->reader->read_usage(usage, &r->usage);
    return in.len ? 1 : 0;
}

bool relay_inside(const struct relay *r)
{
    return r->sse.skipping;
}

bool relay_cut(const struct relay *r)
{
    unsigned count = (unsigned)__builtin_popcountll(r->ended);
    bool ended = count >= MAX(r->wanted, 1u) && !(r->begun & ~r->ended);
    return r->is_sse && !(r->done || r->error || ended);
}
