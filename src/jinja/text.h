/* SPDX-License-Identifier: Apache-2.0 */
/* Texts whose bytes know where they came from: parts of them, and writing new ones.
 *
 * A text wholly of one origin is a pointer and a length. Positions are bytes unless they are called
 * characters. */
#ifndef HOSTLER_JINJA_TEXT_H
#define HOSTLER_JINJA_TEXT_H

#include "jinja/value.h"

/* Bytes that a text may have. */
#define TEXT_MAX ((size_t)UINT32_MAX / 2)

/* --- parts --- */

/* The bytes from..to of a text. */
MUST_CHECK int text_part(struct run *r, const struct value *v, size_t from, size_t to,
                         struct value *out);

bool text_own_at(const struct value *v, size_t at); /* the origin of one byte */

/* The bytes of the character at `at`, 1..4; broken ones count singly. */
size_t text_step(struct str s, size_t at);
size_t text_step_back(struct str s, size_t at); /* of the one that ends there */

bool text_is_ascii(struct str s);
size_t text_length(struct str s);                   /* in characters */
size_t text_offset(struct str s, size_t character); /* where it begins; s.len beyond the end */

/* The code of the character at `at`, and how many bytes it has. */
uint32_t text_code(struct str s, size_t at, size_t *bytes);

/* Position of `needle` from `from` on, or -1. */
ptrdiff_t text_find(struct str s, struct str needle, size_t from);

/* The same of the last one, for which no library function is quick: each byte costs steps. */
MUST_CHECK int text_find_last(struct run *r, struct str s, struct str needle, ptrdiff_t *out);

/* Order of code points, as memcmp of UTF-8 gives it. */
int text_order(const struct value *a, const struct value *b);

/* --- writing --- */

/* A text that grows; begin with a zeroed one. `last` is the origin of what was written last. */
struct sink {
    char *bytes;
    size_t len, cap;
    struct mark *marks; /* the runs before the last one */
    size_t marks_count, marks_cap;
    bool last;
};

MUST_CHECK int sink_put(struct run *r, struct sink *s, struct str bytes, bool own);
MUST_CHECK int sink_put_text(struct run *r, struct sink *s, const struct value *text);
MUST_CHECK int sink_put_part(struct run *r, struct sink *s, const struct value *text, size_t from,
                             size_t to);
MUST_CHECK int sink_fill(struct run *r, struct sink *s, char c, size_t times, bool own);
MUST_CHECK int sink_printf(struct run *r, struct sink *s, bool own, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* What was written, as a text; the sink is not used after that. */
MUST_CHECK int sink_end(struct run *r, struct sink *s, struct value *out);

/* One text after the other; the first one grows in place when nothing was written since. */
MUST_CHECK int text_join(struct run *r, const struct value *a, const struct value *b,
                         struct value *out);

/* A copy of the bytes. */
MUST_CHECK int text_copy(struct run *r, struct str bytes, bool own, struct value *out);

#endif
