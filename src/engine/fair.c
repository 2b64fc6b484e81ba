/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/fair.h"

static const double smooth = 0.75;

void fair_init(struct fair *f)
{
    *f = (struct fair){.count = 1};
    for (unsigned i = 0; i < FAIR_TENANTS; i++)
        list_init(&f->tenants[i].waiting);
}

/* --- who is known --- */

static struct fair_tenant *find(struct fair *f, uint64_t id)
{
    if (!id) return &f->tenants[0];
    for (unsigned i = 1; i < f->count; i++)
        if (f->tenants[i].id == id) return &f->tenants[i];
    return NULL;
}

/* A place that was never used, else the idle tenant's with the least time; NULL: none is idle. */
static struct fair_tenant *find_room(struct fair *f)
{
    struct fair_tenant *found = NULL;
    if (f->count < FAIR_TENANTS) return &f->tenants[f->count++];
    for (unsigned i = 1; i < FAIR_TENANTS; i++) {
        struct fair_tenant *t = &f->tenants[i];
        if (!t->members && (!found || t->time < found->time)) found = t;
    }
    return found;
}

static struct fair_tenant *add(struct fair *f, uint64_t id)
{
    struct fair_tenant *t = find_room(f);
    if (!t) return &f->tenants[0];
    *t = (struct fair_tenant){.id = id};
    list_init(&t->waiting);
    return t;
}

void fair_open(struct fair *f, struct fair_account *a, uint64_t id)
{
    struct fair_tenant *t = find(f, id);
    *a = (struct fair_account){.tenant = t ? t : add(f, id)};
    a->tenant->members++;
}

void fair_close(struct fair_account *a, uint32_t answered)
{
    struct fair_tenant *t = a->tenant;
    fair_give_back(a);
    if (answered)
        t->answer = t->answer > 0 ? smooth * t->answer + (1 - smooth) * answered : answered;
    t->members--;
    a->tenant = NULL;
}

/* --- whose turn it is --- */

void fair_wait(struct fair *f, struct fair_account *a, bool alone)
{
    if (alone) a->tenant->time = MAX(a->tenant->time, f->time);
}

static bool before(const struct fair_tenant *a, const struct fair_tenant *b)
{
    if (a->time != b->time) return a->time < b->time;
    if (a->served != b->served) return a->served < b->served;
    return a < b;
}

struct fair_tenant *fair_next(struct fair *f, const struct fair_tenant *after)
{
    struct fair_tenant *found = NULL;
    for (unsigned i = 0; i < f->count; i++) {
        struct fair_tenant *t = &f->tenants[i];
        if (list_empty(&t->waiting) || (after && !before(after, t))) continue;
        if (!found || before(t, found)) found = t;
    }
    return found;
}

uint64_t fair_rank_us(uint64_t came_us, unsigned class)
{
    assert(class <= FAIR_CLASS_TOP);
    return came_us + (uint64_t)(FAIR_CLASS_TOP - class) * FAIR_CLASS_US;
}

/* --- what it has got --- */

void fair_serve(struct fair *f, struct fair_account *a, uint32_t tokens, uint32_t answer_max)
{
    struct fair_tenant *t = a->tenant;
    uint32_t answer = t->answer > 0 ? (uint32_t)t->answer : (uint32_t)FAIR_ANSWER;
    f->time = MAX(f->time, t->time);
    t->served = ++f->servings;
    a->ahead = tokens + MIN(answer, answer_max);
    t->time += a->ahead;
}

void fair_compute(struct fair_account *a, uint32_t tokens)
{
    uint32_t paid = MIN(a->ahead, tokens);
    a->ahead -= paid;
    a->tenant->time += tokens - paid;
}

void fair_give_back(struct fair_account *a)
{
    a->tenant->time -= a->ahead;
    a->ahead = 0;
}
