/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/archive.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

enum { BUCKETS = 4096 };

struct archive {
    pthread_mutex_t mutex;
    struct list all; /* oldest first */
    _Atomic size_t bytes;
    struct list buckets[BUCKETS];
};

struct archive *archive_new(void)
{
    struct archive *a = mem_must_zero(1, sizeof *a);
    pthread_mutex_init(&a->mutex, NULL);
    list_init(&a->all);
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&a->buckets[i]);
    return a;
}

/* --- references --- */

struct archived *archived_ref(struct archived *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

/* A long conversation is a long chain: no recursion. */
void archived_unref(struct archived *r)
{
    while (r && atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1) {
        struct archived *previous = r->previous;
        atomic_fetch_sub(&r->archive->bytes, r->bytes);
        free(r);
        r = previous;
    }
}

/* Under the mutex, as are the next ones: nobody finds it any more. */
static void forget(struct archived *r)
{
    list_remove(&r->link);
    list_remove(&r->bucket);
    archived_unref(r);
}

static void forget_old(struct archive *a, uint64_t age_us, uint64_t now_us)
{
    LIST_EACH_SAFE(&a->all, it, next)
    {
        struct archived *r = LIST_ITEM(it, struct archived, link);
        /* the clocks of two threads may differ a little */
        if (now_us < r->created_us || now_us - r->created_us < age_us) return;
        forget(r);
    }
}

static void make_room(struct archive *a, size_t bytes)
{
    while (atomic_load(&a->bytes) > bytes && !list_empty(&a->all))
        forget(LIST_ITEM(a->all.next, struct archived, link));
}

static struct list *bucket_of(struct archive *a, struct str id)
{
    return &a->buckets[hash_keyed(id) % BUCKETS];
}

static struct archived *look_up(struct archive *a, struct str owner, struct str id)
{
    LIST_EACH(bucket_of(a, id), it)
    {
        struct archived *r = LIST_ITEM(it, struct archived, bucket);
        if (str_eq(r->id, id) && str_eq(r->owner, owner)) return r;
    }
    return NULL;
}

void archive_free(struct archive *a)
{
    if (!a) return;
    make_room(a, 0);
    while (!list_empty(&a->all))
        forget(LIST_ITEM(a->all.next, struct archived, link));
    pthread_mutex_destroy(&a->mutex);
    free(a);
}

/* --- keeping --- */

static struct str copy(char **to, struct str s)
{
    char *at = *to;
    if (s.len) memcpy(at, s.ptr, s.len);
    *to += s.len;
    return str_n(at, s.len);
}

static size_t size_of(const struct archived *r)
{
    return sizeof *r + r->id.len + r->owner.len + r->service.len + r->endpoint.len +
           r->response.len + r->input.len + r->output.len;
}

/* With one reference, the archive's; NULL: no memory. */
static struct archived *make(struct archive *a, const struct archived *from)
{
    struct archived *r = mem_try(size_of(from));
    if (!r) return NULL;
    char *at = (char *)(r + 1);
    *r = (struct archived){.archive = a, .bytes = size_of(from)};
    atomic_init(&r->refs, 1);
    r->id = copy(&at, from->id);
    r->owner = copy(&at, from->owner);
    r->service = copy(&at, from->service);
    r->endpoint = copy(&at, from->endpoint);
    r->response = copy(&at, from->response);
    r->input = copy(&at, from->input);
    r->output = copy(&at, from->output);
    return r;
}

void archive_put(struct archive *a, const struct archive_limits *limits,
                 const struct archived *response, struct archived *previous, uint64_t now_us)
{
    size_t before = previous ? previous->chain_bytes : 0, whole = before + size_of(response);
    struct archived *r = whole <= limits->bytes ? make(a, response) : NULL;
    if (!r) return;
    r->created_us = now_us;
    r->chain_bytes = whole;
    if (previous) r->previous = archived_ref(previous);
    atomic_fetch_add(&a->bytes, r->bytes);
    pthread_mutex_lock(&a->mutex);
    struct archived *former = look_up(a, r->owner, r->id);
    if (former) forget(former);
    list_push_back(&a->all, &r->link);
    list_push_back(bucket_of(a, r->id), &r->bucket);
    forget_old(a, limits->age_us, now_us);
    make_room(a, limits->bytes);
    pthread_mutex_unlock(&a->mutex);
}

struct archived *archive_find(struct archive *a, const struct archive_limits *limits,
                              struct str owner, struct str id, uint64_t now_us)
{
    pthread_mutex_lock(&a->mutex);
    forget_old(a, limits->age_us, now_us);
    struct archived *r = look_up(a, owner, id);
    if (r) archived_ref(r);
    pthread_mutex_unlock(&a->mutex);
    return r;
}

bool archive_delete(struct archive *a, struct str owner, struct str id)
{
    pthread_mutex_lock(&a->mutex);
    struct archived *r = look_up(a, owner, id);
    if (r) forget(r);
    pthread_mutex_unlock(&a->mutex);
    return r != NULL;
}

size_t archive_bytes(const struct archive *a)
{
    return atomic_load(&a->bytes);
}
