/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of one model: addresses, files, names of endpoints, references to other models. */
#include "base/err.h"
#include "conf/check_priv.h"
#include "conf/url.h"

/* endpoints */

static void check_path(struct checker *c, struct str path, struct str setting)
{
    if (path.len && (path.ptr[0] != '/' || check__has_blank(path)))
        conf__finding(c->load, setting, "%s is no path: it begins with / and has no blanks",
                      QUOTE(c, path));
}

/* The path of a call at the end of a base, to which Hostler adds such paths itself, or NULL. */
static const char *call_path(struct str base)
{
    static const char *const paths[] = {"/chat/completions", "/completions", "/embeddings",
                                        "/models",           "/responses",   "/messages"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (str_ends(base, str_of(paths[i]))) return paths[i];
    return NULL;
}

/* URLs may carry passwords by mistake, so messages do not repeat them. */
static void check_url(struct checker *c, struct str text, struct str setting)
{
    struct url url;
    int err = url_parse(text, &url);
    if (err == ERR_RANGE)
        conf__finding(c->load, setting,
                      "the socket path is longer than the 107 bytes that UNIX sockets allow");
    else if (err && str_find_char(text, '@') >= 0)
        conf__finding(c->load, setting,
                      "user and password do not belong into a URL; the API key goes to `key`");
    else if (err)
        conf__finding(c->load, setting,
                      "is no URL that Hostler can use: write http://HOST:PORT/v1, "
                      "https://HOST/v1 or unix:/PATH");
    else if (call_path(url.base))
        conf__finding(c->load, setting,
                      "ends in %s, which Hostler adds itself: give the base, e.g. "
                      "http://HOST:PORT/v1",
                      call_path(url.base));
}

/* `names`: of the model's endpoints before this one, and its engine's. */
static void check_endpoint_name(struct checker *c, struct conf_endpoint *e, struct map *names,
                                size_t i, size_t j)
{
    struct str at = AT(c, "models[%zu].endpoints[%zu]", i, j);
    if (e->name.len == 0) return; /* the URL is at fault */
    if (!check__name_ok(c, e->name, AT(c, "%" STR_FMT ".name", STR_ARG(at)))) return;
    if (map_put(names, e->name, e))
        conf__finding(c->load, at,
                      "two endpoints of the model are called %s: give one another `name`",
                      QUOTE(c, e->name));
}

static bool is_key_header(struct str name)
{
    return str_eq_nocase(name, STR("authorization")) || str_eq_nocase(name, STR("x-api-key")) ||
           str_eq_nocase(name, STR("api-key"));
}

/* A field's name, which is none of those that the gateway writes itself. */
static void check_header(struct checker *c, const struct conf_endpoint *e,
                         const struct conf_pair *h, struct str setting)
{
    static const char *const ours[] = {"host",         "content-length",  "transfer-encoding",
                                       "connection",   "expect",          "upgrade",
                                       "te",           "trailer",         "keep-alive",
                                       "content-type", "accept-encoding", "via",
                                       "x-request-id"};
    for (size_t i = 0; i < h->name.len; i++) {
        char ch = h->name.ptr[i];
        bool letter = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
        if (letter || (ch >= '0' && ch <= '9') || ch == '-' || ch == '_') continue;
        conf__finding(c->load, setting, "%s is no name of a header: letters, digits, - and _",
                      QUOTE(c, h->name));
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (str_eq_nocase(h->name, str_of(ours[i])))
            conf__finding(c->load, setting, "%s is written by Hostler itself", QUOTE(c, h->name));
    if (e->key.len && is_key_header(h->name))
        conf__finding(c->load, setting, "%s would stand beside what `key` sends: leave one out",
                      QUOTE(c, h->name));
}

void check__endpoint(struct checker *c, const struct conf_endpoint *e, struct str at)
{
    check_url(c, e->url, AT(c, "%" STR_FMT ".url", STR_ARG(at)));
    check_path(c, e->health, AT(c, "%" STR_FMT ".health", STR_ARG(at)));
    check__endpoint_tls(c, e, at);
    if (check__has_blank(e->key))
        conf__finding(c->load, AT(c, "%" STR_FMT ".key", STR_ARG(at)), "a key has no blanks in it");
    for (size_t k = 0; k < e->header_count; k++)
        check_header(c, e, &e->headers[k], AT(c, "%" STR_FMT ".headers", STR_ARG(at)));
}

/* engine */

static bool mentions(const struct conf_engine *e, struct str placeholder)
{
    for (size_t i = 0; i < e->command_count; i++)
        if (str_find(e->command[i], placeholder) >= 0) return true;
    return false;
}

/* Whether the command is told to listen where Hostler will look. */
static void check_placeholders(struct checker *c, const struct conf_engine *e, struct str setting)
{
    bool socket = e->url.len == 0 || str_starts_nocase(e->url, STR("unix:"));
    if (e->url.len == 0 && !mentions(e, STR("${socket}")))
        conf__finding(c->load, setting,
                      "has no ${socket} to listen on; or write `url: http://127.0.0.1:PORT`");
    if (socket && mentions(e, STR("${port}")))
        conf__finding(c->load, setting, "${port} needs `url: http://127.0.0.1:PORT`");
    if (!socket && mentions(e, STR("${socket}")))
        conf__finding(c->load, setting, "${socket} has no meaning beside an http:// `url`");
}

static void check_command_url(struct checker *c, struct str url, struct str setting)
{
    check_url(c, url, setting);
    if (str_starts_nocase(url, STR("https:")))
        conf__finding(c->load, setting,
                      "a process of this machine needs no TLS: write http:// or unix:");
}

static void check_command(struct checker *c, const struct conf_engine *e, struct str at)
{
    struct str setting = AT(c, "%" STR_FMT ".command", STR_ARG(at));
    if (e->command_count == 1 && check__has_blank(e->command[0]))
        conf__finding(c->load, setting,
                      "is one word with blanks: write program and arguments as a list, "
                      "[llama-server, -m, model.gguf]");
    if (e->url.len) check_command_url(c, e->url, AT(c, "%" STR_FMT ".url", STR_ARG(at)));
    check_placeholders(c, e, setting);
}

static void check_engine(struct checker *c, const struct conf_engine *e, size_t i)
{
    struct str at = AT(c, "models[%zu].engine", i);
    if (e->file.len) check__file(c, e->file, AT(c, "%" STR_FMT ".file", STR_ARG(at)), "");
    if (e->template.len && !str_starts(e->template, STR("builtin:")))
        check__file(c, e->template, AT(c, "%" STR_FMT ".template", STR_ARG(at)),
                    "; templates of ours are written builtin:NAME");
    if (e->command_count) check_command(c, e, at);
    check_path(c, e->health, AT(c, "%" STR_FMT ".health", STR_ARG(at)));
    if (e->health.len == 0)
        conf__finding(c->load, AT(c, "%" STR_FMT ".health", STR_ARG(at)),
                      "is empty; write /health");
}

/* fallbacks */

/* Aliases are replaced by names, so that nobody has to look twice. */
static void check_fallback(struct checker *c, struct conf_model *m, size_t i, size_t j)
{
    struct str at = AT(c, "models[%zu].fallback[%zu]", i, j);
    const struct conf_model *to = map_get(&c->models, m->fallback[j]);
    if (!to && c->conf->runtime_count) return; /* a runtime's list may have it */
    if (!to) {
        conf__finding(c->load, at, "there is no model %s%s", QUOTE(c, m->fallback[j]),
                      check__suggest(c, m->fallback[j]));
        return;
    }
    if (to == m) conf__finding(c->load, at, "a model cannot stand in for itself: leave it out");
    for (size_t k = 0; k < j; k++)
        if (str_eq(to->name, m->fallback[k]))
            conf__finding(c->load, at, "%s is given twice", QUOTE(c, to->name));
    m->fallback[j] = to->name;
}

static void check_endpoints(struct checker *c, struct conf_model *m, size_t i)
{
    struct map names;
    size_t urls = m->endpoint_count - m->has_engine_endpoint;
    map_init(&names);
    for (size_t j = urls; j < m->endpoint_count; j++)
        map_put(&names, m->endpoints[j].name, &m->endpoints[j]);
    for (size_t j = 0; j < urls; j++) {
        check__endpoint(c, &m->endpoints[j], AT(c, "models[%zu].endpoints[%zu]", i, j));
        check_endpoint_name(c, &m->endpoints[j], &names, i, j);
    }
    map_fini(&names);
}

void check__model(struct checker *c, size_t i)
{
    enum { FALLBACKS_MAX = 16, ENDPOINTS_MAX = 4096 };
    struct conf_model *m = &c->conf->models[i];
    if (m->endpoint_count == 0)
        conf__finding(c->load, AT(c, "models[%zu]", i), "needs `endpoints` or an `engine`");
    if (m->endpoint_count > ENDPOINTS_MAX) {
        conf__finding(c->load, AT(c, "models[%zu].endpoints", i), "are more than %d",
                      ENDPOINTS_MAX);
        return;
    }
    check_endpoints(c, m, i);
    if (m->engine) check_engine(c, m->engine, i);
    if (m->fallback_count > FALLBACKS_MAX) {
        conf__finding(c->load, AT(c, "models[%zu].fallback", i), "has more than %d models",
                      FALLBACKS_MAX);
        return;
    }
    for (size_t j = 0; j < m->fallback_count; j++)
        check_fallback(c, m, i, j);
}
