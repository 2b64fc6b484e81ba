/* SPDX-License-Identifier: Apache-2.0 */
/* model.h on libllama: loading. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ggml-backend.h>

#include "base/err.h"
#include "base/host.h"
#include "engine/model/llama_priv.h"
#include "obs/log.h"

enum { REASON_MAX = 256 };

/* Bytes of a file that is read: some 0.2 s. */
#define READ_MAX ((uint64_t)256 << 20)

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

static float meta_float(const struct model *m, enum llama_model_meta_key id)
{
    char text[64];
    double v;
    const char *key = llama_model_meta_key_str(id);
    if (!key || !llama__meta(m, key, text, sizeof text) || str_to_double(str_of(text), &v))
        return -1;
    return (float)v;
}

static bool meta_is_there(const struct model *m, const char *suffix)
{
    return llama__meta_number(m, suffix, UINT64_MAX) != UINT64_MAX;
}

/* What the options or else the file say; the mean where neither does. */
static enum model_pooling pooling_of(const struct model *m)
{
    if (m->options.pooling != MODEL_POOLING_FILE) return m->options.pooling;
    switch (llama__meta_number(m, "pooling_type", LLAMA_POOLING_TYPE_MEAN)) {
    case LLAMA_POOLING_TYPE_CLS: return MODEL_POOLING_CLS;
    case LLAMA_POOLING_TYPE_LAST: return MODEL_POOLING_LAST;
    case LLAMA_POOLING_TYPE_RANK: return MODEL_POOLING_RANK;
    default: return MODEL_POOLING_MEAN;
    }
}

/* libllama names sizes that it knows ("llama 1B Q8_0") and writes ?B for others; those are counted. */
static void describe(const struct llama_model *llama, char *out, size_t room)
{
    char text[128];
    uint64_t millions = (llama_model_n_params(llama) + 500000) / 1000000;
    (void)llama_model_desc(llama, text, sizeof text);
    char *unknown = strstr(text, "?B");
    if (!unknown) {
        (void)snprintf(out, room, "%s", text);
        return;
    }
    *unknown = '\0';
    if (snprintf(out, room, "%s%" PRIu64 "M%s", text, millions, unknown + 2) < 0) out[0] = '\0';
}

static void read_info(struct model *m)
{
    struct model_info *info = &m->info;
    float top_k = meta_float(m, LLAMA_MODEL_META_KEY_SAMPLING_TOP_K);
    if (!llama__meta(m, "general.architecture", info->arch, sizeof info->arch))
        (void)snprintf(info->arch, sizeof info->arch, "unknown");
    describe(m->llama, info->description, sizeof info->description);
    info->context_train = (uint32_t)llama_model_n_ctx_train(m->llama);
    info->params = llama_model_n_params(m->llama);
    info->bytes = llama_model_size(m->llama);
    info->chat_template = llama_model_chat_template(m->llama, NULL);
    info->tool_template = llama_model_chat_template(m->llama, "tool_use");
    info->rank_template = llama_model_chat_template(m->llama, "rerank");
    info->sampling = (struct model_sampling){
        .temperature = meta_float(m, LLAMA_MODEL_META_KEY_SAMPLING_TEMP),
        .top_p = meta_float(m, LLAMA_MODEL_META_KEY_SAMPLING_TOP_P),
        .min_p = meta_float(m, LLAMA_MODEL_META_KEY_SAMPLING_MIN_P),
        .repeat_penalty = meta_float(m, LLAMA_MODEL_META_KEY_SAMPLING_PENALTY_REPEAT),
        .top_k = (int32_t)top_k,
    };
}

/* --- loading --- */

/* What is mapped is there at once, processes share it, and the kernel may take it back; what is read
 * can be in large pages, with which the small models decode a tenth faster. */
bool model_reads_whole(const char *path)
{
    struct stat st;
    if (stat(path, &st)) return false;
    return (uint64_t)st.st_size <= MIN(READ_MAX, host_memory("") / 4);
}

static bool on_progress(float part, void *user)
{
    const struct model_options *o = user;
    if (o->on_progress) o->on_progress(o->user, (unsigned)(part * 100));
    return true;
}

static int load_weights(struct model *m, char why[MODEL_WHY_MAX])
{
    const char *path = m->options.path;
    char text[GGUF_WHY_MAX] = "";
    int err = gguf_check_file(path, &m->facts, text);
    if (err) return fail(why, path, err, text);
    load_backends();
    if (!ggml_backend_reg_count())
        return fail(why, path, ERR_UNSUPPORTED, "no compute back end of ggml was found");
    m->blas = blas_choose(path, m->threads, m->options.blas);
    struct llama_model_params params = llama_model_default_params();
    params.load_mode = model_reads_whole(path) ? LLAMA_LOAD_MODE_NONE : LLAMA_LOAD_MODE_AUTO;
    params.progress_callback = on_progress;
    params.progress_callback_user_data = &m->options;
    m->llama = llama_model_load_from_file(path, params);
    if (!m->llama) return fail(why, path, ERR_INVALID, "the model cannot be loaded");
    if (llama_vocab_n_tokens(llama_model_get_vocab(m->llama)) < 1)
        return fail(why, path, ERR_UNSUPPORTED, "the model has no vocabulary");
    m->recurrent = llama_model_is_recurrent(m->llama) || llama_model_is_hybrid(m->llama);
    return 0;
}

/* The context that generates. */
static int open_context(struct model *m, char why[MODEL_WHY_MAX])
{
    const struct model_options *o = &m->options;
    uint32_t length =
        o->context ? o->context : MIN(m->info.context_train, (uint32_t)MODEL_CONTEXT_DEFAULT);
    uint64_t cache = llama__sequence_bytes(m, length) * o->slots;
    if (cache > host_memory("")) {
        char text[160];
        (void)snprintf(text, sizeof text,
                       "no memory for the KV cache: %llu MiB for %u slots of %u tokens",
                       (unsigned long long)(cache >> 20), o->slots, length);
        return fail(why, o->path, -ENOMEM, text);
    }
    int err = llama__context_new(m, length, &m->context);
    if (err == ERR_UNSUPPORTED) return 0; /* it only embeds */
    if (err) return fail(why, o->path, err, "no context could be made");
    m->info.generates = true;
    if (llama__context_warm_up(m->context))
        return fail(why, o->path, ERR_INVALID, "the model does not compute");
    return 0;
}

/* A file that names a pooling is made for that, and its answers would be no use. */
static int open_parts(struct model *m, char why[MODEL_WHY_MAX])
{
    enum model_pooling pooling = pooling_of(m);
    int err = meta_is_there(m, "pooling_type") ? 0 : open_context(m, why);
    if (err) return err;
    m->info.ranks = pooling == MODEL_POOLING_RANK;
    m->info.embeds = !m->info.ranks;
    if (m->info.ranks && !m->facts.has_head)
        return fail(why, m->options.path, ERR_UNSUPPORTED,
                    "the model has no head for ranking, which pooling 'rank' needs");
    m->embedder = llama__embedder_new(m, pooling);
    return 0;
}

int model_load(const struct model_options *options, struct model **out, char why[MODEL_WHY_MAX])
{
    struct model *m = llama__must(calloc(1, sizeof *m));
    m->options = *options;
    m->threads = options->threads;
    reason.path = options->path;
    int err = load_weights(m, why);
    if (!err) {
        m->vocab = llama__vocab_new(m->llama);
        read_info(m);
        err = open_parts(m, why);
    }
    if (err) {
        model_free(m);
        return err;
    }
    pthread_mutex_lock(&reason.lock);
    reason.path = NULL;
    pthread_mutex_unlock(&reason.lock);
    large_pages_find(&m->pages);
    *out = m;
    return 0;
}

void model_free(struct model *m)
{
    if (!m) return;
    llama__embedder_free(m->embedder);
    llama__context_free(m->context);
    llama__vocab_free(m->vocab);
    if (m->llama) llama_model_free(m->llama);
    free(m);
}

const struct model_info *model_info(const struct model *m)
{
    return &m->info;
}

const struct vocab *model_vocab(const struct model *m)
{
    return m->vocab;
}

struct context *model_context(struct model *m)
{
    return m->context;
}

struct embedder *model_embedder(struct model *m)
{
    return m->embedder;
}

bool model_settle(struct model *m)
{
    return large_pages_step(&m->pages);
}

void model_set_threads(struct model *m, unsigned threads)
{
    if (threads == m->threads) return;
    m->threads = threads;
    if (m->context) llama__context_set_threads(m->context, threads);
    if (m->blas.used) blas_set_threads(&m->blas, threads);
}
