/* SPDX-License-Identifier: Apache-2.0 */
/* What is peculiar to Ollama's API, for who serves it: names with tags, and requests that load. */
#ifndef HOSTLER_DIALECT_OLLAMA_PURPOSE_H
#define HOSTLER_DIALECT_OLLAMA_PURPOSE_H

#include "dialect/dialect.h"
#include "json/write.h"

/* A model's name without ":latest", which is the same model. Borrowed. */
struct str ollama_name(struct str name);

/* What is answered, as one object with status 200 whether a stream was asked for or not, to a
 * request whose purpose is ASK_LOAD or ASK_UNLOAD, once that is done. `now_us`: since 1970. */
void ollama_write_purpose(struct json_writer *w, const struct ask *ask, uint64_t now_us);

#endif
