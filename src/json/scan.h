/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over a JSON object that validates it and finds a few top-level members, byte-exact.
 *
 * The relay forwards a client's own bytes; this finds what routing needs in them and where the
 * model's name stands, without building a document. No allocation. Any thread. */
#ifndef HOSTLER_JSON_SCAN_H
#define HOSTLER_JSON_SCAN_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"
#include "json/json.h"

/* A member that was found; borrowed from the scanned text. */
struct json_span {
    enum json_type type; /* JSON_NONE: the member is absent */
    struct str raw;      /* the value as written; strings with their quotes */
    bool alike;          /* some member's name is this one but for escapes or case, see json_scan */
};

/* Scans `text`, which must be one object (blanks around it allowed). spans[i]
 * gets the member names[i].
 *
 * ERR_SYNTAX, ERR_TYPE (not an object), ERR_DEPTH (over JSON_MAX_DEPTH), ERR_UTF8, ERR_DUPLICATE
 * (one of `names` twice, however escaped: "mod\u0065l" is "model"). *error (may be NULL) then says
 * where; for ERR_DUPLICATE its text is the member's name, so names need a terminator. After a
 * failure the spans mean nothing.
 *
 * Two things pass, since the relay does not judge them: other names that are there twice, and an
 * escape that is half a surrogate pair. Whoever reads such a string must refuse it himself.
 *
 * Parsers that ignore case (Go's encoding/json, cJSON, System.Text.Json of the web) take "Model"
 * for "model" and, by Unicode's folding, "\u017ftream" for "stream". A scan does not find these,
 * but `alike` tells of them: a name in the object is names[i] but for case or escapes. So whoever
 * decides by a member, for a parser behind him, can refuse. */
MUST_CHECK int json_scan(struct str text, const struct str *names, size_t count,
                         struct json_span *spans, struct json_error *error);

/* Scans the object that a span holds, for nested members such as stream_options.include_usage.
 * ERR_TYPE for any other span, absent ones too. error->offset counts from the span's start. */
MUST_CHECK int json_scan_span(const struct json_span *object, const struct str *names, size_t count,
                              struct json_span *spans, struct json_error *error);

/* The span's value. A string without escapes borrows from the text, one with escapes is unescaped
 * onto `arena`. ERR_TYPE: another type; ERR_SYNTAX: half a surrogate pair is in it; -ENOMEM, also
 * beyond the arena's cap. */
MUST_CHECK int json_span_str(const struct json_span *span, struct arena *arena, struct str *out);

/* The same; false when it has another type. Integers may be written as 1e3 or 2.0, as json_to_i64
 * has it. */
bool json_span_bool(const struct json_span *span, bool *out);
bool json_span_i64(const struct json_span *span, int64_t *out);

#endif
