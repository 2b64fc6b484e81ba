/* SPDX-License-Identifier: Apache-2.0 */
#include "base/origin.h"

#include <string.h>

#include "base/err.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word_or(char c, const char *marks)
{
    return is_letter(c) || is_digit(c) || (c && strchr(marks, c));
}

/* RFC 3986 section 3.1. */
static bool is_scheme(struct str s)
{
    if (s.len == 0 || !is_letter(s.ptr[0])) return false;
    for (size_t i = 1; i < s.len; i++)
        if (!is_word_or(s.ptr[i], "+-.")) return false;
    return true;
}

/* What programs call themselves is not always a host name: what would end or multiply an origin is
 * all that is refused. */
static bool is_host(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c <= ' ' || c >= 0x7f || strchr("/?#@\\,;\"'<>*:[]%", c)) return false;
    }
    return true;
}

static bool is_bracketed(struct str s)
{
    if (s.len < 4 || s.ptr[0] != '[' || s.ptr[s.len - 1] != ']') return false;
    for (size_t i = 1; i + 1 < s.len; i++)
        if (!is_word_or(s.ptr[i], ":.")) return false;
    return true;
}

static bool is_port(struct str s)
{
    uint64_t n;
    return s.len <= 5 && str_to_u64(s, &n) == 0 && n > 0 && n <= UINT16_MAX;
}

bool origin_is_web(const struct origin *o)
{
    return str_eq_nocase(o->scheme, STR("http")) || str_eq_nocase(o->scheme, STR("https"));
}

/* Browsers leave it out. */
static bool is_standard_port(const struct origin *o)
{
    return str_eq_nocase(o->scheme, STR("http"))    ? str_eq(o->port, STR("80"))
           : str_eq_nocase(o->scheme, STR("https")) ? str_eq(o->port, STR("443"))
                                                    : false;
}

/* Cuts ":port" off the host. */
static int read_port(struct origin *o)
{
    bool v6 = str_starts(o->host, STR("["));
    size_t from = v6 ? (size_t)MAX(str_find_char(o->host, ']'), 0) : 0;
    ptrdiff_t colon = str_find_char(str_skip(o->host, from), ':');
    if (colon < 0) return 0;
    o->port = str_skip(o->host, from + (size_t)colon + 1);
    o->host = str_sub(o->host, 0, from + (size_t)colon);
    if (!is_port(o->port)) return ERR_SYNTAX;
    if (is_standard_port(o)) o->port = STR("");
    return 0;
}

static int parse(struct str text, bool pattern, struct origin *out)
{
    static const struct str any = STR_INIT("*.");
    struct origin o = {.port = STR("")};
    ptrdiff_t end = str_find(text, STR("://"));
    if (end < 0) return ERR_SYNTAX;
    o.scheme = str_sub(text, 0, (size_t)end);
    o.host = str_skip(text, (size_t)end + 3);
    o.below = pattern && str_starts(o.host, any);
    if (o.below) o.host = str_skip(o.host, any.len);
    if (!is_scheme(o.scheme) || read_port(&o)) return ERR_SYNTAX;
    if (!is_host(o.host) && !is_bracketed(o.host)) return ERR_SYNTAX;
    if (o.host.len == 0 && (o.below || o.port.len || origin_is_web(&o))) return ERR_SYNTAX;
    *out = o;
    return 0;
}

int origin_parse(struct str text, struct origin *out)
{
    return parse(text, false, out);
}

int origin_parse_pattern(struct str text, struct origin *out)
{
    return parse(text, true, out);
}

/* "app" of "app.example.com" and "example.com"; empty where the name is not below the other. */
static struct str label_below(struct str name, struct str host)
{
    if (name.len <= host.len + 1) return STR_NULL;
    struct str rest = str_skip(name, name.len - host.len), label;
    label = str_sub(name, 0, name.len - host.len - 1);
    bool below = name.ptr[label.len] == '.' && str_eq_nocase(rest, host);
    return below && str_find_char(label, '.') < 0 ? label : STR_NULL;
}

bool origin_matches(const struct origin *pattern, const struct origin *o)
{
    if (!str_eq_nocase(pattern->scheme, o->scheme) || !str_eq(pattern->port, o->port)) return false;
    return pattern->below ? label_below(o->host, pattern->host).len > 0
                          : str_eq_nocase(pattern->host, o->host);
}
