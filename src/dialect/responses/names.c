/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/responses/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"

void names_init(struct names *n, struct arena *arena)
{
    *n = (struct names){.arena = arena};
}

static size_t flat_bucket(struct str flat)
{
    return hash_keyed(flat) % NAMES_BUCKETS;
}

static size_t own_bucket(struct str space, struct str name)
{
    return (hash_keyed(space) * 31 + hash_keyed(name)) % NAMES_BUCKETS;
}

struct named_tool *names_find(const struct names *n, enum tool_kind kind, struct str space,
                              struct str name)
{
    struct named_tool *e = n->own[own_bucket(space, name)];
    for (; e; e = e->next_own) {
        bool same_kind = (e->is.kind == TOOL_SEARCH) == (kind == TOOL_SEARCH);
        if (same_kind && str_eq(e->is.name, name) && str_eq(e->is.space, space)) return e;
    }
    return NULL;
}

struct named_tool *names_find_flat(const struct names *n, struct str flat)
{
    struct named_tool *e = n->flat[flat_bucket(flat)];
    while (e && !str_eq(e->is.flat, flat))
        e = e->next_flat;
    return e;
}

/* --- making a name --- */

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

/* Appends as far as there is room, with "_" for what may not stand in a name. Returns the length
 * that it would have. */
static size_t put(char *out, size_t at, struct str s)
{
    for (size_t i = 0; i < s.len; i++, at++)
        if (at < NAMES_FLAT_MAX) out[at] = is_plain(s.ptr[i]) ? s.ptr[i] : '_';
    return at;
}

/* What tells names apart that are alike when they are cut or cleaned. Nobody can choose names of
 * which many have the same mark at each attempt. */
static uint32_t mark_of(struct str space, struct str name, unsigned attempt)
{
    return (uint32_t)hash_sip(name, hash_sip(space, attempt, 0), attempt);
}

/* The name for the n-th attempt: the first is without a mark where there is room for all. */
static size_t make(struct str space, struct str name, unsigned attempt,
                   char out[NAMES_FLAT_MAX + 1])
{
    enum { MARK = 9 };
    bool between = space.len && !str_ends(space, STR("__"));
    size_t len = put(out, 0, space);
    if (between) len = put(out, len, STR("__"));
    len = put(out, len, name);
    if (len && len <= NAMES_FLAT_MAX && attempt == 0) return len;
    len = MIN(len, (size_t)NAMES_FLAT_MAX - MARK);
    (void)snprintf(out + len, MARK + 1, "_%08x", (unsigned)mark_of(space, name, attempt));
    return len + MARK;
}

static struct str free_name(struct names *n, struct str space, struct str name)
{
    char room[NAMES_FLAT_MAX + 1];
    struct str flat;
    unsigned attempt = 0;
    do {
        flat = str_n(room, make(space, name, attempt++, room));
    } while (names_find_flat(n, flat));
    return str_eq(flat, name) ? name : arena_try_dup(n->arena, flat);
}

int names_add(struct names *n, enum tool_kind kind, struct str space, struct str name,
              struct named_tool **out)
{
    *out = names_find(n, kind, space, name);
    if (*out) return 0;
    if (n->count == NAMES_MAX) return ERR_FULL;
    struct named_tool *e = arena_try_zero(n->arena, sizeof *e);
    struct str flat = free_name(n, space, name);
    if (!e || !flat.ptr) return -ENOMEM;
    struct named_tool **by_flat = &n->flat[flat_bucket(flat)];
    struct named_tool **by_own = &n->own[own_bucket(space, name)];
    *e = (struct named_tool){.is = {.kind = kind, .space = space, .name = name, .flat = flat},
                             .next_flat = *by_flat,
                             .next_own = *by_own};
    *by_flat = *by_own = e;
    n->count++;
    *out = e;
    return 0;
}
