/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/caller.h"

#include "base/err.h"

/* The API key in a header, empty for none. */
static struct str key_of(const struct http_field *h)
{
    switch (h->id) {
    case HDR_AUTHORIZATION:
        if (!str_starts_nocase(h->value, STR("Bearer "))) return STR_NULL;
        return str_trim(str_skip(h->value, sizeof "Bearer " - 1));
    case HDR_X_API_KEY:
    case HDR_API_KEY: return h->value;
    default: return STR_NULL;
    }
}

int caller_key(const struct http_head *head, struct str *out)
{
    struct str found = STR_NULL;
    for (unsigned i = 0; i < head->field_count; i++) {
        struct str key = key_of(&head->fields[i]);
        if (key.len == 0) continue;
        if (found.len && !str_eq(found, key)) return ERR_DUPLICATE;
        found = key;
    }
    *out = found;
    return 0;
}

static bool is_digits_dots_colons(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((s.ptr[i] < '0' || s.ptr[i] > '9') && s.ptr[i] != '.' && s.ptr[i] != ':') return false;
    return true;
}

/* "name:port" or "[address]:port" without the port. */
static struct str without_port(struct str host)
{
    size_t from = 0;
    if (host.len && host.ptr[0] == '[') from = (size_t)MAX(str_find_char(host, ']'), 0);
    ptrdiff_t colon = str_find_char(str_skip(host, from), ':');
    return colon < 0 ? host : str_sub(host, 0, from + (size_t)colon);
}

bool caller_is_local_name(struct str host, const struct str *hosts, size_t host_count)
{
    struct str name = without_port(host), suffix = STR(".localhost");
    if (str_eq_nocase(name, STR("localhost")) || str_eq(name, STR("[::1]"))) return true;
    if (name.len > suffix.len && str_eq_nocase(str_skip(name, name.len - suffix.len), suffix))
        return true;
    if (str_starts(name, STR("127.")) && is_digits_dots_colons(host)) return true;
    for (size_t i = 0; i < host_count; i++)
        if (str_eq_nocase(name, hosts[i])) return true;
    return false;
}

static bool is_local(struct str host, const struct settings *s)
{
    return !host.len || caller_is_local_name(host, s->hosts, s->host_count);
}

bool caller_asks_local(const struct http_call *call, const struct forwarded *way,
                       const struct settings *s)
{
    if (way->host_unclear || !is_local(way->host, s)) return false;
    return str_eq(call->peer, STR("unix")) || is_local(call->head->authority, s);
}
