/* SPDX-License-Identifier: Apache-2.0 */
/* Event streams: the same events however the bytes are cut, and no byte lost; the relay on top
 * likewise. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "dialect/dialect.h"
#include "gate/relay.h"

#define CHECK(fact) ((fact) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_MAX = 8 << 20 };

static void add(struct buf *out, struct str s)
{
    CHECK(buf_append(out, s) == 0);
}

/* The next piece's length, from the input's own first bytes. */
static size_t piece_of(struct str cuts, size_t *turn)
{
    if (cuts.len == 0) return SIZE_MAX;
    return (size_t)(unsigned char)cuts.ptr[(*turn)++ % cuts.len] + 1;
}

static char *copy_of(struct str s)
{
    char *copy = malloc(s.len + 1);
    CHECK(copy);
    if (s.len) memcpy(copy, s.ptr, s.len);
    return copy;
}

static void add_event(struct buf *told, const struct sse_event *event)
{
    add(told, STR("<"));
    add(told, event->data.ptr ? event->data : STR("-"));
    add(told, event->multi ? STR("+") : STR("|"));
    add(told, event->event.ptr ? event->event : STR("-"));
    add(told, STR(">"));
}

static void read_events(struct str text, struct str cuts, struct buf *told, struct buf *raw)
{
    struct sse s;
    size_t turn = 0;
    sse_init(&s, text.len + 1);
    for (size_t at = 0; at < text.len;) {
        struct str piece = str_sub(text, at, piece_of(cuts, &turn));
        char *copy = copy_of(piece);
        struct str in = str_n(copy, piece.len);
        struct sse_event event;
        int got;
        while ((got = sse_next(&s, &in, &event)) == SSE_EVENT) {
            add_event(told, &event);
            add(raw, event.raw);
        }
        CHECK(got == 0);
        at += piece.len;
        memset(copy, '#', piece.len);
        free(copy);
    }
    add(raw, sse_rest(&s));
    sse_fini(&s);
}

/* `forgetful`: looks into every event anew. */
static void relay(struct str text, struct str cuts, bool is_sse, bool forgetful, struct buf *out,
                  struct relay *r)
{
    struct str slices[RELAY_SLICES];
    size_t turn = 0;
    relay_init(r, dialect_openai.reader, is_sse, true);
    for (size_t at = 0; at < text.len;) {
        struct str piece = str_sub(text, at, piece_of(cuts, &turn));
        char *copy = copy_of(piece);
        if (forgetful) buf_clear(&r->like);
        unsigned n = relay_feed(r, str_n(copy, piece.len), at + piece.len == text.len, slices);
        CHECK(n <= RELAY_SLICES);
        for (unsigned i = 0; i < n; i++)
            add(out, slices[i]);
        at += piece.len;
        free(copy);
    }
}

/* With room for small events only: the larger ones are passed over in parts, and still no byte
 * is lost. */
static void skip_large(struct str text, struct str cuts)
{
    struct sse s;
    struct buf raw;
    const size_t event_max = 1 + (unsigned char)cuts.ptr[0] % 32;
    size_t turn = 0;
    buf_init(&raw, OUT_MAX);
    sse_init(&s, event_max);
    for (size_t at = 0; at < text.len;) {
        const size_t most = piece_of(cuts, &turn);
        struct str piece = str_sub(text, at, MIN(most, event_max)), part;
        char *copy = copy_of(piece);
        struct str in = str_n(copy, piece.len);
        struct sse_event event;
        int got;
        while ((got = sse_next(&s, &in, &event)) != 0) {
            CHECK(got == SSE_EVENT || got == ERR_TOO_LARGE);
            if (got == ERR_TOO_LARGE)
                sse_skip(&s, &in, &part);
            else
                CHECK(event.raw.len <= event_max);
            add(&raw, got == SSE_EVENT ? event.raw : part);
        }
        at += piece.len;
        memset(copy, '#', piece.len);
        free(copy);
    }
    add(&raw, sse_rest(&s));
    CHECK(str_eq(buf_str(&raw), text));
    sse_fini(&s);
    buf_fini(&raw);
}

static void compare_facts(const struct relay *a, const struct relay *b)
{
    CHECK(a->done == b->done && a->error == b->error && a->content == b->content);
    CHECK(a->begun == b->begun && a->ended == b->ended && a->deltas == b->deltas);
    CHECK(a->usage.known == b->usage.known && a->usage.prompt == b->usage.prompt);
    CHECK(a->usage.completion == b->usage.completion && relay_cut(a) == relay_cut(b));
}

static void compare_relays(struct str text, struct str cuts, bool is_sse)
{
    struct relay a, b;
    struct buf whole, pieces;
    const size_t most = text.len + 32; /* what makes an event whole, and an end */
    buf_init(&whole, OUT_MAX);
    buf_init(&pieces, OUT_MAX);
    relay(text, STR_NULL, is_sse, false, &whole, &a);
    relay(text, cuts, is_sse, true, &pieces, &b);
    if (!is_sse) CHECK(str_eq(buf_str(&whole), text) && str_eq(buf_str(&pieces), text));
    CHECK(str_eq(buf_str(&whole), buf_str(&pieces)));
    compare_facts(&a, &b);
    CHECK(buf_len(&whole) <= most && buf_len(&pieces) <= most);
    relay_fini(&a);
    relay_fini(&b);
    buf_fini(&whole);
    buf_fini(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str all = str_n((const char *)data, size), cuts = str_sub(all, 0, 4),
               text = str_skip(all, 4);
    struct buf told[2], raw[2];
    if (cuts.len == 0) return 0;
    for (int i = 0; i < 2; i++) {
        buf_init(&told[i], OUT_MAX);
        buf_init(&raw[i], OUT_MAX);
        read_events(text, i ? cuts : STR_NULL, &told[i], &raw[i]);
        CHECK(str_eq(buf_str(&raw[i]), text));
    }
    CHECK(str_eq(buf_str(&told[0]), buf_str(&told[1])));
    for (int i = 0; i < 2; i++) {
        buf_fini(&told[i]);
        buf_fini(&raw[i]);
    }
    skip_large(text, cuts);
    compare_relays(text, cuts, true);
    compare_relays(text, cuts, false);
    return 0;
}
