/* SPDX-License-Identifier: Apache-2.0 */
/* From a catalog to a snapshot. */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "conf/url.h"
#include "dialect/runtime.h"
#include "mesh/mesh_priv.h"
#include "obs/log.h"

static struct str host_header(struct arena *arena, const struct url *u)
{
    bool v6 = str_find_char(u->host, ':') >= 0;
    const char *open = v6 ? "[" : "", *close = v6 ? "]" : "";
    if (u->port == (u->scheme == URL_HTTPS ? 443 : 80))
        return arena_printf(arena, "%s%" STR_FMT "%s", open, STR_ARG(u->host), close);
    return arena_printf(arena, "%s%" STR_FMT "%s:%u", open, STR_ARG(u->host), close, u->port);
}

/* Where `e` is, from a URL. `why`: what is wrong with its TLS. */
static int place_at(struct snapshot *s, struct endpoint *e, const struct catalog_endpoint *c,
                    char why[TLS_WHY_ROOM])
{
    struct arena *arena = &s->arena;
    struct url u;
    if (url_parse(c->url, &u)) return ERR_INVALID;
    int err = u.scheme == URL_HTTPS ? mesh__tls(s, &c->tls, &e->way.tls, why) : 0;
    if (err) return err;
    e->way.addr = endpoint_addr(&u);
    e->way.tls_name = c->tls_name.len ? c->tls_name : u.host;
    e->way.http = c->http;
    e->host = e->way.addr.is_unix ? STR("localhost") : host_header(arena, &u);
    if (u.base.len > 0) e->prefix = u.base;
    return 0;
}

/* Where the process behind `e` will listen, as the supervisor chooses. */
static int place_engine(struct mesh *m, struct arena *arena, struct endpoint *e)
{
    e->host = STR("localhost");
    if (!m->hooks.engine_addr) return 0;
    int err = m->hooks.engine_addr(m->hooks.ctx, e->service->name, arena, &e->way.addr);
    const struct addr *a = &e->way.addr;
    if (err == 0 && !a->is_unix)
        e->host = arena_printf(arena, "%" STR_FMT ":%u", STR_ARG(a->host), a->port);
    return err;
}

static struct str identity_of(struct arena *arena, const struct service *service,
                              const struct catalog_endpoint *c)
{
    struct str where = c->engine ? STR("engine") : c->url;
    return arena_printf(arena, "%" STR_FMT "\n%" STR_FMT "\n%" STR_FMT, STR_ARG(service->name),
                        STR_ARG(c->name), STR_ARG(where));
}

/* The field that the endpoint's kind takes a key in. */
static struct http_field key_field(struct arena *arena, const struct catalog_endpoint *c)
{
    switch (c->kind->key) {
    case KEY_X_API_KEY: return (struct http_field)HTTP_FIELD(X_API_KEY, arena_dup(arena, c->key));
    case KEY_API_KEY: return (struct http_field)HTTP_FIELD(API_KEY, arena_dup(arena, c->key));
    case KEY_BEARER: break;
    }
    return (struct http_field)HTTP_FIELD(AUTHORIZATION,
                                         arena_printf(arena, "Bearer %" STR_FMT, STR_ARG(c->key)));
}

static void build_fields(struct arena *arena, const struct catalog_endpoint *c, struct endpoint *e)
{
    struct http_field *fields = arena_zalloc(arena, (c->header_count + 1) * sizeof *fields);
    size_t n = 0;
    if (c->key.len) fields[n++] = key_field(arena, c);
    for (size_t i = 0; i < c->header_count; i++)
        fields[n++] = (struct http_field){.id = http_header_id(c->headers[i].name),
                                          .name = arena_dup(arena, c->headers[i].name),
                                          .value = arena_dup(arena, c->headers[i].value)};
    e->fields = fields;
    e->field_count = n;
    e->has_key = c->key.len > 0;
    e->overrides = c->header_count > 0;
}

/* Percent-encoded (RFC 3986 section 2.1), all but what never needs it. */
static struct str encoded(struct arena *arena, struct str text)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = arena_alloc(arena, text.len * 3 + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        if (!plain) out[n++] = '%';
        out[n++] = plain ? (char)c : digits[c >> 4];
        if (!plain) out[n++] = digits[c & 15];
    }
    return str_n(out, n);
}

static struct str query_of(struct arena *arena, const struct catalog_endpoint *c)
{
    struct str query = STR("");
    for (size_t i = 0; i < c->query_count; i++)
        query = arena_printf(arena, "%" STR_FMT "%s%" STR_FMT "=%" STR_FMT, STR_ARG(query),
                             i ? "&" : "?", STR_ARG(encoded(arena, c->query[i].name)),
                             STR_ARG(encoded(arena, c->query[i].value)));
    return query;
}

static int build_endpoint(struct snapshot *s, const struct service *service,
                          const struct catalog_endpoint *c, struct endpoint *e)
{
    struct arena *arena = &s->arena;
    *e = (struct endpoint){
        .name = c->name,
        .prefix = STR("/v1"),
        .model = c->model,
        .kind = c->kind,
        .finds_kind = c->finds_kind,
        .surfaces = c->surfaces,
        .query = query_of(arena, c),
        .labels = c->labels,
        .label_count = c->label_count,
        .capacity = c->capacity,
        .weight = c->weight,
        .usage = c->usage,
        .timeouts = c->timeouts,
        .card = c->card,
        .health = c->health,
        .engine = c->engine,
        .starts_on_demand = c->starts_on_demand,
        .start_timeout_us = c->start_timeout_us,
        .service = service,
    };
    build_fields(arena, c, e);
    bool chosen = c->engine && c->url.len == 0;
    e->private_engine = chosen && c->kind == &runtime_engine;
    char why[TLS_WHY_ROOM] = "the address cannot be used";
    int err = chosen ? place_engine(s->mesh, arena, e) : place_at(s, e, c, why);
    if (err) {
        log_note(LOG_ERROR, "endpoint", "model %" STR_FMT ", endpoint %" STR_FMT ": %s",
                 STR_ARG(service->name), STR_ARG(c->name), why);
        return err;
    }
    e->pool_key = way_key(arena, &e->way);
    e->state = mesh__endpoint_state(s->mesh, service->state, identity_of(arena, service, c),
                                    c->engine != NULL);
    return 0;
}

static int build_endpoints(struct snapshot *s, struct service *service,
                           const struct catalog_service *from)
{
    struct endpoint *all = arena_zalloc(&s->arena, (from->endpoint_count + 1) * sizeof *all);
    service->endpoints = all;
    for (size_t i = 0; i < from->endpoint_count; i++) {
        int err = build_endpoint(s, service, &from->endpoints[i], &all[i]);
        if (err) return err;
        service->endpoint_count++;
    }
    return 0;
}

static void add_name(struct snapshot *s, struct str name, struct service *service)
{
    if (map_get(&s->by_name, name)) return; /* the first one counts; `check` refuses doubles */
    map_put(&s->by_name, name, service);
    s->names[s->name_count++] = (struct service_name){.id = name, .service = service};
}

static int build_service(struct snapshot *s, const struct catalog_service *from)
{
    struct service *service = &s->services[s->service_count];
    struct service_state *state = mesh__service_state(s->mesh, from->name);
    s->service_count++;
    *service = (struct service){
        .name = from->name,
        .policy = from->policy,
        .queue_max = from->queue_max,
        .queue_timeout_us = from->queue_timeout_us,
        .total_us = from->total_us,
        .card = from->card,
        .listed = from->listed,
        .created_s = state->created_s,
        .snapshot = s,
        .state = state,
    };
    service->names = s->names + s->name_count;
    add_name(s, from->name, service);
    for (size_t i = 0; i < from->alias_count; i++)
        add_name(s, from->aliases[i], service);
    service->name_count = (size_t)(s->names + s->name_count - service->names);
    return build_endpoints(s, service, from);
}

/* When all services stand: fallbacks by name; unknown ones are left out. */
static void link_fallbacks(struct snapshot *s, struct service *service,
                           const struct catalog_service *from)
{
    const struct service **list =
        arena_zalloc(&s->arena, (from->fallback_count + 1) * sizeof(struct service *));
    for (size_t i = 0; i < from->fallback_count; i++) {
        const struct service *to = map_get(&s->by_name, from->fallback[i]);
        if (to && to != service) list[service->fallback_count++] = to;
    }
    service->fallback = list;
}

static size_t count_names(const struct catalog_service *services, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += 1 + services[i].alias_count;
    return n;
}

int snapshot__build(struct mesh *m, struct catalog *catalog, struct snapshot **out)
{
    size_t count;
    const struct catalog_service *from = catalog_services(catalog, &count);
    struct snapshot *s = mem_try_zero(1, sizeof *s);
    if (!s) return -ENOMEM;
    atomic_init(&s->refs, 1);
    s->mesh = m;
    s->catalog = catalog_ref(catalog);
    arena_init(&s->arena, SIZE_MAX, 4096);
    map_init(&s->by_name);
    s->services = arena_zalloc(&s->arena, (count + 1) * sizeof *s->services);
    s->names = arena_zalloc(&s->arena, (count_names(from, count) + 1) * sizeof *s->names);
    for (size_t i = 0; i < count; i++) {
        int err = build_service(s, &from[i]);
        if (err) {
            snapshot_unref(s);
            return err;
        }
    }
    for (size_t i = 0; i < count; i++)
        link_fallbacks(s, &s->services[i], &from[i]);
    *out = s;
    return 0;
}
