/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/serve_plain.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "cmd/cli.h"
#include "cmd/model_file.h"
#include "cmd/options.h"
#include "json/write.h"

int serve_plain_add_files(struct serve_plain *p, char *list)
{
    for (char *rest = list, *file; (file = strsep(&rest, ","));) {
        if (p->file_count == SERVE_PLAIN_MAX)
            return cli_usage(p->command, "more than %d model files; write a configuration",
                             SERVE_PLAIN_MAX);
        p->files[p->file_count++] = file;
    }
    return -1;
}

int serve_plain_add_upstream(struct serve_plain *p, const char *url)
{
    if (p->upstream_count == SERVE_PLAIN_MAX)
        return cli_usage(p->command, "more than %d runtimes; write a configuration",
                         SERVE_PLAIN_MAX);
    p->upstreams[p->upstream_count++] = url;
    return -1;
}

/* --- the configuration --- */

static void write_model(struct json_writer *w, struct arena *arena, const char *file)
{
    char *name = model_file_name(file);
    json_write_object(w);
    json_write_str_member(w, "name", cmd_literal(arena, str_of(name)));
    json_write_key(w, "engine");
    json_write_object(w);
    json_write_str_member(w, "file", cmd_literal(arena, str_of(file)));
    json_write_str_member(w, "start", STR("at_start"));
    json_write_object_end(w);
    json_write_object_end(w);
    free(name);
}

static void write_upstream(const struct serve_plain *p, struct json_writer *w, struct arena *arena,
                           const char *url)
{
    json_write_object(w);
    json_write_str_member(w, "url", cmd_literal(arena, str_of(url)));
    if (p->key) json_write_str_member(w, "key", cmd_literal(arena, str_of(p->key)));
    json_write_object_end(w);
}

/* JSON is YAML, too. */
static int write_config(const struct serve_plain *p, struct arena *arena, struct buf *out)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    if (p->listen) json_write_str_member(&w, "listen", cmd_literal(arena, str_of(p->listen)));
    json_write_key(&w, "models");
    json_write_array(&w);
    for (size_t i = 0; i < p->file_count; i++)
        write_model(&w, arena, p->files[i]);
    json_write_array_end(&w);
    json_write_key(&w, "runtimes");
    json_write_array(&w);
    for (size_t i = 0; i < p->upstream_count; i++)
        write_upstream(p, &w, arena, p->upstreams[i]);
    json_write_array_end(&w);
    json_write_object_end(&w);
    return json_write_end(&w);
}

/* --- what is wrong with it --- */

/* The argument that a setting such as "runtimes[1].url" comes from, or NULL. */
static const char *argument_of(const char *const *arguments, size_t count, struct str setting,
                               struct str list)
{
    uint64_t i;
    struct str rest, number;
    if (!str_starts(setting, list)) return NULL;
    rest = str_skip(setting, list.len);
    if (!str_cut(&rest, ']', &number) || str_to_u64(number, &i) || i >= count) return NULL;
    return arguments[i];
}

/* Beyond this machine a key is needed, for which the command line has no place. */
static void print_listen_problem(const struct serve_plain *p, struct str problem)
{
    struct url url;
    if (url_parse_listen(str_of(p->listen), &url) || url_is_loopback(&url))
        cli_fail(p->command, "--listen %s: %" STR_FMT, p->listen, STR_ARG(problem));
    else
        cli_fail(
            p->command,
            "--listen %s: others may come only with a key; `hostler init --listen %s` with the "
            "same --model and --upstream writes a configuration with one; or listen at "
            "127.0.0.1:%u",
            p->listen, p->listen, url.port);
}

static void print_problem(const struct serve_plain *p, const struct conf_problem *problem)
{
    struct str setting = problem->setting;
    const char *url = argument_of(p->upstreams, p->upstream_count, setting, STR("runtimes["));
    const char *file = argument_of(p->files, p->file_count, setting, STR("models["));
    if (url && str_ends(setting, STR(".key")))
        cli_fail(p->command, "--key: %" STR_FMT, STR_ARG(problem->text));
    else if (url)
        cli_fail(p->command, "--upstream %s: %" STR_FMT, url, STR_ARG(problem->text));
    else if (file)
        cli_fail(p->command, "--model %s: %" STR_FMT, file, STR_ARG(problem->text));
    else if (p->listen && str_starts(setting, STR("listen")))
        print_listen_problem(p, problem->text);
    else
        cli_fail(p->command, "--%" STR_FMT ": %" STR_FMT, STR_ARG(setting), STR_ARG(problem->text));
}

static int parse(const struct serve_plain *p, struct str text, struct conf **out)
{
    struct conf_problems problems;
    conf_problems_init(&problems);
    int err = conf_parse(text, "", out, &problems);
    for (size_t i = 0; i < problems.count; i++)
        print_problem(p, &problems.items[i]);
    conf_problems_fini(&problems);
    return err ? CLI_USAGE : CLI_OK;
}

int serve_plain_load(const struct serve_plain *p, struct conf **out)
{
    struct arena arena;
    struct buf text;
    uint64_t size;
    int code = CLI_OK;
    for (size_t i = 0; i < p->file_count && !code; i++)
        code = model_file_check(p->command, p->files[i], &size);
    if (code) return code;
    arena_init(&arena, SIZE_MAX, 1024);
    buf_init(&text, SIZE_MAX / 2);
    int err = write_config(p, &arena, &text);
    code = err ? cli_fail(p->command, "%s", err_text(err)) : parse(p, buf_str(&text), out);
    buf_fini(&text);
    arena_fini(&arena);
    return code;
}
