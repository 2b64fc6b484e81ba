/* SPDX-License-Identifier: Apache-2.0 */
/* Wires between streams that the code under test dials and streams that it accepts, on one
 * simulator: so our own client talks to our own server, and the test is the network between them.
 *
 * Each dialled peer of the simulator gets a wire to an accepted one. A wire has two courses, one
 * for each direction, which carry bytes in the pieces that the test wants, hold some back, or break.
 * The test changes the courses of wires that are there, or of those to come, at any time. */
#ifndef HOSTLER_TEST_WIRE_H
#define HOSTLER_TEST_WIRE_H

#include "base/rand.h"
#include "sim.h"

/* How a course breaks. */
enum wire_cut {
    WIRE_WHOLE,
    WIRE_FIN,  /* who reads there is told that nothing follows, and who writes of nothing */
    WIRE_RST,  /* both are told that the connection was reset */
    WIRE_HOLD, /* nobody is told of anything: it is stalled */
};

/* One direction. All zero: everything arrives at once. */
struct wire_course {
    size_t piece;  /* so many bytes arrive by one event; 0: all there are */
    size_t window; /* so many may be on their way, unread; 0: without end */
    bool stalled;  /* nothing moves */
    enum wire_cut cut;
    uint64_t cut_at; /* after so many bytes */

    uint64_t moved;
    bool over; /* broken, or its writer has closed */
};

struct wire {
    struct sim_peer *dialled;  /* whose code is the client */
    struct sim_peer *accepted; /* whose code is the server */
    struct wire_course up;     /* from the client to the server */
    struct wire_course down;
};

struct wires {
    struct sim *sim;
    struct acceptor *acceptor;   /* who gets the accepted streams */
    struct wire_course up, down; /* of wires that begin */
    bool shuffled; /* whose turn it is, and how much moves, is the generator's choice */
    struct rng rng;
    struct wire all[SIM_PEERS]; /* in the order of their dials */
    unsigned count;
};

void wires_init(struct wires *w, struct sim *sim, struct acceptor *acceptor);

/* As sim_run and sim_advance, with what the wires do. */
void wires_run(struct wires *w);
void wires_advance(struct wires *w, uint64_t us);

/* The n-th wire from the start, or abort. */
struct wire *wires_at(struct wires *w, unsigned n);

/* Breaks a course at once. */
void wire_break(struct wires *w, struct wire *wire, struct wire_course *course, enum wire_cut cut);

#endif
