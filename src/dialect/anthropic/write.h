/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of Anthropic's answers, for those who write them themselves. */
#ifndef HOSTLER_DIALECT_ANTHROPIC_WRITE_H
#define HOSTLER_DIALECT_ANTHROPIC_WRITE_H

#include "dialect/card.h"
#include "dialect/dialect.h"
#include "json/write.h"

/* A list of models, which is all there is of it: its beginning, its models, its end with the ids of
 * the first and the last of them (ptr NULL: it has none). */
void anthropic_begin_models(struct json_writer *w);
void anthropic_write_model(struct json_writer *w, struct str id, uint64_t created_s,
                           const struct model_card *card);
void anthropic_end_models(struct json_writer *w, struct str first, struct str last);

#endif
