/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of Ollama's that ask nothing: the model's process is to be started, or to be stopped.
 *
 *   LOOK -> WAIT -> answered
 *
 * A credit stands for a process that is up: who gets one gives it back at once. What runs by itself
 * is left alone. */
#include <errno.h>

#include "base/clock.h"
#include "desk/desk.h"
#include "dialect/ollama/purpose.h"
#include "dialect/surface.h"
#include "mesh/admit.h"

struct itself {
    struct admission admission;
    struct waiter *waiter; /* while the process starts */
    uint64_t since_us;     /* it began to wait */
};

static enum step answer(struct exchange *x)
{
    struct desk_page p;
    desk_page_init(&p);
    ollama_write_purpose(&p.w, &x->ask, clock_wall_us());
    return desk_page_reply(x, 200, &p);
}

static enum step refuse(struct exchange *x)
{
    struct buf reason;
    buf_init(&reason, 1024);
    service_ready(x->asked, exchange_now(x), &reason);
    struct str why = buf_str(&reason);
    struct str text =
        arena_say(x->call->arena, "The model '%" STR_FMT "' cannot be loaded%s%" STR_FMT ".",
                  STR_ARG(x->asked->name), why.len ? ": " : "", STR_ARG(why));
    buf_fini(&reason);
    return exchange_refuse(x, OUTCOME_NO_ENDPOINT,
                           &(struct refusal){.status = 503, .message = text, .code = "no_endpoint"},
                           1 * USEC_PER_SEC);
}

static bool is_up(const struct service *s)
{
    for (size_t i = 0; i < s->endpoint_count; i++)
        if (endpoint_phase(s->endpoints[i].state) == ENDPOINT_UP) return true;
    return false;
}

static int begin(struct exchange *x)
{
    struct itself *m = arena_try_zero(x->call->arena, sizeof *m);
    if (!m) return -ENOMEM;
    m->admission.service = x->asked;
    m->admission.surfaces = surface_ways(x->ask.surface);
    m->admission.deadline_us = UINT64_MAX;
    x->mine = m;
    return 0;
}

/* Asks for a credit, so that a process which does not run is started. */
static enum step load(struct exchange *x, struct itself *m)
{
    struct grant grant;
    uint64_t now = exchange_now(x), retry_after_us;
    if (is_up(x->asked)) return answer(x);
    int got = admit_try(&m->admission, &x->lane->rng, now, &grant, &retry_after_us);
    if (got == ADMIT_OK) {
        endpoint_release(&grant, now);
        return answer(x);
    }
    if (got == ADMIT_NONE) return refuse(x);
    int err = admit_wait(&m->admission, x->lane->loop, &x->task, now, &m->waiter);
    m->since_us = now;
    if (err == -ENOMEM) return exchange_lack_memory(x);
    return err ? refuse(x) : STEP_WAIT;
}

static void leave(struct exchange *x)
{
    struct itself *m = x->mine;
    admit_cancel(m->waiter, exchange_now(x));
    m->waiter = NULL;
}

static uint64_t due(const struct exchange *x)
{
    const struct itself *m = x->mine;
    return m->waiter ? service_wait_until(x->asked, m->since_us) : 0;
}

static enum step step(struct exchange *x)
{
    struct itself *m = x->mine;
    if (x->ask.purpose == ASK_UNLOAD) {
        service_dismiss(x->asked);
        return answer(x);
    }
    if (!m->waiter) return load(x, m);
    enum waiter_state state = waiter_state(m->waiter);
    if (state == WAITER_WAITING && exchange_now(x) < due(x)) return STEP_WAIT;
    leave(x);
    return state == WAITER_GRANTED ? answer(x) : refuse(x);
}

const struct handler desk_model_itself = {
    .begin = begin, .step = step, .due = due, .settle = leave};
