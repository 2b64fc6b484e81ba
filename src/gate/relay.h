/* SPDX-License-Identifier: Apache-2.0 */
/* The filter between an upstream's body and the client: passes bytes on as they are, or has them
 * translated; reads on the way what they say (usage, the answer's end, errors), leaves out the usage
 * that only the gateway asked for, and never lets part of an event through.
 *
 * Holding the unfinished end of an event back is what makes a broken upstream a parseable error:
 * whatever the client has is whole events. Needs no call: it may be fed before the client's head
 * is sent. Pure; one exchange's. */
#ifndef HOSTLER_GATE_RELAY_H
#define HOSTLER_GATE_RELAY_H

#include "base/base.h"
#include "base/str.h"
#include "dialect/reader.h"
#include "dialect/translator.h"
#include "http/sse.h"
#include "json/skim.h"

struct relay {
    const struct answer_reader *reader;
    struct translator *translator; /* makes what the client gets; NULL: the bytes pass */
    bool is_stream;
    bool strip_usage; /* leave out usage where it has an event to itself or is null */
    /* something of an answer went by: not only comments, roles, empty deltas, errors */
    bool content;
    bool done;    /* [DONE] went through; nothing behind it does */
    bool error;   /* an error event went through */
    bool starved; /* there was no memory for the beginning of an event: nothing more goes through */
    bool alien;   /* what came is none of the dialect, or too large to translate: the same */
    bool oversized;   /* ... too large */
    bool data;        /* an event with data went through */
    bool large;       /* in the middle of an event that is too large to be looked into as a whole */
    bool large_last;  /* by its beginning it is the last one, */
    bool large_error; /* or an error */
    uint64_t events;  /* passed on */
    uint64_t deltas;  /* those with a piece of the answer: about as many tokens */
    uint64_t begun;   /* choices by index, a bit each */
    uint64_t ended;   /* those with their finish_reason */
    unsigned wanted;  /* choices that were asked for; 0: one at least */
    /* the message of the error event, as it is written; borrowed until the next relay_feed;
     * JSON_NONE: none */
    struct json_span error_message;
    struct usage usage;
    struct stream_mark mark; /* for its last words */
    struct sse sse;
    /* the last dull event's data, without the piece of the answer in it; see same_again */
    struct buf like;
    size_t like_before; /* bytes of it before that piece */
    size_t like_hole;   /* where what is to be left out begins, counted from the end; 0: nothing */
    size_t like_hole_len;
    struct buf joined;     /* the data of an event with several lines */
    struct buf made;       /* an event that was made of a body which is none; passed on from here */
    bool keeps;            /* what is relayed is also kept */
    struct buf kept;       /* the whole answer, when it is complete; empty: it was too large. One
                            * that is translated and no stream, as it comes */
    struct json_find find; /* usage in a JSON body, or in a large event */
};

enum {
    RELAY_SLICES = 8,
    RELAY_LIKE_MAX = 4096,
    RELAY_EVENT_MAX = 1 << 20, /* a larger event passes, and only its beginning is looked into */
    RELAY_TRANSLATED_MAX = 8 << 20, /* the same of one that is translated; a larger one cannot be */
    RELAY_USAGE_MAX = 65536,        /* a larger usage object of a JSON body is not read */
};

/* `reader`: of the dialect in which the runtime answers. */
void relay_init(struct relay *r, const struct answer_reader *reader, bool is_stream,
                bool strip_usage);
void relay_fini(struct relay *r);

/* Before the first byte: what the client gets is made by `tr`, which must outlive it. */
void relay_translate(struct relay *r, struct translator *tr);

/* Filters one read's bytes into slices, borrowed from `in` and from the relay until the next
 * call. Returns how many slices. Where there is more to leave out than slices, the bytes of `in`
 * are moved together, so they must be writable.
 *
 * `last`: no more bytes will come, however they ended. What is left of a stream is then passed
 * on if it is a whole event but for its blank line, and an answer that is whole gets the [DONE]
 * that it lacks. */
unsigned relay_feed(struct relay *r, struct str in, bool last, struct str out[RELAY_SLICES]);

/* Ends a stream that is translated with an error, in its dialect: what the client gets then. */
struct str relay_fail(struct relay *r, const struct refusal *why);

/* True in the middle of an event that is too large to look into: the client has part of it. */
bool relay_inside(const struct relay *r);

/* True for a stream that would be broken if no more came: neither [DONE] nor an error event was
 * there, nor the finish_reason of every choice that had begun. */
bool relay_cut(const struct relay *r);

/* Where a stream has ended without usage: an estimate from the deltas that went by, and from a
 * request of that many bytes. */
void relay_estimate(struct relay *r, size_t request_bytes);

#endif
