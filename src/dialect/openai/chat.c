/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/openai/chat.h"

#include <stdlib.h>

#include "dialect/openai/chat_priv.h"

static struct chat_writer *of(struct answer_writer *base)
{
    return CONTAINER_OF(base, struct chat_writer, base);
}

static void init(struct answer_writer *base)
{
    struct chat_writer *w = of(base);
    chat__thoughts_init(&w->thoughts);
    buf_init(&w->head, 64 * 1024);
    buf_init(&w->content, ANSWER_HELD_MAX + 2);
    buf_init(&w->refusal, ANSWER_HELD_MAX + 2);
    buf_init(&w->reasoning, ANSWER_HELD_MAX + 2);
}

static void fini(struct answer_writer *base)
{
    struct chat_writer *w = of(base);
    chat__thoughts_fini(&w->thoughts);
    buf_fini(&w->head);
    buf_fini(&w->content);
    buf_fini(&w->refusal);
    buf_fini(&w->reasoning);
    for (unsigned i = 0; w->calls && i < w->call_count; i++)
        buf_fini(&w->calls[i].text);
    free(w->calls);
}

static int put(struct answer_writer *base, const struct answer_event *e, struct buf *out)
{
    struct chat_writer *w = of(base);
    int err = base->t->sent == SURFACE_MESSAGES ? chat__thoughts_take(&w->thoughts, e) : 0;
    if (err) return err;
    return base->t->stream ? chat__put_frame(w, e, out) : chat__put_whole(w, e, out);
}

const struct answer_writer_ops openai_chat_writer = {
    .size = sizeof(struct chat_writer),
    .init = init,
    .fini = fini,
    .put = put,
    .ping = STR_INIT(": ping\n\n"),
};
