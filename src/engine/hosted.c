/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/hosted.h"

#include "base/clock.h"
#include "base/err.h"
#include "engine/body.h"
#include "engine/refuse.h"
#include "obs/log.h"

static void log_loaded(const struct hosted *h)
{
    struct log_line l;
    log_begin(&l, LOG_INFO, "loaded");
    log_cstr(&l, "model", h->options.alias);
    log_cstr(&l, "description", h->info->description);
    if (h->context) {
        log_u64(&l, "context", h->context->length);
        log_u64(&l, "slots", h->context->sequences);
        log_u64(&l, "cache_bytes", h->context->sequence_bytes * h->context->sequences);
        if (h->context->blas_from) log_u64(&l, "blas_from_tokens", h->context->blas_from);
        log_cstr(&l, "chat_template", chat_template_name(h->template));
        if (!chat_template_why(h->template))
            log_cstr(&l, "tool_calls", chat_template_calls(h->template)->format->name);
    }
    log_u64(&l, "took_us", loop_now(h->loop) - h->started_us);
    log_end(&l);
}

static void fail(struct hosted *h, const char *why)
{
    if (h->on_failed) h->on_failed(h->user, why);
}

static void warn_of_template(const struct hosted *h)
{
    const char *why = chat_template_why(h->template);
    if (why && h->context)
        log_note(LOG_WARN, "chat_template",
                 "the model's own cannot be used, and its chats are refused: %s; set another one "
                 "with --template",
                 why);
}

static void on_loaded(void *user, int err, const char *why)
{
    struct hosted *h = user;
    struct model *model = err ? NULL : compute_model(h->compute);
    char reason[CHAT_WHY_MAX];
    if (err) {
        fail(h, why);
        return;
    }
    h->vocab = model_vocab(model);
    if (chat_template_new(&h->options.template, model_info(model), h->vocab, &h->template,
                          reason)) {
        fail(h, reason);
        return;
    }
    h->model = model;
    h->info = model_info(h->model);
    if (h->info->generates) h->context = context_info(model_context(h->model));
    if (model_embedder(h->model)) h->embedder = embed_info(model_embedder(h->model));
    h->defaults = body_defaults(&h->info->sampling);
    log_loaded(h);
    warn_of_template(h);
}

int hosted_start(struct hosted *h, struct loop *loop, const struct hosted_options *options)
{
    *h = (struct hosted){.options = *options, .name = str_of(options->alias), .loop = loop};
    h->started_us = loop_now(loop);
    grammar_cache_init(&h->grammars);
    h->created = clock_wall_us() / USEC_PER_SEC;
    return compute_start(loop, &options->compute, on_loaded, h, &h->compute);
}

void hosted_stop(struct hosted *h)
{
    compute_stop(h->compute);
    compute_free(h->compute);
    chat_template_free(h->template);
    grammar_cache_fini(&h->grammars);
}

struct str hosted_loading(const struct hosted *h, struct arena *arena)
{
    return arena_printf(arena, "The model is being loaded: %u %%.", compute_progress(h->compute));
}

int hosted_check_name(const struct hosted *h, struct arena *arena, struct str name,
                      struct refusal *error)
{
    if (!name.len || str_eq(name, h->name)) return 0;
    (void)refuse_field(arena, error, "model", "model_not_found",
                       "This engine serves '%s', not '%.*s'.", h->options.alias,
                       (int)MIN(name.len, (size_t)128), name.ptr);
    error->status = 404;
    return ERR_NOT_FOUND;
}

int hosted_check_generates(const struct hosted *h, struct arena *arena, struct refusal *error)
{
    if (h->context) return 0;
    return refuse_field(arena, error, "model", "unsupported_model",
                        "This model generates no text: it is for %s.",
                        h->info->ranks ? "ranking, at /v1/rerank and /v1/score"
                                       : "vectors of texts, at /v1/embeddings");
}
