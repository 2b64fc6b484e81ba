/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of Unicode characters, and the terms that take one of them as UTF-8, plain or within a JSON
 * string. */
#ifndef HOSTLER_ENGINE_GRAMMAR_CHARS_H
#define HOSTLER_ENGINE_GRAMMAR_CHARS_H

#include "base/arena.h"
#include "base/base.h"
#include "engine/grammar/terms.h"

enum { CHAR_MAX_POINT = 0x10ffff };

/* How a text is written. */
enum chars_form {
    CHARS_PLAIN, /* as it is */
    CHARS_JSON, /* between the quotes of a JSON string: what must be escaped there is, in each of the
                  * ways that JSON has for it; nothing else is */
};

struct char_range {
    uint32_t first, last; /* code points, both in it */
};

/* Ranges in order, without gaps of nothing and without overlaps once chars_order was called.
 * Surrogates (U+D800 to U+DFFF) are no characters. */
struct chars {
    struct char_range *ranges; /* on the arena */
    size_t count, cap;
    struct arena *arena;
};

void chars_init(struct chars *c, struct arena *arena);
void chars_add(struct chars *c, uint32_t first, uint32_t last);
void chars_add_all(struct chars *c, const struct chars *other);
void chars_order(struct chars *c);
void chars_invert(struct chars *c); /* orders it, too */

/* The character that begins at byte *at of a text in UTF-8 that is valid; goes over it. */
uint32_t chars_read(struct str text, size_t *at);

/* Goes over at most `most` hexadecimal digits; how many there were, and what they say. */
unsigned chars_read_hex(struct str text, size_t *at, unsigned most, uint32_t *out);

/* A decimal number; false: there is none. What is too large for 32 bits is a number that is too large
 * for all, but not TERM_ANY_NUMBER. */
bool chars_read_number(struct str text, size_t *at, uint32_t *out);

/* Takes exactly one of the set. */
term chars_term(struct terms *t, struct chars *c, enum chars_form form);

/* Exactly this text, which is UTF-8. */
term chars_text(struct terms *t, struct str text, enum chars_form form);

/* Any one character of a JSON string, however JSON lets it be written: plain, with a short escape, or
 * as \uXXXX (pairs of surrogates are one). Takes no quote and nothing that JSON forbids. */
term chars_json_any(struct terms *t);

/* Any one character as chars_term has it: within a JSON string without needless escapes. */
term chars_any(struct terms *t, enum chars_form form);

#endif
