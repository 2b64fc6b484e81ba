/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ONE_MALLOC_EACH 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ONE_MALLOC_EACH 1
#endif
#endif
#ifndef ONE_MALLOC_EACH
#define ONE_MALLOC_EACH 0
#endif

enum { ALIGN = 16 };

struct arena_block {
    struct arena_block *next; /* the one allocated before it */
    size_t size;              /* usable bytes in data */
    size_t used;
    _Alignas(ALIGN) char data[];
};

struct arena_cleanup {
    struct arena_cleanup *next;
    void (*fn)(void *);
    void *ptr;
};

void arena_init(struct arena *a, size_t cap, size_t block_size)
{
    *a = (struct arena){.cap = cap, .block_size = MAX(block_size, (size_t)64)};
}

static struct arena_block *block_new(size_t size)
{
    struct arena_block *block = malloc(sizeof *block + size);
    if (block) {
        block->next = NULL;
        block->size = size;
        block->used = 0;
    }
    return block;
}

static void run_cleanups(struct arena *a)
{
    while (a->cleanups) {
        struct arena_cleanup *c = a->cleanups;
        a->cleanups = c->next;
        c->fn(c->ptr);
    }
}

void arena_reset(struct arena *a)
{
    run_cleanups(a);
    while (a->current && a->current != a->first) {
        struct arena_block *next = a->current->next;
        free(a->current);
        a->current = next;
    }
    if (ONE_MALLOC_EACH && a->first) {
        free(a->first);
        a->first = NULL;
    }
    a->current = a->first;
    if (a->first) a->first->used = 0;
    a->used = 0;
}

void arena_fini(struct arena *a)
{
    arena_reset(a);
    free(a->first);
    a->first = a->current = NULL;
}

static void *take(struct arena *a, size_t size)
{
    size_t need = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct arena_block *block = a->current;
    if (!block || block->size - block->used < need) {
        size_t room = ONE_MALLOC_EACH ? size : MAX(need, a->block_size);
        block = block_new(room);
        if (!block) return NULL;
        block->next = a->current;
        a->current = block;
        if (!a->first) a->first = block;
    }
    void *out = block->data + block->used;
    block->used = ONE_MALLOC_EACH ? block->size : block->used + need;
    a->used += size;
    return out;
}

void *arena_alloc(struct arena *a, size_t size)
{
    void *out = take(a, size);
    if (!out) abort();
    return out;
}

void *arena_zalloc(struct arena *a, size_t size)
{
    return memset(arena_alloc(a, size), 0, size);
}

void *arena_try(struct arena *a, size_t size)
{
    if (size > a->cap || a->used > a->cap - size) return NULL;
    return take(a, size);
}

struct str arena_dup(struct arena *a, struct str s)
{
    char *copy = arena_alloc(a, s.len + 1);
    if (s.len) memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return str_n(copy, s.len);
}

struct str arena_cat(struct arena *a, struct str first, struct str second)
{
    char *joined = arena_alloc(a, first.len + second.len + 1);
    if (first.len) memcpy(joined, first.ptr, first.len);
    if (second.len) memcpy(joined + first.len, second.ptr, second.len);
    joined[first.len + second.len] = '\0';
    return str_n(joined, first.len + second.len);
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    assert(n >= 0);
    char *text = arena_alloc(a, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    return str_n(text, (size_t)n);
}

void arena_on_reset(struct arena *a, void (*fn)(void *), void *ptr)
{
    struct arena_cleanup *c = arena_alloc(a, sizeof *c);
    *c = (struct arena_cleanup){a->cleanups, fn, ptr};
    a->cleanups = c;
}
