/* SPDX-License-Identifier: Apache-2.0 */
/* Terms, their derivatives, and masks over small vocabularies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/rand.h"
#include "engine/grammar/chars.h"
#include "engine/grammar/masks.h"
#include "engine/grammar/terms.h"
#include "engine/grammar/trie.h"

enum { ROOM = 64 << 20 };

static struct terms *fresh(void)
{
    struct terms *t = terms_new(ROOM);
    assert_non_null(t);
    return t;
}

static void takes(struct terms *t, term a, const char *text)
{
    if (!term_takes(t, a, str_of(text))) fail_msg("'%s' is not taken", text);
}

static void refuses(struct terms *t, term a, const char *text)
{
    if (term_takes(t, a, str_of(text))) fail_msg("'%s' is taken", text);
}

static void equal_terms_are_one(void **state)
{
    (void)state;
    struct terms *t = fresh();
    term a = term_text(t, STR("ab")), b = term_text(t, STR("ac"));
    assert_int_equal(term_text(t, STR("ab")), a);
    assert_int_equal(term_or(t, a, b), term_or(t, b, a));
    assert_int_equal(term_or(t, a, a), a);
    assert_int_equal(term_or(t, a, TERM_NONE), a);
    assert_int_equal(term_cat(t, term_cat(t, a, b), a), term_cat(t, a, term_cat(t, b, a)));
    /* What begins alike is one: a(b|c), and then a single set. */
    assert_int_equal(term_or(t, a, b), term_cat(t, term_byte(t, 'a'), term_range(t, 'b', 'c')));
    /* What ends alike, too. */
    assert_int_equal(term_or(t, term_text(t, STR("xz")), term_text(t, STR("yz"))),
                     term_cat(t, term_range(t, 'x', 'y'), term_byte(t, 'z')));
    assert_int_equal(term_repeat(t, a, 1, 1), a);
    assert_int_equal(term_repeat(t, a, 0, 0), TERM_EMPTY);
    assert_int_equal(term_not(t, term_not(t, a)), a);
    terms_free(t);
}

static void repeats_have_bounds(void **state)
{
    (void)state;
    struct terms *t = fresh();
    term a = term_repeat(t, term_text(t, STR("ab")), 2, 3);
    refuses(t, a, "ab");
    takes(t, a, "abab");
    takes(t, a, "ababab");
    refuses(t, a, "abababab");
    refuses(t, a, "ababa");
    term b = term_repeat(t, term_optional(t, term_byte(t, 'x')), 3, 5);
    takes(t, b, "");
    takes(t, b, "xxxxx");
    refuses(t, b, "xxxxxx");
    terms_free(t);
}

static void ands_and_nots(void **state)
{
    (void)state;
    struct terms *t = fresh();
    term letters = term_repeat(t, term_range(t, 'a', 'z'), 0, TERM_ANY_NUMBER);
    term other = term_and(t, letters, term_not(t, term_text(t, STR("abc"))));
    takes(t, other, "ab");
    takes(t, other, "abcd");
    refuses(t, other, "abc");
    refuses(t, other, "ab1");
    term few = term_repeat(t, term_range(t, 'a', 'z'), 1, 2);
    term many = term_repeat(t, term_range(t, 'a', 'z'), 3, 9);
    assert_int_equal(term_and(t, few, many), TERM_NONE);
    assert_int_not_equal(term_and(t, few, letters), TERM_NONE);
    /* Of what begins well but cannot end well, nothing may begin. */
    term end_in_b = term_cat(t, letters, term_byte(t, 'b'));
    term bs = term_repeat(t, term_byte(t, 'b'), 2, 2);
    term ac = term_text(t, STR("ac"));
    term both = term_and(t, end_in_b, term_or(t, bs, ac));
    takes(t, both, "bb");
    assert_int_equal(term_next(t, both, 'a'), TERM_NONE);
    terms_free(t);
}

static void multiples(void **state)
{
    (void)state;
    struct terms *t = fresh();
    for (uint32_t of = 1; of < 40; of++) {
        term a = term_multiple(t, of, 0);
        for (unsigned n = 0; n < 300; n++) {
            char text[16];
            (void)snprintf(text, sizeof text, "%u", n);
            assert_int_equal(term_takes(t, a, str_of(text)), n % of == 0);
        }
    }
    terms_free(t);
}

/* --- random terms beside sets of all short texts --- */

/* Texts of at most LONGEST letters a, b, c, by number; which of them a term takes. */
enum { LONGEST = 4, SHORT_TEXTS = 1 + 3 + 9 + 27 + 81 };

struct language {
    bool has[SHORT_TEXTS];
};

static char short_texts[SHORT_TEXTS][LONGEST + 1];

static void list_short_texts(void)
{
    unsigned n = 1;
    for (unsigned i = 0; n < SHORT_TEXTS; i++)
        for (char c = 'a'; c <= 'c'; c++)
            (void)snprintf(short_texts[n++], LONGEST + 1, "%.*s%c", LONGEST - 1, short_texts[i], c);
}

static int short_text(const char *first, const char *second)
{
    char both[2 * LONGEST + 1];
    (void)snprintf(both, sizeof both, "%.*s%.*s", LONGEST, first, LONGEST, second);
    for (int i = 0; i < SHORT_TEXTS; i++)
        if (strcmp(short_texts[i], both) == 0) return i;
    return -1;
}

static struct language concatenate(const struct language *a, const struct language *b)
{
    struct language out = {{0}};
    for (int i = 0; i < SHORT_TEXTS; i++)
        for (int k = 0; a->has[i] && k < SHORT_TEXTS; k++) {
            int both = b->has[k] ? short_text(short_texts[i], short_texts[k]) : -1;
            if (both >= 0) out.has[both] = true;
        }
    return out;
}

static struct language repeated(const struct language *a, unsigned least, unsigned most)
{
    struct language out = {{0}}, now = {{true}};
    for (unsigned times = 0; times <= most; times++) {
        for (int i = 0; times >= least && i < SHORT_TEXTS; i++)
            out.has[i] |= now.has[i];
        now = concatenate(&now, a);
    }
    return out;
}

static struct language combined(const struct language *a, const struct language *b, bool all)
{
    struct language out;
    for (int i = 0; i < SHORT_TEXTS; i++)
        out.has[i] = all ? a->has[i] && b->has[i] : a->has[i] || b->has[i];
    return out;
}

static term random_term(struct terms *t, struct rng *rng, unsigned depth, struct language *out)
{
    struct language a, b;
    unsigned least = (unsigned)rng_below(rng, 3), most = least + (unsigned)rng_below(rng, 3);
    unsigned kind = (unsigned)rng_below(rng, depth ? 8 : 2);
    memset(out, 0, sizeof *out);
    if (kind < 2) {
        unsigned first = (unsigned)rng_below(rng, 3),
                 last = first + (unsigned)rng_below(rng, 3 - first);
        for (unsigned i = first; i <= last; i++)
            out->has[1 + i] = true;
        out->has[0] = kind == 1 && first == last;
        term c = term_range(t, (unsigned char)('a' + first), (unsigned char)('a' + last));
        return out->has[0] ? term_optional(t, c) : c;
    }
    term x = random_term(t, rng, depth - 1, &a), y = random_term(t, rng, depth - 1, &b);
    switch (kind) {
    case 2:
    case 3: *out = concatenate(&a, &b); return term_cat(t, x, y);
    case 4: *out = combined(&a, &b, false); return term_or(t, x, y);
    case 5: *out = combined(&a, &b, true); return term_and(t, x, y);
    case 6: *out = repeated(&a, least, most); return term_repeat(t, x, least, most);
    default:
        *out = repeated(&a, least, LONGEST + 3);
        if (rng_below(rng, 2)) return term_repeat(t, x, least, TERM_ANY_NUMBER);
        for (int i = 0; i < SHORT_TEXTS; i++)
            out->has[i] = !a.has[i];
        return term_not(t, x);
    }
}

static void terms_take_what_they_say(void **state)
{
    (void)state;
    struct rng rng;
    list_short_texts();
    rng_seed(&rng, 7);
    for (unsigned round = 0; round < 150; round++) {
        struct terms *t = fresh();
        struct language wanted;
        term a = random_term(t, &rng, 4, &wanted);
        for (int i = 0; i < SHORT_TEXTS; i++)
            if (term_takes(t, a, str_of(short_texts[i])) != wanted.has[i])
                fail_msg("round %u: '%s' should be %d", round, short_texts[i], wanted.has[i]);
        terms_free(t);
    }
}

/* Lists in lists, and two rules that call each other. */
static struct terms *lists(void)
{
    struct terms *t = fresh();
    uint32_t list = terms_add_rule(t), item = terms_add_rule(t), never = terms_add_rule(t);
    term more =
        term_repeat(t, term_cat(t, term_byte(t, ','), term_rule(t, item)), 0, TERM_ANY_NUMBER);
    term inner = term_optional(t, term_cat(t, term_rule(t, item), more));
    terms_set_rule(t, list, term_cat(t, term_byte(t, '['), term_cat(t, inner, term_byte(t, ']'))));
    term which[] = {term_rule(t, list), term_range(t, '0', '9'),
                    term_cat(t, term_byte(t, '!'), term_rule(t, never))};
    terms_set_rule(t, item, term_or_all(t, which, 3));
    terms_set_rule(t, never, term_cat(t, term_byte(t, 'x'), term_rule(t, never)));
    assert_int_equal(terms_finish(t, term_rule(t, list), NULL), 0);
    return t;
}

static void rules_call_each_other(void **state)
{
    (void)state;
    struct terms *grammar = lists(), *t = fresh();
    term root = terms_import(t, grammar);
    terms_free(grammar);
    takes(t, root, "[]");
    takes(t, root, "[1]");
    takes(t, root, "[[],[1,[2,3]],4]");
    refuses(t, root, "[[]");
    refuses(t, root, "[1,]");
    refuses(t, root, "[1]]");
    /* A rule that takes nothing is no way. */
    assert_int_equal(term_after(t, root, STR("[!")), TERM_NONE);
    assert_int_equal(terms_import(t, grammar), root);
    terms_free(t);
}

static void left_recursion_is_refused(void **state)
{
    (void)state;
    struct terms *t = fresh();
    uint32_t a = terms_add_rule(t), b = terms_add_rule(t), which = 99;
    terms_set_rule(t, a, term_cat(t, term_optional(t, term_byte(t, 'x')), term_rule(t, b)));
    terms_set_rule(t, b,
                   term_or(t, term_byte(t, 'y'), term_cat(t, term_rule(t, a), term_byte(t, 'z'))));
    assert_int_equal(terms_finish(t, term_rule(t, a), &which), ERR_INVALID);
    assert_true(which < 2);
    terms_free(t);
}

static void forced_bytes(void **state)
{
    (void)state;
    struct terms *t = fresh();
    term a = term_or(t, term_text(t, STR("hello world")), term_text(t, STR("hello there")));
    char text[32] = "";
    for (int c; (c = term_forced(t, a)) >= 0; a = term_next(t, a, (unsigned char)c))
        text[strlen(text)] = (char)c;
    assert_string_equal(text, "hello ");
    terms_free(t);
}

static void small_sets_fail(void **state)
{
    (void)state;
    struct terms *t = terms_new(16 * 1024);
    term a = TERM_EMPTY;
    for (int i = 0; i < 1000; i++)
        a = term_cat(t, term_byte(t, (unsigned char)i), a);
    assert_true(terms_failed(t));
    assert_int_equal(a, TERM_NONE);
    assert_int_equal(terms_finish(t, a, NULL), ERR_TOO_LARGE);
    assert_true(terms_bytes(t) <= 16 * 1024);
    terms_free(t);
}

/* --- masks: what the vocabulary's texts, one by one, say --- */

static const char *const texts[] = {
    "",     "a",    "b",  "ab",       "abc", "\"",  "\"a", "a\"",  "\",",  "\",\"",
    ",\"",  "\":",  "{",  "}",        "{\"", "[",   "]",   "[[",   "]]",   "1",
    "12",   "123",  "1,", ",1",       ",",   ":",   " ",   "aaaa", "a",    "é",
    "\xc3", "\xa9", "€",  "\xe2\x82", "€a",  "\"]", "1]",  "1],[", "a\"]",
};

static void check_masks(struct terms *grammar, unsigned steps, uint64_t seed)
{
    struct str all[ARRAY_LEN(texts)];
    struct rng rng;
    rng_seed(&rng, seed);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        all[i] = str_of(texts[i]);
    struct trie *trie = trie_new(all, ARRAY_LEN(texts));
    assert_non_null(trie);
    struct masks *m = masks_new(trie, ROOM);
    term root = terms_import(masks_terms(m), grammar), a = root;
    for (unsigned i = 0; i < steps; i++) {
        const uint64_t *bits = masks_of(m, a);
        unsigned may[ARRAY_LEN(texts)], count = 0;
        assert_non_null(bits);
        for (unsigned k = 0; k < ARRAY_LEN(texts); k++) {
            bool is = bits[k / 64] >> (k % 64) & 1;
            bool wanted = all[k].len && term_after(masks_terms(m), a, all[k]) != TERM_NONE;
            if (is != wanted) fail_msg("step %u: token '%s' is %d", i, texts[k], is);
            if (is) may[count++] = k;
        }
        assert_true(count || term_may_end(masks_terms(m), a));
        a = count ? term_after(masks_terms(m), a, all[may[rng_below(&rng, count)]]) : root;
    }
    masks_free(m);
    trie_free(trie);
}

static void masks_are_what_each_token_says(void **state)
{
    (void)state;
    struct terms *t = lists();
    check_masks(t, 2000, 1);
    terms_free(t);
    t = fresh();
    /* Counted characters, of one byte to three. */
    term more = term_range(t, 0x80, 0xbf), two = term_cat(t, term_byte(t, 0xc3), more);
    term three = term_cat(t, term_byte(t, 0xe2), term_cat(t, more, more));
    term chars = term_or(t, term_range(t, 'a', 'z'), term_or(t, two, three));
    term string =
        term_cat(t, term_byte(t, '"'), term_cat(t, term_repeat(t, chars, 3, 6), term_byte(t, '"')));
    term list =
        term_cat(t, term_byte(t, '['),
                 term_cat(t, string,
                          term_cat(t, term_repeat(t, term_cat(t, term_byte(t, ','), string), 0, 4),
                                   term_byte(t, ']'))));
    assert_int_equal(terms_finish(t, list, NULL), 0);
    check_masks(t, 2000, 2);
    terms_free(t);
    t = fresh();
    /* What goes on with what it repeats. */
    term as = term_repeat(t, term_byte(t, 'a'), 2, 4);
    term ends = term_or(t, term_text(t, STR("ab")), term_text(t, STR("\"")));
    assert_int_equal(terms_finish(t, term_cat(t, as, ends), NULL), 0);
    check_masks(t, 500, 3);
    terms_free(t);
    t = fresh();
    /* A JSON string, within which all plain text leads back to the same. */
    term quote = term_byte(t, '"'), any = term_repeat(t, chars_json_any(t), 0, TERM_ANY_NUMBER);
    term text = term_cat(t, quote, term_cat(t, any, quote));
    assert_int_equal(terms_finish(t, term_cat(t, text, term_byte(t, ',')), NULL), 0);
    check_masks(t, 500, 5);
    terms_free(t);
    t = fresh();
    /* AND and NOT, then more. */
    term word = term_repeat(t, term_range(t, 'a', 'c'), 0, 5);
    term some = term_and(t, word, term_not(t, term_text(t, STR("abc"))));
    term row = term_cat(t, some, term_repeat(t, term_cat(t, term_byte(t, ','), some), 0, 3));
    assert_int_equal(terms_finish(t, row, NULL), 0);
    check_masks(t, 2000, 4);
    terms_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_terms_are_one),
        cmocka_unit_test(repeats_have_bounds),
        cmocka_unit_test(ands_and_nots),
        cmocka_unit_test(multiples),
        cmocka_unit_test(terms_take_what_they_say),
        cmocka_unit_test(rules_call_each_other),
        cmocka_unit_test(left_recursion_is_refused),
        cmocka_unit_test(forced_bytes),
        cmocka_unit_test(small_sets_fail),
        cmocka_unit_test(masks_are_what_each_token_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
