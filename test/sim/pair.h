/* SPDX-License-Identifier: Apache-2.0 */
/* A client and a server of HTTP, both ours, on wires: the test is who fetches, who answers, and the
 * network between them. */
#ifndef HOSTLER_TEST_PAIR_H
#define HOSTLER_TEST_PAIR_H

#include "http/client.h"
#include "http/server.h"
#include "identities.h"
#include "wire.h"

/* What is spoken. */
enum pair_kind { PAIR_H1, PAIR_H2, PAIR_TLS_H1, PAIR_TLS_H2, PAIR_KINDS };

enum { PAIR_CALLS = 256, PAIR_FETCHES = 256, PAIR_BODY_MAX = 4 << 20 };

/* A call as the server's handler sees it. */
struct pair_call {
    struct pair *pair;
    struct http_call *call; /* NULL: ended */
    struct task task;
    unsigned wakes;
};

/* A fetch and what came of it. */
struct pair_fetch {
    struct fetch f;
    struct task task;
    struct arena arena;
    struct buf body; /* what was taken */
    unsigned wakes;
    bool lazy;  /* takes nothing */
    bool begun; /* the memory is in use */
};

struct pair {
    enum pair_kind kind;
    struct sim *sim;
    struct wires wires;
    struct http_server server;
    struct http_client client;
    struct tls_acceptor tls;
    struct tls_context *server_context, *client_context; /* NULL: plain */
    void (*on_call)(struct pair_call *c);                /* a call begins; NULL: its body is read */
    void (*on_fact)(struct pair_call *c);   /* it is woken; NULL: the test looks by itself */
    void (*on_fetch)(struct pair_fetch *f); /* so is a fetch; NULL: its body is taken */
    struct pair_call calls[PAIR_CALLS];     /* in the order of their begin */
    unsigned call_count;
    struct pair_fetch fetches[PAIR_FETCHES];
    unsigned fetch_count;
};

extern const struct http_server_limits pair_limits;

/* The files are for kinds with TLS; `here` has the certificate for "here.test". */
struct pair *pair_new(enum pair_kind kind, const struct identities *files,
                      const struct identity *here);
void pair_free(struct pair *p); /* ends what has not ended */

const char *pair_name(enum pair_kind kind);
bool pair_is_h2(enum pair_kind kind);

void pair_run(struct pair *p);
void pair_advance(struct pair *p, uint64_t us);

/* Begins the next fetch, with the method, path and body. Strings and bytes must stay. */
struct pair_fetch *pair_ask(struct pair *p, enum http_method method, const char *path,
                            struct str body);
/* The same, without running. `change` sees the fetch before it starts; or NULL. */
struct pair_fetch *pair_begin(struct pair *p, enum http_method method, const char *path,
                              struct str body, void (*change)(struct fetch *f));
void pair_end_fetch(struct pair *p, struct pair_fetch *f); /* and runs */

/* The n-th call, which must be there. */
struct http_call *pair_call(struct pair *p, unsigned n);

/* Answers it, and runs. */
void pair_reply(struct pair *p, unsigned n, int status, struct str body);

/* Ends it in what way ever, without running. */
void pair_forget_call(struct pair_call *c);
void pair_end_call(struct pair_call *c);
void pair_abort_call(struct pair_call *c);

/* True when the fetch is done with this status and body. */
bool pair_has(const struct pair_fetch *f, int status, struct str body);

#endif
