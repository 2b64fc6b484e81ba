/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cache/states.h"

#include <stdlib.h>

#include "base/mem.h"

enum { READY_STATES = 4 }; /* room that is ready, in the largest state's size */

void states_init(struct states *st, struct context *context, struct prefix_tree *tree,
                 struct cache_stats *stats, size_t bytes, uint64_t (*now_us)(void))
{
    *st = (struct states){.context = context, .tree = tree, .stats = stats, .now_us = now_us};
    list_init(&st->all);
    store_init(&st->store, bytes);
}

void states_fini(struct states *st)
{
    while (!list_empty(&st->all))
        states_drop(st, LIST_ITEM(st->all.next, struct state, link));
    store_fini(&st->store);
}

struct state *state_of(struct prefix_entry *e)
{
    return CONTAINER_OF(e, struct state, entry);
}

static void note_bytes(struct states *st)
{
    metric_store(&st->stats->kept_bytes, st->store.used);
}

void states_drop(struct states *st, struct state *s)
{
    prefix_take_out(st->tree, &s->entry);
    list_remove(&s->link);
    store_give_back(&st->store, s->piece);
    free(s);
    note_bytes(st);
}

/* Those `count` that were not used for longest may go, but for pinned ones. False: there are not so
 * many. */
static bool spare_oldest(const struct states *st, size_t count)
{
    LIST_EACH(&st->all, it)
    {
        const struct state *s = LIST_ITEM(it, struct state, link);
        s->piece->spare = count && !s->pinned;
        count -= s->piece->spare;
    }
    return count == 0;
}

static void drop_within(struct states *st, const char *from, size_t size)
{
    LIST_EACH_SAFE(&st->all, it, next)
    {
        struct state *s = LIST_ITEM(it, struct state, link);
        const char *at = s->piece->at;
        if (at < from || at >= from + size) continue;
        states_drop(st, s);
        metric_add(&st->stats->evictions, 1);
    }
}

/* Neighbours must go for a large one: of those that were not used for longest as few as will do, and
 * none where that would be in vain. */
static struct store_piece *make_room(struct states *st, size_t size)
{
    struct store_piece *p = store_take(&st->store, size);
    bool more = size && size <= st->store.size;
    for (size_t count = 1; !p && more; count *= 2) {
        more = spare_oldest(st, count);
        const char *place = store_place(&st->store, size);
        if (!place) continue;
        drop_within(st, place, size);
        p = store_take(&st->store, size);
    }
    return p;
}

/* Those that are the beginning of a longer one, which serves whoever wants them. */
static void drop_parts_of(struct states *st, const struct state *longer)
{
    struct prefix_match m = prefix_match_of(&longer->entry);
    struct prefix_entry *next, *e = prefix_next_within(&m, NULL);
    for (; e; e = next) {
        next = prefix_next_within(&m, e);
        if (e == &longer->entry || !e->in_ram || state_of(e)->pinned) continue;
        states_drop(st, state_of(e));
    }
}

struct state *states_save(struct states *st, uint32_t sequence, const struct prefix_entry *entry)
{
    size_t size = context_state_size(st->context, sequence);
    struct store_piece *piece = make_room(st, size);
    if (!piece) return NULL;
    uint64_t started = st->now_us();
    if (!context_save(st->context, sequence, piece->at, size)) {
        store_give_back(&st->store, piece);
        return NULL;
    }
    struct state *s = mem_must_zero(1, sizeof *s);
    *s = (struct state){.entry.in_ram = true, .piece = piece, .size = size, .id = ++st->last_id};
    s->used_us = st->now_us();
    histogram_observe_us(&st->stats->save_seconds, s->used_us - started);
    list_push_back(&st->all, &s->link);
    prefix_put_beside(st->tree, &s->entry, entry);
    states_expect(st, size);
    if (context_info(st->context)->trims) drop_parts_of(st, s);
    note_bytes(st);
    return s;
}

bool states_restore(struct states *st, struct state *s, uint32_t sequence)
{
    uint64_t started = st->now_us();
    if (!context_restore(st->context, sequence, s->piece->at, s->size)) {
        states_drop(st, s);
        return false;
    }
    s->used_us = st->now_us();
    s->restores++;
    list_remove(&s->link);
    list_push_back(&st->all, &s->link);
    histogram_observe_us(&st->stats->restore_seconds, s->used_us - started);
    return true;
}

void states_expect(struct states *st, size_t size)
{
    st->largest = MAX(st->largest, size);
    store_make_ready(&st->store, READY_STATES * st->largest);
}
