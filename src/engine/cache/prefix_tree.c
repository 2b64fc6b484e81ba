/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cache/prefix_tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct prefix_node {
    struct prefix_node *parent; /* NULL: a root */
    uint64_t salt;              /* of a root */
    int32_t *tokens;            /* of the edge that leads here; at least one but for a root */
    uint32_t count;
    uint32_t depth;                /* tokens from the root to its end */
    struct prefix_node **children; /* in order of their first tokens */
    uint32_t child_count, child_cap;
    struct list entries;
};

static struct str salt_key(const uint64_t *salt)
{
    return str_n((const char *)salt, sizeof *salt);
}

void prefix_tree_init(struct prefix_tree *t)
{
    *t = (struct prefix_tree){0};
    map_init(&t->roots);
}

void prefix_tree_fini(struct prefix_tree *t)
{
    assert(t->roots.count == 0);
    map_fini(&t->roots);
}

/* --- nodes --- */

static struct prefix_node *node_new(struct prefix_tree *t, struct prefix_node *parent,
                                    const int32_t *tokens, uint32_t count)
{
    struct prefix_node *n = mem_must_zero(1, sizeof *n);
    list_init(&n->entries);
    n->parent = parent;
    n->count = count;
    n->depth = (parent ? parent->depth : 0) + count;
    if (!count) return n;
    n->tokens = mem_must(count * sizeof *tokens);
    memcpy(n->tokens, tokens, count * sizeof *tokens);
    t->nodes++;
    return n;
}

static void node_free(struct prefix_tree *t, struct prefix_node *n)
{
    if (n->count) t->nodes--;
    free(n->tokens);
    free(n->children);
    free(n);
}

/* Where the child that begins with `token` is, or would have to be. */
static uint32_t place_of(const struct prefix_node *n, int32_t token)
{
    uint32_t low = 0, high = n->child_count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (n->children[mid]->tokens[0] < token)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct prefix_node *child_of(const struct prefix_node *n, int32_t token)
{
    uint32_t at = place_of(n, token);
    return at < n->child_count && n->children[at]->tokens[0] == token ? n->children[at] : NULL;
}

static void add_child(struct prefix_node *n, struct prefix_node *child)
{
    uint32_t at = place_of(n, child->tokens[0]);
    if (n->child_count == n->child_cap) {
        n->child_cap = MAX(n->child_cap * 2, 2u);
        n->children = mem_must_grow(n->children, n->child_cap, sizeof(struct prefix_node *));
    }
    memmove(n->children + at + 1, n->children + at,
            (n->child_count - at) * sizeof(struct prefix_node *));
    n->children[at] = child;
    n->child_count++;
}

static void remove_child(struct prefix_node *n, const struct prefix_node *child)
{
    uint32_t at = place_of(n, child->tokens[0]);
    assert(n->children[at] == child);
    n->child_count--;
    memmove(n->children + at, n->children + at + 1,
            (n->child_count - at) * sizeof(struct prefix_node *));
}

/* How many tokens of its edge a text begins with. */
static uint32_t common(const struct prefix_node *n, const int32_t *tokens, uint32_t count)
{
    uint32_t most = MIN(n->count, count), i = 0;
    while (i < most && n->tokens[i] == tokens[i])
        i++;
    return i;
}

/* Gives the first `count` tokens of a node's edge a node of their own, which is returned. */
static struct prefix_node *split(struct prefix_tree *t, struct prefix_node *n, uint32_t count)
{
    struct prefix_node *upper = node_new(t, n->parent, n->tokens, count);
    n->parent->children[place_of(n->parent, n->tokens[0])] = upper;
    n->count -= count;
    memmove(n->tokens, n->tokens + count, n->count * sizeof *n->tokens);
    n->parent = upper;
    add_child(upper, n);
    return upper;
}

/* Its only child's edge becomes longer by its own, and takes its place. */
static void join(struct prefix_tree *t, struct prefix_node *n)
{
    struct prefix_node *child = n->children[0];
    child->tokens = mem_must_grow(child->tokens, child->count + n->count, sizeof *child->tokens);
    memmove(child->tokens + n->count, child->tokens, child->count * sizeof *child->tokens);
    memcpy(child->tokens, n->tokens, n->count * sizeof *n->tokens);
    child->count += n->count;
    child->parent = n->parent;
    n->parent->children[place_of(n->parent, n->tokens[0])] = child;
    node_free(t, n);
}

static struct prefix_node *root_of(const struct prefix_tree *t, uint64_t salt)
{
    return map_get(&t->roots, salt_key(&salt));
}

static struct prefix_node *make_root(struct prefix_tree *t, uint64_t salt)
{
    struct prefix_node *root = root_of(t, salt);
    if (root) return root;
    root = node_new(t, NULL, NULL, 0);
    root->salt = salt;
    map_put(&t->roots, salt_key(&root->salt), root);
    return root;
}

/* The node behind all of a text, which is made where there is none. */
static struct prefix_node *make_node(struct prefix_tree *t, uint64_t salt, const int32_t *tokens,
                                     uint32_t count)
{
    struct prefix_node *n = make_root(t, salt);
    while (count) {
        struct prefix_node *child = child_of(n, tokens[0]);
        if (!child) {
            child = node_new(t, n, tokens, count);
            add_child(n, child);
            return child;
        }
        uint32_t same = common(child, tokens, count);
        n = same < child->count ? split(t, child, same) : child;
        tokens += same;
        count -= same;
    }
    return n;
}

/* Nodes that nobody needs go: those without entries that lead nowhere, or to one other only. */
static void prune(struct prefix_tree *t, struct prefix_node *n)
{
    while (n->parent && list_empty(&n->entries) && !n->child_count) {
        struct prefix_node *parent = n->parent;
        remove_child(parent, n);
        node_free(t, n);
        n = parent;
    }
    if (n->parent) {
        if (list_empty(&n->entries) && n->child_count == 1) join(t, n);
        return;
    }
    if (n->child_count) return;
    (void)map_remove(&t->roots, salt_key(&n->salt));
    node_free(t, n);
}

/* --- entries --- */

static void enter(struct prefix_node *n, struct prefix_entry *e)
{
    e->node = n;
    list_push_back(&n->entries, &e->link);
}

void prefix_put(struct prefix_tree *t, struct prefix_entry *e, uint64_t salt, const int32_t *tokens,
                uint32_t count)
{
    /* First the new place: what both share stays. */
    struct prefix_node *n = count ? make_node(t, salt, tokens, count) : NULL;
    if (n && n == e->node) return;
    struct prefix_entry before = *e;
    if (e->node) list_remove(&e->link);
    if (n) enter(n, e);
    if (!n) e->node = NULL;
    if (before.node) prune(t, before.node);
}

void prefix_put_beside(struct prefix_tree *t, struct prefix_entry *e,
                       const struct prefix_entry *other)
{
    struct prefix_node *before = e->node;
    if (before == other->node) return;
    if (before) list_remove(&e->link);
    enter(other->node, e);
    if (before) prune(t, before);
}

void prefix_take_out(struct prefix_tree *t, struct prefix_entry *e)
{
    struct prefix_node *n = e->node;
    if (!n) return;
    list_remove(&e->link);
    e->node = NULL;
    prune(t, n);
}

uint64_t prefix_salt(const struct prefix_entry *e)
{
    const struct prefix_node *n = e->node;
    while (n->parent)
        n = n->parent;
    return n->salt;
}

uint32_t prefix_length(const struct prefix_entry *e)
{
    return e->node ? e->node->depth : 0;
}

void prefix_tokens(const struct prefix_entry *e, int32_t *out)
{
    for (const struct prefix_node *n = e->node; n && n->count; n = n->parent)
        memcpy(out + n->depth - n->count, n->tokens, n->count * sizeof *out);
}

/* --- looking --- */

struct prefix_match prefix_find(const struct prefix_tree *t, uint64_t salt, const int32_t *tokens,
                                uint32_t count)
{
    struct prefix_match m = {0};
    struct prefix_node *n = root_of(t, salt);
    while (n && m.length < count) {
        n = child_of(n, tokens[m.length]);
        if (!n) break;
        uint32_t same = common(n, tokens + m.length, count - m.length);
        m = (struct prefix_match){n, m.length + same};
        if (same < n->count) break;
    }
    return m;
}

struct prefix_match prefix_match_of(const struct prefix_entry *e)
{
    return (struct prefix_match){e->node, prefix_length(e)};
}

/* Up from both to where they meet. */
uint32_t prefix_shared(const struct prefix_match *m, const struct prefix_entry *e)
{
    const struct prefix_node *a = m->node, *b = e->node;
    while (a && b && a != b) {
        if (a->depth >= b->depth)
            a = a->parent;
        else
            b = b->parent;
    }
    return a && b ? MIN(a->depth, m->length) : 0;
}

static struct prefix_entry *first_entry(const struct prefix_node *n)
{
    return list_empty(&n->entries) ? NULL : LIST_ITEM(n->entries.next, struct prefix_entry, link);
}

/* The next of the same node. */
static struct prefix_entry *next_entry(const struct prefix_entry *e)
{
    const struct list *next = e->link.next;
    return next == &e->node->entries ? NULL : LIST_ITEM(next, struct prefix_entry, link);
}

/* The node behind `n` in the order in which each comes before its children, below `top`. */
static struct prefix_node *node_behind(const struct prefix_node *n, const struct prefix_node *top)
{
    if (n->child_count) return n->children[0];
    for (; n != top; n = n->parent) {
        uint32_t at = place_of(n->parent, n->tokens[0]) + 1;
        if (at < n->parent->child_count) return n->parent->children[at];
    }
    return NULL;
}

struct prefix_entry *prefix_next(const struct prefix_match *m, const struct prefix_entry *e)
{
    struct prefix_node *n = e ? e->node : m->node;
    struct prefix_entry *next = e ? next_entry(e) : n ? first_entry(n) : NULL;
    while (!next && n) {
        n = node_behind(n, m->node);
        next = n ? first_entry(n) : NULL;
    }
    return next;
}

struct prefix_entry *prefix_next_within(const struct prefix_match *m, const struct prefix_entry *e)
{
    struct prefix_node *n = e ? e->node : m->node;
    if (!e && n && n->depth > m->length) n = n->parent; /* of that one the text has a part only */
    struct prefix_entry *next = e ? next_entry(e) : n ? first_entry(n) : NULL;
    while (!next && n) {
        n = n->parent;
        next = n ? first_entry(n) : NULL;
    }
    return next;
}
