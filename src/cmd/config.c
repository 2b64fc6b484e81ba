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

/* What is made of the tables alone, and needs no configuration. */
static const struct page {
    const char *name;
    int (*write)(struct buf *out);
    bool json;
} pages[] = {
    {"schema", conf_write_json_schema, true},    {"manual", conf_write_manual, false},
    {"metrics", metrics_write_manual, false},    {"failures", verdict_write_manual, false},
    {"errors", error_codes_write_manual, false},
};

static int show(const char *path, bool json)
{
    struct conf *conf;
    struct buf out;
    int code = cmd_config_load(command, path, &conf);
    if (code) return code;
    buf_init(&out, SIZE_MAX / 2);
    int err = json ? conf_write_json(conf, &out) : conf_write_yaml(conf, &out);
    if (!err && json) err = buf_append(&out, STR("\n"));
    code = cmd_output(command, &out, err);
    buf_fini(&out);
    conf_unref(conf);
    return code;
}

static const char *what_at(int id, size_t i)
{
    (void)id;
    if (i < ARRAY_LEN(pages)) return pages[i].name;
    return i == ARRAY_LEN(pages) ? "show" : NULL;
}

static int print_what(const char *what, const char *path, bool json)
{
    if (strcmp(what, "show") == 0) return show(path, json);
    if (path) return cli_usage(command, "-c belongs to `show`");
    for (size_t i = 0; i < ARRAY_LEN(pages); i++)
        if (strcmp(what, pages[i].name) == 0)
            return cmd_print(command, pages[i].write, pages[i].json);
    return cli_usage(command, "there is no `%s`", what);
}

static int run(const struct cli_command *c, int argc, char **argv)
{
    const char *path = NULL;
    bool json = false;
    struct cli_words w = cli_words(c, argc, argv);
    while (cli_next(&w)) {
        switch (w.option) {
        case 'c': path = w.value; break;
        case 'j': json = true; break;
        default: break;
        }
    }
    if (w.code >= 0) return w.code;
    if (optind == argc) return cli_usage(command, "say what: `hostler config --help` lists it");
    if (optind + 1 < argc)
        return cli_usage(command, "one at a time, not also %s", argv[optind + 1]);
    return print_what(argv[optind], path, json);
}

static const struct cli_option options[] = {
    {.value = "WHAT", .value_at = what_at, .help = "what is printed:"},
    CMD_CONFIG_OPTION,
    {'j', 0, "json", NULL, CLI_TEXT, NULL, "print JSON instead of YAML"},
};

const struct cli_command cmd_config = {
    .name = "config",
    .about = "print the configuration's schema, manual or effective values",
    .usage = "schema|manual|metrics|failures|errors\n"
             "show [-c FILE] [--json]",
    .text =
        "Prints what can be configured, or what is:\n"
        "\n"
        "  schema    the JSON Schema of configuration files (draft 2020-12)\n"
        "  manual    the reference of all settings, Markdown (docs/configuration.md)\n"
        "  metrics   the reference of all metrics, Markdown (docs/metrics.md)\n"
        "  failures  what follows when a runtime fails, Markdown (docs/failures.md)\n"
        "  errors    the codes of Hostler's own errors, Markdown (docs/errors.md)\n"
        "  show      the configuration in effect, defaults and environment included, secrets left out",
    .notes = "Exit codes: 0 done, 1 the configuration has problems, 2 wrong usage.",
    .examples = "hostler config schema > hostler.schema.json\n"
                "hostler config show -c examples/team.yaml\n"
                "HOSTLER_LOG_LEVEL=debug hostler config show --json | jq .log",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
