/* SPDX-License-Identifier: Apache-2.0 */
/* The desk: what the gateway answers itself, one file per subject. Each is a handler in a row of
 * the process's routes. */
#ifndef HOSTLER_DESK_DESK_H
#define HOSTLER_DESK_DESK_H

#include "gate/exchange.h"
#include "json/write.h"

extern const struct handler desk_models;   /* models.c: the list */
extern const struct handler desk_model;    /* one of them, the route's argument */
extern const struct handler desk_response; /* responses.c: one that was kept */
extern const struct handler desk_cancel;
extern const struct handler desk_front;   /* front.c: the page at / */
extern const struct handler desk_alive;   /* probes.c */
extern const struct handler desk_ready;   /* whether requests would be served */
extern const struct handler desk_metrics; /* metrics_page.c */

/* model_itself.c: has a model loaded or put away, where a request asks for nothing else. */
extern const struct handler desk_model_itself;

/* Ollama's, in ollama.c: that it is there, its version, and what is not done here. */
extern const struct handler desk_ollama_running;
extern const struct handler desk_ollama_version;
extern const struct handler desk_ollama_refused; /* whatever the method */

/* ollama_models.c: the lists of models and of those whose runtime is up; one model, and the order to
 * fetch one, which the body names. */
extern const struct handler desk_ollama_tags;
extern const struct handler desk_ollama_ps;
extern const struct handler desk_ollama_show;
extern const struct handler desk_ollama_pull;

/* --- reply.c, for the others --- */

/* Sends what was written, which ended with `err`, frees it and ends the exchange. */
enum step desk_reply(struct exchange *x, int status, struct str content_type, struct buf *body,
                     int err);

/* A JSON answer in the making. */
struct desk_page {
    struct buf body;
    struct json_writer w;
};

void desk_page_init(struct desk_page *p);

/* Sends what was written and ends the exchange. */
enum step desk_page_reply(struct exchange *x, int status, struct desk_page *p);

#endif
