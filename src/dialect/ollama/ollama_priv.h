/* SPDX-License-Identifier: Apache-2.0 */
/* The members of dialect_ollama (Ollama's own API, as of its version 0.32), in a file each, and what
 * its requests are translated with. */
#ifndef HOSTLER_DIALECT_OLLAMA_OLLAMA_PRIV_H
#define HOSTLER_DIALECT_OLLAMA_OLLAMA_PRIV_H

#include "dialect/dialect.h"
#include "dialect/pivot.h"

int ollama__peek(struct arena *arena, struct str body, struct ask *out, struct refusal *why);
void ollama__write_error(struct buf *out, const struct refusal *why);
void ollama__write_error_event(struct buf *out, const struct refusal *why,
                               const struct stream_mark *mark);
bool ollama__is_error(struct str body);

extern const struct answer_reader ollama__reader;

/* --- requests --- */

/* A request that is translated. */
struct ollama__request {
    struct translation *t;
    const struct json *body;
    struct json_writer *w; /* within the pivot's object */
    struct refusal *why;
};

/* --- fields.c --- */

enum { OLLAMA__OUTERMOST = -1 };

/* Not there, or null. */
bool ollama__absent(const struct json *v);

/* Refuses a member of the message with that index, or of the request itself. `name` may be a path;
 * `should`: what it must be ("a string"). Returns ERR_INVALID. */
int ollama__refuse(struct ollama__request *r, int message, const char *name, const char *should);

/* A member of `object`, which is a message or the request itself. Absent: *out stays. ERR_INVALID:
 * it has another type. */
int ollama__text(struct ollama__request *r, const struct json *object, int message,
                 const char *name, struct str *out);
int ollama__flag(struct ollama__request *r, const char *name, bool *out);

/* --- the rest of the pivot's members --- */

/* messages.c: the member `messages` of a chat. */
int ollama__write_messages(struct ollama__request *r);

/* The same of a prompt that is no chat. */
int ollama__write_prompt(struct ollama__request *r);

/* options.c: what `options` says of sampling. */
int ollama__write_options(struct ollama__request *r);

#endif
