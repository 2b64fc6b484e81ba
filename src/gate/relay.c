/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/relay.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "json/skim.h"

void relay_init(struct relay *r, const struct answer_reader *reader, bool is_stream,
                bool strip_usage)
{
    *r = (struct relay){
        .reader = reader, .is_stream = is_stream, .strip_usage = strip_usage && is_stream};
    sse_init(&r->sse, RELAY_EVENT_MAX);
    r->sse.lines = reader->lines;
    buf_init(&r->like, RELAY_LIKE_MAX);
    buf_init(&r->joined, RELAY_EVENT_MAX);
    buf_init(&r->made, RELAY_EVENT_MAX + 16);
    buf_init(&r->kept, ANSWER_HELD_MAX);
    json_find_init(&r->find, reader->usage_member, RELAY_USAGE_MAX);
}

void relay_fini(struct relay *r)
{
    sse_fini(&r->sse);
    buf_fini(&r->like);
    buf_fini(&r->joined);
    buf_fini(&r->made);
    buf_fini(&r->kept);
    json_find_fini(&r->find);
}

void relay_translate(struct relay *r, struct translator *tr)
{
    r->translator = tr;
    r->strip_usage = false;
    sse_init(&r->sse, RELAY_TRANSLATED_MAX);
    r->sse.lines = r->reader->lines;
    buf_init(&r->joined, RELAY_TRANSLATED_MAX);
}

/* A token is about a delta, and about four bytes of a prompt. */
static struct usage estimated(const struct relay *r, size_t request_bytes)
{
    /* Some tell what they have counted before they have: of a stream that broke that is nothing. */
    bool counted = r->usage.known && (r->usage.completion >= r->deltas || !relay_cut(r));
    if (counted || r->deltas == 0) return r->usage;
    if (r->usage.known) {
        struct usage usage = r->usage;
        usage.completion = r->deltas;
        usage.estimated = true;
        return usage;
    }
    return (struct usage){
        .prompt = request_bytes / 4, .completion = r->deltas, .known = true, .estimated = true};
}

void relay_estimate(struct relay *r, size_t request_bytes)
{
    r->usage = estimated(r, request_bytes);
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

/* The string within which an event differs from the one that is remembered, if it does nowhere else.
 * Nearly all are such, and need no look into. ptr NULL: this one is none. */
static struct str same_again(const struct relay *r, struct str data)
{
    struct str like = buf_str(&r->like);
    size_t before = r->like_before, after = like.len - before;
    if (like.len == 0 || data.len < like.len) return STR_NULL;
    struct str piece = str_n(data.ptr + before, data.len - like.len);
    bool same = memcmp(data.ptr, like.ptr, before) == 0 &&
                memcmp(piece.ptr + piece.len, like.ptr + before, after) == 0 &&
                json_skim_inside(piece);
    return same ? piece : STR_NULL;
}

/* Adds what an event says to what is known of the answer. */
static void take_note(struct relay *r, const struct event_facts *facts)
{
    r->begun |= facts->begun;
    r->ended |= facts->ended;
    if (facts->usage.known) r->usage = facts->usage;
    if (facts->error_message.type != JSON_NONE) r->error_message = facts->error_message;
}

/* All of it or nothing. */
static void keep(struct relay *r, struct str bytes)
{
    if (!buf_append(&r->kept, bytes)) return;
    r->keeps = false;
    buf_release(&r->kept);
}

/* Looks into data, of an event that is called an error or not. False when it is to be left out.
 * *hole: of the data, to be left out. */
static bool pass_news(struct relay *r, struct str data, bool error, struct str *hole)
{
    struct event_facts look = {.usage = r->usage, .mark = &r->mark};
    r->reader->read_event(data, r->strip_usage, &look);
    take_note(r, &look);
    if (look.last) r->done = r->content = true;
    if (look.last && r->keeps) keep(r, look.whole);
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

RARE static struct str join(struct relay *r, const struct sse_event *event)
{
    buf_clear(&r->joined);
    return sse_join(event, &r->joined) ? STR_NULL : buf_str(&r->joined);
}

/* The data of an event; one of several lines is put together. ptr NULL: it has none, or too
 * much. */
static struct str data_of(struct relay *r, const struct sse_event *event)
{
    return event->multi ? join(r, event) : event->data;
}

/* What is done with an event. */
struct passage {
    struct str data;
    struct str hole;  /* of its raw bytes, to be left out */
    struct str piece; /* it only differs from the one before it by this; ptr NULL: else */
    bool mark;        /* it is but the mark of the end */
};

/* An event with data. False when it is to be left out. */
static bool pass_data(struct relay *r, const struct sse_event *event, struct passage *p)
{
    struct str data = p->data = r->error ? event->data : data_of(r, event);
    r->data = true;
    if (is_end_mark(r, data)) {
        r->done = r->content = p->mark = true;
        return true;
    }
    if (r->error) return true; /* nothing that follows changes that */
    bool error = str_eq(event->event, STR("error"));
    if (!event->multi && !error) p->piece = same_again(r, data);
    if (p->piece.ptr) {
        r->deltas++;
        if (r->like_hole) p->hole = str_n(data.ptr + data.len - r->like_hole, r->like_hole_len);
        return true;
    }
    bool pass = pass_news(r, data, error, &p->hole);
    if (event->multi) p->hole = STR_NULL;
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
static bool pass_event(struct relay *r, struct sse_event *event, struct passage *p)
{
    *p = (struct passage){0};
    if (!event->data.ptr && !r->data && str_find_char(event->raw, '{') >= 0) make_event(r, event);
    return event->data.ptr ? pass_data(r, event, p) : true;
}

/* --- translation --- */

/* Takes note of what translating came to. */
static void note(struct relay *r, int err)
{
    if (err == -ENOMEM) r->starved = true;
    if (err == ERR_INVALID || err == ERR_TOO_LARGE) r->alien = true;
    if (err == ERR_TOO_LARGE) r->oversized = true;
    if (err) r->done = false; /* what was to be the end did not go through */
}

/* Part of what the client should have got could not be made. */
static bool lost(const struct relay *r)
{
    return r->translator && (r->starved || r->alien);
}

/* The error that the last event told, for the client. */
static int translate_error(struct relay *r)
{
    struct arena arena;
    struct refusal why = {.status = 502, .code = "upstream_error"};
    arena_init(&arena, RELAY_EVENT_MAX, 1024);
    if (r->error_message.type == JSON_NONE ||
        json_span_str(&r->error_message, &arena, &why.message))
        why.message = STR("The runtime failed in the middle of the answer.");
    int err = translator_fail(r->translator, &why);
    arena_fini(&arena);
    return err;
}

static int translate_end(struct relay *r)
{
    struct usage usage = estimated(r, r->translator->t->prompt_estimate * 4);
    return translator_end(r->translator, &usage);
}

/* `before`: an error had come before this event. */
static int translate_event(struct relay *r, const struct sse_event *event, const struct passage *p,
                           bool before)
{
    int err = 0;
    if (before) return 0;
    if (p->piece.ptr) return translator_again(r->translator, p->piece);
    if (r->error) return r->translator->t->stream ? translate_error(r) : 0;
    if (!p->mark) err = translator_event(r->translator, event->event, p->data);
    const char *piece = buf_len(&r->like) ? p->data.ptr + r->like_before : NULL;
    if (!translator_is_piece(r->translator, piece)) buf_clear(&r->like);
    return !err && r->done ? translate_end(r) : err;
}

struct str relay_fail(struct relay *r, const struct refusal *why)
{
    buf_clear(&r->translator->out);
    r->error = true;
    return translator_fail(r->translator, why) ? STR_NULL : buf_str(&r->translator->out);
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

/* The first part of a large event, whose type or the like stands at its beginning mostly. */
static void begin_large(struct relay *r, struct str data)
{
    struct event_facts look = {.usage = r->usage, .mark = &r->mark};
    json_find_fini(&r->find);
    json_find_init(&r->find, r->reader->usage_member, RELAY_USAGE_MAX);
    r->reader->read_event(data, false, &look);
    r->large_last = look.last;
    r->large_error = look.error;
}

static void end_large(struct relay *r)
{
    struct str usage = json_find_value(&r->find);
    if (usage.len) r->reader->read_usage(usage, &r->usage);
    r->done |= r->large_last;
    r->error |= r->large_error;
    r->large = false;
    r->deltas++;
}

/* Part of an event that is too large to be looked into as a whole: it counts as a piece of the
 * answer, and its usage is found wherever it stands. */
static void see_large(struct relay *r, struct str part)
{
    bool begins = !r->large;
    r->data = r->content = r->large = true;
    if (begins) {
        part = str_skip(part, (size_t)MAX(str_find_char(part, '{'), 0));
        begin_large(r, part);
    }
    json_find_feed(&r->find, part);
    if (!relay_inside(r)) end_large(r);
}

/* An event on its way: as it is, or translated. */
static void take_event(struct relay *r, struct sse_event *event, struct str out[RELAY_SLICES],
                       unsigned *n)
{
    struct passage p;
    bool before = r->error;
    if (!pass_event(r, event, &p) && !r->translator) return;
    if (!r->translator)
        add_event(r, out, n, event->raw, p.hole);
    else if (event->data.ptr)
        note(r, translate_event(r, event, &p, before));
}

static unsigned feed_events(struct relay *r, struct str in, struct str out[RELAY_SLICES])
{
    struct sse_event event;
    unsigned n = 0;
    while (in.len && !r->done && !r->alien && !r->starved) {
        int got = sse_next(&r->sse, &in, &event);
        r->starved = got == -ENOMEM;
        if (got == 0 || r->starved) break;
        if (got < 0 && r->translator) {
            note(r, ERR_TOO_LARGE);
        } else if (got < 0) {
            sse_skip(&r->sse, &in, &event.raw);
            see_large(r, event.raw);
            add_slice(out, &n, event.raw);
        } else {
            take_event(r, &event, out, &n);
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
    struct passage p;
    bool before = r->error;
    if (!r->done && sse_finish(&r->sse, &event) == SSE_EVENT) {
        bool whole = !event.data.ptr || is_whole(r, &event);
        bool pass = whole && pass_event(r, &event, &p) && event.data.ptr;
        if (pass && !r->translator) out[n++] = event.raw;
        if (whole && event.data.ptr && r->translator)
            note(r, translate_event(r, &event, &p, before));
    }
    if (r->ended && !r->done && !r->error && !relay_cut(r)) {
        r->done = true;
        if (r->translator)
            note(r, translate_end(r));
        else if (r->reader->last_event.len)
            out[n++] = r->reader->last_event;
    }
    return n;
}

/* What the translator has made since it was last asked. */
static unsigned give_made(struct relay *r, struct str out[RELAY_SLICES])
{
    out[0] = buf_str(&r->translator->out);
    return out[0].len ? 1 : 0;
}

/* --- whole bodies --- */

/* What the body says of usage. */
static struct str whole_usage(struct relay *r)
{
    struct json_span usage[1];
    if (!r->translator) return json_find_value(&r->find);
    bool there = json_scan(buf_str(&r->kept), &r->reader->usage_member, 1, usage, NULL) == 0 &&
                 usage[0].type == JSON_OBJECT;
    return there ? usage[0].raw : STR("");
}

static void end_whole(struct relay *r)
{
    struct str usage = whole_usage(r);
    if (usage.len) r->reader->read_usage(usage, &r->usage);
    if (!r->translator) return;
    int err = translator_whole(r->translator, buf_str(&r->kept));
    note(r, err ? err : translate_end(r));
    r->content = r->done = !r->alien && !r->starved;
}

/* A body that is translated is kept until it has been read. */
static unsigned feed_whole(struct relay *r, struct str in, bool last, struct str out[RELAY_SLICES])
{
    if (r->translator)
        note(r, buf_append(&r->kept, in));
    else if (in.len)
        json_find_feed(&r->find, in);
    if (r->keeps) keep(r, in);
    if (last && !lost(r)) end_whole(r);
    out[0] = in;
    return r->translator ? 0 : in.len ? 1 : 0;
}

unsigned relay_feed(struct relay *r, struct str in, bool last, struct str out[RELAY_SLICES])
{
    unsigned n = 0;
    r->error_message.type = JSON_NONE;
    if (r->translator) buf_clear(&r->translator->out);
    if (!r->is_stream) {
        n = feed_whole(r, in, last, out);
    } else {
        if (in.len && !r->starved && !r->alien) n = feed_events(r, in, out);
        if (last && !lost(r)) n = end_events(r, out, n);
    }
    return r->translator ? give_made(r, out) : n;
}

bool relay_inside(const struct relay *r)
{
    return r->sse.skipping;
}

bool relay_cut(const struct relay *r)
{
    unsigned count = (unsigned)__builtin_popcountll(r->ended);
    bool ended = count >= MAX(r->wanted, 1u) && !(r->begun & ~r->ended);
    return r->is_stream && (lost(r) || !(r->done || r->error || ended));
}
