/* SPDX-License-Identifier: Apache-2.0 */
/* Translation between dialects, through one pivot.
 *
 * A request goes through the body of an OpenAI chat: a client's dialect reads its own request and
 * writes that (to_pivot), a runtime's dialect reads that and writes its own (from_pivot). An answer
 * goes through the events below: a runtime's dialect makes events of what it sends (a source), a
 * client's dialect makes bytes of events (a writer), streamed or whole on either side. So N client
 * dialects and M runtimes need N + M pieces.
 *
 * What the pivot has beyond OpenAI's chat (API reference 2.3.0):
 *   messages[].reasoning_content  what the assistant thought, a string
 *   messages[].thinking_blocks    the same with what proves it, as Anthropic's blocks
 *                                 {type: thinking, thinking, signature} and
 *                                 {type: redacted_thinking, data}; only where the runtime speaks
 *                                 Anthropic's dialect
 *   top_k, min_p, repetition_penalty
 *
 * Pure functions, no I/O; one thread at a time. */
#ifndef HOSTLER_DIALECT_PIVOT_H
#define HOSTLER_DIALECT_PIVOT_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "dialect/dialect.h"
#include "dialect/reader.h"
#include "json/json.h"
#include "json/write.h"

struct runtime_kind;

/* One request that is translated, and what its answer needs to know of it. Lives as long as the
 * exchange. */
struct translation {
    struct arena *arena;             /* the exchange's: for all that stays */
    enum surface asked;              /* the client's */
    enum surface sent;               /* the runtime's */
    const struct runtime_kind *kind; /* its product; NULL: none in particular */
    struct str model;                /* as the client called it: the name that the answer has */
    struct str id;            /* for the ids of the answer, letters and digits: "msg_" and this */
    uint64_t created_us;      /* since 1970 */
    uint64_t began_us;        /* on the monotonic clock, when the request came */
    bool stream;              /* the client wants a stream */
    bool asks_usage;          /* the client wants the usage of its stream (chat) */
    bool ask_usage;           /* the runtime's stream is asked for it; see pivot_write_stream */
    uint64_t prompt_estimate; /* tokens, where the answer must tell before it knows */

    /* What the client's dialect is told of earlier requests, set before this one is translated; of
     * Responses a struct responses_past (responses/responses.h), or NULL. */
    const void *past;

    /* What the client's dialect keeps of the request for its writer (made by to_pivot), or NULL. */
    const void *memo;

    /* Set by to_pivot: the tools of the chat are not one by one those of the request. */
    bool tools_moved;

    /* Fields that the runtime does not get since its dialect has no word for them, and which do not
     * change what is answered; pivot_drop adds. */
    const char *dropped[16];
    unsigned dropped_count;
};

/* Takes note of a field ("messages[].cache_control", static or on the arena) that is left out,
 * once. What changes the meaning is refused instead. */
void pivot_drop(struct translation *t, const char *field);

/* Writes the members of an open chat that ask for a stream, where the client wants one. */
void pivot_write_stream(const struct translation *t, struct json_writer *chat);

/* A refusal with status 400 that names the field by its path. Returns ERR_INVALID. */
int pivot_refuse(struct translation *t, struct refusal *why, const char *path, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* Reads a request of the client's dialect and writes the chat that asks the same, one JSON object.
 * ERR_INVALID: *why says what is wrong, or what cannot be said. -ENOMEM. `model`: the name that the
 * runtime knows it by. */
typedef int (*to_pivot_fn)(struct translation *t, struct str model, const struct json *body,
                           struct json_writer *chat, struct refusal *why);

/* Reads a chat, which may be the client's own, and writes the request of the runtime's dialect. The
 * same errors. */
typedef int (*from_pivot_fn)(struct translation *t, struct str model, const struct json *chat,
                             struct json_writer *out, struct refusal *why);

/* --- answers --- */

enum answer_kind {
    ANSWER_TEXT,      /* text: a piece of what is answered */
    ANSWER_REFUSAL,   /* text: a piece of why it is not */
    ANSWER_REASONING, /* text: a piece of what is thought */
    ANSWER_SIGNATURE, /* text: proves the reasoning since the last one, or some that is not shown */
    ANSWER_REDACTED,  /* text: reasoning that only its maker can read */
    ANSWER_CALL,      /* call, id, name: a tool call begins */
    ANSWER_ARGUMENTS, /* call, text: a piece of its arguments, which are JSON in a string */
    ANSWER_FINISH,    /* finish, text: the stop sequence that was met, or empty */
    ANSWER_VECTOR,    /* raw: an embedding, an array of numbers; in the order of the texts */
    ANSWER_COUNT,     /* usage.prompt: how many tokens a request has, where that is asked */
    ANSWER_END,       /* usage: nothing follows. From who relays, not from a source */
    ANSWER_ERROR,     /* refusal: the same; only to streams */
};

enum finish { FINISH_STOP, FINISH_LENGTH, FINISH_CALLS, FINISH_FILTER, FINISH_PAUSE };

/* Strings are as they stand between the quotes of JSON, escapes and all, and borrowed: so most
 * pieces pass without being looked into. */
struct answer_event {
    enum answer_kind kind;
    unsigned call; /* 0, 1, ... in the order in which calls begin */
    struct str text;
    struct str id;   /* of a call; empty: the runtime gave none, the writer makes one */
    struct str name; /* of a call */
    struct str raw;  /* JSON text; of TEXT: `logprobs.content` of OpenAI's, or empty */
    enum finish finish;
    struct usage usage; /* `known` or not */
    const struct refusal *refusal;
};

/* Who takes events. 0, -ENOMEM, ERR_TOO_LARGE. */
struct answer_sink {
    void *owner;
    int (*put)(void *owner, const struct answer_event *e);
};

enum { ANSWER_HELD_MAX = 16 << 20 }; /* bytes that a writer or source may hold of an answer */

/* --- a runtime's side --- */

/* State of one answer that is read; its ops' own struct begins with it. Zeroed at first, on an
 * arena. */
struct answer_source {
    const struct answer_source_ops *ops;
    const struct translation *t;
};

struct answer_source_ops {
    size_t size;
    void (*init)(struct answer_source *s); /* NULL: zeroes will do */
    void (*fini)(struct answer_source *s); /* NULL: nothing is held */

    /* One event of a stream: its name (SSE's `event`, or empty) and its data. Errors and the mark
     * of the end are not given. 0, what the sink returns, or ERR_INVALID: that is none of this
     * dialect. */
    int (*event)(struct answer_source *s, struct str name, struct str data,
                 const struct answer_sink *to);

    /* An answer that is one JSON object, which was not checked. The same. */
    int (*whole)(struct answer_source *s, struct str body, const struct answer_sink *to);
};

/* --- a client's side --- */

/* State of one answer that is written; as above. */
struct answer_writer {
    const struct answer_writer_ops *ops;
    const struct translation *t;
};

struct answer_writer_ops {
    size_t size;
    void (*init)(struct answer_writer *w);
    void (*fini)(struct answer_writer *w);

    /* Takes an event and appends what the client gets of it: frames of a stream at once; of a whole
     * answer nothing until ANSWER_END, which brings its object. With t->stream, ANSWER_ERROR ends
     * the stream as this dialect ends broken ones; without, it is never given. A stream without
     * FINISH before its END ended with FINISH_STOP. 0, -ENOMEM, ERR_TOO_LARGE. */
    int (*put)(struct answer_writer *w, const struct answer_event *e, struct buf *out);

    struct str ping; /* keeps a stream alive: whole frames, or empty where there are none */
};

#endif
