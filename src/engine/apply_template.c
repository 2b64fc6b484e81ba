/* SPDX-License-Identifier: Apache-2.0 */
/* /apply-template: the prompt that a chat becomes, as text. The whole answer is made on the preparing
 * thread. */
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "engine/body.h"
#include "engine/handlers.h"
#include "engine/preparation.h"
#include "engine/refuse.h"
#include "json/write.h"

struct applying {
    struct preparation preparation;
    struct buf reply;
};

static int write_prompt(struct applying *a, const struct chat_prompt *prompt)
{
    struct preparation *p = &a->preparation;
    struct buf text;
    struct json_writer w;
    int err = 0;
    buf_init(&text, SERVER_ANSWER_MAX);
    for (size_t i = 0; !err && i < prompt->count; i++)
        err = buf_append(&text, prompt->parts[i].text);
    json_write_init(&w, &a->reply);
    json_write_object(&w);
    json_write_str_member(&w, "prompt", buf_str(&text));
    json_write_object_end(&w);
    int end = json_write_end(&w);
    buf_fini(&text);
    if (!err && !end) return 0;
    return refuse_field(&p->arena, &p->error, NULL, NULL, "The answer is too large.");
}

static int read_chat(struct preparation *p)
{
    struct applying *a = CONTAINER_OF(p, struct applying, preparation);
    struct chat_prompt prompt;
    struct chat chat;
    struct str model;
    int err = body_read_template(&p->arena, p->call->body, &model, &chat, &p->error);
    if (!err) err = hosted_check_name(p->hosted, &p->arena, model, &p->error);
    if (!err) err = hosted_check_generates(p->hosted, &p->arena, &p->error);
    if (!err) err = chat_render(p->hosted->template, &p->arena, &chat, &prompt, &p->error);
    return err ? err : write_prompt(a, &prompt);
}

static void end(struct preparation *p)
{
    struct applying *a = CONTAINER_OF(p, struct applying, preparation);
    buf_fini(&a->reply);
    preparation_fini(p);
    free(a);
}

static void reply(struct preparation *p)
{
    server_reply_json(p->call, 200, buf_str(&CONTAINER_OF(p, struct applying, preparation)->reply));
    end(p);
}

void post_apply_template(struct server *s, struct http_call *call)
{
    static const struct preparation_handler handler = {
        .read = read_chat, .on_prepared = reply, .on_refused = end};
    struct applying *a = mem_must_zero(1, sizeof *a);
    buf_init(&a->reply, SERVER_ANSWER_MAX);
    preparation_begin(&a->preparation, s, call, &handler);
}
