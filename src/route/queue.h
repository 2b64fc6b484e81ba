/* SPDX-License-Identifier: Apache-2.0 */
/* An admission queue: who waits for a free endpoint, in which order.
 *
 * Order is by priority (higher first; all 0 today) and arrival. Waiters embed the node. Pure;
 * the caller serialises. */
#ifndef HOSTLER_ROUTE_QUEUE_H
#define HOSTLER_ROUTE_QUEUE_H

#include "base/base.h"
#include "base/list.h"

struct queue_node {
    struct list link;
    /* Both are set before queue_push. */
    int priority;
    uint64_t deadline_us; /* a waiter past it is passed over; its owner takes it out */
};

struct queue {
    struct list waiting;
    size_t count;
};

void queue_init(struct queue *q);

/* ERR_FULL when `max` or more wait already. */
MUST_CHECK int queue_push(struct queue *q, struct queue_node *n, size_t max);
void queue_remove(struct queue *q, struct queue_node *n); /* safe when not in it */

/* The first waiter within its deadline, and the next one after `n`; NULL at the end. */
struct queue_node *queue_first(const struct queue *q, uint64_t now_us);
struct queue_node *queue_next(const struct queue *q, const struct queue_node *n, uint64_t now_us);

#endif
