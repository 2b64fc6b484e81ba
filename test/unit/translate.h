/* SPDX-License-Identifier: Apache-2.0 */
/* Translations, for tests of dialects: requests and answers in, requests and answers out. */
#ifndef HOSTLER_TEST_UNIT_TRANSLATE_H
#define HOSTLER_TEST_UNIT_TRANSLATE_H

#include <string.h>

#include "base/err.h"
#include "dialect/surface.h"
#include "dialect/translator.h"

/* Set up by translate_begin, for one request and its answer. */
struct translate {
    struct arena arena;
    struct translation t;
    struct translator translator;
    struct refusal why;
};

static inline void translate_begin(struct translate *x, enum surface asked, enum surface sent,
                                   bool stream)
{
    *x = (struct translate){0};
    arena_init(&x->arena, SIZE_MAX, 4096);
    x->t = (struct translation){
        .arena = &x->arena,
        .asked = asked,
        .sent = sent,
        .model = STR("asked"),
        .id = STR("0123456789abcdef"),
        .created_us = 1700000000000000,
        .stream = stream,
        .asks_usage = true,
        .prompt_estimate = 7,
    };
}

static inline void translate_end(struct translate *x)
{
    translator_fini(&x->translator);
    arena_fini(&x->arena);
}

/* The request for the runtime, with "served" as the model; ptr NULL: refused, x->why says why. */
static inline struct str translate_ask(struct translate *x, const char *body)
{
    struct str out = STR_NULL;
    int err = translate_request(&x->t, STR("served"), str_of(body), &out, &x->why);
    assert(err == 0 || err == ERR_INVALID);
    return err ? STR_NULL : out;
}

static inline void translate_answer(struct translate *x)
{
    assert(translator_init(&x->translator, &x->t) == 0);
}

/* One event of the runtime's stream. */
static inline void translate_event(struct translate *x, const char *name, const char *data)
{
    assert(translator_event(&x->translator, str_of(name), str_of(data)) == 0);
}

/* What the client has got so far, as a string. */
static inline const char *translate_got(struct translate *x)
{
    return arena_dup(&x->arena, buf_str(&x->translator.out)).ptr;
}

#endif
