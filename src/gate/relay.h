/* SPDX-License-Identifier: Apache-2.0 */
/* The filter between an upstream's body and the client: passes bytes on as they are, reads usage on the way, leaves out
 * the usage event that only the gateway asked for, and never lets part of an event through.
 *
 * Holding the unfinished end of an event back is what makes a broken upstream a parseable error: whatever the
 * client has is whole events. Pure; one exchange's. */
#ifndef HOSTLER_GATE_RELAY_H
#define HOSTLER_GATE_RELAY_H

#include "base/base.h"
#include "base/str.h"
#include "http/sse.h"

struct usage {
    uint64_t prompt; /* tokens */
    uint64_t completion;
    uint64_t cached; /* of prompt */
    bool known;
};

struct relay {
    bool is_sse;
    bool strip_usage; /* leave out the event whose choices are empty and that has usage */
    bool crowded;     /* a read had more to leave out than slices: some of it was passed */
    bool done;        /* [DONE] went through */
    bool error;       /* an error event went through */
    uint64_t events;  /* passed on */
    struct usage usage;
    struct sse sse;
    struct buf tail; /* the last bytes of a JSON body that came in pieces */
};

enum { RELAY_SLICES = 6, RELAY_EVENT_MAX = 1 << 20, RELAY_TAIL = 4096 };

void relay_init(struct relay *r, bool is_sse, bool strip_usage);
void relay_fini(struct relay *r);

/* Filters one read's bytes into slices, borrowed from `in` and from the relay until the next call. `last`: the body ends with them.
 * Returns how many slices. */
unsigned relay_feed(struct relay *r, struct str in, bool last, struct str out[RELAY_SLICES]);

/* What is to go out at the body's end besides: a whole [DONE] event where its blank line did not come, else nothing. Static. */
struct str relay_last(const struct relay *r);

/* True in the middle of an event that is too large to look into: the client has part of it. */
bool relay_inside(const struct relay *r);

/* True when a stream stopped before its [DONE] or an error event. */
bool relay_cut(const struct relay *r);

#endif
