/* SPDX-License-Identifier: Apache-2.0 */
/* Dialects: the shapes in which APIs say the same. A dialect is a table of functions; who
 * relays, serves or pretends to be a runtime goes through it, and a further dialect is a further
 * table.
 *
 * Pure functions, no I/O, any thread. */
#ifndef HOSTLER_DIALECT_DIALECT_H
#define HOSTLER_DIALECT_DIALECT_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "dialect/reader.h"
#include "http/message.h"
#include "json/scan.h"

/* One API: what is asked and in which dialect, by a client or of a runtime (dialect/surface.h says
 * more of each). */
enum surface {
    SURFACE_NONE, /* no runtime is asked */
    SURFACE_CHAT,
    SURFACE_COMPLETIONS,
    SURFACE_EMBEDDINGS,
    SURFACE_RERANK,   /* how well texts fit each other */
    SURFACE_TEMPLATE, /* the prompt that a chat becomes */
    SURFACE_RESPONSES,
    SURFACE_MESSAGES,
    SURFACE_OLLAMA_CHAT,
    SURFACE_OLLAMA_GENERATE,
    SURFACE_OLLAMA_RAW, /* generate without a template */
    SURFACE_OLLAMA_EMBED,
    SURFACE_OLLAMA_EMBEDDINGS, /* its older form */
    SURFACE_COUNT_CHAT,        /* how many tokens a request has */
    SURFACE_COUNT_RESPONSES,
    SURFACE_COUNT_MESSAGES,
    SURFACE_COUNT_TOKENIZE, /* vLLM's */
    SURFACE_COUNT
};

/* Surfaces as a set. */
#define SURFACE_BIT(surface) (UINT32_C(1) << (surface))

/* What a request is for. Ollama's that ask nothing are about the model itself. */
enum ask_purpose {
    ASK_ANSWER,
    ASK_LOAD,   /* the model shall be ready for requests */
    ASK_UNLOAD, /* its memory shall be given back */
};

/* What routing needs of a request body. Spans borrow from the body. */
struct ask {
    enum surface surface; /* the route's, which peek may narrow down; set before it */
    enum ask_purpose purpose;
    struct str model; /* unescaped */
    bool stream;
    bool asks_usage;  /* the client wants the usage of its stream */
    bool background;  /* of a response: it is asked for, and fetched later */
    bool other_tools; /* of a response: it brings tools that are no functions */
    struct json_span model_span;
    struct json_span options_span; /* what has usage_span in it */
    struct json_span usage_span;   /* where it says so */
};

/* Why a request is not answered. All strings are static or on an arena. */
struct refusal {
    int status;
    struct str message; /* a sentence for people */
    const char *param;  /* the field that is at fault, or NULL */
    const char *code;   /* for programs, or NULL */
    const char *type;   /* NULL: as the status says */
    const char *id;     /* the request's, for dialects whose errors tell it, or NULL */
    bool theirs;        /* a runtime's words: the code may be any */
};

/* What is to be changed in a body on its way to a runtime. */
struct edits {
    struct str model; /* the name by which the runtime knows it */
    bool ask_usage;   /* asks for the usage of a stream where the client does not */
    bool drop_ask;    /* takes out what the client asks of that kind */
};

enum { DIALECT_SLICES_MAX = 8 };

struct dialect {
    const char *name;

    /* Validates the body of a request and reads it, adding to out->surface. ERR_INVALID: *why says
     * what is wrong. -ENOMEM. */
    int (*peek)(struct arena *arena, struct str body, struct ask *out, struct refusal *why);

    /* The body as slices for a runtime of the same dialect: the client's own bytes but for the
     * edits. Returns how many slices; 0: no memory. */
    unsigned (*splice)(const struct ask *ask, struct str body, const struct edits *edits,
                       struct arena *arena, struct str slices[DIALECT_SLICES_MAX]);

    /* How many answers (choices) a body asks for. Scans the body: for rare occasions. */
    unsigned (*choices)(struct str body);

    const struct answer_reader *reader;

    /* Another name of the same model, where there is none of the one that was asked for; or that
     * one. NULL: names are what they are. */
    struct str (*other_name)(struct str name);

    /* Appends a refusal as the body of an answer, or nothing where there is no room. */
    void (*write_error)(struct buf *out, const struct refusal *why);

    /* The same as the last event of a stream that was relayed so far. */
    void (*write_error_event)(struct buf *out, const struct refusal *why,
                              const struct stream_mark *mark);

    /* in which answers tell the request's id besides x-request-id; empty: none */
    struct str id_header;
    struct str ping;   /* keeps a stream alive that is relayed; empty: nothing does */
    bool tells_errors; /* a runtime's errors in another shape are told in this dialect's; then: */
    bool (*is_error)(struct str body); /* whether a body is an error of this dialect */
};

extern const struct dialect dialect_openai;    /* openai/openai.c */
extern const struct dialect dialect_responses; /* responses/responses.c */
extern const struct dialect dialect_anthropic; /* anthropic/anthropic.c */
extern const struct dialect dialect_ollama;    /* ollama/ollama.c */

/* media.c: judges what a head says of a JSON body. JSON may go by any media type or none (curl's
 * -d calls it a form), since it is read as JSON and passed on as that; but another charset than
 * UTF-8 or a content coding would make other text of it. ERR_INVALID: *why says what is wrong,
 * with status 415. */
MUST_CHECK int dialect_check_media(const struct http_head *head, struct refusal *why);

#endif
