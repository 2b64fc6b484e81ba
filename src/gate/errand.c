/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/errand.h"

static void on_back(struct mail *mail)
{
    struct errand *e = CONTAINER_OF(mail, struct errand, mail);
    e->done = true;
    if (e->x)
        loop_wake(e->home, &e->x->task);
    else
        e->free(e);
}

static void on_arrival(struct mail *mail)
{
    struct errand *e = CONTAINER_OF(mail, struct errand, mail);
    e->work(e);
    e->mail.deliver = on_back;
    loop_post(e->home, &e->mail);
}

void errand_start(struct errand *e, struct exchange *x, struct loop *where)
{
    e->x = x;
    e->home = x->lane->loop;
    e->done = false;
    e->mail = (struct mail){.deliver = on_arrival};
    loop_post(where, &e->mail);
}

void errand_leave(struct errand *e)
{
    if (!e) return;
    e->x = NULL;
    if (e->done) e->free(e);
}
