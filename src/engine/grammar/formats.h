/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schema's formats of strings, as terms. A format is one row of a table.
 *
 * What is taken is valid by the RFC that the format names, and for those who read it more strictly;
 * some that is valid is not taken: leap seconds, quoted local parts of email addresses, hosts in
 * Punycode, most letters of international hosts. */
#ifndef HOSTLER_ENGINE_GRAMMAR_FORMATS_H
#define HOSTLER_ENGINE_GRAMMAR_FORMATS_H

#include "engine/grammar/chars.h"
#include "engine/grammar/terms.h"
#include "engine/grammar/why.h"

/* The texts of a format, as they stand between the quotes of a JSON string. FORMAT_UNKNOWN: there is
 * none of that name. */
enum { FORMAT_UNKNOWN = 1 };
MUST_CHECK int format_term(struct terms *t, struct str name, struct grammar_why *why, term *out);

#endif
