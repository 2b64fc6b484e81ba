/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/inquiries.h"

#include <stdlib.h>

#include "base/mem.h"
#include "dialect/runtime.h"
#include "mesh/inquiry.h"

/* Each may hold a connection and a page. */
enum { RUNNING_MAX = 16 };

#define NEVER UINT64_MAX

struct running {
    struct list link;
    struct inquiries *all;
    struct inquiry inquiry;
};

void inquiries_init(struct inquiries *all, struct loop *loop, struct http_client *client)
{
    *all = (struct inquiries){.loop = loop, .client = client};
    list_init(&all->running);
}

static void end(struct running *r)
{
    r->inquiry.endpoint->state->inquiring = false;
    r->all->count--;
    inquiry_fini(&r->inquiry);
    list_remove(&r->link);
    free(r);
}

void inquiries_stop(struct inquiries *all)
{
    LIST_EACH_SAFE(&all->running, it, next)
    {
        end(LIST_ITEM(it, struct running, link));
    }
}

static const struct settings *settings_of(const struct endpoint *e)
{
    return snapshot_settings(e->service->snapshot);
}

/* What it is after this inquiry; NULL: nobody knows yet. Who answers without a sign is nothing
 * special; but who shows no list (any more) may still be what he was. */
static const struct runtime_kind *kind_after(const struct inquiry *q)
{
    const struct runtime_kind *before = endpoint_found_kind(q->endpoint);
    if (q->kind) return q->kind;
    return !q->answered || (before && !q->listed) ? before : q->endpoint->kind;
}

static void on_done(struct inquiry *q)
{
    struct running *r = CONTAINER_OF(q, struct running, inquiry);
    const struct endpoint *e = q->endpoint;
    uint64_t now = loop_now(r->all->loop);
    const struct runtime_kind *kind = kind_after(q);
    if (q->listed) endpoint_learn_card(e, &q->card);
    if (kind && e->finds_kind) endpoint_learn_kind(e, kind, q->sign, now);
    e->state->inquire_at_us = q->answered ? NEVER : now + settings_of(e)->probe_interval_us;
    end(r);
}

static void start(struct inquiries *all, const struct endpoint *e)
{
    struct running *r = mem_try_zero(1, sizeof *r);
    if (!r) return; /* the next look may do better */
    r->all = all;
    all->count++;
    e->state->inquiring = true;
    list_push_back(&all->running, &r->link);
    inquiry_init(&r->inquiry, all->loop, all->client, on_done);
    inquiry_start(&r->inquiry, e, settings_of(e)->probe_timeout_us);
}

static bool is_asked(const struct endpoint *e)
{
    return e->finds_kind || e->kind == &runtime_engine;
}

static bool is_there(const struct endpoint *e)
{
    return endpoint_phase(e->state) == ENDPOINT_UP && !endpoint_cooling(e->state);
}

static void look_at(struct inquiries *all, const struct endpoint *e)
{
    struct endpoint_state *s = e->state;
    uint64_t now = loop_now(all->loop);
    if (!is_asked(e)) return;
    if (atomic_exchange(&s->unreached, false))
        s->inquire_at_us = MIN(s->inquire_at_us, now + ENDPOINT_RECOVERY_US);
    if (!is_there(e)) {
        s->inquire_at_us = 0;
        return;
    }
    if (s->inquiring || s->inquire_at_us > now) return;
    if (all->count < RUNNING_MAX) start(all, e);
}

void inquiries_look(struct inquiries *all, const struct snapshot *s)
{
    size_t count;
    const struct service *services = snapshot_services(s, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < services[i].endpoint_count; k++)
            look_at(all, &services[i].endpoints[k]);
}

/* Whether it answered, and nothing told what it is. */
static bool told_nothing(const struct endpoint *e)
{
    return e->finds_kind && endpoint_found_kind(e) == e->kind;
}

void inquiries_renew(struct inquiries *all, const struct snapshot *s)
{
    size_t count;
    const struct service *services = snapshot_services(s, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < services[i].endpoint_count; k++)
            if (told_nothing(&services[i].endpoints[k]))
                services[i].endpoints[k].state->inquire_at_us = 0;
    inquiries_look(all, s);
}
