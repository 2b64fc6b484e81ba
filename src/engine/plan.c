/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/plan.h"

static const double dearer = 1.2; /* times the cheapest size's cost still is computing well */
static const double smooth = 0.5;
static const double margin = 0.95; /* steps beside slices take longer than they would alone */

void plan_init(struct plan *p, const struct plan_options *options)
{
    *p = (struct plan){.options = *options};
}

/* --- how much --- */

/* Microseconds that prompts get for a step that took so long. */
static double allowance(const struct plan *p, size_t running, size_t prompts, double step_us)
{
    const struct pace *pace = &p->options.pace;
    double us = (PLAN_TIMES - 1) * MAX((double)prompts / (double)running, 1.0) * step_us;
    if (pace->us) us = (double)pace->us - step_us;
    if (pace->times > 0) us = (pace->times - 1) * step_us;
    return MAX(margin * us, PLAN_SHARE_LEAST * step_us);
}

/* One step's allowance may be left over, so that those of many add up to their slices. */
void plan_ran(struct plan *p, size_t running, size_t prompts, uint64_t us)
{
    p->step_us = p->step_us > 0 ? smooth * p->step_us + (1 - smooth) * (double)us : (double)us;
    double allowed = allowance(p, running, prompts, (double)us);
    p->debt_us = MAX(p->debt_us - allowed, -allowed);
}

bool plan_may(struct plan *p, size_t running)
{
    p->charging = running > 0;
    if (!running) p->debt_us = 0;
    return p->debt_us <= 0;
}

void plan_charge(struct plan *p, uint64_t us)
{
    if (p->charging) p->debt_us += (double)us;
}

double plan_budget_us(const struct plan *p, size_t running, size_t prompts)
{
    if (!running) return (double)p->options.slice_alone_us;
    return MIN(allowance(p, running, prompts, p->step_us), (double)p->options.slice_us);
}

static double slice_budget_us(const struct plan *p, size_t running, size_t prompts)
{
    if (!running && !p->wary) return (double)p->options.slice_long_us;
    return plan_budget_us(p, running, prompts);
}

uint32_t plan_fit(const struct cost *c, double us, uint32_t depth, uint32_t most)
{
    uint32_t n = PLAN_ROWS;
    if (cost_of(c, n, depth) <= 0) return n;
    while (n + PLAN_ROWS <= most && cost_of(c, n + PLAN_ROWS, depth) <= us)
        n += PLAN_ROWS;
    return n;
}

/* The fewest tokens that a cut prompt gets. */
static uint32_t least_size(const struct plan *p)
{
    return (MAX(p->options.blas_from, 1u) + PLAN_ROWS - 1) / PLAN_ROWS * PLAN_ROWS;
}

/* The smallest size whose tokens cost little more than those of the cheapest one, among the sizes
 * that are not too long. The least never is: below it lies a cliff. */
static uint32_t good_size(const struct plan *p, uint32_t depth)
{
    uint32_t least = least_size(p);
    double cheapest = 0;
    uint32_t end = least;
    for (uint32_t n = least; n <= MAX(p->options.batch, least); n *= 2) {
        double us = cost_of(&p->cost, n, depth);
        if (n > least && us > (double)p->options.slice_us) break;
        end = n;
        if (n == least || us / n < cheapest) cheapest = us / n;
    }
    for (uint32_t n = least; n < end; n *= 2) {
        if (cost_of(&p->cost, n, depth) / n <= dearer * cheapest) return n;
    }
    return end;
}

/* --- whose --- */

/* How much of a prompt goes into a slice that has so much room. A prompt that would not end with
 * it gets a good size or nothing, unless it is the first one; and one that is not much longer is
 * taken whole: a cut costs time. */
static uint32_t part(const struct plan *p, const struct plan_prompt *q, double us, uint32_t room,
                     bool running, bool first)
{
    double whole = cost_of(&p->cost, q->rest, q->depth);
    if (q->rest <= room && whole > 0 && whole <= us) return q->rest;
    if (!first && whole <= 0) return 0; /* nothing is known yet */
    uint32_t size = plan_fit(&p->cost, us, q->depth, p->options.batch);
    bool fits = cost_of(&p->cost, size, q->depth) <= us;
    uint32_t good = good_size(p, q->depth);
    if (!first && (!fits || size < good || size > room)) return 0;
    size = MIN(MAX(size, good), room);
    return q->rest <= (running ? size + size / 2 : 2 * size) ? MIN(q->rest, room) : size;
}

static bool shorter(const struct plan_prompt *a, const struct plan_prompt *b)
{
    return (uint64_t)a->rest * (b->waiters + 1) < (uint64_t)b->rest * (a->waiters + 1);
}

/* The shortest prompt that has got nothing yet; the earliest one of several. */
static struct plan_prompt *shortest(struct plan_prompt *prompts, size_t count)
{
    struct plan_prompt *found = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!prompts[i].take && (!found || shorter(&prompts[i], found))) found = &prompts[i];
    }
    return found;
}

uint32_t plan_slice(const struct plan *p, struct plan_prompt *prompts, size_t count, size_t running)
{
    double us = slice_budget_us(p, running, count);
    uint32_t room = p->options.batch;
    for (size_t i = 0; i < count; i++)
        prompts[i].take = 0;
    for (size_t taken = 0; taken < count && room; taken++) {
        struct plan_prompt *q = shortest(prompts, count);
        if (!taken && p->ahead_us > 0) q = prompts;
        q->take = part(p, q, us, room, running > 0, taken == 0);
        if (!q->take) break;
        room -= q->take;
        us -= cost_of(&p->cost, q->take, q->depth);
    }
    return p->options.batch - room;
}

void plan_prefilled(struct plan *p, uint32_t tokens, uint32_t depth, uint64_t us, bool oldest)
{
    cost_note(&p->cost, tokens, depth, us);
    p->ahead_us = oldest ? MAX(p->ahead_us, 0.0) - (double)us : p->ahead_us + (double)us;
}

void plan_interrupted(struct plan *p)
{
    p->wary = true;
}

void plan_calm(struct plan *p)
{
    p->wary = false;
}
