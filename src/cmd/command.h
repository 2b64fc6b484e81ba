/* SPDX-License-Identifier: Apache-2.0 */
/* What a command is: one table, from which its --help, the reading of its command line, manual pages
 * and completions come. Use from the main thread only; nothing is owned, all text is static. */
#ifndef HOSTLER_CMD_COMMAND_H
#define HOSTLER_CMD_COMMAND_H

#include <stdio.h>

#include "base/base.h"
#include "base/buf.h"

/* What a value is, for completions. */
enum cli_takes { CLI_TEXT, CLI_FILE, CLI_FOLDER, CLI_COMMAND };

/* An option, or an argument without a dash. */
struct cli_option {
    int id;            /* what cli_next says when it is there; not of an argument */
    char letter;       /* 'c' for -c; 0: has none */
    const char *name;  /* "config" for --config, a '_' is written as '-'; NULL: an argument */
    const char *value; /* as help calls it, "FILE"; NULL: takes none */
    enum cli_takes takes;
    /* All values that the row with that id may have, then NULL. NULL: any text. */
    const char *(*value_at)(int id, size_t i);
    const char *help; /* lines with '\n' between them; NULL: an old name, not shown */
};

struct cli_command {
    const char *name;  /* as typed: "cert show" */
    const char *about; /* one line of the list of commands */
    const char *usage; /* lines that follow the command's name: "[-c FILE]\n--model FILE" */
    const char *text;  /* what it does; lines with '\n' between them */
    const struct cli_option *options;
    size_t option_count;
    const char *stray;     /* "; " and where options that it has not belong; may be NULL */
    const char *more_text; /* heads the options of `more` */
    /* Further options, from another table. False: there is no i-th one. Their id is CLI_MORE + i. */
    bool (*more)(size_t i, struct cli_option *out);
    void (*details)(FILE *to); /* prints what --help says besides; may be NULL */
    const char *notes;         /* after the options: signals, exit codes; may be NULL */
    const char *examples;      /* command lines with '\n' between them */
    const struct cli_command *const *parts; /* commands below it, then NULL; may be NULL */
    /* argv[0] is the last word of the name. Returns the program's exit code. */
    int (*run)(const struct cli_command *command, int argc, char **argv);
};

enum { CLI_MORE = 1000, CLI_HELP = 'h', CLI_NAME_SIZE = 32 };

/* The row that every command has. */
extern const struct cli_option cli_help_option;

/* The name of a row that has one, as it is typed: with dashes. */
void cli_option_name(const struct cli_option *row, char out[CLI_NAME_SIZE]);

/* The i-th row of `c`, those of `more` included. False: there is none. */
bool cli_row(const struct cli_command *c, size_t i, struct cli_option *out);

/* A command line that is being read. */
struct cli_words {
    const struct cli_command *command;
    int argc;
    char **argv;
    int option;       /* the id of the latest option */
    char *value;      /* its value, or NULL */
    const char *name; /* as its row has it */
    int code; /* -1, or the exit code to leave with; set by cli_next, or by the caller to stop */
};

struct cli_words cli_words(const struct cli_command *c, int argc, char **argv);

/* The next option. False: there is none, or `code` is set: --help was printed, or what is wrong was
 * said. Then optind is the first argument; arguments have been moved to the end. */
bool cli_next(struct cli_words *w);

/* All options, each given to `set`, which is false for a value that is none of its kind: that is said.
 * Returns `code`. */
int cli_read(struct cli_words *w, bool (*set)(void *owner, int option, char *value), void *owner);

void cli_print_help(FILE *to, const struct cli_command *c);

/* A line for each command of a list that ends with NULL. */
void cli_print_commands(FILE *to, const struct cli_command *const *list);

/* The command whose last word is `name`; NULL: there is none. */
const struct cli_command *cli_find(const struct cli_command *const *list, const char *name);

/* The run of a command that has parts. */
int cli_run_part(const struct cli_command *c, int argc, char **argv);

/* The one of a list's commands that `word` may be a slip of; NULL: none is near. */
const char *cli_near_command(const struct cli_command *const *list, const char *word);

/* All commands as one JSON object, for programs that make manual pages and completions of it. */
MUST_CHECK int cli_write_json(const struct cli_command *const *list, struct buf *out);

#endif
