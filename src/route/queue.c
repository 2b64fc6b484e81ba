/* SPDX-License-Identifier: Apache-2.0 */
#include "route/queue.h"

#include "base/err.h"

void queue_init(struct queue *q)
{
    list_init(&q->waiting);
    q->count = 0;
}

int queue_push(struct queue *q, struct queue_node *n, size_t max)
{
    if (q->count >= max) return ERR_FULL;
    struct list *before = q->waiting.prev;
    while (before != &q->waiting &&
           LIST_ITEM(before, struct queue_node, link)->priority < n->priority)
        before = before->prev;
    list_insert_after(before, &n->link);
    q->count++;
    return 0;
}

void queue_remove(struct queue *q, struct queue_node *n)
{
    if (!list_linked(&n->link)) return;
    list_remove(&n->link);
    q->count--;
}

/* The first waiter within its deadline, from `link` on. */
static struct queue_node *live_from(const struct queue *q, struct list *link, uint64_t now_us)
{
    for (; link != &q->waiting; link = link->next) {
        struct queue_node *n = LIST_ITEM(link, struct queue_node, link);
        if (n->deadline_us > now_us) return n;
    }
    return NULL;
}

struct queue_node *queue_first(const struct queue *q, uint64_t now_us)
{
    return live_from(q, q->waiting.next, now_us);
}

struct queue_node *queue_next(const struct queue *q, const struct queue_node *n, uint64_t now_us)
{
    return live_from(q, n->link.next, now_us);
}
