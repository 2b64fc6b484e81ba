/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/remote.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "cmd/cli.h"
#include "json/json.h"
#include "mesh/endpoint.h"

enum { BODY_MAX = 64 * 1024 * 1024 };

/* A line break in it would end the header that carries it. */
static bool key_ok(struct str key)
{
    for (size_t i = 0; i < key.len; i++)
        if ((unsigned char)key.ptr[i] < ' ' || key.ptr[i] == 0x7f) return false;
    return true;
}

const char *remote_url(const char *given)
{
    const char *named = getenv("HOSTLER_URL");
    if (given) return given;
    return named && *named ? named : REMOTE_DEFAULT_URL;
}

struct str remote_key(const char *given)
{
    return str_trim(str_of(given ? given : getenv("HOSTLER_KEY")));
}

static int secure(struct remote *r, const char *command)
{
    const struct tls_settings settings = {0};
    char why[TLS_WHY_ROOM] = "";
    int err = tls_context_new(&settings, &r->way.tls, why);
    if (err) cli_usage(command, "TLS cannot be used: %s", why[0] ? why : err_text(err));
    r->way.tls_name = r->url.host;
    return err;
}

int remote_init(struct remote *r, const char *command, const char *url, const char *key)
{
    memset(r, 0, sizeof *r);
    r->text = remote_url(url);
    int err = url_parse(str_of(r->text), &r->url);
    if (err) {
        cli_usage(command, "'%s' is not a URL; write http[s]://HOST:PORT or unix:PATH", r->text);
        return ERR_INVALID;
    }
    r->way = (struct way){.addr = endpoint_addr(&r->url)};
    bool v6 = str_find_char(r->url.host, ':') >= 0;
    int len = r->way.addr.is_unix
                  ? snprintf(r->host_text, sizeof r->host_text, "localhost")
                  : snprintf(r->host_text, sizeof r->host_text, v6 ? "[%.*s]:%u" : "%.*s:%u",
                             STR_ARG(r->url.host), r->url.port);
    r->host = str_n(r->host_text, MIN((size_t)len, sizeof r->host_text - 1));
    r->key = remote_key(key);
    if (!key_ok(r->key)) {
        cli_usage(command, "the key of %s has a control character in it, such as a line break",
                  key ? "--key" : "HOSTLER_KEY");
        return ERR_INVALID;
    }
    return r->url.scheme == URL_HTTPS ? secure(r, command) : 0;
}

void remote_fini(struct remote *r)
{
    tls_context_unref(r->way.tls);
    r->way.tls = NULL;
}

static struct str target_of(const struct remote *r, struct arena *arena, const char *path)
{
    bool has_version = str_ends(r->url.base, STR("/v1"));
    if (strncmp(path, "//", 2) == 0) return str_of(path + 1);
    return arena_printf(arena, "%" STR_FMT "%s%s", STR_ARG(r->url.base), has_version ? "" : "/v1",
                        path);
}

struct http_request remote_request(const struct remote *r, struct arena *arena,
                                   enum http_method method, const char *path)
{
    struct http_field *fields = arena_alloc(arena, 3 * sizeof *fields);
    unsigned n = 0;
    fields[n++] = (struct http_field)HTTP_FIELD(USER_AGENT, STR("hostler/" HOSTLER_VERSION));
    if (r->key.len)
        fields[n++] = (struct http_field)HTTP_FIELD(
            AUTHORIZATION, arena_printf(arena, "Bearer %" STR_FMT, STR_ARG(r->key)));
    if (method != METHOD_GET)
        fields[n++] = (struct http_field)HTTP_FIELD(CONTENT_TYPE, STR("application/json"));
    return (struct http_request){
        .method = method,
        .target = target_of(r, arena, path),
        .authority = r->host,
        .fields = fields,
        .field_count = n,
    };
}

void remote_aim(const struct remote *r, struct fetch *f, struct http_client *client)
{
    f->client = client;
    f->way = r->way;
    f->key = str_of(r->text);
}

void remote_client_init(struct http_client *client, struct loop *loop, unsigned idle_max)
{
    const struct h1_limits limits = {.head_max = 64 * 1024, .header_max = 200};
    http_client_init(client, loop, &limits, idle_max, 30ull * USEC_PER_SEC);
}

struct str remote_explain(const struct remote *r, struct arena *arena, int err)
{
    switch (err) {
    case -ECONNREFUSED:
    case -ENOENT:
        return arena_printf(
            arena,
            "nothing listens at %s; start a gateway with `hostler serve`, or give the address "
            "of another",
            r->text);
    case ERR_RESOLVE:
        return arena_printf(arena, "the host name in %s does not resolve; check its spelling",
                            r->text);
    case ERR_TIMEOUT: return arena_printf(arena, "%s did not answer in time", r->text);
    case ERR_PROTOCOL:
        return arena_printf(arena, "what answers at %s does not speak HTTP", r->text);
    case ERR_CERTIFICATE:
        return arena_printf(arena,
                            "the certificate of %s is not accepted; SSL_CERT_FILE names a file of "
                            "further authorities (`hostler cert show` tells of certificates)",
                            r->text);
    case ERR_TLS:
        return arena_printf(arena,
                            "what answers at %s does not speak TLS as we do; is it http, or does "
                            "it want a certificate of its clients, which this command has not?",
                            r->text);
    case ERR_EOF:
    case -ECONNRESET:
        return arena_printf(arena, "%s closed the connection before the answer was complete",
                            r->text);
    default: return arena_printf(arena, "%s: %s", r->text, err_text(err));
    }
}

static const char *hint_of(int status, struct str code)
{
    if (str_eq(code, STR("context_length_exceeded")))
        return " (/reset in a chat forgets the conversation; a larger context has room for more)";
    switch (status) {
    case 401: return " (give a key with --key or in HOSTLER_KEY)";
    case 403: return " (ask for a key that allows this model)";
    case 404: return " (`hostler models` lists what there is)";
    case 429:
    case 503: return " (try again in a moment)";
    default: return "";
    }
}

struct str remote_explain_status(struct arena *arena, int status, struct str body)
{
    const struct json *doc = NULL;
    struct str message = STR(""), code = STR("");
    if (json_parse(arena, body, &doc, NULL) == 0) {
        const struct json *error = json_get(doc, "error");
        message = json_type(error) == JSON_STRING ? json_str_or(doc, "error", message)
                                                  : json_str_or(error, "message", message);
        code = json_str_or(error, "code", code);
    }
    if (message.len == 0) message = str_sub(str_trim(body), 0, 200);
    return arena_printf(arena, "%d%s%.*s%s", status, message.len ? ": " : "", STR_ARG(message),
                        hint_of(status, code));
}

/* --- one GET --- */

struct get {
    struct task task;
    struct timer timer;
    struct fetch fetch;
    struct loop *loop;
    struct buf body;
    int err;
    uint64_t due_us;
};

static void on_wake(struct task *task)
{
    struct get *g = CONTAINER_OF(task, struct get, task);
    struct fetch *f = &g->fetch;
    if (f->body.len) {
        g->err = buf_append(&g->body, fetch_take(f));
    }
    bool late = loop_now(g->loop) >= g->due_us;
    if (!g->err && f->state == FETCH_FAILED) g->err = f->err;
    if (!g->err && late && f->state != FETCH_DONE) g->err = ERR_TIMEOUT;
    if (g->err || f->state == FETCH_DONE) loop_stop(g->loop);
}

int remote_get(const struct remote *r, struct loop *loop, struct arena *arena, const char *path,
               uint64_t timeout_us, int *status, struct str *body)
{
    struct http_client client;
    struct get g = {.loop = loop, .due_us = clock_mono_us() + timeout_us};
    buf_init(&g.body, BODY_MAX);
    remote_client_init(&client, loop, 0);
    task_init(&g.task, on_wake);
    timer_init(&g.timer, &g.task);
    remote_aim(r, &g.fetch, &client);
    g.fetch.arena = arena;
    g.fetch.task = &g.task;
    g.fetch.request = remote_request(r, arena, METHOD_GET, path);
    fetch_start(&g.fetch);
    timer_start(loop, &g.timer, g.due_us);
    loop_run(loop);
    timer_stop(loop, &g.timer);
    task_cancel(&g.task);
    if (!g.err && g.fetch.state != FETCH_DONE) g.err = ERR_CANCELLED;
    if (!g.err) {
        *status = g.fetch.head->status;
        *body = arena_dup(arena, buf_str(&g.body));
    }
    fetch_end(&g.fetch);
    http_client_fini(&client);
    buf_fini(&g.body);
    return g.err;
}

/* --- models --- */

int remote_list(const struct remote *r, struct loop *loop, struct arena *arena,
                const struct json **list, struct str *why)
{
    int status = 0;
    struct str body = STR("");
    const struct json *doc = NULL;
    int err = remote_get(r, loop, arena, "/models", 10ull * USEC_PER_SEC, &status, &body);
    if (err) {
        *why = remote_explain(r, arena, err);
    } else if (status != 200) {
        err = ERR_NOT_FOUND;
        *why = remote_explain_status(arena, status, body);
    } else if (json_parse(arena, body, &doc, NULL) ||
               json_type(json_get(doc, "data")) != JSON_ARRAY) {
        err = ERR_PROTOCOL;
        *why = arena_printf(arena, "%s answers, but not with a list of models", r->text);
    } else {
        *list = json_get(doc, "data");
    }
    return err;
}

int remote_models(const struct remote *r, const char *command, struct arena *arena,
                  const struct json **list)
{
    struct loop *loop;
    struct str why;
    int err = loop_new_real(&loop);
    if (err) return err;
    err = remote_list(r, loop, arena, list, &why);
    loop_free(loop);
    if (err) cli_fail(command, "%.*s", STR_ARG(why));
    return err;
}

int remote_first_model(const struct remote *r, const char *command, struct arena *arena,
                       struct str *id)
{
    const struct json *list;
    int err = remote_models(r, command, arena, &list);
    if (!err && !json_to_str(json_get(json_at(list, 0), "id"), id)) {
        err = ERR_NOT_FOUND;
        cli_fail(command, "%s lists no models; name one", r->text);
    }
    return err;
}
