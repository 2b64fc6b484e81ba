/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/relay.h"

#include <string.h>

void relay_init(struct relay *r, bool is_sse, bool strip_usage)
{
    *r = (struct relay){.is_sse = is_sse, .strip_usage = strip_usage && is_sse};
    sse_init(&r->sse, RELAY_EVENT_MAX);
    buf_init(&r->like, RELAY_LIKE_MAX);
    buf_init(&r->joined, RELAY_EVENT_MAX);
    buf_init(&r->made, RELAY_EVENT_MAX + 16);
    json_find_init(&r->find, STR("usage"), RELAY_USAGE_MAX);
}

void relay_fini(struct relay *r)
{
    sse_fini(&r->sse);
    buf_fini(&r->like);
    buf_fini(&r->joined);
    buf_fini(&r->made);
    json_find_fini(&r->find);
}

/* --- usage --- */

static uint64_t read_count(const struct json_span *span)
{
    int64_t n;
    return json_span_i64(span, &n) && n > 0 ? (uint64_t)n : 0;
}

/* Reads a usage object. */
static void read_usage(struct usage *u, struct str object)
{
    static const struct str names[] = {STR_INIT("prompt_tokens"), STR_INIT("completion_tokens"),
                                       STR_INIT("prompt_tokens_details")};
    static const struct str details[] = {STR_INIT("cached_tokens")};
    struct json_span fields[ARRAY_LEN(names)], cached[1];
    if (json_scan(object, names, ARRAY_LEN(names), fields, NULL)) return;
    *u = (struct usage){
        .known = true, .prompt = read_count(&fields[0]), .completion = read_count(&fields[1])};
    if (fields[2].type == JSON_OBJECT && json_scan_span(&fields[2], details, 1, cached, NULL) == 0)
        u->cached = read_count(&cached[0]);
}

void relay_estimate(struct relay *r, size_t request_bytes)
{
    if (r->usage.known || r->deltas == 0) return;
    /* A token is about a delta, and about four bytes of a prompt. */
    r->usage = (struct usage){
        .prompt = request_bytes / 4, .completion = r->deltas, .known = true, .estimated = true};
}

/* --- what an event says --- */

/* What an event says, as far as it matters. Borrowed from its data. */
struct look {
    struct str hole;  /* to be left out */
    struct str list;  /* the choices' value and what follows it; ptr NULL: no such member */
    struct str piece; /* of the answer: from a string's opening quote on; ptr NULL: none */
    bool choice;      /* one at least is there */
    bool usage;       /* a usage object */
    bool error;       /* an error */
    bool ends;        /* a choice has its finish_reason */
    bool content;     /* a choice has something of an answer */
};

/* The bytes of the member `m`, whose value has `len` bytes, with a comma. Empty when it has none. */
static struct str hole_of(struct str data, const struct json_member *m, size_t len)
{
    const char *from = m->name.ptr - 1, *to = m->value.ptr + len, *end = data.ptr + data.len;
    const char *before = from, *behind = to;
    while (before > data.ptr && json_is_blank((unsigned char)before[-1]))
        before--;
    while (behind < end && json_is_blank((unsigned char)*behind))
        behind++;
    if (before > data.ptr && before[-1] == ',') return str_n(before - 1, (size_t)(to - before + 1));
    if (behind < end && *behind == ',') return str_n(from, (size_t)(behind + 1 - from));
    return STR_NULL;
}

static void see_usage(struct relay *r, struct str data, const struct json_member *m,
                      struct look *look)
{
    struct json_span value = json_skim_value(m->value);
    if (value.type == JSON_NULL && r->strip_usage) look->hole = hole_of(data, m, value.raw.len);
    if (value.type != JSON_OBJECT) return;
    look->usage = true;
    read_usage(&r->usage, value.raw);
}

static void see_error(struct relay *r, const struct json_member *m, struct look *look)
{
    static const struct str names[] = {STR_INIT("message")};
    if (json_skim_empty(m->value)) return;
    struct json_span value = json_skim_value(m->value), message[1];
    look->error = true;
    if (value.type == JSON_OBJECT && json_scan_span(&value, names, 1, message, NULL) == 0)
        value = message[0];
    if (value.type == JSON_STRING) r->error_message = value;
}

/* The bit of the choice with the index that `value` begins with. */
static uint64_t choice_bit(struct str value)
{
    unsigned index = 0;
    for (size_t i = 0; i < value.len && value.ptr[i] >= '0' && value.ptr[i] <= '9'; i++)
        index = MIN(index * 10 + (unsigned)(value.ptr[i] - '0'), (unsigned)RELAY_CHOICES_MAX);
    return UINT64_C(1) << index;
}

/* Takes note of the choices that have their finish_reason in this event. */
static void see_ends(struct relay *r, struct str choices)
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
        if (ends && bit >> RELAY_CHOICES_MAX == 0) r->ended |= bit;
    }
}

/* An outermost member. */
static void see_member(struct relay *r, struct str data, const struct json_member *m,
                       struct look *look)
{
    if (json_member_is(m, STR("choices"))) {
        look->list = m->value;
        look->choice = !json_skim_empty(m->value);
    } else if (json_member_is(m, STR("usage"))) {
        see_usage(r, data, m, look);
    } else if (json_member_is(m, STR("error"))) {
        see_error(r, m, look);
    }
}

/* A member of a choice that has something of the answer, if it has anything. */
static void see_piece(const struct json_member *m, struct look *look)
{
    if (json_skim_empty(m->value)) return;
    look->content = true;
    if (m->value.ptr[0] == '"') look->piece = m->value;
}

static void see_choice(struct relay *r, const struct json_member *m, struct look *look)
{
    if (json_member_is(m, STR("index"))) {
        r->begun |= choice_bit(m->value);
    } else if (json_member_is(m, STR("finish_reason"))) {
        if (!json_skim_empty(m->value)) look->ends = look->content = true;
    } else if (json_member_is(m, STR("text")) || json_member_is(m, STR("message"))) {
        see_piece(m, look);
    }
}

static struct look look_into(struct relay *r, struct str data)
{
    struct look look = {0};
    struct json_skim s;
    struct json_member m;
    bool in_choices = false, in_delta = false;
    json_skim_init(&s, data);
    while (json_skim_next(&s, &m)) {
        if (m.depth == 1) {
            see_member(r, data, &m, &look);
            in_choices = look.list.ptr && look.list.ptr == m.value.ptr;
        } else if (in_choices && m.depth == 3) {
            see_choice(r, &m, &look);
            in_delta = json_member_is(&m, STR("delta"));
        } else if (in_choices && in_delta && m.depth == 4) {
            if (!json_member_is(&m, STR("role"))) see_piece(&m, &look);
        }
    }
    if (look.ends) see_ends(r, look.list);
    return look;
}

/* --- events that say nothing new --- */

/* Remembers an event that only brings a piece of the answer. */
static void remember(struct relay *r, struct str data, const struct look *look)
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

/* True for an event that differs from the one that is remembered within one string only. Nearly all do, and need no look into. */
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

static bool is_done(struct str data)
{
    return str_starts(data, STR("[DONE]")) && str_trim(data).len == 6;
}

/* Looks into data, of an event that is called an error or not. False when it is to be left out. *hole: of the data, to be left out. */
static bool pass_news(struct relay *r, struct str data, bool error, struct str *hole)
{
    struct look look = look_into(r, data);
    if (look.error || error) {
        r->error = true;
        return true;
    }
    if (look.usage && !look.choice) { /* an event of its own */
        r->content = true;
        return !r->strip_usage;
    }
    if (look.content || !look.list.ptr) r->content = true;
    if (r->content && !look.ends) r->deltas++;
    if (look.piece.ptr && !look.ends && !look.usage) remember(r, data, &look);
    *hole = look.hole;
    return true;
}

/* The data of an event; one of several lines is put together. ptr NULL: it has none, or too much. */
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
    if (is_done(data)) {
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

/* Adds `piece`, joining it to the last slice when it follows in the same bytes. Where many holes leave no room it is moved to the last
 * one's end: the bytes between are of no use any more. */
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

static unsigned feed_events(struct relay *r, struct str in, struct str out[RELAY_SLICES])
{
    struct sse_event event;
    struct str hole;
    unsigned n = 0;
    while (!r->done) {
        int got = sse_next(&r->sse, &in, &event);
        if (got == 0) break;
        if (got < 0) {
            sse_skip(&r->sse, &in, &event.raw);
            r->data = r->content = true; /* as far as anybody can tell */
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
    return is_done(data) || json_scan(data, NULL, 0, NULL, NULL) == 0;
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
        out[n++] = STR("data: [DONE]\n\n");
    }
    return n;
}

unsigned relay_feed(struct relay *r, struct str in, bool last, struct str out[RELAY_SLICES])
{
    r->error_message = (struct json_span){.type = JSON_NONE};
    if (r->is_sse) {
        unsigned n = in.len ? feed_events(r, in, out) : 0;
        return last ? end_events(r, out, n) : n;
    }
    out[0] = in;
    if (in.len) json_find_feed(&r->find, in);
    struct str usage = last ? json_find_value(&r->find) : STR_NULL;
    if (usage.len) read_usage(&r->usage, usage);
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
