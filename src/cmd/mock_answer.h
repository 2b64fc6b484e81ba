/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of the mock runtime's answers: tokens, chat and text objects, stream frames.
 *
 * Pieces are glued as slices, without a JSON writer, so that an answer costs next to nothing. */
#ifndef HOSTLER_CMD_MOCK_ANSWER_H
#define HOSTLER_CMD_MOCK_ANSWER_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "dialect/reader.h"

enum mock_kind { MOCK_CHAT, MOCK_TEXT };

/* The tokens "t0 ", "t1 " ... one after the other. Immutable once made; shared by all threads. */
struct mock_text {
    char *bytes;
    uint32_t *starts; /* MOCK_TOKENS_MAX + 1 */
    char *filler;     /* MOCK_PAD_MAX times 'x' */
};

void mock_text_init(struct mock_text *t);
void mock_text_fini(struct mock_text *t);

/* What an answer says. Strings are JSON text without quotes. */
struct mock_answer {
    enum mock_kind kind;
    const struct mock_text *text;
    const struct str *echo; /* `tokens` pieces to say instead; NULL: the counted tokens */
    uint64_t number;        /* makes the id */
    uint64_t created;       /* seconds since 1970 */
    struct str model;
    uint32_t tokens;
    uint32_t pad; /* filler bytes behind each token */
    unsigned choices;
    struct str finish;  /* "stop" or "length" */
    bool with_usage;    /* the object or the stream ends with usage */
    struct usage usage; /* no part beyond 10 digits */
};

/* The object of an answer that is not streamed, on the arena. */
struct str mock_answer_object(const struct mock_answer *a, struct arena *arena);

/* The bytes around a stream's tokens, on the arena. */
enum { MOCK_CHOICES_MAX = 8, MOCK_FRAME_SLICES = 4 };

struct mock_frames {
    const struct mock_answer *answer;
    struct str head;                     /* the frames with the role (chat), or empty */
    struct str before[MOCK_CHOICES_MAX]; /* each choice's frames up to the token */
    struct str after;
    struct str tail; /* finish, usage, [DONE] */
};

void mock_frames_make(struct mock_frames *f, const struct mock_answer *a, struct arena *arena);

/* The slices of the frame with token `index` of one choice; their number. */
unsigned mock_frames_token(const struct mock_frames *f, uint32_t index, unsigned choice,
                           struct str out[MOCK_FRAME_SLICES]);

/* The text of token `index`. */
struct str mock_token(const struct mock_answer *a, uint32_t index);

/* The last message that comes from outside: neither the assistant's nor the system's; without one
 * the last. `messages` is the raw value of messages, prompt or input; what is no list is one. */
struct str mock_last_message(struct str messages);

/* Cuts that message's text into words, blanks with the word before them, as JSON text. */
MUST_CHECK int mock_echo(struct arena *arena, struct str messages, const struct str **pieces,
                         uint32_t *count);

#endif
