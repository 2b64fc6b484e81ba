/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAI's Responses as the dialect of a client: its rows of the table of surfaces, and what is kept
 * of responses that are stored for later requests.
 *
 * The id of a response is "resp_" and translation.id; each of its items has that in its own id.
 * Pure functions, any thread. */
#ifndef HOSTLER_DIALECT_RESPONSES_RESPONSES_H
#define HOSTLER_DIALECT_RESPONSES_RESPONSES_H

#include "dialect/pivot.h"
#include "dialect/wording.h"

int responses_to_pivot(struct translation *t, struct str model, const struct json *body,
                       struct json_writer *chat, struct refusal *why);

extern const struct answer_writer_ops responses_writer;
extern const struct answer_writer_ops responses_count_writer;

/* --- responses that are stored --- */

/* What a request refers to, set as translation.past before it is translated: lists of items, each a
 * JSON array. Without it a request with `previous_response_id` or an `item_reference` is refused. */
struct responses_past {
    const struct str *before; /* what it goes on from, the oldest first: of each response what
                               * responses_write_input wrote, then its output */
    size_t before_count;
    const struct str *known; /* the outputs of responses whose items it may name */
    size_t known_count;
};

enum { RESPONSES_WANTS_MAX = 32 };

/* What a request needs of earlier ones. Ids as clients have them, on the arena. */
struct responses_wants {
    struct str previous;                 /* of the response that it goes on from; empty: none */
    struct str ids[RESPONSES_WANTS_MAX]; /* of responses whose items it names, each once */
    unsigned count;
    bool store; /* the response may be stored: it is not forbidden */
};

/* Reads it in a body that was peeked. Reads no more than it must: a body without either costs one
 * scan. -ENOMEM. */
MUST_CHECK int responses_read_wants(struct arena *arena, struct str body,
                                    struct responses_wants *out);

/* Appends the input of a request as a list of items with ids, as it is kept and listed. It is without
 * what came before, but has the items that it names. ERR_INVALID: the body is no request that could
 * be translated; -ENOMEM, ERR_TOO_LARGE. */
MUST_CHECK int responses_write_input(const struct translation *t, struct str body, struct buf *out);

/* Appends the response that a writer wrote, streamed or not, as one object: to be called behind the
 * event that ended it and before the writer is finished. `w` is the one of a translation whose
 * `asked` is SURFACE_RESPONSES. -ENOMEM, ERR_TOO_LARGE. */
MUST_CHECK int responses_write_response(const struct answer_writer *w, struct buf *out);

/* The member `output` of a response, a list of items within its text; empty: it has none. */
struct str responses_output(struct str response);

extern const struct wording responses_wording[]; /* wording.c */

#endif
