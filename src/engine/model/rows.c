/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/model/rows.h"

enum {
    NOTED_LEAST = 3,      /* decodes of a size until it is known */
    NOTED_MOST = 8,       /* a new one counts an eighth at least */
    PAUSE_LEAST = 64,     /* decodes */
    PAUSE_MOST = 4096,    /* so that trials cost a thousandth */
    STRANGERS_MOST = 128, /* decodes with other threads, which are a trial of those until then */
};

/* How much faster a block has to be: less is not told from noise. */
static const double GAIN_LEAST = 1.05;

/* A decode that was disturbed counts as this many usual ones. */
static const double OUTLIER = 2;

void rows_init(struct rows *r)
{
    *r = (struct rows){0};
}

static bool is_known(const struct rows_cost *c)
{
    return c->noted >= NOTED_LEAST;
}

/* The slower way has been slower for long enough: what is known of it is forgotten, so that it is
 * tried again. */
static void rest(struct rows *r, struct rows_cost *slower)
{
    slower->pause = MAX(slower->pause, (uint64_t)PAUSE_LEAST);
    if (r->decodes - slower->used < slower->pause) return;
    slower->noted = 0;
    slower->pause = MIN(slower->pause * 2, (uint64_t)PAUSE_MOST);
}

/* Microseconds of runs one after the other; negative: not all are known. */
static double cost_of_runs(const struct rows *r, const uint32_t *runs, size_t count)
{
    double us = 0;
    for (size_t i = 0; i < count; i++) {
        if (runs[i] > ROWS_MAX || !is_known(&r->costs[runs[i]])) return -1;
        us += r->costs[runs[i]].us;
    }
    return us;
}

bool rows_pads(struct rows *r, const uint32_t *runs, size_t count, uint32_t block)
{
    struct rows_cost *padded = &r->costs[block];
    double plain = cost_of_runs(r, runs, count);
    if (plain < 0) return false;
    if (!is_known(padded)) return true;
    bool pads = padded->us * GAIN_LEAST < plain;
    /* The times of several runs are not told apart, so those are not learned here. */
    if (!pads)
        rest(r, padded);
    else if (count == 1)
        rest(r, &r->costs[runs[0]]);
    if (pads)
        padded->pause = 0;
    else if (count == 1)
        r->costs[runs[0]].pause = 0;
    return pads;
}

/* False: they are the usual ones, or have just become that. */
static bool has_strange_threads(struct rows *r, unsigned threads)
{
    r->strangers = threads == r->threads ? 0 : r->strangers + 1;
    if (r->threads && r->strangers < STRANGERS_MOST) return r->strangers > 0;
    if (!r->strangers) return false;
    rows_init(r);
    r->threads = threads;
    return false;
}

/* A size that is well known takes longer or shorter than before: the sequences have grown, or other
 * processes want the processors, and other sizes would be as much slower. */
static void drift(struct rows *r, double factor)
{
    for (size_t i = 0; i <= ROWS_MAX; i++)
        r->costs[i].us *= factor;
}

void rows_note(struct rows *r, unsigned threads, uint32_t rows, uint64_t us)
{
    if (rows > ROWS_MAX || has_strange_threads(r, threads)) return;
    struct rows_cost *c = &r->costs[rows];
    bool changed = rows != r->last;
    r->decodes++;
    r->last = rows;
    c->used = r->decodes;
    if (changed && is_known(c)) return;
    double took = c->noted ? MIN((double)us, OUTLIER * c->us) : (double)us;
    if (c->noted == NOTED_MOST) {
        drift(r, 1 + (took / MAX(c->us, 1.0) - 1) / NOTED_MOST);
        return;
    }
    c->noted++;
    c->us += (took - c->us) / c->noted;
}
