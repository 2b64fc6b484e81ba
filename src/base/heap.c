/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include "base/mem.h"

void heap_init(struct heap *h, bool (*less)(const struct heap_node *, const struct heap_node *))
{
    *h = (struct heap){.less = less};
}

void heap_fini(struct heap *h)
{
    free(h->nodes);
    h->nodes = NULL;
    h->count = h->cap = 0;
}

static void put(struct heap *h, size_t i, struct heap_node *node)
{
    h->nodes[i] = node;
    node->place = i + 1;
}

static void sift_up(struct heap *h, size_t i)
{
    struct heap_node *node = h->nodes[i];
    while (i > 0 && h->less(node, h->nodes[(i - 1) / 2])) {
        put(h, i, h->nodes[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(h, i, node);
}

static void sift_down(struct heap *h, size_t i)
{
    struct heap_node *node = h->nodes[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= h->count) break;
        if (child + 1 < h->count && h->less(h->nodes[child + 1], h->nodes[child])) child++;
        if (!h->less(h->nodes[child], node)) break;
        put(h, i, h->nodes[child]);
        i = child;
    }
    put(h, i, node);
}

void heap_push(struct heap *h, struct heap_node *node)
{
    assert(node->place == 0);
    if (h->count == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 16;
        h->nodes = mem_must_grow(h->nodes, h->cap, sizeof(struct heap_node *));
    }
    put(h, h->count++, node);
    sift_up(h, h->count - 1);
}

struct heap_node *heap_peek(const struct heap *h)
{
    return h->count ? h->nodes[0] : NULL;
}

struct heap_node *heap_pop(struct heap *h)
{
    struct heap_node *least = heap_peek(h);
    if (least) heap_remove(h, least);
    return least;
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    if (node->place == 0) return;
    size_t i = node->place - 1;
    assert(h->nodes[i] == node);
    node->place = 0;
    struct heap_node *last = h->nodes[--h->count];
    if (last == node) return;
    put(h, i, last);
    heap_update(h, last);
}

void heap_update(struct heap *h, struct heap_node *node)
{
    if (node->place == 0) return;
    sift_up(h, node->place - 1);
    sift_down(h, node->place - 1);
}
