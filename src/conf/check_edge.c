/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of what stands at the edge: which pages may call, which proxies are believed. */
#include "base/err.h"
#include "base/ip.h"
#include "base/origin.h"
#include "conf/check_priv.h"

/* cors */

static const char *fault_of_origin(const struct checker *c, struct str origin)
{
    struct origin parsed;
    if (str_eq(origin, STR("*")))
        return c->conf->key_count
                   ? NULL
                   : "lets every web site use the models: configure `keys` first, or "
                     "name the origins";
    if (str_eq_nocase(origin, STR("null")))
        return "is what pages without an origin say, which every web site can make one of its own; "
               "serve the page by HTTP";
    if (origin_parse_pattern(origin, &parsed))
        return "is no origin: write scheme, host and perhaps port as in https://app.example.com, "
               "without a path; *. may stand before the host";
    return NULL;
}

static void check_origins(struct checker *c)
{
    for (size_t i = 0; i < c->conf->cors.origin_count; i++) {
        struct str origin = c->conf->cors.origins[i];
        const char *fault = fault_of_origin(c, origin);
        if (fault)
            conf__finding(c->load, AT(c, "cors.origins[%zu]", i), "%s %s", QUOTE(c, origin), fault);
    }
}

/* trusted_proxies */

static const char *fault_of_proxy(struct str proxy)
{
    struct ip_network network;
    if (str_eq(proxy, STR("unix"))) return NULL;
    switch (ip_network_parse(proxy, &network)) {
    case 0: return NULL;
    case ERR_RANGE: return "has bits behind its prefix: one of the two is not what was meant";
    default:
        return "is no network: write an address, or one with a prefix as in 10.0.0.0/8, or unix";
    }
}

static void check_proxies(struct checker *c)
{
    for (size_t i = 0; i < c->conf->trusted_proxy_count; i++) {
        struct str proxy = c->conf->trusted_proxies[i];
        const char *fault = fault_of_proxy(proxy);
        if (fault)
            conf__finding(c->load, AT(c, "trusted_proxies[%zu]", i), "%s %s", QUOTE(c, proxy),
                          fault);
    }
}

void check__edge(struct checker *c)
{
    check_origins(c);
    check_proxies(c);
}
