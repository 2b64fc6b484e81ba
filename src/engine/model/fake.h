/* SPDX-License-Identifier: Apache-2.0 */
/* The scripted model behind model.h, vocab.h, context.h and embed.h, for tests and hostler-engine-fake: deterministic, no weights.
 *
 * Its "file" is text, one `key value` per line, the first line being `hostler fake model`; or the
 * path itself is "fake:key value;key value". Keys:
 *     mode echo       chat answers repeat the last message that is not the system's (default); other
 *                     prompts go on by letters that depend on every token before, so that a wrong
 *                     cache shows
 *     mode script     answers are the text of `text`
 *     mode random     logits are noise that depends on every token before
 *     text T          for script; \n stands for a line end
 *     decode_us N     a decode sleeps that long
 *     token_us N      ... and that long for each token
 *     load_us N       loading sleeps that long
 *     context N       what it was "trained" with
 *     fail N          the N-th decode fails
 *     nan N           the N-th decode gives no numbers
 *     ranks 1         it scores pairs by the second text's tokens that are in the first, and does
 *                     nothing else
 *     recurrent 1     it cannot forget a part of a sequence, nor copy one
 *     suppress N      token N is one that answers never have
 *     template T      how chats are rendered: `plain` encloses each message (default); `trims`
 *                     does it with another token, ends it with <|n|> and trims it; `thinks` is
 *                     plain, and with enable_thinking begins the answer's thoughts; `users` takes
 *                     no system message; `broken` is no template; `none` stands for a file
 *                     without one
 *     tokenize_us N   tokenizing sleeps that long per KiB
 * Tokens are bytes (0..255), 256 begins a text, 257 ends an answer, 258 and 259 enclose a message;
 * 260 <turn> is read in any text, 261 <|n|> takes the white space behind it away. */
#ifndef HOSTLER_ENGINE_MODEL_FAKE_H
#define HOSTLER_ENGINE_MODEL_FAKE_H

#include "engine/model/context.h"
#include "engine/model/embed.h"
#include "engine/model/model.h"
#include "engine/model/vocab.h"

enum {
    FAKE_BOS = 256,
    FAKE_END = 257,
    FAKE_OPEN = 258,
    FAKE_CLOSE = 259,
    FAKE_TURN = 260,
    FAKE_LINE = 261,
    FAKE_VOCAB = 320
};

struct model_fake_stats {
    unsigned decodes;
    unsigned items;      /* in all decodes together */
    unsigned last_items; /* in the last one */
    unsigned forks;
    unsigned restores;
    unsigned embeds; /* calls */
    unsigned threads;
};

const struct model_fake_stats *model_fake_stats(const struct model *m);

/* Called at each decode, before anything else: moves a test's clock. */
void model_fake_on_decode(struct model *m, void (*fn)(void *user, size_t items), void *user);

#endif
