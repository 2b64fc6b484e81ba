/* SPDX-License-Identifier: Apache-2.0 */
/* White space and marks in a text that comes in pieces. Pure functions, any thread. */
#ifndef HOSTLER_ENGINE_TEXT_MARKS_H
#define HOSTLER_ENGINE_TEXT_MARKS_H

#include <string.h>

#include "base/base.h"
#include "base/str.h"

static inline bool mark_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Length of the white space that a text begins with. */
static inline size_t mark_blanks(struct str text)
{
    size_t n = 0;
    while (n < text.len && mark_is_blank(text.ptr[n]))
        n++;
    return n;
}

/* Length of a text without the white space at its end. */
static inline size_t mark_without_blanks(struct str text)
{
    size_t n = text.len;
    while (n && mark_is_blank(text.ptr[n - 1]))
        n--;
    return n;
}

/* Length of the longest end of `text` that begins the mark, without being it. */
static inline size_t mark_begun(struct str mark, struct str text)
{
    for (size_t n = MIN(mark.len ? mark.len - 1 : 0, text.len); n > 0; n--)
        if (str_starts(mark, str_skip(text, text.len - n))) return n;
    return 0;
}

#endif
