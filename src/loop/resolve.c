/* SPDX-License-Identifier: Apache-2.0 */
/* Host names to addresses: literals at once, names through libuv's thread pool, cached for 30 s per loop. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "loop/loop_priv.h"

enum { CACHE_SECONDS = 30, CACHE_MAX = 1024 };

struct resolved {
    struct addresses found;
    uint64_t until_us;
    char host[];
};

void loop__set_port(struct sockaddr_storage *address, uint16_t port)
{
    if (address->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)address)->sin_port = htons(port);
}

static bool parse_literal(struct str host, struct sockaddr_storage *out)
{
    char text[INET6_ADDRSTRLEN];
    if (host.len >= sizeof text) return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &((struct sockaddr_in *)out)->sin_addr) == 1) {
        out->ss_family = AF_INET;
        return true;
    }
    if (inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)out)->sin6_addr) == 1) {
        out->ss_family = AF_INET6;
        return true;
    }
    return false;
}

bool loop__resolve_now(struct loop *l, struct str host, struct addresses *out)
{
    out->count = 1;
    if (parse_literal(host, &out->all[0])) return true;
    const struct resolved *r = map_get(&l->names, host);
    if (!r || r->until_us < l->now_us) return false;
    *out = r->found;
    return true;
}

void loop__remember(struct loop *l, const char *host, const struct addresses *found)
{
    if (l->names.count >= CACHE_MAX) loop__forget_names(l);
    size_t len = strlen(host);
    struct resolved *r = malloc(sizeof *r + len + 1);
    if (!r) return;
    r->found = *found;
    r->until_us = l->now_us + (uint64_t)CACHE_SECONDS * USEC_PER_SEC;
    memcpy(r->host, host, len + 1);
    struct resolved *former = map_remove(&l->names, str_of(host));
    free(former);
    map_put(&l->names, str_of(r->host), r);
}

void loop__forget_names(struct loop *l)
{
    size_t pos = 0;
    struct str host;
    void *value;
    while (map_next(&l->names, &pos, &host, &value))
        free(value);
    map_fini(&l->names);
}

static void on_lookup(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
    struct lookup *q = CONTAINER_OF(req, struct lookup, req);
    struct addresses found = {0};
    for (const struct addrinfo *a = list; !status && a && found.count < ADDRESSES_MAX;
         a = a->ai_next)
        memcpy(&found.all[found.count++], a->ai_addr,
               MIN((size_t)a->ai_addrlen, sizeof found.all[0]));
    if (found.count) loop__remember(q->loop, q->host, &found);
    uv_freeaddrinfo(list);
    q->done(q, found.count ? 0 : ERR_RESOLVE, &found);
}

int loop__resolve(struct loop *l, struct str host, struct lookup *q)
{
    static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    q->loop = l;
    q->host = str_dup(host);
    int err = uv_getaddrinfo(&l->uv, &q->req, on_lookup, q->host, NULL, &hints);
    if (err) {
        free(q->host);
        return ERR_RESOLVE;
    }
    return 0;
}
