/* SPDX-License-Identifier: Apache-2.0 */
/* The program: finds the subcommand and runs it. */
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/stdio.h"
#include "cmd/cli.h"
#include "cmd/cmd.h"

static int cmd_version(int argc, char **argv);
static int cmd_help(int argc, char **argv);

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *about;
};

static const struct command commands[] = {
    {"run", cmd_run, "load a model file and talk to it, or serve it"},
    {"init", cmd_init, "find runtimes on this machine and write a first configuration"},
    {"serve", cmd_serve, "serve the models of a configuration to OpenAI clients"},
    {"check", cmd_check, "tell what is wrong with a configuration"},
    {"config", cmd_config, "print the configuration's schema, manual or effective values"},
    {"cert", cmd_cert, "make, show and check certificates for TLS"},
    {"models", cmd_models, "list the models of a running gateway"},
    {"chat", cmd_chat, "chat with a model in the terminal"},
    {"launch", cmd_launch, "run Claude Code, Codex or another client with a gateway's model"},
    {"client", cmd_client, "tell what points a client at a gateway"},
    {"bench", cmd_bench, "measure an OpenAI endpoint under load"},
    {"mock", cmd_mock, "a scripted OpenAI runtime for development and tests"},
    {"version", cmd_version, "print the version"},
    {"help", cmd_help, "explain a command: hostler help serve"},
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

static void print_help(FILE *to)
{
    fprintf(to, "Usage: hostler COMMAND [OPTIONS]\n"
                "\n"
                "One address for every LLM runtime a team owns.\n"
                "\n"
                "Commands:\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(to, "  %-8s  %s\n", commands[i].name, commands[i].about);
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

static int cmd_version(int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        printf("Usage: hostler version [--json]\n\nPrints the version.\n");
    else if (argc > 1 && strcmp(argv[1], "--json") == 0)
        printf("{\"name\":\"hostler\",\"version\":\"%s\"}\n", HOSTLER_VERSION);
    else if (argc > 1)
        return cli_usage(argv[0], "unknown option '%s'; only --json is known", argv[1]);
    else
        printf("hostler %s\n", HOSTLER_VERSION);
    return CLI_OK;
}

static int cmd_help(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-') {
        print_help(stdout);
        return CLI_OK;
    }
    const struct command *c = find_command(argv[1]);
    if (!c) return cli_usage(argv[0], "there is no command '%s'", argv[1]);
    char name[16], option[] = "--help";
    snprintf(name, sizeof name, "%s", c->name);
    char *words[] = {name, option, NULL};
    return c->run(2, words);
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) return cmd_help(1, argv);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return cmd_version(1, argv);
    const struct command *c = find_command(argv[1]);
    if (!c) {
        fprintf(stderr, "hostler: there is no command '%s'; `hostler help` lists them\n", argv[1]);
        return CLI_USAGE;
    }
    return c->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    if (stdio_claim()) return CLI_FAILED;
    int code = run(argc, argv);
    /* A full disk or a closed pipe shows only now. */
    if (code == CLI_OK && (fflush(stdout) || ferror(stdout)))
        return cli_fail(argv[1], "the output cannot be written");
    return code;
}
