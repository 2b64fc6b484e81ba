/* SPDX-License-Identifier: Apache-2.0 */
/* An attempt: one request to an endpoint on a credit, and what comes back. */
#ifndef HOSTLER_GATE_ATTEMPT_H
#define HOSTLER_GATE_ATTEMPT_H

#include "dialect/translator.h"
#include "gate/exchange.h"
#include "gate/relay.h"
#include "http/client.h"
#include "mesh/admit.h"

/* Where the endpoint does not speak the client's dialect. */
struct conversion {
    struct translation request;
    struct translator answer;
};

struct history;

/* Embedded in who makes attempts, one after the other. What stands below `grant` is of the last
 * one. */
struct attempt {
    struct exchange *x;
    unsigned count;          /* attempts that were sent */
    struct history *history; /* of a request for a response; NULL: of another */
    bool keeps;              /* the answer is to be kept */
    bool again;              /* the next one is the last one again, at the same endpoint */
    bool fresh;              /* ... on a new connection */
    bool no_native;          /* the endpoint seems not to know the client's surface */
    bool no_usage;           /* the endpoint seems to refuse to be asked for usage */

    struct grant grant;       /* the credit; endpoint NULL: none is held */
    struct str endpoint_name; /* for messages; on the call's arena */
    struct fetch fetch;
    struct str slices[DIALECT_SLICES_MAX]; /* the body as it is sent */
    enum surface surface;                  /* on which it is asked */
    struct conversion *conversion; /* NULL: the client's own bytes pass, and the runtime's */
    struct relay relay;
    bool asked_usage;      /* it asks for usage that the client did not ask for */
    bool began;            /* something of an answer came with it */
    bool reported;         /* endpoint_report was called for it, or is not to be */
    enum verdict verdict;  /* then, else VERDICT_OK */
    bool paused;           /* the client is slow, the upstream is held back */
    struct str error_word; /* the runtime's own name for its refusal (error_word), or ptr NULL */
    uint64_t sent_us;      /* times on the loop's clock, 0: not reached: it began */
    uint64_t head_us;      /* response head */
    uint64_t first_us;     /* first byte of the answer that is relayed */
    uint64_t piece_us;     /* the last bytes of an answer that streams */
    uint64_t wrote_us;     /* the client got something last */
    struct str ping; /* what its stream is kept alive with; empty: nothing, or it has not begun */
};

/* Sends the request to the endpoint of the grant. -ENOMEM: nothing was sent; ERR_INVALID: nor was
 * it, since the endpoint's dialect cannot say it: *why, and no verdict is due unless it was sent
 * before. */
MUST_CHECK int attempt_start(struct attempt *a, struct refusal *why);

/* The verdict on it, once: the first one counts. `what`: the failure in words, or NULL. */
void attempt_report(struct attempt *a, enum verdict verdict, uint64_t retry_after_us,
                    const char *what);

/* Gives back connection and credit. Its verdict must have been reported, or none is due. */
void attempt_end(struct attempt *a);

/* When it must have brought its first byte. */
uint64_t attempt_first_byte_due(const struct attempt *a);

/* When its current phase has taken too long; 0: never. */
uint64_t attempt_due(const struct attempt *a);

/* Sets up the relay for what follows the response head. True for a stream. -ENOMEM shows as
 * relay.starved. */
bool attempt_read_as(struct attempt *a, const struct http_head *head);

/* True when the client gets events, whatever the runtime sends. */
bool attempt_streams(const struct attempt *a);

/* Feeds the relay. `last`: no more bytes will come. */
unsigned attempt_feed(struct attempt *a, struct str bytes, bool last, struct str out[RELAY_SLICES]);

/* The first byte of what is relayed has come. */
void attempt_note_first(struct attempt *a);

/* The first piece of an answer is there. */
void attempt_note_begin(struct attempt *a);

/* Where it failed by what the runtime sent: says which rule that breaks, in a line of the log. */
void attempt_log_protocol(const struct attempt *a);

#endif
