/* SPDX-License-Identifier: Apache-2.0 */
/* What answers at the engine's routes: one function for each, which takes the call over. */
#ifndef HOSTLER_ENGINE_HANDLERS_H
#define HOSTLER_ENGINE_HANDLERS_H

#include "engine/server.h"

/* request.c */
void post_chat(struct server *s, struct http_call *call);
void post_completion(struct server *s, struct http_call *call);

/* embedding.c */
void post_embeddings(struct server *s, struct http_call *call);

/* rerank.c */
void post_rerank(struct server *s, struct http_call *call);

/* score.c */
void post_score(struct server *s, struct http_call *call);

/* apply_template.c */
void post_apply_template(struct server *s, struct http_call *call);
void post_input_tokens(struct server *s, struct http_call *call);

/* tokenize.c */
void post_tokenize(struct server *s, struct http_call *call);
void post_detokenize(struct server *s, struct http_call *call);

/* pages.c */
void get_models(struct server *s, struct http_call *call);
void get_model(struct server *s, struct http_call *call);
void get_health(struct server *s, struct http_call *call);

/* cache_page.c */
void get_cache(struct server *s, struct http_call *call);
void post_cache_pin(struct server *s, struct http_call *call);
void post_cache_unpin(struct server *s, struct http_call *call);
void post_cache_drop(struct server *s, struct http_call *call);
void post_cache_drop_all(struct server *s, struct http_call *call);

/* metrics.c */
void get_metrics(struct server *s, struct http_call *call);

#endif
