/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "dialect/openai/chat_priv.h"

void chat__thoughts_init(struct chat_thoughts *th)
{
    buf_init(&th->blocks, ANSWER_HELD_MAX);
    buf_init(&th->text, ANSWER_HELD_MAX);
}

void chat__thoughts_fini(struct chat_thoughts *th)
{
    buf_fini(&th->blocks);
    buf_fini(&th->text);
}

static void forget(struct chat_thoughts *th)
{
    th->lost = true;
    chat__thoughts_fini(th);
}

/* Another block behind those that there are. */
static int append_block(struct chat_thoughts *th, const struct str *pieces, size_t count)
{
    int err = buf_len(&th->blocks) ? buf_append(&th->blocks, STR(",")) : 0;
    return err ? err : buf_append_all(&th->blocks, pieces, count);
}

static int add_block(struct chat_thoughts *th, struct str signature)
{
    const struct str pieces[] = {STR("{\"type\":\"thinking\",\"thinking\":\""), buf_str(&th->text),
                                 STR("\",\"signature\":\""), signature, STR("\"}")};
    int err = append_block(th, pieces, ARRAY_LEN(pieces));
    buf_clear(&th->text);
    return err;
}

static int add_redacted(struct chat_thoughts *th, struct str data)
{
    const struct str pieces[] = {STR("{\"type\":\"redacted_thinking\",\"data\":\""), data,
                                 STR("\"}")};
    return append_block(th, pieces, ARRAY_LEN(pieces));
}

static int take(struct chat_thoughts *th, const struct answer_event *e)
{
    switch (e->kind) {
    case ANSWER_REASONING: return buf_append(&th->text, e->text);
    case ANSWER_SIGNATURE: return add_block(th, e->text);
    case ANSWER_REDACTED: return add_redacted(th, e->text);
    default: return 0;
    }
}

/* Thoughts that end without a proof spoil all: what comes back of a turn must be all that was
 * thought in it. */
int chat__thoughts_take(struct chat_thoughts *th, const struct answer_event *e)
{
    bool goes_on = e->kind == ANSWER_REASONING || e->kind == ANSWER_SIGNATURE;
    if (th->lost) return 0;
    int err = take(th, e);
    if (err && err != ERR_TOO_LARGE) return err;
    if (err || (!goes_on && buf_len(&th->text))) forget(th);
    return 0;
}
