/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/instant.h"

#include <stdlib.h>

#include "base/mem.h"
#include "engine/refuse.h"

int instant_check(struct preparation *p, int err)
{
    return err ? refuse_field(&p->arena, &p->error, NULL, NULL, "The answer is too large.") : 0;
}

void instant_end(struct preparation *p)
{
    struct instant *i = instant_of(p);
    buf_fini(&i->reply);
    preparation_fini(p);
    free(i);
}

void instant_reply(struct preparation *p)
{
    server_reply_json(p->call, 200, buf_str(&instant_of(p)->reply));
    instant_end(p);
}

void instant_begin(struct server *s, struct http_call *call,
                   const struct preparation_handler *handler)
{
    struct instant *i = mem_must_zero(1, sizeof *i);
    buf_init(&i->reply, SERVER_ANSWER_MAX);
    preparation_begin(&i->preparation, s, call, handler);
}
