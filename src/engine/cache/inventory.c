/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cache/inventory.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "engine/cache/blocks.h"

static const struct str slot_prefix = STR_INIT("slot-"), state_prefix = STR_INIT("ram-");

/* --- showing --- */

static void write_blocks(struct json_writer *w, const struct prefix_entry *e)
{
    char text[20];
    uint32_t count = prefix_length(e);
    int32_t *tokens = mem_must(MAX(count, 1u) * sizeof *tokens);
    uint64_t *hashes = mem_must((count / BLOCK_TOKENS + 1) * sizeof *hashes);
    prefix_tokens(e, tokens);
    blocks_hash(prefix_salt(e), tokens, count, hashes);
    json_write_key(w, "blocks");
    json_write_array(w);
    for (uint32_t i = 0; i < count / BLOCK_TOKENS; i++) {
        (void)snprintf(text, sizeof text, "%016llx", (unsigned long long)hashes[i]);
        json_write_str(w, str_of(text));
    }
    json_write_array_end(w);
    free(tokens);
    free(hashes);
}

static void write_head(const struct cache *c, struct json_writer *w, struct str prefix, uint64_t id,
                       const struct prefix_entry *e, uint64_t used_us)
{
    char text[40];
    (void)snprintf(text, sizeof text, "%.*s%llu", STR_ARG(prefix), (unsigned long long)id);
    json_write_object(w);
    json_write_str_member(w, "id", str_of(text));
    (void)snprintf(text, sizeof text, "%016llx", (unsigned long long)prefix_salt(e));
    json_write_str_member(w, "salt", str_of(text));
    json_write_u64_member(w, "tokens", prefix_length(e));
    json_write_u64_member(w, "idle_ms", (c->now_us() - used_us) / 1000);
}

static void write_slot(const struct cache *c, struct json_writer *w, uint32_t i)
{
    const struct cache_slot *slot = &c->all[i];
    write_head(c, w, slot_prefix, i, &slot->entry, slot->user ? c->now_us() : slot->used_us);
    json_write_u64_member(w, "bytes", context_state_size(c->context, i));
    json_write_bool_member(w, "in_use", slot->user != NULL);
    write_blocks(w, &slot->entry);
    json_write_object_end(w);
}

static void write_state(const struct cache *c, struct json_writer *w, const struct state *s)
{
    write_head(c, w, state_prefix, s->id, &s->entry, s->used_us);
    json_write_u64_member(w, "bytes", s->size);
    json_write_bool_member(w, "pinned", s->pinned);
    json_write_u64_member(w, "restores", s->restores);
    write_blocks(w, &s->entry);
    json_write_object_end(w);
}

void inventory_write(const struct cache *c, struct json_writer *w)
{
    json_write_object(w);
    json_write_u64_member(w, "block_tokens", BLOCK_TOKENS);
    json_write_u64_member(w, "ram_bytes", c->states.store.used);
    json_write_u64_member(w, "ram_limit_bytes", c->states.store.size);
    json_write_key(w, "slots");
    json_write_array(w);
    for (uint32_t i = 0; i < c->count; i++)
        if (prefix_length(&c->all[i].entry)) write_slot(c, w, i);
    json_write_array_end(w);
    json_write_key(w, "states");
    json_write_array(w);
    LIST_EACH(&c->states.all, it) write_state(c, w, LIST_ITEM(it, struct state, link));
    json_write_array_end(w);
    json_write_object_end(w);
}

/* --- changing --- */

static bool number_behind(struct str id, struct str prefix, uint64_t *out)
{
    return str_starts(id, prefix) && str_to_u64(str_skip(id, prefix.len), out) == 0;
}

static struct cache_slot *find_slot(struct cache *c, struct str id)
{
    uint64_t n;
    bool is_one = number_behind(id, slot_prefix, &n) && n < c->count;
    return is_one && prefix_length(&c->all[n].entry) ? &c->all[n] : NULL;
}

static struct state *find_state(const struct cache *c, struct str id)
{
    uint64_t n;
    if (!number_behind(id, state_prefix, &n)) return NULL;
    LIST_EACH(&c->states.all, it)
    {
        struct state *s = LIST_ITEM(it, struct state, link);
        if (s->id == n) return s;
    }
    return NULL;
}

/* The state that is just what a slot has; one is made where there is none. NULL: no room. */
static struct state *state_for(struct cache *c, const struct cache_slot *slot)
{
    const struct prefix_match m = prefix_match_of(&slot->entry);
    struct prefix_entry *e = prefix_next(&m, NULL);
    for (; e && e->node == m.node; e = prefix_next(&m, e))
        if (e->in_ram) return state_of(e);
    return states_save(&c->states, (uint32_t)(slot - c->all), &slot->entry);
}

bool inventory_pin(struct cache *c, struct str id, bool pinned, uint64_t *out)
{
    struct state *s = find_state(c, id);
    const struct cache_slot *slot = s || !pinned ? NULL : find_slot(c, id);
    if (slot && !slot->user) s = state_for(c, slot);
    if (!s) return false;
    s->pinned = pinned;
    *out = s->id;
    return true;
}

static bool drop_slot(struct cache *c, struct cache_slot *slot)
{
    if (slot->user || !prefix_length(&slot->entry)) return false;
    prefix_take_out(&c->tree, &slot->entry);
    context_drop(c->context, (uint32_t)(slot - c->all));
    return true;
}

static unsigned drop_all(struct cache *c)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < c->count; i++)
        count += drop_slot(c, &c->all[i]);
    LIST_EACH_SAFE(&c->states.all, it, next)
    {
        struct state *s = LIST_ITEM(it, struct state, link);
        if (s->pinned) continue;
        states_drop(&c->states, s);
        count++;
    }
    return count;
}

unsigned inventory_drop(struct cache *c, struct str id)
{
    if (!id.len) return drop_all(c);
    struct cache_slot *slot = find_slot(c, id);
    struct state *s = find_state(c, id);
    if (s) states_drop(&c->states, s);
    return s || (slot && drop_slot(c, slot));
}
