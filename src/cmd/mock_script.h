/* SPDX-License-Identifier: Apache-2.0 */
/* What the mock runtime is told to answer by POST /mock/script: a list of turns, of which each
 * request gets the first that fits and is not used up.
 *
 * Any thread. */
#ifndef HOSTLER_CMD_MOCK_SCRIPT_H
#define HOSTLER_CMD_MOCK_SCRIPT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

struct mock_script_turn;

struct mock_script {
    pthread_mutex_t lock; /* for all below but count */
    _Atomic size_t count; /* turns; looked at first, so that no script costs nothing */
    struct mock_script_turn *turns;
    struct arena arena; /* holds them */
};

void mock_script_init(struct mock_script *s);
void mock_script_fini(struct mock_script *s);

/* Replaces all turns by those of a JSON list. ERR_INVALID: nothing has changed; *wrong says what
 * is wrong, on `arena`. */
MUST_CHECK int mock_script_set(struct mock_script *s, struct arena *arena, struct str json,
                               const char **wrong);

void mock_script_clear(struct mock_script *s);

/* The turn for a request, a JSON object copied onto the arena, and counts it as used. `last` is
 * its last message as it is written. ptr NULL: none. */
struct str mock_script_take(struct mock_script *s, struct arena *arena, struct str last,
                            struct str body);

/* {"turns": [{"used": N, "left": N or null}, ...]} */
MUST_CHECK int mock_script_write(struct mock_script *s, struct buf *out);

#endif
