/* SPDX-License-Identifier: Apache-2.0 */
/* A posted call's way from its body to the tokens of its texts. The happy path: the body comes
 * (BODY), the preparing thread takes it apart and tokenizes (PREPARING), and the call is handed on
 * with the tokens. What can go wrong: a bad body, a text that does not fit (answered here), a
 * client that leaves, a server whose patience ends (503). One that is PREPARING is told when its
 * present piece has ended, which is soon.
 *
 *     BODY --there--> PREPARING --tokens--> on_prepared
 *       |                 |
 *       +-----------------+--gone, refused, cut--> on_refused
 *
 * Embedded in the handler's object, and the server's work as long as that lives. The functions
 * belong to the loop's thread; `read` and `finish` run on the other one, to which all that
 * they touch belongs meanwhile. */
#ifndef HOSTLER_ENGINE_PREPARATION_H
#define HOSTLER_ENGINE_PREPARATION_H

#include "base/arena.h"
#include "base/base.h"
#include "engine/body.h"
#include "engine/model/model.h"
#include "engine/preparer.h"
#include "engine/prompt.h"
#include "engine/server.h"

struct preparation;

struct preparation_handler {
    /* Takes the body apart, and says what is to be prepared. Not 0: p->error says why. */
    int (*read)(struct preparation *p);
    /* Begins p->prompt for the index-th of `count`, or NULL: they are `texts`. Returns what
     * prompt_of_... do; p->error may say more. */
    int (*begin_prompt)(struct preparation *p, size_t index);
    /* Behind the last token; or NULL. Likewise. */
    int (*finish)(struct preparation *p);
    /* The tokens are there. The call is the handler's, as are its task and work.cut. */
    void (*on_prepared)(struct preparation *p);
    /* Instead: the call has been answered, or its client has left. To be freed. */
    void (*on_refused)(struct preparation *p);
};

struct preparation {
    struct work work;
    struct task task;
    struct server *server;
    struct hosted *hosted;
    struct http_call *call;
    const struct preparation_handler *handler;
    bool preparing;
    const struct refusal *cut_by; /* what to answer when it was cut while PREPARING */
    struct prepare_job job;
    struct arena arena;

    /* Set by `read`: */
    const char *param; /* what refusals name */
    uint32_t room;     /* most tokens of one text */
    bool around;       /* with the tokens that the model wants around a text */
    bool may_be_empty; /* no tokens at all are an answer, too */
    const struct body_prompt *texts;
    size_t count; /* of prompts */
    size_t bytes; /* of text in all of them */

    int err;
    struct refusal error;      /* with err */
    struct token_list *tokens; /* each prompt's, on the arena */

    /* How far it is: */
    bool has_read;        /* `read` has run */
    size_t next;          /* the prompt that is made */
    struct prompt prompt; /* its prompt, while the prompt's model is set */
};

/* Takes the call over. */
void preparation_begin(struct preparation *p, struct server *server, struct http_call *call,
                       const struct preparation_handler *handler);

/* Gives the arena back, with the tokens, once they are not needed. */
void preparation_release(struct preparation *p);

/* The end of the work. */
void preparation_fini(struct preparation *p);

#endif
