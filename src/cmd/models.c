/* SPDX-License-Identifier: Apache-2.0 */
/* hostler models: what a running gateway, or any OpenAI endpoint, serves. */
#include <getopt.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "cmd/cli.h"
#include "cmd/cmd.h"
#include "cmd/remote.h"
#include "json/json.h"
#include "json/write.h"

static const char command[] = "models";

/* What a list says of one model, which must not steer the terminal or begin a line. */
static struct str text_of(const struct json *model, const char *name, struct arena *arena)
{
    struct buf shown;
    buf_init(&shown, SIZE_MAX / 2);
    if (cli_clean(json_str_or(model, name, STR("")), true, &shown)) mem_exhausted();
    struct str text = arena_dup(arena, buf_str(&shown));
    buf_fini(&shown);
    return text;
}

static int print_table(const struct json *list, struct arena *arena)
{
    const struct json *model;
    struct json_iter it = {0};
    int width = 5;
    while (json_next_item(list, &it, &model)) {
        struct str id = text_of(model, "id", arena);
        if ((int)id.len > width) width = (int)id.len;
    }
    printf("%-*s  OWNER\n", width, "MODEL");
    it = (struct json_iter){0};
    while (json_next_item(list, &it, &model)) {
        struct str id = text_of(model, "id", arena), owner = text_of(model, "owned_by", arena);
        printf("%.*s%*s  %.*s\n", STR_ARG(id), width - (int)id.len, "", STR_ARG(owner));
    }
    return CLI_OK;
}

static int print_json(const struct json *list)
{
    const struct json *model;
    struct json_iter it = {0};
    struct json_writer w;
    struct buf out;
    buf_init(&out, SIZE_MAX / 2);
    json_write_init(&w, &out);
    json_write_array(&w);
    while (json_next_item(list, &it, &model)) {
        json_write_object(&w);
        json_write_str_member(&w, "id", json_str_or(model, "id", STR("")));
        json_write_str_member(&w, "owned_by", json_str_or(model, "owned_by", STR("")));
        json_write_i64_member(&w, "created", json_i64_or(model, "created", 0));
        json_write_object_end(&w);
    }
    json_write_array_end(&w);
    int err = json_write_end(&w);
    if (!err) printf("%.*s\n", STR_ARG(buf_str(&out)));
    buf_fini(&out);
    return err ? cli_fail(command, "%s", err_text(err)) : CLI_OK;
}

static int print(const struct json *list, struct arena *arena, bool json)
{
    return json ? print_json(list) : print_table(list, arena);
}

static int run(const struct cli_command *c, int argc, char **argv)
{
    const char *url = NULL;
    const char *key = NULL;
    bool json = false;
    struct cli_words w = cli_words(c, argc, argv);
    while (cli_next(&w)) {
        switch (w.option) {
        case 'u': url = w.value; break;
        case 'k': key = w.value; break;
        case 'j': json = true; break;
        default: break;
        }
    }
    if (w.code >= 0) return w.code;
    if (optind < argc) return cli_usage(command, "'%s' is one argument too many", argv[optind]);
    struct remote remote;
    const struct json *list;
    if (remote_init(&remote, command, url, key)) return CLI_USAGE;
    cli_prepare_process();
    struct arena arena;
    arena_init(&arena, SIZE_MAX, 4096);
    int code =
        remote_models(&remote, command, &arena, &list) ? CLI_FAILED : print(list, &arena, json);
    arena_fini(&arena);
    remote_fini(&remote);
    return code;
}

static const struct cli_option options[] = {
    REMOTE_URL_OPTION,
    REMOTE_KEY_OPTION,
    {'j', 0, "json", NULL, CLI_TEXT, NULL, "a JSON array of objects with id, owned_by and created"},
};

const struct cli_command cmd_models = {
    .name = "models",
    .about = "list the models of a running gateway",
    .usage = "[--url URL] [--key K] [--json]",
    .text = "Lists the models that a running gateway (or any OpenAI endpoint) serves.",
    .examples = "hostler models\n"
                "hostler models --url http://10.0.0.5:8000 --json",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
