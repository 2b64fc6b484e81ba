/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of bounded width, as Python's textwrap breaks them. */
#ifndef HOSTLER_JINJA_WRAP_H
#define HOSTLER_JINJA_WRAP_H

#include "jinja/text.h"

struct wrap {
    int64_t width;   /* characters of a line */
    bool long_words; /* a word longer than a line is cut */
    bool hyphens;    /* a line may end after one */
};

/* Each line of `text` for itself; `newline` between all lines. */
MUST_CHECK int wrap_text(struct run *r, const struct value *text, const struct wrap *wrap,
                         const struct value *newline, struct value *out);

#endif
