/* SPDX-License-Identifier: Apache-2.0 */
/* What requests keep to: the part of a configuration that concerns them. Immutable; a
 * snapshot's. */
#ifndef HOSTLER_MESH_SETTINGS_H
#define HOSTLER_MESH_SETTINGS_H

#include "base/base.h"
#include "base/ip.h"
#include "base/origin.h"
#include "base/str.h"
#include "http/h1.h"
#include "http/server.h"
#include "route/breaker.h"

/* Whether streams are asked for usage on our own account: if it is not known to refuse that,
 * always, never. */
enum usage_policy { USAGE_AUTO, USAGE_ASK, USAGE_NEVER };

/* The nearest settings: the endpoint's own, its model's, or the common
 * ones. Microseconds; 0: none. */
struct endpoint_timeouts {
    uint64_t connect_us;
    uint64_t first_byte_us; /* until a stream's first byte */
    uint64_t whole_us;      /* until the first byte of an answer that is not streamed */
    uint64_t between_us;
    uint64_t total_us;
};

/* For all services alike. */
struct settings {
    struct http_server_limits server;
    struct h1_limits upstream_head;
    unsigned pool_idle_max; /* idle connections kept per endpoint and lane */
    uint64_t pool_idle_us;  /* how long one is */
    size_t stream_buffer;   /* bytes held for a slow reader before the upstream read pauses */
    uint64_t total_us;      /* a whole exchange whose model is not known yet; 0: no limit */
    uint64_t requests_max;  /* in progress at once, of all lanes; 0: no limit */
    uint64_t lag_us;        /* how late a loop may be before it sheds load; 0: it never does */
    uint64_t drain_us;      /* requests in progress at a shutdown */
    unsigned attempts_max;  /* tries per exchange, the first included */
    uint64_t retry_percent; /* retries per 100 requests, per service */
    uint64_t retry_min;     /* retries that are always allowed */
    struct breaker_rules breaker;
    uint64_t probe_interval_us;
    uint64_t probe_timeout_us;
    size_t responses_bytes;    /* of responses that are kept; 0: none is */
    uint64_t responses_age_us; /* how long each is */
    bool log_requests;         /* one line per exchange */
    const struct str *hosts;   /* Host names answered without keys, besides local ones */
    size_t host_count;
    const struct origin *origins; /* patterns of the pages that may call, besides local ones */
    size_t origin_count;
    bool any_origin;                  /* all of them may; keys decide */
    const struct ip_network *proxies; /* whose word on a request's way is believed */
    size_t proxy_count;
    bool unix_proxies; /* and that of those who come by a UNIX socket */
};

#endif
