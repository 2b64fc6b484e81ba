/* SPDX-License-Identifier: Apache-2.0 */
/* A scripted network on a manual loop: the test plays every peer and moves the clock.
 *
 * A peer is the far end of a stream that the code under test holds. What the test sends is
 * delivered in the pieces it chose, as writable memory that is gone when the event is over; what
 * the code writes is kept in `got`. Nothing happens by itself: each sim_ function runs the loop
 * until nothing is left to do at this instant. Broken rules abort. */
#ifndef HOSTLER_TEST_SIM_H
#define HOSTLER_TEST_SIM_H

#include "base/base.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/str.h"
#include "loop/loop.h"
#include "loop/stream.h"

/* What happens to the next streams that are dialled. */
enum sim_dialled { SIM_ACCEPT, SIM_REFUSE, SIM_STALL, SIM_FAIL /* loop_dial itself */ };

enum { SIM_PEERS = 256 };

struct sim {
    struct net net;
    struct loop *loop;
    enum sim_dialled on_dial;
    size_t dial_window;                  /* window of peers that are dialled */
    struct sim_peer *dialled[SIM_PEERS]; /* in order */
    unsigned dials;
    struct list peers;
    struct list
        graves; /* near ends that were closed, freed when no callback of theirs can run any more */
};

struct sim_peer {
    struct sim *sim;
    struct list link;
    struct sim_stream *near; /* NULL once the code under test has closed it */
    char address[64];        /* dialled: "host:port" or the socket's path */
    struct list inbox;       /* pieces that were sent and not yet delivered */
    bool opening;            /* dialled and not yet told */
    int open_err;
    bool ending; /* no more will be sent, once the inbox is empty */
    int end_err;
    bool end_told;
    bool broken;        /* writes fail */
    struct buf got;     /* what the code wrote and the peer's kernel took */
    struct buf pending; /* what it wrote beyond the window */
    size_t window;      /* how many more bytes are taken */
    size_t pending_max; /* the most that ever waited */
    unsigned writes;    /* stream_write calls with bytes */
    void (*on_write)(struct sim_peer *p, void *user); /* after each of them; it only looks */
    void *user;
    bool closed; /* the code closed it */
    bool closed_by_reset;
};

struct sim *sim_new(uint64_t start_us);
void sim_free(struct sim *s); /* everything must have been closed by the code under test */

/* Until nothing happens any more without the clock or the test. */
void sim_run(struct sim *s);
void sim_advance(struct sim *s, uint64_t us);

/* A client: its near end goes to `acceptor`. */
struct sim_peer *sim_connect(struct sim *s, struct acceptor *acceptor);
struct sim_peer *sim_connect_from(struct sim *s, const char *address, struct acceptor *acceptor);

/* The n-th dialled peer from the start, or abort. */
struct sim_peer *sim_dialled(struct sim *s, unsigned n);
void sim_open(struct sim_peer *p, int err); /* tells a stalled dial's result */

void sim_send(struct sim_peer *p, struct str bytes); /* in one piece */
void sim_send_text(struct sim_peer *p, const char *text);
void sim_send_pieces(struct sim_peer *p, struct str bytes, size_t piece); /* each its own event */
void sim_post(struct sim_peer *p, struct str bytes); /* queues a piece without running */
void sim_fin(struct sim_peer *p);
void sim_reset(struct sim_peer *p);
void sim_break(struct sim_peer *p); /* later writes fail; nothing is told */

void sim_take(struct sim_peer *p, size_t n); /* the peer reads: n more bytes fit */

struct str sim_got(const struct sim_peer *p);
void sim_forget(struct sim_peer *p); /* empties got */
bool sim_has(const struct sim_peer *p, const char *text);
unsigned sim_open_count(const struct sim *s); /* near ends of dialled peers that the code holds */
bool sim_reading(const struct sim_peer *p);
size_t sim_unread(
    const struct sim_peer *p); /* bytes that were sent to the code and not delivered */

/* --- an answer, read by rules of its own --- */

enum sim_answer_state { SIM_NOTHING, SIM_PART, SIM_WHOLE, SIM_MALFORMED };

struct sim_answer {
    enum sim_answer_state state;
    int status;
    struct str head; /* with the blank line */
    struct buf body; /* decoded */
    bool chunked;
    bool has_length;
    bool until_close; /* whole only by the connection's end */
    size_t used;      /* bytes of the input */
};

/* Reads one answer. `closed`: no more will come. */
void sim_answer(struct str bytes, bool head_request, bool closed, struct sim_answer *out);
void sim_answer_fini(struct sim_answer *a);
struct str sim_answer_header(const struct sim_answer *a,
                             const char *lower_name); /* ptr NULL: absent */

#endif
