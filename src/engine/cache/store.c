/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cache/store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"

enum {
    UNIT = 64 << 10,      /* sizes of pieces are multiples */
    READY_PART = 2 << 20, /* made ready at once */
    READY_NICE = 10,      /* whoever computes goes first */
};

static struct store_piece *piece_new(struct list *after, char *at, size_t size)
{
    struct store_piece *p = mem_must_zero(1, sizeof *p);
    p->at = at;
    p->size = size;
    list_insert_after(after, &p->link);
    return p;
}

void store_init(struct store *s, size_t bytes)
{
    *s = (struct store){.size = bytes / UNIT * UNIT};
    list_init(&s->pieces);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    if (!s->size) return;
    void *base = mmap(NULL, s->size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        s->size = 0;
        return;
    }
    s->base = base;
    (void)madvise(s->base, s->size, MADV_HUGEPAGE);
    (void)piece_new(&s->pieces, s->base, s->size);
}

static void end_thread(struct store *s)
{
    if (!s->started) return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
}

void store_fini(struct store *s)
{
    end_thread(s);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->wake);
    while (!list_empty(&s->pieces))
        free(LIST_ITEM(list_pop_front(&s->pieces), struct store_piece, link));
    if (s->base) (void)munmap(s->base, s->size);
    *s = (struct store){0};
}

static struct store_piece *find(const struct store *s, size_t size)
{
    LIST_EACH(&s->pieces, it)
    {
        struct store_piece *p = LIST_ITEM(it, struct store_piece, link);
        if (!p->used && p->size >= size) return p;
    }
    return NULL;
}

bool store_has_room(const struct store *s, size_t size)
{
    return size && find(s, size);
}

struct store_piece *store_take(struct store *s, size_t size)
{
    struct store_piece *p = size ? find(s, size) : NULL;
    if (!p) return NULL;
    size = (size + UNIT - 1) / UNIT * UNIT;
    if (p->size > size) (void)piece_new(&p->link, (char *)p->at + size, p->size - size);
    p->size = size;
    p->used = true;
    p->spare = false;
    s->used += size;
    return p;
}

static const struct store_piece *behind(const struct store_piece *p)
{
    return LIST_ITEM(p->link.next, struct store_piece, link);
}

char *store_place(const struct store *s, size_t size)
{
    const struct store_piece *first = NULL;
    size_t run = 0; /* bytes from the first one on */
    LIST_EACH(&s->pieces, it)
    {
        const struct store_piece *p = LIST_ITEM(it, struct store_piece, link);
        bool stays = p->used && !p->spare;
        if (stays || !first) first = stays ? NULL : p;
        run = stays ? 0 : run + p->size;
        if (run < size) continue;
        for (; run - first->size >= size; first = behind(first))
            run -= first->size;
        return first->at;
    }
    return NULL;
}

/* Joins it with a free one behind it. */
static void join_next(struct store *s, struct store_piece *p)
{
    if (p->link.next == &s->pieces) return;
    struct store_piece *next = LIST_ITEM(p->link.next, struct store_piece, link);
    if (next->used) return;
    p->size += next->size;
    list_remove(&next->link);
    free(next);
}

void store_give_back(struct store *s, struct store_piece *p)
{
    p->used = false;
    s->used -= p->size;
    join_next(s, p);
    if (p->link.prev == &s->pieces) return;
    struct store_piece *before = LIST_ITEM(p->link.prev, struct store_piece, link);
    if (!before->used) join_next(s, before);
}

/* The highest byte in use, from the base on. */
static size_t top(const struct store *s)
{
    const struct list *last = s->pieces.prev;
    if (last == &s->pieces) return 0;
    const struct store_piece *p = LIST_ITEM(last, struct store_piece, link);
    return (size_t)((char *)p->at - s->base) + (p->used ? p->size : 0);
}

/* Waits until more is wanted than there is; false: it is to end. */
static bool await_more(struct store *s, size_t ready)
{
    pthread_mutex_lock(&s->lock);
    while (!s->stop && s->wanted <= ready)
        pthread_cond_wait(&s->wake, &s->lock);
    bool more = !s->stop;
    pthread_mutex_unlock(&s->lock);
    return more;
}

/* The kernel gives the pages without touching what is written there meanwhile. Where it cannot, they
 * come with their use. */
static void *fill(void *user)
{
    struct store *s = user;
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), READY_NICE);
    for (size_t ready = 0; ready < s->size && await_more(s, ready); ready += READY_PART)
        if (madvise(s->base + ready, MIN(s->size - ready, (size_t)READY_PART), MADV_POPULATE_WRITE))
            break;
    return NULL;
}

void store_make_ready(struct store *s, size_t ahead)
{
    if (!s->size) return;
    if (!s->started) s->started = pthread_create(&s->thread, NULL, fill, s) == 0;
    pthread_mutex_lock(&s->lock);
    s->wanted = MAX(s->wanted, MIN(s->size, top(s) + ahead));
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}
