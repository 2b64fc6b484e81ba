/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/text.h"

#include "base/utf8.h"

enum { QUOTE_MAX = 80 };

size_t conf__forbidden(struct str s, size_t at)
{
    static const char *const sequences[] = {"\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf",
                                            "\xef\xbf\xbe", "\xef\xbf\xbf"};
    struct str rest = str_skip(s, at);
    unsigned char c = (unsigned char)rest.ptr[0];
    if (c < ' ' || c == 0x7f) return 1;
    if (c < 0x80) return 0;
    if (c == 0xc2 && rest.len > 1 && (unsigned char)rest.ptr[1] < 0xa0) return 2;
    for (size_t i = 0; i < ARRAY_LEN(sequences); i++)
        if (str_starts(rest, str_of(sequences[i]))) return 3;
    return 0;
}

/* Edits (insert, delete, change) between two short texts. */
static size_t distance(struct str a, struct str b)
{
    enum { LONGEST = 32 };
    size_t line[LONGEST + 1];
    if (a.len > LONGEST || b.len > LONGEST) return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        line[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = line[0];
        line[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t change = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
            diagonal = line[j];
            line[j] = MIN(change, MIN(line[j], line[j - 1]) + 1);
        }
    }
    return line[b.len];
}

struct str conf__nearest(struct str text, struct str (*candidate)(const void *ctx, size_t i),
                         const void *ctx, size_t count)
{
    size_t best = text.len < 4 ? 2 : text.len / 3 + 2; /* one more than the edits we forgive */
    struct str nearest = STR_NULL;
    for (size_t i = 0; i < count; i++) {
        struct str c = candidate(ctx, i);
        size_t longer = MAX(text.len, c.len), shorter = MIN(text.len, c.len);
        size_t d = longer - shorter < best ? distance(text, c) : best;
        if (d >= best) continue;
        best = d;
        nearest = c;
    }
    return nearest;
}

struct str conf__quoted(struct arena *a, struct str text)
{
    if (text.len <= QUOTE_MAX) return arena_printf(a, "\"%" STR_FMT "\"", STR_ARG(text));
    struct str cut = str_sub(text, 0, QUOTE_MAX);
    cut.len = utf8_complete(cut);
    return arena_printf(a, "\"%" STR_FMT "...\"", STR_ARG(cut));
}
