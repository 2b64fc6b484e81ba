/* SPDX-License-Identifier: Apache-2.0 */
/* Checks that need more than one row: names, references between settings, addresses, files. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/map.h"
#include "conf/conf_priv.h"
#include "conf/text.h"
#include "conf/url.h"

enum { KEY_LENGTH_MIN = 8 };

struct checker {
    struct conf__load *load;
    const struct conf *conf;
    struct map models; /* names and aliases to struct conf_model */
    struct str *names; /* those in order, on scratch; NULL until a pattern wants them */
};

#define AT(c, ...) arena_printf(&(c)->load->scratch, __VA_ARGS__)
#define QUOTE(c, text) conf__quote((c)->load, text).ptr

static bool has_blank(struct str s)
{
    return str_find_char(s, ' ') >= 0 || str_find_char(s, '\t') >= 0;
}

/* Names stand in logs, labels, headers and patterns. */
static bool name_ok(struct checker *c, struct str name, struct str setting)
{
    const char *wrong = name.len == 0     ? "is empty"
                        : has_blank(name) ? "has a blank in it"
                        : str_find_char(name, '*') >= 0
                            ? "has a * in it, which only `keys[].models` may"
                            : NULL;
    if (wrong) conf__finding(c->load, setting, "%s", wrong);
    return !wrong;
}

/* listen */

static void check_address(struct checker *c, size_t i)
{
    const struct conf_listen *listen = &c->conf->listen[i];
    struct str at = AT(c, "listen[%zu]", i);
    struct url url;
    int err = url_parse_listen(listen->address, &url);
    if (listen->address.len == 0) {
        conf__finding(c->load, at, "is empty");
    } else if (err == ERR_RANGE) {
        conf__finding(c->load, at,
                      "the socket path is longer than the 107 bytes that UNIX sockets allow");
    } else if (err) {
        conf__finding(c->load, at,
                      "%s is no address: write HOST:PORT, [V6]:PORT, :PORT or unix:PATH",
                      QUOTE(c, listen->address));
    } else if (c->conf->key_count == 0 && !url_is_loopback(&url)) {
        conf__finding(c->load, at,
                      "no keys configured: loopback listeners only; add `keys` or listen on "
                      "127.0.0.1:%u instead of %s",
                      url.port, QUOTE(c, listen->address));
    }
    for (size_t j = 0; j < i; j++)
        if (listen->address.len && str_eq(listen->address, c->conf->listen[j].address))
            conf__finding(c->load, at, "%s is given twice", QUOTE(c, listen->address));
}

static void check_listen(struct checker *c)
{
    enum { ADDRESSES_MAX = 64 };
    if (c->conf->listen_count == 0)
        conf__finding(c->load, STR("listen"), "is empty; nobody could connect");
    if (c->conf->listen_count > ADDRESSES_MAX) {
        conf__finding(c->load, STR("listen"), "has more than %d addresses", ADDRESSES_MAX);
        return;
    }
    for (size_t i = 0; i < c->conf->listen_count; i++)
        check_address(c, i);
}

/* hosts: bare names and addresses, as a Host header has them before its port */

static bool host_ok(struct str host)
{
    bool v6 = str_starts(host, STR("[")) && str_ends(host, STR("]"));
    for (size_t i = 0; i < host.len; i++) {
        bool colon = host.ptr[i] == ':' && v6;
        if (!colon && strchr(" \t:/?#@*\\", host.ptr[i])) return false;
    }
    return true;
}

static void check_hosts(struct checker *c)
{
    for (size_t i = 0; i < c->conf->host_count; i++) {
        if (host_ok(c->conf->hosts[i])) continue;
        struct str at = arena_printf(&c->load->scratch, "hosts[%zu]", i);
        conf__finding(c->load, at,
                      "%s is no host name: write it without scheme, port and wildcards",
                      QUOTE(c, c->conf->hosts[i]));
    }
}

/* names of models */

static void claim_name(struct checker *c, struct conf_model *m, struct str name, struct str setting)
{
    if (!name_ok(c, name, setting)) return;
    const struct conf_model *other = map_get(&c->models, name);
    if (!other) {
        map_put(&c->models, name, m);
        return;
    }
    if (other == m)
        conf__finding(c->load, setting, "%s is given twice for this model", QUOTE(c, name));
    else
        conf__finding(c->load, setting, "%s is a name of the model in line %u already",
                      QUOTE(c, name), other->line);
}

static void collect_names(struct checker *c)
{
    for (size_t i = 0; i < c->conf->model_count; i++) {
        struct conf_model *m = &c->conf->models[i];
        claim_name(c, m, m->name, AT(c, "models[%zu].name", i));
    }
    for (size_t i = 0; i < c->conf->model_count; i++) {
        struct conf_model *m = &c->conf->models[i];
        for (size_t j = 0; j < m->alias_count; j++)
            claim_name(c, m, m->aliases[j], AT(c, "models[%zu].aliases[%zu]", i, j));
    }
}

static struct str model_candidate(const void *ctx, size_t i)
{
    return ((const struct conf *)ctx)->models[i].name;
}

/* " did you mean ...?" or "" */
static const char *suggest(struct checker *c, struct str name)
{
    if (conf__problems_full(c->load)) return "";
    struct str near = conf__nearest(name, model_candidate, c->conf, c->conf->model_count);
    return near.len ? AT(c, "; did you mean %s?", QUOTE(c, near)).ptr : "";
}

/* endpoints */

static void check_path(struct checker *c, struct str path, struct str setting)
{
    if (path.len && (path.ptr[0] != '/' || has_blank(path)))
        conf__finding(c->load, setting, "%s is no path: it begins with / and has no blanks",
                      QUOTE(c, path));
}

/* The path of a call at the end of a base, to which Hostler adds such paths itself, or NULL. */
static const char *call_path(struct str base)
{
    static const char *const paths[] = {"/chat/completions", "/completions", "/embeddings",
                                        "/models"};
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
                      "is no URL that Hostler can use: write http://HOST:PORT/v1 or unix:/PATH");
    else if (url.scheme == URL_HTTPS)
        conf__finding(
            c->load, setting,
            "TLS to endpoints is not built yet: use http:// or unix:, or a TLS proxy between");
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
    if (!name_ok(c, e->name, AT(c, "%" STR_FMT ".name", STR_ARG(at)))) return;
    if (map_put(names, e->name, e))
        conf__finding(c->load, at,
                      "two endpoints of the model are called %s: give one another `name`",
                      QUOTE(c, e->name));
}

static void check_endpoint(struct checker *c, const struct conf_model *m, size_t i, size_t j)
{
    const struct conf_endpoint *e = &m->endpoints[j];
    struct str at = AT(c, "models[%zu].endpoints[%zu]", i, j);
    check_url(c, e->url, AT(c, "%" STR_FMT ".url", STR_ARG(at)));
    check_path(c, e->health, AT(c, "%" STR_FMT ".health", STR_ARG(at)));
    if (has_blank(e->key))
        conf__finding(c->load, AT(c, "%" STR_FMT ".key", STR_ARG(at)), "a key has no blanks in it");
}

/* engine */

static void check_engine_file(struct checker *c, struct str file, struct str setting)
{
    struct stat st;
    struct str path = arena_dup(&c->load->scratch, file);
    const char *wrong = NULL;
    if (stat(path.ptr, &st))
        wrong = err_text(-errno);
    else if (!S_ISREG(st.st_mode))
        wrong = "not a regular file";
    else if (access(path.ptr, R_OK))
        wrong = err_text(-errno);
    if (wrong) conf__finding(c->load, setting, "%s cannot be read: %s", QUOTE(c, file), wrong);
}

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

static void check_command(struct checker *c, const struct conf_engine *e, struct str at)
{
    struct str setting = AT(c, "%" STR_FMT ".command", STR_ARG(at));
    if (e->command_count == 1 && has_blank(e->command[0]))
        conf__finding(c->load, setting,
                      "is one word with blanks: write program and arguments as a list, "
                      "[llama-server, -m, model.gguf]");
    if (e->url.len) check_url(c, e->url, AT(c, "%" STR_FMT ".url", STR_ARG(at)));
    check_placeholders(c, e, setting);
}

static void check_engine(struct checker *c, const struct conf_engine *e, size_t i)
{
    struct str at = AT(c, "models[%zu].engine", i);
    if (e->file.len) check_engine_file(c, e->file, AT(c, "%" STR_FMT ".file", STR_ARG(at)));
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
    if (!to) {
        conf__finding(c->load, at, "there is no model %s%s", QUOTE(c, m->fallback[j]),
                      suggest(c, m->fallback[j]));
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
        check_endpoint(c, m, i, j);
        check_endpoint_name(c, &m->endpoints[j], &names, i, j);
    }
    map_fini(&names);
}

static void check_model(struct checker *c, size_t i)
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

/* keys */

static int compare_names(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void sort_names(struct checker *c)
{
    size_t pos = 0, count = 0;
    struct str name;
    void *model;
    c->names = arena_alloc(&c->load->scratch, (c->models.count + 1) * sizeof(struct str));
    while (map_next(&c->models, &pos, &name, &model))
        c->names[count++] = name;
    qsort(c->names, count, sizeof(struct str), compare_names);
}

/* The first name that does not come before `prefix` is the only one to look at. */
static bool is_prefix(struct checker *c, struct str prefix)
{
    if (!c->names) sort_names(c);
    size_t low = 0, high = c->models.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_cmp(c->names[middle], prefix) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->models.count && str_starts(c->names[low], prefix);
}

/* Keys may be there before the models are. */
static bool pattern_matches(struct checker *c, struct str pattern)
{
    if (c->conf->model_count == 0 || str_eq(pattern, STR("*"))) return true;
    if (pattern.len == 0 || pattern.ptr[pattern.len - 1] != '*')
        return map_get(&c->models, pattern) != NULL;
    return is_prefix(c, str_sub(pattern, 0, pattern.len - 1));
}

static void check_pattern(struct checker *c, struct str pattern, struct str setting)
{
    ptrdiff_t star = str_find_char(pattern, '*');
    if (star >= 0 && (size_t)star != pattern.len - 1)
        conf__finding(c->load, setting, "%s: a * may only stand at the end", QUOTE(c, pattern));
    else if (!pattern_matches(c, pattern))
        conf__finding(c->load, setting, "%s matches no model%s", QUOTE(c, pattern),
                      suggest(c, pattern));
}

static void check_secret(struct checker *c, struct str key, struct str setting)
{
    if (key.len < KEY_LENGTH_MIN)
        conf__finding(c->load, setting,
                      "is shorter than %d characters; `openssl rand -hex 24` makes a good one",
                      KEY_LENGTH_MIN);
    if (has_blank(key)) conf__finding(c->load, setting, "a key has no blanks in it");
}

static void check_key(struct checker *c, size_t i, struct map *names, struct map *secrets)
{
    struct conf_key *k = &c->conf->keys[i];
    struct str at = AT(c, "keys[%zu]", i);
    struct str secret_at = AT(c, "keys[%zu].key", i);
    if (name_ok(c, k->name, AT(c, "keys[%zu].name", i)) && map_put(names, k->name, k))
        conf__finding(c->load, AT(c, "keys[%zu].name", i), "%s is given twice", QUOTE(c, k->name));
    check_secret(c, k->key, secret_at);
    const struct conf_key *same = k->key.len ? map_put(secrets, k->key, k) : NULL;
    if (same)
        conf__finding(c->load, secret_at, "is the same key as that of %s", QUOTE(c, same->name));
    if (k->model_count == 0)
        conf__finding(c->load, AT(c, "%" STR_FMT ".models", STR_ARG(at)),
                      "is empty; write [\"*\"] for all models");
    for (size_t j = 0; j < k->model_count; j++)
        check_pattern(c, k->models[j], AT(c, "%" STR_FMT ".models[%zu]", STR_ARG(at), j));
}

static void check_keys(struct checker *c)
{
    struct map names, secrets;
    map_init(&names);
    map_init(&secrets);
    for (size_t i = 0; i < c->conf->key_count; i++)
        check_key(c, i, &names, &secrets);
    map_fini(&names);
    map_fini(&secrets);
}

static void check_health(struct checker *c)
{
    if (c->conf->health.cooldown_us > c->conf->health.cooldown_max_us)
        conf__finding(c->load, STR("health.cooldown"), "is longer than health.cooldown_max");
}

static void check_limits(struct checker *c)
{
    if (c->conf->limits.bodies_total < c->conf->limits.body_max)
        conf__finding(c->load, STR("limits.bodies_total"), "is less than limits.body_max");
}

void conf__check(struct conf__load *l, struct conf *conf)
{
    struct checker c = {.load = l, .conf = conf};
    map_init(&c.models);
    check_listen(&c);
    check_hosts(&c);
    collect_names(&c);
    for (size_t i = 0; i < conf->model_count; i++)
        check_model(&c, i);
    check_keys(&c);
    check_health(&c);
    check_limits(&c);
    map_fini(&c.models);
}
