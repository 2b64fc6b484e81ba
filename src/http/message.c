/* SPDX-License-Identifier: Apache-2.0 */
#include "http/message.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"

static const struct str header_names[HDR_COUNT] = {
    [HDR_OTHER] = STR_INIT(""),
#define HEADER(id, name) [HDR_##id] = STR_INIT(name),
#include "http/headers.def"
#undef HEADER
};

/* The last name of each length that has any: a later row takes the place of an earlier one. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static const unsigned char last_of_length[] = {
#define HEADER(id, name) [sizeof(name) - 1] = HDR_##id,
#include "http/headers.def"
#undef HEADER
};
#pragma GCC diagnostic pop

enum http_header_id http_header_id(struct str name)
{
    if (name.len == 0 || name.len >= ARRAY_LEN(last_of_length)) return HDR_OTHER;
    char first = (char)(name.ptr[0] | 0x20);
    for (unsigned i = last_of_length[name.len]; header_names[i].len == name.len; i--)
        if (header_names[i].ptr[0] == first && str_eq_nocase(header_names[i], name))
            return (enum http_header_id)i;
    return HDR_OTHER;
}

struct str http_header_name(enum http_header_id id)
{
    return header_names[id];
}

static const struct str method_names[] = {
    [METHOD_GET] = STR_INIT("GET"),       [METHOD_HEAD] = STR_INIT("HEAD"),
    [METHOD_POST] = STR_INIT("POST"),     [METHOD_PUT] = STR_INIT("PUT"),
    [METHOD_DELETE] = STR_INIT("DELETE"), [METHOD_OPTIONS] = STR_INIT("OPTIONS"),
    [METHOD_PATCH] = STR_INIT("PATCH"),   [METHOD_OTHER] = STR_INIT(""),
};

struct str http_method_name(enum http_method method)
{
    return method_names[method];
}

enum http_method http_method_of(struct str name)
{
    for (unsigned i = 0; i < METHOD_OTHER; i++)
        if (str_eq(method_names[i], name)) return (enum http_method)i;
    return METHOD_OTHER;
}

const struct http_head *http_head_of_refused(struct arena *arena, struct http_field *fields,
                                             unsigned count)
{
    static const struct http_head empty = {
        .method = METHOD_OTHER,
        .method_name = STR_INIT(""),
        .target = STR_INIT(""),
        .path = STR_INIT(""),
        .query = STR_INIT(""),
    };
    struct http_head *head = count ? arena_try(arena, sizeof *head) : NULL;
    if (!head) return &empty;
    *head = empty;
    head->fields = fields;
    head->field_count = count;
    return head;
}

struct str http_field_name(const struct http_field *f)
{
    return f->name.len ? f->name : http_header_name(f->id);
}

bool http_fields_have(const struct http_field *fields, unsigned count, enum http_header_id id)
{
    for (unsigned i = 0; i < count; i++)
        if (fields[i].id == id) return true;
    return false;
}

bool http_request_length(const struct http_request *r, uint64_t *length)
{
    *length = 0;
    for (unsigned i = 0; i < r->body_count; i++)
        *length += r->body[i].len;
    return *length || r->method == METHOD_POST || r->method == METHOD_PUT ||
           r->method == METHOD_PATCH;
}

void http_head_set_path(struct http_head *head, struct str path)
{
    ptrdiff_t mark = str_find_char(path, '?');
    head->query = mark < 0 ? STR("") : str_skip(path, (size_t)mark + 1);
    head->path = mark < 0 ? path : str_n(path.ptr, (size_t)mark);
}

struct str http_head_get(const struct http_head *head, enum http_header_id id)
{
    for (unsigned i = 0; i < head->field_count; i++)
        if (head->fields[i].id == id) return head->fields[i].value;
    return STR_NULL;
}

struct str http_head_get_name(const struct http_head *head, struct str lower_name)
{
    for (unsigned i = 0; i < head->field_count; i++)
        if (str_eq_nocase(head->fields[i].name, lower_name)) return head->fields[i].value;
    return STR_NULL;
}

bool http_head_next(const struct http_head *head, enum http_header_id id, unsigned *at,
                    struct str *value)
{
    while (*at < head->field_count) {
        const struct http_field *h = &head->fields[(*at)++];
        if (h->id != id) continue;
        *value = h->value;
        return true;
    }
    return false;
}

bool http_list_has(struct str value, struct str token)
{
    struct str piece;
    while (str_cut(&value, ',', &piece))
        if (str_eq_nocase(str_trim(piece), token)) return true;
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_digit(char c)
{
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* The unreserved characters and sub-delims of RFC 3986. */
/* clang-format off */
static bool is_name_char(char c)
{
    switch (c) {
    case '-': case '.': case '_': case '~': /* unreserved */
    case '!': case '$': case '&': case '\'': case '(': case ')':
    case '*': case '+': case ',': case ';': case '=': return true;
    default: return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    }
}

/* clang-format on */

static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        bool escape = s.ptr[i] == '%' && s.len - i > 2 && hex_digit(s.ptr[i + 1]) >= 0 &&
                      hex_digit(s.ptr[i + 2]) >= 0;
        if (escape)
            i += 2;
        else if (!is_name_char(s.ptr[i]))
            return false;
    }
    return s.len > 0;
}

static bool is_ipv6(struct str s)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (s.len >= sizeof text) return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    return strlen(text) == s.len && inet_pton(AF_INET6, text, &address) == 1;
}

/* Nothing, or a colon and a number. */
static bool is_port(struct str s)
{
    uint64_t port;
    if (s.len <= 1) return s.len == 0 || s.ptr[0] == ':';
    return s.ptr[0] == ':' && is_digit(s.ptr[1]) && str_to_u64(str_skip(s, 1), &port) == 0 &&
           port <= 65535;
}

bool http_host_ok(struct str host)
{
    if (host.len && host.ptr[0] == '[') {
        ptrdiff_t end = str_find_char(host, ']');
        return end > 0 && is_ipv6(str_sub(host, 1, (size_t)end - 1)) &&
               is_port(str_skip(host, (size_t)end + 1));
    }
    ptrdiff_t colon = str_find_char(host, ':');
    size_t len = colon < 0 ? host.len : (size_t)colon;
    return is_name(str_sub(host, 0, len)) && is_port(str_skip(host, len));
}

struct reason_row {
    int status;
    struct str text;
};

struct str http_reason(int status)
{
    static const struct reason_row rows[] = {
        {200, STR_INIT("OK")},
        {201, STR_INIT("Created")},
        {202, STR_INIT("Accepted")},
        {204, STR_INIT("No Content")},
        {206, STR_INIT("Partial Content")},
        {301, STR_INIT("Moved Permanently")},
        {302, STR_INIT("Found")},
        {304, STR_INIT("Not Modified")},
        {307, STR_INIT("Temporary Redirect")},
        {308, STR_INIT("Permanent Redirect")},
        {400, STR_INIT("Bad Request")},
        {401, STR_INIT("Unauthorized")},
        {402, STR_INIT("Payment Required")},
        {403, STR_INIT("Forbidden")},
        {404, STR_INIT("Not Found")},
        {405, STR_INIT("Method Not Allowed")},
        {408, STR_INIT("Request Timeout")},
        {409, STR_INIT("Conflict")},
        {413, STR_INIT("Content Too Large")},
        {414, STR_INIT("URI Too Long")},
        {415, STR_INIT("Unsupported Media Type")},
        {417, STR_INIT("Expectation Failed")},
        {421, STR_INIT("Misdirected Request")},
        {422, STR_INIT("Unprocessable Content")},
        {426, STR_INIT("Upgrade Required")},
        {429, STR_INIT("Too Many Requests")},
        {431, STR_INIT("Request Header Fields Too Large")},
        {499, STR_INIT("Client Closed Request")},
        {500, STR_INIT("Internal Server Error")},
        {501, STR_INIT("Not Implemented")},
        {502, STR_INIT("Bad Gateway")},
        {503, STR_INIT("Service Unavailable")},
        {504, STR_INIT("Gateway Timeout")},
        {505, STR_INIT("HTTP Version Not Supported")},
        {508, STR_INIT("Loop Detected")},
        {529, STR_INIT("Overloaded")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].status == status) return rows[i].text;
    return STR("Unknown");
}

struct str http_date(void)
{
    static _Thread_local uint64_t second;
    static _Thread_local char text[40];
    uint64_t now = clock_wall_us() / USEC_PER_SEC;
    if (now != second) {
        time_t t = (time_t)now;
        struct tm tm;
        gmtime_r(&t, &tm);
        strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        second = now;
    }
    return str_n(text, 29);
}

int http_percent_decode(struct arena *arena, struct str s, struct str *out)
{
    if (str_find_char(s, '%') < 0) {
        *out = s;
        return 0;
    }
    char *to = arena_try(arena, s.len + 1);
    if (!to) return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '%') {
            to[n++] = s.ptr[i];
            continue;
        }
        if (s.len - i < 3) return ERR_SYNTAX;
        int high = hex_digit(s.ptr[i + 1]), low = hex_digit(s.ptr[i + 2]);
        if (high < 0 || low < 0 || (high == 0 && low == 0)) return ERR_SYNTAX;
        to[n++] = (char)(high << 4 | low);
        i += 2;
    }
    to[n] = '\0';
    *out = str_n(to, n);
    return 0;
}
