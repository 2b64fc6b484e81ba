/* SPDX-License-Identifier: Apache-2.0 */
/* model.h on libllama: the only file that sees llama.h. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ggml-backend.h>
#include <llama.h>

#include "base/err.h"
#include "engine/blas.h"
#include "engine/gguf.h"
#include "engine/model.h"
#include "obs/log.h"

enum {
    UBATCH_MAX = 512,
    EMBED_MAX = 2048,
    REASON_MAX = 256,
};

struct model {
    struct model_info info;
    struct model_options options;
    struct llama_model *llama;
    const struct llama_vocab *vocab;
    struct llama_context *context;
    llama_memory_t memory;
    struct llama_context *embed_context; /* made at first use */
    unsigned threads;
    struct blas blas;
    /* What libllama chooses a built-in template by: the file's own one, or a name. */
    const char *chat_template;
    struct model_special *specials; /* longest name first, those of a length by name */
    size_t special_count;
    bool special_starts[256]; /* bytes that their names begin with */
    int32_t *ends;
    bool recurrent; /* its state cannot be cut */
    /* The arrays of one batch, info.batch long. */
    llama_token *tokens;
    llama_pos *positions;
    int32_t *seq_counts;
    llama_seq_id *seqs;
    llama_seq_id **seq_ptrs;
    int8_t *wants;
    /* When a batch was decoded in pieces: where the last one begins, and the logits before it. */
    size_t last_piece;
    float *kept;
};

static void *must(void *ptr)
{
    if (!ptr) abort();
    return ptr;
}

/* --- what libllama says --- */

/* The first error that it logged, for the line that says why loading failed. libllama's log has no
 * owner to pass it to but a global; loading happens once per process. */
static struct {
    pthread_mutex_t lock;
    char text[REASON_MAX];
    const char *path; /* while loading */
} reason = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void on_log(enum ggml_log_level level, const char *text, void *user UNUSED)
{
    struct str line = str_trim(str_n(text, strcspn(text, "\n")));
    if (line.len < 3) return;
    if (level != GGML_LOG_LEVEL_ERROR) {
        /* Its own debug level tells of each tensor. */
        if (level == GGML_LOG_LEVEL_INFO || level == GGML_LOG_LEVEL_WARN)
            log_note(LOG_DEBUG, "libllama", "%.*s", STR_ARG(line));
        return;
    }
    pthread_mutex_lock(&reason.lock);
    if (!reason.text[0]) (void)snprintf(reason.text, sizeof reason.text, "%.*s", STR_ARG(line));
    bool loading = reason.path != NULL;
    pthread_mutex_unlock(&reason.lock);
    if (!loading) log_note(LOG_ERROR, "libllama", "%.*s", STR_ARG(line));
}

/* libllama's assertions end the process. While loading, a bad file is the cause, and said so. */
static void on_abort(const char *text)
{
    fprintf(stderr, "hostler-engine: %s%s%.*s\n", reason.path ? reason.path : "",
            reason.path ? ": " : "", (int)strcspn(text, "\n"), text);
    if (reason.path) _exit(1);
}

static int fail(char why[MODEL_WHY_MAX], const char *path, int err, const char *text)
{
    pthread_mutex_lock(&reason.lock);
    const char *more = reason.text;
    /* Its errors say more than ours, but begin with the name of a function. */
    const char *colon = strstr(more, ": ");
    if (colon) more = colon + 2;
    (void)snprintf(why, MODEL_WHY_MAX, "%s: %s%s%s", path, text, *more ? ": " : "", more);
    reason.path = NULL;
    pthread_mutex_unlock(&reason.lock);
    return err;
}

static void load_backends(void)
{
    const char *folder = getenv("HOSTLER_GGML_BACKENDS");
    llama_log_set(on_log, NULL);
    ggml_set_abort_callback(on_abort);
    if (folder && *folder)
        ggml_backend_load_all_from_path(folder);
    else
        ggml_backend_load_all();
    llama_backend_init();
}

/* --- what the file says --- */

static bool meta(const struct model *m, const char *key, char *out, size_t size)
{
    return llama_model_meta_val_str(m->llama, key, out, size) > 0;
}

static float meta_float(const struct model *m, enum llama_model_meta_key id)
{
    char text[64];
    double v;
    const char *key = llama_model_meta_key_str(id);
    if (!key || !meta(m, key, text, sizeof text) || str_to_double(str_of(text), &v)) return -1;
    return (float)v;
}

static uint64_t meta_number(const struct model *m, const char *suffix, uint64_t otherwise)
{
    char key[160], text[64];
    uint64_t n;
    (void)snprintf(key, sizeof key, "%s.%s", m->info.arch, suffix);
    return meta(m, key, text, sizeof text) && !str_to_u64(str_of(text), &n) ? n : otherwise;
}

static size_t kv_row_bytes(enum model_kv kv, uint64_t elements)
{
    switch (kv) {
    case MODEL_KV_F32: return elements * 4;
    case MODEL_KV_Q8_0: return elements / 32 * 34;
    case MODEL_KV_F16: break;
    }
    return elements * 2;
}

static uint64_t slot_bytes(const struct model *m)
{
    uint64_t heads = (uint64_t)MAX(llama_model_n_head(m->llama), 1);
    uint64_t head = (uint64_t)llama_model_n_embd(m->llama) / heads;
    uint64_t kv_heads = (uint64_t)MAX(llama_model_n_head_kv(m->llama), 1);
    uint64_t k = meta_number(m, "attention.key_length", head) * kv_heads;
    uint64_t v = meta_number(m, "attention.value_length", head) * kv_heads;
    uint64_t layers = (uint64_t)llama_model_n_layer(m->llama);
    return (kv_row_bytes(m->options.kv, k) + kv_row_bytes(m->options.kv, v)) * layers *
           m->info.context;
}

static uint32_t longest_piece(const struct model *m)
{
    char piece[MODEL_PIECE_MAX];
    int32_t longest = 1;
    for (llama_token t = 0; t < llama_vocab_n_tokens(m->vocab); t++) {
        int32_t n = llama_token_to_piece(m->vocab, t, piece, MODEL_PIECE_MAX, 0, true);
        longest = MAX(longest, n < 0 ? -n : n);
    }
    return (uint32_t)longest;
}

static int longer_name_first(const void *a, const void *b)
{
    const struct model_special *x = a, *y = b;
    if (x->name.len != y->name.len) return x->name.len > y->name.len ? -1 : 1;
    return str_cmp(x->name, y->name);
}

static bool is_blank(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!strchr(" \t\n\r", s.ptr[i])) return false;
    return true;
}

static void read_specials(struct model *m)
{
    int control = LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN;
    for (llama_token t = 0; t < llama_vocab_n_tokens(m->vocab); t++) {
        int attr = (int)llama_vocab_get_attr(m->vocab, t);
        struct str name = str_of(llama_vocab_get_text(m->vocab, t));
        if (!(attr & (control | LLAMA_TOKEN_ATTR_USER_DEFINED)) || is_blank(name)) continue;
        if (m->special_count % 256 == 0)
            m->specials =
                must(realloc(m->specials, (m->special_count + 256) * sizeof *m->specials));
        m->special_starts[(unsigned char)name.ptr[0]] = true;
        m->specials[m->special_count++] = (struct model_special){
            name, t, (attr & control) != 0, (attr & LLAMA_TOKEN_ATTR_RSTRIP) != 0};
    }
    if (m->special_count)
        qsort(m->specials, m->special_count, sizeof *m->specials, longer_name_first);
}

static void read_ends(struct model *m)
{
    for (llama_token t = 0; t < llama_vocab_n_tokens(m->vocab); t++) {
        if (!llama_vocab_is_eog(m->vocab, t)) continue;
        m->ends = must(realloc(m->ends, (m->info.end_count + 1) * sizeof *m->ends));
        m->ends[m->info.end_count++] = t;
    }
    m->info.ends = m->ends;
}

/* What the model wants around a text: all that is left of an empty one. */
static void read_wrapping(struct model *m)
{
    llama_token t[2];
    int32_t n = llama_tokenize(m->vocab, "", 0, t, 2, true, false);
    bool begins = n == 2 || (n == 1 && llama_vocab_get_add_bos(m->vocab));
    m->info.begin = begins ? t[0] : -1;
    m->info.end = n == 1 + begins ? t[n - 1] : -1;
}

/* Tokenizers that put a space before a text do it before each part of one, too. */
static bool cuts_words(const struct model *m)
{
    llama_token whole[16], parts[16];
    int32_t n = llama_tokenize(m->vocab, "of words", 8, whole, 16, false, false);
    int32_t a = llama_tokenize(m->vocab, "of", 2, parts, 8, false, false);
    int32_t b = a < 0 ? -1 : llama_tokenize(m->vocab, " words", 6, parts + a, 16 - a, false, false);
    return b > 0 && n == a + b && memcmp(whole, parts, (size_t)n * sizeof *whole) == 0;
}

static void read_info(struct model *m)
{
    struct model_info *info = &m->info;
    const struct model_options *o = &m->options;
    if (!meta(m, "general.architecture", info->arch, sizeof info->arch))
        (void)snprintf(info->arch, sizeof info->arch, "unknown");
    (void)llama_model_desc(m->llama, info->description, sizeof info->description);
    info->vocab = (uint32_t)llama_vocab_n_tokens(m->vocab);
    info->piece_max = longest_piece(m);
    info->embedding = (uint32_t)llama_model_n_embd_out(m->llama);
    info->context_train = (uint32_t)llama_model_n_ctx_train(m->llama);
    info->context =
        o->context ? o->context : MIN(info->context_train, (uint32_t)MODEL_CONTEXT_DEFAULT);
    info->embed_max = MIN(info->context_train, (uint32_t)EMBED_MAX);
    info->slots = o->slots;
    info->batch = MAX(o->batch, o->slots);
    if (m->blas.used && blas_from(&m->blas, m->threads) != BLAS_NEVER)
        info->blas_from = blas_from(&m->blas, m->threads);
    info->params = llama_model_n_params(m->llama);
    info->bytes = llama_model_size(m->llama);
    info->slot_bytes = slot_bytes(m);
    info->copies = !m->recurrent;
    read_specials(m);
    read_ends(m);
    read_wrapping(m);
    info->cuts_words = cuts_words(m);
    float top_k = meta_float(m, LLAMA_MODEL_META_KEY_SAMPLING_TOP_K);
    info->sampling = (struct model_sampling){
        .temperature = meta_float(m, LLAMA_MODEL_META_KEY_SAMPLING_TEMP),
        .top_p = meta_float(m, LLAMA_MODEL_META_KEY_SAMPLING_TOP_P),
        .min_p = meta_float(m, LLAMA_MODEL_META_KEY_SAMPLING_MIN_P),
        .repeat_penalty = meta_float(m, LLAMA_MODEL_META_KEY_SAMPLING_PENALTY_REPEAT),
        .top_k = (int32_t)top_k,
    };
}

static bool renders_alike(const char *one, const char *other)
{
    static const struct llama_chat_message probe[] = {
        {"system", " s "}, {"user", " u "}, {"assistant", " a "}, {"user", "u"}};
    char a[1024], b[sizeof a];
    int32_t n = llama_chat_apply_template(one, probe, 4, true, a, sizeof a);
    return n > 0 && n <= (int32_t)sizeof a &&
           llama_chat_apply_template(other, probe, 4, true, b, sizeof b) == n &&
           memcmp(a, b, (size_t)n) == 0;
}

/* libllama does not tell which of its templates it takes for a file's, so the first
 * that gives the same is found. */
static const char *name_template(const char *text)
{
    const char *names[128];
    int32_t count = llama_chat_builtin_templates(names, ARRAY_LEN(names));
    for (int32_t i = 0; i < MIN(count, (int32_t)ARRAY_LEN(names)); i++)
        if (renders_alike(names[i], text)) return names[i];
    return "template";
}

static void choose_template(struct model *m)
{
    const struct llama_chat_message probe = {"user", "x"};
    const char *own = llama_model_chat_template(m->llama, NULL);
    bool known = own && llama_chat_apply_template(own, &probe, 1, true, NULL, 0) > 0;
    m->chat_template = known ? own : "chatml";
    m->info.template_found = known ? MODEL_TEMPLATE_FAMILY
                             : own ? MODEL_TEMPLATE_UNKNOWN
                                   : MODEL_TEMPLATE_NONE;
    (void)snprintf(m->info.chat_template, sizeof m->info.chat_template, "built-in %s",
                   name_template(m->chat_template));
}

/* --- loading --- */

/* What the kernel could give us without swapping, bytes; UINT64_MAX when it does not say. */
static uint64_t memory_available(void)
{
    unsigned long long kib;
    char line[128];
    uint64_t bytes = UINT64_MAX;
    FILE *f = fopen("/proc/meminfo", "re");
    if (!f) return bytes;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1) bytes = (uint64_t)kib * 1024;
    }
    fclose(f);
    return bytes;
}

static enum ggml_type kv_type(enum model_kv kv)
{
    static const enum ggml_type types[] = {GGML_TYPE_F16, GGML_TYPE_F32, GGML_TYPE_Q8_0};
    return types[kv];
}

static int open_context(struct model *m)
{
    struct llama_context_params p = llama_context_default_params();
    p.n_ctx = m->info.context * m->info.slots;
    p.n_batch = m->info.batch;
    p.n_ubatch = MIN(m->info.batch, (uint32_t)UBATCH_MAX);
    p.n_seq_max = m->info.slots;
    p.n_outputs_max = m->info.slots;
    p.n_threads = p.n_threads_batch = (int32_t)m->threads;
    p.type_k = p.type_v = kv_type(m->options.kv);
    p.kv_unified = false;
    p.no_perf = true;
    m->context = llama_init_from_model(m->llama, p);
    if (!m->context) return -ENOMEM;
    m->memory = llama_get_memory(m->context);
    m->info.context = MIN(m->info.context, llama_n_ctx_seq(m->context));
    return m->memory ? 0 : ERR_UNSUPPORTED;
}

static void make_arrays(struct model *m)
{
    size_t n = m->info.batch;
    m->tokens = must(calloc(n, sizeof *m->tokens));
    m->positions = must(calloc(n, sizeof *m->positions));
    m->seq_counts = must(calloc(n, sizeof *m->seq_counts));
    m->seqs = must(calloc(n, sizeof *m->seqs));
    m->seq_ptrs = must(calloc(n, sizeof *m->seq_ptrs));
    m->wants = must(calloc(n, sizeof *m->wants));
    for (size_t i = 0; i < n; i++) {
        m->seq_counts[i] = 1;
        m->seq_ptrs[i] = &m->seqs[i];
    }
    /* Its pages come with their use. */
    if (m->blas.used)
        m->kept = must(malloc((size_t)m->info.slots * m->info.vocab * sizeof *m->kept));
}

/* One step before anybody waits for one: it brings the weights in, and what in the file only fails
 * there, or computes no numbers, is an error of loading still. */
static int warm_up(struct model *m)
{
    llama_token bos = llama_vocab_bos(m->vocab);
    const struct model_item item = {.token = MAX(bos, 0), .logits = true};
    if (llama_model_has_encoder(m->llama)) return 0;
    if (model_decode(m, &item, 1)) return ERR_INVALID;
    const float *logits = model_logits(m, 0);
    bool any = false;
    for (uint32_t i = 0; logits && i < m->info.vocab; i++)
        any |= isfinite(logits[i]);
    llama_memory_clear(m->memory, false);
    return any ? 0 : ERR_INVALID;
}

/* Small models are read into memory of their own, which can be in large pages; those that would
 * fill the machine are mapped, so that the kernel may take pages back and processes share them. */
static enum llama_load_mode load_mode_for(const char *path)
{
    struct stat st;
    if (stat(path, &st)) return LLAMA_LOAD_MODE_AUTO;
    return (uint64_t)st.st_size < memory_available() / 4 ? LLAMA_LOAD_MODE_NONE
                                                         : LLAMA_LOAD_MODE_AUTO;
}

static int load_weights(struct model *m, char why[MODEL_WHY_MAX])
{
    const char *path = m->options.path;
    char text[GGUF_WHY_MAX] = "";
    int err = gguf_check_file(path, text);
    if (err) return fail(why, path, err, text);
    load_backends();
    if (!ggml_backend_reg_count())
        return fail(why, path, ERR_UNSUPPORTED, "no compute back end of ggml was found");
    m->blas = blas_choose(path, m->threads, m->options.blas);
    struct llama_model_params params = llama_model_default_params();
    params.load_mode = load_mode_for(path);
    m->llama = llama_model_load_from_file(path, params);
    if (!m->llama) return fail(why, path, ERR_INVALID, "the model cannot be loaded");
    m->vocab = llama_model_get_vocab(m->llama);
    if (llama_vocab_n_tokens(m->vocab) < 1)
        return fail(why, path, ERR_UNSUPPORTED, "the model has no vocabulary");
    m->recurrent = llama_model_is_recurrent(m->llama) || llama_model_is_hybrid(m->llama);
    return 0;
}

int model_load(const struct model_options *options, struct model **out, char why[MODEL_WHY_MAX])
{
    struct model *m = must(calloc(1, sizeof *m));
    m->options = *options;
    m->threads = options->threads;
    reason.path = options->path;
    int err = load_weights(m, why);
    if (err) goto out;
    read_info(m);
    uint64_t cache = m->info.slot_bytes * m->info.slots;
    if (cache > memory_available()) {
        char text[160];
        (void)snprintf(text, sizeof text,
                       "no memory for the KV cache: %llu MiB for %u slots of %u tokens",
                       (unsigned long long)(cache >> 20), m->info.slots, m->info.context);
        err = fail(why, options->path, -ENOMEM, text);
        goto out;
    }
    choose_template(m);
    err = open_context(m);
    if (err) {
        err = fail(why, options->path, err,
                   err == ERR_UNSUPPORTED ? "the model does not generate text"
                                          : "no context could be made");
        goto out;
    }
    make_arrays(m);
    if (warm_up(m)) {
        err = fail(why, options->path, ERR_INVALID, "the model does not compute");
        goto out;
    }
    pthread_mutex_lock(&reason.lock);
    reason.path = NULL;
    pthread_mutex_unlock(&reason.lock);
    *out = m;
out:
    if (err) model_free(m);
    return err;
}

void model_free(struct model *m)
{
    if (!m) return;
    if (m->embed_context) llama_free(m->embed_context);
    if (m->context) llama_free(m->context);
    if (m->llama) llama_model_free(m->llama);
    free(m->tokens);
    free(m->positions);
    free(m->seq_counts);
    free(m->seqs);
    free(m->seq_ptrs);
    free(m->wants);
    free(m->kept);
    free(m->specials);
    free(m->ends);
    free(m);
}

const struct model_info *model_info(const struct model *m)
{
    return &m->info;
}

/* --- vocabulary --- */

int model_tokenize(const struct model *m, struct str text, bool add_special, bool parse_special,
                   int32_t *tokens, size_t max, size_t *count)
{
    if (text.len > INT32_MAX || max > INT32_MAX) return ERR_TOO_LARGE;
    int32_t n = llama_tokenize(m->vocab, text.len ? text.ptr : "", (int32_t)text.len, tokens,
                               (int32_t)max, add_special, parse_special);
    if (n == INT32_MIN) {
        *count = text.len;
        return ERR_TOO_LARGE;
    }
    *count = (size_t)(n < 0 ? -n : n);
    return n < 0 ? ERR_TOO_LARGE : 0;
}

size_t model_piece(const struct model *m, int32_t token, bool special, char out[MODEL_PIECE_MAX])
{
    int32_t n = llama_token_to_piece(m->vocab, token, out, MODEL_PIECE_MAX, 0, special);
    return n > 0 ? (size_t)n : 0;
}

bool model_is_end(const struct model *m, int32_t token)
{
    return llama_vocab_is_eog(m->vocab, token);
}

/* Past those with names as long as the one at `first`. */
static size_t end_of_length(const struct model *m, size_t first)
{
    size_t len = m->specials[first].name.len;
    size_t low = first, high = m->special_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->specials[middle].name.len == len)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct model_special *model_special_at(const struct model *m, struct str text)
{
    if (!text.len || !m->special_starts[(unsigned char)text.ptr[0]]) return NULL;
    for (size_t first = 0, next; first < m->special_count; first = next) {
        const struct model_special wanted = {.name = str_sub(text, 0, m->specials[first].name.len)};
        next = end_of_length(m, first);
        if (wanted.name.len < m->specials[first].name.len) continue;
        const struct model_special *found =
            bsearch(&wanted, m->specials + first, next - first, sizeof wanted, longer_name_first);
        if (found) return found;
    }
    return NULL;
}

int model_chat(const struct model *m, const struct model_message *messages, size_t count,
               struct buf *out)
{
    struct llama_chat_message *chat = must(calloc(count, sizeof *chat));
    size_t guess = 256;
    int err = 0;
    for (size_t i = 0; i < count; i++) {
        chat[i] = (struct llama_chat_message){messages[i].role, messages[i].content};
        guess += 64 + 2 * strlen(messages[i].content);
    }
    for (;;) {
        char *room;
        err = guess > INT32_MAX ? ERR_TOO_LARGE : buf_reserve(out, guess, &room);
        if (err) break;
        int32_t n =
            llama_chat_apply_template(m->chat_template, chat, count, true, room, (int32_t)guess);
        if (n < 0) err = ERR_INVALID;
        if (err || (size_t)n <= guess) {
            if (!err) buf_commit(out, (size_t)n);
            break;
        }
        guess = (size_t)n;
    }
    free(chat);
    return err;
}

/* --- computing --- */

static int decode_piece(struct model *m, size_t first, size_t count)
{
    const struct llama_batch batch = {
        .n_tokens = (int32_t)count,
        .token = m->tokens + first,
        .pos = m->positions + first,
        .n_seq_id = m->seq_counts + first,
        .seq_id = m->seq_ptrs + first,
        .logits = m->wants + first,
    };
    int32_t rc = llama_decode(m->context, batch);
    if (rc == 0) return 0;
    log_note(LOG_ERROR, "llama_decode", "returned %d for %zu tokens", rc, count);
    return rc == 1 ? ERR_FULL : ERR_INVALID;
}

/* Keeps a piece's logits, since the next decode overwrites libllama's. Returns how many are kept
 * then. */
static size_t keep_logits(struct model *m, size_t first, size_t count, size_t kept)
{
    for (size_t i = 0; i < count; i++) {
        if (!m->wants[first + i]) continue;
        memcpy(m->kept + kept++ * m->info.vocab, llama_get_logits_ith(m->context, (int32_t)i),
               m->info.vocab * sizeof *m->kept);
    }
    return kept;
}

/* In how many equal pieces a batch is decoded, so that each stays below what BLAS takes. More than
 * one where that is faster, and where BLAS would turn the output matrix into plain floats for many
 * logits: gigabytes in models with large vocabularies. */
static size_t pieces_of(const struct model *m, size_t count, size_t wanted)
{
    size_t most = BLAS_TOKENS_LEAST - 1;
    bool split = count < blas_from(&m->blas, m->threads) || wanted > most;
    return m->blas.used && count > most && split ? (count + most - 1) / most : 1;
}

int model_decode(struct model *m, const struct model_item *items, size_t count)
{
    size_t wanted = 0, kept = 0;
    for (size_t i = 0; i < count; i++) {
        m->tokens[i] = items[i].token;
        m->positions[i] = (llama_pos)items[i].position;
        m->seqs[i] = (llama_seq_id)items[i].slot;
        m->wants[i] = items[i].logits;
        wanted += items[i].logits;
    }
    size_t pieces = pieces_of(m, count, wanted);
    m->last_piece = (pieces - 1) * count / pieces;
    for (size_t p = 0; p < pieces; p++) {
        size_t first = p * count / pieces, n = (p + 1) * count / pieces - first;
        int err = decode_piece(m, first, n);
        if (err) return err;
        if (p + 1 < pieces) kept = keep_logits(m, first, n, kept);
    }
    return 0;
}

float *model_logits(struct model *m, size_t index)
{
    size_t row = 0;
    if (index >= m->last_piece)
        return llama_get_logits_ith(m->context, (int32_t)(index - m->last_piece));
    for (size_t i = 0; i < index; i++)
        row += m->wants[i] != 0;
    return m->kept + row * m->info.vocab;
}

bool model_trim(struct model *m, uint32_t slot, uint32_t length)
{
    if (llama_memory_seq_rm(m->memory, (llama_seq_id)slot, (llama_pos)length, -1)) return true;
    (void)llama_memory_seq_rm(m->memory, (llama_seq_id)slot, -1, -1);
    return length == 0;
}

/* The whole sequence is copied: libllama ends the process at a partial copy between the streams of
 * a split cache. */
bool model_copy(struct model *m, uint32_t from, uint32_t to)
{
    if (!m->info.copies) return false;
    (void)llama_memory_seq_rm(m->memory, (llama_seq_id)to, -1, -1);
    llama_memory_seq_cp(m->memory, (llama_seq_id)from, (llama_seq_id)to, -1, -1);
    return true;
}

void model_set_threads(struct model *m, unsigned threads)
{
    if (threads == m->threads) return;
    m->threads = threads;
    llama_set_n_threads(m->context, (int32_t)threads, (int32_t)threads);
    if (m->blas.used) blas_set_threads(&m->blas, threads);
}

/* --- embeddings --- */

static int open_embed_context(struct model *m)
{
    char key[96], text[16];
    struct llama_context_params p = llama_context_default_params();
    (void)snprintf(key, sizeof key, "%s.pooling_type", m->info.arch);
    /* libllama wants room for a token of each sequence, and its kernels a round number. */
    p.n_ctx = (MAX(m->info.embed_max, (uint32_t)MODEL_EMBED_INPUTS) + 255) / 256 * 256;
    p.n_batch = p.n_ubatch = p.n_ctx;
    p.n_seq_max = MODEL_EMBED_INPUTS;
    p.n_threads = p.n_threads_batch = (int32_t)m->threads;
    p.embeddings = true;
    p.pooling_type =
        meta(m, key, text, sizeof text) ? LLAMA_POOLING_TYPE_UNSPECIFIED : LLAMA_POOLING_TYPE_MEAN;
    p.kv_unified = true;
    p.no_perf = true;
    m->embed_context = llama_init_from_model(m->llama, p);
    if (m->embed_context && llama_pooling_type(m->embed_context) == LLAMA_POOLING_TYPE_NONE) {
        llama_free(m->embed_context);
        p.pooling_type = LLAMA_POOLING_TYPE_MEAN;
        m->embed_context = llama_init_from_model(m->llama, p);
    }
    return m->embed_context ? 0 : -ENOMEM;
}

/* False: they are no numbers. */
static bool normalise(float *out, const float *in, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)in[i] * (double)in[i];
    double scale = sum > 0 ? 1 / sqrt(sum) : 0;
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(in[i] * scale);
    return isfinite(sum);
}

int model_embed(struct model *m, const struct model_tokens *inputs, size_t count, float *out)
{
    struct llama_batch batch = llama_batch_init((int32_t)m->info.embed_max, 0, 1);
    int err = m->embed_context ? 0 : open_embed_context(m);
    for (size_t i = 0; i < count; i++) {
        for (uint32_t t = 0; t < inputs[i].count; t++) {
            int32_t at = batch.n_tokens++;
            batch.token[at] = inputs[i].tokens[t];
            batch.pos[at] = (llama_pos)t;
            batch.n_seq_id[at] = 1;
            batch.seq_id[at][0] = (llama_seq_id)i;
            batch.logits[at] = true;
        }
    }
    if (!err) {
        llama_memory_t memory = llama_get_memory(m->embed_context);
        llama_set_n_threads(m->embed_context, (int32_t)m->threads, (int32_t)m->threads);
        if (memory) llama_memory_clear(memory, false);
        if (memory ? llama_decode(m->embed_context, batch) : llama_encode(m->embed_context, batch))
            err = ERR_INVALID;
    }
    for (size_t i = 0; !err && i < count; i++) {
        const float *v = llama_get_embeddings_seq(m->embed_context, (llama_seq_id)i);
        if (!v || !normalise(out + i * m->info.embedding, v, m->info.embedding)) err = ERR_INVALID;
    }
    llama_batch_free(batch);
    return err;
}
