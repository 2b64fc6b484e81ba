/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration says of services, as a catalog. */
#include "conf/conf.h"
#include "dialect/runtime.h"
#include "dialect/surface.h"
#include "mesh/catalog.h"
#include "mesh/service.h"

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
        .h2_streams_max = (unsigned)c->limits.streams_max,
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
        .requests_max = c->limits.requests_max,
        .lag_us = c->overload.lag_us,
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
        .responses_bytes = (size_t)c->responses.bytes,
        .responses_age_us = c->responses.age_us,
        .log_requests = c->log.requests,
        .hosts = c->hosts,
        .host_count = c->host_count,
    };
}

/* The checks of the configuration have refused what is neither a pattern nor "*". */
static void add_origins(struct settings *s, const struct conf *c, struct arena *arena)
{
    struct origin *origins = arena_alloc(arena, (c->cors.origin_count + 1) * sizeof *origins);
    for (size_t i = 0; i < c->cors.origin_count; i++)
        if (str_eq(c->cors.origins[i], STR("*")))
            s->any_origin = true;
        else if (origin_parse_pattern(c->cors.origins[i], &origins[s->origin_count]) == 0)
            s->origin_count++;
    s->origins = origins;
}

/* Likewise what is neither a network nor "unix". */
static void add_proxies(struct settings *s, const struct conf *c, struct arena *arena)
{
    struct ip_network *proxies = arena_alloc(arena, (c->trusted_proxy_count + 1) * sizeof *proxies);
    for (size_t i = 0; i < c->trusted_proxy_count; i++)
        if (str_eq(c->trusted_proxies[i], STR("unix")))
            s->unix_proxies = true;
        else if (ip_network_parse(c->trusted_proxies[i], &proxies[s->proxy_count]) == 0)
            s->proxy_count++;
    s->proxies = proxies;
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

static bool finds_kind(const struct conf_endpoint *c)
{
    return str_eq(c->kind, STR("auto"));
}

static const struct runtime_kind *kind_of(const struct conf_endpoint *c)
{
    const struct runtime_kind *kind = runtime_kind(finds_kind(c) ? STR("openai") : c->kind);
    return kind ? kind : &runtime_engine;
}

/* What is written; nothing: as its kind does. */
static uint32_t surfaces_of(const struct conf_endpoint *c)
{
    uint32_t set = 0;
    for (size_t i = 0; i < c->dialect_count; i++)
        set |= surface_set(c->dialects[i]);
    return set;
}

static uint32_t set_of(const struct str *words, size_t count, uint32_t (*bit)(struct str word))
{
    uint32_t set = 0;
    for (size_t i = 0; i < count; i++)
        set |= bit(words[i]);
    return set;
}

static struct model_card card_of(const struct conf_card *c)
{
    if (!c) return (struct model_card){0};
    return (struct model_card){
        .context = c->context_length == CONF_UNSET ? 0 : c->context_length,
        .capabilities = set_of(c->capabilities, c->capability_count, card_capability),
        .input = set_of(c->input, c->input_count, card_modality),
        .output = set_of(c->output, c->output_count, card_modality),
    };
}

/* Our own engine reads and writes text. What chats calls tools and embeds, too; what only embeds or ranks is told
 * by the file, which is read when the process starts. */
static struct model_card engine_card(const struct conf_engine *process)
{
    if (!process || !process->file.len) return (struct model_card){0};
    return (struct model_card){.context = process->context,
                               .capabilities =
                                   CARD_BIT(COMPLETION) | CARD_BIT(TOOLS) | CARD_BIT(EMBEDDING),
                               .input = CARD_BIT(TEXT),
                               .output = CARD_BIT(TEXT)};
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

static enum way_http http_of(enum conf_http2 http2)
{
    switch (http2) {
    case CONF_HTTP2_ON: return WAY_HTTP_2;
    case CONF_HTTP2_OFF: return WAY_HTTP_1;
    case CONF_HTTP2_AUTO: break;
    }
    return WAY_HTTP_ANY;
}

static struct tls_settings tls_of(struct catalog *c, const struct conf_endpoint_tls *tls)
{
    if (!tls) return (struct tls_settings){0};
    struct tls_identity *own = arena_zalloc(catalog_arena(c), sizeof *own);
    *own = (struct tls_identity){tls->certificate, tls->key};
    return (struct tls_settings){
        .identities = own,
        .identity_count = tls->certificate.len > 0,
        .ca = tls->ca,
        .no_verify = !tls->verify,
        .pins = tls->pins,
        .pin_count = tls->pin_count,
    };
}

static struct catalog_endpoint endpoint_of(struct catalog *catalog, const struct conf *conf,
                                           const struct conf_model *model,
                                           const struct conf_endpoint *c, bool engine)
{
    const struct conf_engine *process = engine ? model->engine : NULL;
    return (struct catalog_endpoint){
        .name = c->name,
        .url = process ? process->url : c->url,
        .tls = tls_of(catalog, c->tls),
        .tls_name = c->tls ? c->tls->server_name : STR(""),
        .http = http_of(c->http2),
        .model = c->model.len > 0 ? c->model : model->name,
        .key = c->key,
        .kind = kind_of(c),
        .finds_kind = finds_kind(c),
        .surfaces = surfaces_of(c),
        .headers = c->headers,
        .header_count = c->header_count,
        .query = c->query,
        .query_count = c->query_count,
        .capacity = (uint32_t)MIN(c->capacity, UINT32_MAX),
        .weight = (uint32_t)MIN(c->weight, UINT32_MAX),
        .health = c->health,
        .usage = usage_policy_of(c->usage),
        .timeouts = timeouts_of(conf, model, c),
        .labels = c->labels,
        .label_count = c->label_count,
        .card = engine_card(process),
        .engine = process,
        .starts_on_demand = process && process->start == CONF_START_ON_DEMAND,
        .start_timeout_us = process ? process->start_timeout_us : 0,
    };
}

static struct catalog_service service_of(struct catalog *c, const struct conf *conf,
                                         const struct conf_model *model)
{
    struct catalog_endpoint *endpoints =
        arena_alloc(catalog_arena(c), (model->endpoint_count + 1) * sizeof *endpoints);
    for (size_t i = 0; i < model->endpoint_count; i++) {
        bool engine = model->has_engine_endpoint && i + 1 == model->endpoint_count;
        endpoints[i] = endpoint_of(c, conf, model, &model->endpoints[i], engine);
    }
    return (struct catalog_service){
        .name = model->name,
        .aliases = model->aliases,
        .alias_count = model->alias_count,
        .policy = policy_of(model->policy),
        .fallback = model->fallback,
        .fallback_count = model->fallback_count,
        .queue_max = (size_t)model->queue_max,
        .queue_timeout_us = model->queue_timeout_us,
        .total_us = timeouts_of(conf, model, NULL).total_us,
        .card = card_of(model->card),
        .endpoints = endpoints,
        .endpoint_count = model->endpoint_count,
    };
}

static void release_conf(void *owner)
{
    conf_unref(owner);
}

static void add_models(struct catalog *c, const struct conf *conf, const struct conf_model *models,
                       size_t count, bool listed)
{
    struct catalog_service *services =
        arena_alloc(catalog_arena(c), (count + 1) * sizeof *services);
    for (size_t i = 0; i < count; i++) {
        services[i] = service_of(c, conf, &models[i]);
        services[i].listed = listed;
    }
    catalog_add(c, services, count);
}

void catalog_add_listed(struct catalog *c, const struct conf *conf, const struct conf_model *models,
                        size_t count)
{
    add_models(c, conf, models, count, true);
}

static struct catalog *settings_alone(struct conf *conf)
{
    struct catalog *c = catalog_new();
    struct settings settings = settings_of(conf);
    add_origins(&settings, conf, catalog_arena(c));
    add_proxies(&settings, conf, catalog_arena(c));
    catalog_set_settings(c, &settings);
    catalog_hold(c, conf_ref(conf), release_conf);
    return c;
}

struct catalog *catalog_of_conf(struct conf *conf)
{
    struct catalog *c = settings_alone(conf);
    add_models(c, conf, conf->models, conf->model_count, false);
    return c;
}

struct catalog *catalog_of_runtimes(struct conf *conf)
{
    struct catalog *c = settings_alone(conf);
    struct conf_model *models =
        arena_zalloc(catalog_arena(c), (conf->runtime_count + 1) * sizeof *models);
    for (size_t i = 0; i < conf->runtime_count; i++)
        models[i] = (struct conf_model){
            .name = arena_printf(catalog_arena(c), "runtimes[%zu]", i),
            .endpoints = &conf->runtimes[i].endpoint,
            .endpoint_count = 1,
        };
    add_models(c, conf, models, conf->runtime_count, false);
    return c;
}
