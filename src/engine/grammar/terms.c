/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/grammar/terms_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

enum { TABLE_FIRST = 256, CAP_FIRST = 64, PARTED_FEW = 16 };

/* --- memory --- */

static bool account(struct terms *t, size_t more)
{
    if (more > t->bytes_max - t->bytes) t->failed = true;
    if (t->failed) return false;
    t->bytes += more;
    return true;
}

void *terms__take(struct terms *t, size_t size)
{
    void *out = account(t, size) ? mem_try(size) : NULL;
    t->failed |= !out;
    return out;
}

bool terms__grow(struct terms *t, void *array, uint32_t count, uint32_t *cap, size_t size)
{
    void **p = array;
    if (count < *cap) return true;
    uint32_t wanted = *cap ? *cap * 2 : CAP_FIRST;
    if (t->failed || wanted <= *cap || !account(t, (size_t)(wanted - *cap) * size)) return false;
    void *more = mem_try_grow(*p, wanted, size);
    t->failed |= !more;
    if (!more) return false;
    *p = more;
    *cap = wanted;
    return true;
}

struct terms *terms_new(size_t bytes)
{
    struct terms *t = mem_try_zero(1, sizeof *t);
    if (!t) return NULL;
    atomic_init(&t->owners, 1);
    t->bytes_max = bytes;
    t->work_max = t->effort_max = UINT64_MAX;
    t->table = terms__take(t, TABLE_FIRST * sizeof *t->table);
    if (!t->table || !terms__grow(t, &t->nodes, 0, &t->cap, sizeof *t->nodes)) {
        terms_free(t);
        return NULL;
    }
    memset(t->table, 0, TABLE_FIRST * sizeof *t->table);
    t->table_size = TABLE_FIRST;
    t->nodes[TERM_NONE] = (struct node){.kind = TERM_KIND_NONE};
    t->nodes[TERM_EMPTY] = (struct node){.kind = TERM_KIND_EMPTY, .may_end = true};
    t->count = 2;
    return t;
}

struct terms *terms_share(struct terms *t)
{
    atomic_fetch_add_explicit(&t->owners, 1, memory_order_relaxed);
    return t;
}

void terms_free(struct terms *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->owners, 1, memory_order_acq_rel) > 1) return;
    for (uint32_t i = 0; i < t->count; i++)
        free(t->nodes[i].next);
    for (uint32_t i = 0; i < t->source_count; i++) {
        free(t->sources[i].map);
        terms_free(t->sources[i].from);
    }
    free(t->nodes);
    free(t->lists);
    free(t->table);
    free(t->scratch);
    free(t->rules);
    free(t->sources);
    free(t);
}

bool terms_failed(const struct terms *t)
{
    return t->failed;
}

size_t terms_bytes(const struct terms *t)
{
    return t->bytes;
}

void terms_limit_work(struct terms *t, uint64_t derivatives)
{
    t->work_max = t->work + derivatives;
}

void terms_limit_effort(struct terms *t, uint64_t effort)
{
    t->effort_max = t->effort + effort;
}

uint64_t terms_effort_left(const struct terms *t)
{
    return t->effort_max - MIN(t->effort, t->effort_max);
}

bool terms_exhausted(const struct terms *t)
{
    return t->exhausted;
}

bool terms_spend(struct terms *t, uint64_t effort)
{
    t->effort += effort;
    if (t->effort > t->effort_max && !t->failed) t->failed = t->exhausted = true;
    return !t->failed;
}

/* --- each one once --- */

static uint32_t mix(uint32_t h, uint32_t x)
{
    h ^= x;
    h *= 0x9e3779b1u;
    return h ^ h >> 15;
}

static bool is_list(enum term_kind kind)
{
    return kind == TERM_KIND_OR || kind == TERM_KIND_AND;
}

static uint32_t hash(const struct terms *t, const struct node *n)
{
    uint32_t h = mix(n->kind, n->most);
    if (is_list(n->kind)) {
        for (uint32_t i = 0; i < n->b; i++)
            h = mix(h, t->lists[n->a + i]);
        return h;
    }
    if (n->kind == TERM_KIND_BYTE)
        for (unsigned i = 0; i < 4; i++)
            h = mix(mix(h, (uint32_t)n->starts.bits[i]), (uint32_t)(n->starts.bits[i] >> 32));
    return mix(mix(mix(h, n->a), n->b), n->least);
}

static bool same(const struct terms *t, const struct node *x, const struct node *y)
{
    if (x->kind != y->kind || x->b != y->b) return false;
    if (is_list(x->kind))
        return memcmp(&t->lists[x->a], &t->lists[y->a], x->b * sizeof *t->lists) == 0;
    if (x->kind == TERM_KIND_BYTE) return memcmp(&x->starts, &y->starts, sizeof x->starts) == 0;
    return x->a == y->a && x->least == y->least && x->most == y->most;
}

static bool rehash(struct terms *t)
{
    uint32_t size = t->table_size * 2;
    term *table = terms__take(t, size * sizeof *table);
    if (!table) return false;
    memset(table, 0, size * sizeof *table);
    for (uint32_t i = 2; i < t->count; i++) {
        uint32_t at = hash(t, &t->nodes[i]) & (size - 1);
        while (table[at])
            at = (at + 1) & (size - 1);
        table[at] = i;
    }
    t->bytes -= t->table_size * sizeof *table;
    free(t->table);
    t->table = table;
    t->table_size = size;
    return true;
}

term terms__intern(struct terms *t, const struct node *n)
{
    uint32_t at = hash(t, n) & (t->table_size - 1);
    for (; t->table[at]; at = (at + 1) & (t->table_size - 1))
        if (same(t, n, &t->nodes[t->table[at]])) return t->table[at];
    if (t->failed || !terms__grow(t, &t->nodes, t->count, &t->cap, sizeof *t->nodes))
        return TERM_NONE;
    t->nodes[t->count] = *n;
    t->table[at] = t->count++;
    term made = t->count - 1;
    if (t->count > t->table_size / 2 && !rehash(t)) return TERM_NONE;
    return made;
}

/* The list of a node that is in the making: at the pool's end, where it stays if the node is new. */
static term intern_list(struct terms *t, struct node *n, uint32_t from)
{
    uint32_t count = t->scratch_count - from;
    for (uint32_t i = 0; i < count; i++) {
        if (!terms__grow(t, &t->lists, t->list_count + i, &t->list_cap, sizeof *t->lists))
            return TERM_NONE;
        t->lists[t->list_count + i] = t->scratch[from + i];
    }
    n->a = t->list_count;
    n->b = count;
    uint32_t before = t->count;
    term made = terms__intern(t, n);
    if (t->count > before) t->list_count += count;
    return made;
}

void terms__push(struct terms *t, term a)
{
    if (terms__grow(t, &t->scratch, t->scratch_count, &t->scratch_cap, sizeof *t->scratch))
        t->scratch[t->scratch_count++] = a;
}

/* --- sets of bytes --- */

static struct byte_set set_and(struct byte_set a, const struct byte_set *b)
{
    for (unsigned i = 0; i < 4; i++)
        a.bits[i] &= b->bits[i];
    return a;
}

static const struct byte_set every_byte = {{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};

/* --- simple ones --- */

term term_bytes(struct terms *t, const struct byte_set *set)
{
    if (!byte_set_count(set)) return TERM_NONE;
    return terms__intern(t, &(struct node){.kind = TERM_KIND_BYTE, .starts = *set});
}

term term_range(struct terms *t, unsigned char first, unsigned char last)
{
    struct byte_set set = {{0}};
    for (unsigned c = first; c <= last; c++)
        byte_set_add(&set, (unsigned char)c);
    return term_bytes(t, &set);
}

term term_byte(struct terms *t, unsigned char byte)
{
    return term_range(t, byte, byte);
}

term term_text(struct terms *t, struct str text)
{
    term out = TERM_EMPTY;
    for (size_t i = text.len; i-- > 0;)
        out = term_cat(t, term_byte(t, (unsigned char)text.ptr[i]), out);
    return out;
}

term term_multiple(struct terms *t, uint32_t of, uint32_t remainder)
{
    struct node n = {.kind = TERM_KIND_MULTIPLE, .may_end = !remainder, .a = of, .b = remainder};
    for (unsigned c = '0'; c <= '9'; c++)
        byte_set_add(&n.starts, (unsigned char)c);
    return terms__intern(t, &n);
}

/* --- one behind the other --- */

static term cat(struct terms *t, term a, term b)
{
    const struct node *x = &t->nodes[a], *y = &t->nodes[b];
    struct node n = {.kind = TERM_KIND_CAT,
                     .a = a,
                     .b = b,
                     .may_end = x->may_end && y->may_end,
                     .has_rules = x->has_rules || y->has_rules,
                     .starts = x->may_end ? byte_set_or(x->starts, &y->starts) : x->starts};
    return terms__intern(t, &n);
}

term term_cat(struct terms *t, term a, term b)
{
    if (a == TERM_NONE || b == TERM_NONE || t->failed) return TERM_NONE;
    if (a == TERM_EMPTY) return b;
    if (b == TERM_EMPTY) return a;
    uint32_t from = t->scratch_count;
    for (; t->nodes[a].kind == TERM_KIND_CAT; a = t->nodes[a].b)
        terms__push(t, t->nodes[a].a);
    (void)terms_spend(t, t->scratch_count - from);
    b = cat(t, a, b);
    while (t->scratch_count > from && !t->failed)
        b = cat(t, t->scratch[--t->scratch_count], b);
    t->scratch_count = from;
    return t->failed ? TERM_NONE : b;
}

term term_repeat(struct terms *t, term a, uint32_t least, uint32_t most)
{
    if (least > most) return TERM_NONE;
    if (most == 0 || a == TERM_EMPTY) return TERM_EMPTY;
    if (a == TERM_NONE) return least ? TERM_NONE : TERM_EMPTY;
    if (least == 1 && most == 1) return a;
    const struct node *x = &t->nodes[a];
    if (x->may_end) least = 0;
    if (x->kind == TERM_KIND_REPEAT && x->least == 0 && x->most == TERM_ANY_NUMBER) return a;
    return terms__intern(t, &(struct node){.kind = TERM_KIND_REPEAT,
                                           .may_end = !least,
                                           .has_rules = x->has_rules,
                                           .a = a,
                                           .least = least,
                                           .most = most,
                                           .starts = x->starts});
}

term term_optional(struct terms *t, term a)
{
    return term_or(t, a, TERM_EMPTY);
}

/* --- one of several --- */

static int compare_terms(const void *a, const void *b)
{
    const term *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void sort_unique(struct terms *t, uint32_t from)
{
    uint32_t count = t->scratch_count - from, n = 0;
    if (count < 2) return;
    term *all = t->scratch + from;
    qsort(all, count, sizeof *all, compare_terms);
    for (uint32_t i = 0; i < count; i++)
        if (!n || all[n - 1] != all[i]) all[n++] = all[i];
    t->scratch_count = from + n;
}

/* Puts the parts of lists in the place of the lists. */
static void flatten(struct terms *t, uint32_t from, enum term_kind kind)
{
    for (uint32_t i = from; i < t->scratch_count && !t->failed;) {
        const struct node n = t->nodes[t->scratch[i]];
        if (n.kind != kind) {
            i++;
            continue;
        }
        t->scratch[i] = t->lists[n.a];
        for (uint32_t k = 1; k < n.b; k++)
            terms__push(t, t->lists[n.a + k]);
    }
}

/* Takes away what adds nothing, and makes one set of single bytes of all. */
static void join_bytes(struct terms *t, uint32_t from)
{
    struct byte_set bytes = {{0}};
    uint32_t n = from, sets = 0;
    for (uint32_t i = from; i < t->scratch_count; i++) {
        term a = t->scratch[i];
        const struct node *x = &t->nodes[a];
        if (x->kind == TERM_KIND_BYTE) bytes = byte_set_or(bytes, &x->starts);
        sets += x->kind == TERM_KIND_BYTE;
        if (a != TERM_NONE && x->kind != TERM_KIND_BYTE) t->scratch[n++] = a;
    }
    t->scratch_count = n;
    if (sets) terms__push(t, term_bytes(t, &bytes));
}

static term head_of(const struct terms *t, term a)
{
    return t->nodes[a].kind == TERM_KIND_CAT ? t->nodes[a].a : a;
}

static term tail_of(const struct terms *t, term a)
{
    return t->nodes[a].kind == TERM_KIND_CAT ? t->nodes[a].b : TERM_EMPTY;
}

/* What has a part in common lies together. */
struct parted {
    term part, whole;
};

static int compare_parted(const void *a, const void *b)
{
    const struct parted *x = a, *y = b;
    int way = compare_terms(&x->part, &y->part);
    return way ? way : compare_terms(&x->whole, &y->whole);
}

static void sort_by_part(const struct terms *t, uint32_t from, bool by_head, struct parted *all)
{
    uint32_t count = t->scratch_count - from;
    for (uint32_t i = 0; i < count; i++) {
        term a = t->scratch[from + i];
        all[i] = (struct parted){.part = by_head ? head_of(t, a) : tail_of(t, a), .whole = a};
    }
    qsort(all, count, sizeof *all, compare_parted);
}

/* One term for several that have a part in common. */
static term join_parted(struct terms *t, const struct parted *all, uint32_t count, bool by_head)
{
    term common = all->part;
    uint32_t from = t->scratch_count;
    if (count == 1) return all->whole;
    for (uint32_t i = 0; i < count; i++)
        terms__push(t, by_head ? tail_of(t, all[i].whole) : head_of(t, all[i].whole));
    term others = terms__or_from(t, from);
    return by_head ? term_cat(t, common, others) : term_cat(t, others, common);
}

/* a x | a y is a (x | y): so that what began alike goes on as one. What several may have in common
 * is their beginning or, likewise, their end. */
static void factor(struct terms *t, uint32_t from, bool by_head)
{
    struct parted few[PARTED_FEW], *all = few;
    uint32_t count = t->scratch_count - from, same;
    if (count > PARTED_FEW && !t->failed) all = mem_try(count * sizeof *all);
    t->failed |= !all;
    if (t->failed) return;
    sort_by_part(t, from, by_head, all);
    t->scratch_count = from;
    for (uint32_t i = 0; i < count && !t->failed; i += same) {
        for (same = 1; i + same < count && all[i + same].part == all[i].part; same++)
            ;
        if (all[i].part == TERM_EMPTY) same = 1;
        terms__push(t, join_parted(t, all + i, same, by_head));
    }
    if (all != few) free(all);
}

static term or_node(struct terms *t, uint32_t from)
{
    struct node n = {.kind = TERM_KIND_OR};
    for (uint32_t i = from; i < t->scratch_count; i++) {
        const struct node *x = &t->nodes[t->scratch[i]];
        n.may_end |= x->may_end;
        n.has_rules |= x->has_rules;
        n.starts = byte_set_or(n.starts, &x->starts);
    }
    return intern_list(t, &n, from);
}

/* The empty text need not be named where another one takes it. */
static void drop_empty(struct terms *t, uint32_t from)
{
    uint32_t n = from;
    bool may_end = false;
    for (uint32_t i = from; i < t->scratch_count; i++)
        may_end |= t->scratch[i] != TERM_EMPTY && t->nodes[t->scratch[i]].may_end;
    for (uint32_t i = from; i < t->scratch_count; i++)
        if (!may_end || t->scratch[i] != TERM_EMPTY) t->scratch[n++] = t->scratch[i];
    t->scratch_count = n;
}

term terms__or_from(struct terms *t, uint32_t from)
{
    term out = TERM_NONE;
    flatten(t, from, TERM_KIND_OR);
    (void)terms_spend(t, t->scratch_count - from);
    join_bytes(t, from);
    sort_unique(t, from);
    if (t->scratch_count - from > 1) {
        if (t->factoring < TERMS_DEPTH_MAX / 4) {
            t->factoring++;
            factor(t, from, true);
            factor(t, from, false);
            t->factoring--;
        }
        flatten(t, from, TERM_KIND_OR);
        join_bytes(t, from);
        drop_empty(t, from);
        sort_unique(t, from);
    }
    if (t->scratch_count - from == 1)
        out = t->scratch[from];
    else if (t->scratch_count > from)
        out = or_node(t, from);
    t->scratch_count = from;
    return t->failed ? TERM_NONE : out;
}

term term_or_all(struct terms *t, const term *all, size_t count)
{
    uint32_t from = t->scratch_count;
    for (size_t i = 0; i < count; i++)
        terms__push(t, all[i]);
    return terms__or_from(t, from);
}

term term_or(struct terms *t, term a, term b)
{
    if (a == TERM_NONE || a == b) return b;
    if (b == TERM_NONE) return a;
    return term_or_all(t, (const term[]){a, b}, 2);
}

/* --- all of several --- */

static bool takes_all(const struct terms *t, term a)
{
    const struct node *n = &t->nodes[a];
    return n->kind == TERM_KIND_NOT && n->a == TERM_NONE;
}

term terms__and_from(struct terms *t, uint32_t from)
{
    struct node n = {.kind = TERM_KIND_AND, .may_end = true, .starts = every_byte};
    struct byte_set bytes = every_byte;
    uint32_t kept = from, sets = 0;
    bool none = false;
    flatten(t, from, TERM_KIND_AND);
    (void)terms_spend(t, t->scratch_count - from);
    for (uint32_t i = from; i < t->scratch_count; i++) {
        const struct node *x = &t->nodes[t->scratch[i]];
        none |= x->kind == TERM_KIND_NONE;
        if (x->kind == TERM_KIND_BYTE) bytes = set_and(bytes, &x->starts);
        sets += x->kind == TERM_KIND_BYTE;
        if (x->kind != TERM_KIND_BYTE && !takes_all(t, t->scratch[i]))
            t->scratch[kept++] = t->scratch[i];
    }
    t->scratch_count = kept;
    if (sets) terms__push(t, term_bytes(t, &bytes));
    sort_unique(t, from);
    for (uint32_t i = from; i < t->scratch_count; i++) {
        const struct node *x = &t->nodes[t->scratch[i]];
        assert(!x->has_rules);
        n.may_end &= x->may_end;
        n.starts = set_and(n.starts, &x->starts);
    }
    term out = TERM_NONE;
    if (!none && t->scratch_count == from)
        out = terms__not(t, TERM_NONE);
    else if (!none && t->scratch_count - from == 1)
        out = t->scratch[from];
    else if (!none && !n.may_end && !byte_set_count(&n.starts))
        out = TERM_NONE;
    else if (!none)
        out = intern_list(t, &n, from);
    t->scratch_count = from;
    return t->failed ? TERM_NONE : out;
}

term terms__not(struct terms *t, term a)
{
    const struct node *x = &t->nodes[a];
    assert(!x->has_rules);
    if (x->kind == TERM_KIND_NOT) return x->a;
    return terms__intern(
        t, &(struct node){
               .kind = TERM_KIND_NOT, .may_end = !x->may_end, .a = a, .starts = every_byte});
}

/* --- looking at them --- */

enum term_kind term_kind(const struct terms *t, term a)
{
    return t->nodes[a].kind;
}

term term_first(const struct terms *t, term a)
{
    return t->nodes[a].a;
}

term term_rest(const struct terms *t, term a)
{
    return t->nodes[a].b;
}

const term *term_list(const struct terms *t, term a, size_t *count)
{
    *count = t->nodes[a].b;
    return &t->lists[t->nodes[a].a];
}

void term_times(const struct terms *t, term a, uint32_t *least, uint32_t *most)
{
    *least = t->nodes[a].least;
    *most = t->nodes[a].most;
}

bool term_may_end(const struct terms *t, term a)
{
    return t->nodes[a].may_end;
}

const struct byte_set *term_starts(const struct terms *t, term a)
{
    return &t->nodes[a].starts;
}
