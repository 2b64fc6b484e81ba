/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/text/stop.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "engine/text/marks.h"

/* A stop string's length, a token's bytes and a character: what can be held at once. */
enum { HELD_MAX = 64 * 1024 };

void stop_init(struct stop *s, const struct str *strings, unsigned count)
{
    *s = (struct stop){0};
    buf_init(&s->held, HELD_MAX);
    for (unsigned i = 0; i < count && i < STOP_MAX; i++) {
        if (!strings[i].len) continue;
        s->strings[s->count++] = str_n(str_dup(strings[i]), strings[i].len);
    }
}

void stop_fini(struct stop *s)
{
    for (unsigned i = 0; i < s->count; i++)
        free((void *)(uintptr_t)s->strings[i].ptr);
    s->count = 0;
    buf_fini(&s->held);
}

/* Where the first stop string begins, or -1. */
static ptrdiff_t find_stop(const struct stop *s, struct str text)
{
    ptrdiff_t first = -1;
    for (unsigned i = 0; i < s->count; i++) {
        ptrdiff_t at = str_find(text, s->strings[i]);
        if (at >= 0 && (first < 0 || at < first)) first = at;
    }
    return first;
}

/* Length of the longest end of `text` that begins some stop string. */
static size_t possible(const struct stop *s, struct str text)
{
    size_t n = 0;
    for (unsigned i = 0; i < s->count; i++)
        n = MAX(n, mark_begun(s->strings[i], text));
    return n;
}

/* Gives out the first n held bytes; their memory stays until the next change. */
static struct str let_out(struct stop *s, size_t n)
{
    struct str text = str_sub(buf_str(&s->held), 0, n);
    buf_consume(&s->held, n);
    return text;
}

enum stop_result stop_feed(struct stop *s, struct str bytes, bool last, struct str *out)
{
    /* What is held is bounded by the longest stop string, so this cannot fail. */
    if (buf_append(&s->held, bytes)) abort();
    struct str text = buf_str(&s->held);
    ptrdiff_t at = find_stop(s, text);
    if (at >= 0) {
        *out = let_out(s, (size_t)at);
        buf_consume(&s->held, buf_len(&s->held));
        return STOP_FOUND;
    }
    size_t n = text.len;
    if (!last) n = utf8_complete(str_sub(text, 0, n - possible(s, text)));
    *out = let_out(s, n);
    return STOP_GOES_ON;
}
