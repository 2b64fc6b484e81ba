/* SPDX-License-Identifier: Apache-2.0 */
/* A two-way byte stream: TCP, a UNIX socket, a test's script, or what stands on one of these (TLS).
 *
 * The holder gets facts through a handler and never runs steps inside it (see loop.h). After
 * stream_close no handler is called and the pointer is dead. Belongs to its loop's thread. */
#ifndef HOSTLER_LOOP_STREAM_H
#define HOSTLER_LOOP_STREAM_H

#include <sys/uio.h>

#include "base/base.h"
#include "base/str.h"
#include "loop/loop.h"

struct stream;

struct stream_handler {
    /* Streams that were not open when the holder got them: open now (0) or failed (negative; close
     * it). Exactly once, never from within what made the stream. */
    void (*on_open)(void *owner, int err);
    /* Bytes arrived. Valid until on_settle returns, and until then the holder's to overwrite. */
    void (*on_data)(void *owner, struct str bytes);
    /* The tasks that on_data woke have run; copy what is still needed. Not called
     * when the stream was closed. */
    void (*on_settle)(void *owner);
    /* No more bytes will come: ERR_EOF, or a negative errno (-ECONNRESET). */
    void (*on_end)(void *owner, int err);
    /* What was queued by stream_write has fallen to the low mark: all of it has been taken by the
     * kernel, or all but so much. */
    void (*on_drain)(void *owner);
};

/* False until on_open has told of it: a dialled stream, and an accepted one that begins with a
 * handshake. */
bool stream_is_open(const struct stream *s);

void stream_set_handler(struct stream *s, const struct stream_handler *handler, void *owner);

/* Starts or stops reading. Stopped is the initial state; stop only to hold a sender back, since
 * start and stop cost a system call each. */
void stream_read(struct stream *s, bool on);

/* While the loop is behind (loop/lag.h), the next bytes may be left with the kernel for as long as it
 * takes: for a stream at a moment at which nobody has a claim to be heard. */
void stream_may_wait(struct stream *s, bool may);

/* The next bytes that arrive are put at `place`, `len` of them at most, and not into the loop's
 * buffer; on_data tells of them there. Good for one on_data. The place must stay until then, or
 * until it is taken back by len 0. */
void stream_read_into(struct stream *s, char *place, size_t len);

/* Writes now what the kernel takes, and queues a copy of the rest. Nothing borrowed is kept. A
 * failure is told here or by on_end; the stream can then only be closed. */
MUST_CHECK int stream_write(struct stream *s, const struct iovec *iov, unsigned count);

/* Bytes queued and not yet taken by the kernel. */
size_t stream_pending(const struct stream *s);

/* From here on, on_drain is told each time that what is queued has been above `low` and falls to it
 * or less; `low` is 0 at first. Set it before the bytes that it is to watch are written: for those
 * that are queued already, on_drain may come later than that. */
void stream_set_low_mark(struct stream *s, size_t low);

/* Bytes that the kernel has taken since the stream began, those of what it stands on included:
 * grows as long as the peer reads. */
uint64_t stream_drained(const struct stream *s);

/* Closes at once; what is queued is lost. stream_close_reset also tells a TCP peer by RST, and
 * says no farewell on the layers above that. */
void stream_close(struct stream *s);
void stream_close_reset(struct stream *s);

/* "127.0.0.1:4711" or "unix"; borrowed from the stream. */
struct str stream_peer(const struct stream *s);

/* True when the stream is one too many: it got a descriptor of the listener's reserve, or whoever
 * accepted it says so. To be answered and closed soon. */
bool stream_is_spare(const struct stream *s);
void stream_set_spare(struct stream *s);

/* What is known of a stream once it is open. Strings are borrowed from it. */
struct stream_facts {
    bool secure;            /* nobody on the way reads or changes it */
    struct str alpn;        /* the protocol that both sides agreed on; empty: none */
    struct str server_name; /* that the client asked for; empty: none */
    struct str
        peer_name; /* a proven one, of the certificate: a SPIFFE ID or the subject; or empty */
    const char *protocol; /* "TLSv1.3"; NULL: plain */
    const char *cipher;
    const char *error; /* why on_open failed, or reading or writing, in words; static; or NULL */
};

const struct stream_facts *stream_facts(const struct stream *s); /* of NULL: nothing */

/* --- where streams come from --- */

/* An address to dial or to listen at; borrows its strings. */
struct addr {
    bool is_unix;
    struct str host; /* name or literal address */
    uint16_t port;
    struct str path; /* UNIX socket */
};

struct net {
    int (*dial)(struct net *net, struct loop *l, const struct addr *addr, struct stream **out);
};

/* Begins to connect; on_open tells the result. Set the handler before returning to the loop. Host
 * names are resolved outside the loop's thread and remembered (resolve.c); their addresses are
 * tried in order. The caller limits the time of it all. */
MUST_CHECK int loop_dial(struct loop *l, const struct addr *addr, struct stream **out);

/* Gets accepted streams: sets the handler and starts reading, or closes; or puts something onto
 * the stream and hands that to the next acceptor. Embedded in who gets them. */
struct acceptor {
    void (*accept)(struct acceptor *acceptor, struct stream *s);
};

struct listener;

enum { LISTENER_RESERVE = 8 }; /* descriptors that each listener keeps in reserve */

/* Accepts on `fd` (listening, non-blocking; dup'ed by the caller for each loop), which is taken
 * over unless it fails, and hands each stream to `acceptor`. When descriptors are lacking, those who
 * come first get a stream that is `spare`, on one of a few descriptors kept for that; then, or when
 * memory is lacking, clients wait: it pauses for up to 100 ms, says so in the log, and counts. While the
 * loop is late (loop/lag.h), they wait as well. */
MUST_CHECK int listener_open(struct loop *l, int fd, struct acceptor *acceptor,
                             struct listener **out);
uint64_t listener_pauses(const struct listener *ls); /* any thread; 0 for NULL */
void listener_close(struct listener *ls);

/* A bound, listening socket: TCP with SO_REUSEPORT when `shared`, UNIX (an old socket file that
 * nobody serves is replaced). The caller closes *fd. *port gets the TCP port chosen. */
MUST_CHECK int listen_socket(const struct addr *addr, bool shared, int *fd, uint16_t *port);

#endif
