/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as Messages, streamed or whole. */
#include <errno.h>

#include "dialect/anthropic/answer_priv.h"
#include "dialect/anthropic/messages.h"
#include "dialect/anthropic/request_priv.h"

static struct answer *of(struct answer_writer *w)
{
    return CONTAINER_OF(w, struct answer, base);
}

static void init(struct answer_writer *w)
{
    const struct messages_memo *memo = w->t->memo;
    of(w)->no_thinking = memo && memo->no_thinking;
}

static void fini(struct answer_writer *w)
{
    anthropic__held_fini(&of(w)->held);
}

/* --- events --- */

static int note_finish(struct answer *a, const struct answer_event *e)
{
    a->finish = e->finish;
    a->stop = arena_try_dup(a->base.t->arena, e->text);
    return a->stop.ptr ? 0 : -ENOMEM;
}

static bool is_thinking(const struct answer_event *e)
{
    return e->kind == ANSWER_REASONING || e->kind == ANSWER_SIGNATURE || e->kind == ANSWER_REDACTED;
}

static int put(struct answer_writer *w, const struct answer_event *e, struct buf *out)
{
    struct answer *a = of(w);
    int err = e->kind == ANSWER_FINISH ? note_finish(a, e) : 0;
    if (err || (a->no_thinking && is_thinking(e))) return err;
    a->called |= e->kind == ANSWER_CALL;
    a->refused |= e->kind == ANSWER_REFUSAL;
    return w->t->stream ? anthropic__put_frames(a, e, out) : anthropic__put_object(a, e, out);
}

const struct answer_writer_ops anthropic_writer = {
    .size = sizeof(struct answer),
    .init = init,
    .fini = fini,
    .put = put,
    .ping = STR_INIT("event: ping\ndata: {\"type\":\"ping\"}\n\n"),
};
