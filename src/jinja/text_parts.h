/* SPDX-License-Identifier: Apache-2.0 */
/* Taking texts apart and putting them together, for methods and filters alike. */
#ifndef HOSTLER_JINJA_TEXT_PARTS_H
#define HOSTLER_JINJA_TEXT_PARTS_H

#include "jinja/text.h"

/* All `old` become `replacement`, the first `max` ones when that is not negative. */
MUST_CHECK int text_replace(struct run *r, const struct value *text, const struct value *old,
                            const struct value *replacement, int64_t max, struct value *out);

/* str.split and str.rsplit; `separator` KIND_NONE: at white space. */
MUST_CHECK int text_split(struct run *r, const struct value *text, const struct value *separator,
                          int64_t max, bool from_right, struct value *out);

MUST_CHECK int text_lines(struct run *r, const struct value *text, bool keep_ends,
                          struct value *out);

/* Blanks, or `fill`, around the text up to so many characters. */
enum justify { JUSTIFY_LEFT, JUSTIFY_RIGHT, JUSTIFY_CENTER };
MUST_CHECK int text_justify(struct run *r, const struct value *text, int64_t width,
                            const struct value *fill, enum justify how, struct value *out);

/* What is in `items`, all texts, with `text` between. */
MUST_CHECK int text_join_all(struct run *r, const struct value *text, const struct value *items,
                             bool convert, struct value *out);

#endif
