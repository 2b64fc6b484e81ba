/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/forwarded.h"

#include <string.h>

/* What one of the two headers says. */
struct claim {
    bool known;
    struct ip client;
    enum forwarded_scheme scheme;
    struct str host;
    bool host_unclear;
};

/* One step of the way: the address that a proxy was asked from, and what it was asked then. */
struct hop {
    struct str node, proto, host; /* ptr NULL: not said */
};

static bool is_trusted(const struct settings *s, const struct ip *a)
{
    return ip_networks_have(s->proxies, s->proxy_count, a);
}

static bool is_trusted_peer(const struct settings *s, struct str peer)
{
    struct ip a;
    if (str_eq(peer, STR("unix"))) return s->unix_proxies;
    return ip_parse_node(peer, &a) == 0 && is_trusted(s, &a);
}

/* The next field with that name from index *at on (0 at first). False at the end. */
static bool next_field(const struct http_head *head, struct str name, unsigned *at,
                       struct str *value)
{
    while (*at < head->field_count) {
        const struct http_field *f = &head->fields[(*at)++];
        *value = f->value;
        if (str_eq_nocase(f->name, name)) return true;
    }
    return false;
}

/* The next value of a list that may be spread over several fields; *rest is what is left of the
 * last one, ptr NULL at first. */
static bool next_value(const struct http_head *head, struct str name, unsigned *at,
                       struct str *rest, struct str *value)
{
    do {
        while (!str_cut(rest, ',', value))
            if (!next_field(head, name, at, rest)) return false;
        *value = str_trim(*value);
    } while (value->len == 0);
    return true;
}

/* --- the client --- */

static enum forwarded_scheme scheme_of(struct str proto)
{
    if (str_eq_nocase(proto, STR("https"))) return SCHEME_SECURE;
    return str_eq_nocase(proto, STR("http")) ? SCHEME_PLAIN : SCHEME_UNSAID;
}

/* The claim after one more hop, from the client's side to ours. The client is the last that is no
 * proxy of ours, or the first of the proxies behind which nothing else comes; an address that
 * cannot be read hides what is before it. */
static void add_hop(struct claim *c, const struct settings *s, const struct hop *hop)
{
    struct ip a = {0};
    bool known = ip_parse_node(hop->node, &a) == 0;
    if (known && c->known && is_trusted(s, &a)) return;
    *c = (struct claim){.known = known,
                        .client = a,
                        .scheme = scheme_of(hop->proto),
                        .host = hop->host,
                        .host_unclear = hop->host.ptr && !http_host_ok(hop->host)};
}

/* --- X-Forwarded-* --- */

/* What all values say; a list that is not of one mind says that nothing is encrypted. */
static enum forwarded_scheme scheme_told(const struct http_head *head)
{
    enum forwarded_scheme all = SCHEME_UNSAID;
    unsigned at = 0;
    struct str rest = STR_NULL, value;
    while (next_value(head, STR("x-forwarded-proto"), &at, &rest, &value)) {
        enum forwarded_scheme one = scheme_of(value);
        if (all && all != one) return SCHEME_PLAIN;
        all = one;
    }
    return all;
}

static void read_host(const struct http_head *head, struct claim *c)
{
    unsigned at = 0;
    struct str rest = STR_NULL, value;
    while (next_value(head, STR("x-forwarded-host"), &at, &rest, &value)) {
        if (c->host.ptr || !http_host_ok(value)) c->host_unclear = true;
        c->host = value;
    }
}

static void read_x_forwarded(const struct http_head *head, const struct settings *s,
                             struct claim *c)
{
    unsigned at = 0;
    struct str rest = STR_NULL, value;
    while (next_value(head, STR("x-forwarded-for"), &at, &rest, &value))
        add_hop(c, s, &(struct hop){.node = value});
    c->scheme = scheme_told(head);
    read_host(head, c);
}

/* --- Forwarded --- */

/* Cuts a value off *rest: a token, or a quoted string, of which the quotes are taken off. False:
 * malformed, or with escapes, which nothing that we look for needs. */
static bool cut_value(struct str *rest, struct str *value)
{
    bool quoted = str_starts(*rest, STR("\""));
    size_t len = quoted, end;
    while (len < rest->len && !strchr(quoted ? "\"\\" : "\";, \t\\", rest->ptr[len]))
        len++;
    if (quoted && (len == rest->len || rest->ptr[len] != '"')) return false;
    *value = str_sub(*rest, quoted, len - quoted);
    end = len + quoted;
    *rest = str_trim(str_skip(*rest, end));
    return quoted || value->len > 0;
}

static bool read_pair(struct str *rest, struct hop *hop)
{
    struct str name, value;
    ptrdiff_t equals = str_find_char(*rest, '=');
    if (equals <= 0) return false;
    name = str_sub(*rest, 0, (size_t)equals);
    *rest = str_skip(*rest, (size_t)equals + 1);
    if (!cut_value(rest, &value)) return false;
    if (str_eq_nocase(name, STR("for"))) hop->node = value;
    if (str_eq_nocase(name, STR("proto"))) hop->proto = value;
    if (str_eq_nocase(name, STR("host"))) hop->host = value;
    return true;
}

static bool cut_mark(struct str *rest, char mark)
{
    if (rest->len == 0 || rest->ptr[0] != mark) return false;
    *rest = str_trim(str_skip(*rest, 1));
    return true;
}

/* Reads one element, "for=192.0.2.1;proto=https", up to the comma behind it. False: malformed. */
static bool read_element(struct str *rest, struct hop *hop)
{
    do {
        while (cut_mark(rest, ';'))
            ;
        if (rest->len && rest->ptr[0] != ',' && !read_pair(rest, hop)) return false;
    } while (cut_mark(rest, ';'));
    return rest->len == 0 || rest->ptr[0] == ',';
}

/* False: malformed, and nobody knows where in it the next element begins. */
static bool read_elements(struct str rest, const struct settings *s, struct claim *c)
{
    while (rest.len) {
        struct hop hop = {0};
        if (cut_mark(&rest, ',')) continue;
        if (!read_element(&rest, &hop)) return false;
        add_hop(c, s, &hop);
    }
    return true;
}

/* A malformed header says nothing at all. */
static void read_forwarded(const struct http_head *head, const struct settings *s, struct claim *c)
{
    unsigned at = 0;
    struct str value;
    while (next_field(head, STR("forwarded"), &at, &value))
        if (!read_elements(value, s, c)) {
            *c = (struct claim){.host_unclear = true};
            return;
        }
}

/* --- both --- */

static bool differ(const struct claim *a, const struct claim *b)
{
    if (a->known && b->known && memcmp(&a->client, &b->client, sizeof a->client) != 0) return true;
    return a->scheme && b->scheme && a->scheme != b->scheme;
}

static void read_hosts(const struct claim *a, const struct claim *b, struct forwarded *out)
{
    out->host = a->host.ptr ? a->host : b->host;
    out->host_unclear = a->host_unclear || b->host_unclear ||
                        (a->host.ptr && b->host.ptr && !str_eq_nocase(a->host, b->host));
}

void forwarded_read(const struct http_head *head, struct str peer, const struct settings *s,
                    struct forwarded *out)
{
    struct claim x = {0}, standard = {0};
    *out = (struct forwarded){0};
    if (!is_trusted_peer(s, peer)) return;
    read_x_forwarded(head, s, &x);
    read_forwarded(head, s, &standard);
    read_hosts(&x, &standard, out);
    if (differ(&x, &standard)) {
        out->scheme = SCHEME_PLAIN;
        return;
    }
    out->known = x.known || standard.known;
    out->client = x.known ? x.client : standard.client;
    out->scheme = x.scheme ? x.scheme : standard.scheme;
}
