/* SPDX-License-Identifier: Apache-2.0 */
/* Between the parts of the mock runtime's server: mock_serve.c (a request's life), mock_plan.c (what
 * it will say), mock_objects.c (answers that are one object), mock_pages.c and mock_control.c (what
 * is no request), mock_paths.c (which is which). */
#ifndef HOSTLER_CMD_MOCK_PRIV_H
#define HOSTLER_CMD_MOCK_PRIV_H

#include "cmd/mock_answer.h"
#include "cmd/mock_serve.h"
#include "cmd/mock_turn.h"
#include "cmd/mock_voice.h"
#include "dialect/surface.h"

struct request;

/* A row of the table of paths. */
struct mock_path {
    struct str path;
    enum { BELOW, BESIDE, BOTH } where; /* of /v1 */
    bool begins;                        /* anything that begins with it */
    enum surface surface;
    const char
        *kinds; /* who has it besides those with the surface: names between blanks, or "all" */
    const struct dialect *dialect; /* of its errors; NULL: the surface's */

    /* POST: appends the one object that is answered; NULL: words are. ERR_INVALID: a 400, or the one
     * that r->wrong says. */
    int (*object)(struct request *r, struct buf *out);

    /* GET, and POST that is no request. */
    void (*page)(struct mock_worker *w, struct http_call *c);
};

/* A model request. */
struct request {
    struct task task;
    struct timer timer;
    struct mock_worker *worker;
    struct http_call *call;
    const struct mock_path *path;
    enum mock_phase phase;
    struct mock_knobs knobs;
    struct str id;         /* names it in stats: "id" of the mock member, x-mock-id, x-request-id */
    struct str model;      /* unescaped */
    struct mock_turn turn; /* what the script says */
    struct mock_answer answer; /* what is counted, or said without a script */
    struct mock_frames frames; /* streams of these */
    struct mock_voice *voice;  /* says what is not said by frames; NULL: frames do */
    enum finish finish;
    bool stream;
    bool begun;       /* the head was given to the call */
    struct str input; /* raw: what is asked */
    unsigned dimensions;
    bool base64;
    struct refusal why;     /* without a plan */
    const char *wrong;      /* why there is no object */
    int status;             /* the error to give; 0: none */
    uint32_t sent;          /* frames */
    uint64_t first_us;      /* when the first frame is due */
    uint64_t last_write_us; /* for comments */
};

/* --- mock_serve.c --- */

/* Answers and ends the call. */
void mock__reply_json(struct http_call *c, int status, struct str body);

/* The same with an error; `code` may be NULL. */
void mock__reply_error(struct http_call *c, const struct dialect *dialect, int status,
                       const char *code, const char *message);

/* Takes the call over as a model request. */
void mock__start_request(struct mock_worker *w, struct http_call *c, const struct mock_path *path);

/* --- mock_plan.c --- */

/* Fills the plan from the body. False: it is refused, r->why says why. */
bool mock__plan(struct request *r);

/* --- mock_objects.c: fit `object` --- */

int mock__embeddings(struct request *r, struct buf *out);
int mock__ollama_embed(struct request *r, struct buf *out);
int mock__ollama_embeddings(struct request *r, struct buf *out);
int mock__rerank(struct request *r, struct buf *out);
int mock__score(struct request *r, struct buf *out);
int mock__template(struct request *r, struct buf *out);
int mock__tokenize(struct request *r, struct buf *out);
int mock__count(struct request *r, struct buf *out);
int mock__show(struct request *r, struct buf *out);

/* --- mock_pages.c: fit `page` --- */

void mock__health(struct mock_worker *w, struct http_call *c);
void mock__models(struct mock_worker *w, struct http_call *c);
void mock__model(struct mock_worker *w, struct http_call *c);
void mock__ollama_root(struct mock_worker *w, struct http_call *c);
void mock__ollama_version(struct mock_worker *w, struct http_call *c);
void mock__ollama_tags(struct mock_worker *w, struct http_call *c);
void mock__ollama_ps(struct mock_worker *w, struct http_call *c);
void mock__vllm_version(struct mock_worker *w, struct http_call *c);
void mock__llama_props(struct mock_worker *w, struct http_call *c);

/* Members that tell of a model in Ollama's dialect. */
void mock__ollama_details(struct json_writer *w);

enum { MOCK_CONTEXT = 32768 }; /* tokens, as pages tell */

/* --- mock_control.c: the same --- */

void mock__stats(struct mock_worker *w, struct http_call *c);
void mock__requests(struct mock_worker *w, struct http_call *c);
void mock__metrics(struct mock_worker *w, struct http_call *c);
void mock__reset(struct mock_worker *w, struct http_call *c);
void mock__set_knobs(struct mock_worker *w, struct http_call *c);
void mock__script(struct mock_worker *w, struct http_call *c);
void mock__set_script(struct mock_worker *w, struct http_call *c);

/* --- mock_manners.c; NULL: of none --- */

/* Whom a product's models belong to. */
struct str mock__owner(const struct runtime_kind *kind);

/* What it says of a path that it has not. */
void mock__reply_not_found(const struct runtime_kind *kind, struct http_call *c);

/* --- mock_paths.c --- */

/* Fits the server's on_call. */
void mock__on_call(void *worker, struct http_call *c);

#endif
