/* SPDX-License-Identifier: Apache-2.0 */
/* hostler config: what can be configured, and what is. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cli.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "dialect/error_codes.h"
#include "obs/metrics.h"
#include "route/verdict.h"

static const char command[] = "config";

enum { OUTPUT_MAX = 16 << 20 };

static void print_help(void)
{
    printf(
        "Usage: hostler config schema|manual|metrics|failures|errors\n"
        "       hostler config show [-c FILE] [--json]\n"
        "\n"
        "  schema   the JSON Schema of configuration files (draft 2020-12)\n"
        "  manual   the reference of all settings, Markdown (docs/configuration.md)\n"
        "  metrics  the reference of all metrics, Markdown (docs/metrics.md)\n"
        "  failures what follows when a runtime fails, Markdown (docs/failures.md)\n"
        "  errors   the codes of Hostler's own errors, Markdown (docs/errors.md)\n"
        "  show     the configuration in effect, defaults and environment included, secrets left out\n"
        "\n" CMD_CONFIG_HELP "      --json         print JSON instead of YAML\n"
        "\n"
        "Exit codes: 0 done, 1 the configuration has problems, 2 wrong usage.\n"
        "\n"
        "Examples:\n"
        "  hostler config schema > hostler.schema.json\n"
        "  hostler config show -c examples/team.yaml\n"
        "  HOSTLER_LOG_LEVEL=debug hostler config show --json | jq .log\n");
}

/* Prints what `write` makes. */
static int print(int (*write)(struct buf *out), bool line_end)
{
    struct buf out;
    buf_init(&out, OUTPUT_MAX);
    int err = write(&out);
    if (!err && line_end) err = buf_append(&out, STR("\n"));
    int code = cmd_output(command, &out, err);
    buf_fini(&out);
    return code;
}

static int show(const char *path, bool json)
{
    struct conf *conf;
    struct buf out;
    int code = cmd_config_load(command, path, &conf);
    if (code) return code;
    buf_init(&out, OUTPUT_MAX);
    int err = json ? conf_write_json(conf, &out) : conf_write_yaml(conf, &out);
    if (!err && json) err = buf_append(&out, STR("\n"));
    code = cmd_output(command, &out, err);
    buf_fini(&out);
    conf_unref(conf);
    return code;
}

static int run(const char *what, const char *path, bool json)
{
    if (strcmp(what, "show") == 0) return show(path, json);
    if (path) return cli_usage(command, "-c belongs to `show`");
    if (strcmp(what, "schema") == 0) return print(conf_write_json_schema, true);
    if (strcmp(what, "manual") == 0) return print(conf_write_manual, false);
    if (strcmp(what, "metrics") == 0) return print(metrics_write_manual, false);
    if (strcmp(what, "failures") == 0) return print(verdict_write_manual, false);
    if (strcmp(what, "errors") == 0) return print(error_codes_write_manual, false);
    return cli_usage(command, "there is no `%s`", what);
}

int cmd_config(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    const char *path = NULL;
    bool json = false;
    int option;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c': path = optarg; break;
        case 'j': json = true; break;
        case 'h': print_help(); return CLI_OK;
        default: return cli_usage(command, "the options above are wrong");
        }
    }
    if (optind == argc)
        return cli_usage(command, "say which: schema, manual, metrics, failures, errors or show");
    if (optind + 1 < argc)
        return cli_usage(command, "one at a time, not also %s", argv[optind + 1]);
    return run(argv[optind], path, json);
}
