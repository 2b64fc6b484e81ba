/* SPDX-License-Identifier: Apache-2.0 */
/* How a model's chats become prompts: its own template, Jinja, or another one by setting.
 *
 * What a template can do is found out by trying, once; messages that it cannot take as they are get
 * a shape that it can (messages.h). Constant once it is made, any thread. */
#ifndef HOSTLER_ENGINE_CHAT_TEMPLATE_H
#define HOSTLER_ENGINE_CHAT_TEMPLATE_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"
#include "dialect/dialect.h"
#include "engine/model/model.h"
#include "engine/model/vocab.h"
#include "engine/prompt.h"
#include "engine/text/calls.h"
#include "engine/text/reasoning.h"
#include "json/json.h"

struct chat_template;

struct chat_template_options {
    const char *source; /* a file, or builtin:NAME; NULL: the model's own */
    const char *text;   /* Jinja, instead of a source; NULL: none */
    bool no_reasoning;  /* thoughts stay in the answer */
};

enum { CHAT_WHY_MAX = 512 };

/* Fails, with the reason in one line in `why`, when what the options name cannot be read or is no
 * template. A model's own that is none makes one that renders nothing: chat_template_why. */
MUST_CHECK int chat_template_new(const struct chat_template_options *options,
                                 const struct model_info *model, const struct vocab *vocab,
                                 struct chat_template **out, char why[CHAT_WHY_MAX]);
void chat_template_free(struct chat_template *t);

/* For people: "the model's", "builtin:chatml, since the model has none", a file's name. */
const char *chat_template_name(const struct chat_template *t);

/* Why it renders nothing; NULL: it does. */
const char *chat_template_why(const struct chat_template *t);

/* How it marks thoughts; its start has no pointer where it does not. */
const struct reasoning_markers *chat_template_markers(const struct chat_template *t);

/* How its model writes calls of tools: as the template writes earlier ones; where it writes none, as
 * it asks for them, or in the way that the prompt then asks for. */
const struct call_marks *chat_template_calls(const struct chat_template *t);

struct chat {
    const struct json *messages;  /* an array of objects with a role, not empty */
    const struct json *tools;     /* an array, or NULL */
    const struct json *documents; /* likewise */
    const struct json *kwargs;    /* an object, further variables; or NULL */
    const struct json *thinking;  /* true or false; NULL: as the template likes */
    const struct json *effort;    /* of reasoning, a text; NULL: not said */
    bool goes_on;                 /* the last message is the answer's beginning */
    bool new_turn;                /* it ends where the assistant's answer begins */
};

struct chat_prompt {
    struct prompt_part *parts;
    size_t count;
    size_t bytes;
    bool thinks; /* it ends within the assistant's thoughts */
    bool calls;  /* it ends with what opens a call */
};

/* All is made on the arena. ERR_INVALID and *error: the template cannot take this. */
MUST_CHECK int chat_render(const struct chat_template *t, struct arena *arena,
                           const struct chat *chat, struct chat_prompt *out, struct refusal *error);

#endif
