/* SPDX-License-Identifier: Apache-2.0 */
/* Small things that subcommands share: exit codes, messages, limits of the process, numbers on
 * the command line. */
#ifndef HOSTLER_CMD_CLI_H
#define HOSTLER_CMD_CLI_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "conf/url.h"
#include "loop/stream.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* Prints "hostler COMMAND: text" on stderr, clean, and returns the exit code. The first returns
 * CLI_FAILED; the second CLI_USAGE, with a hint at --help. */
int cli_fail(const char *command, const char *fmt, ...) PRINTF_LIKE(2, 3);
int cli_usage(const char *command, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* What others say must not steer the terminal: control characters are left out, tab and newline only
 * where `one_line`, and what is no UTF-8 becomes U+FFFD. */
MUST_CHECK int cli_clean(struct str text, bool one_line, struct buf *out);

/* It has such characters, tab or newline included. */
bool cli_steers(struct str text);

/* Lets the process open as many files as its hard limit allows, keeps memory for what comes next, and
 * ignores SIGPIPE. */
void cli_prepare_process(void);

/* TERM names a terminal that shows what it is sent and obeys nothing, as Emacs' shell does. */
bool cli_terminal_is_dumb(void);

/* A number with an optional unit: "250", "2.5". False when it is none or outside of [min, max]. */
bool cli_number(const char *text, double min, double max, double *out);
bool cli_count(const char *text, uint64_t min, uint64_t max, uint64_t *out);

/* "500ms", "2s", "1.5m", or seconds without a unit; microseconds. */
bool cli_duration(const char *text, uint64_t *out);

/* Opens a listening socket for "HOST:PORT" or "unix:PATH"; a message and a negative error when
 * it cannot. *port gets the port chosen. */
MUST_CHECK int cli_listen(const char *command, struct str text, bool shared, int *fd,
                          uint16_t *port);

#endif
