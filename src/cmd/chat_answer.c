/* SPDX-License-Identifier: Apache-2.0 */
/* hostler chat: a question is asked, its answer comes to the screen, and how it went is told. */
#include "base/err.h"
#include "cmd/chat_priv.h"

static void on_text(void *owner, struct str text, bool reasoning)
{
    struct chat *c = owner;
    screen_text(&c->screen, text, reasoning);
}

static void on_call(void *owner, struct str name, struct str arguments)
{
    struct chat *c = owner;
    screen_call(&c->screen, name, arguments);
}

static void on_end(void *owner, const struct talk_result *r)
{
    struct chat *c = owner;
    screen_end(&c->screen);
    c->failed = r->err != 0;
    if (r->err && r->err != ERR_CANCELLED) {
        screen_note(&c->screen, "hostler %s: %.*s", c->options->command, STR_ARG(r->why));
    } else if (c->screen.person && !r->first_us) {
        screen_note(&c->screen, r->err ? "[cancelled]" : "[an empty answer]");
    } else if (c->screen.person) {
        /* The whole answer counts, as a short one may come in one read. */
        double rate = (double)r->tokens * 1e6 / (double)MAX(r->first_us + r->stream_us, 1);
        screen_note(&c->screen, "[%s%llu tokens, first after %.0f ms, %.1f tokens/s]",
                    r->err ? "cancelled, " : "", (unsigned long long)r->tokens,
                    (double)r->first_us / 1e3, rate);
    }
    chat__wake(c);
}

static const struct talk_owner talk_functions = {
    .on_text = on_text, .on_call = on_call, .on_end = on_end};

void chat__init_talk(struct chat *c)
{
    screen_init(&c->screen, c->loop);
    talk_init(&c->talk, &c->remote, c->loop, &talk_functions, c);
}

void chat__wait(struct chat *c)
{
    c->waits = true;
    loop_run(c->loop);
    c->waits = false;
}

void chat__wake(struct chat *c)
{
    if (c->waits) loop_stop(c->loop);
}

void chat__ask(struct chat *c, struct str text)
{
    screen_begin(&c->screen);
    talk_ask(&c->talk, text);
    if (c->editor) editor_listen(c->editor);
    while (c->talk.busy)
        chat__wait(c);
}

bool chat__cancel(struct chat *c)
{
    bool waited_for = c->talk.busy || c->looks;
    talk_cancel(&c->talk);
    if (c->looks) chat__wake(c);
    return waited_for;
}

int chat__list_models(struct chat *c, struct str *why)
{
    c->models = NULL;
    arena_reset(&c->arena);
    screen_begin(&c->screen);
    c->looks = c->waits = true;
    int err = remote_list(&c->remote, c->loop, &c->arena, &c->models, why);
    c->looks = c->waits = false;
    screen_end(&c->screen);
    return err;
}
