/* SPDX-License-Identifier: Apache-2.0 */
/* How many threads compute best just now, found by trying.
 *
 * A machine that others use may run a model faster on fewer threads than it has cores, since all
 * threads wait for the slowest at every barrier. So every now and then steps alternate between the
 * present number and a rival (one more, one less, half, a quarter, all); the faster one stays. Only
 * steps of the same work are compared. Trials become rare while nothing changes, and come at once
 * when steps become slower than they were. One controller per kind of work (decode, prefill). */
#ifndef HOSTLER_ENGINE_THREADS_H
#define HOSTLER_ENGINE_THREADS_H

#include "base/base.h"

enum { THREADS_PAIRS = 5, THREADS_CHOICES = 24 };

struct threads {
    unsigned choices[THREADS_CHOICES]; /* ascending; 1 first */
    unsigned choice_count;
    unsigned now; /* index of the present choice */
    bool automatic;

    bool trying;
    unsigned rival;                 /* index on trial */
    unsigned kind;                  /* which rival the next trial takes: threads.c, rival_of */
    bool turn;                      /* the rival's turn */
    unsigned taken;                 /* samples of both sides so far */
    uint64_t work;                  /* what the trial's steps have in common */
    unsigned others;                /* steps of other work in a row */
    double cost_now[THREADS_PAIRS]; /* microseconds per unit */
    double cost_rival[THREADS_PAIRS];
    unsigned count_now;
    unsigned count_rival;

    uint64_t busy_us;       /* our own clock: the sum of the steps */
    uint64_t next_trial_us; /* on that clock */
    uint64_t pause_us;      /* between trials */
    bool won;               /* the last step ended a trial that changed `now` */
    double usual;           /* microseconds per unit at `now`, smoothed */
    uint64_t usual_work;
    unsigned slow; /* steps in a row that were far slower than usual */
};

/* fixed > 0: always that many. Otherwise between 1 and `most`, beginning there. */
void threads_init(struct threads *t, unsigned fixed, unsigned most);

/* For the next step. */
unsigned threads_pick(const struct threads *t);

/* Tells how long the step took that ran with threads_pick. `work` says which steps can be compared
 * (the number of sequences); `units` how much it did (tokens). */
void threads_note(struct threads *t, uint64_t work, double units, uint64_t us);

/* To be called before any thread is started: sets, unless the environment says otherwise, what
 * libraries read there when they are loaded, before main; so it starts the program anew once. It
 * returns in the second run, or when that is not possible.
 * - libgomp's threads, which ggml computes on, wait at barriers by spinning for a moment only and
 *   sleeping then. Its own default spins for milliseconds, which is ruinous as soon as another
 *   process needs a processor.
 * - malloc takes large pages if `large_pages`, where the kernel offers them. */
void threads_set_environment(bool large_pages);

/* Takes over what another kind of work has found in the step just noted, as a
 * start for one's own trials. */
void threads_follow(struct threads *t, const struct threads *other);

#endif
