/* SPDX-License-Identifier: Apache-2.0 */
/* Writes JSON text into a buf, with commas and escapes set for the caller.
 *
 * The first failure (the buf's maximum, memory) sticks: later calls do nothing,
 * json_write_end reports it. */
#ifndef HOSTLER_JSON_WRITE_H
#define HOSTLER_JSON_WRITE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "json/json.h"

struct json_writer {
    struct buf *out; /* borrowed */
    int err;         /* first failure, 0 so far */
    unsigned depth;  /* open arrays and objects, at most 64 */
    uint64_t filled; /* bit per depth: the level has an element already */
    bool after_key;  /* a key was written, its value is due */
};

void json_write_init(struct json_writer *w, struct buf *out);
MUST_CHECK int json_write_end(struct json_writer *w); /* asserts that all levels are closed */

void json_write_object(struct json_writer *w);
void json_write_object_end(struct json_writer *w);
void json_write_array(struct json_writer *w);
void json_write_array_end(struct json_writer *w);
void json_write_key(struct json_writer *w, const char *name);
void json_write_key_str(struct json_writer *w, struct str name);

/* Invalid UTF-8 in `s` becomes U+FFFD, control characters are escaped. NULL ptr writes "". */
void json_write_str(struct json_writer *w, struct str s);
void json_write_i64(struct json_writer *w, int64_t v);
void json_write_u64(struct json_writer *w, uint64_t v);
/* The shortest form that reads back as the same number; null when it is not finite. */
void json_write_double(struct json_writer *w, double v);
void json_write_bool(struct json_writer *w, bool v);
void json_write_null(struct json_writer *w);
void json_write_raw(struct json_writer *w, struct str json); /* a value that is JSON text already */

/* A value that was read, with all that is in it. NULL writes null. ERR_DEPTH: it is deeper than
 * JSON_MAX_DEPTH here. */
void json_write_json(struct json_writer *w, const struct json *v);

/* Key and value in one. */
void json_write_str_member(struct json_writer *w, const char *name, struct str v);
void json_write_u64_member(struct json_writer *w, const char *name, uint64_t v);
void json_write_i64_member(struct json_writer *w, const char *name, int64_t v);
void json_write_double_member(struct json_writer *w, const char *name, double v);
void json_write_bool_member(struct json_writer *w, const char *name, bool v);
void json_write_null_member(struct json_writer *w, const char *name);

/* Appends `s` with JSON escapes, without the quotes. */
MUST_CHECK int json_escape(struct buf *out, struct str s);

#endif
