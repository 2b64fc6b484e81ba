/* SPDX-License-Identifier: Apache-2.0 */
/* A catalog: what the mesh is loaded with. Services, their endpoints and how to reach them,
 * whoever knows of them: the configuration (catalog_conf.c), lists of runtimes (lists.h); a registry or
 * workers that have dialled in tomorrow.
 *
 * Built by one thread, then sealed, immutable and reference-counted. Strings are borrowed from
 * what was given with catalog_hold. */
#ifndef HOSTLER_MESH_CATALOG_H
#define HOSTLER_MESH_CATALOG_H

#include "base/arena.h"
#include "base/base.h"
#include "base/map.h"
#include "dialect/card.h"
#include "mesh/settings.h"
#include "route/pick.h"
#include "transport/way.h"

struct catalog;
struct conf;
struct conf_model;
struct mesh;
struct runtime_kind;

/* One runtime that offers a service. */
struct catalog_endpoint {
    struct str name; /* for logs and metrics; one of its kind in the service */
    struct str url;  /* where it is; empty: where its process listens, as the supervisor chooses */
    struct tls_settings tls; /* where the URL says https */
    struct str tls_name;     /* whom its certificate must be for; empty: the URL's host */
    enum way_http http;
    struct str model; /* the name the runtime knows */
    struct str key;   /* sent to it; secret; empty: none */
    const struct runtime_kind *kind;
    bool finds_kind;                 /* it is asked which it is, and counts as `kind` until then */
    uint32_t surfaces;               /* what its dialects are; 0: what its kind has */
    const struct conf_pair *headers; /* each request's to it; secret */
    size_t header_count;
    const struct conf_pair *query; /* likewise */
    size_t query_count;
    uint32_t capacity; /* requests in flight at most; 0: no limit */
    uint32_t weight;   /* its share */
    struct str health; /* path of the active probe; empty: none */
    enum usage_policy usage;
    struct endpoint_timeouts timeouts;
    const struct conf_pair *labels;
    size_t label_count;
    struct model_card card; /* what is known beforehand of the model as it is there */
    const struct conf_engine
        *engine; /* its process, which the supervisor runs; NULL: it runs by itself; then: */
    bool starts_on_demand; /* and not together with Hostler */
    uint64_t start_timeout_us;
};

/* What clients call by name. */
struct catalog_service {
    struct str name;
    const struct str *aliases;
    size_t alias_count;
    enum route_policy policy;
    const struct str *fallback; /* names of services, in order; unknown ones are left out */
    size_t fallback_count;
    size_t queue_max;
    uint64_t queue_timeout_us;
    uint64_t total_us;      /* a whole exchange; 0: no limit */
    struct model_card card; /* what is told of it, whatever else is known */
    const struct catalog_endpoint *endpoints;
    size_t endpoint_count;
    bool listed; /* by a runtime: nobody has chosen how many there are */
};

/* With one reference. A failure aborts: its sizes are ours. */
struct catalog *catalog_new(void);

/* What requests keep to; what it points to is borrowed. Zeroed without it. */
void catalog_set_settings(struct catalog *c, const struct settings *settings);

/* Keeps what strings are borrowed from: `release` is called with it at the end. */
void catalog_hold(struct catalog *c, void *owner, void (*release)(void *owner));

/* Adds services, which are copied; what they point to is borrowed. */
void catalog_add(struct catalog *c, const struct catalog_service *services, size_t count);

/* Memory that lives as long as the catalog, for what is added. */
struct arena *catalog_arena(struct catalog *c);

struct catalog *catalog_ref(struct catalog *c);
void catalog_unref(struct catalog *c); /* any thread; NULL is fine */

const struct settings *catalog_settings(const struct catalog *c);

/* All services, in the order in which they were added. */
const struct catalog_service *catalog_services(const struct catalog *c, size_t *count);

/* --- catalog_conf.c --- */

/* What a configuration says, on which a reference is held. */
struct catalog *catalog_of_conf(struct conf *conf);

/* Further models of the same configuration, which it does not name itself (mesh/lists.h). */
void catalog_add_listed(struct catalog *c, const struct conf *conf, const struct conf_model *models,
                        size_t count);

/* Its `runtimes` alone, each a service of one endpoint, to be asked for their lists. */
struct catalog *catalog_of_runtimes(struct conf *conf);

#endif
