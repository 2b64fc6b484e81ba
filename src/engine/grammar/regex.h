/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns, as JSON Schema (ECMA 262) and Python users write them, to terms.
 *
 * Supported: literals, ., classes with ranges, negation and the escapes \d \w \s \D \W \S, \p{...} of
 * general categories, escapes of single characters (\n \t \xHH \uHHHH \u{...} and so on), groups
 * (capturing, named, (?:...)), alternatives, * + ? {n} {n,} {n,m} and their lazy forms (which take
 * the same texts), ^ and $ at the borders of the whole or of an alternative, (?i) at the beginning.
 * Refused by name: look around, back references, \b, atomic and possessive ones. */
#ifndef HOSTLER_ENGINE_GRAMMAR_REGEX_H
#define HOSTLER_ENGINE_GRAMMAR_REGEX_H

#include "engine/grammar/chars.h"
#include "engine/grammar/terms.h"
#include "engine/grammar/why.h"

/* The texts that match. `whole`: all of the text must, from its first character to its last; else, as
 * JSON Schema has it, somewhere in it, ^ and $ standing for its borders. Texts are written in
 * `form`. ERR_UNSUPPORTED or ERR_SYNTAX, and why. */
MUST_CHECK int regex_term(struct terms *t, struct str pattern, bool whole, enum chars_form form,
                          struct grammar_why *why, term *out);

#endif
