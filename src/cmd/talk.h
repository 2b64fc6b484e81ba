/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation with a model: its messages, and one answer at a time that streams in.
 *
 * Belongs to its loop's thread. The owner's functions run from the ready queue. */
#ifndef HOSTLER_CMD_TALK_H
#define HOSTLER_CMD_TALK_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "cmd/remote.h"
#include "http/sse.h"
#include "loop/loop.h"

struct talk_message {
    const char *role; /* "system", "user", "assistant"; static */
    char *text;       /* UTF-8, with terminator */
};

/* How an answer went. */
struct talk_result {
    int err;            /* 0, ERR_CANCELLED, or what went wrong */
    struct str why;     /* with err: for people; valid until the next answer */
    uint64_t tokens;    /* as usage says, else frames with text or calls */
    uint64_t first_us;  /* from the request to the first text; 0: there was none */
    uint64_t stream_us; /* from the first text to the last */
};

struct talk_owner {
    void (*on_text)(void *owner, struct str text, bool reasoning); /* a piece of the answer */
    /* A call of a tool begins, or with an empty name the last one goes on. */
    void (*on_call)(void *owner, struct str name, struct str arguments);
    void (*on_end)(void *owner, const struct talk_result *result); /* exactly once per talk_ask */
};

struct talk {
    const struct remote *remote;
    struct loop *loop;
    const struct talk_owner *functions;
    void *owner;
    struct http_client client;
    char *model;
    struct talk_message *messages;
    size_t message_count;
    size_t message_cap;
    char *failed; /* the last question, when it got no answer; else NULL */

    /* the answer that is coming */
    bool busy;
    struct task task;
    struct fetch fetch;
    struct arena arena; /* the head, and what went wrong */
    struct arena frame; /* one frame's document */
    struct buf request;
    struct str body; /* what the request holds */
    struct sse sse;
    struct buf answer; /* text so far; of errors: the body */
    uint64_t asked_us;
    uint64_t first_us;
    uint64_t last_us;
    uint64_t frames;
    uint64_t announced;
    bool finished;    /* [DONE] or a finish_reason was seen */
    struct str error; /* message of an error event, on the arena */
};

void talk_init(struct talk *t, const struct remote *remote, struct loop *loop,
               const struct talk_owner *functions, void *owner);
void talk_fini(struct talk *t);

void talk_set_model(struct talk *t, struct str model);

/* Sets, replaces or (empty) removes the system message. */
void talk_set_system(struct talk *t, struct str text);

/* Forgets all messages but the system's. */
void talk_reset(struct talk *t);

/* Sends the conversation with `text` as the user's next message. Not while busy. After a failure
 * the message is no part of it any more; a cancelled answer stays as far as it came. */
void talk_ask(struct talk *t, struct str text);

/* Takes the last question out of the conversation, with its answer; or the one that failed just now.
 * Its text is the caller's to free; NULL: there is none. Not while busy. */
char *talk_take_back(struct talk *t);

/* Ends the answer that is coming; on_end follows at once with ERR_CANCELLED. */
void talk_cancel(struct talk *t);

/* The conversation as a JSON object with model and messages. */
MUST_CHECK int talk_write(const struct talk *t, struct buf *out, bool as_request);

#endif
