/* SPDX-License-Identifier: Apache-2.0 */
/* Chats, with libllama's built-in templates. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "engine/model/llama_priv.h"

static bool renders_alike(const char *one, const char *other)
{
    static const struct llama_chat_message probe[] = {
        {"system", " s "}, {"user", " u "}, {"assistant", " a "}, {"user", "u"}};
    char a[1024], b[sizeof a];
    int32_t n = llama_chat_apply_template(one, probe, 4, true, a, sizeof a);
    return n > 0 && n <= (int32_t)sizeof a &&
           llama_chat_apply_template(other, probe, 4, true, b, sizeof b) == n &&
           memcmp(a, b, (size_t)n) == 0;
}

/* libllama does not tell which of its templates it takes for a file's, so the first
 * that gives the same is found. */
static const char *name_template(const char *text)
{
    const char *names[128];
    int32_t count = llama_chat_builtin_templates(names, ARRAY_LEN(names));
    for (int32_t i = 0; i < MIN(count, (int32_t)ARRAY_LEN(names)); i++)
        if (renders_alike(names[i], text)) return names[i];
    return "template";
}

void llama__choose_template(struct model *m)
{
    const struct llama_chat_message probe = {"user", "x"};
    const char *own = llama_model_chat_template(m->llama, NULL);
    bool known = own && llama_chat_apply_template(own, &probe, 1, true, NULL, 0) > 0;
    m->builtin_template = known ? own : "chatml";
    m->info.template_found = known ? MODEL_TEMPLATE_FAMILY
                             : own ? MODEL_TEMPLATE_UNKNOWN
                                   : MODEL_TEMPLATE_NONE;
    (void)snprintf(m->info.template_name, sizeof m->info.template_name, "built-in %s",
                   name_template(m->builtin_template));
}

int model_chat(const struct model *m, const struct model_message *messages, size_t count,
               struct buf *out)
{
    struct llama_chat_message *chat = llama__must(calloc(count, sizeof *chat));
    size_t guess = 256;
    int err = 0;
    for (size_t i = 0; i < count; i++) {
        chat[i] = (struct llama_chat_message){messages[i].role, messages[i].content};
        guess += 64 + 2 * strlen(messages[i].content);
    }
    for (;;) {
        char *room;
        err = guess > INT32_MAX ? ERR_TOO_LARGE : buf_reserve(out, guess, &room);
        if (err) break;
        int32_t n =
            llama_chat_apply_template(m->builtin_template, chat, count, true, room, (int32_t)guess);
        if (n < 0) err = ERR_INVALID;
        if (err || (size_t)n <= guess) {
            if (!err) buf_commit(out, (size_t)n);
            break;
        }
        guess = (size_t)n;
    }
    free(chat);
    return err;
}
