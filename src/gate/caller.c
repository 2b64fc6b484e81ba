/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/caller.h"

struct str caller_key(const struct http_head *head)
{
    struct str value = http_head_get(head, HDR_AUTHORIZATION);
    if (value.len > 7 && str_starts_nocase(value, STR("Bearer ")))
        return str_trim(str_skip(value, 7));
    value = http_head_get(head, HDR_X_API_KEY);
    return value.ptr ? value : http_head_get(head, HDR_API_KEY);
}

static bool is_digits_dots_colons(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((s.ptr[i] < '0' || s.ptr[i] > '9') && s.ptr[i] != '.' && s.ptr[i] != ':') return false;
    return true;
}

/* localhost, [::1] or 127.x.y.z, with or without scheme and port. */
static bool is_local_name(struct str host)
{
    static const struct str names[] = {STR_INIT("localhost"), STR_INIT("[::1]"), STR_INIT("127.")};
    ptrdiff_t scheme = str_find(host, STR("://"));
    if (scheme >= 0) host = str_skip(host, (size_t)scheme + 3);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!str_starts_nocase(host, names[i])) continue;
        struct str rest = str_n(host.ptr + names[i].len, host.len - names[i].len);
        if (i == 2) return is_digits_dots_colons(rest);
        return rest.len == 0 || rest.ptr[0] == ':';
    }
    return false;
}

bool caller_is_local(const struct http_call *call)
{
    struct str host = http_head_get(call->head, HDR_HOST);
    struct str origin = http_head_get(call->head, HDR_ORIGIN);
    if (str_eq(call->peer, STR("unix"))) return true;
    if (host.len && !is_local_name(host)) return false;
    return !origin.ptr || is_local_name(origin);
}
