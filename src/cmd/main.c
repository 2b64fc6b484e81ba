/* SPDX-License-Identifier: Apache-2.0 */
/* The program: finds the subcommand and runs it. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/mem.h"
#include "base/stdio.h"
#include "base/str.h"
#include "cmd/cli.h"
#include "cmd/cmd.h"
#include "cmd/options.h"

static const struct cli_command cmd_version, cmd_help;

static const struct cli_command *const commands[] = {
    &cmd_run,   &cmd_init,   &cmd_serve,   &cmd_check,  &cmd_config,
    &cmd_cert,  &cmd_models, &cmd_chat,    &cmd_launch, &cmd_client,
    &cmd_bench, &cmd_mock,   &cmd_version, &cmd_help,   NULL,
};

/* --- version --- */

static int run_version(const struct cli_command *c, int argc, char **argv)
{
    bool json = false;
    struct cli_words w = cli_words(c, argc, argv);
    while (cli_next(&w))
        json = true;
    if (w.code >= 0) return w.code;
    if (optind < argc) return cli_usage(c->name, "'%s' is one argument too many", argv[optind]);
    if (json)
        printf("{\"name\":\"hostler\",\"version\":\"%s\"}\n", HOSTLER_VERSION);
    else
        printf("hostler %s\n", HOSTLER_VERSION);
    return CLI_OK;
}

static const struct cli_option version_options[] = {
    {'j', 0, "json", NULL, CLI_TEXT, NULL, "print one JSON object"},
};

static const struct cli_command cmd_version = {
    .name = "version",
    .about = "print the version",
    .usage = "[--json]",
    .text = "Prints the version; so does `hostler -v`.",
    .options = version_options,
    .option_count = ARRAY_LEN(version_options),
    .examples = "hostler version",
    .run = run_version,
};

/* --- help --- */

static void print_help(FILE *to)
{
    fprintf(to, "Usage: hostler COMMAND [OPTIONS]\n"
                "\n"
                "One address for every LLM runtime a team owns.\n"
                "\n"
                "Commands:\n");
    cli_print_commands(to, commands);
    fprintf(
        to,
        "\n"
        "hostler COMMAND --help explains each one. Where models, chat, launch, client and bench are\n"
        "given neither an address nor a key, HOSTLER_URL and HOSTLER_KEY say them.\n"
        "Exit codes: 0 done, 1 failed, 2 wrong usage.\n"
        "\n"
        "Examples:\n"
        "  hostler run models/demo.gguf\n"
        "  hostler serve -c examples/quickstart.yaml\n"
        "  hostler chat demo\n"
        "  hostler bench http://127.0.0.1:8080 --model demo --concurrency 4 --requests 100\n");
}

static int write_commands(struct buf *out)
{
    return cli_write_json(commands, out);
}

static int no_command(const char *name, char *word)
{
    const char *near = cli_near_command(commands, word);
    fprintf(stderr, "hostler%s: there is no command '%s'; ", name, word);
    if (near) fprintf(stderr, "did you mean '%s'? ", near);
    fprintf(stderr, "`hostler help` lists them\n");
    return CLI_USAGE;
}

/* Words after `help` name a command and a part of it. */
static int run_help(const struct cli_command *c, int argc, char **argv)
{
    bool json = false;
    struct cli_words w = cli_words(c, argc, argv);
    while (cli_next(&w))
        json = true;
    if (w.code >= 0) return w.code;
    if (json) return cmd_print(c->name, write_commands, true);
    const struct cli_command *const *list = commands;
    const struct cli_command *found = NULL;
    for (; optind < argc; optind++) {
        found = list ? cli_find(list, argv[optind]) : NULL;
        if (!found) return no_command(" help", argv[optind]);
        list = found->parts;
    }
    if (found)
        cli_print_help(stdout, found);
    else
        print_help(stdout);
    return CLI_OK;
}

static const char *command_at(int id, size_t i)
{
    (void)id;
    return commands[i] ? commands[i]->name : NULL;
}

static const struct cli_option help_options[] = {
    {.value = "COMMAND", .value_at = command_at, .help = "the command:"},
    {'j', 0, "json", NULL, CLI_TEXT, NULL, "all commands and options as one JSON object"},
};

static const struct cli_command cmd_help = {
    .name = "help",
    .about = "explain a command: hostler help serve",
    .usage = "[COMMAND]\n--json",
    .text = "Explains a command, or lists them all.",
    .options = help_options,
    .option_count = ARRAY_LEN(help_options),
    .examples = "hostler help serve\nhostler help --json | jq -r '.commands[].name'",
    .run = run_help,
};

/* --- the program --- */

/* What may stand in the place of a command. */
static const char *command_meant(const char *word)
{
    static const struct {
        const char *option, *command;
    } table[] = {
        {"-h", "help"},    {"--help", "help"},       {"-v", "version"},
        {"-V", "version"}, {"--version", "version"},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (strcmp(table[i].option, word) == 0) return table[i].command;
    return word;
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    const struct cli_command *c = cli_find(commands, command_meant(argv[1]));
    return c ? c->run(c, argc - 1, argv + 1) : no_command("", argv[1]);
}

/* The value of --key in the i-th word or behind it, as getopt reads them; NULL: it has none. */
static char *key_at(char **argv, int i)
{
    size_t len = strcspn(argv[i], "=");
    if (len < strlen("--k") || strncmp(argv[i], "--key", len) != 0) return NULL;
    return argv[i][len] ? argv[i] + len + 1 : argv[i + 1];
}

/* Everybody on the machine may see what the kernel shows of a command line, so keys are overwritten
 * there: commands read copies, which stay until the end. */
static char **hide_keys(int argc, char **argv)
{
    char **copies = mem_must_zero((size_t)argc + 1, sizeof *copies);
    for (int i = 0; i < argc; i++)
        copies[i] = str_dup(str_of(argv[i]));
    for (int i = argc - 1; i > 0; i--) {
        char *key = key_at(argv, i);
        if (key) memset(key, '*', strlen(key));
    }
    return copies;
}

int main(int argc, char **argv)
{
    if (stdio_claim()) return CLI_FAILED;
    char **words = hide_keys(argc, argv);
    int code = run(argc, words);
    for (int i = 0; i < argc; i++)
        free(words[i]);
    free(words);
    /* A full disk or a closed pipe shows only now. */
    if (code == CLI_OK && (fflush(stdout) || ferror(stdout)))
        return cli_fail(argv[1], "the output cannot be written");
    return code;
}
