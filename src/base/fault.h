/* SPDX-License-Identifier: Apache-2.0 */
/* Failures on purpose, in builds with the option `faults`; in others nothing of this is left in
 * the code.
 *
 * A point is a place where the system or a library may refuse what it is asked for. Points are
 * counted by kind, over all threads, and an armed kind refuses its n-th point from then on:
 * tests arm by fault_arm, processes are armed by HOSTLER_FAULT=KIND:N (KIND:N+ for all from the
 * n-th on), and HOSTLER_FAULT=count only has them say at their end how many points of each kind
 * they passed. Any thread, but only one arms. */
#ifndef HOSTLER_BASE_FAULT_H
#define HOSTLER_BASE_FAULT_H

#include "base/base.h"

/* kind, its name, how it fails */
#define FAULT_KINDS(X)                                                  \
    X(ALLOC, "alloc")             /* mem_try: NULL */                   \
    X(LIBRARY, "library")         /* memory that a library asks for */  \
    X(SOCKET, "socket")           /* EMFILE */                          \
    X(CONNECT, "connect")         /* ECONNREFUSED */                    \
    X(ACCEPT, "accept")           /* EMFILE */                          \
    X(READ, "read")               /* ECONNRESET */                      \
    X(READ_SHORT, "read_short")   /* one byte comes, the rest later */  \
    X(WRITE, "write")             /* EPIPE */                           \
    X(WRITE_SHORT, "write_short") /* one byte is taken now */           \
    X(WRITE_FULL, "write_full")   /* EAGAIN: nothing is taken now */    \
    X(LOG, "log")                 /* EAGAIN for the log's descriptor */ \
    X(THREAD, "thread")           /* EAGAIN for a new thread */

enum fault_kind {
#define X(kind, name) FAULT_##kind,
    FAULT_KINDS(X)
#undef X
        FAULT_KIND_COUNT
};

#ifdef HOSTLER_FAULTS

/* True: this one fails. */
bool fault_point(enum fault_kind kind);

/* Between fault_hold and fault_release, which nest, this thread's points neither count nor fail:
 * what a test does for itself. */
void fault_hold(void);
void fault_release(void);

/* Counts anew and refuses the n-th point (1: the next) of the kind; with `onward` all that
 * follow, too. n 0: none. */
void fault_arm(enum fault_kind kind, uint64_t n, bool onward);
void fault_disarm(void); /* fault_points keeps what it was */

/* Since fault_arm. */
uint64_t fault_points(enum fault_kind kind);
bool fault_fired(void);
const char *fault_name(enum fault_kind kind);

#else

static inline bool fault_point(enum fault_kind kind)
{
    (void)kind;
    return false;
}

static inline void fault_hold(void)
{
}

static inline void fault_release(void)
{
}

#endif
#endif
