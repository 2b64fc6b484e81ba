/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenAI dialect: what the gateway reads in a request body, how the body is passed on, its errors.
 *
 * Pure functions, no I/O (OpenAI API reference 2.3.0; errors as the SDKs parse them). */
#ifndef HOSTLER_GATE_OPENAI_H
#define HOSTLER_GATE_OPENAI_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "http/message.h"
#include "json/scan.h"

/* What routing needs of a request body. Spans borrow from the body. */
struct api_request {
    struct str model; /* unescaped */
    bool stream;
    bool asks_usage; /* stream_options.include_usage is true */
    struct json_span model_span;
    struct json_span options_span; /* stream_options */
    struct json_span usage_span;   /* stream_options.include_usage */
};

/* Why a body was refused; all strings static or on the arena. */
struct api_problem {
    struct str message;
    const char *param; /* field, or NULL */
    const char *code;  /* or NULL */
};

/* Judges what the head says of the body. JSON may go by any media type or none (curl's -d calls it a form), since it is read as JSON
 * and passed on as that; but another charset than UTF-8 or a content coding would make other text of it. ERR_INVALID: *problem says why
 * (answer 415). */
MUST_CHECK int api_check_media(const struct http_head *head, struct api_problem *problem);

/* Validates the body as JSON and reads it. ERR_INVALID: *problem says why (answer 400). */
MUST_CHECK int api_read_body(struct arena *arena, struct str body, struct api_request *out,
                             struct api_problem *problem);

enum { API_SLICES_MAX = 8 };

/* The body as slices for an upstream: the client's own bytes with the model's name replaced where it differs, and
 * with usage asked for in streams (`ask_usage`) where the client did not. Returns how many slices. */
unsigned api_splice(const struct api_request *r, struct str body, struct str model, bool ask_usage,
                    struct arena *arena, struct str slices[API_SLICES_MAX]);

/* How many choices a body asks for: n, for each of its prompts. Scans the body: for rare occasions. */
unsigned api_choices(struct str body);

/* Appends {"error":{...}}. `code` and `param` may be NULL; the type follows from the status. */
void api_write_error(struct buf *out, int status, struct str message, const char *param,
                     const char *code);

/* Appends {"error":"message"}. */
void api_write_ollama_error(struct buf *out, struct str message);

/* The error as an event of a stream: "data: {...}\n\n". */
void api_write_error_event(struct buf *out, int status, struct str message, const char *code);

#endif
