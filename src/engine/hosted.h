/* SPDX-License-Identifier: Apache-2.0 */
/* A model that this process serves: its names, what clients get where they say nothing, and the
 * thread that computes with it. The loop's thread; What it says of the model is constant, and any
 * thread's, once that is loaded. */
#ifndef HOSTLER_ENGINE_HOSTED_H
#define HOSTLER_ENGINE_HOSTED_H

#include "base/arena.h"
#include "base/base.h"
#include "dialect/dialect.h"
#include "engine/chat/template.h"
#include "engine/compute.h"
#include "engine/grammar/cache.h"
#include "engine/model/context.h"
#include "engine/model/embed.h"
#include "engine/sampler.h"

struct hosted_options {
    struct compute_options compute;
    struct chat_template_options template;
    const char *alias; /* the model's name for clients */
};

struct hosted {
    struct hosted_options options;
    struct str name;
    struct loop *loop;
    struct compute *compute;
    struct model *model; /* NULL until loaded */
    const struct model_info *info;
    const struct vocab *vocab;
    const struct context_info *context; /* NULL: it generates nothing */
    const struct embed_info *embedder;  /* NULL: it gives no vectors */
    struct chat_template *template;
    struct sampler_params defaults; /* where a request says nothing */
    struct grammar_cache grammars;  /* the preparing thread's */
    uint64_t started_us;
    uint64_t created;                               /* what /v1/models says, seconds since 1970 */
    void (*on_failed)(void *user, const char *why); /* it could not be loaded */
    void *user;
};

/* Begins to load. */
MUST_CHECK int hosted_start(struct hosted *h, struct loop *loop,
                            const struct hosted_options *options);

/* When nothing of it is in progress. */
void hosted_stop(struct hosted *h);

/* What is answered until the model is loaded: that it is being loaded, and how far. In the arena. */
struct str hosted_loading(const struct hosted *h, struct arena *arena);

/* 0 when a request that asks for the model `name` (empty: it does not say) means this one; else
 * ERR_NOT_FOUND and *error. */
MUST_CHECK int hosted_check_name(const struct hosted *h, struct arena *arena, struct str name,
                                 struct refusal *error);

/* 0 when the model generates text; else ERR_INVALID and *error. */
MUST_CHECK int hosted_check_generates(const struct hosted *h, struct arena *arena,
                                      struct refusal *error);

#endif
