/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/scheduler_priv.h"

void tell__pause(struct scheduler *s)
{
    s->options.sink.on_pause(s->options.sink.user);
}

void tell__text(struct scheduler *s, struct sequence *q, const struct pieces *pieces,
                enum finish finish)
{
    struct output out = {
        .sequence = q,
        .pieces = pieces ? pieces->all : NULL,
        .piece_count = pieces ? pieces->count : 0,
        .choices = q->pending,
        .choice_count = q->pending_count,
        .finish = finish,
        .prompt_tokens = q->prompt_count,
        .cached_tokens = q->cached,
        .generated = q->generated,
        .reasoned = q->reasoned,
        .waited_us = q->waited_us,
        .prefill_us = q->prefill_us,
    };
    s->options.sink.on_output(s->options.sink.user, &out);
    q->pending_count = 0;
}

/* Followers go their own way. */
static void leave_followers(struct scheduler *s, struct sequence *q)
{
    if (!q->followers) return;
    for (struct fair_tenant *t = fair_next(&s->fair, NULL); t; t = fair_next(&s->fair, t)) {
        LIST_EACH(&t->waiting, it)
        {
            struct sequence *f = LIST_ITEM(it, struct sequence, link);
            if (f->leader == q) f->leader = NULL;
        }
    }
    q->followers = 0;
}

void tell__end(struct scheduler *s, struct sequence *q, const struct pieces *pieces,
               enum finish finish)
{
    enum sequence_state state = q->state;
    leave_followers(s, q);
    sequence_leave_leader(q);
    list_remove(&q->link);
    if (state == SEQUENCE_PREFILL || state == SEQUENCE_RUNNING) cache_give_back(&s->cache, q);
    fair_close(&q->account, q->generated);
    if (state == SEQUENCE_WAITING) metric_sub(&s->stats.waiting, 1);
    q->state = SEQUENCE_ENDED;
    tell__text(s, q, pieces, finish);
}
