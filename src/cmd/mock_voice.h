/* SPDX-License-Identifier: Apache-2.0 */
/* Says an answer in any dialect: pieces become the bytes of a stream or of a whole answer, by the
 * dialect's writer.
 *
 * One request's, on its arena. */
#ifndef HOSTLER_CMD_MOCK_VOICE_H
#define HOSTLER_CMD_MOCK_VOICE_H

#include "base/base.h"
#include "base/buf.h"
#include "cmd/mock_turn.h"
#include "dialect/pivot.h"

struct mock_voice {
    struct translation t; /* set by the caller before it opens; it is not moved after */
    struct answer_writer *writer;
    struct buf out;  /* what was said since it was last cleared */
    struct buf word; /* a piece and its filler */
};

/* What is held goes when the arena of t is reset. */
void mock_voice_open(struct mock_voice *v, const struct answer_writer_ops *ops);

/* All add to `out`. -ENOMEM, ERR_TOO_LARGE. */

/* `filler` stands behind the text. */
MUST_CHECK int mock_voice_say(struct mock_voice *v, const struct mock_piece *piece,
                              struct str filler);
MUST_CHECK int mock_voice_end(struct mock_voice *v, enum finish finish, struct str stop,
                              const struct usage *usage);
MUST_CHECK int mock_voice_fail(struct mock_voice *v, const struct refusal *why); /* of a stream */

#endif
