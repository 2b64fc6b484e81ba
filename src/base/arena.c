/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

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

struct arena_cleanup {
    struct arena_cleanup *next;
    void (*fn)(void *);
    void *ptr;
};

void arena_init(struct arena *a, size_t cap, size_t block_size)
{
    *a = (struct arena){.cap = cap, .block_size = MAX(block_size, (size_t)64)};
}

static struct arena_block *block_new(size_t size, bool must)
{
    size_t whole = sizeof(struct arena_block) + size;
    struct arena_block *block = must ? mem_must(whole) : mem_try(whole);
    if (block) {
        block->next = NULL;
        block->size = size;
        block->used = 0;
    }
    return block;
}

/* What an allocation takes of its block. */
static size_t rounded(size_t size)
{
    return ONE_MALLOC_EACH ? size : ARENA_ROUND(size);
}

/* Whether the cap allows so much besides what is used. */
static bool is_within(const struct arena *a, size_t used, size_t size)
{
    return size <= a->cap && used <= a->cap - size;
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
    a->before = 0;
}

struct arena_block *arena_take_block(struct arena *a)
{
    struct arena_block *block = a->first;
    assert(a->current == block && (!block || block->used == 0));
    a->first = a->current = NULL;
    return block;
}

void arena_give_block(struct arena *a, struct arena_block *block)
{
    assert(!a->first);
    block->next = NULL;
    a->first = a->current = block;
}

void arena_fini(struct arena *a)
{
    arena_reset(a);
    free(a->first);
    a->first = a->current = NULL;
}

size_t arena_used(const struct arena *a)
{
    return a->before + (a->current ? a->current->used : 0);
}

void *arena__take_more(struct arena *a, size_t size, bool must)
{
    size_t used = arena_used(a);
    size_t room = ONE_MALLOC_EACH ? size : ARENA_ROUND(MAX(size, a->block_size));
    if (!must && !is_within(a, used, size)) return NULL;
    struct arena_block *block = block_new(room, must);
    if (!block) return NULL;
    block->next = a->current;
    block->used = rounded(size);
    a->current = block;
    a->before = used;
    if (!a->first) a->first = block;
    return block->data;
}

void *arena_alloc(struct arena *a, size_t size)
{
    return arena__take(a, size, true);
}

void *arena_zalloc(struct arena *a, size_t size)
{
    return memset(arena_alloc(a, size), 0, size);
}

/* Makes the current block as large as its only allocation shall be: with much in it, that costs no
 * copy mostly. */
static void *grow_block(struct arena *a, size_t size)
{
    bool first = a->first == a->current;
    if (!is_within(a, a->before, size)) return NULL;
    struct arena_block *block =
        mem_try_grow(a->current, 1, sizeof(struct arena_block) + rounded(size));
    if (!block) return NULL;
    block->size = block->used = rounded(size);
    a->current = block;
    if (first) a->first = block;
    return block->data;
}

void *arena_try_grow(struct arena *a, void *ptr, size_t old_size, size_t size)
{
    struct arena_block *block = a->current;
    size_t at = block ? block->used - MIN(rounded(old_size), block->used) : 0;
    bool last = block && ptr == block->data + at;
    if (last && rounded(size) <= block->size - at) {
        block->used = at + rounded(size);
        return ptr;
    }
    if (last && at == 0) return grow_block(a, size);
    void *moved = arena_try(a, size);
    return moved && old_size ? memcpy(moved, ptr, MIN(old_size, size)) : moved;
}

void *arena_try_zero(struct arena *a, size_t size)
{
    void *out = arena_try(a, size);
    return out ? memset(out, 0, size) : NULL;
}

/* Both strings and a terminator at `to`, which may be NULL. */
static struct str join(char *to, struct str first, struct str second)
{
    if (!to) return STR_NULL;
    if (first.len) memcpy(to, first.ptr, first.len);
    if (second.len) memcpy(to + first.len, second.ptr, second.len);
    to[first.len + second.len] = '\0';
    return str_n(to, first.len + second.len);
}

struct str arena_dup(struct arena *a, struct str s)
{
    return join(arena_alloc(a, s.len + 1), s, STR_NULL);
}

struct str arena_try_dup(struct arena *a, struct str s)
{
    return join(arena_try(a, s.len + 1), s, STR_NULL);
}

struct str arena_try_cat(struct arena *a, struct str first, struct str second)
{
    return join(arena_try(a, first.len + second.len + 1), first, second);
}

static struct str vprint(struct arena *a, bool must, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    assert(n >= 0);
    size_t size = (size_t)n + 1;
    char *text = must ? arena_alloc(a, size) : arena_try(a, size);
    if (text) vsnprintf(text, size, fmt, again);
    va_end(again);
    return text ? str_n(text, size - 1) : STR(ARENA_SAY_NOTHING);
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct str text = vprint(a, true, fmt, args);
    va_end(args);
    return text;
}

struct str arena_say(struct arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct str text = vprint(a, false, fmt, args);
    va_end(args);
    return text;
}

void arena_on_reset(struct arena *a, void (*fn)(void *), void *ptr)
{
    struct arena_cleanup *c = arena_alloc(a, sizeof *c);
    *c = (struct arena_cleanup){a->cleanups, fn, ptr};
    a->cleanups = c;
}
