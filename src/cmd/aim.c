/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/aim.h"

#include <stdio.h>
#include <string.h>

#include "cmd/cli.h"
#include "cmd/remote.h"

/* What a gateway without keys is given: clients want to send something. */
static const struct str any_key = STR_INIT("none");

enum { NAMES_SHOWN = 20 };

/* Characters that neither a shell nor a configuration takes for its own. */
static bool is_plain(const char *text)
{
    return strspn(text,
                  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/[]@+") ==
           strlen(text);
}

/* Without the base's /v1: what comes after the address is the client's business. */
static struct str root_of(struct str text, const struct url *url)
{
    static const struct str version = STR_INIT("/v1");
    while (str_ends(text, STR("/")))
        text.len--;
    return url->base.len && str_ends(text, version) ? str_sub(text, 0, text.len - version.len)
                                                    : text;
}

static int find_address(const struct aim *a, const char *text, struct arena *arena,
                        struct recipe *r, struct url *url)
{
    if (url_parse(str_of(text), url))
        return cli_usage(a->command, "'%s' is not a URL; write http://HOST:PORT", text);
    if (url->scheme == URL_UNIX)
        return cli_usage(a->command, "%s: clients come by TCP; write http://HOST:PORT", text);
    if (!is_plain(text))
        return cli_usage(a->command, "'%s' has a character that a shell may take for its own",
                         text);
    r->root = arena_dup(arena, root_of(str_of(text), url));
    return CLI_OK;
}

/* --- models --- */

/* A name that could steer the terminal is as good as none. */
static struct str id_at(const struct json *list, size_t i)
{
    struct str id = json_str_or(json_at(list, i), "id", STR(""));
    return cli_steers(id) ? STR("") : id;
}

static int no_such_model(const struct aim *a, const struct json *list)
{
    size_t count = json_count(list);
    fprintf(stderr, "hostler %s: there is no model '%s'; there are", a->command, a->model);
    for (size_t i = 0; i < MIN(count, (size_t)NAMES_SHOWN); i++)
        fprintf(stderr, "%s %" STR_FMT, i ? "," : "", STR_ARG(id_at(list, i)));
    fputs(count > NAMES_SHOWN ? ", ...\n" : "\n", stderr);
    return CLI_FAILED;
}

static int check_model(const struct aim *a, const struct json *list)
{
    for (size_t i = 0; i < json_count(list); i++)
        if (str_eq(id_at(list, i), str_of(a->model))) return CLI_OK;
    return no_such_model(a, list);
}

static int choose_model(const struct aim *a, const struct json *list, struct recipe *r)
{
    size_t count = json_count(list);
    r->model = id_at(list, 0);
    if (r->model.len == 0)
        return cli_fail(a->command, "%s lists no models; name one with --model",
                        remote_url(a->url));
    if (count > 1)
        fprintf(stderr, "hostler %s: model %" STR_FMT ", the first of %zu; --model names another\n",
                a->command, STR_ARG(r->model), count);
    return CLI_OK;
}

static int ask(const struct aim *a, const char *text, struct arena *arena, struct recipe *r)
{
    struct remote remote;
    const struct json *list;
    if (remote_init(&remote, a->command, text, a->key)) return CLI_USAGE;
    int code = CLI_FAILED;
    if (remote_models(&remote, a->command, arena, &list) == 0)
        code = a->model ? check_model(a, list) : choose_model(a, list, r);
    remote_fini(&remote);
    return code;
}

int aim(const struct aim *a, struct arena *arena, struct recipe *r)
{
    struct url url;
    const char *text = remote_url(a->url);
    int code = find_address(a, text, arena, r, &url);
    if (code) return code;
    struct str key = remote_key(a->key);
    r->key = arena_dup(arena, key.len ? key : any_key);
    if (a->model) r->model = str_of(a->model);
    bool asks = a->check || !a->model;
    return asks ? ask(a, text, arena, r) : CLI_OK;
}
