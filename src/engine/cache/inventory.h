/* SPDX-License-Identifier: Apache-2.0 */
/* What the cache has, to be shown and changed by hand. On the cache's thread. */
#ifndef HOSTLER_ENGINE_CACHE_INVENTORY_H
#define HOSTLER_ENGINE_CACHE_INVENTORY_H

#include "engine/cache/cache.h"
#include "json/write.h"

/* An object with all of it. Things have ids: "slot-3", "ram-17". */
void inventory_write(const struct cache *c, struct json_writer *w);

/* A pinned state stays whatever others need. What a slot has is saved first, unless it is; *out is
 * then the state's id. False: there is none of this id, or no room for it. */
bool inventory_pin(struct cache *c, struct str id, bool pinned, uint64_t *out);

/* Drops one, if nobody uses it; all that are neither in use nor pinned when `id` is empty. Returns
 * how many. */
unsigned inventory_drop(struct cache *c, struct str id);

#endif
