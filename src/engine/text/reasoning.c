/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/text/reasoning.h"

#include <stdlib.h>
#include <string.h>

#include "engine/text/marks.h"

enum {
    BLANKS_MAX = 256,    /* white space that is held back: more of it is no margin, but text */
    HELD_MAX = 64 * 1024 /* that, a marker and the text of one call: this cannot be reached */
};

void reasoning_init(struct reasoning *r, const struct reasoning_markers *markers, bool begun)
{
    *r = (struct reasoning){.state = REASONING_ANSWER};
    buf_init(&r->held, HELD_MAX);
    if (!markers->start.ptr) return;
    r->markers = *markers;
    r->state = begun ? REASONING_THINKING : REASONING_START;
    r->skips = begun;
}

void reasoning_fini(struct reasoning *r)
{
    buf_fini(&r->held);
}

bool reasoning_reads_name(const struct reasoning *r, int32_t token)
{
    const struct reasoning_markers *m = &r->markers;
    if (!m->start.ptr) return false;
    if (m->spelled) return r->state != REASONING_ANSWER;
    return token == m->start_control || token == m->end_control;
}

/* Each returns how many bytes of `text` it is done with; 0: it waits for more. */

/* True when `text` may become the marker, or more than it. */
static bool may_be(struct str marker, struct str text)
{
    return marker.ptr && str_starts(marker, text);
}

static size_t start(struct reasoning *r, struct str text, bool last)
{
    const struct reasoning_markers *m = &r->markers;
    size_t white = mark_blanks(text);
    struct str rest = str_skip(text, white);
    if (str_starts(rest, m->start)) {
        r->state = REASONING_THINKING;
        r->skips = true;
        return white + m->start.len;
    }
    if (m->answer.ptr && str_starts(rest, m->answer)) {
        r->state = REASONING_ANSWER;
        return white + m->answer.len;
    }
    bool may_begin = may_be(m->start, rest) || may_be(m->answer, rest);
    if (last || !may_begin || white > BLANKS_MAX) r->state = REASONING_ANSWER;
    return 0;
}

static size_t between(struct reasoning *r, struct str text, bool last)
{
    if (str_starts(text, r->markers.turn)) {
        r->state = REASONING_START;
        return r->markers.turn.len;
    }
    if (last || !may_be(r->markers.turn, text)) r->state = REASONING_ANSWER;
    return 0;
}

static size_t think(struct reasoning *r, struct str text, bool last, struct pieces *out)
{
    ptrdiff_t at = str_find(text, r->markers.end);
    if (at >= 0) {
        pieces_add(out, PIECE_REASONING,
                   str_sub(text, 0, mark_without_blanks(str_sub(text, 0, (size_t)at))));
        r->state = r->markers.turn.ptr ? REASONING_BETWEEN : REASONING_ANSWER;
        r->skips = true;
        return (size_t)at + r->markers.end.len;
    }
    size_t ready = last ? text.len : text.len - mark_begun(r->markers.end, text);
    size_t trimmed = mark_without_blanks(str_sub(text, 0, ready));
    if (ready - trimmed <= BLANKS_MAX) ready = trimmed;
    pieces_add(out, PIECE_REASONING, str_sub(text, 0, ready));
    return ready;
}

static size_t advance(struct reasoning *r, struct str text, bool last, struct pieces *out)
{
    if (r->skips && mark_blanks(text)) return mark_blanks(text);
    if (r->skips && text.len) r->skips = false;
    switch (r->state) {
    case REASONING_START: return start(r, text, last);
    case REASONING_THINKING: return think(r, text, last, out);
    case REASONING_BETWEEN: return between(r, text, last);
    case REASONING_ANSWER: break;
    }
    pieces_add(out, PIECE_CONTENT, text);
    return text.len;
}

void reasoning_feed(struct reasoning *r, struct str text, bool last, struct pieces *out)
{
    if (r->state == REASONING_ANSWER && !r->skips && !buf_len(&r->held)) {
        pieces_add(out, PIECE_CONTENT, text);
        return;
    }
    /* What is let out stays in the buffer's memory until the next call. */
    if (buf_append(&r->held, text)) abort();
    enum reasoning_state before;
    size_t done;
    do {
        before = r->state;
        done = advance(r, buf_str(&r->held), last, out);
        buf_consume(&r->held, done);
    } while (buf_len(&r->held) && (done || r->state != before));
}
