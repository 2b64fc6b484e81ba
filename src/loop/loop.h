/* SPDX-License-Identifier: Apache-2.0 */
/* One thread's event loop: a ready queue, timers, a mailbox, a network to dial.
 *
 * Callbacks of I/O record facts and wake tasks; tasks run only from the ready queue, which is
 * emptied after each I/O callback, each batch of timers and each delivery of mail. So a task never
 * runs inside another one, and bytes that a callback received in the loop's buffer stay valid until
 * the tasks it woke have run.
 *
 * There are two kinds: loop_new_real (libuv) and loop_new_manual (tests: the clock moves by
 * hand, the network is whatever `struct net` the test installs). Everything but loop_post
 * belongs to the loop's thread. */
#ifndef HOSTLER_LOOP_LOOP_H
#define HOSTLER_LOOP_LOOP_H

#include "base/base.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/str.h"

struct lag;
struct loop;
struct net;

/* Something that can be made ready. Embedded in its object; zeroed or task_init'ed before use. */
struct task {
    struct list link; /* on the ready queue while woken */
    void (*run)(struct task *task);
};

void task_init(struct task *t, void (*run)(struct task *));
void task_cancel(struct task *t); /* takes it off the ready queue, if there */

/* Wakes a task at a time. Embedded; timer_init before use, timer_stop before its memory goes. */
struct timer {
    struct heap_node node;
    uint64_t due_us; /* on the loop's clock, while armed */
    struct task *wakes;
};

void timer_init(struct timer *t, struct task *wakes);

/* A message to another thread's loop. The sender hands it over; `deliver`
 * runs on the receiving thread. */
struct mail {
    struct mail *next;
    void (*deliver)(struct mail *mail);
};

/* Real loops also make the process ignore SIGPIPE. */
MUST_CHECK int loop_new_real(struct loop **out);
MUST_CHECK int loop_new_manual(uint64_t start_us, struct loop **out);

/* Runs remaining close callbacks and frees. All streams, timers and
 * handles must have been closed. */
void loop_free(struct loop *l);

/* Microseconds on the loop's clock: monotonic, refreshed once per event. */
uint64_t loop_now(const struct loop *l);

/* Whether the loop keeps up (loop/lag.h); whoever wants something put off sets its target. A manual
 * loop has no turns of its own. */
struct lag *loop_lag(struct loop *l);

/* Puts `t` at the end of the ready queue unless it is on it. */
void loop_wake(struct loop *l, struct task *t);

/* Arms, or moves when armed. */
void timer_start(struct loop *l, struct timer *t, uint64_t due_us);
void timer_stop(struct loop *l, struct timer *t);
bool timer_armed(const struct timer *t);

/* Any thread. Delivered in order per sender. Mail posted to a loop that has stopped
 * is delivered by loop_free. */
void loop_post(struct loop *l, struct mail *mail);

/* Real: runs until loop_stop (from the loop's thread). */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* Real: handles what is there (mail, I/O, timers) without waiting. For shutdown,
 * when loop_run has returned. */
void loop_poll(struct loop *l);

/* Runs all ready tasks now. No effect when called from within a task.
 * For I/O back ends and tests. */
void loop_run_ready(struct loop *l);

/* Runs `t` as soon as neither a task nor the handler of a stream is on the stack: what it tells is
 * told as if it came from the kernel, and what it frees nobody is inside of. For kinds of streams. */
void loop_defer(struct loop *l, struct task *t);

/* Runs `t` when all that is there now has been handled, before the loop sleeps: for what many events
 * give something to and that is better done once. */
void loop_wake_last(struct loop *l, struct task *t);

/* Memory of LOOP_SCRATCH bytes for one step of a stream that stands on another one: whoever uses
 * `which` must not be entered again until it has done so. NULL: there is none. */
enum { LOOP_SCRATCH = 64 * 1024 };
enum loop_scratch { LOOP_SCRATCH_IN, LOOP_SCRATCH_OUT, LOOP_SCRATCHES };
char *loop_scratch(struct loop *l, enum loop_scratch which);

/* Manual: moves the clock, firing timers in order of their time and running what they wake. */
void loop_advance(struct loop *l, uint64_t us);

/* The network that loop_dial uses. A real loop has one; a test installs its own. */
void loop_set_net(struct loop *l, struct net *net);

#endif
