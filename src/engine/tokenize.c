/* SPDX-License-Identifier: Apache-2.0 */
/* /tokenize and /detokenize: the whole answer is made on the preparing thread. */
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "engine/handlers.h"
#include "engine/preparation.h"
#include "engine/refuse.h"
#include "json/write.h"

enum { TOKENIZE_MAX = 1 << 20 }; /* bytes */

struct tokenizing {
    struct preparation preparation;
    struct body_prompt text;
    struct buf reply;
};

static struct tokenizing *of_preparation(struct preparation *p)
{
    return CONTAINER_OF(p, struct tokenizing, preparation);
}

/* --- on the preparing thread --- */

static int read_tokenize(struct preparation *p)
{
    struct tokenizing *t = of_preparation(p);
    int err = body_read_tokenize(&p->arena, p->call->body, &t->text.text, &p->around, &p->error);
    if (err) return err;
    if (t->text.text.len > TOKENIZE_MAX) {
        err = refuse_field(&p->arena, &p->error, "content", NULL,
                           "'content' has more than 1 MiB: cut it.");
        p->error.status = 413;
        return err;
    }
    p->param = "content";
    p->room = UINT32_MAX;
    p->may_be_empty = true;
    p->texts = &t->text;
    p->count = 1;
    return 0;
}

static int refuse_size(struct preparation *p, int err)
{
    return err ? refuse_field(&p->arena, &p->error, NULL, NULL, "The answer is too large.") : 0;
}

static int write_tokens(struct preparation *p)
{
    struct tokenizing *t = of_preparation(p);
    struct json_writer w;
    json_write_init(&w, &t->reply);
    json_write_object(&w);
    json_write_key(&w, "tokens");
    json_write_array(&w);
    for (size_t i = 0; i < p->tokens->count; i++)
        json_write_i64(&w, p->tokens->tokens[i]);
    json_write_array_end(&w);
    json_write_object_end(&w);
    return refuse_size(p, json_write_end(&w));
}

static int read_detokenize(struct preparation *p)
{
    struct tokenizing *t = of_preparation(p);
    return body_read_detokenize(&p->arena, p->call->body, vocab_info(p->hosted->vocab)->count,
                                &t->text, &p->error);
}

static int write_text(struct preparation *p)
{
    const struct tokenizing *t = of_preparation(p);
    struct buf text;
    struct json_writer w;
    char piece[VOCAB_PIECE_MAX];
    int err = 0;
    buf_init(&text, SERVER_ANSWER_MAX);
    for (uint32_t i = 0; !err && i < t->text.token_count; i++)
        err = buf_append(
            &text, str_n(piece, vocab_piece(p->hosted->vocab, t->text.tokens[i], true, piece)));
    json_write_init(&w, &of_preparation(p)->reply);
    json_write_object(&w);
    json_write_str_member(&w, "content", buf_str(&text));
    json_write_object_end(&w);
    int end = json_write_end(&w);
    buf_fini(&text);
    return refuse_size(p, err ? err : end);
}

/* --- on the loop --- */

static void end(struct preparation *p)
{
    struct tokenizing *t = of_preparation(p);
    buf_fini(&t->reply);
    preparation_fini(p);
    free(t);
}

static void reply(struct preparation *p)
{
    server_reply_json(p->call, 200, buf_str(&of_preparation(p)->reply));
    end(p);
}

static void begin(struct server *s, struct http_call *call,
                  const struct preparation_handler *handler)
{
    struct tokenizing *t = mem_must_zero(1, sizeof *t);
    buf_init(&t->reply, SERVER_ANSWER_MAX);
    preparation_begin(&t->preparation, s, call, handler);
}

void post_tokenize(struct server *s, struct http_call *call)
{
    static const struct preparation_handler handler = {
        .read = read_tokenize, .finish = write_tokens, .on_prepared = reply, .on_refused = end};
    begin(s, call, &handler);
}

void post_detokenize(struct server *s, struct http_call *call)
{
    static const struct preparation_handler handler = {
        .read = read_detokenize, .finish = write_text, .on_prepared = reply, .on_refused = end};
    begin(s, call, &handler);
}
