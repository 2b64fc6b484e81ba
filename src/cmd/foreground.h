/* SPDX-License-Identifier: Apache-2.0 */
/* Another program in our place at the terminal: it has our standard streams, our environment and
 * our process group, and we only wait for it.
 *
 * Keys of the terminal that make signals (Ctrl-C, Ctrl-\, Ctrl-Z) reach it by themselves, and a
 * signal that is sent to us is passed on. When it stops, we stop, so that the shell has the
 * terminal again, and it goes on when we do. It is ended if we are killed. */
#ifndef HOSTLER_CMD_FOREGROUND_H
#define HOSTLER_CMD_FOREGROUND_H

#include "base/base.h"

/* Runs `program`, a path, to its end. `argv` ends with NULL. 0 with what a shell would call its
 * exit status (128 and the signal's number if one killed it), or a negative errno: it could not be
 * started. While there are no other threads that start processes. */
MUST_CHECK int foreground_run(const char *program, char *const *argv, int *status);

#endif
