/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/fault.h"

void wires_init(struct wires *w, struct sim *sim, struct acceptor *acceptor)
{
    *w = (struct wires){.sim = sim, .acceptor = acceptor};
    rng_seed(&w->rng, 1);
}

/* Streams that were dialled and have opened since. */
static bool begin_wires(struct wires *w)
{
    bool any = false;
    while (w->count < w->sim->dials) {
        struct wire *wire = &w->all[w->count++];
        *wire = (struct wire){
            .dialled = sim_dialled(w->sim, w->count - 1), .up = w->up, .down = w->down};
        if (wire->dialled->open_err || wire->dialled->broken) continue;
        wire->accepted = sim_connect(w->sim, w->acceptor);
        any = true;
    }
    return any;
}

/* --- one course --- */

static struct sim_peer *writer_of(struct wire *wire, const struct wire_course *course)
{
    return course == &wire->up ? wire->dialled : wire->accepted;
}

static struct sim_peer *reader_of(struct wire *wire, const struct wire_course *course)
{
    return course == &wire->up ? wire->accepted : wire->dialled;
}

static void tell_end(struct sim_peer *p, enum wire_cut cut)
{
    if (p->closed || p->ending) return;
    if (cut == WIRE_RST)
        sim_reset(p);
    else
        sim_fin(p);
}

void wire_break(struct wires *w, struct wire *wire, struct wire_course *course, enum wire_cut cut)
{
    course->over = true;
    tell_end(reader_of(wire, course), cut);
    if (cut != WIRE_RST) return;
    wire->up.over = wire->down.over = true;
    tell_end(writer_of(wire, course), cut);
    sim_run(w->sim);
}

/* How many bytes may move now. */
static size_t allowed(struct wires *w, struct wire *wire, const struct wire_course *course)
{
    size_t n = buf_len(&writer_of(wire, course)->got);
    if (course->piece) n = MIN(n, course->piece);
    if (course->cut) n = MIN(n, course->cut_at - MIN(course->cut_at, course->moved));
    if (w->shuffled && n > 1) n = 1 + rng_below(&w->rng, n);
    return n;
}

/* Bytes for somebody who has gone are answered by a reset, as TCP does. */
static void move_bytes(struct wires *w, struct wire *wire, struct wire_course *course, size_t n)
{
    struct sim_peer *from = writer_of(wire, course), *to = reader_of(wire, course);
    if (!to->closed && !to->ending) sim_post(to, str_sub(sim_got(from), 0, n));
    buf_consume(&from->got, n);
    course->moved += n;
    if (to->closed) wire_break(w, wire, course, WIRE_RST);
}

/* The writer's kernel takes what the window has room for. */
static bool open_window(struct wire *wire, struct wire_course *course)
{
    struct sim_peer *from = writer_of(wire, course), *to = reader_of(wire, course);
    size_t used = sim_unread(to) + buf_len(&from->got);
    size_t window = course->window ? course->window : SIZE_MAX;
    size_t room = window > used ? window - used : 0;
    from->window = MIN(from->window, room);
    if (room == from->window) return false;
    bool waited = buf_len(&from->pending) > 0;
    sim_take(from, room - from->window);
    return waited;
}

/* True: something has happened. */
static bool step(struct wires *w, struct wire *wire, struct wire_course *course)
{
    struct sim_peer *from = writer_of(wire, course);
    if (course->over || course->stalled) return false;
    size_t n = allowed(w, wire, course);
    if (n) move_bytes(w, wire, course, n);
    if (course->over) return true;
    course->stalled = course->cut == WIRE_HOLD && course->moved >= course->cut_at;
    if (course->cut && course->moved >= course->cut_at && !course->stalled) {
        wire_break(w, wire, course, course->cut);
        return true;
    }
    if (from->closed && buf_len(&from->got) == 0) {
        wire_break(w, wire, course, from->closed_by_reset ? WIRE_RST : WIRE_FIN);
        return true;
    }
    sim_run(w->sim);
    return open_window(wire, course) || n > 0;
}

/* --- all of them --- */

static bool step_all(struct wires *w)
{
    bool any = false;
    for (unsigned i = 0; i < w->count; i++) {
        struct wire *wire = &w->all[i];
        if (!wire->accepted) continue;
        bool up_first = !w->shuffled || rng_below(&w->rng, 2);
        any |= step(w, wire, up_first ? &wire->up : &wire->down);
        any |= step(w, wire, up_first ? &wire->down : &wire->up);
    }
    return any;
}

void wires_run(struct wires *w)
{
    w->sim->dial_window = w->up.window ? w->up.window : SIZE_MAX;
    do {
        sim_run(w->sim);
    } while (begin_wires(w) || step_all(w));
}

void wires_advance(struct wires *w, uint64_t us)
{
    enum { STEPS = 100 };
    uint64_t until = loop_now(w->sim->loop) + us;
    wires_run(w);
    while (loop_now(w->sim->loop) < until) {
        uint64_t left = until - loop_now(w->sim->loop);
        sim_advance(w->sim, MIN(left, us / STEPS + 1));
        wires_run(w);
    }
}

struct wire *wires_at(struct wires *w, unsigned n)
{
    if (n < w->count) return &w->all[n];
    fprintf(stderr, "wire.c: there is no wire %u\n", n);
    abort();
}
