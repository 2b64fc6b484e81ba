/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers, which answer, and the exchange as they see it.
 *
 * A handler keeps a state of its own on the call's arena, so that a new one adds nothing here.
 * One thread's. */
#ifndef HOSTLER_GATE_HANDLER_H
#define HOSTLER_GATE_HANDLER_H

#include "base/base.h"
#include "dialect/dialect.h"
#include "gate/cors.h"
#include "gate/forwarded.h"
#include "gate/lane.h"
#include "gate/routes.h"
#include "http/server.h"
#include "obs/log.h"

struct exchange;

/* In the order of life. */
enum exchange_state { EXCHANGE_IDENTIFY, EXCHANGE_BODY, EXCHANGE_PERMIT, EXCHANGE_HANDLE };

/* What a step has come to. */
enum step {
    STEP_NEXT, /* the next step can run at once */
    STEP_WAIT, /* until the task is woken, or the time of `due` has come */
    STEP_DONE, /* the exchange has ended, its memory is gone */
};

/* Why an exchange must end before it is done. */
enum cut {
    CUT_TIME,     /* its own time is over */
    CUT_PATIENCE, /* the time is over that the client said it would wait */
    CUT_DRAIN,    /* the process ends */
};

/* Who answers. All but `step` may be NULL. */
struct handler {
    int (*begin)(struct exchange *x);      /* sets x->mine; 0 or -ENOMEM */
    enum step (*step)(struct exchange *x); /* at first, and whenever the task was woken */
    /* Ends the exchange now. NULL: it is refused. */
    enum step (*cut)(struct exchange *x, enum cut why);
    uint64_t (*due)(const struct exchange *x); /* when `step` must look again; 0: never */
    /* The exchange has ended: counts what it knows of it, and adds that to the log line, which
     * is NULL when there is none. */
    void (*account)(struct exchange *x, uint64_t now_us, struct log_line *line);
    void (*settle)(struct exchange *x);                  /* then: gives back all that it holds */
    const char *(*state_name)(const struct exchange *x); /* for logs */
};

/* Lives on the call's arena. */
struct exchange {
    uint32_t magic;
    enum exchange_state state;
    struct task task;
    struct timer timer; /* at the earliest thing to look at */
    struct list link;   /* lane->exchanges */
    struct lane *lane;
    struct http_call *call;
    struct snapshot *snapshot; /* one reference */
    struct keyring *keyring;   /* one reference */
    const struct key *key;     /* NULL: none needed */
    char id[REQUEST_ID_MAX + 1];
    uint64_t header_ids;        /* of the request (http_head_ids) */
    struct cors cors;           /* what the request's origin comes to */
    struct forwarded forwarded; /* what proxies tell of its way */

    struct route_match match;
    const struct handler *handler; /* once it is known */
    struct ask ask;
    const struct service *asked; /* the service of the model's name; NULL: none yet */
    void *mine;                  /* the handler's own state, on the call's arena */
    const void *past; /* what the request goes on from (dialect/pivot.h), or NULL; with it
                                  * no runtime gets the client's own bytes */

    bool no_retry;   /* a refusal tells the client not to try again */
    struct str only; /* then: the endpoint that keeps it */
    bool
        bodiless; /* it is about a response that a runtime keeps: the request goes there as it is */
    bool streaming; /* the client's stream was begun, with nothing of an answer in it so far */
    bool settled;
    int status; /* answered */
    enum outcome outcome;
    const char *error_code; /* our own error answers have one, for the log */
    uint64_t total_us;      /* for all of it; 0: no limit */
    uint64_t patience_us;   /* what the client says it will wait; 0: nothing */
    uint64_t deadline_us;   /* by both; 0: none */
    uint64_t body_us;       /* when the body was there, on the loop's clock; 0: not yet */
};

/* Whether the request has that header; most are not looked for then. */
static inline bool exchange_has(const struct exchange *x, enum http_header_id id)
{
    return x->header_ids >> id & 1;
}

/* Whether nobody could read on the client's way here: on its own connection, where a proxy tells of
 * it, else on the one that came here. */
static inline bool exchange_is_secure(const struct exchange *x)
{
    enum forwarded_scheme told = x->forwarded.scheme;
    return told ? told == SCHEME_SECURE : call_facts(x->call)->secure;
}

static inline uint64_t exchange_now(const struct exchange *x)
{
    return loop_now(x->lane->loop);
}

static inline const struct settings *exchange_settings(const struct exchange *x)
{
    return snapshot_settings(x->snapshot);
}

#endif
