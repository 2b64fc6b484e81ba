/* SPDX-License-Identifier: Apache-2.0 */
/* vocab.h on libllama. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "engine/model/llama_priv.h"

struct vocab {
    const struct llama_vocab *llama;
    struct vocab_info info;
    struct vocab_special *specials; /* longest name first, those of a length by name */
    size_t special_count;
    bool special_starts[256]; /* bytes that their names begin with */
    int32_t *ends;
    int32_t *suppressed;
};

/* --- what the file says --- */

static uint32_t longest_piece(const struct vocab *v)
{
    char piece[VOCAB_PIECE_MAX];
    int32_t longest = 1;
    for (llama_token t = 0; t < llama_vocab_n_tokens(v->llama); t++) {
        int32_t n = llama_token_to_piece(v->llama, t, piece, VOCAB_PIECE_MAX, 0, true);
        longest = MAX(longest, n < 0 ? -n : n);
    }
    return (uint32_t)longest;
}

static int longer_name_first(const void *a, const void *b)
{
    const struct vocab_special *x = a, *y = b;
    if (x->name.len != y->name.len) return x->name.len > y->name.len ? -1 : 1;
    return str_cmp(x->name, y->name);
}

static bool is_blank(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!strchr(" \t\n\r", s.ptr[i])) return false;
    return true;
}

static void read_specials(struct vocab *v)
{
    int control = LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN;
    for (llama_token t = 0; t < llama_vocab_n_tokens(v->llama); t++) {
        int attr = (int)llama_vocab_get_attr(v->llama, t);
        struct str name = str_of(llama_vocab_get_text(v->llama, t));
        if (!(attr & (control | LLAMA_TOKEN_ATTR_USER_DEFINED)) || is_blank(name)) continue;
        if (v->special_count % 256 == 0)
            v->specials =
                llama__must(realloc(v->specials, (v->special_count + 256) * sizeof *v->specials));
        v->special_starts[(unsigned char)name.ptr[0]] = true;
        v->specials[v->special_count++] = (struct vocab_special){
            name, t, (attr & control) != 0, (attr & LLAMA_TOKEN_ATTR_RSTRIP) != 0};
    }
    if (v->special_count)
        qsort(v->specials, v->special_count, sizeof *v->specials, longer_name_first);
}

static void read_ends(struct vocab *v)
{
    for (llama_token t = 0; t < llama_vocab_n_tokens(v->llama); t++) {
        if (!llama_vocab_is_eog(v->llama, t)) continue;
        v->ends = llama__must(realloc(v->ends, (v->info.end_count + 1) * sizeof *v->ends));
        v->ends[v->info.end_count++] = t;
    }
    v->info.ends = v->ends;
}

/* Those that are none of its tokens are nothing to suppress. */
static void read_suppressed(struct vocab *v)
{
    int32_t count = 0;
    const llama_token *tokens = llama_vocab_get_suppress_tokens(v->llama, &count);
    if (count <= 0) return;
    v->suppressed = llama__must(calloc((size_t)count, sizeof *v->suppressed));
    for (int32_t i = 0; i < count; i++)
        if (tokens[i] >= 0 && (uint32_t)tokens[i] < v->info.count)
            v->suppressed[v->info.suppressed_count++] = tokens[i];
    v->info.suppressed = v->suppressed;
}

/* What the model wants around a text: all that is left of an empty one. */
static void read_wrapping(struct vocab *v)
{
    llama_token t[2];
    int32_t n = llama_tokenize(v->llama, "", 0, t, 2, true, false);
    bool begins = n == 2 || (n == 1 && llama_vocab_get_add_bos(v->llama));
    v->info.begin = begins ? t[0] : -1;
    v->info.end = n == 1 + begins ? t[n - 1] : -1;
}

/* Tokenizers that put a space before a text do it before each part of one, too. */
static bool cuts_words(const struct vocab *v)
{
    llama_token whole[16], parts[16];
    int32_t n = llama_tokenize(v->llama, "of words", 8, whole, 16, false, false);
    int32_t a = llama_tokenize(v->llama, "of", 2, parts, 8, false, false);
    int32_t b = a < 0 ? -1 : llama_tokenize(v->llama, " words", 6, parts + a, 16 - a, false, false);
    return b > 0 && n == a + b && memcmp(whole, parts, (size_t)n * sizeof *whole) == 0;
}

static void read_between(struct vocab *v)
{
    llama_token sep = llama_vocab_sep(v->llama), eos = llama_vocab_eos(v->llama);
    if (llama_vocab_get_add_eos(v->llama) && eos >= 0)
        v->info.between[v->info.between_count++] = eos;
    if (llama_vocab_get_add_sep(v->llama) && sep >= 0)
        v->info.between[v->info.between_count++] = sep;
}

static struct str name_of(const struct vocab *v, llama_token token)
{
    return token < 0 ? STR("") : str_of(llama_vocab_get_text(v->llama, token));
}

struct vocab *llama__vocab_new(const struct llama_model *llama)
{
    struct vocab *v = llama__must(calloc(1, sizeof *v));
    v->llama = llama_model_get_vocab(llama);
    v->info.count = (uint32_t)MAX(llama_vocab_n_tokens(v->llama), 0);
    v->info.piece_max = longest_piece(v);
    read_specials(v);
    read_ends(v);
    read_suppressed(v);
    read_wrapping(v);
    read_between(v);
    v->info.cuts_words = cuts_words(v);
    v->info.bos_name = name_of(v, llama_vocab_bos(v->llama));
    v->info.eos_name = name_of(v, llama_vocab_eos(v->llama));
    return v;
}

void llama__vocab_free(struct vocab *v)
{
    if (!v) return;
    free(v->specials);
    free(v->ends);
    free(v->suppressed);
    free(v);
}

const struct vocab_info *vocab_info(const struct vocab *v)
{
    return &v->info;
}

/* --- tokens --- */

int vocab_tokenize(const struct vocab *v, struct str text, bool add_special, bool parse_special,
                   int32_t *tokens, size_t max, size_t *count)
{
    if (text.len > INT32_MAX || max > INT32_MAX) return ERR_TOO_LARGE;
    int32_t n = llama_tokenize(v->llama, text.len ? text.ptr : "", (int32_t)text.len, tokens,
                               (int32_t)max, add_special, parse_special);
    if (n == INT32_MIN) {
        *count = text.len;
        return ERR_TOO_LARGE;
    }
    *count = (size_t)(n < 0 ? -n : n);
    return n < 0 ? ERR_TOO_LARGE : 0;
}

size_t vocab_piece(const struct vocab *v, int32_t token, bool special, char out[VOCAB_PIECE_MAX])
{
    int32_t n = llama_token_to_piece(v->llama, token, out, VOCAB_PIECE_MAX, 0, special);
    return n > 0 ? (size_t)n : 0;
}

bool vocab_is_end(const struct vocab *v, int32_t token)
{
    return llama_vocab_is_eog(v->llama, token);
}

/* Past those with names as long as the one at `first`. */
static size_t end_of_length(const struct vocab *v, size_t first)
{
    size_t len = v->specials[first].name.len;
    size_t low = first, high = v->special_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (v->specials[middle].name.len == len)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct vocab_special *vocab_special_at(const struct vocab *v, struct str text)
{
    if (!text.len || !v->special_starts[(unsigned char)text.ptr[0]]) return NULL;
    for (size_t first = 0, next; first < v->special_count; first = next) {
        const struct vocab_special wanted = {.name = str_sub(text, 0, v->specials[first].name.len)};
        next = end_of_length(v, first);
        if (wanted.name.len < v->specials[first].name.len) continue;
        const struct vocab_special *found =
            bsearch(&wanted, v->specials + first, next - first, sizeof wanted, longer_name_first);
        if (found) return found;
    }
    return NULL;
}
