/* SPDX-License-Identifier: Apache-2.0 */
/* Routes: which handler answers which method and path. One table for the whole process; its rows
 * are the process's (node/routes.c). */
#ifndef HOSTLER_GATE_ROUTES_H
#define HOSTLER_GATE_ROUTES_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"
#include "dialect/dialect.h"
#include "http/message.h"

struct handler; /* gate/handler.h */

enum route_flag {
    ROUTE_API = 1,      /* below /v1 and /openai/v1, and at the root */
    ROUTE_POST = 2,     /* POST only; else GET and HEAD */
    ROUTE_REST = 4,     /* what follows the path is the route's argument */
    ROUTE_MODEL = 8,    /* a runtime answers: has a body that names a model */
    ROUTE_OPEN = 16,    /* nobody needs a key */
    ROUTE_QUIET = 32,   /* without interest for the log when it goes well */
    ROUTE_BESIDE = 64,  /* runtimes have it beside their /v1 */
    ROUTE_DELETE = 128, /* DELETE, too */
    ROUTE_BODY = 256,   /* has a body, which the handler reads itself */
    ROUTE_CLAUDE = 512  /* in Anthropic's dialect for clients of that */
};

/* A row. Constant data. */
struct route {
    struct str path;      /* "/models"; of the API's without /v1; a longer one goes before its
                                    * beginning with ROUTE_REST */
    const char *name;     /* for logs */
    unsigned flags;       /* enum route_flag */
    enum surface surface; /* ROUTE_MODEL: what is asked of the runtime */
    const struct dialect *dialect; /* request, answer and what we say ourselves are in it */
    const struct handler *handler;
    const struct handler *about; /* of requests that are about the model itself, or NULL */
};

struct route_match {
    const struct route *route; /* NULL: there is none */
    bool method_ok;            /* else 405 with `allow` */
    struct str allow;          /* for the Allow header */
    struct str rest;           /* the path behind /v1; the query stays here, nobody has read it */
    struct str arg;            /* ROUTE_REST: decoded */
    const struct dialect
        *dialect; /* the route's; without one, that in which the client probably reads */
};

/* Finds the route. /v1/x, /openai/v1/x, /anthropic/v1/x and /x are the same, but that /anthropic, or
 * a header anthropic-version, says the dialect of a ROUTE_CLAUDE, and of what there is none for.
 * Strings borrow from the head or the arena. -ENOMEM. */
MUST_CHECK int routes_match(const struct route *routes, size_t count, const struct http_head *head,
                            struct arena *arena, struct route_match *out);

/* For an unknown path: the one that was probably meant ("/v1/chat/completions" for
 * "//v1/v1/chat/completions/"), or ptr NULL. */
struct str routes_suggest(const struct route *routes, size_t count, struct arena *arena,
                          struct str path);

/* "unknown" without a route. */
const char *route_name(const struct route_match *m);
bool route_is(const struct route_match *m, enum route_flag flag);

#endif
