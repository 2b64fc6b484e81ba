/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/err.h"
#include "dialect/openai/chat_priv.h"

void chat__thoughts_init(struct chat_thoughts *th)
{
    buf_init(&th->blocks, ANSWER_HELD_MAX);
    buf_init(&th->text, ANSWER_HELD_MAX);
    buf_init(&th->signature, ANSWER_HELD_MAX);
}

void chat__thoughts_fini(struct chat_thoughts *th)
{
    buf_fini(&th->blocks);
    buf_fini(&th->text);
    buf_fini(&th->signature);
}

/* Another block behind those that there are. */
static int append_block(struct chat_thoughts *th, const struct str *pieces, size_t count)
{
    int err = buf_len(&th->blocks) ? buf_append(&th->blocks, STR(",")) : 0;
    return err ? err : chat__append(&th->blocks, pieces, count);
}

/* Ends the block that is open, which counts if it is proved. */
static int close_block(struct chat_thoughts *th)
{
    const struct str pieces[] = {STR("{\"type\":\"thinking\",\"thinking\":\""), buf_str(&th->text),
                                 STR("\",\"signature\":\""), buf_str(&th->signature), STR("\"}")};
    int err = buf_len(&th->signature) ? append_block(th, pieces, ARRAY_LEN(pieces)) : 0;
    buf_clear(&th->text);
    buf_clear(&th->signature);
    return err;
}

static int add_text(struct chat_thoughts *th, struct str text)
{
    int err = buf_len(&th->signature) ? close_block(th) : 0;
    return err ? err : buf_append(&th->text, text);
}

static int add_redacted(struct chat_thoughts *th, struct str data)
{
    const struct str pieces[] = {STR("{\"type\":\"redacted_thinking\",\"data\":\""), data,
                                 STR("\"}")};
    int err = close_block(th);
    return err ? err : append_block(th, pieces, ARRAY_LEN(pieces));
}

static int take(struct chat_thoughts *th, const struct answer_event *e)
{
    switch (e->kind) {
    case ANSWER_REASONING: return add_text(th, e->text);
    case ANSWER_REDACTED: return add_redacted(th, e->text);
    case ANSWER_SIGNATURE: buf_clear(&th->signature); return buf_append(&th->signature, e->text);
    default: return close_block(th);
    }
}

int chat__thoughts_take(struct chat_thoughts *th, const struct answer_event *e)
{
    if (th->lost) return 0;
    int err = take(th, e);
    if (err != ERR_TOO_LARGE) return err;
    th->lost = true;
    chat__thoughts_fini(th);
    return 0;
}
