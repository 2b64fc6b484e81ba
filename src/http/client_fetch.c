/* SPDX-License-Identifier: Apache-2.0 */
/* What all fetches share, whatever carries them. */
#include <errno.h>

#include "base/err.h"
#include "base/machine.h"
#include "http/client_priv.h"

static const struct machine machine = {
    .name = "fetch",
    .count = FETCH_FAILED + 1,
    .names =
        (const char *const[]){
            [FETCH_NONE] = "NONE",
            [FETCH_CONNECTING] = "CONNECTING",
            [FETCH_AWAIT] = "AWAIT",
            [FETCH_BODY] = "BODY",
            [FETCH_DONE] = "DONE",
            [FETCH_FAILED] = "FAILED",
        },
    .moves =
        (const uint32_t[]){
            [FETCH_NONE] = MACHINE_BIT(FETCH_CONNECTING),
            [FETCH_CONNECTING] = MACHINE_BIT(FETCH_AWAIT) | MACHINE_BIT(FETCH_FAILED),
            [FETCH_AWAIT] = MACHINE_BIT(FETCH_BODY) | MACHINE_BIT(FETCH_FAILED),
            [FETCH_BODY] = MACHINE_BIT(FETCH_DONE) | MACHINE_BIT(FETCH_FAILED),
            [FETCH_DONE] = 0,
            [FETCH_FAILED] = 0,
        },
};

void fetch__move(struct fetch *f, enum fetch_state state)
{
    f->state = machine_move(&machine, f->state, state);
}

void fetch__tell(struct fetch *f)
{
    loop_wake(f->client->loop, f->task);
}

void fetch__fail(struct fetch *f, int err)
{
    fetch__move(f, FETCH_FAILED);
    f->err = err;
    fetch__tell(f);
}

void fetch__break(struct fetch *f, int err)
{
    f->ops = NULL;
    f->carrier = NULL;
    if (f->body.len) {
        f->body = arena_try_dup(f->arena, f->body);
        if (!f->body.ptr) err = -ENOMEM;
    }
    fetch__fail(f, err);
}

bool fetch__keep_head(struct fetch *f, const struct http_head *head)
{
    struct http_head *kept = arena_try(f->arena, sizeof *kept);
    if (kept) *kept = *head;
    f->head = kept;
    return kept != NULL;
}

struct str fetch_take(struct fetch *f)
{
    struct str body = f->body;
    f->body = STR_NULL;
    if (f->ops && body.len) f->ops->taken(f, body.len);
    return body;
}

void fetch_pause(struct fetch *f, bool paused)
{
    if (f->ops) f->ops->pause(f, paused);
}

const char *fetch_error_text(const struct fetch *f)
{
    return f->why ? f->why : err_text(f->err);
}

void fetch_leave(struct fetch *f)
{
    if (f->ops && f->state == FETCH_BODY)
        f->ops->leave(f);
    else
        fetch_end(f);
}

void fetch_end(struct fetch *f)
{
    if (!f->ops) return;
    f->ops->end(f);
    f->ops = NULL;
    f->carrier = NULL;
    f->body = STR_NULL;
}
