/* SPDX-License-Identifier: Apache-2.0 */
/* A binary min-heap of nodes embedded in the caller's structs; each node knows its
 * place, so removal is O(log n). */
#ifndef HOSTLER_BASE_HEAP_H
#define HOSTLER_BASE_HEAP_H

#include "base/base.h"

struct heap_node {
    size_t place; /* 1-based index in the heap; 0: not in one */
};

struct heap {
    struct heap_node **nodes; /* nodes[0] is the least */
    size_t count;
    size_t cap;
    bool (*less)(const struct heap_node *a, const struct heap_node *b);
};

void heap_init(struct heap *h, bool (*less)(const struct heap_node *, const struct heap_node *));
void heap_fini(struct heap *h);                           /* frees the array, not the nodes */
void heap_push(struct heap *h, struct heap_node *node);   /* aborts when memory is exhausted */
struct heap_node *heap_peek(const struct heap *h);        /* the least, or NULL */
struct heap_node *heap_pop(struct heap *h);               /* the least taken out, or NULL */
void heap_remove(struct heap *h, struct heap_node *node); /* safe when not in the heap */
void heap_update(struct heap *h, struct heap_node *node); /* after its key changed */

#endif
