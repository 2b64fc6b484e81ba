/* SPDX-License-Identifier: Apache-2.0 */
/* An answer that is written: the items of its output as they grow. */
#ifndef HOSTLER_DIALECT_RESPONSES_ANSWER_PRIV_H
#define HOSTLER_DIALECT_RESPONSES_ANSWER_PRIV_H

#include "dialect/responses/responses_priv.h"

enum output_kind {
    OUTPUT_TEXT,
    OUTPUT_REFUSAL,
    OUTPUT_REASONING,
    OUTPUT_FUNCTION,
    OUTPUT_CUSTOM,
    OUTPUT_SEARCH,
};

enum {
    OUTPUTS_MAX = 4096,
    OUTPUT_HELD_MAX = ANSWER_HELD_MAX / 2 /* the events that end an item have its text thrice */
};

/* One item. Texts are escaped, as events have them. */
struct output {
    struct output *next;
    enum output_kind kind;
    unsigned index; /* in the output */
    bool done;      /* no more is added */
    bool begun;     /* its part is told */
    bool cut;       /* the answer ended in the middle of it */
    bool redacted;  /* of reasoning: `proof` is all that there is */
    unsigned call;  /* of a call: the runtime's number */
    struct str call_id;
    struct str name;
    struct str space;    /* empty: none */
    struct str place;    /* how its deltas go on behind their number; ptr NULL: not made yet */
    struct buf text;     /* what is said or thought, or arguments; once it is done what the client
                          * gets of these: of a search an object */
    struct buf proof;    /* of reasoning: its signature */
    struct buf logprobs; /* of a text: the elements */
};

enum outcome { OUTCOME_NONE, OUTCOME_DONE, OUTCOME_FAILED };

struct writer {
    struct answer_writer base;
    const struct responses_memo *memo;
    struct output *first, *last;
    struct output *open; /* what is said or thought and goes on; calls are open besides */
    unsigned count;
    size_t held;     /* bytes in the items */
    uint64_t number; /* of the next event */
    bool begun;
    enum finish finish;
    enum outcome outcome;
    struct usage usage;
    const char *error_code; /* of one that failed */
    struct str error_message;
};

static inline struct writer *responses__writer_of(const struct answer_writer *w)
{
    return CONTAINER_OF(w, struct writer, base);
}

/* --- object.c: JSON of items and responses --- */

/* A member whose value is escaped already. */
void responses__put_escaped(struct json_writer *w, const char *name, struct str escaped);

/* "msg_...": the id of an item. */
void responses__put_id(struct json_writer *w, const char *name, const struct writer *a,
                       const struct output *o);

/* The only part of a text, refusal or reasoning. */
void responses__put_part(struct json_writer *w, const struct writer *a, const struct output *o,
                         bool empty);

/* The item; `empty`: as it is when it begins. */
void responses__put_item(struct json_writer *w, const struct writer *a, const struct output *o,
                         bool empty);

/* The response as it is now. */
void responses__put_response(struct json_writer *w, const struct writer *a);

/* --- settle.c: what the client gets of a call's arguments --- */

/* Makes it of the runtime's, when they are complete. -ENOMEM, ERR_TOO_LARGE. */
MUST_CHECK int responses__settle(struct output *o);

/* Ends of lines may stand between values, but would end a line of the stream. Makes blanks of those
 * in JSON from byte `from` on, which is not empty. */
void responses__join_lines(struct buf *text, size_t from);

#endif
