/* SPDX-License-Identifier: Apache-2.0 */
/* What was typed in earlier sessions: $XDG_STATE_HOME/hostler/history (~/.local/state/hostler/history),
 * which only its owner may read.
 *
 * A line of it is one that was typed, with \\ for a backslash and \n for a newline. It has a limit; of
 * a larger one the latest half stays. Several processes may add to it. */
#ifndef HOSTLER_CMD_HISTORY_FILE_H
#define HOSTLER_CMD_HISTORY_FILE_H

#include "base/base.h"
#include "base/str.h"

struct history_file {
    char *path; /* owned; NULL: nothing is kept */
};

enum { HISTORY_FILE_MAX = 1024 * 1024 };

/* Makes the file and its folders where they are missing, and tells each line in it, the oldest first;
 * `line` has a terminator and is valid during the call. 0 or a negative error: ERR_NOT_FOUND and no
 * path when the environment names no place. To be closed in any case. */
MUST_CHECK int history_file_open(struct history_file *h, void (*tell)(void *owner, struct str line),
                                 void *owner);

/* Adds a line; one that is far longer than what people type is left out. No effect when nothing is
 * kept. 0 or a negative error. */
MUST_CHECK int history_file_add(const struct history_file *h, struct str line);

/* Nothing is kept any more; the file stays. Fine on a zeroed one. */
void history_file_close(struct history_file *h);

#endif
