/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schema (2020-12, and what of older drafts has the same meaning or another name), to terms that
 * take the JSON texts of its valid instances.
 *
 * What is taken is always valid; what is valid is taken but for these: named properties come in the
 * schema's order, others behind them; between tokens is no white space, one space, or a line end with
 * indentation; texts that a schema spells out, and those of patterns and formats, are written without
 * needless escapes; numbers with bounds are written without exponents.
 *
 * A keyword that cannot be enforced is refused by name and path, never ignored. Annotations (title,
 * description, default, examples, deprecated, readOnly, writeOnly, $comment, $schema, $id where
 * nothing refers to it) are none. */
#ifndef HOSTLER_ENGINE_GRAMMAR_SCHEMA_H
#define HOSTLER_ENGINE_GRAMMAR_SCHEMA_H

#include "engine/grammar/terms.h"
#include "engine/grammar/why.h"
#include "json/json.h"

struct schema_options {
    bool spaces; /* white space between tokens may be there */
    bool closed; /* an object that names properties and does not say whether it may have others has
                  * none: models that are free to go on may never come to an end */
};

/* Adds the schema's rules; *out takes its instances. ERR_UNSUPPORTED, and why, with the path as a
 * JSON pointer ("#/properties/name: ..."); ERR_TOO_LARGE: it takes more than t has, or too long. */
MUST_CHECK int schema_term(struct terms *t, const struct json *schema,
                           const struct schema_options *options, struct grammar_why *why,
                           term *out);

/* Any JSON value; any JSON object (response_format json_object). */
term schema_any_value(struct terms *t, const struct schema_options *options);
term schema_any_object(struct terms *t, const struct schema_options *options);

#endif
