/* SPDX-License-Identifier: Apache-2.0 */
/* From a configuration to a snapshot. */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "conf/url.h"
#include "mesh/mesh_priv.h"
#include "obs/log.h"

static struct str host_header(struct arena *arena, const struct url *u)
{
    bool v6 = str_find_char(u->host, ':') >= 0;
    const char *open = v6 ? "[" : "", *close = v6 ? "]" : "";
    if (u->port == 80)
        return arena_printf(arena, "%s%" STR_FMT "%s", open, STR_ARG(u->host), close);
    return arena_printf(arena, "%s%" STR_FMT "%s:%u", open, STR_ARG(u->host), close, u->port);
}

static struct str pool_key(struct arena *arena, const struct addr *a)
{
    if (a->is_unix) return arena_printf(arena, "unix:%" STR_FMT, STR_ARG(a->path));
    return arena_printf(arena, "%" STR_FMT ":%u", STR_ARG(a->host), a->port);
}

/* Where `e` is, from a URL. */
static int place_at(struct arena *arena, struct endpoint *e, struct str text)
{
    struct url u;
    if (url_parse(text, &u) || u.scheme == URL_HTTPS) return ERR_INVALID;
    e->addr = endpoint_addr(&u);
    e->host = e->addr.is_unix ? STR("localhost") : host_header(arena, &u);
    if (u.base.len > 0) e->prefix = u.base;
    return 0;
}

/* Where the process behind `e` will listen: as its configuration says, else as the supervisor
 * chooses. */
static int place_engine(struct mesh *m, struct arena *arena, struct endpoint *e,
                        const struct conf_model *model)
{
    if (model->engine->url.len > 0) return place_at(arena, e, model->engine->url);
    e->host = STR("localhost");
    if (!m->hooks.engine_addr) return 0;
    int err = m->hooks.engine_addr(m->hooks.ctx, model, arena, &e->addr);
    if (err == 0 && !e->addr.is_unix)
        e->host = arena_printf(arena, "%" STR_FMT ":%u", STR_ARG(e->addr.host), e->addr.port);
    return err;
}

static struct str identity_of(struct arena *arena, const struct service *service,
                              const struct conf_endpoint *c, bool engine)
{
    struct str where = engine ? STR("engine") : c->url;
    return arena_printf(arena, "%" STR_FMT "\n%" STR_FMT "\n%" STR_FMT, STR_ARG(service->name),
                        STR_ARG(c->name), STR_ARG(where));
}

static struct str bearer(struct arena *arena, struct str key)
{
    if (key.len == 0) return STR("");
    return arena_printf(arena, "Bearer %" STR_FMT, STR_ARG(key));
}

/* The nearest of the places where a time may be written. */
static uint64_t nearest(const uint64_t *endpoint, const uint64_t *model, uint64_t common)
{
    if (endpoint && *endpoint != CONF_UNSET) return *endpoint;
    return model && *model != CONF_UNSET ? *model : common;
}

static struct endpoint_timeouts timeouts_of(const struct conf *conf, const struct conf_model *model,
                                            const struct conf_endpoint *endpoint)
{
    const struct conf_timeouts *e = endpoint ? endpoint->timeouts : NULL, *m = model->timeouts;
#define NEAREST(field) \
    .field = nearest(e ? &e->field : NULL, m ? &m->field : NULL, conf->timeouts.field)
    return (struct endpoint_timeouts){
        NEAREST(connect_us), NEAREST(first_byte_us), NEAREST(whole_us),
        NEAREST(between_us), NEAREST(total_us),
    };
#undef NEAREST
}

static enum usage_policy usage_policy_of(enum conf_usage u)
{
    return u == CONF_USAGE_ASK ? USAGE_ASK : u == CONF_USAGE_NEVER ? USAGE_NEVER : USAGE_AUTO;
}

static int build_endpoint(struct snapshot *s, const struct service *service,
                          const struct conf_model *model, const struct conf_endpoint *c,
                          bool engine, struct endpoint *e)
{
    struct arena *arena = &s->arena;
    *e = (struct endpoint){
        .name = c->name,
        .prefix = STR("/v1"),
        .model = c->model.len > 0 ? c->model : model->name,
        .authorization = bearer(arena, c->key),
        .labels = c->labels,
        .label_count = c->label_count,
        .capacity = (uint32_t)MIN(c->capacity, UINT32_MAX),
        .weight = (uint32_t)MIN(c->weight, UINT32_MAX),
        .usage = usage_policy_of(c->usage),
        .timeouts = timeouts_of(s->conf, model, c),
        .health = c->health,
        .engine = engine ? model->engine : NULL,
        .starts_on_demand = engine && model->engine->start == CONF_START_ON_DEMAND,
        .start_timeout_us = engine ? model->engine->start_timeout_us : 0,
        .service = service,
    };
    int err = engine ? place_engine(s->mesh, arena, e, model) : place_at(arena, e, c->url);
    if (err) {
        log_note(LOG_ERROR, "endpoint",
                 "model %" STR_FMT ", endpoint %" STR_FMT ": the address cannot be used",
                 STR_ARG(model->name), STR_ARG(c->name));
        return err;
    }
    e->pool_key = pool_key(arena, &e->addr);
    e->state = mesh__endpoint_state(s->mesh, service->state, identity_of(arena, service, c, engine),
                                    engine);
    return 0;
}

static enum route_policy policy_of(enum conf_policy p)
{
    switch (p) {
    case CONF_POLICY_ROUND_ROBIN: return ROUTE_ROUND_ROBIN;
    case CONF_POLICY_WEIGHTED: return ROUTE_WEIGHTED;
    case CONF_POLICY_LEAST_BUSY: break;
    }
    return ROUTE_LEAST_BUSY;
}

static int build_endpoints(struct snapshot *s, struct service *service,
                           const struct conf_model *model)
{
    struct endpoint *all = arena_zalloc(&s->arena, (model->endpoint_count + 1) * sizeof *all);
    service->endpoints = all;
    for (size_t i = 0; i < model->endpoint_count; i++) {
        bool engine = model->has_engine_endpoint && i + 1 == model->endpoint_count;
        int err = build_endpoint(s, service, model, &model->endpoints[i], engine, &all[i]);
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

static int build_service(struct snapshot *s, const struct conf_model *model)
{
    struct service *service = &s->services[s->service_count];
    struct service_state *state = mesh__service_state(s->mesh, model->name);
    s->service_count++;
    *service = (struct service){
        .name = model->name,
        .policy = policy_of(model->policy),
        .queue_max = (size_t)model->queue_max,
        .queue_timeout_us = model->queue_timeout_us,
        .total_us = timeouts_of(s->conf, model, NULL).total_us,
        .created_s = state->created_s,
        .snapshot = s,
        .state = state,
    };
    service->names = s->names + s->name_count;
    add_name(s, model->name, service);
    for (size_t i = 0; i < model->alias_count; i++)
        add_name(s, model->aliases[i], service);
    service->name_count = (size_t)(s->names + s->name_count - service->names);
    return build_endpoints(s, service, model);
}

/* When all services stand: fallbacks by name; unknown ones are left out. */
static void link_fallbacks(struct snapshot *s, struct service *service,
                           const struct conf_model *model)
{
    const struct service **list =
        arena_zalloc(&s->arena, (model->fallback_count + 1) * sizeof(struct service *));
    for (size_t i = 0; i < model->fallback_count; i++) {
        const struct service *to = map_get(&s->by_name, model->fallback[i]);
        if (to && to != service) list[service->fallback_count++] = to;
    }
    service->fallback = list;
}

static size_t count_names(const struct conf *conf)
{
    size_t n = 0;
    for (size_t i = 0; i < conf->model_count; i++)
        n += 1 + conf->models[i].alias_count;
    return n;
}

static struct http_server_limits server_limits(const struct conf *c)
{
    return (struct http_server_limits){
        .head = {.head_max = c->limits.head_max,
                 .header_max = (unsigned)c->limits.header_count_max},
        .body_max = c->limits.body_max,
        .bodies_max = c->limits.bodies_total,
        .connections_max = (unsigned)c->limits.connections_max,
        .head_timeout_us = c->timeouts.head_us,
        .body_timeout_us = c->timeouts.body_us,
        .idle_timeout_us = c->timeouts.idle_us,
        .write_timeout_us = c->timeouts.write_us,
    };
}

static struct settings settings_of(const struct conf *c)
{
    return (struct settings){
        .server = server_limits(c),
        .upstream_head = {.head_max = c->limits.upstream_head_max,
                          .header_max = (unsigned)c->limits.header_count_max},
        .pool_idle_max = (unsigned)c->pool.idle_max,
        .pool_idle_us = c->timeouts.upstream_idle_us,
        .stream_buffer = c->limits.stream_buffer,
        .total_us = c->timeouts.total_us,
        .drain_us = c->timeouts.drain_us,
        .attempts_max = (unsigned)c->retry.attempts_max,
        .retry_percent = c->retry.budget_percent,
        .retry_min = c->retry.budget_min,
        .breaker = {.failures = (unsigned)c->health.failures,
                    .cooldown_us = c->health.cooldown_us,
                    .cooldown_max_us = c->health.cooldown_max_us},
        .probe_interval_us = c->health.interval_us,
        .probe_timeout_us = c->health.timeout_us,
        .log_requests = c->log.requests,
        .hosts = c->hosts,
        .host_count = c->host_count,
    };
}

int snapshot__build(struct mesh *m, struct conf *conf, struct snapshot **out)
{
    struct snapshot *s = calloc(1, sizeof *s);
    if (!s) return -ENOMEM;
    atomic_init(&s->refs, 1);
    s->mesh = m;
    s->conf = conf_ref(conf);
    s->settings = settings_of(conf);
    arena_init(&s->arena, SIZE_MAX, 4096);
    map_init(&s->by_name);
    s->services = arena_zalloc(&s->arena, (conf->model_count + 1) * sizeof *s->services);
    s->names = arena_zalloc(&s->arena, (count_names(conf) + 1) * sizeof *s->names);
    for (size_t i = 0; i < conf->model_count; i++) {
        int err = build_service(s, &conf->models[i]);
        if (err) {
            snapshot_unref(s);
            return err;
        }
    }
    for (size_t i = 0; i < conf->model_count; i++)
        link_fallbacks(s, &s->services[i], &conf->models[i]);
    *out = s;
    return 0;
}
