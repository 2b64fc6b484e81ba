/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schema (2020-12, and what of older drafts has the same meaning or another name), to terms that
 * take the JSON texts of its valid instances.
 *
 * What is taken is always valid, formats included. What is valid is taken but for these: properties
 * that have a name in the schema come in its order, others behind them; white space is none, one
 * space or a line end with indentation, and only within brackets and behind commas and colons; texts
 * that a schema spells out, names of properties and texts of patterns and formats are written without
 * needless escapes; numbers have no exponent where bounds or divisors are set, and one of at most 299
 * elsewhere, and few digits where they must not be other numbers, which readers might make of them;
 * what must not be valid under a schema (not, oneOf, if) breaks it in a way that terms can say, if
 * there is one.
 *
 * A keyword that cannot be enforced is refused by name and path, never ignored: $dynamicRef and
 * $recursiveRef, $ref to other documents, maxContains, several contains of one array, uniqueItems of
 * more than 8 values, multipleOf of numbers such as 0.3, minProperties where names are not known,
 * formats that formats.h has none for, patterns that regex.h refuses. Annotations (title, description,
 * default, examples, deprecated, readOnly, writeOnly, $comment, $schema, $id where nothing refers to
 * it, names that JSON Schema has not) are none.
 *
 * Compiling has budgets of memory and of work, so that it ends within a second or so: beyond them
 * schemas are too large. */
#ifndef HOSTLER_ENGINE_GRAMMAR_SCHEMA_H
#define HOSTLER_ENGINE_GRAMMAR_SCHEMA_H

#include "engine/grammar/terms.h"
#include "engine/grammar/why.h"
#include "json/json.h"

struct schema_options {
    bool spaces;  /* white space between tokens may be there */
    bool closed;  /* an object that names properties and does not say whether it may have others has
                  * none: models that are free to go on may never come to an end */
    bool objects; /* nothing but objects is taken, whatever the schema says */
    const struct json *document; /* what has the schema in it, for $ref; NULL: it is alone */
};

/* Whether each keyword has what it must, there and in all schemas within, and each reference within
 * the document leads somewhere. 0; ERR_SYNTAX, and why, with the path as below. */
MUST_CHECK int schema_check(const struct json *schema, struct grammar_why *why);

/* True for keywords that say what is valid; annotations are none of them. */
bool schema_is_keyword(struct str name);

/* Adds the schema's rules; *out takes its instances. ERR_UNSUPPORTED, and why, with the path as a
 * JSON pointer ("#/properties/name: ..."); ERR_SYNTAX: what schema_check says; ERR_TOO_LARGE: it takes
 * more than t has, or too long. */
MUST_CHECK int schema_term(struct terms *t, const struct json *schema,
                           const struct schema_options *options, struct grammar_why *why,
                           term *out);

/* Any JSON value; any JSON object (response_format json_object). */
term schema_any_value(struct terms *t, const struct schema_options *options);
term schema_any_object(struct terms *t, const struct schema_options *options);

#endif
