/* SPDX-License-Identifier: Apache-2.0 */
/* Between the parts of the mock runtime's server: mock_serve.c (model requests), mock_paths.c
 * (the rest). */
#ifndef HOSTLER_CMD_MOCK_PRIV_H
#define HOSTLER_CMD_MOCK_PRIV_H

#include "cmd/mock_serve.h"

/* Answers and ends the call. */
void mock__reply_json(struct http_call *c, int status, struct str body);

/* The same with an error in OpenAI's shape; `code` may be NULL. */
void mock__reply_error(struct http_call *c, int status, const char *code, const char *message);

/* Takes the call over as a model request. */
void mock__start_request(struct mock_worker *w, struct http_call *c, enum mock_kind kind);

#endif
