/* SPDX-License-Identifier: Apache-2.0 */
/* What Python's str says of characters: white space, case, classes. Beyond ASCII the C library's
 * tables answer. */
#ifndef HOSTLER_JINJA_LETTERS_H
#define HOSTLER_JINJA_LETTERS_H

#include "jinja/text.h"

bool letter_is_space(uint32_t code);
bool letter_is_alpha(const struct run *r, uint32_t code);
bool letter_is_digit(uint32_t code);
bool letter_is_upper(const struct run *r, uint32_t code);
bool letter_is_lower(const struct run *r, uint32_t code);
bool letter_is_printable(const struct run *r, uint32_t code);

enum letter_case { CASE_UPPER, CASE_LOWER, CASE_CAPITAL, CASE_TITLE, CASE_SWAPPED };

/* The text in another case; each byte keeps its origin. */
MUST_CHECK int text_in_case(struct run *r, const struct value *text, enum letter_case wanted,
                            struct value *out);

/* Without what `chars` lists (NULL: white space) at its ends. */
MUST_CHECK int text_strip(struct run *r, const struct value *text, const struct value *chars,
                          bool left, bool right, struct value *out);

/* str.isupper, str.islower: there are letters with a case, and all have this one. */
MUST_CHECK int text_is_cased(struct run *r, const struct value *text, bool in_upper,
                             struct value *out);

/* The length of the line break at `at`, as str.splitlines has them; 0: none. */
size_t text_line_break(struct str s, size_t at);

#endif
