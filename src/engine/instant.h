/* SPDX-License-Identifier: Apache-2.0 */
/* A call whose whole answer is made on the preparing thread: tokens, texts, rendered templates. */
#ifndef HOSTLER_ENGINE_INSTANT_H
#define HOSTLER_ENGINE_INSTANT_H

#include "base/base.h"
#include "base/buf.h"
#include "engine/preparation.h"

struct instant {
    struct preparation preparation;
    struct body_prompt text; /* for those that are about one */
    struct buf reply;        /* the answer's JSON */
};

/* Takes the call over. The handler's on_prepared is instant_reply, its on_refused instant_end. */
void instant_begin(struct server *s, struct http_call *call,
                   const struct preparation_handler *handler);

/* Answers with what is in `reply`, and ends. */
void instant_reply(struct preparation *p);
void instant_end(struct preparation *p);

/* 0, or the refusal of an answer that was too large to be written. */
MUST_CHECK int instant_check(struct preparation *p, int err);

static inline struct instant *instant_of(struct preparation *p)
{
    return CONTAINER_OF(p, struct instant, preparation);
}

#endif
