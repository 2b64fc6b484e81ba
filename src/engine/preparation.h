/* SPDX-License-Identifier: Apache-2.0 */
/* One request's way from its body to the tokens of its texts, on the preparing thread.
 *
 * Made by the loop's thread when the body is there, which must stay until on_prepared. Between these two it belongs to the other
 * thread, with the arena and all that `read` fills in; afterwards to the loop's again. */
#ifndef HOSTLER_ENGINE_PREPARATION_H
#define HOSTLER_ENGINE_PREPARATION_H

#include "base/arena.h"
#include "base/base.h"
#include "engine/api.h"
#include "engine/model.h"
#include "engine/preparer.h"
#include "engine/prompt.h"

struct preparation;

struct preparation_handler {
    /* Takes the body apart and sets texts or chat, or neither. Not 0: p->error says why. */
    int (*read)(struct preparation *p);
    /* Behind the last token, still on the thread; or NULL. Likewise. */
    int (*finish)(struct preparation *p);
    /* On the loop, once: p->err or p->tokens; half of it after a cancel. */
    void (*on_prepared)(struct preparation *p);
};

struct preparation {
    struct prepare_job job;
    const struct preparation_handler *handler;
    const struct model *model;
    struct str body;
    struct arena arena;

    /* Set by `read`: */
    const char *param; /* what refusals name */
    uint32_t room;     /* most tokens of one text */
    bool around;       /* with the tokens that the model wants around a text */
    bool may_be_empty; /* no tokens at all are an answer, too */
    const struct api_prompt *texts;
    size_t count;
    const struct api_request *chat; /* instead of texts; count is 1 */

    int err;
    struct api_error error;      /* with err */
    struct model_tokens *tokens; /* of each text, on the arena */

    bool has_read; /* these three: how far it is */
    size_t next;
    struct prompt prompt; /* of text `next`, while its model is set */
};

void preparation_start(struct preparation *p, struct preparer *preparer,
                       const struct preparation_handler *handler, const struct model *model,
                       struct str body);

/* on_prepared comes soon. */
void preparation_cancel(struct preparation *p);

/* Gives the arena back. A zeroed one may be finished, too. */
void preparation_fini(struct preparation *p);

#endif
