/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/bench_prompt.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { WORD_MAX = 8 };

static const char *const words[] = {
    "the",   "of",    "and",   "to",    "in",    "is",    "that",  "for",  "it",    "as",    "was",
    "with",  "be",    "by",    "on",    "not",   "he",    "this",  "are",  "or",    "his",   "from",
    "at",    "which", "but",   "have",  "an",    "had",   "they",  "you",  "were",  "their", "one",
    "all",   "we",    "can",   "her",   "has",   "there", "been",  "if",   "more",  "when",  "will",
    "would", "who",   "so",    "no",    "out",   "up",    "said",  "what", "its",   "about", "than",
    "into",  "them",  "only",  "other", "new",   "some",  "could", "time", "these", "two",   "may",
    "then",  "do",    "first", "any",   "my",    "now",   "such",  "like", "our",   "over",  "man",
    "me",    "even",  "most",  "made",  "after", "also",  "did",   "many", "off",   "must",  "well",
    "back",  "years", "much",  "where", "your",  "way",   "down",  "good", "day",   "see",   "work",
    "long",  "world", "hand",  "house", "water",
};

void bench_words_init(struct bench_words *w, uint64_t seed)
{
    struct rng rng;
    uint32_t end = 0;
    rng_seed(&rng, seed);
    w->text = mem_must((size_t)BENCH_WORDS * WORD_MAX);
    for (size_t i = 0; i < BENCH_WORDS; i++) {
        const char *word = words[rng_below(&rng, ARRAY_LEN(words))];
        size_t len = strlen(word);
        w->starts[i] = end;
        memcpy(w->text + end, word, len);
        w->text[end + len] = ' ';
        end += (uint32_t)len + 1;
    }
    w->starts[BENCH_WORDS] = end;
}

void bench_words_fini(struct bench_words *w)
{
    free(w->text);
}

static struct str run(const struct bench_words *w, uint32_t first, uint32_t count)
{
    return str_n(w->text + w->starts[first], w->starts[first + count] - w->starts[first]);
}

int bench_words_prompt(const struct bench_words *w, struct rng *rng, uint64_t number,
                       uint32_t shared, uint32_t count, struct buf *out)
{
    count = MIN(count, (uint32_t)BENCH_PROMPT_MAX);
    shared = MIN(shared, count);
    int err = buf_append(out, run(w, 0, shared));
    if (err || shared == count) return err;
    err = buf_printf(out, "%llu ", (unsigned long long)number);
    uint32_t rest = count - shared - 1;
    if (err || rest == 0) return err;
    uint32_t first = (uint32_t)rng_below(rng, BENCH_WORDS - rest);
    return buf_append(out, run(w, first, rest));
}
