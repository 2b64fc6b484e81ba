/* SPDX-License-Identifier: Apache-2.0 */
/* /apply-template: the prompt that a chat becomes, as text; /v1/chat/completions/input_tokens: how
 * many tokens that has. */
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

static int render(struct preparation *p, struct chat_prompt *prompt)
{
    struct chat chat;
    struct str model;
    int err = body_read_template(&p->arena, p->call->body, &model, &chat, &p->error);
    if (!err) err = hosted_check_name(p->hosted, &p->arena, model, &p->error);
    if (!err) err = hosted_check_generates(p->hosted, &p->arena, &p->error);
    return err ? err : chat_render(p->hosted->template, &p->arena, &chat, prompt, &p->error);
}

static int read_chat(struct preparation *p)
{
    struct chat_prompt prompt;
    int err = render(p, &prompt);
    return err ? err : write_prompt(p, &prompt);
}

static int read_count(struct preparation *p)
{
    p->param = "messages";
    p->room = UINT32_MAX;
    p->may_be_empty = true;
    p->count = 1;
    p->bytes = p->call->body.len;
    return 0;
}

static int begin_count(struct preparation *p, size_t index UNUSED)
{
    struct chat_prompt prompt;
    int err = render(p, &prompt);
    if (err) return err;
    return prompt_of_parts(&p->prompt, &p->arena, p->hosted->vocab, prompt.parts, prompt.count,
                           p->room);
}

static int write_count(struct preparation *p)
{
    struct json_writer w;
    json_write_init(&w, &instant_of(p)->reply);
    json_write_object(&w);
    json_write_u64_member(&w, "input_tokens", p->tokens->count);
    json_write_object_end(&w);
    return instant_check(p, json_write_end(&w));
}

void post_input_tokens(struct server *s, struct http_call *call)
{
    static const struct preparation_handler handler = {.read = read_count,
                                                       .begin_prompt = begin_count,
                                                       .finish = write_count,
                                                       .on_prepared = instant_reply,
                                                       .on_refused = instant_end};
    instant_begin(s, call, &handler);
}

void post_apply_template(struct server *s, struct http_call *call)
{
    static const struct preparation_handler handler = {
        .read = read_chat, .on_prepared = instant_reply, .on_refused = instant_end};
    instant_begin(s, call, &handler);
}
