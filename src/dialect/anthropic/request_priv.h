/* SPDX-License-Identifier: Apache-2.0 */
/* A request of Messages on its way to be a chat: what its parts, in a file each, have in common.
 *
 * Functions return 0, ERR_INVALID with a refusal, or -ENOMEM. What was written until then is not
 * used. */
#ifndef HOSTLER_DIALECT_ANTHROPIC_REQUEST_PRIV_H
#define HOSTLER_DIALECT_ANTHROPIC_REQUEST_PRIV_H

#include "dialect/pivot.h"

struct request {
    struct translation *t;
    const struct json *body;
    const struct json
        *messages;         /* its member; looking for that takes as long as there are others */
    struct json_writer *w; /* the chat */
    struct refusal *why;
    struct buf text;    /* one text in the making */
    struct arena arena; /* the calls of the present turn, see messages.c */
};

/* What a writer must know of the request; translation's `memo`. */
struct messages_memo {
    bool no_thinking; /* the client said that it wants none */
};

/* Where a value stands, for refusals: "messages[3]", in that "content[0]". Each on the stack of who
 * reads it. */
struct place {
    const struct place *outer; /* NULL: the body */
    const char *name;
    size_t index; /* in the list of that name; NO_INDEX: it is no list */
};
#define NO_INDEX SIZE_MAX

/* --- fields.c --- */

/* Refuses the member `name` of what is at `at` (NULL: the body): "'messages[3].role' must be ...".
 * `name` NULL: what is there itself. Returns ERR_INVALID. */
int anthropic__refuse(struct request *q, const struct place *at, const char *name, const char *fmt,
                      ...) PRINTF_LIKE(4, 5);

/* True for a member that is not there, or null. */
bool anthropic__absent(const struct json *v);

/* A string that must be there. */
int anthropic__str(struct request *q, const struct place *at, const struct json *object,
                   const char *name, struct str *out);

/* A string or a flag that may be missing; *out is then as it was. */
int anthropic__str_or(struct request *q, const struct place *at, const struct json *object,
                      const char *name, struct str *out);
int anthropic__flag_or(struct request *q, const struct place *at, const struct json *object,
                       const char *name, bool *out);

/* Takes note of those of the members `names` (up to a NULL) that an object has and a chat has not. */
void anthropic__drop(struct request *q, const struct json *object, const char *const *names);

/* --- content.c --- */

/* Whose content it is. */
enum content_place {
    IN_SYSTEM = 1,
    IN_USER = 2,
    IN_ASSISTANT = 4,
    IN_RESULT = 8, /* of a tool; or a document */
};

/* What becomes of content. */
enum content_form {
    FORM_TEXT,  /* q->text gets its texts, with line ends between them, and words for the rest */
    FORM_PARTS, /* q->w gets it as parts */
    FORM_MEDIA, /* q->w gets parts for what is no text */
    FORM_COUNT, /* only counts that */
};

struct content {
    struct request *q;
    enum content_place in;
    enum content_form form;
    size_t start;            /* where in q->text it begins */
    unsigned media;          /* what is no text, so far */
    unsigned answered;       /* results among it that have messages of their own, so far */
    const bool *has_message; /* which of its blocks these are; NULL: none */
};

/* `v`: a string, blocks, or (in results) nothing; it is the member `name` of what is at `at`. */
int anthropic__put_content(struct content *c, const struct place *at, const char *name,
                           const struct json *v);

/* The same as text, in an emptied q->text that begins with `prefix`. */
int anthropic__put_text(struct content *c, const struct place *at, const char *name,
                        struct str prefix, const struct json *v);

/* "Error: " for a tool's result that says it is one, else "". */
int anthropic__error_prefix(struct request *q, const struct place *at, const struct json *result,
                            struct str *out);

/* --- the others --- */

int anthropic__put_messages(struct request *q); /* messages.c: with what `system` says */
int anthropic__put_tools(struct request *q);    /* tools.c: with tool_choice */

#endif
