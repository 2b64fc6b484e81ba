/* SPDX-License-Identifier: Apache-2.0 */
/* What requests keep to: the part of a configuration that concerns them, for all services alike. Immutable; a snapshot's. */
#ifndef HOSTLER_MESH_SETTINGS_H
#define HOSTLER_MESH_SETTINGS_H

#include "base/base.h"
#include "base/str.h"
#include "http/h1.h"
#include "http/server.h"
#include "route/breaker.h"

struct settings {
    struct http_server_limits server;
    struct h1_limits upstream_head;
    unsigned pool_idle_max; /* idle connections kept per endpoint and lane */
    uint64_t pool_idle_us;  /* how long one is */
    size_t stream_buffer;   /* bytes held for a slow reader before the upstream read pauses */
    uint64_t total_us;      /* a whole exchange whose model is not known yet; 0: no limit */
    uint64_t drain_us;      /* requests in progress at a shutdown */
    unsigned attempts_max;  /* tries per exchange, the first included */
    uint64_t retry_percent; /* retries per 100 requests, per service */
    uint64_t retry_min;     /* retries that are always allowed */
    struct breaker_rules breaker;
    uint64_t probe_interval_us;
    uint64_t probe_timeout_us;
    bool log_requests;       /* one line per exchange */
    const struct str *hosts; /* Host names answered without keys, besides local ones */
    size_t host_count;
};

#endif
