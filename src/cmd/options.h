/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration that a subcommand works on: where it is, loading it, what is wrong with it. */
#ifndef HOSTLER_CMD_OPTIONS_H
#define HOSTLER_CMD_OPTIONS_H

#include <stdio.h>

#include "base/arena.h"
#include "base/base.h"
#include "cmd/command.h"
#include "conf/conf.h"

/* The row of a command's table about -c. */
#define CMD_CONFIG_OPTION                                                  \
    {'c',                                                                  \
     'c',                                                                  \
     "config",                                                             \
     "FILE",                                                               \
     CLI_FILE,                                                             \
     NULL,                                                                 \
     "the configuration; default: $HOSTLER_CONFIG, else ./hostler.yaml,\n" \
     "else /etc/hostler/hostler.yaml"}

/* `given` (what -c says, may be NULL) or the default that exists. NULL: there is none. */
const char *cmd_config_path(const char *given);

/* Loads it. Returns an exit code: 0 with one reference in *out; else
 * stderr was told what is wrong. */
MUST_CHECK int cmd_config_load(const char *command, const char *given, struct conf **out);

/* One line each: "file:line: setting: text", with `mark` before the text. */
void cmd_problems_print(FILE *to, const char *mark, const struct conf_problems *problems);

/* The text for a configuration with what would be a reference ("${") written so that it is none. */
struct str cmd_literal(struct arena *arena, struct str text);

/* The whole of `text` to stdout. Returns an exit code: 1 when it cannot be written, or `err` (of
 * making it) is set. */
MUST_CHECK int cmd_output(const char *command, const struct buf *text, int err);

/* The same of what `write` makes, with an end of line if it has none of its own. */
MUST_CHECK int cmd_print(const char *command, int (*write)(struct buf *out), bool line_end);

#endif
