/* SPDX-License-Identifier: Apache-2.0 */
/* A scripted answer: what it says, piece by piece, and how it ends. docs/mock.md has the JSON in
 * which it is told.
 *
 * Everything is on the arena that it was read on. Any thread. */
#ifndef HOSTLER_CMD_MOCK_TURN_H
#define HOSTLER_CMD_MOCK_TURN_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"
#include "dialect/pivot.h"

/* One frame's worth. Strings are as they stand between the quotes of JSON. */
struct mock_piece {
    enum answer_kind kind; /* of TEXT up to ARGUMENTS */
    bool raw;   /* text is bytes of the stream, whatever the dialect; kind means nothing */
    bool empty; /* stands for an answer without words: nothing is said */
    unsigned call;
    struct str text;
    struct str id; /* of a call; ptr NULL: the script gives none; empty: there is to be none */
    struct str name;
};

/* One answer. Zeroed: none is scripted. */
struct mock_turn {
    bool says; /* it has words of its own: pieces, one at least; else the counted tokens are said */
    const struct mock_piece *pieces;
    uint32_t count;
    bool ends; /* finish is told */
    enum finish finish;
    struct str stop;  /* the stop sequence that was met, or empty */
    struct str usage; /* an object of knobs that usage reports, or empty */
    struct str knobs; /* an object of knobs for this answer, or empty */
    struct str body;  /* the whole answer as it is, whatever was asked for, or empty */
};

/* Reads the members of an object that tell of an answer; what else it has is not looked at.
 * ERR_INVALID: *wrong says what is wrong, on the arena. */
MUST_CHECK int mock_turn_read(struct arena *arena, struct str json, struct mock_turn *out,
                              const char **wrong);

/* The names of these members, with NULL at the end; those of one request do without "knobs". */
extern const char *const mock_turn_names[];

/* "stop", "tool_calls": as OpenAI's chats and scripts call it. */
struct str mock_finish_name(enum finish finish);

/* Cuts text that has JSON's escapes into words, blanks with the word before them. At least one,
 * at most MOCK_TOKENS_MAX. */
void mock_cut_words(struct arena *arena, struct str text, const struct str **words,
                    uint32_t *count);

#endif
