/* SPDX-License-Identifier: Apache-2.0 */
/* What the masks of grammars cost, for bench/grammars.py.
 *
 *     grammar-masks VOCABULARY <lines
 *
 * VOCABULARY has a line for each token: its bytes in base64, and whatever follows a blank. Each line
 * of the input is an object: `schema` or `regex`, and `text`, which is taken by it. The text is cut
 * into tokens, always the longest, and the mask of each state between them is made, as an engine
 * does. Times are in microseconds; the result is one line of JSON for each line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/err.h"
#include "engine/grammar/grammar.h"
#include "engine/grammar/masks.h"

enum {
    VOCABULARY_MAX = 1 << 20,
    DOCUMENT_MAX = 64 << 20,
    MASKS_BYTES = 256 << 20,
    TIMES_MAX = 1 << 20,
    ARENA_BLOCK = 64 << 10,
};

struct times {
    double *all;
    size_t count;
    double sum;
};

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void fail(const char *what)
{
    (void)fprintf(stderr, "grammar-masks: %s\n", what);
    exit(1);
}

static void *take(size_t count, size_t size)
{
    void *out = calloc(count, size);
    if (!out) fail("no memory");
    return out;
}

/* --- the vocabulary --- */

static struct str read_token(char *line)
{
    struct str text = str_n(line, strcspn(line, " \r\n"));
    char *bytes = take(BASE64_ROOM(text.len), 1);
    ptrdiff_t len = base64_read(text, bytes);
    if (len < 0) fail("a token is not base64");
    return str_n(bytes, (size_t)len);
}

static struct trie *read_vocabulary(const char *path)
{
    FILE *f = fopen(path, "r");
    struct str *texts = take(VOCABULARY_MAX, sizeof *texts);
    char *line = NULL;
    size_t room = 0;
    uint32_t count = 0;
    if (!f) fail("the vocabulary cannot be opened");
    while (count < VOCABULARY_MAX && getline(&line, &room, f) >= 0)
        texts[count++] = read_token(line);
    (void)fclose(f);
    free(line);
    struct trie *t = trie_new(texts, count);
    if (!t) fail("no memory");
    for (uint32_t i = 0; i < count; i++)
        free((void *)(uintptr_t)texts[i].ptr);
    free(texts);
    return t;
}

/* Bytes of the longest token that the text begins with; *token is one. */
static size_t longest_token(const struct trie *t, struct str text, int32_t *token)
{
    size_t longest = 0;
    uint32_t node = 0;
    for (size_t i = 0; i < text.len; i++) {
        node = trie_find(t, node, str_n(text.ptr + i, 1));
        if (!node) break;
        if (t->nodes[node].first_token == t->nodes[node + 1].first_token) continue;
        longest = i + 1;
        *token = t->tokens[t->nodes[node].first_token];
    }
    return longest;
}

/* --- one grammar --- */

static void measure(struct masks *m, term state, struct times *times)
{
    double started = now();
    const uint64_t *bits = masks_of(m, state);
    double took = now() - started;
    if (!bits || times->count == TIMES_MAX) fail("no room for a mask");
    times->all[times->count++] = took;
    times->sum += took;
}

/* False: the text is not taken. */
static bool walk(struct masks *m, const struct trie *trie, term state, struct str text,
                 struct times *times)
{
    while (text.len) {
        int32_t token = 0;
        size_t len = longest_token(trie, text, &token);
        if (!len) fail("the vocabulary has no token for a byte");
        measure(m, state, times);
        if (!(masks_of(m, state)[token / 64] >> (token % 64) & 1)) return false;
        state = term_after(masks_terms(m), state, str_n(text.ptr, len));
        text = str_skip(text, len);
    }
    measure(m, state, times);
    return term_may_end(masks_terms(m), state);
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void tell(const struct times *times, double compile_us, bool taken)
{
    qsort(times->all, times->count, sizeof *times->all, compare);
    (void)printf("{\"compile_us\": %.1f, \"taken\": %s, \"masks\": %zu, \"mean_us\": %.2f, "
                 "\"p99_us\": %.1f, \"max_us\": %.1f, \"times_us\": [",
                 compile_us, taken ? "true" : "false", times->count,
                 times->sum / (double)times->count, times->all[(times->count - 1) * 99 / 100],
                 times->all[times->count - 1]);
    for (size_t i = 0; i < times->count; i++)
        (void)printf(i ? ",%.1f" : "%.1f", times->all[i]);
    (void)printf("]}\n");
}

static struct grammar_spec spec_of(const struct json *line)
{
    struct grammar_spec s = {.kind = GRAMMAR_SCHEMA, .json = json_get(line, "schema")};
    if (json_to_str(json_get(line, "regex"), &s.text)) s.kind = GRAMMAR_REGEX;
    return s;
}

static void run_line(struct masks *m, const struct trie *trie, const struct json *line,
                     struct arena *arena)
{
    struct grammar_spec spec = spec_of(line);
    struct grammar_why why = {.arena = arena};
    struct terms *grammar = NULL;
    struct str text = STR("");
    struct times times = {.all = take(TIMES_MAX, sizeof *times.all)};
    double started = now();
    int err = grammar_compile(&spec, &why, &grammar);
    double compiled = now() - started;
    if (err) {
        (void)printf("{\"compile_us\": %.1f, \"refused\": true}\n", compiled);
    } else if (json_to_str(json_get(line, "text"), &text)) {
        bool taken = walk(m, trie, terms_import(masks_terms(m), grammar), text, &times);
        tell(&times, compiled, taken);
    } else {
        fail("a line has no text");
    }
    terms_free(grammar);
    free(times.all);
}

int main(int argc, char **argv)
{
    char *text = NULL;
    size_t room = 0;
    ssize_t len;
    if (argc != 2) fail("usage: grammar-masks VOCABULARY <lines");
    struct trie *trie = read_vocabulary(argv[1]);
    struct masks *m = masks_new(trie, MASKS_BYTES);
    if (!m) fail("no memory");
    grammar_prepare(m); /* as an engine does before its first request */
    while ((len = getline(&text, &room, stdin)) >= 0) {
        struct arena arena;
        const struct json *line = NULL;
        arena_init(&arena, DOCUMENT_MAX, ARENA_BLOCK);
        if (json_parse(&arena, str_n(text, (size_t)len), &line, NULL)) fail("a line is not JSON");
        run_line(m, trie, line, &arena);
        arena_fini(&arena);
    }
    free(text);
    masks_free(m);
    trie_free(trie);
    return 0;
}
