/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of a loop, for this folder only. */
#ifndef HOSTLER_LOOP_LOOP_PRIV_H
#define HOSTLER_LOOP_LOOP_PRIV_H

#include <stdatomic.h>
#include <uv.h>

#include "base/map.h"
#include "loop/loop.h"
#include "loop/stream.h"

enum { LOOP_RX_SIZE = 64 * 1024 };

struct loop {
    struct list ready;  /* struct task */
    struct heap timers; /* struct timer by due_us */
    uint64_t now_us;
    _Atomic(struct mail *) mail; /* newest first; taken whole */
    struct net *net;
    bool in_ready; /* loop_run_ready is on the stack */
    bool manual;

    /* real loops only */
    uv_loop_t uv;
    uv_timer_t uv_timer;     /* fires at the earliest of `timers` */
    uint64_t uv_timer_due;   /* what uv_timer is set to; 0: stopped */
    uv_prepare_t uv_prepare; /* sets uv_timer before the loop sleeps */
    uv_async_t uv_async;     /* mail has come */
    struct task log_task;    /* writes this thread's log lines */
    struct timer log_timer;
    char *rx;         /* LOOP_RX_SIZE bytes that every stream receives into */
    struct map names; /* host -> struct resolved */
};

/* The real loop's network (tcp.c). */
extern struct net loop_real_net;

/* Refreshes now_us of a real loop; at the start of each callback. */
void loop__touch(struct loop *l);

/* Frees what resolve.c cached. */
void loop__forget_names(struct loop *l);

/* What a host name stands for, in the resolver's order: they are tried until one can be connected to. */
enum { ADDRESSES_MAX = 4 };
struct addresses {
    unsigned count;
    struct sockaddr_storage all[ADDRESSES_MAX]; /* without port */
};

/* Asks the resolver for `host`. Calls back exactly once, later; `err` is 0 or ERR_RESOLVE. */
struct lookup {
    uv_getaddrinfo_t req;
    struct loop *loop;
    char *host;
    void (*done)(struct lookup *q, int err, const struct addresses *found); /* frees q */
};

/* True and the addresses when `host` is a literal address or cached. */
bool loop__resolve_now(struct loop *l, struct str host, struct addresses *out);
MUST_CHECK int loop__resolve(struct loop *l, struct str host, struct lookup *q);
void loop__remember(struct loop *l, const char *host, const struct addresses *found);
void loop__set_port(struct sockaddr_storage *address, uint16_t port);

#endif
