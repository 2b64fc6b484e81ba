/* SPDX-License-Identifier: Apache-2.0 */
/* hostler serve: the gateway. */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "cmd/cli.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "cmd/serve_plain.h"
#include "node/node.h"
#include "obs/log.h"

static const char command[] = "serve";

static void print_help(void)
{
    printf(
        "Usage: hostler serve [-c FILE]\n"
        "       hostler serve [--model FILE[,FILE]] [--upstream URL] [--key K] [--listen ADDR]\n"
        "\n"
        "Serves the models of a configuration to clients of every dialect; or, without one, model files\n"
        "and whatever the runtimes at the URLs list, together.\n"
        "\n" CMD_CONFIG_HELP
        "  --model FILE       a GGUF file, or several with commas between them; repeatable\n"
        "  --upstream URL     a runtime, as http://HOST:PORT/v1; repeatable\n"
        "  --key K            API key that the runtimes are sent\n"
        "  --listen ADDR      HOST:PORT or unix:PATH (127.0.0.1:8080)\n"
        "  -h, --help         this text\n"
        "\n"
        "Signals: HUP reloads the configuration (a bad one changes nothing), TERM or INT finishes what is\n"
        "in progress and ends, a second TERM or INT ends at once.\n"
        "The log goes to standard error: JSON lines, or text on a terminal.\n"
        "\n"
        "Exit codes: 0 ended by a signal, 1 could not start, 2 wrong usage.\n"
        "\n"
        "Examples:\n"
        "  hostler serve --model models/demo.gguf\n"
        "  hostler serve --upstream http://127.0.0.1:11434/v1\n"
        "  hostler serve -c examples/quickstart.yaml\n"
        "  HOSTLER_LISTEN=127.0.0.1:9000 hostler serve -c hostler.yaml\n"
        "  curl http://127.0.0.1:8080/v1/models\n");
}

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"model", required_argument, NULL, 'm'},
    {"upstream", required_argument, NULL, 'u'},
    {"key", required_argument, NULL, 'k'},
    {"listen", required_argument, NULL, 'l'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

/* An exit code, or -1 to go on. */
static int take_option(int option, const char **config, struct serve_plain *plain)
{
    switch (option) {
    case 'c': *config = optarg; break;
    case 'm': return serve_plain_add_files(plain, optarg);
    case 'u': return serve_plain_add_upstream(plain, optarg);
    case 'k': plain->key = optarg; break;
    case 'l': plain->listen = optarg; break;
    case 'h': print_help(); return CLI_OK;
    default: return cli_usage(command, "unknown option");
    }
    return -1;
}

static int nothing_to_serve(void)
{
    return cli_fail(
        command,
        "there is nothing to serve yet: no hostler.yaml here or in /etc/hostler. Try one of\n"
        "  hostler init                                         find runtimes, write hostler.yaml\n"
        "  hostler serve --upstream http://127.0.0.1:11434/v1   the models of a runtime\n"
        "  hostler serve --model FILE.gguf                      a model file\n"
        "  hostler serve -c FILE                                another configuration");
}

/* Of the command line or of a file, but not of both. */
static int load(const char *config, const struct serve_plain *plain, struct conf **out)
{
    bool served = plain->file_count || plain->upstream_count;
    if (plain->key && !plain->upstream_count)
        return cli_usage(
            command,
            "--key is for the runtime of --upstream; clients' keys are `keys` of a configuration");
    if (config && (served || plain->listen))
        return cli_usage(
            command, "a configuration says all of it: write models, runtimes and `listen` there");
    if (plain->listen && !served)
        return cli_usage(command,
                         "--listen goes with --model or --upstream; a configuration has `listen`");
    if (!served && !cmd_config_path(config)) return nothing_to_serve();
    return served ? serve_plain_load(plain, out) : cmd_config_load(command, config, out);
}

int cmd_serve(int argc, char **argv)
{
    const char *config = NULL;
    struct serve_plain plain = {.command = command};
    int code = -1;
    for (int c; code < 0 && (c = getopt_long(argc, argv, "c:h", options, NULL)) != -1;)
        code = take_option(c, &config, &plain);
    if (code >= 0) return code;
    if (optind < argc) return cli_usage(command, "unexpected argument '%s'", argv[optind]);
    struct conf *conf;
    code = load(config, &plain, &conf);
    if (code) return code;
    cli_prepare_process();
    log_init(STDERR_FILENO, log_format_named(conf->log.format), log_level_named(conf->log.level));
    int err = node_run(conf);
    return err ? cli_fail(command, "could not start: %s", err_text(err)) : CLI_OK;
}
