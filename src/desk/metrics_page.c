/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics, which the main thread writes, since engines are its. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "desk/desk.h"
#include "gate/errand.h"

#define PAGE_MAX ((size_t)64 << 20)

struct scrape {
    struct errand errand;
    const struct lane_home *home;
    struct buf text;
    int err; /* what writing it came to */
};

static void on_work(struct errand *e)
{
    struct scrape *s = CONTAINER_OF(e, struct scrape, errand);
    s->err = s->home->write_metrics(s->home->owner, &s->text);
}

static void on_free(struct errand *e)
{
    struct scrape *s = CONTAINER_OF(e, struct scrape, errand);
    buf_fini(&s->text);
    free(s);
}

static int on_begin(struct exchange *x)
{
    struct scrape *s = mem_try_zero(1, sizeof *s);
    if (!s) return -ENOMEM;
    s->errand.work = on_work;
    s->errand.free = on_free;
    s->home = x->lane->home;
    buf_init(&s->text, PAGE_MAX);
    x->mine = s;
    errand_start(&s->errand, x, s->home->loop);
    return 0;
}

static enum step show_metrics(struct exchange *x)
{
    struct scrape *s = x->mine;
    if (!s->errand.done) return STEP_WAIT;
    return desk_reply(x, 200, STR("text/plain; version=0.0.4; charset=utf-8"), &s->text, s->err);
}

static void on_settle(struct exchange *x)
{
    struct scrape *s = x->mine;
    errand_leave(&s->errand);
}

const struct handler desk_metrics = {
    .begin = on_begin,
    .step = show_metrics,
    .settle = on_settle,
};
