/* SPDX-License-Identifier: Apache-2.0 */
/* hostler serve: the gateway. */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "cmd/cli.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "node/node.h"
#include "obs/log.h"

static const char command[] = "serve";

static void print_help(void)
{
    printf(
        "Usage: hostler serve [-c FILE]\n"
        "\n"
        "Serves the models of a configuration to OpenAI clients.\n"
        "\n" CMD_CONFIG_HELP "  -h, --help         this text\n"
        "\n"
        "Signals: HUP reloads the configuration (a bad one changes nothing), TERM or INT finishes what is\n"
        "in progress and ends, a second TERM or INT ends at once.\n"
        "The log goes to standard error: JSON lines, or text on a terminal.\n"
        "\n"
        "Exit codes: 0 ended by a signal, 1 could not start, 2 wrong usage.\n"
        "\n"
        "Examples:\n"
        "  hostler serve -c examples/quickstart.yaml\n"
        "  HOSTLER_LISTEN=127.0.0.1:9000 hostler serve -c hostler.yaml\n"
        "  curl http://127.0.0.1:8080/v1/models\n");
}

int cmd_serve(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {0}};
    const char *given = NULL;
    for (int c; (c = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        switch (c) {
        case 'c': given = optarg; break;
        case 'h': print_help(); return CLI_OK;
        default: return cli_usage(command, "unknown option");
        }
    }
    if (optind < argc) return cli_usage(command, "unexpected argument '%s'", argv[optind]);
    struct conf *conf;
    int code = cmd_config_load(command, given, &conf);
    if (code) return code;
    cli_prepare_process();
    log_init(STDERR_FILENO, log_format_named(conf->log.format), log_level_named(conf->log.level));
    int err = node_run(conf);
    return err ? cli_fail(command, "could not start: %s", err_text(err)) : CLI_OK;
}
