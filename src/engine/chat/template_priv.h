/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the chat template share. */
#ifndef HOSTLER_ENGINE_CHAT_TEMPLATE_PRIV_H
#define HOSTLER_ENGINE_CHAT_TEMPLATE_PRIV_H

#include "engine/chat/messages.h"
#include "engine/chat/template.h"
#include "jinja/jinja.h"

struct chat_template {
    struct jinja *chat;
    struct jinja *tools; /* for chats with tools; NULL: the same */
    const struct vocab *vocab;
    struct chat_caps caps;
    struct str bos, eos; /* names */
    struct reasoning_markers markers;
    struct call_marks calls;
    bool calls_are_strange; /* it writes calls in a way that no reader knows */
    char name[128];
    char why[CHAT_WHY_MAX]; /* empty: it renders */
};

/* render.c: renders messages as they are, with whatever the chat has besides, in so much time. */
MUST_CHECK int chat__render(const struct chat_template *t, struct arena *arena,
                            const struct chat *chat, const struct json *messages, bool new_turn,
                            uint64_t time_us, struct jinja_output *out, struct jinja_error *why);

/* probe.c: what the template can do, and how its model writes calls of tools. `source`: its text. */
void chat__probe(struct chat_template *t, struct str source);

#endif
