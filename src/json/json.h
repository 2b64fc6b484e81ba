/* SPDX-License-Identifier: Apache-2.0 */
/* JSON values read from text (RFC 8259): a document on an arena and typed field readers.
 *
 * The only door to yyjson. Values borrow from the arena that the document was parsed
 * on. One thread at a time. */
#ifndef HOSTLER_JSON_JSON_H
#define HOSTLER_JSON_JSON_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"

/* Arrays and objects within each other, in what is read and what is written. */
enum { JSON_MAX_DEPTH = 64 };

struct json; /* one value of a parsed document */

enum json_type {
    JSON_NONE,
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

/* True for JSON's white space. */
static inline bool json_is_blank(unsigned char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Where and why a text was refused. */
struct json_error {
    size_t offset;    /* byte offset in the text */
    const char *text; /* what is wrong, static */
};

/* Parses the whole text. ERR_SYNTAX, ERR_DEPTH (over JSON_MAX_DEPTH), ERR_UTF8, ERR_TOO_LARGE
 * (beyond the arena's cap); then *error (may be NULL) says where.
 *
 * An escape that is half of a surrogate pair, as clients make it that cut a text within an emoji, is
 * read as U+FFFD.
 *
 * The document is made on `arena`, its strings unescaped: 4 bytes per byte of a usual text, up to
 * 13 for one of many tiny values. Numbers beyond the range of 64 bits are kept; json_to_i64
 * refuses them, json_to_double only when they are not finite. */
MUST_CHECK int json_parse(struct arena *arena, struct str text, const struct json **out,
                          struct json_error *error);

/* The same for a text that json_scan has accepted or json_writer has made: reads it once less. */
MUST_CHECK int json_parse_scanned(struct arena *arena, struct str text, const struct json **out,
                                  struct json_error *error);

enum json_type json_type(const struct json *v); /* JSON_NONE for NULL */

/* Member of an object by name; NULL when v is no object or has no such member. The first one when
 * there are several: json_unique finds those. */
const struct json *json_get(const struct json *v, const char *name);

/* The same for a name that may have any bytes. */
const struct json *json_get_str(const struct json *v, struct str name);

/* ERR_DUPLICATE when an object has one of the `names` (NULL-terminated) twice; *which names it. */
MUST_CHECK int json_unique(const struct json *v, const char *const *names, const char **which);

size_t json_count(const struct json *v); /* members of an array or object; 0 for others */

/* NULL beyond the end and for no array. Walks from the start: to visit all, use json_next_item. */
const struct json *json_at(const struct json *array, size_t index);

/* Iterates over an object or an array: start with a zeroed struct; false at the end. */
struct json_iter {
    const void *at;
    size_t index;
};
bool json_next_member(const struct json *object, struct json_iter *it, struct str *name,
                      const struct json **value);
bool json_next_item(const struct json *array, struct json_iter *it, const struct json **value);

/* The value in the wanted type. False when it is another type (or NULL, or does not
 * fit); *out is then untouched. */
bool json_to_str(const struct json *v, struct str *out);
bool json_to_bool(const struct json *v, bool *out);
bool json_to_i64(const struct json *v, int64_t *out);   /* integers, and reals without fraction */
bool json_to_double(const struct json *v, double *out); /* any finite number */

/* How a number is written: without fraction and exponent, within 64 bits with sign or beyond them;
 * or with one. JSON_NO_NUMBER for other values. */
enum json_number { JSON_NO_NUMBER, JSON_INTEGER, JSON_BIG_INTEGER, JSON_REAL };
enum json_number json_number(const struct json *v);

/* A JSON_BIG_INTEGER's sign and digits; borrowed from the document or from `room`. */
struct str json_digits(const struct json *v, char room[STR_U64_ROOM]);

double json_real(const struct json *v); /* of a JSON_REAL; infinite beyond the range of doubles */

/* json_get and json_to_... in one: the default when the member is
 * missing, null or of another type. */
struct str json_str_or(const struct json *object, const char *name, struct str otherwise);
bool json_bool_or(const struct json *object, const char *name, bool otherwise);
int64_t json_i64_or(const struct json *object, const char *name, int64_t otherwise);

#endif
