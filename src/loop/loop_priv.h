/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of a loop, for this folder only. */
#ifndef HOSTLER_LOOP_LOOP_PRIV_H
#define HOSTLER_LOOP_LOOP_PRIV_H

#include <stdatomic.h>
#include <uv.h>

#include "base/map.h"
#include "loop/lag.h"
#include "loop/loop.h"
#include "loop/stream.h"

enum { LOOP_RX_SIZE = 64 * 1024 };

struct loop {
    struct list ready;    /* struct task */
    struct list deferred; /* struct task: run when nothing of ours is on the stack */
    struct list last;     /* struct task: run before the loop sleeps */
    struct heap timers;   /* struct timer by due_us */
    uint64_t now_us;
    struct lag lag;
    _Atomic(struct mail *) mail; /* newest first; taken whole */
    struct net *net;
    bool in_ready;    /* loop_run_ready is on the stack */
    bool in_deferred; /* run_deferred is */
    unsigned telling; /* handlers of streams that are on the stack */
    char *scratch[LOOP_SCRATCHES];
    bool manual;

    /* real loops only */
    uv_loop_t uv;
    uv_timer_t uv_timer;     /* fires at the earliest of `timers` */
    uint64_t uv_timer_due;   /* what uv_timer is set to; 0: stopped */
    uv_prepare_t uv_prepare; /* sets uv_timer before the loop sleeps */
    uv_async_t uv_async;     /* mail has come */
    struct task log_task;    /* writes this thread's log lines */
    struct timer log_timer;
    struct list processes; /* struct process */
    uint64_t swept_us;     /* when it was last looked who of `late` has left */
    struct list late;      /* struct uv_stream that are not read in this turn, newest first */
    char *rx;              /* LOOP_RX_SIZE bytes that every stream receives into */
    struct map names;      /* host -> struct name (resolve.c) */
};

/* The real loop's network (tcp.c). */
extern struct net loop_real_net;

/* The stream around an accepted socket, which is taken over in any case. NULL: none can be made. */
struct stream *loop__adopt(struct loop *l, int fd, bool is_unix);

/* Around what tells handlers of streams. */
void loop__enter(struct loop *l);
void loop__leave(struct loop *l);

/* Refreshes now_us of a real loop; at the start of each callback. */
void loop__touch(struct loop *l);

/* True when the peer of a socket will send no more, whatever is still to be read of it. */
bool loop__has_left(int fd);

/* Streams that were put off are read again, in the coming turn (tcp.c). */
void loop__read_late(struct loop *l);

/* What a host name stands for, in the resolver's order: they are tried
 * until one can be connected to. */
enum { ADDRESSES_MAX = 4 };
struct addresses {
    unsigned count;
    struct sockaddr_storage all[ADDRESSES_MAX]; /* without port */
};

/* Somebody who waits for a name's addresses; embedded, zeroed before use, off its
 * list before its memory goes. */
struct lookup {
    struct list link;
    void (*done)(struct lookup *q, int err, const struct addresses *found);
};

/* True and the addresses when `host` is a literal address or known well enough. May
 * begin to ask for it anew. */
bool loop__resolve_now(struct loop *l, struct str host, struct addresses *out);

/* Asks for `host`, together with all who do so now. `done` is called once, later, with 0 or
 * ERR_RESOLVE, unless `q` was taken off its list before. */
MUST_CHECK int loop__resolve(struct loop *l, struct str host, struct lookup *q);

/* Before a loop goes: answers that are still to come find nobody; then what was learnt is freed. */
void loop__forget_questions(struct loop *l);
void loop__forget_names(struct loop *l);

void loop__set_port(struct sockaddr_storage *address, uint16_t port);

#endif
