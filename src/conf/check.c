/* SPDX-License-Identifier: Apache-2.0 */
/* Checks that need more than one row: names, references between settings, addresses, files. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/nearest.h"
#include "conf/check_priv.h"
#include "conf/text.h"
#include "conf/url.h"

enum { KEY_LENGTH_MIN = 8 };

bool check__has_blank(struct str s)
{
    return str_find_char(s, ' ') >= 0 || str_find_char(s, '\t') >= 0;
}

/* Blanks inside a name are common ("Llama 3 8B"); those at its ends get lost in headers and tables.
 * The loader has refused characters without a place in a text by then; a runtime's list has not. */
const char *conf_name_fault(struct str name)
{
    if (name.len == 0) return "is empty";
    if (name.len > CONF_NAME_MAX) return "is too long";
    if (name.ptr[0] == ' ' || name.ptr[name.len - 1] == ' ') return "has a blank at its end";
    if (str_find_char(name, '*') >= 0) return "has a * in it, which only `keys[].models` may";
    for (size_t i = 0; i < name.len; i++)
        if (conf__forbidden(name, i)) return "has a character in it that cannot be seen";
    return NULL;
}

bool check__name_ok(struct checker *c, struct str name, struct str setting)
{
    const char *wrong = conf_name_fault(name);
    if (wrong) conf__finding(c->load, setting, "%s", wrong);
    return !wrong;
}

/* listen */

/* Port 0 is another one each time. */
static bool is_same_place(struct str a, struct str b)
{
    struct url url;
    bool chosen = url_parse_listen(a, &url) == 0 && url.scheme != URL_UNIX && url.port == 0;
    return a.len && !chosen && str_eq(a, b);
}

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
    } else if (c->conf->key_count == 0 && !conf_listen_guarded(listen)) {
        conf__finding(c->load, at,
                      "no keys configured: loopback listeners only; add `keys`, listen on "
                      "127.0.0.1:%u instead of %s, or let nobody in without a certificate: "
                      "`tls` with `client: required` and `client_ca`",
                      url.port, QUOTE(c, listen->address));
    }
    for (size_t j = 0; j < i; j++)
        if (is_same_place(listen->address, c->conf->listen[j].address))
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
    for (size_t i = 0; i < c->conf->listen_count; i++) {
        check_address(c, i);
        check__listen_tls(c, i);
    }
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
    if (!check__name_ok(c, name, setting)) return;
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

const char *check__suggest(struct checker *c, struct str name)
{
    if (conf__problems_full(c->load)) return "";
    struct str near = nearest_word(name, model_candidate, c->conf, c->conf->model_count);
    return near.len ? AT(c, "; did you mean %s?", QUOTE(c, near)).ptr : "";
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
    if (c->conf->model_count == 0 || c->conf->runtime_count || str_eq(pattern, STR("*")))
        return true;
    if (pattern.len == 0 || pattern.ptr[pattern.len - 1] != '*')
        return map_get(&c->models, pattern) != NULL;
    return is_prefix(c, str_sub(pattern, 0, pattern.len - 1));
}

bool check__star_ok(struct checker *c, struct str pattern, struct str setting)
{
    ptrdiff_t star = str_find_char(pattern, '*');
    bool ok = star < 0 || (size_t)star == pattern.len - 1;
    if (!ok)
        conf__finding(c->load, setting, "%s: a * may only stand at the end", QUOTE(c, pattern));
    return ok;
}

static void check_pattern(struct checker *c, struct str pattern, struct str setting)
{
    if (check__star_ok(c, pattern, setting) && !pattern_matches(c, pattern))
        conf__finding(c->load, setting, "%s matches no model%s", QUOTE(c, pattern),
                      check__suggest(c, pattern));
}

static void check_secret(struct checker *c, struct str key, struct str setting)
{
    if (key.len < KEY_LENGTH_MIN)
        conf__finding(c->load, setting,
                      "is shorter than %d characters; `openssl rand -hex 24` makes a good one",
                      KEY_LENGTH_MIN);
    if (check__has_blank(key)) conf__finding(c->load, setting, "a key has no blanks in it");
}

static void check_key(struct checker *c, size_t i, struct map *names, struct map *secrets)
{
    struct conf_key *k = &c->conf->keys[i];
    struct str at = AT(c, "keys[%zu]", i);
    struct str secret_at = AT(c, "keys[%zu].key", i);
    if (check__name_ok(c, k->name, AT(c, "keys[%zu].name", i)) && map_put(names, k->name, k))
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
    check__edge(&c);
    collect_names(&c);
    for (size_t i = 0; i < conf->model_count; i++)
        check__model(&c, i);
    check__runtimes(&c);
    check_keys(&c);
    check_health(&c);
    check_limits(&c);
    map_fini(&c.models);
}
