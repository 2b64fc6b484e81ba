/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for states that are kept: pieces of one reserved range of addresses, the lowest free place
 * first. Memory that the kernel has yet to give costs many times what the copy that goes there does.
 * So what was used once stays for the next one, and a thread of the store's asks for more before it
 * is wanted. One thread's. */
#ifndef HOSTLER_ENGINE_CACHE_STORE_H
#define HOSTLER_ENGINE_CACHE_STORE_H

#include <pthread.h>

#include "base/base.h"
#include "base/list.h"

struct store_piece {
    struct list link; /* in order of addresses */
    void *at;
    size_t size; /* of the piece, at least what was asked for */
    bool used;
    bool spare; /* in use, but would be given back for another; its user's */
};

struct store {
    char *base;
    size_t size;
    size_t used; /* bytes of pieces in use */
    struct list pieces;

    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    size_t wanted; /* bytes from the base on that are to be ready; under lock */
    bool stop;     /* under lock */
};

/* Nothing of it is used yet. One of no bytes, or for which there are no addresses, has no room. */
void store_init(struct store *s, size_t bytes);
void store_fini(struct store *s);

bool store_has_room(const struct store *s, size_t size);

/* NULL: there is no place of that size. */
struct store_piece *store_take(struct store *s, size_t size);
void store_give_back(struct store *s, struct store_piece *p);

/* Where there is a place of that size, which is not 0, once those spare pieces are given back that
 * lie there; NULL: nowhere. */
char *store_place(const struct store *s, size_t size);

/* Soon `ahead` bytes behind all that is in use are ready, if there are so many. */
void store_make_ready(struct store *s, size_t ahead);

#endif
