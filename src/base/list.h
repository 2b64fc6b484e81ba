/* SPDX-License-Identifier: Apache-2.0 */
/* Circular doubly linked list whose links live in the members' structs. */
#ifndef HOSTLER_BASE_LIST_H
#define HOSTLER_BASE_LIST_H

#include "base/base.h"

struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

/* True for a link that is on some list; a link must have been list_init'ed or zeroed. */
static inline bool list_linked(const struct list *link)
{
    return link->next && link->next != link;
}

static inline void list_insert_after(struct list *at, struct list *link)
{
    link->prev = at;
    link->next = at->next;
    at->next->prev = link;
    at->next = link;
}

static inline void list_push_front(struct list *l, struct list *link)
{
    list_insert_after(l, link);
}

static inline void list_push_back(struct list *l, struct list *link)
{
    list_insert_after(l->prev, link);
}

/* Safe on a link that is on no list (initialised or zeroed). */
static inline void list_remove(struct list *link)
{
    if (!link->next) return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

/* The first link taken off the list, or NULL. */
static inline struct list *list_pop_front(struct list *l)
{
    struct list *first = l->next;
    if (first == l) return NULL;
    list_remove(first);
    return first;
}

#define LIST_ITEM(link, type, member) CONTAINER_OF(link, type, member)

/* `it` is a struct list *; the body must not remove it (use LIST_EACH_SAFE). */
#define LIST_EACH(l, it) for (struct list *it = (l)->next; it != (l); it = it->next)
#define LIST_EACH_SAFE(l, it, nxt) \
    for (struct list *it = (l)->next, *nxt = it->next; it != (l); it = nxt, nxt = it->next)

#endif
