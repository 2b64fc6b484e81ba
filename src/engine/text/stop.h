/* SPDX-License-Identifier: Apache-2.0 */
/* Text that streams: finds stop strings across token borders, never lets out half a character.
 *
 * Bytes go in token by token; what comes out can be sent. Held back are an incomplete UTF-8
 * character and whatever could become a stop string. Belongs to one sequence. */
#ifndef HOSTLER_ENGINE_TEXT_STOP_H
#define HOSTLER_ENGINE_TEXT_STOP_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

enum { STOP_MAX = 16, STOP_LENGTH_MAX = 512 };

struct stop {
    struct str strings[STOP_MAX]; /* our own copies */
    unsigned count;
    struct buf held; /* not yet let out */
};

void stop_init(struct stop *s, const struct str *strings, unsigned count);
void stop_fini(struct stop *s);

enum stop_result { STOP_GOES_ON, STOP_FOUND };

/* Takes a token's bytes; with `last` nothing is held back any more. *out is what can be sent now
 * (maybe empty), valid until the next call. STOP_FOUND: *out is the last text, up to the stop
 * string. */
enum stop_result stop_feed(struct stop *s, struct str bytes, bool last, struct str *out);

#endif
