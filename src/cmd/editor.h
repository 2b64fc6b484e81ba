/* SPDX-License-Identifier: Apache-2.0 */
/* Lines from a person at a terminal, who may edit them and recall earlier ones. On libedit. */
#ifndef HOSTLER_CMD_EDITOR_H
#define HOSTLER_CMD_EDITOR_H

#include "base/str.h"

struct editor;

/* For stdin and stdout, which must be the terminal. NULL: it cannot be had. Makes the
 * process's characters UTF-8. */
struct editor *editor_new(void);
void editor_free(struct editor *e);

enum editor_end {
    EDITOR_LINE,
    EDITOR_INTERRUPTED, /* by Ctrl-C */
    EDITOR_EOF,         /* by Ctrl-D, or the terminal is gone */
};

/* From here on Ctrl-C is a key for editor_line, which must follow unless editor_free does. One that
 * was pressed before has become a signal by now. */
void editor_begin(struct editor *e);

/* Waits for a line; the terminal is as it was before when this returns. `line` is without its
 * newline and valid until the next call. It can be recalled from then on, in this process only. */
enum editor_end editor_line(struct editor *e, const char *prompt, struct str *line);

#endif
