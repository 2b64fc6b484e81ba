/* SPDX-License-Identifier: Apache-2.0 */
/* /apply-template: the prompt that a chat becomes, as text. */
#include "base/err.h"
#include "engine/body.h"
#include "engine/handlers.h"
#include "engine/instant.h"
#include "json/write.h"

static int write_prompt(struct preparation *p, const struct chat_prompt *prompt)
{
    struct buf text;
    struct json_writer w;
    int err = 0;
    buf_init(&text, SERVER_ANSWER_MAX);
    for (size_t i = 0; !err && i < prompt->count; i++)
        err = buf_append(&text, prompt->parts[i].text);
    json_write_init(&w, &instant_of(p)->reply);
    json_write_object(&w);
    json_write_str_member(&w, "prompt", buf_str(&text));
    json_write_object_end(&w);
    int end = json_write_end(&w);
    buf_fini(&text);
    return instant_check(p, err ? err : end);
}

static int read_chat(struct preparation *p)
{
    struct chat_prompt prompt;
    struct chat chat;
    struct str model;
    int err = body_read_template(&p->arena, p->call->body, &model, &chat, &p->error);
    if (!err) err = hosted_check_name(p->hosted, &p->arena, model, &p->error);
    if (!err) err = hosted_check_generates(p->hosted, &p->arena, &p->error);
    if (!err) err = chat_render(p->hosted->template, &p->arena, &chat, &prompt, &p->error);
    return err ? err : write_prompt(p, &prompt);
}

void post_apply_template(struct server *s, struct http_call *call)
{
    static const struct preparation_handler handler = {
        .read = read_chat, .on_prepared = instant_reply, .on_refused = instant_end};
    instant_begin(s, call, &handler);
}
