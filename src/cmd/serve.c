/* SPDX-License-Identifier: Apache-2.0 */
/* hostler serve: the gateway. */
#include <errno.h>
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

/* An exit code, or -1 to go on. */
static int take_option(const struct cli_words *w, const char **config, struct serve_plain *plain)
{
    switch (w->option) {
    case 'c': *config = w->value; break;
    case 'm': return serve_plain_add_files(plain, w->value);
    case 'u': return serve_plain_add_upstream(plain, w->value);
    case 'k': plain->key = w->value; break;
    case 'l': plain->listen = w->value; break;
    default: break;
    }
    return -1;
}

static int nothing_to_serve(void)
{
    return cli_fail(
        command, "no hostler.yaml here or in /etc/hostler; try one of\n"
                 "  hostler init                                         find runtimes, write one\n"
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

/* Which address is taken stands in the log. */
static int could_not_start(int err, bool plain)
{
    const char *next = "";
    if (err == -EADDRINUSE)
        next = plain ? "; --listen HOST:PORT chooses another address"
                     : "; stop what listens there, or choose another `listen`";
    return cli_fail(command, "could not start: %s%s", err_text(err), next);
}

static int run(const struct cli_command *c, int argc, char **argv)
{
    const char *config = NULL;
    struct serve_plain plain = {.command = command};
    struct cli_words w = cli_words(c, argc, argv);
    while (cli_next(&w))
        w.code = take_option(&w, &config, &plain);
    if (w.code >= 0) return w.code;
    if (optind < argc) return cli_usage(command, "unexpected argument '%s'", argv[optind]);
    struct conf *conf;
    int code = load(config, &plain, &conf);
    if (code) return code;
    cli_prepare_process();
    log_init(STDERR_FILENO, log_format_named(conf->log.format), log_level_named(conf->log.level));
    int err = node_run(conf);
    return err ? could_not_start(err, plain.file_count || plain.upstream_count) : CLI_OK;
}

static const struct cli_option options[] = {
    CMD_CONFIG_OPTION,
    {'m', 0, "model", "FILE", CLI_FILE, NULL,
     "a GGUF file, or several with commas between them; repeatable"},
    {'u', 0, "upstream", "URL", CLI_TEXT, NULL, "a runtime, as http://HOST:PORT/v1; repeatable"},
    {'k', 0, "key", "K", CLI_TEXT, NULL, "API key that the runtimes are sent"},
    {'l', 0, "listen", "ADDR", CLI_TEXT, NULL, "HOST:PORT or unix:PATH (127.0.0.1:8080)"},
};

const struct cli_command cmd_serve = {
    .name = "serve",
    .about = "serve the models of a configuration, model files or runtimes",
    .usage = "[-c FILE]\n"
             "[--model FILE[,FILE]] [--upstream URL] [--key K] [--listen ADDR]",
    .text =
        "Serves the models of a configuration to clients of every dialect; or, without one, model files\n"
        "and whatever the runtimes at the URLs list, together.",
    .notes =
        "Signals: HUP reloads the configuration (a bad one changes nothing), TERM or INT finishes what is\n"
        "in progress and ends, a second TERM or INT ends at once.\n"
        "The log goes to standard error: JSON lines, or text on a terminal.\n"
        "\n"
        "Exit codes: 0 ended by a signal, 1 could not start, 2 wrong usage.",
    .examples = "hostler serve --model models/demo.gguf\n"
                "hostler serve --upstream http://127.0.0.1:11434/v1\n"
                "hostler serve -c examples/quickstart.yaml\n"
                "HOSTLER_LISTEN=127.0.0.1:9000 hostler serve -c hostler.yaml\n"
                "curl http://127.0.0.1:8080/v1/models",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
