/* SPDX-License-Identifier: Apache-2.0 */
/* hostler check: every problem of a configuration, with file, line and setting. */
#include <getopt.h>
#include <stdio.h>

#include "cmd/check_certificates.h"
#include "cmd/cli.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "json/write.h"

static const char command[] = "check";

enum { OUTPUT_MAX = 4 << 20 };

struct verdict {
    const char *path;
    const struct conf *conf; /* NULL: it could not be loaded */
    struct conf_problems problems;
};

static size_t count_endpoints(const struct conf *c)
{
    size_t count = 0;
    for (size_t i = 0; i < c->model_count; i++)
        count += c->models[i].endpoint_count;
    return count;
}

/* "1 key", "2 keys" */
static void print_count(const char *before, size_t count, const char *what)
{
    printf("%s%zu %s%s", before, count, what, count == 1 ? "" : "s");
}

static bool in_order(const struct verdict *v)
{
    return v->problems.count == 0;
}

static int print_text(const struct verdict *v)
{
    cmd_problems_print(stdout, "", &v->problems);
    if (v->conf) cmd_problems_print(stdout, "warning: ", &v->conf->warnings);
    if (in_order(v)) {
        printf("%s: ok", v->path);
        print_count(", ", v->conf->model_count, "model");
        print_count(", ", count_endpoints(v->conf), "endpoint");
        if (v->conf->runtime_count) print_count(", ", v->conf->runtime_count, "runtime");
        print_count(", ", v->conf->key_count, "key");
        if (v->conf->warnings.count) print_count(", ", v->conf->warnings.count, "warning");
    } else {
        print_count("", v->problems.count, "problem");
    }
    printf("\n");
    return CLI_OK;
}

static void write_problems(struct json_writer *w, const char *name,
                           const struct conf_problems *problems)
{
    json_write_key(w, name);
    json_write_array(w);
    for (size_t i = 0; i < problems->count; i++) {
        const struct conf_problem *p = &problems->items[i];
        json_write_object(w);
        json_write_str_member(w, "file", p->file);
        if (p->line)
            json_write_u64_member(w, "line", p->line);
        else
            json_write_null_member(w, "line");
        json_write_str_member(w, "setting", p->setting);
        json_write_str_member(w, "text", p->text);
        json_write_object_end(w);
    }
    json_write_array_end(w);
}

static int print_json(const struct verdict *v)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, OUTPUT_MAX);
    json_write_init(&w, &out);
    json_write_object(&w);
    json_write_str_member(&w, "file", str_of(v->path));
    json_write_bool_member(&w, "ok", in_order(v));
    if (v->conf) {
        json_write_u64_member(&w, "models", v->conf->model_count);
        json_write_u64_member(&w, "endpoints", count_endpoints(v->conf));
        json_write_u64_member(&w, "keys", v->conf->key_count);
    }
    write_problems(&w, "problems", &v->problems);
    if (v->conf) write_problems(&w, "warnings", &v->conf->warnings);
    json_write_object_end(&w);
    int err = json_write_end(&w);
    if (!err) err = buf_append(&out, STR("\n"));
    int code = cmd_output(command, &out, err);
    buf_fini(&out);
    return code;
}

static int check(const char *path, bool json)
{
    struct verdict v = {.path = path};
    struct conf *conf = NULL;
    conf_problems_init(&v.problems);
    if (!conf_load(path, &conf, &v.problems))
        check_certificates(conf, &v.problems, &conf->warnings);
    v.conf = conf;
    int code = json ? print_json(&v) : print_text(&v);
    if (!code && !in_order(&v)) code = CLI_FAILED;
    conf_problems_fini(&v.problems);
    conf_unref(conf);
    return code;
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
    if (!path && optind < argc) path = argv[optind++];
    if (optind < argc) return cli_usage(command, "one file at a time, not also %s", argv[optind]);
    path = cmd_config_path(path);
    if (!path)
        return cli_usage(command,
                         "no configuration found: `hostler init` writes one; else give -c FILE");
    return check(path, json);
}

static const struct cli_option options[] = {
    CMD_CONFIG_OPTION,
    {'j', 0, "json", NULL, CLI_TEXT, NULL, "print one JSON object"},
};

const struct cli_command cmd_check = {
    .name = "check",
    .about = "tell what is wrong with a configuration",
    .usage = "[-c FILE] [--json]",
    .text = "Reads a configuration as `hostler serve` would and tells all that is wrong with it.",
    .notes = "Exit codes: 0 in order (there may be warnings), 1 problems found, 2 wrong usage.",
    .examples =
        "hostler check -c examples/team.yaml\n"
        "hostler check --json | jq -r '.problems[].text'\n"
        "hostler check -c new.yaml && mv new.yaml hostler.yaml && pkill -HUP -f 'hostler serve'",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
