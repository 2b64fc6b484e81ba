/* SPDX-License-Identifier: Apache-2.0 */
/* hostler client: what to paste so that a client talks to a gateway. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/aim.h"
#include "cmd/cli.h"
#include "cmd/clients.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "cmd/recipe.h"
#include "json/write.h"

static const char command[] = "client";

/* --- the list --- */

static int list_text(struct buf *out)
{
    size_t count;
    const struct client *all = clients_all(&count);
    int err = 0;
    for (size_t i = 0; i < count && !err; i++)
        err = buf_printf(out, "%-16s  %s%s%s\n", all[i].name, all[i].about,
                         all[i].program ? "; also: hostler launch " : "",
                         all[i].program ? all[i].name : "");
    return err;
}

static int list_json(struct buf *out)
{
    size_t count;
    const struct client *all = clients_all(&count);
    struct json_writer w;
    json_write_init(&w, out);
    json_write_array(&w);
    for (size_t i = 0; i < count; i++) {
        json_write_object(&w);
        json_write_str_member(&w, "name", str_of(all[i].name));
        json_write_str_member(&w, "about", str_of(all[i].about));
        json_write_bool_member(&w, "launch", all[i].program != NULL);
        json_write_object_end(&w);
    }
    json_write_array_end(&w);
    int err = json_write_end(&w);
    return err ? err : buf_append(out, STR("\n"));
}

static int list(bool json)
{
    struct buf out;
    buf_init(&out, SIZE_MAX / 2);
    int err = json ? list_json(&out) : list_text(&out);
    int code = cmd_output(command, &out, err);
    buf_fini(&out);
    return code;
}

/* --- one of them --- */

/* What is pasted takes it from there. */
static void tell_of_key(void)
{
    const char *key = getenv("HOSTLER_KEY");
    if (key && *key) return;
    fprintf(stderr,
            "hostler %s: HOSTLER_KEY is not set; it holds the key, and any word where the "
            "gateway has none: export HOSTLER_KEY=none\n",
            command);
}

static int print(struct recipe *r, bool json)
{
    struct buf out;
    buf_init(&out, SIZE_MAX / 2);
    r->key = STR(RECIPE_KEY);
    int err = json ? recipe_json(r, &out) : recipe_paste(r, &out);
    if (!err && json) err = buf_append(&out, STR("\n"));
    int code = cmd_output(command, &out, err);
    buf_fini(&out);
    return code;
}

static int show(const struct aim *a, const char *name, bool json)
{
    struct recipe r = {.client = client_find(name)};
    struct arena arena;
    if (!r.client)
        return cli_usage(command, "there is no client '%s'; `hostler client` lists them", name);
    cli_prepare_process();
    arena_init(&arena, SIZE_MAX, 4096);
    int code = aim(a, &arena, &r);
    if (!code) code = print(&r, json);
    if (!code && !json) tell_of_key();
    arena_fini(&arena);
    return code;
}

static int run(const struct cli_command *c, int argc, char **argv)
{
    struct aim a = {.command = command};
    bool json = false;
    struct cli_words w = cli_words(c, argc, argv);
    while (cli_next(&w)) {
        switch (w.option) {
        case 'm': a.model = w.value; break;
        case 'u': a.url = w.value; break;
        case 'k': a.key = w.value; break;
        case 'j': json = true; break;
        default: break;
        }
    }
    if (w.code >= 0) return w.code;
    if (optind == argc) return list(json);
    if (optind + 1 < argc)
        return cli_usage(command, "'%s' is one argument too many", argv[optind + 1]);
    return show(&a, argv[optind], json);
}

static const char *client_at(int id, size_t i)
{
    (void)id;
    size_t count;
    const struct client *all = clients_all(&count);
    return i < count ? all[i].name : NULL;
}

static const struct cli_option options[] = {
    {.value = "NAME", .value_at = client_at, .help = "the client:"},
    AIM_OPTIONS,
    {'j', 0, "json", NULL, CLI_TEXT, NULL, "one JSON object; of the list, an array"},
};

const struct cli_command cmd_client = {
    .name = "client",
    .about = "tell what points a client at a gateway",
    .usage = "[NAME] [--model M] [--url URL] [--key K] [--json]",
    .text =
        "Prints what points a client at a gateway, to be pasted: lines for a shell, a file with its\n"
        "place, or a program. Without NAME, lists the clients. A key is never printed: $HOSTLER_KEY\n"
        "stands in its place.",
    .examples = "hostler client\n"
                "hostler client zed\n"
                "hostler client claude --url https://llm.example.com --model qwen3-coder\n"
                "hostler client openai-python | python3",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
