/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that |safe and |escape made: what is added to them is escaped, as markupsafe does it. */
#ifndef HOSTLER_JINJA_MARKUP_H
#define HOSTLER_JINJA_MARKUP_H

#include "jinja/text.h"

MUST_CHECK int markup_put_escaped(struct run *r, struct sink *s, const struct value *text);

/* The text as markup; escaped, unless it is markup already. */
MUST_CHECK int markup_escape(struct run *r, const struct value *text, struct value *out);

/* a + b of texts, either of which may be markup. */
MUST_CHECK int markup_add(struct run *r, const struct value *a, const struct value *b,
                          struct value *out);

/* Without tags and comments, runs of blanks made one, and entities made characters. */
MUST_CHECK int markup_strip(struct run *r, const struct value *text, struct value *out);

#endif
