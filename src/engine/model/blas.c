/* SPDX-License-Identifier: Apache-2.0 */
/* blas.h on ggml. */
#include "engine/model/blas.h"

#include <dlfcn.h>
#include <string.h>

#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml.h>
#include <gguf.h>

#include "base/clock.h"
#include "obs/log.h"

enum {
    TOKENS_MANY = 128,  /* a prompt for which it has to pay */
    ELEMENTS = 1 << 20, /* in a matrix that is timed */
    MATRICES = 4,       /* one after the other, as in a model, whose weights come from memory */
    WIDTH_MAX = 1 << 17,
    ROUNDS = 3, /* the fastest counts: whatever else runs only makes one slower */
};

/* How many times faster it has to be to count as faster: a real step also pays for going from one
 * back end to the other and back. */
static const double GAIN_LEAST = 1.1;

/* A weight matrix: `rows` of `width` elements. */
struct matrix {
    enum ggml_type type;
    int64_t width;
    int64_t rows;
};

/* --- what BLAS can read --- */

/* Whether libllama lets the CPU back end keep such a matrix in a form of its own (rows side by side,
 * tiles of AMX), which no other back end can read. It asks in the same way. */
static bool is_repacked(ggml_backend_reg_t cpu, const struct matrix *m)
{
    enum { TOKENS = 512, TENSORS = 3 };
    const struct ggml_init_params room = {.mem_size = TENSORS * ggml_tensor_overhead(),
                                          .no_alloc = true};
    ggml_backend_dev_get_extra_bufts_t get =
        (ggml_backend_dev_get_extra_bufts_t)ggml_backend_reg_get_proc_address(
            cpu, "ggml_backend_dev_get_extra_bufts");
    ggml_backend_dev_t device = ggml_backend_reg_dev_get(cpu, 0);
    ggml_backend_buffer_type_t *kinds = get ? get(device) : NULL;
    struct ggml_context *tensors = kinds ? ggml_init(room) : NULL;
    bool repacked = false;
    if (!tensors) return false;
    struct ggml_tensor *weights = ggml_new_tensor_2d(tensors, m->type, m->width, m->rows);
    struct ggml_tensor *product = ggml_mul_mat(
        tensors, weights, ggml_new_tensor_2d(tensors, GGML_TYPE_F32, m->width, TOKENS));
    for (; *kinds && !repacked; kinds++) {
        weights->buffer = ggml_backend_buft_alloc_buffer(*kinds, 0);
        repacked = weights->buffer && ggml_backend_dev_supports_op(device, product);
        ggml_backend_buffer_free(weights->buffer);
    }
    ggml_free(tensors);
    return repacked;
}

/* The largest matrix of the layers that BLAS can read. False: it cannot read most of them. */
static bool find_matrix(ggml_backend_reg_t cpu, const char *path, struct matrix *out)
{
    struct ggml_context *tensors = NULL;
    struct gguf_context *file =
        gguf_init_from_file(path, (struct gguf_init_params){.no_alloc = true, .ctx = &tensors});
    size_t most = 0, bytes = 0, repacked = 0;
    if (!file) return false;
    for (struct ggml_tensor *t = ggml_get_first_tensor(tensors); t;
         t = ggml_get_next_tensor(tensors, t)) {
        const struct matrix m = {t->type, t->ne[0], t->ne[1]};
        if (strncmp(t->name, "blk.", 4) != 0 || ggml_n_dims(t) != 2 || m.width > WIDTH_MAX)
            continue;
        bytes += ggml_nbytes(t);
        if (is_repacked(cpu, &m)) {
            repacked += ggml_nbytes(t);
        } else if (ggml_nbytes(t) > most) {
            most = ggml_nbytes(t);
            *out = m;
        }
    }
    gguf_free(file);
    ggml_free(tensors);
    return most && repacked <= bytes / 2;
}

/* --- timing --- */

/* So many rows are timed. */
static int64_t rows_of(const struct matrix *m)
{
    return MIN(m->rows, MAX(ELEMENTS / m->width, BLAS_TOKENS_LEAST));
}

/* One product, `tokens` columns wide, on one back end. */
struct product {
    ggml_backend_t backend;
    struct ggml_context *tensors;
    ggml_backend_buffer_t buffer;
    struct ggml_cgraph *graph;
    double best_us; /* negative: not timed yet */
};

static void product_fini(struct product *p)
{
    if (p->buffer) ggml_backend_buffer_free(p->buffer);
    if (p->tensors) ggml_free(p->tensors);
    if (p->backend) ggml_backend_free(p->backend);
}

/* False: this back end cannot compute it. */
static bool product_init(struct product *p, ggml_backend_reg_t reg, const struct matrix *m,
                         int64_t tokens, unsigned threads)
{
    const struct ggml_init_params room = {.mem_size = (1 + 2 * MATRICES) * ggml_tensor_overhead() +
                                                      ggml_graph_overhead(),
                                          .no_alloc = true};
    *p = (struct product){.backend = ggml_backend_dev_init(ggml_backend_reg_dev_get(reg, 0), NULL),
                          .tensors = ggml_init(room),
                          .best_us = -1};
    if (!p->backend || !p->tensors) return false;
    ggml_backend_set_n_threads_t set_threads =
        (ggml_backend_set_n_threads_t)ggml_backend_reg_get_proc_address(
            reg, "ggml_backend_set_n_threads");
    if (set_threads) set_threads(p->backend, (int)threads);
    struct ggml_tensor *input = ggml_new_tensor_2d(p->tensors, GGML_TYPE_F32, m->width, tokens);
    struct ggml_tensor *output = NULL;
    p->graph = ggml_new_graph(p->tensors);
    for (int i = 0; i < MATRICES; i++) {
        struct ggml_tensor *weights = ggml_new_tensor_2d(p->tensors, m->type, m->width, rows_of(m));
        output = ggml_mul_mat(p->tensors, weights, input);
        ggml_build_forward_expand(p->graph, output);
    }
    p->buffer = ggml_backend_alloc_ctx_tensors(p->tensors, p->backend);
    if (!p->buffer || !ggml_backend_supports_op(p->backend, output)) return false;
    ggml_backend_buffer_clear(p->buffer, 0); /* zeros take as long as other numbers */
    return true;
}

static void product_time(struct product *p)
{
    uint64_t started = clock_mono_us();
    if (ggml_backend_graph_compute(p->backend, p->graph) != GGML_STATUS_SUCCESS) return;
    double us = (double)(clock_mono_us() - started);
    if (p->best_us < 0 || us < p->best_us) p->best_us = us;
}

/* Microseconds of both back ends, with few and with many tokens. */
struct race {
    double cpu_few;
    double cpu_many;
    double blas_few;
    double blas_many;
};

/* The two back ends, the matrix, and the library's threads. */
struct racers {
    ggml_backend_reg_t cpu;
    ggml_backend_reg_t blas;
    struct matrix matrix;
    const struct blas *library;
};

/* False: one of them cannot compute it. */
static bool run_race(const struct racers *r, unsigned threads, struct race *out)
{
    struct product p[4];
    bool ok = true;
    blas_set_threads(r->library, threads);
    for (size_t i = 0; i < ARRAY_LEN(p); i++)
        ok &= product_init(&p[i], i < 2 ? r->cpu : r->blas, &r->matrix,
                           i % 2 ? TOKENS_MANY : BLAS_TOKENS_LEAST, threads);
    for (size_t n = 0; ok && n < ROUNDS * ARRAY_LEN(p); n++)
        product_time(&p[n % ARRAY_LEN(p)]);
    for (size_t i = 0; i < ARRAY_LEN(p); i++) {
        ok &= p[i].best_us > 0;
        product_fini(&p[i]);
    }
    *out = (struct race){p[0].best_us, p[1].best_us, p[2].best_us, p[3].best_us};
    log_note(
        LOG_DEBUG, "blas",
        "%s, %lld wide, %u threads: %.0f us to %.0f us of the CPU kernels for %d tokens, %.0f to "
        "%.0f for %d",
        ggml_type_name(r->matrix.type), (long long)r->matrix.width, threads, out->blas_few,
        out->cpu_few, BLAS_TOKENS_LEAST, out->blas_many, out->cpu_many, TOKENS_MANY);
    return ok;
}

/* From how many tokens on it wins, on the lines through the times. */
static uint32_t wins_from(const struct race *r)
{
    double behind = GAIN_LEAST * r->blas_few - r->cpu_few;
    double ahead = r->cpu_many - GAIN_LEAST * r->blas_many;
    if (ahead <= 0) return BLAS_NEVER;
    if (behind <= 0) return BLAS_TOKENS_LEAST;
    double part = behind / (behind + ahead);
    return (uint32_t)(BLAS_TOKENS_LEAST + part * (TOKENS_MANY - BLAS_TOKENS_LEAST)) + 1;
}

/* --- choosing --- */

/* The one library whose threads are known to follow. */
static void (*find_set_threads(void))(int)
{
    void (*set)(int) = NULL;
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_NOLOAD);
    void *symbol = library ? dlsym(library, "openblas_set_num_threads") : NULL;
    if (library) dlclose(library);
    memcpy(&set, &symbol, sizeof set); /* POSIX's way from one kind of pointer to the other */
    return set;
}

/* Threads that do not even help the CPU kernels lack a core at the moment, and their times say
 * nothing: then what is true of one thread, with a margin. */
static bool lacks_cores(const struct race *one, const struct race *all)
{
    return all->cpu_many > 0.8 * one->cpu_many;
}

static void judge(struct blas *b, const struct racers *r, unsigned threads)
{
    struct race one, all;
    if (!run_race(r, 1, &one)) return;
    b->from_alone = b->from = wins_from(&one);
    if (threads > 1 && run_race(r, threads, &all)) {
        if (!lacks_cores(&one, &all))
            b->from = wins_from(&all);
        else if (b->from != BLAS_NEVER)
            b->from = MAX(b->from, 2 * BLAS_TOKENS_LEAST);
    }
    blas_set_threads(b, threads);
}

struct blas blas_choose(const char *path, unsigned threads, bool wanted)
{
    struct blas b = {.from = BLAS_NEVER, .from_alone = BLAS_NEVER};
    struct racers r = {.cpu = ggml_backend_reg_by_name("CPU"),
                       .blas = ggml_backend_reg_by_name("BLAS"),
                       .library = &b};
    if (!r.blas) return b;
    b.set_threads = find_set_threads();
    if (wanted && b.set_threads && r.cpu && find_matrix(r.cpu, path, &r.matrix))
        judge(&b, &r, threads);
    b.used = b.from != BLAS_NEVER || b.from_alone != BLAS_NEVER;
    if (!b.used) ggml_backend_unload(r.blas);
    return b;
}

uint32_t blas_from(const struct blas *b, unsigned threads)
{
    return threads == 1 ? b->from_alone : b->from;
}

void blas_set_threads(const struct blas *b, unsigned threads)
{
    b->set_threads((int)threads);
}
