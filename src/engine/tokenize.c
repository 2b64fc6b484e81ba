/* SPDX-License-Identifier: Apache-2.0 */
/* /tokenize and /detokenize. */
#include "base/err.h"
#include "engine/handlers.h"
#include "engine/instant.h"
#include "engine/refuse.h"
#include "json/write.h"

enum { TOKENIZE_MAX = 1 << 20 }; /* bytes */

/* --- on the preparing thread --- */

static int read_tokenize(struct preparation *p)
{
    struct instant *t = instant_of(p);
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

static int write_tokens(struct preparation *p)
{
    struct instant *t = instant_of(p);
    struct json_writer w;
    json_write_init(&w, &t->reply);
    json_write_object(&w);
    json_write_key(&w, "tokens");
    json_write_array(&w);
    for (size_t i = 0; i < p->tokens->count; i++)
        json_write_i64(&w, p->tokens->tokens[i]);
    json_write_array_end(&w);
    json_write_object_end(&w);
    return instant_check(p, json_write_end(&w));
}

static int read_detokenize(struct preparation *p)
{
    struct instant *t = instant_of(p);
    return body_read_detokenize(&p->arena, p->call->body, vocab_info(p->hosted->vocab)->count,
                                &t->text, &p->error);
}

static int write_text(struct preparation *p)
{
    const struct instant *t = instant_of(p);
    struct buf text;
    struct json_writer w;
    char piece[VOCAB_PIECE_MAX];
    int err = 0;
    buf_init(&text, SERVER_ANSWER_MAX);
    for (uint32_t i = 0; !err && i < t->text.token_count; i++)
        err = buf_append(
            &text, str_n(piece, vocab_piece(p->hosted->vocab, t->text.tokens[i], true, piece)));
    json_write_init(&w, &instant_of(p)->reply);
    json_write_object(&w);
    json_write_str_member(&w, "content", buf_str(&text));
    json_write_object_end(&w);
    int end = json_write_end(&w);
    buf_fini(&text);
    return instant_check(p, err ? err : end);
}

/* --- on the loop --- */

void post_tokenize(struct server *s, struct http_call *call)
{
    static const struct preparation_handler handler = {.read = read_tokenize,
                                                       .finish = write_tokens,
                                                       .on_prepared = instant_reply,
                                                       .on_refused = instant_end};
    instant_begin(s, call, &handler);
}

void post_detokenize(struct server *s, struct http_call *call)
{
    static const struct preparation_handler handler = {.read = read_detokenize,
                                                       .finish = write_text,
                                                       .on_prepared = instant_reply,
                                                       .on_refused = instant_end};
    instant_begin(s, call, &handler);
}
