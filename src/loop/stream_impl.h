/* SPDX-License-Identifier: Apache-2.0 */
/* For those who implement a kind of stream (tcp.c; the tests' scripted peers; filters, see
 * loop/stream_filter.h): its head and its operations. */
#ifndef HOSTLER_LOOP_STREAM_IMPL_H
#define HOSTLER_LOOP_STREAM_IMPL_H

#include "loop/stream.h"

struct stream_ops {
    void (*read)(struct stream *s, bool on);
    int (*write)(struct stream *s, const struct iovec *iov, unsigned count);
    size_t (*pending)(const struct stream *s);
    void (*close)(struct stream *s, bool reset); /* frees later; no handler is called from now on */
};

/* First member of each kind. */
struct stream {
    const struct stream_ops *ops;
    struct loop *loop;
    const struct stream_handler *handler;
    void *owner;
    struct stream *below;             /* what it stands on, which it owns; NULL: the kernel */
    const struct stream_facts *facts; /* NULL: nothing is known */
    uint64_t written;                 /* bytes given to stream_write */
    char *place;                      /* where the next bytes go, if place_len is not 0 */
    size_t place_len;                 /* at most so many of them; 0: they go where the kind likes */
    size_t low_mark;
    bool above;   /* more than low_mark has been queued since on_drain */
    bool opening; /* on_open is still to come */
    bool reading;
    bool closed;
    bool may_wait; /* of the bottom one: see stream_may_wait */
    bool spare;    /* of the bottom one */
    char peer[56];
};

/* Tells the handler and then runs what it woke. Safe when the handler or
 * a task closes the stream. */
void stream_tell_open(struct stream *s, int err);
void stream_tell_data(struct stream *s, struct str bytes);
void stream_tell_end(struct stream *s, int err);
void stream_tell_taken(struct stream *s); /* the kernel took bytes that were queued */

#endif
