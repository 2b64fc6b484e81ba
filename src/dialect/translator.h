/* SPDX-License-Identifier: Apache-2.0 */
/* A translation at work: makes the runtime's request of the client's, then the client's answer of
 * the runtime's, event by event.
 *
 * Pure, no I/O; one exchange's. */
#ifndef HOSTLER_DIALECT_TRANSLATOR_H
#define HOSTLER_DIALECT_TRANSLATOR_H

#include "dialect/pivot.h"

/* The body for the runtime, on t->arena, of a client's that its dialect's `peek` has accepted. t->asked, t->sent, t->arena and what the answer needs are
 * set. ERR_INVALID: *why says what cannot be said; -ENOMEM. */
MUST_CHECK int translate_request(struct translation *t, struct str model, struct str body,
                                 struct str *out, struct refusal *why);

/* Names the client's fields in what a runtime says of its request: in why->param, and where the words
 * are our own also where the message begins with the name. A foreign runtime's words stay. */
void translate_refusal(const struct translation *t, struct refusal *why);

/* One answer. Zeroed: none. */
struct translator {
    const struct translation *t;
    struct answer_source *source;
    struct answer_writer *writer;
    struct buf out;           /* what the client gets, since it was last cleared */
    unsigned puts;            /* events of the runtime's last one */
    struct answer_event like; /* the last of these; see translator_again */
};

/* -ENOMEM. translator_fini must follow in any case. */
MUST_CHECK int translator_init(struct translator *tr, const struct translation *t);
void translator_fini(struct translator *tr); /* fine on a zeroed one */

/* Translates one event of the runtime's stream. ERR_INVALID: it is none of its dialect. -ENOMEM,
 * ERR_TOO_LARGE. */
MUST_CHECK int translator_event(struct translator *tr, struct str name, struct str data);

/* True when the last event of the stream said nothing but `piece`, which is what stands between two
 * quotes of its data: then another that differs within these only is translated by this. */
bool translator_is_piece(const struct translator *tr, const char *piece);
MUST_CHECK int translator_again(struct translator *tr, struct str piece);

/* Translates an answer that is one object. The same errors as of an event. */
MUST_CHECK int translator_whole(struct translator *tr, struct str body);

/* The answer is complete. */
MUST_CHECK int translator_end(struct translator *tr, const struct usage *usage);

/* A stream cannot be completed. */
MUST_CHECK int translator_fail(struct translator *tr, const struct refusal *why);

#endif
