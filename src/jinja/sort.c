/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/sort.h"

#include "jinja/number.h"

/* True: b belongs before a, which stands before it now. */
static int goes_before(struct run *r, const struct keyed *b, const struct keyed *a, bool reverse,
                       bool *out)
{
    int order = 0;
    int err = value_order(r, &b->key, &a->key, &order);
    *out = reverse ? order > 0 : order < 0;
    return err;
}

static int merge(struct run *r, const struct keyed *list, size_t middle, size_t count, bool reverse,
                 struct keyed *to)
{
    size_t i = 0, j = middle, n = 0;
    while (i < middle && j < count) {
        bool second;
        int err = goes_before(r, &list[j], &list[i], reverse, &second);
        if (err) return err;
        to[n++] = second ? list[j++] : list[i++];
    }
    while (i < middle)
        to[n++] = list[i++];
    while (j < count)
        to[n++] = list[j++];
    return 0;
}

int sort_keyed(struct run *r, struct keyed *list, size_t count, bool reverse)
{
    struct keyed *room;
    int err = run_alloc(r, count, sizeof *room, &room);
    for (size_t width = 1; !err && width < count; width *= 2) {
        for (size_t at = 0; !err && at < count; at += 2 * width) {
            size_t part = MIN(2 * width, count - at);
            err = merge(r, list + at, MIN(width, part), part, reverse, room + at);
        }
        if (!err) memcpy(list, room, count * sizeof *list);
    }
    return err;
}

int sort_entries(struct run *r, const struct dict *d, const struct entry **out)
{
    struct keyed *list;
    struct entry *sorted;
    int err = run_alloc(r, d->count, sizeof *list, &list);
    if (!err) err = run_alloc(r, d->count, sizeof *sorted, &sorted);
    if (err) return err;
    for (size_t i = 0; i < d->count; i++)
        list[i] = (struct keyed){d->entries[i].key, d->entries[i].value};
    err = sort_keyed(r, list, d->count, false);
    for (size_t i = 0; !err && i < d->count; i++)
        sorted[i] = (struct entry){list[i].key, list[i].value};
    *out = sorted;
    return err;
}
