/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that stand on another stream and make something else of its bytes: what their kinds
 * share.
 *
 * A filter owns the stream below it. Bytes from below come by filter_ops.input, which reads as much
 * of filter_input as it likes (filter_used) and tells what it made of it by stream_tell_data; what
 * it leaves, since its holder has stopped reading, is kept and offered again when the holder goes
 * on. So all that a kind does is to translate. Belongs to the loop's thread. */
#ifndef HOSTLER_LOOP_STREAM_FILTER_H
#define HOSTLER_LOOP_STREAM_FILTER_H

#include "base/buf.h"
#include "loop/stream_impl.h"

struct filter;

struct filter_ops {
    /* The stream below is open, or could not be opened. */
    void (*opened)(struct filter *f, int err);
    /* There is input, old or new, and it may be read: the holder reads, or the stream is opening.
     * May close the filter. */
    void (*input)(struct filter *f);
    /* No more bytes come from below; those that came before have been read. */
    void (*ended)(struct filter *f, int err);
    /* The filter has been closed; nothing more is called but this. Says farewell below unless
     * `reset`, and must not tell the holder of anything. */
    void (*farewell)(struct filter *f, bool reset);
    /* Gives back what the kind owns, and the filter's own memory. */
    void (*release)(struct filter *f);
};

/* First member of each kind. */
struct filter {
    struct stream base;
    const struct filter_ops *ops;
    struct buf held;    /* input that outlived its event */
    struct str input;   /* not used yet: in the stream's own memory, or in held */
    struct task resume; /* offers held input again, or frees */
    int end_err;        /* how the stream below ended; 0: it goes on */
    bool end_told;
};

/* The operations of its stream: read, pending and close are the filter's own; the kind adds
 * write. */
#define FILTER_STREAM_OPS(write_fn) \
    {.read = filter__read, .write = (write_fn), .pending = filter__pending, .close = filter__close}

/* On top of `below`, which it takes over. The filter begins as opening: the kind says by filter_open
 * when that is over. */
void filter_init(struct filter *f, const struct stream_ops *stream_ops,
                 const struct filter_ops *ops, struct stream *below);

static inline struct str filter_input(const struct filter *f)
{
    return f->input;
}

/* Opening is over, as stream_tell_open. May close the filter. */
void filter_open(struct filter *f, int err);

/* The first `n` bytes of the input have been read. */
void filter_used(struct filter *f, size_t n);

/* True while input may be read. */
static inline bool filter_wants(const struct filter *f)
{
    return !f->base.closed && (f->base.reading || f->base.opening);
}

/* Offers the input again, later, though none has come: there is some within the kind. */
void filter_resume(struct filter *f);

void filter__read(struct stream *s, bool on);
size_t filter__pending(const struct stream *s);
void filter__close(struct stream *s, bool reset);

#endif
