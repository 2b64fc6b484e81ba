/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/url.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/err.h"

enum { SOCKET_PATH_MAX = 107 }; /* sun_path of unix(7), without its terminator */

static bool printable(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c == 0x7f) return false;
    }
    return true;
}

static bool host_valid(struct str host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && c != '.' && c != '-' && c != '_') return false;
    }
    return host.len <= 253;
}

static bool v6_valid(struct str host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr addr;
    if (host.len == 0 || host.len >= sizeof text) return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET6, text, &addr) == 1;
}

static int parse_port(struct str text, uint64_t least, uint16_t *port)
{
    uint64_t n;
    if (text.len > 5 || str_to_u64(text, &n) || n < least || n > UINT16_MAX) return ERR_SYNTAX;
    *port = (uint16_t)n;
    return 0;
}

/* HOST, HOST:PORT, [V6] or [V6]:PORT; *port stays when none is written, which *has_port tells. */
static int parse_authority(struct str text, uint64_t least_port, struct url *u, bool *has_port)
{
    struct str rest;
    if (text.len && text.ptr[0] == '[') {
        ptrdiff_t end = str_find_char(text, ']');
        if (end < 0) return ERR_SYNTAX;
        u->host = str_sub(text, 1, (size_t)end - 1);
        if (!v6_valid(u->host)) return ERR_SYNTAX;
        rest = str_skip(text, (size_t)end + 1);
    } else {
        ptrdiff_t colon = str_find_char(text, ':');
        u->host = colon < 0 ? text : str_sub(text, 0, (size_t)colon);
        if (!host_valid(u->host)) return ERR_SYNTAX;
        rest = str_skip(text, u->host.len);
    }
    *has_port = rest.len > 0;
    if (!*has_port) return 0;
    if (rest.ptr[0] != ':') return ERR_SYNTAX;
    return parse_port(str_skip(rest, 1), least_port, &u->port);
}

static int parse_base(struct str text, struct url *u)
{
    if (str_find_char(text, '?') >= 0 || str_find_char(text, '#') >= 0) return ERR_SYNTAX;
    while (text.len && text.ptr[text.len - 1] == '/')
        text.len--;
    u->base = text;
    return 0;
}

static int parse_socket(struct str path, struct url *u)
{
    if (str_starts(path, STR("///"))) path = str_skip(path, 2);
    if (path.len == 0 || str_starts(path, STR("//"))) return ERR_SYNTAX;
    if (path.len > SOCKET_PATH_MAX) return ERR_RANGE;
    u->scheme = URL_UNIX;
    u->path = path;
    return 0;
}

static int parse_unix(struct str text, struct url *u)
{
    ptrdiff_t base = str_find(text, STR(":/"));
    struct str path = base < 0 ? text : str_sub(text, 0, (size_t)base);
    if (path.len == 0 || path.ptr[0] != '/') return ERR_SYNTAX;
    int err = parse_socket(path, u);
    if (err || base < 0) return err;
    return parse_base(str_skip(text, (size_t)base + 1), u);
}

static int parse_http(struct str text, struct url *u)
{
    ptrdiff_t slash = str_find_char(text, '/');
    struct str authority = slash < 0 ? text : str_sub(text, 0, (size_t)slash);
    bool has_port;
    u->port = u->scheme == URL_HTTPS ? 443 : 80;
    int err = parse_authority(authority, 1, u, &has_port);
    if (err) return err;
    if (u->host.len == 0) return ERR_SYNTAX;
    return slash < 0 ? 0 : parse_base(str_skip(text, (size_t)slash), u);
}

int url_parse(struct str text, struct url *out)
{
    struct url u = {.scheme = URL_HTTP};
    int err;
    if (!printable(text)) return ERR_SYNTAX;
    if (str_starts_nocase(text, STR("http://"))) {
        err = parse_http(str_skip(text, 7), &u);
    } else if (str_starts_nocase(text, STR("https://"))) {
        u.scheme = URL_HTTPS;
        err = parse_http(str_skip(text, 8), &u);
    } else if (str_starts_nocase(text, STR("unix:"))) {
        err = parse_unix(str_skip(text, 5), &u);
    } else {
        err = ERR_SYNTAX;
    }
    if (!err) *out = u;
    return err;
}

int url_parse_listen(struct str text, struct url *out)
{
    struct url u = {.scheme = URL_HTTP};
    bool has_port = true;
    int err;
    if (!printable(text)) return ERR_SYNTAX;
    if (str_starts_nocase(text, STR("unix:")))
        err = parse_socket(str_skip(text, 5), &u);
    else
        err = parse_authority(text, 0, &u, &has_port);
    if (err) return err;
    if (!has_port) return ERR_SYNTAX;
    *out = u;
    return 0;
}

bool url_host_ok(struct str host)
{
    return host.len > 0 && (host_valid(host) || v6_valid(host));
}

bool url_is_loopback(const struct url *u)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr v4;
    struct in6_addr v6;
    if (u->scheme == URL_UNIX) return true;
    if (str_eq_nocase(u->host, STR("localhost"))) return true;
    if (u->host.len == 0 || u->host.len >= sizeof text) return false;
    memcpy(text, u->host.ptr, u->host.len);
    text[u->host.len] = '\0';
    if (inet_pton(AF_INET, text, &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}
