/* SPDX-License-Identifier: Apache-2.0 */
/* A private folder for one run, mode 0700, in $XDG_RUNTIME_DIR, $TMPDIR or /tmp, that goes with all
 * that is in it by then.
 *
 * It is locked (flock) as long as its process lives: whoever opens one removes what processes of
 * this user that were killed have left. */
#ifndef HOSTLER_CMD_SCRATCH_H
#define HOSTLER_CMD_SCRATCH_H

#include "base/base.h"
#include "base/str.h"

struct scratch {
    char *path; /* owned; NULL: there is none */
    int folder; /* open, and locked */
};

/* 0 or a negative errno. */
MUST_CHECK int scratch_open(struct scratch *s);

/* A new file in it, mode 0600. 0 or a negative errno. */
MUST_CHECK int scratch_write(const struct scratch *s, const char *name, struct str text);

/* Removes it. Fine on a zeroed one. */
void scratch_close(struct scratch *s);

#endif
