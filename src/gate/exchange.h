/* SPDX-License-Identifier: Apache-2.0 */
/* The exchange: one client request and its answer, through its whole life (ARCHITECTURE.md shows the states). */
#ifndef HOSTLER_GATE_EXCHANGE_H
#define HOSTLER_GATE_EXCHANGE_H

#include "base/base.h"
#include "gate/openai.h"
#include "gate/relay.h"
#include "gate/worker.h"
#include "http/client.h"
#include "http/server.h"
#include "mesh/admit.h"

/* In the order of life; DONE has no memory. */
#define EXCHANGE_STATES(X) \
    X(IDENTIFY) X(BODY) X(PERMIT) X(ADMIT) X(QUEUE) X(SEND) X(AWAIT) X(HOLD) X(RELAY) X(LOCAL)

enum exchange_state {
#define X(name) EXCHANGE_##name,
    EXCHANGE_STATES(X)
#undef X
        EXCHANGE_STATE_COUNT
};

enum { EXCHANGE_HELD_MAX = 64 * 1024 };

/* Lives on the call's arena. One thread's. */
struct exchange {
    uint32_t magic;
    enum exchange_state state;
    struct task task;
    struct timer timer; /* at the earliest thing to look at */
    struct list link;   /* worker->exchanges */
    struct worker *worker;
    struct http_call *call;
    struct snapshot *snapshot; /* one reference */
    struct keyring *keyring;   /* one reference */
    const struct key *key;     /* NULL: none needed */
    char id[REQUEST_ID_MAX + 1];

    struct api_match match;
    struct api_request request;
    const struct service *asked;   /* the service of the model's name */
    const struct service *service; /* the one that is tried: asked, or a fallback of it */
    size_t fallbacks;              /* of asked, tried so far */

    struct tried tried;
    struct waiter *waiter;    /* in QUEUE */
    struct grant grant;       /* from ADMIT on */
    struct str endpoint_name; /* of the last attempt, for messages; on the arena */
    unsigned attempts;
    bool retry_denied; /* the retry budget is spent: the client should not retry either */
    bool again;        /* the next attempt is this one again, at the same endpoint */
    bool fresh;        /* ... on a new connection */
    bool asked_usage;  /* the attempt asks for usage that the client did not ask for */
    bool no_usage;     /* the endpoint seems to refuse that */
    struct fetch fetch;
    struct str slices[API_SLICES_MAX]; /* the body as it is sent */
    struct relay relay;
    struct buf held; /* HOLD: what came of a stream before its answer began */
    bool began;      /* something of an answer came with this attempt */
    bool paused;     /* the client is slow, the upstream is held back */
    bool reported;   /* endpoint_report was called for this attempt */
    bool settled;

    int status; /* answered */
    enum outcome outcome;
    const char *error_code; /* of our own error answers, for the log */
    uint64_t total_us;      /* for all of it; 0: no limit */
    uint64_t patience_us;   /* what the client says it will wait; 0: nothing */
    uint64_t deadline_us;   /* of both; 0: none; see total_deadline */
    uint64_t body_us;       /* times on the loop's clock; 0: not reached */
    uint64_t queued_us;     /* began to wait for a credit */
    uint64_t waited_us;     /* in queues, altogether */
    uint64_t sent_us;       /* the last attempt began */
    uint64_t head_us;       /* response head */
    uint64_t first_us;      /* first body byte */
    struct scrape *scrape;  /* local.c: metrics asked for from the main thread */
};

/* Begins an exchange for a call whose head is complete. */
void exchange_start(struct worker *w, struct http_call *call);

const char *exchange_state_name(enum exchange_state s);

/* --- exchange.c for account.c and local.c --- */

enum step { STEP_NEXT, STEP_WAIT, STEP_DONE };

/* Answers with an error in the dialect's shape and ends the exchange. `code` and `param` may be NULL. retry_after_us 0: no header. */
enum step exchange_refuse(struct exchange *x, enum outcome outcome, int status, struct str message,
                          const char *param, const char *code, uint64_t retry_after_us);

/* Answers with a body of ours and ends the exchange. */
enum step exchange_reply(struct exchange *x, enum outcome outcome, int status,
                         struct str content_type, struct str body);

/* True when the client's key allows the service by the name that was asked for, or by its own. */
bool exchange_may_ask(const struct exchange *x, struct str name, const struct service *s);

/* True when the client's key allows the service under any of its names: what names it here need not be what the key's list has. */
bool exchange_may_use(const struct exchange *x, const struct service *s);

/* local.c: models, probes, metrics. */
enum step exchange_local(struct exchange *x);
void local_forget(struct exchange *x); /* the exchange ends; metrics may still be on their way */

/* account.c: counters and the log line, exactly once. */
void exchange_account(struct exchange *x);

#endif
