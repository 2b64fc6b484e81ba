/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/mask_grammar.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/text/marks.h"

enum {
    BLANKS_MAX = 8,     /* bytes of white space behind thoughts: then the answer must begin */
    FORCED_BYTES = 256, /* of a text that must come, looked at in one go */
    ANSWER_MAX = 64 << 20,
    EFFORT_MAX = 1 << 22,   /* of finding out what may come next: others wait for it */
    EFFORT_MORE = 1 << 18,  /* of that, for each token that came */
    EFFORT_OF_A_BYTE = 256, /* of what has come, when it is gone through again */
};

struct mask_grammar {
    struct masker masker;
    struct terms *grammar;
    struct reasoning reasoning;  /* of all tokens so far, as they came */
    struct automaton *automaton; /* NULL: not attached */
    uint32_t generation;         /* the automaton's that `state` is of */
    term state;                  /* what may yet come of the answer */
    struct buf answer;           /* what has come of it */
    uint64_t effort;             /* that may still be spent: terms_limit_effort */
    size_t blanks;               /* bytes behind the thoughts that belong to nobody */
    bool ignore_ends;
    bool failed;    /* for good */
    bool exhausted; /* since it took too long */
    int32_t *named; /* control tokens whose names are text of the answer */
    uint32_t named_count;
    uint32_t end_count;
    float *saved; /* the ends' logits */
    int32_t ends[];
};

static struct terms *terms_of(const struct mask_grammar *g)
{
    return masks_terms(g->automaton->masks);
}

/* Makes `state` one of the automaton's present generation, anew where need be. False: there is no
 * memory for that. */
static bool follow(struct mask_grammar *g)
{
    if (g->failed || !g->automaton || !automaton_ready(g->automaton)) return false;
    terms_limit_effort(terms_of(g), g->effort);
    if (g->generation != g->automaton->generation) {
        terms_limit_effort(terms_of(g), g->effort + EFFORT_OF_A_BYTE * buf_len(&g->answer));
        g->generation = g->automaton->generation;
        term all = terms_import(terms_of(g), g->grammar);
        g->state = term_after(terms_of(g), all, buf_str(&g->answer));
        if (!masks_failed(g->automaton->masks)) terms_limit_effort(terms_of(g), g->effort);
    }
    return !masks_failed(g->automaton->masks);
}

static bool is_end(const struct mask_grammar *g, int32_t token)
{
    return tokens_have(g->ends, g->end_count, token);
}

static bool is_named(const struct mask_grammar *g, int32_t token)
{
    return tokens_have(g->named, g->named_count, token);
}

/* --- which tokens --- */

static void forbid_all(float *logits, uint32_t vocab)
{
    for (uint32_t i = 0; i < vocab; i++)
        logits[i] = -INFINITY;
}

static void forbid_word(float *logits, uint64_t allowed)
{
    for (uint64_t off = ~allowed; off; off &= off - 1)
        logits[__builtin_ctzll(off)] = -INFINITY;
}

/* All but what `bits` has. */
static void apply(const struct mask_grammar *g, const uint64_t *bits, float *logits, uint32_t vocab)
{
    uint32_t known = MIN(g->automaton->trie->vocab, vocab), whole = known / 64;
    for (uint32_t i = 0; i < whole; i++) {
        if (bits[i] == 0)
            forbid_all(logits + (size_t)i * 64, 64);
        else if (bits[i] != UINT64_MAX)
            forbid_word(logits + (size_t)i * 64, bits[i]);
    }
    for (uint32_t i = whole * 64; i < vocab; i++)
        if (i >= known || !(bits[i / 64] >> (i % 64) & 1)) logits[i] = -INFINITY;
}

static bool none(const struct mask_grammar *g, const uint64_t *bits)
{
    for (uint32_t i = 0; i < masks_words(g->automaton->masks); i++)
        if (bits[i]) return false;
    return true;
}

static void save_ends(struct mask_grammar *g, const float *logits)
{
    for (uint32_t i = 0; i < g->end_count; i++)
        g->saved[i] = logits[g->ends[i]];
}

static void set_ends(const struct mask_grammar *g, float *logits, bool allowed)
{
    for (uint32_t i = 0; i < g->end_count; i++)
        logits[g->ends[i]] = allowed ? g->saved[i] : -INFINITY;
}

/* Control tokens have no text for the vocabulary's walk. */
static void allow_named(const struct mask_grammar *g, term state, uint64_t *bits)
{
    char name[VOCAB_PIECE_MAX];
    for (uint32_t i = 0; i < g->named_count; i++) {
        size_t len = vocab_piece(g->automaton->vocab, g->named[i], true, name);
        if (len && term_after(terms_of(g), state, str_n(name, len)) != TERM_NONE)
            token_set_add(bits, g->named[i]);
    }
}

/* Tokens that go on with a marker of which `held` has come. */
static void allow_marker(const struct mask_grammar *g, struct str marker, struct str held,
                         uint64_t *bits)
{
    const struct trie *trie = g->automaton->trie;
    if (!marker.ptr || !str_starts(marker, held)) return;
    struct str rest = str_skip(marker, held.len);
    const struct vocab_special *special = vocab_special_at(g->automaton->vocab, rest);
    if (special && reasoning_reads_name(&g->reasoning, special->token))
        token_set_add(bits, special->token);
    for (size_t n = 1; n <= rest.len; n++) {
        uint32_t node = trie_find(trie, 0, str_sub(rest, 0, n));
        if (!node) return;
        trie_add_tokens(trie, node, bits);
    }
}

/* Tokens that go on with a marker that may come next. */
static void allow_markers(const struct mask_grammar *g, uint64_t *bits)
{
    const struct reasoning_markers *m = &g->reasoning.markers;
    struct str all = buf_str(&g->reasoning.held), held = str_skip(all, mark_blanks(all));
    if (g->reasoning.state == REASONING_BETWEEN) {
        allow_marker(g, m->turn, held, bits);
    } else {
        allow_marker(g, m->start, held, bits);
        allow_marker(g, m->answer, held, bits);
    }
}

/* What a state may go on with, for the present step; `marked`: or a marker. NULL: there is no room. */
static const uint64_t *bits_of(struct mask_grammar *g, term state, bool marked)
{
    const uint64_t *mask = automaton_mask(g->automaton, state);
    uint64_t *bits = g->automaton->spare;
    if (!mask || (!g->named_count && !marked)) return mask;
    memcpy(bits, mask, masks_words(g->automaton->masks) * sizeof *bits);
    allow_named(g, state, bits);
    if (marked) allow_markers(g, bits);
    return masks_failed(g->automaton->masks) ? NULL : bits;
}

/* These return false when the automaton had no room, and may then be asked again. */

/* Lets through what a state may go on with, and the end where it may end. */
static bool mask_state(struct mask_grammar *g, term state, bool marked, float *logits,
                       uint32_t vocab)
{
    const uint64_t *bits = bits_of(g, state, marked);
    if (!bits) return false;
    bool ends = term_may_end(terms_of(g), state) && (!g->ignore_ends || none(g, bits));
    apply(g, bits, logits, vocab);
    set_ends(g, logits, ends);
    return true;
}

/* White space behind thoughts is nobody's. */
static term with_blanks(struct mask_grammar *g)
{
    struct byte_set blanks = {0};
    for (const char *c = " \t\r\n"; *c; c++)
        byte_set_add(&blanks, (unsigned char)*c);
    struct terms *t = terms_of(g);
    term any = term_repeat(t, term_bytes(t, &blanks), 0, TERM_ANY_NUMBER);
    return term_cat(t, any, g->state);
}

static bool mask_answer(struct mask_grammar *g, float *logits, uint32_t vocab)
{
    bool blanks = g->reasoning.skips && g->blanks < BLANKS_MAX;
    return mask_state(g, blanks ? with_blanks(g) : g->state, false, logits, vocab);
}

/* --- before the answer --- */

/* Either a marker comes, or the answer, unless that needs one. */
static bool mask_before(struct mask_grammar *g, float *logits, uint32_t vocab)
{
    bool unmarked = g->reasoning.state == REASONING_START && !g->reasoning.markers.answer.ptr;
    struct str held = buf_str(&g->reasoning.held);
    term state = unmarked ? term_after(terms_of(g), g->state, held) : TERM_NONE;
    return mask_state(g, state, true, logits, vocab);
}

static bool may_begin(const struct mask_grammar *g, struct str text)
{
    text = str_skip(text, mark_blanks(text));
    return !text.len || term_after(terms_of(g), g->state, text) != TERM_NONE;
}

/* Tokens that end the thoughts and begin what the answer must not begin with: those below a node
 * where the marker is whole. `skip`: the marker's bytes in them. */
static void forbid_below(const struct mask_grammar *g, uint32_t node, size_t skip, float *logits)
{
    const struct trie *t = g->automaton->trie;
    char bytes[VOCAB_PIECE_MAX];
    uint32_t end = t->nodes[t->nodes[node].end].first_token;
    for (uint32_t i = t->nodes[node + 1].first_token; i < end; i++) {
        size_t len = vocab_piece(g->automaton->vocab, t->tokens[i], false, bytes);
        if (!may_begin(g, str_skip(str_n(bytes, len), skip))) logits[t->tokens[i]] = -INFINITY;
    }
}

static bool mask_thoughts(const struct mask_grammar *g, float *logits)
{
    struct str marker = g->reasoning.markers.end, held = buf_str(&g->reasoning.held);
    set_ends(g, logits, false);
    if (g->reasoning.markers.turn.ptr) return true; /* a marker follows */
    for (size_t n = 0; n < marker.len && n <= held.len; n++) {
        uint32_t node = trie_find(g->automaton->trie, 0, str_skip(marker, n));
        if (node && str_ends(held, str_sub(marker, 0, n)))
            forbid_below(g, node, marker.len - n, logits);
    }
    return !masks_failed(g->automaton->masks);
}

/* --- the masker --- */

static bool mask_now(struct mask_grammar *g, float *logits, uint32_t vocab)
{
    switch (g->reasoning.state) {
    case REASONING_START:
    case REASONING_BETWEEN: return mask_before(g, logits, vocab);
    case REASONING_THINKING: return mask_thoughts(g, logits);
    case REASONING_ANSWER: return mask_answer(g, logits, vocab);
    }
    return false;
}

/* What was spent is gone, and there is some more for the next token. */
static void take_effort(struct mask_grammar *g, uint64_t more)
{
    if (!g->automaton || !g->automaton->masks) return;
    uint64_t left = terms_effort_left(terms_of(g)) + more;
    g->effort = MIN(left, (uint64_t)EFFORT_MAX);
    g->exhausted = terms_exhausted(terms_of(g));
}

static void mask(struct masker *m, float *logits, uint32_t vocab)
{
    struct mask_grammar *g = CONTAINER_OF(m, struct mask_grammar, masker);
    save_ends(g, logits);
    /* Where others have filled the automaton, it has room the second time. */
    for (unsigned i = 0; i < 2 && !g->exhausted; i++) {
        bool done = follow(g) && mask_now(g, logits, vocab);
        take_effort(g, done ? EFFORT_MORE : 0);
        if (done) return;
    }
    g->failed = true;
    forbid_all(logits, vocab);
}

static void take_answer(struct mask_grammar *g, struct str text)
{
    bool follows = follow(g);
    if (buf_append(&g->answer, text)) g->failed = true;
    if (!follows) return; /* the next mask tries again */
    g->state = term_after(terms_of(g), g->state, text);
    g->failed |= g->state == TERM_NONE && !masks_failed(g->automaton->masks);
}

static void take_text(struct mask_grammar *g, struct str text)
{
    struct pieces pieces = {.count = 0};
    if (g->reasoning.state == REASONING_ANSWER && g->reasoning.skips) g->blanks += text.len;
    reasoning_feed(&g->reasoning, text, false, &pieces);
    for (unsigned i = 0; i < pieces.count; i++)
        if (pieces.all[i].kind == PIECE_CONTENT) take_answer(g, pieces.all[i].text);
}

static void accept(struct masker *m, int32_t token)
{
    struct mask_grammar *g = CONTAINER_OF(m, struct mask_grammar, masker);
    char bytes[VOCAB_PIECE_MAX];
    if (g->failed || is_end(g, token)) return;
    bool named = reasoning_reads_name(&g->reasoning, token) || is_named(g, token);
    take_text(g, str_n(bytes, vocab_piece(g->automaton->vocab, token, named, bytes)));
}

static void free_grammar(struct masker *m)
{
    struct mask_grammar *g = CONTAINER_OF(m, struct mask_grammar, masker);
    reasoning_fini(&g->reasoning);
    buf_fini(&g->answer);
    terms_free(g->grammar);
    free(g->named);
    free(g->saved);
    free(g);
}

struct mask_grammar *mask_grammar_new(const struct mask_grammar_options *options)
{
    const struct vocab_info *vocab = options->vocab;
    uint32_t count = vocab->end_count + options->own_count;
    struct mask_grammar *g = mem_must(sizeof *g + count * sizeof *g->ends);
    *g = (struct mask_grammar){
        .masker = {.mask = mask, .accept = accept, .free = free_grammar},
        .grammar = terms_share(options->grammar),
        .ignore_ends = options->ignore_ends,
        .effort = EFFORT_MAX,
        .end_count = count,
    };
    reasoning_init(&g->reasoning, options->markers, options->begun);
    buf_init(&g->answer, ANSWER_MAX);
    g->named_count = options->named_count;
    g->named = mem_must((g->named_count + 1) * sizeof *g->named);
    if (g->named_count) memcpy(g->named, options->named, g->named_count * sizeof *g->named);
    g->saved = mem_must((count + 1) * sizeof *g->saved);
    memcpy(g->ends, vocab->ends, vocab->end_count * sizeof *g->ends);
    if (options->own_count)
        memcpy(g->ends + vocab->end_count, options->own, options->own_count * sizeof *g->ends);
    return g;
}

struct masker *mask_grammar_masker(struct mask_grammar *g)
{
    return &g->masker;
}

void mask_grammar_attach(struct mask_grammar *g, struct automaton *automaton)
{
    g->automaton = automaton;
    (void)automaton_prepare(automaton);
}

bool mask_grammar_failed(const struct mask_grammar *g)
{
    return g->failed;
}

bool mask_grammar_exhausted(const struct mask_grammar *g)
{
    return g->exhausted;
}

bool mask_grammar_done(const struct mask_grammar *g)
{
    return !g->failed && g->generation && g->state == TERM_EMPTY &&
           g->reasoning.state == REASONING_ANSWER;
}

/* --- what must come --- */

/* The text that must come next, and the state behind it. */
static size_t forced_text(struct mask_grammar *g, char text[FORCED_BYTES], term *state)
{
    size_t n = 0;
    *state = g->state;
    for (int byte; n < FORCED_BYTES && (byte = term_forced(terms_of(g), *state)) >= 0; n++) {
        text[n] = (char)byte;
        *state = term_next(terms_of(g), *state, (unsigned char)byte);
    }
    return n;
}

/* True when some token has all of `text` and goes on: the model may want that one. */
static bool goes_beyond(const struct trie *t, struct str text)
{
    uint32_t node = trie_find(t, 0, text);
    return node && t->nodes[node].end > node + 1;
}

size_t mask_grammar_forced(struct mask_grammar *g, int32_t tokens[MASK_FORCED_MAX])
{
    char text[FORCED_BYTES], bytes[VOCAB_PIECE_MAX];
    int32_t all[FORCED_BYTES];
    size_t count = 0, n = 0;
    term behind;
    if (g->reasoning.state != REASONING_ANSWER || g->reasoning.skips || !follow(g)) return 0;
    struct str rest = str_n(text, forced_text(g, text, &behind));
    if (!rest.len || vocab_tokenize(g->automaton->vocab, rest, false, g->named_count > 0, all,
                                    FORCED_BYTES, &count))
        return 0;
    for (; n < MIN(count, (size_t)MASK_FORCED_MAX); n++) {
        bool named = is_named(g, all[n]);
        struct str piece = str_n(bytes, vocab_piece(g->automaton->vocab, all[n], named, bytes));
        if (behind != TERM_EMPTY && goes_beyond(g->automaton->trie, rest)) break;
        if (!piece.len || !str_starts(rest, piece) || is_end(g, all[n])) break;
        tokens[n] = all[n];
        rest = str_skip(rest, piece.len);
    }
    return n;
}
