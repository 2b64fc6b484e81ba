/* SPDX-License-Identifier: Apache-2.0 */
/* Any grammar, made of terms by a small program in the bytes: the mask of each state that a walk
 * reaches says of each token what the automaton says of its text, byte by byte. */
#include <stdlib.h>
#include <string.h>

#include "engine/grammar/masks.h"
#include "limited.h"

#define CHECK(fact) ((fact) ? (void)0 : abort())

enum { ROOM = 4 << 20, STACK_MAX = 8, RULES = 2, STATES_MAX = 24 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const texts[] = {
    "",    "a", "b",    "ab",   "abc", "\"", "\"a", "a\"",  "\",", "\",\"", ",\"", "{",    "}",
    "{\"", "[", "]",    "[[",   "1",   "12", "123", "1,",   ",1",  ",",     " ",   "aaaa", "a",
    "é",   "€", "\xc3", "\xa9", "€a",  "0",  "10",  "ab c", "a b", "]]",    "c",   "cab",  "bc",
};

/* A program and its stack. `ruled`: has rules in it. */
struct maker {
    struct terms *t;
    const uint8_t *at, *end;
    uint32_t rules[RULES];
    struct item {
        term a;
        bool ruled;
    } stack[STACK_MAX];
    unsigned count;
};

static uint8_t byte_of(struct maker *m)
{
    return m->at < m->end ? *m->at++ : 0;
}

static void push(struct maker *m, term a, bool ruled)
{
    if (m->count < STACK_MAX) m->stack[m->count++] = (struct item){a, ruled};
}

static struct item pop(struct maker *m)
{
    return m->count ? m->stack[--m->count] : (struct item){TERM_EMPTY, false};
}

static term plain(struct terms *t)
{
    struct byte_set all = {0};
    for (unsigned byte = 0; byte < 256; byte++)
        if (trie_is_plain((uint8_t)byte)) byte_set_add(&all, (uint8_t)byte);
    return term_bytes(t, &all);
}

static term repeated(struct maker *m, term a)
{
    uint8_t times = byte_of(m);
    uint32_t least = times & 3, more = times >> 2 & 7;
    return term_repeat(m->t, a, least, more == 7 ? TERM_ANY_NUMBER : least + more);
}

static void combine(struct maker *m, unsigned op)
{
    struct item b = pop(m), a = pop(m);
    bool ruled = a.ruled || b.ruled;
    if (op == 0) push(m, term_cat(m->t, a.a, b.a), ruled);
    if (op == 1 || (op == 2 && ruled)) push(m, term_or(m->t, a.a, b.a), ruled);
    if (op == 2 && !ruled) push(m, term_and(m->t, a.a, b.a), false);
}

static void run_one(struct maker *m)
{
    struct item a;
    const char *text;
    unsigned op = byte_of(m) % 10, rule;
    switch (op) {
    case 0:
    case 1:
    case 2: combine(m, op); break;
    case 3:
        text = texts[byte_of(m) % ARRAY_LEN(texts)];
        push(m, term_text(m->t, str_of(text)), false);
        break;
    case 4:
        a = pop(m);
        push(m, repeated(m, a.a), a.ruled);
        break;
    case 5:
        a = pop(m);
        push(m, a.ruled ? a.a : term_not(m->t, a.a), a.ruled);
        break;
    case 6: push(m, plain(m->t), false); break;
    case 7:
        rule = byte_of(m) % RULES;
        push(m, term_rule(m->t, m->rules[rule]), true);
        break;
    case 8: push(m, term_multiple(m->t, 1 + byte_of(m) % 13, 0), false); break;
    default: push(m, term_range(m->t, 'a', 'c'), false); break;
    }
}

/* The grammar of a program; NULL: there is none. */
static struct terms *make(const uint8_t *data, size_t size)
{
    struct maker m = {.t = limited_terms(ROOM), .at = data, .end = data + size};
    for (unsigned i = 0; i < RULES; i++)
        m.rules[i] = terms_add_rule(m.t);
    while (m.at < m.end)
        run_one(&m);
    for (unsigned i = 0; i < RULES; i++)
        terms_set_rule(m.t, m.rules[i], pop(&m).a);
    if (terms_finish(m.t, pop(&m).a, NULL) == 0) return m.t;
    terms_free(m.t);
    return NULL;
}

/* The state behind a token that may come; the same: there is none. */
static term check_state(struct masks *m, term state, unsigned turn)
{
    term next = state;
    const uint64_t *bits = masks_of(m, state);
    for (unsigned k = 0; bits && k < ARRAY_LEN(texts); k++) {
        term after = term_after(masks_terms(m), state, str_of(texts[k]));
        if (terms_failed(masks_terms(m))) return state;
        CHECK((bits[k / 64] >> (k % 64) & 1) == (texts[k][0] && after != TERM_NONE));
        if (texts[k][0] && after != TERM_NONE && (next == state || turn % (k + 1) == 0))
            next = after;
    }
    return next;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str all[ARRAY_LEN(texts)];
    if (size > 64) return 0;
    struct terms *grammar = make(data, size);
    if (!grammar) return 0;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        all[i] = str_of(texts[i]);
    struct trie *trie = trie_new(all, ARRAY_LEN(texts));
    CHECK(trie);
    struct masks *m = masks_new(trie, ROOM);
    CHECK(m);
    terms_limit_effort(masks_terms(m), LIMITED_EFFORT);
    term state = terms_import(masks_terms(m), grammar);
    for (unsigned turn = 0; turn < STATES_MAX && !masks_failed(m); turn++)
        state = check_state(m, state, turn);
    masks_free(m);
    trie_free(trie);
    terms_free(grammar);
    return 0;
}
