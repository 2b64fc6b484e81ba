/* SPDX-License-Identifier: Apache-2.0 */
/* What the server's files share. */
#ifndef HOSTLER_ENGINE_SERVER_PRIV_H
#define HOSTLER_ENGINE_SERVER_PRIV_H

#include "engine/api.h"
#include "engine/preparation.h"
#include "engine/server.h"

enum {
    SERVER_BODY_MAX = 16 * 1024 * 1024,
    SERVER_PARSE_MAX = 8 * SERVER_BODY_MAX,
    SERVER_ANSWER_MAX = 256 * 1024 * 1024
};

void server__reply_json(struct http_call *c, int status, struct str body);
void server__reply_error(struct http_call *c, const struct refusal *error);

/* Counts work in progress, and tells when a draining server has none left. */
void server__enter(struct server *s, struct work *work);
void server__leave(struct server *s, struct work *work);

MUST_CHECK int server__check_model(const struct server *s, struct arena *arena, struct str name,
                                   struct refusal *error);

/* request.c: chat and completions. Takes the call over. */
void request_begin(struct server *s, struct http_call *call, enum api_kind kind);
void request_on_output(struct server *s, const struct output *out);

/* embedding.c */
void embedding_begin(struct server *s, struct http_call *call);
void embedding_on_done(struct server *s, struct embed_job *job, int err);

/* tokenize.c: /tokenize and /detokenize. */
void tokenize_begin(struct server *s, struct http_call *call);
void detokenize_begin(struct server *s, struct http_call *call);

/* metrics.c */
MUST_CHECK int server__metrics(struct server *s, struct buf *out);

#endif
