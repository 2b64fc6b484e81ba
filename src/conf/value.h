/* SPDX-License-Identifier: Apache-2.0 */
/* Values as the file writes them: text to number and back, by the row's type. */
#ifndef HOSTLER_CONF_VALUE_H
#define HOSTLER_CONF_VALUE_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"
#include "conf/schema.h"

/* "500us", "500ms", "30s", "5m", "1h", "2d", "0". ERR_SYNTAX, ERR_RANGE. */
MUST_CHECK int conf__parse_duration(struct str text, uint64_t *us);

/* "4096", "16k", "16KiB" (1024), "16KB" (1000), up to G. ERR_SYNTAX, ERR_RANGE. */
MUST_CHECK int conf__parse_size(struct str text, uint64_t *bytes);

MUST_CHECK int conf__parse_bool(struct str text, bool *out); /* true, false, yes, no, on, off */

/* A number of the row's type, its `zero` word included; not checked against the row's range. */
MUST_CHECK int conf__parse_number(const struct conf_row *row, struct str text, uint64_t *out);

/* The shortest text that reads back as `value` for this row. */
struct str conf__number_text(struct arena *a, const struct conf_row *row, uint64_t value);

/* The smallest number that may be written: a word that stands for 0 replaces the digit. */
uint64_t conf__least(const struct conf_row *row);

/* "1 to 256 sequences", "at most 1000000 requests" */
struct str conf__range_text(struct arena *a, const struct conf_row *row);

/* Index of `text` in the row's words, or -1. */
int conf__word_index(const struct conf_row *row, struct str text);

/* The words as "a, b or c". */
struct str conf__words_text(struct arena *a, const struct conf_row *row);

/* Length of the character at s.ptr[at] when it has no place in a value or message: controls (ASCII
 * and C1), line and paragraph separators, byte order marks, non-characters. 0: an ordinary one. */
size_t conf__forbidden(struct str s, size_t at);

/* The candidate least unlike `text`, or an empty one when none is near. */
struct str conf__nearest(struct str text, struct str (*candidate)(const void *ctx, size_t i),
                         const void *ctx, size_t count);

#endif
